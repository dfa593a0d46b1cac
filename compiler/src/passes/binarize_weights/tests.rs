use std::sync::Arc;

use super::run;
use crate::exact::Affine;
use crate::ir::{Layout, Op, Part, Unary, ValueId, Window, Zero};
use crate::passes::testing::{Build, count, ops, preserved};

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

/// A constant like another one, with some elements set.
fn with(b: &mut Build, v: ValueId, elements: &[(usize, f32)]) {
    let id = v.0 as usize;
    let mut t = (**b.graph.values[id].constant.as_ref().unwrap()).clone();
    let crate::ir::Data::F32(values) = &mut t.data else { panic!() };
    elements.iter().for_each(|&(i, x)| values[i] = x);
    b.graph.values[id].constant = Some(Arc::new(t));
}

#[test]
fn zero_weights_are_left_out() {
    for (elements, planes) in [
        // One channel, two, and as many as take a layer of their own.
        (&[(5, 0.0)][..], 2),
        (&[(5, 0.0), (60, -0.0), (61, 0.0)], 2),
        (&[(5, 0.0), (60, 0.0), (120, 0.0), (170, 0.0)], 2),
        // A whole channel costs nothing.
        (&[], 1),
    ] {
        for pad_value in [0.0, 1.0] {
            let mut b = Build::default();
            let x = b.input(&IMAGE);
            let s = sign(&mut b, x);
            let c = code(&mut b, s, 0.5, 0.5);
            let w = weights(&mut b, &[7, 6, 3, 3], &[0.5, 2.0]);
            let whole: Vec<(usize, f32)> = (6 * 54..7 * 54).map(|i| (i, 0.0)).collect();
            with(&mut b, w, elements);
            with(&mut b, w, &whole);
            let y = conv(&mut b, c, w, 1, 1, pad_value);
            let bias = b.random_constant(&[7]);
            b.graph.nodes.last_mut().unwrap().inputs.push(bias);
            let graph = preserved(&b.finish(&[y]), run);
            assert_eq!(count(&graph, |op| matches!(op, Op::BinaryConv { .. })), planes, "{graph}");
            assert!(graph.warnings.0.is_empty());
            let n = elements.len();
            let note = format!("Conv2: {n} of 378 weights are exactly zero: ");
            assert_eq!(
                graph.notes.iter().filter(|text| text.starts_with(&note)).count(),
                planes - 1,
                "{:?}",
                graph.notes
            );
        }
    }
    // A fully connected one, in groups, and a third level everywhere.
    let mut b = Build::default();
    let x = b.input(&[2, 10]);
    let s = sign(&mut b, x);
    let w = b.constant(&[10, 4], &[0.5, -3.0, 0.0, 1.0, -0.5, 0.0, 0.25, -1.0].repeat(5));
    let y = b.node(Op::MatMul, &[s, w], &[2, 4]);
    let graph = preserved(&b.finish(&[y]), run);
    assert_eq!(count(&graph, |op| matches!(op, Op::BinaryMatMul { .. })), 2);
    let mut b = Build::default();
    let x = b.input(&IMAGE);
    let s = sign(&mut b, x);
    let w = weights(&mut b, &[6, 1, 3, 3], &[0.5]);
    with(&mut b, w, &[(4, 0.0)]);
    let y = conv(&mut b, s, w, 6, 1, 0.0);
    assert_eq!(count(&preserved(&b.finish(&[y]), run), |op| matches!(op, Op::BinaryConv { .. })), 2);
}

#[test]
fn zeros_on_both_sides_and_behind_what_moves_them() {
    let mut b = Build::default();
    let x = b.input(&IMAGE);
    let s = b.like(Op::Sign(Zero::Zero), &[x]);
    let window = Window { kernel: [2, 2], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 1, 1], pad_value: 0.0 };
    let m = b.like(Op::MaxPool { window, layout: Layout::ChannelsLast }, &[s]);
    let r = sign(&mut b, x);
    let y = b.node(Op::Concat { axis: 3 }, &[m, r], &[2, 5, 4, 12]);
    let y = b.node(Op::Pad { before: vec![0, 1, 0, 0], after: vec![0; 4], value: 0.0 }, &[y], &[2, 6, 4, 12]);
    let w = weights(&mut b, &[7, 12, 3, 3], &[0.5]);
    with(&mut b, w, &[(5, 0.0), (300, 0.0)]);
    let z = conv(&mut b, y, w, 1, 1, 0.0);
    b.graph.exact_zeros = true;
    let graph = preserved(&b.finish(&[z, s]), run);
    assert_eq!(count(&graph, |op| matches!(op, Op::BinaryConv { .. })), 4, "{graph}");
    assert_eq!(count(&graph, |op| matches!(op, Op::Conv { .. })), 0);
}

#[test]
fn the_constants_of_codes_are_not_rounded() {
    // 0.1 * 0.7 - 0.07 is 1.3e-9 in f64 and more than 1e-9 away from any f32 product's.
    let mut b = Build::default();
    let x = b.input(&[2, 9]);
    let s = sign(&mut b, x);
    let c = code(&mut b, s, 0.1, 0.0);
    let maps = vec![Affine::linear(0.1, 0.0).then(&Affine::linear(0.7, 0.0)).unwrap(); 9];
    let c = b.like(Op::Affine { axis: 1, maps: Arc::new(maps.clone()) }, &[c]);
    let w = b.constant(&[9, 1], &[1.0; 9]);
    let y = b.node(Op::MatMul, &[c, w], &[2, 1]);
    let mut graph = b.finish(&[y]);
    run(&mut graph);
    let exact = Affine::linear(0.1, 0.0).then(&maps[0]).unwrap();
    let Op::Affine { maps, .. } = &graph.nodes.last().unwrap().op else { panic!("{graph}") };
    assert_eq!(maps[0], exact);
}

#[test]
fn what_is_binary_by_half_is_told() {
    let warnings = |step: Option<Op>, latent: bool| {
        let mut b = Build::default();
        let x = b.input(&IMAGE);
        let x = step.map_or(x, |op| b.like(op, &[x]));
        let trained: Vec<f32> = (0..7 * 54).map(|i| (i as f32 * 0.37).sin()).collect();
        let w = if latent { b.constant(&[7, 6, 3, 3], &trained) } else { weights(&mut b, &[7, 6, 3, 3], &[1.0]) };
        let y = conv(&mut b, x, w, 1, 1, 0.0);
        preserved(&b.finish(&[y]), run).warnings.to_string()
    };
    let text = warnings(Some(Op::Unary(Unary::Round)), false);
    let message =
        "the weights are binary, and the input (produced by Round \"Round0\") takes a few values, by Round \"Round0\"";
    assert!(text.starts_with("X101 at node \"Conv1\" (Conv): ") && text.contains(message), "{text}");
    let text = warnings(Some(Op::Sign(Zero::Plus)), true);
    assert!(text.starts_with("X105 at node \"Conv1\" (Conv): its input is signs, but its weights are real"), "{text}");
    assert_eq!(warnings(None, true), "");
}
