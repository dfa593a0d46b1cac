use std::sync::Arc;

use super::run;
use crate::exact::Affine;
use crate::ir::Part;
use crate::ir::{Binary::*, Graph, Op, Unary, ValueId, Zero};
use crate::passes::testing::{Build, ops, preserved};

fn batch_norm(b: &mut Build, x: ValueId, axis: usize) -> ValueId {
    let n = b.graph.shape(x)[axis];
    let map = |i: usize| Affine::batch_norm(0.5 - i as f32, 0.25, 0.5 * i as f32, 1.5, 1e-5).unwrap();
    b.like(Op::Affine { axis, maps: Arc::new((0..n).map(map).collect()) }, &[x])
}

fn axes(graph: &Graph) -> Vec<usize> {
    let axis = |op: &Op| match op {
        Op::Affine { axis, .. } => Some(*axis),
        _ => None,
    };
    graph.nodes.iter().filter_map(|n| axis(&n.op)).collect()
}

#[test]
fn arithmetic_with_constants_per_channel() {
    for (f, swapped) in [(Add, false), (Add, true), (Sub, false), (Sub, true), (Mul, false), (Mul, true), (Div, false)]
    {
        for shape in [&[3, 1, 1][..], &[1, 3, 1, 1], &[1]] {
            let mut b = Build::default();
            let x = b.input(&[2, 3, 4, 4]);
            let w = b.random_constant(&[3, 3, 1, 1]);
            let x = b.conv(x, w, 0);
            let c = b.random_constant(shape);
            let y = if swapped { b.binary(f, c, x) } else { b.binary(f, x, c) };
            let graph = preserved(&b.finish(&[y]), run);
            assert_eq!(ops(&graph), ["Conv", "Affine"], "{f:?} {shape:?}");
            assert_eq!(axes(&graph), [1]);
        }
    }
}

#[test]
fn neighbours_merge_as_far_as_one_root_goes() {
    let mut b = Build::default();
    let x = b.input(&[2, 3, 4, 4]);
    let [scale, shift, half] = [b.random_constant(&[1, 3, 1, 1]), b.random_constant(&[3, 1, 1]), b.scalar(0.5)];
    let y = b.binary(Mul, x, half);
    let y = batch_norm(&mut b, y, 1);
    let y = b.binary(Mul, y, scale);
    let y = b.unary(Unary::Neg, y);
    let y = b.binary(Sub, y, shift);
    let graph = preserved(&b.finish(&[y]), run);
    assert_eq!(ops(&graph), ["Affine"]);
    assert_eq!(graph.nodes[0].parts, ["Mul", "Affine", "Mul", "Neg", "Sub"].map(Part::from));
    assert_eq!(graph.nodes[0].name, "Mul0");

    let mut b = Build::default();
    let x = b.input(&[2, 3]);
    let y = batch_norm(&mut b, x, 1);
    let y = batch_norm(&mut b, y, 1);
    let graph = preserved(&b.finish(&[y]), run);
    assert_eq!(ops(&graph), ["Affine", "Affine"]);
}

#[test]
fn an_affine_with_other_users_stays_for_them() {
    let mut b = Build::default();
    let x = b.input(&[2, 3, 4, 4]);
    let t = batch_norm(&mut b, x, 1);
    let s = b.like(Op::Sign(Zero::Plus), &[t]);
    let c = b.random_constant(&[3, 1, 1]);
    let y = b.binary(Add, t, c);
    let graph = preserved(&b.finish(&[s, y]), run);
    assert_eq!(ops(&graph), ["Affine", "Sign", "Affine"]);
    assert!(graph.nodes.iter().all(|n| n.op == Op::Sign(Zero::Plus) || n.inputs == [x]));
    assert_eq!(graph.nodes[2].name, "Add2");
}

#[test]
fn what_changes_nothing_vanishes() {
    let mut b = Build::default();
    let x = b.input(&[2, 3]);
    let r = b.unary(Unary::Relu, x);
    let [half, two] = [0.5, 2.0].map(|c| b.scalar(c));
    let y = b.binary(Mul, r, half);
    let y = b.binary(Mul, y, two);
    let graph = preserved(&b.finish(&[y]), run);
    assert_eq!(ops(&graph), ["Relu"]);
    assert_eq!(graph.value(graph.outputs[0]).name, "Mul2.out");
}

#[test]
fn constants_that_do_not_follow_the_channels_stay() {
    // Per row, per column, per pixel and per element of a channels-first image; between two dynamic values.
    for shape in [&[1, 1, 4, 1][..], &[4], &[4, 4], &[1, 3, 4, 4]] {
        let mut b = Build::default();
        let x = b.input(&[2, 3, 4, 4]);
        let w = b.random_constant(&[3, 3, 1, 1]);
        let x = b.conv(x, w, 0);
        let c = b.random_constant(shape);
        let y = b.binary(Mul, x, c);
        let graph = preserved(&b.finish(&[y]), run);
        assert_eq!(ops(&graph), ["Conv", "Mul"], "{shape:?}");
    }
    // The same constant on the channels-last view of the image is one per channel.
    let mut b = Build::default();
    let x = b.input(&[2, 3, 4, 4]);
    let w = b.random_constant(&[3, 3, 1, 1]);
    let x = b.conv(x, w, 0);
    let x = b.transpose(x, &[0, 2, 3, 1]);
    let c = b.random_constant(&[3]);
    let half = b.scalar(0.5);
    let y = b.binary(Mul, x, c);
    let y = b.binary(Mul, y, half);
    let graph = preserved(&b.finish(&[y]), run);
    assert_eq!(ops(&graph), ["Conv", "Transpose", "Affine"]);
    assert_eq!(axes(&graph), [3]);
    // A constant divided by a value is not affine, nor is a broadcast that enlarges the value.
    let mut b = Build::default();
    let x = b.input(&[1, 3]);
    let x = b.unary(Unary::Exp, x);
    let two = b.scalar(2.0);
    let y = b.binary(Div, two, x);
    let c = b.random_constant(&[2, 1]);
    let z = b.node(Op::Binary(Add), &[y, c], &[2, 3]);
    let graph = preserved(&b.finish(&[z]), run);
    assert_eq!(ops(&graph), ["Exp", "Div", "Add"]);
}

/// What a chain has gathered is handed on and not copied: copies would make 2 * 10^8 words of it, 10 GB.
#[test]
fn a_long_chain_is_merged_in_linear_time() {
    const N: usize = 20_000;
    let mut b = Build::default();
    let x = b.input(&[1, 4]);
    let c = b.constant(&[4], &[0.5, -0.25, 1.0, 2.0]);
    let y = (0..N).fold(x, |x, _| b.binary(Add, x, c));
    let mut graph = b.finish(&[y]);
    let start = std::time::Instant::now();
    run(&mut graph);
    assert_eq!(ops(&graph), ["Affine"]);
    assert_eq!(graph.nodes[0].parts.len(), N);
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

#[test]
fn a_map_with_another_user_behind_one_that_vanishes_stays() {
    // Twice the map: once through a map that changes nothing, which is replaced by its operand.
    let mut b = Build::default();
    let x = b.input(&[1, 3]);
    let a = batch_norm(&mut b, x, 1);
    let one = b.constant(&[], &[1.0]);
    let same = b.binary(Mul, a, one);
    let c = b.random_constant(&[3]);
    let d = b.random_constant(&[3]);
    let first = b.binary(Add, same, c);
    let second = b.binary(Add, same, d);
    let relu = b.like(Op::Unary(Unary::Relu), &[same]);
    preserved(&b.finish(&[first, second, relu]), run);
}

/// A factor that is no normal float would give infinity, or lose digits, where the division or the product of factors does not.
#[test]
fn factors_that_are_no_floats_stay_apart() {
    for (f, c) in [(Div, 1e-45), (Div, 1e-40), (Div, 3e38)] {
        let mut b = Build::default();
        let x = b.input(&[2, 3]);
        let c = b.scalar(c);
        let y = b.binary(f, x, c);
        let mut graph = b.finish(&[y]);
        run(&mut graph);
        assert_eq!(ops(&graph), ["Div"]);
    }
    for c in [1e30, 1e-30] {
        let mut b = Build::default();
        let x = b.input(&[2, 3]);
        let c = b.scalar(c);
        let y = b.binary(Mul, x, c);
        let y = b.binary(Mul, y, c);
        let mut graph = b.finish(&[y]);
        run(&mut graph);
        assert_eq!(ops(&graph), ["Affine", "Affine"]);
    }
}
