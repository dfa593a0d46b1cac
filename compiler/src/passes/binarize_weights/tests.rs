use std::sync::Arc;

use super::run;
use crate::exact::Affine;
use crate::ir::Part;
use crate::ir::{Graph, Layout, Op, Unary, ValueId, Window, Zero};
use crate::passes::testing::{Build, ops, preserved, preserved_on};

const IMAGE: [usize; 4] = [2, 5, 4, 6];

/// ±scale of the channel.
fn weights(b: &mut Build, shape: &[usize], scales: &[f32]) -> ValueId {
    let n = shape.iter().product::<usize>();
    let row = n / shape[0];
    let signs = crate::passes::testing::random(n, 3, 0.125);
    let values: Vec<f32> = (0..n).map(|i| scales[i / row % scales.len()].copysign(signs[i])).collect();
    b.constant(shape, &values)
}

/// A 3x3 channels-last convolution, padded.
fn conv(b: &mut Build, x: ValueId, w: ValueId, groups: usize, pad: usize, pad_value: f32) -> ValueId {
    let window = Window { kernel: [3, 3], strides: [2, 1], dilations: [1, 1], pads: [pad; 4], pad_value };
    let [n, h, wide, _] = b.graph.shape(x)[..] else { panic!("NHWC") };
    let o = b.graph.shape(w)[0];
    let shape = [n, (h + 2 * pad - 3) / 2 + 1, wide + 2 * pad - 2, o];
    b.node(Op::Conv { window, groups, layout: Layout::ChannelsLast }, &[x, w], &shape)
}

fn sign(b: &mut Build, x: ValueId) -> ValueId {
    b.like(Op::Sign(Zero::Plus), &[x])
}

fn code(b: &mut Build, x: ValueId, scale: f32, shift: f32) -> ValueId {
    let axis = b.graph.shape(x).len() - 1;
    let maps = vec![Affine::linear(scale, shift); b.graph.shape(x)[axis]];
    b.like(Op::Affine { axis, maps: Arc::new(maps) }, &[x])
}

fn reason(graph: &Graph) -> String {
    graph.nodes.iter().find_map(|n| n.reason.clone()).unwrap_or_default()
}

#[test]
fn a_sign_and_scaled_signs_are_a_binary_convolution_and_an_affine() {
    let mut b = Build::default();
    let x = b.input(&IMAGE);
    let s = sign(&mut b, x);
    let w = weights(&mut b, &[7, 6, 3, 3], &[0.5, 1.0, 0.3, 0.0]);
    let y = conv(&mut b, s, w, 1, 1, 0.0);
    let graph = preserved(&b.finish(&[y]), run);
    assert_eq!(ops(&graph), ["Sign", "BinaryConv", "Affine"]);
    assert_eq!(graph.nodes[2].parts, ["scale"].map(Part::from));
    assert!(graph.notes.is_empty(), "{:?}", graph.notes);
    // Plain ±1 need no Affine.
    let mut b = Build::default();
    let x = b.input(&IMAGE);
    let s = sign(&mut b, x);
    let w = weights(&mut b, &[7, 6, 3, 3], &[1.0]);
    let y = conv(&mut b, s, w, 1, 1, 0.0);
    assert_eq!(ops(&preserved(&b.finish(&[y]), run)), ["Sign", "BinaryConv"]);
}

#[test]
fn groups_biases_and_other_paddings() {
    for (groups, inputs) in [(2, 3), (6, 1)] {
        for (pad, value) in [(0, 0.0), (1, 0.0), (1, 1.0), (1, -1.0)] {
            let mut b = Build::default();
            let x = b.input(&IMAGE);
            let s = sign(&mut b, x);
            let w = weights(&mut b, &[6, inputs, 3, 3], &[0.5, 2.0]);
            let y = conv(&mut b, s, w, groups, pad, value);
            let bias = b.random_constant(&[6]);
            b.graph.nodes.last_mut().unwrap().inputs.push(bias);
            let graph = preserved(&b.finish(&[y]), run);
            assert_eq!(ops(&graph), ["Sign", "BinaryConv", "Affine"]);
            assert_eq!(graph.nodes[2].parts, ["scale", "bias"].map(Part::from));
        }
    }
}

#[test]
fn codes_other_than_plus_and_minus_one() {
    // {0, 1}, ±scale, {1, 0}; what their zero padding is among the signs.
    for (scale, shift, pad) in
        [(0.5, 0.5, Some(-1.0)), (0.25, 0.0, Some(0.0)), (-0.5, 0.5, Some(1.0)), (0.5, 0.25, None)]
    {
        let mut b = Build::default();
        let x = b.input(&IMAGE);
        let s = sign(&mut b, x);
        let c = code(&mut b, s, scale, shift);
        let w = weights(&mut b, &[7, 6, 3, 3], &[0.5, 1.0, 0.3]);
        let y = conv(&mut b, c, w, 1, 1, 0.0);
        let graph = preserved(&b.finish(&[y]), run);
        let window = graph.nodes.iter().find_map(|n| match &n.op {
            Op::BinaryConv { window, .. } => Some(window.pad_value),
            _ => None,
        });
        assert_eq!(window, pad, "{:?}", reason(&graph));
        if pad.is_some() {
            assert_eq!(ops(&graph), ["Sign", "BinaryConv", "Affine"]);
        } else {
            assert!(reason(&graph).contains("padding"), "{}", reason(&graph));
        }
    }
}

#[test]
fn what_pooling_and_joining_make_of_signs_is_binary_too() {
    let mut b = Build::default();
    let x = b.input(&IMAGE);
    let s = sign(&mut b, x);
    let c = code(&mut b, s, 0.25, 0.0);
    let window = Window { kernel: [2, 2], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 1, 1], pad_value: 0.0 };
    let m = b.like(Op::MaxPool { window, layout: Layout::ChannelsLast }, &[c]);
    let y = b.node(Op::Concat { axis: 3 }, &[m, c], &[2, 5, 4, 12]);
    let y = b.node(Op::Slice { starts: vec![0, 1, 0, 3], steps: vec![1, 1, 1, 1] }, &[y], &[2, 4, 4, 9]);
    let w = weights(&mut b, &[7, 9, 3, 3], &[0.5]);
    let z = conv(&mut b, y, w, 1, 1, 0.0);
    let f = b.node(Op::Reshape, &[y], &[8, 36]);
    let w = b.constant(&[36, 2], &[1.0, -0.5].repeat(36));
    let f = b.node(Op::MatMul, &[f, w], &[8, 2]);
    let graph = preserved(&b.finish(&[z, f]), run);
    // Nothing but bits until the layers' own scales.
    assert_eq!(
        ops(&graph),
        ["Sign", "MaxPool", "Concat", "Slice", "BinaryConv", "Affine", "Reshape", "BinaryMatMul", "Affine"]
    );
}

#[test]
fn fully_connected_layers() {
    let mut b = Build::default();
    let x = b.input(&[2, 3, 10]);
    let s = sign(&mut b, x);
    let c = code(&mut b, s, 0.5, 0.5);
    let column = [0.5, -3.0, 0.25, 1.0];
    let values: Vec<f32> = (0..40).map(|i| if i * 7 % 5 > 2 { column[i % 4] } else { -column[i % 4] }).collect();
    let w = b.constant(&[10, 4], &values);
    let y = b.node(Op::MatMul, &[c, w], &[2, 3, 4]);
    let graph = preserved(&b.finish(&[y]), run);
    assert_eq!(ops(&graph), ["Sign", "BinaryMatMul", "Affine"]);
}

#[test]
fn real_layers_say_why() {
    let layer = |real_input: bool, real_weights: bool| {
        let mut b = Build::default();
        let x = b.input(&IMAGE);
        let y = if real_input { b.unary(Unary::Relu, x) } else { sign(&mut b, x) };
        let w = weights(&mut b, &[7, 6, 3, 3], if real_weights { &[1.0] } else { &[0.5] });
        if real_weights {
            let id = w.0 as usize;
            let mut t = (**b.graph.values[id].constant.as_ref().unwrap()).clone();
            let crate::ir::Data::F32(v) = &mut t.data else { panic!() };
            v[54 * 2] = 0.37;
            b.graph.values[id].constant = Some(Arc::new(t));
        }
        let y = conv(&mut b, y, w, 1, 1, 0.0);
        preserved(&b.finish(&[y]), run)
    };
    let graph = layer(true, false);
    assert_eq!(reason(&graph), "input is not binary: produced by Relu \"Relu0\"");
    assert_eq!(
        graph.warnings.to_string(),
        "X101 at node \"Conv1\" (Conv): the weights are binary, but the input is real (produced by Relu \"Relu0\"); \
         help: it runs as a real-valued layer; if a sign was lost on export, put it back"
    );
    let graph = layer(false, true);
    assert_eq!(reason(&graph), "weights are real: channel 2 holds 1 and 0.37 (largest relative deviation 0.63)");
    assert!(graph.notes.is_empty());
    assert!(reason(&layer(true, true)).ends_with("; input is not binary: produced by Relu \"Relu0\""));
    assert_eq!(ops(&layer(true, true)), ["Relu", "Conv"]);
}

#[test]
fn products_of_run_time_values_say_why() {
    let mut b = Build::default();
    let x = b.input(&[3, 4]);
    let s = sign(&mut b, x);
    let t = b.transpose(s, &[1, 0]);
    let y = b.node(Op::MatMul, &[s, t], &[3, 3]);
    let w = b.random_constant(&[4, 3]);
    let z = b.node(Op::MatMul, &[w, y], &[4, 3]);
    let graph = preserved(&b.finish(&[y, z]), run);
    assert_eq!(count_reasons(&graph, "weights are computed at run time"), 2);
}

fn count_reasons(graph: &Graph, start: &str) -> usize {
    graph.nodes.iter().filter(|n| n.reason.as_ref().is_some_and(|r| r.starts_with(start))).count()
}

#[test]
fn padding_merged_in_vain_is_a_pad_again() {
    let mut b = Build::default();
    let x = b.input(&IMAGE);
    let s = sign(&mut b, x);
    let w = b.random_constant(&[7, 6, 3, 3]);
    let y = conv(&mut b, s, w, 1, 1, -1.0);
    b.graph.nodes.last_mut().unwrap().parts = vec!["Pad".into(), "Conv".into()];
    let graph = preserved(&b.finish(&[y]), run);
    assert_eq!(ops(&graph), ["Sign", "Pad", "Conv"]);
    assert_eq!(graph.nodes[2].parts, ["Conv"].map(Part::from));
    let Op::Conv { window, .. } = &graph.nodes[2].op else { panic!() };
    assert_eq!((window.pads, window.pad_value), ([0; 4], 0.0));
}

#[test]
fn zeros_of_signs_and_weights_are_noted_once() {
    let mut b = Build::default();
    let x = b.input(&IMAGE);
    let s = b.like(Op::Sign(Zero::Zero), &[x]);
    let w = weights(&mut b, &[7, 6, 3, 3], &[0.5]);
    let y = conv(&mut b, s, w, 1, 0, 0.0);
    let w = weights(&mut b, &[7, 6, 3, 3], &[2.0]);
    let id = w.0 as usize;
    let mut t = (**b.graph.values[id].constant.as_ref().unwrap()).clone();
    let crate::ir::Data::F32(v) = &mut t.data else { panic!() };
    v[5] = 0.0;
    b.graph.values[id].constant = Some(Arc::new(t));
    let z = conv(&mut b, s, w, 1, 0, 0.0);
    let graph = b.finish(&[y, z]);
    let mut first = Graph { outputs: vec![y], ..graph.clone() };
    first.sweep();
    assert_eq!(
        preserved_on(0.125, &first, run).notes,
        ["sign(0) = 0 in the file, which one bit cannot hold, is taken as +1: Sign0"]
    );
    let mut after = graph;
    run(&mut after);
    assert_eq!(after.notes.len(), 1);
    assert_eq!(
        after.warnings.to_string(),
        "X102 at node \"Conv2\" (Conv): 1 of 378 weights are exactly zero and count as +1; \
         help: other engines leave them zero; their answers differ by as much"
    );
}
