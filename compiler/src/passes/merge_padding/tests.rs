use super::run;
use crate::ir::Part;
use crate::ir::{Graph, Layout, Op, Unary, ValueId, Window, Zero};
use crate::passes::testing::{Build, ops, preserved, window};

fn pad(b: &mut Build, x: ValueId, before: [usize; 4], after: [usize; 4], value: f32) -> ValueId {
    let shape: Vec<usize> = (0..4).map(|i| b.graph.shape(x)[i] + before[i] + after[i]).collect();
    b.node(Op::Pad { before: before.to_vec(), after: after.to_vec(), value }, &[x], &shape)
}

fn last_window(graph: &Graph) -> Window {
    match &graph.nodes.last().unwrap().op {
        Op::Conv { window, .. } | Op::MaxPool { window, .. } | Op::AveragePool { window, .. } => window.clone(),
        op => panic!("{op:?}"),
    }
}

/// A 3x3 convolution (with its own padding) of a padded value, which `make` makes from an image `[1, 2, 5, 5]`.
fn conv(value: f32, own: usize, make: impl Fn(&mut Build, ValueId) -> ValueId) -> Graph {
    let mut b = Build::default();
    let x = b.input(&[1, 2, 5, 5]);
    let x = make(&mut b, x);
    let x = pad(&mut b, x, [0, 0, 1, 0], [0, 0, 1, 2], value);
    let w = b.random_constant(&[3, 2, 3, 3]);
    let y = b.conv(x, w, own);
    preserved(&b.finish(&[y]), run)
}

fn sign(b: &mut Build, x: ValueId) -> ValueId {
    b.like(Op::Sign(Zero::Plus), &[x])
}

#[test]
fn zeros_in_front_of_a_convolution() {
    let graph = conv(0.0, 0, |_, x| x);
    assert_eq!(ops(&graph), ["Conv"]);
    assert_eq!(last_window(&graph).pads, [1, 0, 1, 2]);
    assert_eq!(graph.nodes[0].parts, ["Pad", "Conv"].map(Part::from));
    let graph = conv(0.0, 1, |_, x| x);
    assert_eq!(last_window(&graph).pads, [2, 1, 2, 3]);
}

#[test]
fn ones_only_where_the_input_is_binary() {
    for value in [1.0, -1.0] {
        let graph = conv(value, 0, sign);
        assert_eq!(ops(&graph), ["Sign", "Conv"]);
        assert_eq!((last_window(&graph).pads, last_window(&graph).pad_value), ([1, 0, 1, 2], value));
        assert_eq!(ops(&conv(value, 0, |_, x| x)), ["Pad", "Conv"]);
        // Its own padding is zero.
        assert_eq!(ops(&conv(value, 1, sign)), ["Sign", "Pad", "Conv"]);
    }
    assert_eq!(ops(&conv(0.5, 0, sign)), ["Sign", "Pad", "Conv"]);
}

#[test]
fn through_a_transpose() {
    let mut b = Build::default();
    let x = b.input(&[1, 5, 6, 2]);
    let x = pad(&mut b, x, [0, 1, 0, 0], [0, 1, 2, 0], 0.0);
    let x = b.transpose(x, &[0, 3, 1, 2]);
    let w = b.random_constant(&[3, 2, 3, 3]);
    let y = b.conv(x, w, 0);
    let graph = preserved(&b.finish(&[y]), run);
    assert_eq!(ops(&graph), ["Transpose", "Conv"]);
    assert_eq!(last_window(&graph).pads, [1, 0, 1, 2]);
}

#[test]
fn padding_of_channels_moves_data() {
    let mut b = Build::default();
    let x = b.input(&[1, 2, 5, 5]);
    let x = pad(&mut b, x, [0, 1, 1, 1], [0, 0, 1, 1], 0.0);
    let w = b.random_constant(&[3, 3, 3, 3]);
    let y = b.conv(x, w, 0);
    assert_eq!(ops(&preserved(&b.finish(&[y]), run)), ["Pad", "Conv"]);
}

#[test]
fn no_padding_at_all_vanishes() {
    let mut b = Build::default();
    let x = b.input(&[1, 2, 5, 5]);
    let x = b.unary(Unary::Relu, x);
    let x = pad(&mut b, x, [0; 4], [0; 4], 0.0);
    let y = b.unary(Unary::Tanh, x);
    assert_eq!(ops(&preserved(&b.finish(&[y]), run)), ["Relu", "Tanh"]);
}

#[test]
fn maxima_take_only_what_cannot_win() {
    for (value, relu, merged) in [(f32::NEG_INFINITY, false, true), (0.0, false, false), (0.0, true, true)] {
        let mut b = Build::default();
        let mut x = b.input(&[1, 2, 5, 5]);
        if relu {
            x = b.unary(Unary::Relu, x);
        }
        let x = pad(&mut b, x, [0, 0, 1, 1], [0, 0, 1, 1], value);
        let op = Op::MaxPool { window: window([3, 3], 0), layout: Layout::ChannelsFirst };
        let y = b.node(op, &[x], &[1, 2, 5, 5]);
        let graph = preserved(&b.finish(&[y]), run);
        assert_eq!(!ops(&graph).contains(&"Pad".to_owned()), merged, "{value} {relu}");
    }
}

#[test]
fn averages_count_what_the_file_pads() {
    for (own, counted, merged) in [(0, false, true), (0, true, true), (1, true, true), (1, false, false)] {
        let mut b = Build::default();
        let x = b.input(&[1, 2, 5, 5]);
        let x = pad(&mut b, x, [0, 0, 1, 1], [0, 0, 1, 1], 0.0);
        let (window, layout) = (window([3, 3], own), Layout::ChannelsFirst);
        let op = Op::AveragePool { window, count_include_pad: counted, ceil_extra: [0, 0], layout };
        let y = b.node(op, &[x], &[1, 2, 5 + 2 * own, 5 + 2 * own]);
        let graph = preserved(&b.finish(&[y]), run);
        assert_eq!(ops(&graph).len() == 1, merged, "{own} {counted}");
    }
}
