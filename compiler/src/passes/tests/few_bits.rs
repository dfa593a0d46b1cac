//! Activations and weights of a few evenly spaced numbers are planes of bits, and exact, where there are at most eight products of
//! planes.

use crate::interpret;
use crate::ir::network::Arithmetic;
use crate::ir::{Binary::*, Graph, Op, Part, Tensor, Unary, ValueId, Zero};
use crate::passes;
use crate::passes::testing::{Build, count};

const SHAPE: [usize; 4] = [1, 6, 5, 5];

/// An activation of a few numbers.
type Activation = (&'static str, fn(&mut Build, ValueId) -> ValueId);

fn constant(b: &mut Build, f: crate::ir::Binary, x: ValueId, c: f32) -> ValueId {
    let c = b.scalar(c);
    b.binary(f, x, c)
}

fn rounded(b: &mut Build, x: ValueId, scale: f32, low: f32, high: f32) -> ValueId {
    let x = constant(b, Div, x, scale);
    let x = b.unary(Unary::Clip(low, high), x);
    let x = b.unary(Unary::Round, x);
    constant(b, Mul, x, scale)
}

/// A sum of three signs, with a threshold of each step for each channel.
fn thresholds(b: &mut Build, x: ValueId, of: fn(f32, usize) -> f32) -> ValueId {
    let signs = [-0.5, 0.25, 1.0].map(|step| {
        let steps: Vec<f32> = (0..6).map(|c| of(step, c)).collect();
        let steps = b.constant(&[6, 1, 1], &steps);
        let y = b.binary(Sub, x, steps);
        b.like(Op::Sign(Zero::Plus), &[y])
    });
    signs.into_iter().reduce(|sum, sign| b.binary(Add, sum, sign)).expect("three")
}

const ACTIVATIONS: &[Activation] = &[
    ("sign", |b, x| b.like(Op::Sign(Zero::Plus), &[x])),
    ("DoReFa, 2 bits", |b, x| {
        let x = b.unary(Unary::Clip(0.0, 1.0), x);
        let x = constant(b, Mul, x, 3.0);
        let x = b.unary(Unary::Round, x);
        constant(b, Div, x, 3.0)
    }),
    ("DoReFa, 2 bits, straight-through, in a pool", |b, x| {
        let c = b.unary(Unary::Clip(0.0, 1.0), x);
        let y = constant(b, Mul, c, 3.0);
        let y = b.unary(Unary::Round, y);
        let y = constant(b, Div, y, 3.0);
        let y = b.binary(Sub, y, c);
        let y = b.binary(Add, y, c);
        let window = crate::passes::testing::window([3, 3], 1);
        b.like(Op::MaxPool { window, layout: crate::ir::Layout::ChannelsFirst }, &[y])
    }),
    ("LSQ, 2 bits", |b, x| rounded(b, x, 0.5, 0.0, 3.0)),
    ("2 bits with a sign", |b, x| rounded(b, x, 0.5, -2.0, 1.0)),
    ("symmetric, 5 numbers", |b, x| {
        let x = b.unary(Unary::Round, x);
        b.unary(Unary::Clip(-2.0, 2.0), x)
    }),
    ("3 bits, rounded down", |b, x| {
        let x = constant(b, Mul, x, 4.0);
        let x = b.unary(Unary::Floor, x);
        let x = b.unary(Unary::Clip(0.0, 7.0), x);
        constant(b, Mul, x, 0.25)
    }),
    ("4 bits", |b, x| rounded(b, x, 0.125, 0.0, 15.0)),
    ("4 bits with a sign, narrow", |b, x| rounded(b, x, 0.25, -7.0, 7.0)),
    ("4 bits, falling, in a pool", |b, x| {
        let x = rounded(b, x, -0.2, 0.0, 15.0);
        let window = crate::passes::testing::window([3, 3], 1);
        b.like(Op::MaxPool { window, layout: crate::ir::Layout::ChannelsFirst }, &[x])
    }),
    ("a sum of signs", |b, x| {
        let y = constant(b, Sub, x, 1.0);
        let [s, t] = [x, y].map(|v| b.like(Op::Sign(Zero::Plus), &[v]));
        b.binary(Add, s, t)
    }),
    ("three thresholds for each channel, in a pool", |b, x| {
        let sum = thresholds(b, x, |step, c| step + c as f32 / 8.0);
        let y = constant(b, Add, sum, 3.0);
        let y = constant(b, Mul, y, 0.5);
        let window = crate::passes::testing::window([3, 3], 1);
        b.like(Op::MaxPool { window, layout: crate::ir::Layout::ChannelsFirst }, &[y])
    }),
    ("thresholds that pass each other, in two channels", |b, x| {
        thresholds(b, x, |step, c| if c < 2 { -step } else { step })
    }),
    ("three thresholds", |b, x| {
        let mut sum = None;
        for step in [-0.5, 0.25, 1.0] {
            let m = constant(b, GreaterOrEqual, x, step);
            let m = b.like(Op::Cast(crate::ir::DType::F32), &[m]);
            sum = Some(match sum {
                None => m,
                Some(sum) => b.binary(Add, sum, m),
            });
        }
        sum.expect("three")
    }),
];

/// Weights, how many planes they are, and whether the sum of all inputs is one more.
const WEIGHTS: &[(&str, &[f32], usize, bool)] = &[
    ("one bit", &[0.5, -0.5], 1, false),
    ("ternary", &[1.0, 0.0, -1.0], 2, false),
    ("DoReFa, 2 bits", &[1.0, 1.0 / 3.0, -1.0 / 3.0, -1.0], 2, false),
    ("two's complement, 2 bits", &[-0.5, -0.25, 0.0, 0.25], 2, true),
    ("two's complement, turned", &[0.5, 0.25, 0.0, -0.25], 2, true),
    ("two's complement, turned in some channels", &[0.5, 0.25, 0.0, -0.25, 0.0, 0.0, 0.25], 2, true),
    ("3 bits", &[-0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75], 3, true),
    ("4 bits", &[-2.0, -1.75, -1.0, -0.5, -0.25, 0.0, 0.25, 0.75, 1.75], 4, true),
];

fn layer(activation: Activation, levels: &[f32], pad: usize) -> Graph {
    let mut b = Build::default();
    let x = b.input(&SHAPE);
    let x = (activation.1)(&mut b, x);
    let values: Vec<f32> = (0..4 * 6 * 9).map(|i| levels[(i * i % 11 + i / 7) % levels.len()]).collect();
    weighted(b, x, values, pad)
}

fn weighted(mut b: Build, x: ValueId, values: Vec<f32>, pad: usize) -> Graph {
    let weights = b.constant(&[4, 6, 3, 3], &values);
    let out = b.conv(x, weights, pad);
    b.finish(&[out])
}

/// Folded into the weights, a BatchNormalization scales each channel by a number of its own, one of them 0: as many planes as before.
#[test]
fn a_channel_of_nothing_takes_no_plane_more() {
    let mut b = Build::default();
    let x = b.input(&SHAPE);
    let x = rounded(&mut b, x, 1.0 / 3.0, 0.0, 3.0);
    let scale = [0.7, -1.3, 0.0, 2.1];
    let levels = [1.0, 1.0 / 3.0, -1.0 / 3.0, -1.0];
    let values = (0..4 * 54).map(|i| scale[i / 54] * levels[(i * i % 11 + i / 7) % 4]).collect();
    let before = weighted(b, x, values, 1);
    let mut after = before.clone();
    let network = passes::run(&mut after, |_, _| ()).unwrap_or_else(|e| panic!("{e:?}"));
    assert_eq!(count(&after, |op| matches!(op, Op::BinaryConv { .. })), 2 * 2, "{after}");
    let inputs = [Tensor::f32(SHAPE, (0..150).map(|i| ((i * 7) % 17) as f32 / 7.7 - 0.5).collect())];
    let expected = interpret::graph(&before, &inputs).expect("runs")[&before.outputs[0]].to_f32();
    let found = interpret::network::outputs(&network, &inputs).expect("runs")[0].to_f32();
    let off = std::iter::zip(&expected, &found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off < 1e-4, "{off}");
    assert!(found[2 * 25..3 * 25].iter().all(|&y| y == 0.0));
}

#[test]
fn few_bits_are_planes_of_bits() {
    for &activation in ACTIVATIONS {
        for &(name, levels, planes, all) in WEIGHTS {
            for pad in [0, 1] {
                let title = format!("{}, {name}, padded by {pad}", activation.0);
                let before = layer(activation, levels, pad);
                let mut after = before.clone();
                let network = passes::run(&mut after, |_, _| ()).unwrap_or_else(|e| panic!("{title}: {e:?}"));
                let layers = count(&after, |op| matches!(op, Op::BinaryConv { .. }));
                let real = count(&after, |op| matches!(op, Op::Conv { .. }));
                let of_input = match activation.0 {
                    "sign" => 1,
                    "a sum of signs" => 2,
                    "symmetric, 5 numbers" | "3 bits, rounded down" => 3,
                    "4 bits" | "4 bits with a sign, narrow" | "4 bits, falling, in a pool" => 4,
                    "thresholds that pass each other, in two channels" => 3,
                    _ => 2,
                };
                // A sign has no bit for padding with 0 but where the layer counts none.
                let fits = planes * of_input <= 8;
                let all = (planes + usize::from(all)) * of_input;
                assert_eq!((layers, real), if fits { (all, 0) } else { (0, 1) }, "{title}\n{after}");
                // One layer, whose other products are said to be planes of it; or how far it is from being of bits.
                let marks = after.nodes.iter().filter(|node| node.parts.contains(&Part::Plane)).count();
                assert_eq!(marks, layers.saturating_sub(1), "{title}\n{after}");
                if !fits {
                    let why = after.nodes.iter().find_map(|node| node.reason.as_deref()).unwrap_or_default();
                    let bound = format!("{} plane products, at most 8", planes * of_input);
                    assert!(why.contains(&bound), "{title}: {why}");
                }
                // Those that are too many multiply integers.
                let integers =
                    network.blocks.iter().filter(|block| block.arithmetic() == Some(Arithmetic::Int8)).count();
                assert_eq!(integers, usize::from(!fits), "{title}\n{network}");
                let values = (0..150).map(|i| ((i * 7) % 17) as f32 / 4.0 - 2.0).collect();
                let inputs = [Tensor::f32(SHAPE, values)];
                let expected = interpret::graph(&before, &inputs).expect("runs")[&before.outputs[0]].to_f32();
                let found = interpret::network::outputs(&network, &inputs).expect("runs")[0].to_f32();
                let off = std::iter::zip(&expected, &found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(off < 1e-4, "{title}: {off}");
            }
        }
    }
}
