use std::sync::Arc;

use super::run;
use crate::exact::Affine;
use crate::ir::{Binary::*, Graph, Layout, Op, Reduction, Unary, ValueId, Zero};
use crate::passes::testing::{Build, count, ops, preserved, window};

fn image(b: &mut Build) -> ValueId {
    let x = b.input(&[2, 3, 5, 4]);
    let w = b.random_constant(&[6, 3, 1, 1]);
    b.conv(x, w, 0)
}

fn affine(b: &mut Build, x: ValueId, axis: usize) -> ValueId {
    let maps = (0..b.graph.shape(x)[axis]).map(|i| Affine::linear(i as f32 - 0.5, 0.25)).collect();
    b.like(Op::Affine { axis, maps: Arc::new(maps) }, &[x])
}

fn pool(b: &mut Build, x: ValueId) -> ValueId {
    let [n, c, h, w] = b.graph.shape(x)[..] else { panic!("NCHW") };
    let op = Op::AveragePool {
        window: window([h, w], 0),
        count_include_pad: false,
        ceil_extra: [0, 0],
        layout: Layout::ChannelsFirst,
    };
    b.node(op, &[x], &[n, c, 1, 1])
}

fn transposes(graph: &Graph) -> usize {
    count(graph, |op| matches!(op, Op::Transpose(_)))
}

/// Everything after the pass is as the list of passes says.
fn check(graph: &Graph) -> Graph {
    let after = preserved(graph, run);
    for node in &after.nodes {
        let rank = after.shape(node.output).len();
        match &node.op {
            Op::Conv { layout, .. } | Op::MaxPool { layout, .. } | Op::AveragePool { layout, .. } => {
                assert_eq!(*layout, Layout::ChannelsLast);
            }
            Op::Affine { axis, .. } => assert_eq!(axis + 1, rank, "{}", node.name),
            _ => {}
        }
    }
    after
}

#[test]
fn everything_between_two_convolutions() {
    let mut b = Build::default();
    let x = image(&mut b);
    let y = affine(&mut b, x, 1);
    let y = b.like(Op::Sign(Zero::Plus), &[y]);
    let w = b.random_constant(&[6, 6, 3, 3]);
    let y = b.conv(y, w, 1);
    let slope = b.random_constant(&[1, 6, 1, 1]);
    let y = b.like(Op::PRelu, &[y, slope]);
    let y = b.binary(Add, x, y);
    let y = b.node(Op::Concat { axis: 1 }, &[y, x], &[2, 12, 5, 4]);
    let op = Op::Slice { starts: vec![0, 2, 1, 3], steps: vec![1, 1, 2, -3] };
    let y = b.node(op, &[y], &[2, 9, 2, 2]);
    let op = Op::Pad { before: vec![0, 1, 0, 2], after: vec![0, 0, 1, 0], value: 0.5 };
    let y = b.node(op, &[y], &[2, 10, 3, 4]);
    let factors = b.random_constant(&[10, 3, 4]);
    let y = b.binary(Mul, y, factors);
    let w = b.random_constant(&[1, 10, 1, 1]);
    let y = b.conv(y, w, 0);
    let graph = check(&b.finish(&[y]));
    // The input's, and, since a file's output stays in its layout, that of the one channel is free.
    assert_eq!(transposes(&graph), 1);
    assert_eq!(graph.nodes[0].op, Op::Transpose(vec![0, 2, 3, 1]));
    assert_eq!(ops(&graph).last().unwrap(), "Reshape");
}

#[test]
fn a_gate_needs_no_transpose() {
    for keepdims in [true, false] {
        for pooled in [true, false] {
            let mut b = Build::default();
            let x = image(&mut b);
            let squeezed = if pooled {
                let g = pool(&mut b, x);
                b.node(Op::Reshape, &[g], &[2, 6])
            } else if keepdims {
                let op = Op::Reduce { kind: Reduction::Mean, axes: vec![2, 3], keepdims };
                let g = b.node(op, &[x], &[2, 6, 1, 1]);
                b.node(Op::Reshape, &[g], &[2, 6])
            } else {
                b.node(Op::Reduce { kind: Reduction::Mean, axes: vec![2, 3], keepdims }, &[x], &[2, 6])
            };
            let w = b.random_constant(&[6, 6]);
            let g = b.node(Op::MatMul, &[squeezed, w], &[2, 6]);
            let g = b.unary(Unary::Sigmoid, g);
            let g = b.node(Op::Reshape, &[g], &[2, 6, 1]);
            let g = b.node(Op::Reshape, &[g], &[2, 6, 1, 1]);
            let y = b.binary(Mul, x, g);
            let y = b.node(Op::Reduce { kind: Reduction::Max, axes: vec![2, 3], keepdims: false }, &[y], &[2, 6]);
            let graph = check(&b.finish(&[y]));
            assert_eq!(
                ops(&graph),
                ["Transpose", "Conv", "Reduce", "Reshape", "MatMul", "Sigmoid", "Reshape", "Mul", "Reduce", "Reshape"]
            );
            let Op::Reduce { kind, axes, .. } = &graph.nodes[2].op else { panic!() };
            assert_eq!((*kind, &axes[..]), (Reduction::Mean, &[1, 2][..]));
        }
    }
}

#[test]
fn a_gate_of_convolutions() {
    let mut b = Build::default();
    let x = image(&mut b);
    let g = pool(&mut b, x);
    let w = b.random_constant(&[6, 6, 1, 1]);
    let g = b.conv(g, w, 0);
    let g = affine(&mut b, g, 1);
    let y = b.binary(Mul, x, g);
    let y = pool(&mut b, y);
    let y = b.node(Op::Reshape, &[y], &[2, 6]);
    let graph = check(&b.finish(&[y]));
    assert_eq!(ops(&graph), ["Transpose", "Conv", "Reduce", "Conv", "Affine", "Mul", "Reduce", "Reshape"]);
}

/// As tf2onnx writes it: images are channels last in the file, and transposed around each spatial operator.
#[test]
fn a_channels_last_file_has_no_transpose_left() {
    let mut b = Build::default();
    let x = b.input(&[1, 6, 6, 4]);
    let block = |b: &mut Build, x: ValueId| {
        let s = b.like(Op::Sign(Zero::Plus), &[x]);
        let t = b.transpose(s, &[0, 3, 1, 2]);
        let w = b.random_constant(&[4, 4, 3, 3]);
        let y = b.conv(t, w, 1);
        // A slope for channels first, then a bias for channels last.
        let slope = b.random_constant(&[1, 4, 1, 1]);
        let y = b.like(Op::PRelu, &[y, slope]);
        let y = b.transpose(y, &[0, 2, 3, 1]);
        let y = affine(b, y, 3);
        let t = b.transpose(x, &[0, 3, 1, 2]);
        let g = pool(b, t);
        let g = b.node(Op::Reshape, &[g], &[1, 4]);
        let w = b.random_constant(&[4, 4]);
        let g = b.node(Op::MatMul, &[g, w], &[1, 4]);
        let g = b.node(Op::Reshape, &[g], &[1, 1, 1, 4]);
        let y = b.binary(Mul, y, g);
        b.binary(Add, y, x)
    };
    let y = block(&mut b, x);
    let y = block(&mut b, y);
    let graph = check(&b.finish(&[y]));
    assert_eq!(transposes(&graph), 0, "{:?}", ops(&graph));
}

#[test]
fn flattened_features_change_their_order_instead_of_moving() {
    let mut b = Build::default();
    let x = image(&mut b);
    let y = b.node(Op::Reshape, &[x], &[2, 120]);
    let y = affine(&mut b, y, 1);
    let slope = b.random_constant(&[1, 120]);
    let y = b.like(Op::PRelu, &[y, slope]);
    let half = b.scalar(0.5);
    let y = b.binary(Max, y, half);
    let y = b.unary(Unary::Tanh, y);
    let limits = b.random_constant(&[1, 120]);
    let y = b.binary(Min, limits, y);
    let y = b.like(Op::Sign(Zero::Plus), &[y]);
    let w = b.random_constant(&[120, 3]);
    let y = b.node(Op::MatMul, &[y, w], &[2, 3]);
    let graph = check(&b.finish(&[y]));
    assert_eq!(transposes(&graph), 1, "{:?}", ops(&graph));
}

#[test]
fn flattened_features_that_are_needed_in_order_move_once() {
    let mut b = Build::default();
    let x = image(&mut b);
    let y = b.node(Op::Reshape, &[x], &[2, 120]);
    let y = affine(&mut b, y, 1);
    let y = b.node(Op::Softmax { axis: 1, log: false }, &[y], &[2, 120]);
    let graph = check(&b.finish(&[y]));
    assert_eq!(transposes(&graph), 2);
}

#[test]
fn channel_shuffle_stays_right() {
    let mut b = Build::default();
    let x = image(&mut b);
    let y = b.node(Op::Reshape, &[x], &[2, 2, 3, 5, 4]);
    let y = b.transpose(y, &[0, 2, 1, 3, 4]);
    let y = b.node(Op::Reshape, &[y], &[2, 6, 5, 4]);
    let w = b.random_constant(&[1, 6, 1, 1]);
    let y = b.conv(y, w, 0);
    let graph = check(&b.finish(&[y]));
    // The input's and the shuffle's own.
    assert_eq!(transposes(&graph), 2, "{:?}", ops(&graph));
}

#[test]
fn one_dimensional_convolutions() {
    let mut b = Build::default();
    let x = b.input(&[2, 3, 7]);
    let conv = |b: &mut Build, x: ValueId, n: usize, k: usize| {
        let x = b.node(Op::Reshape, &[x], &[2, k, 1, 7]);
        let w = b.random_constant(&[n, k, 1, 1]);
        let y = b.conv(x, w, 0);
        let y = b.node(Op::Reshape, &[y], &[2, n, 7]);
        affine(b, y, 1)
    };
    let y = conv(&mut b, x, 5, 3);
    let y = b.unary(Unary::Relu, y);
    let y = conv(&mut b, y, 4, 5);
    let y = b.node(Op::Reduce { kind: Reduction::Mean, axes: vec![2], keepdims: false }, &[y], &[2, 4]);
    let graph = check(&b.finish(&[y]));
    assert_eq!(transposes(&graph), 1, "{:?}", ops(&graph));
}

#[test]
fn inputs_and_outputs_keep_the_layout_of_the_file() {
    let mut b = Build::default();
    let x = b.input(&[1, 3, 4, 4]);
    // Preprocessing before the first convolution is done on channels last as well.
    let y = affine(&mut b, x, 1);
    let w = b.random_constant(&[3, 3, 1, 1]);
    let y = b.conv(y, w, 0);
    let y = b.binary(Add, y, x);
    let graph = check(&b.finish(&[y]));
    assert_eq!(ops(&graph), ["Transpose", "Affine", "Conv", "Add", "Transpose"]);
    assert_eq!(graph.shape(graph.outputs[0]), [1, 3, 4, 4]);
}

#[test]
fn indices_of_maxima_and_softmax_over_channels() {
    let mut b = Build::default();
    let x = image(&mut b);
    let y = b.node(Op::Softmax { axis: 1, log: false }, &[x], &[2, 6, 5, 4]);
    let op = Op::ArgMax { axis: 1, keepdims: false, last: false };
    let z = b.node(op, &[y], &[2, 5, 4]);
    let graph = check(&b.finish(&[z]));
    assert_eq!(ops(&graph), ["Transpose", "Conv", "Softmax", "ArgMax", "Reshape"]);
    let axis = |op: &Op| matches!(op, Op::Softmax { axis: 3, .. } | Op::ArgMax { axis: 3, .. });
    assert_eq!(count(&graph, axis), 2);
}

/// Integers are not transposed at run time: their operand is.
#[test]
fn indices_of_maxima_over_rows_lie_as_in_the_file() {
    let mut b = Build::default();
    let x = image(&mut b);
    let op = Op::ArgMax { axis: 2, keepdims: false, last: true };
    let y = b.node(op, &[x], &[2, 6, 4]);
    let graph = check(&b.finish(&[y]));
    assert_eq!(ops(&graph), ["Transpose", "Conv", "Transpose", "ArgMax", "Reshape"]);
}

#[test]
fn attention_is_left_alone() {
    let mut b = Build::default();
    let q = b.input(&[1, 6, 2, 3]);
    let a = b.transpose(q, &[0, 2, 1, 3]);
    let k = b.transpose(q, &[0, 2, 3, 1]);
    let y = b.node(Op::MatMul, &[a, k], &[1, 2, 6, 6]);
    let graph = check(&b.finish(&[y]));
    assert_eq!(ops(&graph), ["Transpose", "Transpose", "MatMul"]);
}
