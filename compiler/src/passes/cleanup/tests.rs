use super::run;
use crate::ir::{Binary::*, Op, Unary, Zero};
use crate::passes::testing::{Build, ops, preserved};

#[test]
fn chains_of_reshapes_and_transposes_are_one() {
    let mut b = Build::default();
    let x = b.input(&[2, 3, 4, 1]);
    let y = b.node(Op::Reshape, &[x], &[6, 4]);
    let y = b.node(Op::Reshape, &[y], &[24]);
    let y = b.node(Op::Reshape, &[y], &[2, 3, 4]);
    let y = b.transpose(y, &[1, 0, 2]);
    let y = b.transpose(y, &[2, 1, 0]);
    let graph = preserved(&b.finish(&[y]), run);
    assert_eq!(ops(&graph), ["Reshape", "Transpose"]);
    assert_eq!(graph.nodes[1].op, Op::Transpose(vec![2, 0, 1]));
}

#[test]
fn what_cancels_vanishes_and_the_output_keeps_its_name() {
    let mut b = Build::default();
    let x = b.input(&[2, 3]);
    let r = b.unary(Unary::Relu, x);
    let y = b.transpose(r, &[1, 0]);
    let y = b.transpose(y, &[1, 0]);
    let y = b.node(Op::Reshape, &[y], &[6]);
    let y = b.node(Op::Reshape, &[y], &[2, 3]);
    let graph = preserved(&b.finish(&[y]), run);
    assert_eq!(ops(&graph), ["Relu"]);
    assert_eq!(graph.value(graph.outputs[0]).name, "Reshape4.out");
}

#[test]
fn an_input_that_is_an_output_stays_two_values() {
    let mut b = Build::default();
    let x = b.input(&[2, 3]);
    let y = b.node(Op::Reshape, &[x], &[2, 3]);
    let graph = preserved(&b.finish(&[y]), run);
    assert_eq!(ops(&graph), ["Reshape"]);
}

#[test]
fn an_axis_of_extent_one_moves_for_nothing() {
    let mut b = Build::default();
    let x = b.input(&[1, 1, 5]);
    let y = b.transpose(x, &[0, 2, 1]);
    assert_eq!(ops(&preserved(&b.finish(&[y]), run)), ["Reshape"]);
}

#[test]
fn duplicates_become_one() {
    let mut b = Build::default();
    let x = b.input(&[2, 3]);
    let mut branch = |zero| {
        let half = b.scalar(0.5);
        let y = b.binary(Add, x, half);
        b.like(Op::Sign(zero), &[y])
    };
    let (s, t, u) = (branch(Zero::Plus), branch(Zero::Plus), branch(Zero::Minus));
    let y = b.node(Op::Concat { axis: 1 }, &[s, t, u], &[2, 9]);
    let graph = preserved(&b.finish(&[y]), run);
    assert_eq!(ops(&graph), ["Add", "Sign", "Sign", "Concat"]);
}

#[test]
fn slices_of_slices_and_rejoined_slices() {
    let mut b = Build::default();
    let x = b.input(&[2, 12]);
    let slice = |start, step| Op::Slice { starts: vec![0, start], steps: vec![1, step] };
    let odd = b.node(slice(11, -2), &[x], &[2, 6]);
    let y = b.node(slice(1, 3), &[odd], &[2, 2]);
    let first = b.node(slice(0, 1), &[x], &[2, 5]);
    let second = b.node(slice(5, 1), &[x], &[2, 7]);
    let z = b.node(Op::Concat { axis: 1 }, &[first, second], &[2, 12]);
    let z = b.unary(Unary::Relu, z);
    let swapped = b.node(Op::Concat { axis: 1 }, &[second, first], &[2, 12]);
    let graph = preserved(&b.finish(&[y, z, swapped]), run);
    assert_eq!(ops(&graph), ["Slice", "Relu", "Slice", "Slice", "Concat"]);
    assert_eq!(graph.nodes[0].op, slice(9, -6));
}
