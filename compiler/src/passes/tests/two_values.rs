//! Whatever decides between two numbers: each way of writing that in front of a layer of ±1/2 is bits, and exact.

use crate::interpret;
use crate::ir::{Binary::*, DType, Graph, Op, Reduction, Tensor, Unary, ValueId, Zero};
use crate::passes;
use crate::passes::testing::{Build, assert_same, count};

const SHAPE: [usize; 4] = [1, 6, 5, 5];

/// One way of writing it.
type Spelling = (&'static str, fn(&mut Build, ValueId, ValueId) -> ValueId);

/// A few words for what the spellings are made of.
impl Build {
    fn f(&mut self, f: crate::ir::Binary, a: ValueId, c: f32) -> ValueId {
        let c = self.scalar(c);
        self.binary(f, a, c)
    }

    fn sign(&mut self, x: ValueId) -> ValueId {
        self.like(Op::Sign(Zero::Zero), &[x])
    }

    fn to(&mut self, dtype: DType, x: ValueId) -> ValueId {
        self.like(Op::Cast(dtype), &[x])
    }

    fn pick(&mut self, condition: ValueId, a: f32, b: f32) -> ValueId {
        let [a, b] = [a, b].map(|c| self.scalar(c));
        self.like(Op::Where, &[condition, a, b])
    }

    fn clip(&mut self, x: ValueId, low: f32, high: f32) -> ValueId {
        self.unary(Unary::Clip(low, high), x)
    }

    fn pick_sign(&mut self, x: ValueId) -> ValueId {
        let m = self.f(GreaterOrEqual, x, 0.0);
        self.pick(m, 1.0, -1.0)
    }

    /// Of the magnitudes, one for each image.
    fn mean(&mut self, x: ValueId) -> ValueId {
        let a = self.unary(Unary::Abs, x);
        self.node(Op::Reduce { kind: Reduction::Mean, axes: vec![1, 2, 3], keepdims: true }, &[a], &[1, 1, 1, 1])
    }

    /// A whole number.
    fn n(&mut self, n: i64) -> ValueId {
        let name = format!("whole{}", self.graph.values.len());
        self.graph.add_constant(name, Tensor::i64([], vec![n]))
    }
}

/// `y` is another value of the same shape.
const SPELLINGS: &[Spelling] = &[
    ("sign, never 0", |b, x, _| {
        let s = b.sign(x);
        let s = b.f(Add, s, 0.1);
        b.sign(s)
    }),
    ("where x >= 0", |b, x, _| {
        let m = b.f(GreaterOrEqual, x, 0.0);
        b.pick(m, 1.0, -1.0)
    }),
    ("where x < 0, numbers of either sign", |b, x, _| {
        let m = b.f(Less, x, 0.25);
        b.pick(m, 3.0, 0.5)
    }),
    ("where, a step per channel", |b, x, _| {
        let c = b.random_constant(&[6, 1, 1]);
        let m = b.binary(Greater, x, c);
        b.pick(m, 1.0, -1.0)
    }),
    ("where, a step per channel on the left", |b, x, _| {
        let c = b.random_constant(&[6, 1, 1]);
        let m = b.binary(GreaterOrEqual, c, x);
        b.pick(m, 0.0, 1.0)
    }),
    ("where two values compare", |b, x, y| {
        let m = b.binary(Greater, x, y);
        b.pick(m, 1.0, -1.0)
    }),
    ("where two values compare, other numbers", |b, x, y| {
        let m = b.binary(LessOrEqual, x, y);
        b.pick(m, 0.25, 0.75)
    }),
    ("where both conditions", |b, x, y| {
        let (m, n) = (b.f(Greater, x, 0.5), b.f(Less, y, 1.0));
        let m = b.binary(And, m, n);
        b.pick(m, 1.0, -1.0)
    }),
    ("where either condition", |b, x, y| {
        let (m, n) = (b.f(Greater, x, 0.5), b.f(Less, y, 1.0));
        let m = b.binary(Or, m, n);
        b.to(DType::F32, m)
    }),
    ("where one of two, whole numbers", |b, x, y| {
        let (m, n) = (b.f(Greater, x, 0.5), b.f(Less, y, 1.0));
        let m = b.binary(Xor, m, n);
        let m = b.to(DType::I64, m);
        let (two, one) = (b.n(2), b.n(1));
        let m = b.binary(Mul, m, two);
        let m = b.binary(Sub, m, one);
        b.to(DType::F32, m)
    }),
    ("where not", |b, x, y| {
        let m = b.binary(Less, x, y);
        let m = b.unary(Unary::Not, m);
        let m = b.to(DType::F32, m);
        let m = b.f(Mul, m, 2.0);
        b.f(Sub, m, 1.0)
    }),
    ("inside an interval", |b, x, _| {
        let a = b.unary(Unary::Abs, x);
        let m = b.f(LessOrEqual, a, 1.0);
        b.pick(m, 1.0, -1.0)
    }),
    ("where equal", |b, x, _| {
        let m = b.f(Equal, x, 0.0);
        let m = b.unary(Unary::Not, m);
        b.to(DType::F32, m)
    }),
    ("(x >= 0) - (x < 0)", |b, x, _| {
        let (m, n) = (b.f(GreaterOrEqual, x, 0.0), b.f(Less, x, 0.0));
        let (m, n) = (b.to(DType::F32, m), b.to(DType::F32, n));
        b.binary(Sub, m, n)
    }),
    ("(x >= 1) - (x < 1) in whole numbers", |b, x, _| {
        let (m, n) = (b.f(GreaterOrEqual, x, 1.0), b.f(Less, x, 1.0));
        let (m, n) = (b.to(DType::I64, m), b.to(DType::I64, n));
        let d = b.binary(Sub, m, n);
        b.to(DType::F32, d)
    }),
    ("(x > 0) * 2 - 1", |b, x, _| {
        let m = b.f(Greater, x, 0.0);
        let m = b.to(DType::F32, m);
        let m = b.f(Mul, m, 2.0);
        b.f(Sub, m, 1.0)
    }),
    ("Heaviside with 1 at 0", |b, x, _| {
        let (m, e) = (b.f(Greater, x, 0.0), b.f(Equal, x, 0.0));
        let (m, e) = (b.to(DType::F32, m), b.to(DType::F32, e));
        b.binary(Add, m, e)
    }),
    ("(sign + 1) / 2, rounded up", |b, x, _| {
        let s = b.sign(x);
        let s = b.f(Add, s, 1.0);
        let s = b.f(Div, s, 2.0);
        b.unary(Unary::Ceil, s)
    }),
    ("x / |x|", |b, x, _| {
        // Never 0, for that has no quotient.
        let x = b.f(Add, x, 0.1);
        let a = b.unary(Unary::Abs, x);
        b.binary(Div, x, a)
    }),
    ("|x| / x", |b, x, _| {
        let x = b.f(Sub, x, 0.1);
        let a = b.unary(Unary::Abs, x);
        b.binary(Div, a, x)
    }),
    ("2 round(clip((x + 1) / 2)) - 1", |b, x, _| {
        let y = b.f(Add, x, 1.0);
        let y = b.f(Div, y, 2.0);
        let y = b.clip(y, 0.0, 1.0);
        let y = b.unary(Unary::Round, y);
        let y = b.f(Mul, y, 2.0);
        b.f(Sub, y, 1.0)
    }),
    ("2 clip(round((x + 1) / 2)) - 1", |b, x, _| {
        let y = b.f(Add, x, 1.0);
        let y = b.f(Mul, y, 0.5);
        let y = b.unary(Unary::Round, y);
        let y = b.clip(y, 0.0, 1.0);
        let y = b.f(Mul, y, 2.0);
        b.f(Sub, y, 1.0)
    }),
    ("a clip(round(x / a))", |b, x, _| {
        let y = b.f(Div, x, 0.7);
        let y = b.unary(Unary::Round, y);
        let y = b.clip(y, 0.0, 1.0);
        b.f(Mul, y, 0.75)
    }),
    ("a round(clip(x / a))", |b, x, _| {
        let y = b.f(Mul, x, 1.3);
        let y = b.clip(y, 0.0, 1.0);
        let y = b.unary(Unary::Round, y);
        b.f(Mul, y, 0.375)
    }),
    ("round of a hard sigmoid", |b, x, _| {
        let y = b.unary(Unary::HardSigmoid(0.2, 0.5), x);
        b.unary(Unary::Round, y)
    }),
    ("round(sigmoid(x))", |b, x, _| {
        let y = b.unary(Unary::Sigmoid, x);
        b.unary(Unary::Round, y)
    }),
    ("sigmoid(x) > 1/2", |b, x, _| {
        let y = b.unary(Unary::Sigmoid, x);
        let m = b.f(Greater, y, 0.5);
        b.to(DType::F32, m)
    }),
    ("round((tanh(x) + 1) / 2)", |b, x, _| {
        let y = b.unary(Unary::Tanh, x);
        let y = b.f(Add, y, 1.0);
        let y = b.f(Mul, y, 0.5);
        b.unary(Unary::Round, y)
    }),
    ("floor(clip(x) + 1/2)", |b, x, _| {
        let y = b.clip(x, 0.0, 1.0);
        let y = b.f(Add, y, 0.5);
        b.unary(Unary::Floor, y)
    }),
    ("clip(floor(x + 1/2))", |b, x, _| {
        let y = b.f(Add, x, 0.5);
        let y = b.unary(Unary::Floor, y);
        b.clip(y, 0.0, 1.0)
    }),
    ("clip(ceil(x))", |b, x, _| {
        let y = b.unary(Unary::Ceil, x);
        b.clip(y, -1.0, 0.0)
    }),
    ("min(max(round(x), -1), 0)", |b, x, _| {
        let y = b.unary(Unary::Round, x);
        let y = b.f(Max, y, -1.0);
        b.f(Min, y, 0.0)
    }),
    ("hard tanh and sign", |b, x, _| {
        let y = b.clip(x, -1.0, 1.0);
        let s = b.sign(y);
        let m = b.f(Equal, s, 0.0);
        let one = b.scalar(1.0);
        b.like(Op::Where, &[m, one, s])
    }),
    ("clip(x / tiny), made a truth", |b, x, _| {
        let y = b.f(Mul, x, 1e6);
        let y = b.clip(y, 0.0, 1.0);
        let y = b.to(DType::Bool, y);
        b.to(DType::F32, y)
    }),
    ("straight-through rounding, (round - x) + x", |b, x, _| {
        let c = b.clip(x, 0.0, 1.0);
        let r = b.unary(Unary::Round, c);
        let d = b.binary(Sub, r, c);
        b.binary(Add, d, c)
    }),
    ("straight-through, x + (hard - x)", |b, x, _| {
        let m = b.f(Greater, x, 0.5);
        let h = b.pick(m, 1.0, -1.0);
        let d = b.binary(Sub, h, x);
        b.binary(Add, x, d)
    }),
    ("straight-through of two values", |b, x, y| {
        let (s, c) = (b.binary(GreaterOrEqual, x, y), b.clip(x, -1.0, 1.0));
        let s = b.pick(s, 1.0, -1.0);
        let d = b.binary(Sub, s, c);
        b.binary(Add, d, c)
    }),
    ("minus a sign", |b, x, _| {
        let m = b.f(GreaterOrEqual, x, 0.5);
        let s = b.pick(m, 1.0, -1.0);
        b.unary(Unary::Neg, s)
    }),
    ("product of signs", |b, x, y| {
        let (m, n) = (b.f(GreaterOrEqual, x, 0.0), b.f(Less, y, 0.5));
        let (m, n) = (b.pick(m, 1.0, -1.0), b.pick(n, 1.0, -1.0));
        b.binary(Mul, m, n)
    }),
    ("product of codes", |b, x, y| {
        let (m, n) = (b.f(GreaterOrEqual, x, 0.0), b.f(Less, y, 0.5));
        let (m, n) = (b.to(DType::F32, m), b.pick(n, 0.5, 0.0));
        b.binary(Mul, m, n)
    }),
    ("greatest of two", |b, x, y| {
        let (m, n) = (b.f(GreaterOrEqual, x, 0.0), b.f(Less, y, 0.5));
        let (m, n) = (b.pick(m, 1.0, -1.0), b.pick(n, 1.0, -1.0));
        b.binary(Max, m, n)
    }),
    ("least of two, one falling", |b, x, y| {
        let (m, n) = (b.f(Less, x, 0.0), b.binary(Equal, x, y));
        let (m, n) = (b.pick(m, -0.5, 0.25), b.pick(n, 0.25, -0.5));
        b.binary(Min, m, n)
    }),
    ("product of two steps of one value", |b, x, _| {
        let (m, n) = (b.f(GreaterOrEqual, x, 0.0), b.f(Less, x, 1.5));
        let (m, n) = (b.pick(m, 1.0, -1.0), b.pick(n, 1.0, -1.0));
        b.binary(Mul, m, n)
    }),
    ("one of two signs by a condition", |b, x, y| {
        let (c, m, n) = (b.binary(Less, x, y), b.f(GreaterOrEqual, x, 0.0), b.f(Less, y, 0.5));
        let (m, n) = (b.pick(m, 1.0, -1.0), b.pick(n, 1.0, -1.0));
        b.like(Op::Where, &[c, m, n])
    }),
    ("nested conditions", |b, x, y| {
        let (c, m) = (b.binary(Less, x, y), b.f(GreaterOrEqual, x, 0.0));
        let m = b.pick(m, 1.0, -1.0);
        let one = b.scalar(1.0);
        b.like(Op::Where, &[c, one, m])
    }),
    ("sign of a difference of steps", |b, x, _| {
        let (m, n) = (b.f(Greater, x, 0.5), b.f(LessOrEqual, x, 0.5));
        let (m, n) = (b.to(DType::F32, m), b.to(DType::F32, n));
        let d = b.binary(Sub, m, n);
        b.sign(d)
    }),
    ("absolute value of a step", |b, x, _| {
        let s = b.sign(x);
        let s = b.unary(Unary::Abs, s);
        b.f(Sub, s, 0.5)
    }),
    ("maximum of a pool of steps", |b, x, _| {
        let m = b.f(Greater, x, 0.5);
        let m = b.to(DType::F32, m);
        let window = crate::passes::testing::window([3, 3], 1);
        b.like(Op::MaxPool { window, layout: crate::ir::Layout::ChannelsFirst }, &[m])
    }),
    ("above the mean of the image", |b, x, _| {
        let op = Op::Reduce { kind: Reduction::Mean, axes: vec![2, 3], keepdims: true };
        let mean = b.node(op, &[x], &[1, 6, 1, 1]);
        let m = b.binary(Greater, x, mean);
        b.pick(m, 1.0, -1.0)
    }),
];

/// Codes with a scale that only the run knows, one for each image. The input's mean is a small multiple of a power of two.
const SCALED: &[Spelling] = &[
    ("sign times a mean", |b, x, y| {
        let (s, mean) = (b.pick_sign(x), b.mean(y));
        b.binary(Mul, s, mean)
    }),
    ("mean times a code", |b, x, y| {
        let m = b.f(Greater, x, 0.5);
        let (code, mean) = (b.to(DType::F32, m), b.mean(y));
        b.node(Op::Binary(Mul), &[mean, code], &SHAPE)
    }),
    ("sign divided by a scale", |b, x, y| {
        let (s, mean) = (b.pick_sign(x), b.mean(y));
        b.binary(Div, s, mean)
    }),
    ("straight-through, scaled", |b, x, y| {
        let (s, mean, c) = (b.pick_sign(x), b.mean(y), b.clip(x, -1.0, 1.0));
        let s = b.binary(Mul, s, mean);
        let d = b.binary(Sub, s, c);
        b.binary(Add, d, c)
    }),
    ("step of a scaled value, scaled back", |b, x, y| {
        let mean = b.mean(y);
        let z = b.binary(Div, x, mean);
        let z = b.clip(z, 0.0, 1.0);
        let z = b.unary(Unary::Round, z);
        b.binary(Mul, z, mean)
    }),
];

#[test]
fn scales_of_the_run_move_behind_the_layer() {
    for &spelling in SCALED {
        for pad in [0, 1] {
            let mut before = layer(spelling, pad);
            let bias = before.add_constant("bias", Tensor::f32([4], vec![0.5, -1.0, 2.0, 0.25]));
            before.nodes.last_mut().expect("a layer").inputs.push(bias);
            let mut after = before.clone();
            let network = passes::run(&mut after, |_, _| ()).unwrap_or_else(|e| panic!("{}: {e:?}", spelling.0));
            assert_eq!(count(&after, |op| matches!(op, Op::BinaryConv { .. })), 1, "{}\n{after}", spelling.0);
            let inputs = inputs();
            let expected = interpret::graph(&before, &inputs).expect("runs")[&before.outputs[0]].to_f32();
            let found = interpret::network::outputs(&network, &inputs).expect("runs")[0].to_f32();
            let off = std::iter::zip(&expected, &found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(off < 1e-5, "{}: {off}", spelling.0);
        }
    }
}

/// Multiples of 1/4, both signs, halves and zeros among them.
fn inputs() -> [Tensor; 2] {
    let values = |step: usize| (0..150).map(|i| ((i * step) % 17) as f32 / 4.0 - 2.0).collect();
    [7, 5].map(|step| Tensor::f32(SHAPE, values(step)))
}

fn layer(spelling: Spelling, pad: usize) -> Graph {
    let mut b = Build::default();
    let (x, y) = (b.input(&SHAPE), b.input(&SHAPE));
    let bits = (spelling.1)(&mut b, x, y);
    let signs: Vec<f32> = (0..4 * 6 * 9).map(|i| if i * i % 11 < 5 { 0.5 } else { -0.5 }).collect();
    let weights = b.constant(&[4, 6, 3, 3], &signs);
    let out = b.conv(bits, weights, pad);
    b.finish(&[out])
}

#[test]
fn two_values_are_two_values() {
    let mut wrong = Vec::new();
    for &spelling in SPELLINGS {
        let before = layer(spelling, 0);
        let mut after = before.clone();
        let result = passes::run(&mut after, |_, _| ());
        if count(&after, |op| matches!(op, Op::BinaryConv { .. })) != 1 {
            wrong.push(format!("{}: {:?}\n{after}", spelling.0, result.err()));
            continue;
        }
        let network = result.unwrap_or_else(|e| panic!("{}: {e:?}", spelling.0));
        let inputs = inputs();
        assert_same(&before, &after, &inputs, 0.0);
        let expected = interpret::graph(&before, &inputs).expect("runs")[&before.outputs[0]].to_f32();
        let found = interpret::network::outputs(&network, &inputs).expect("runs");
        assert_eq!(found[0].to_f32(), expected, "{}", spelling.0);
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), SPELLINGS.len(), wrong.join("\n"));
}

/// Two heads of queries, keys and values of one value each, as BERT has them: scores of bits, a mask, attention of 0 and 1 on
/// scaled signs.
#[test]
fn products_of_two_activations_are_bits() {
    let mut b = Build::default();
    let (x, y) = (b.input(&[1, 5, 12]), b.input(&[1, 5, 12]));
    let heads = |b: &mut Build, v: ValueId, perm: &[usize]| {
        let v = b.node(Op::Reshape, &[v], &[1, 5, 2, 6]);
        b.transpose(v, perm)
    };
    let scaled = |b: &mut Build, v: ValueId| {
        let (s, a) = (b.pick_sign(v), b.unary(Unary::Abs, v));
        let op = Op::Reduce { kind: Reduction::Mean, axes: vec![0, 1, 2], keepdims: true };
        let mean = b.node(op, &[a], &[1, 1, 1]);
        b.binary(Mul, s, mean)
    };
    let (q, k, v) = (b.pick_sign(x), scaled(&mut b, y), scaled(&mut b, x));
    let (q, k, v) = (heads(&mut b, q, &[0, 2, 1, 3]), heads(&mut b, k, &[0, 2, 3, 1]), heads(&mut b, v, &[0, 2, 1, 3]));
    let scores = b.node(Op::MatMul, &[q, k], &[1, 2, 5, 5]);
    let mask = b.constant(&[1, 1, 1, 5], &[0.0, 0.0, 0.0, 0.0, -10000.0]);
    let masked = b.node(Op::Binary(Add), &[scores, mask], &[1, 2, 5, 5]);
    let attention = b.f(Greater, masked, 0.0);
    let attention = b.to(DType::F32, attention);
    let out = b.node(Op::MatMul, &[attention, v], &[1, 2, 5, 6]);
    let before = b.finish(&[out]);
    let mut after = before.clone();
    let network = passes::run(&mut after, |_, _| ()).expect("compiles");
    assert_eq!(count(&after, |op| matches!(op, Op::SignProduct { .. })), 2, "{after}");
    let values = |step: usize| (0..60).map(|i| ((i * step) % 17) as f32 / 4.0 - 2.0).collect();
    let inputs = [7, 5].map(|step| Tensor::f32([1, 5, 12], values(step)));
    let expected = interpret::graph(&before, &inputs).expect("runs")[&before.outputs[0]].to_f32();
    let found = interpret::network::outputs(&network, &inputs).expect("runs")[0].to_f32();
    assert!(expected.iter().any(|&x| x != 0.0));
    let off = std::iter::zip(&expected, &found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off < 1e-4, "{off}");
}
