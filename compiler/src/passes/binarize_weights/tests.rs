use std::sync::Arc;

use super::run;
use crate::exact::Affine;
use crate::ir::{Binary, Graph, Layout, Op, Part, Unary, ValueId, Window, Zero};
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

/// A constant like another one, with some elements set.
fn with(b: &mut Build, v: ValueId, elements: &[(usize, f32)]) {
    let id = v.0 as usize;
    let mut t = (**b.graph.values[id].constant.as_ref().unwrap()).clone();
    let crate::ir::Data::F32(values) = &mut t.data else { panic!() };
    elements.iter().for_each(|&(i, x)| values[i] = x);
    b.graph.values[id].constant = Some(Arc::new(t));
}

/// A layer on ONNX's sign of what `before` makes of the input.
fn three_valued(exact: bool, before: impl Fn(&mut Build, ValueId) -> ValueId) -> Graph {
    let mut b = Build::default();
    let x = b.input(&IMAGE);
    let x = before(&mut b, x);
    let s = b.like(Op::Sign(Zero::Zero), &[x]);
    let w = weights(&mut b, &[7, 6, 3, 3], &[0.5]);
    let y = conv(&mut b, s, w, 1, 1, 0.0);
    b.graph.exact_zeros = exact;
    preserved(&b.finish(&[y]), run)
}

#[test]
fn zeros_by_accident_are_noted_and_likely_ones_are_warned_of() {
    let shifted = |b: &mut Build, x| {
        let y = b.unary(Unary::Sigmoid, x);
        let c = b.random_constant(&IMAGE);
        b.binary(Binary::Add, y, c)
    };
    let graph = three_valued(false, shifted);
    assert_eq!(graph.notes, ["sign(0) = 0 in the file, which one bit cannot hold, is taken as +1: Sign2"]);
    assert!(graph.warnings.0.is_empty());
    // The input itself, say a picture.
    let graph = three_valued(false, |_, x| x);
    assert!(graph.notes.is_empty());
    let text = graph.warnings.to_string();
    assert!(text.starts_with("X104 at node \"Sign0\" (Sign): it is taken of the model's input, "), "{text}");
    // Two planes need neither.
    for graph in [three_valued(true, shifted), three_valued(true, |_, x| x)] {
        assert!(graph.notes.is_empty() && graph.warnings.0.is_empty(), "{:?}", graph.notes);
        assert_eq!(count(&graph, |op| matches!(op, Op::BinaryConv { .. })), 2);
    }
}

#[test]
fn a_sign_with_nothing_on_one_side_of_zero_is_a_code() {
    type Before = fn(&mut Build, ValueId) -> ValueId;
    let cases: [(Before, Zero, f32); 9] = [
        (|b, x| b.unary(Unary::Relu, x), Zero::Minus, -1.0),
        (|b, x| b.unary(Unary::Abs, x), Zero::Minus, -1.0),
        (|b, x| b.binary(Binary::Mul, x, x), Zero::Minus, -1.0),
        (|b, x| b.unary(Unary::Clip(0.0, 0.75), x), Zero::Minus, -1.0),
        (|b, x| b.unary(Unary::Clip(-3.0, 0.0), x), Zero::Plus, 1.0),
        (
            |b, x| {
                let y = b.unary(Unary::Relu, x);
                let window =
                    Window { kernel: [3, 3], strides: [1, 1], dilations: [1, 1], pads: [1; 4], pad_value: 0.0 };
                b.like(Op::MaxPool { window, layout: Layout::ChannelsLast }, &[y])
            },
            Zero::Minus,
            -1.0,
        ),
        (
            |b, x| {
                // A map of each channel, all of which keep what is not negative so.
                let y = b.unary(Unary::Relu, x);
                let maps = (0..6).map(|i| Affine::linear(i as f32 * 0.5, if i == 4 { 1.0 } else { 0.0 })).collect();
                b.like(Op::Affine { axis: 3, maps: Arc::new(maps) }, &[y])
            },
            Zero::Minus,
            -1.0,
        ),
        (
            |b, x| {
                let y = b.unary(Unary::Relu, x);
                let z = b.unary(Unary::Clip(-0.25, 0.25), x);
                let c = b.constant(&[1], &[0.25]);
                let z = b.binary(Binary::Add, z, c);
                b.binary(Binary::Add, y, z)
            },
            Zero::Minus,
            -1.0,
        ),
        (
            |b, x| {
                let y = b.unary(Unary::Relu, x);
                b.unary(Unary::Neg, y)
            },
            Zero::Plus,
            1.0,
        ),
    ];
    for (i, (before, zero, pad)) in cases.into_iter().enumerate() {
        let graph = three_valued(false, before);
        assert!(graph.notes.is_empty() && graph.warnings.0.is_empty(), "{i}: {:?}", graph.notes);
        assert_eq!(count(&graph, |op| *op == Op::Sign(zero)), 1, "{i}\n{graph}");
        let padded = |op: &Op| matches!(op, Op::BinaryConv { window, .. } if window.pad_value == pad);
        assert_eq!(count(&graph, padded), 1, "{i}\n{graph}");
    }
    // The sign of a ReLU is that of its operand.
    assert_eq!(ops(&three_valued(false, cases[0].0)), ["Sign", "BinaryConv", "Affine"]);
}

#[test]
fn what_is_never_zero_has_two_signs() {
    let odd = |b: &mut Build, x| {
        // Sums of 5 and of 6 signs, without padding.
        let s = sign(b, x);
        let w = weights(b, &[6, 6, 1, 1], &[1.0, 0.3]);
        let window = Window { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0; 4], pad_value: 0.0 };
        b.like(Op::Conv { window, groups: 1, layout: Layout::ChannelsLast }, &[s, w])
    };
    let shift = |c: f32| {
        move |b: &mut Build, x: ValueId| {
            let y = odd(b, x);
            code(b, y, 1.0, c)
        }
    };
    let (plus, likely) = (Op::Sign(Zero::Plus), Op::Sign(Zero::Zero));
    // Even sums; with half of them negated in one channel only; shifted by what no sum reaches, and by what some do.
    for (before, expected) in [
        (Box::new(odd) as Box<dyn Fn(&mut Build, ValueId) -> ValueId>, &likely),
        (Box::new(shift(0.1)), &plus),
        (Box::new(shift(1.0)), &plus),
        (Box::new(shift(2.0)), &likely),
        (Box::new(shift(8.0)), &plus),
        (
            Box::new(|b: &mut Build, x| {
                let y = b.unary(Unary::Sigmoid, x);
                code(b, y, 0.1, 0.3)
            }),
            &plus,
        ),
        (Box::new(|b: &mut Build, x| code(b, x, 0.3, 0.7)), &plus),
        (Box::new(|b: &mut Build, x| code(b, x, 0.25, 0.5)), &likely),
    ] {
        let graph = three_valued(false, before);
        let last = graph.nodes.iter().rfind(|n| matches!(n.op, Op::Sign(_))).unwrap();
        assert_eq!(&last.op, expected, "{graph}");
    }
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
fn any_choice_between_two_numbers_is_binary() {
    // |x| above 1, or not: no threshold says it.
    for (levels, pad) in [(Some((1.0, -1.0)), 0.0), (Some((-1.0, 1.0)), 0.0), (Some((0.25, -0.5)), 0.25), (None, 0.0)] {
        let mut b = Build::default();
        let x = b.input(&IMAGE);
        let one = b.scalar(1.0);
        let y = b.unary(Unary::Abs, x);
        let m = b.binary(Binary::Greater, y, one);
        let y = match levels {
            Some((yes, no)) => {
                let (yes, no) = (b.scalar(yes), b.scalar(no));
                b.node(Op::Where, &[m, yes, no], &IMAGE)
            }
            None => b.like(Op::Cast(crate::ir::DType::F32), &[m]),
        };
        let w = weights(&mut b, &[7, 6, 3, 3], &[0.5, 1.0, 0.3]);
        let y = conv(&mut b, y, w, 1, 1, pad);
        let graph = preserved(&b.finish(&[y]), run);
        assert_eq!(count(&graph, |op| matches!(op, Op::BinaryConv { .. })), 1, "{levels:?}\n{graph}");
        assert!(graph.warnings.0.is_empty());
    }
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
