//! Zeros in front of signs, by nature: random networks of ReLUs, pools, paddings, sums and joins, on a coarse grid of inputs.
//!
//! Graph and blocks must give what ONNX's sign gives, zeros included: with two planes of bits always, with one wherever the
//! compiler does not say otherwise. Eight of them are compiled and run in `tests/tests/zeros.rs`.

use crate::interpret;
use crate::ir::{Binary, Graph, Layout, Op, Tensor, Unary, ValueId, Window, Zero};
use crate::passes;
use crate::passes::testing::{Build, random, window};

/// Pseudo-random choices.
struct Choices(u64);

impl Choices {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

/// ±scale with now and then a zero.
fn weights(b: &mut Build, r: &mut Choices, shape: &[usize]) -> ValueId {
    let n = shape.iter().product();
    let scale: f32 = [1.0, 0.5, 0.25][r.below(3)];
    let zeros = [0, 0, 2, n / 2][r.below(4)];
    let mut values: Vec<f32> = random(n, r.below(1000) as u32, 0.125).iter().map(|x| scale.copysign(*x)).collect();
    for _ in 0..zeros {
        values[r.below(n)] = 0.0;
    }
    b.constant(shape, &values)
}

/// One operator in front of a sign. Images are `[1, 4, 4, 4]`, and stay that.
fn before(b: &mut Build, r: &mut Choices, x: ValueId, other: ValueId) -> ValueId {
    let shape = b.graph.shape(x).to_vec();
    match r.below(12) {
        0 => b.unary(Unary::Relu, x),
        1 => b.unary([Unary::Abs, Unary::Neg, Unary::Clip(0.0, 1.0), Unary::Clip(-1.0, 1.0)][r.below(4)], x),
        2 | 3 => {
            let window = Window { pads: [1; 4], ..window([3, 3], 1) };
            b.like(Op::MaxPool { window, layout: Layout::ChannelsFirst }, &[x])
        }
        4 => {
            let op = Op::AveragePool {
                // Divisors are powers of two, and all numbers exact.
                window: Window { pads: [0, 0, 1, 1], ..window([2, 2], 0) },
                count_include_pad: r.below(2) == 0,
                ceil_extra: [0; 2],
                layout: Layout::ChannelsFirst,
            };
            b.like(op, &[x])
        }
        5 => {
            let smaller = [1, 4, 3, 3];
            let starts = vec![0, 0, r.below(2), r.below(2)];
            let cut = b.node(Op::Slice { starts, steps: vec![1; 4] }, &[x], &smaller);
            let value = [0.0, 0.0, 1.0, -1.0][r.below(4)];
            b.node(Op::Pad { before: vec![0, 0, 1, 0], after: vec![0, 0, 0, 1], value }, &[cut], &shape)
        }
        6 | 7 => b.binary([Binary::Add, Binary::Sub, Binary::Mul, Binary::Max][r.below(4)], x, other),
        8 => {
            let op = |start| Op::Slice { starts: vec![0, start, 0, 0], steps: vec![1; 4] };
            let halves = [x, other].map(|v| b.node(op(r.below(2)), &[v], &[1, 2, 4, 4]));
            b.node(Op::Concat { axis: 1 }, &halves, &shape)
        }
        9 => {
            let c = b.constant(&[4, 1, 1], &[1.0, 0.5, 2.0, 0.25]);
            b.binary(Binary::Mul, x, c)
        }
        10 => {
            let c = b.constant(&[4, 1, 1], &[0.0, 0.5, -0.25, 0.125]);
            b.binary(Binary::Add, x, c)
        }
        _ => x,
    }
}

/// A network behind `x`, and its outputs.
fn grow(b: &mut Build, r: &mut Choices, x: ValueId) -> Vec<ValueId> {
    let (mut x, mut other, mut outputs) = (x, x, Vec::new());
    for _ in 0..r.below(3) + 1 {
        let mut v = x;
        for _ in 0..r.below(4) {
            v = before(b, r, v, other);
        }
        let s = b.like(Op::Sign([Zero::Zero, Zero::Zero, Zero::Plus, Zero::Minus][r.below(4)]), &[v]);
        let mut bits = s;
        for _ in 0..r.below(3) {
            bits = before(b, r, bits, s);
        }
        let kernel = [1, 3][r.below(2)];
        let w = weights(b, r, &[4, 4, kernel, kernel]);
        let y = b.conv(bits, w, kernel / 2);
        match r.below(5) {
            0 => outputs.push(s),
            1 => outputs.push(y),
            _ => {}
        }
        (other, x) = (x, y);
    }
    if !outputs.contains(&x) {
        outputs.push(x);
    }
    outputs
}

/// A network, and an input for it.
fn network(seed: u64) -> (Graph, Tensor) {
    let mut b = Build::default();
    let x = b.input(&[1, 4, 4, 4]);
    let input = random(64, seed as u32, 0.0).iter().map(|x| (2.0 * x).round() / 2.0).collect();
    let outputs = grow(&mut b, &mut Choices(seed), x);
    let mut graph = b.finish(&outputs);
    graph.sweep();
    (graph, Tensor::f32([1, 4, 4, 4], input))
}

/// The outputs of the blocks, and whether the compiler has said that they may differ.
fn compiled(graph: &Graph, input: &Tensor, exact_zeros: bool) -> (Vec<Tensor>, bool) {
    let mut graph = Graph { exact_zeros, ..graph.clone() };
    let network = passes::run(&mut graph, |_, _| {}).unwrap_or_else(|e| panic!("{e}\n{graph}"));
    let said = graph.warnings.0.iter().any(|w| w.code == crate::diagnostics::Code::ZeroSigns)
        || graph.notes.iter().any(|note| note.contains("sign(0)"));
    let values = interpret::network::run(&network, std::slice::from_ref(input)).expect("runs");
    (network.outputs.iter().map(|id| values[id].clone()).collect(), said)
}

#[test]
fn zeros_in_front_of_signs_are_exact_or_told() {
    let (mut told, mut different) = (0, 0);
    for seed in 0..400 {
        let (graph, input) = network(seed);
        let values = interpret::graph(&graph, std::slice::from_ref(&input)).expect("runs");
        let expected: Vec<&Tensor> = graph.outputs.iter().map(|v| &values[v]).collect();
        let same = |found: &[Tensor]| {
            std::iter::zip(&expected, found).all(|(a, b)| {
                std::iter::zip(a.to_f32(), b.to_f32()).all(|(a, b)| (a - b).abs() <= 1e-4 * a.abs().max(1.0))
            })
        };
        let (found, said) = compiled(&graph, &input, true);
        assert!(same(&found) && !said, "seed {seed}, two planes:\n{graph}");
        let (found, said) = compiled(&graph, &input, false);
        assert!(same(&found) || said, "seed {seed}, one plane:\n{graph}");
        told += usize::from(said);
        different += usize::from(!same(&found));
    }
    assert!(different > 80 && told < 200, "{different} different, {told} told");
}
