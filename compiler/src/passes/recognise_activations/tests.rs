use super::run;
use crate::ir::{Binary::*, Op, Unary, ValueId};
use crate::passes::testing::{Build, ops, preserved};

/// An image `[1, 3, 2, 2]`, one chain; the operators left, the last node's operator, and the shape of a PReLU's slope.
fn after(chain: impl Fn(&mut Build, ValueId) -> ValueId) -> (Vec<String>, Op, Vec<usize>) {
    let mut b = Build::default();
    let x = b.input(&[1, 3, 2, 2]);
    let y = chain(&mut b, x);
    let graph = preserved(&b.finish(&[y]), run);
    let last = graph.nodes.last().unwrap();
    let slope = last.inputs.last().map(|v| graph.shape(*v).to_vec()).unwrap_or_default();
    (ops(&graph), last.op.clone(), slope)
}

/// `Relu(x) + c * Relu(-x)`, as tf2onnx writes it.
fn tf_prelu(b: &mut Build, x: ValueId, c: ValueId) -> ValueId {
    let positive = b.unary(Unary::Relu, x);
    let minus = b.unary(Unary::Neg, x);
    let negative = b.unary(Unary::Relu, minus);
    let scaled = b.binary(Mul, negative, c);
    b.binary(Add, positive, scaled)
}

#[test]
fn prelu_of_five_nodes() {
    for shape in [&[1, 3, 1, 1][..], &[3, 1, 1], &[1, 1, 2], &[]] {
        let (found, op, slope) = after(|b, x| {
            let c = b.random_constant(shape);
            tf_prelu(b, x, c)
        });
        assert_eq!((found.len(), op), (1, Op::PRelu), "{shape:?}");
        assert_eq!(slope.len(), 4);
        assert_eq!(slope.iter().product::<usize>(), shape.iter().product::<usize>());
    }
}

#[test]
fn prelu_in_other_words() {
    let spellings: [fn(&mut Build, ValueId) -> ValueId; 6] = [
        |b, x| {
            let c = b.random_constant(&[1, 3, 1, 1]);
            let positive = b.unary(Unary::Relu, x);
            let minus = b.unary(Unary::Neg, x);
            let negative = b.unary(Unary::Relu, minus);
            let scaled = b.binary(Mul, c, negative);
            b.binary(Sub, positive, scaled)
        },
        |b, x| {
            let c = b.random_constant(&[1, 3, 1, 1]);
            let positive = b.unary(Unary::Relu, x);
            let minus = b.unary(Unary::Neg, x);
            let negative = b.unary(Unary::Relu, minus);
            let scaled = b.binary(Mul, c, negative);
            let scaled = b.unary(Unary::Neg, scaled);
            b.binary(Add, scaled, positive)
        },
        |b, x| {
            let c = b.random_constant(&[1, 3, 1, 1]);
            let zero = b.scalar(0.0);
            let positive = b.binary(Max, x, zero);
            let negative = b.binary(Min, zero, x);
            let scaled = b.binary(Mul, c, negative);
            b.binary(Add, positive, scaled)
        },
        |b, x| {
            let [c, zero] = [0.25, 0.0].map(|c| b.scalar(c));
            let mask = b.binary(Greater, x, zero);
            let scaled = b.binary(Mul, x, c);
            b.node(Op::Where, &[mask, x, scaled], &[1, 3, 2, 2])
        },
        |b, x| {
            let [c, zero] = [0.25, 0.0].map(|c| b.scalar(c));
            let mask = b.binary(LessOrEqual, x, zero);
            let scaled = b.binary(Mul, x, c);
            b.node(Op::Where, &[mask, scaled, x], &[1, 3, 2, 2])
        },
        |b, x| {
            let [c, zero] = [0.25, 0.0].map(|c| b.scalar(c));
            let mask = b.binary(GreaterOrEqual, zero, x);
            let scaled = b.binary(Mul, x, c);
            b.node(Op::Where, &[mask, scaled, x], &[1, 3, 2, 2])
        },
    ];
    for (i, spelling) in spellings.into_iter().enumerate() {
        let (found, op, _) = after(spelling);
        assert_eq!((found.len(), op), (1, Op::PRelu), "{i}");
    }
}

#[test]
fn what_only_looks_like_a_prelu_stays() {
    let others: [fn(&mut Build, ValueId) -> ValueId; 4] = [
        // The negative part is not mirrored.
        |b, x| {
            let c = b.scalar(0.25);
            let positive = b.unary(Unary::Relu, x);
            let scaled = b.binary(Mul, positive, c);
            b.binary(Add, positive, scaled)
        },
        // Of another value.
        |b, x| {
            let c = b.scalar(0.25);
            let y = b.unary(Unary::Abs, x);
            let positive = b.unary(Unary::Relu, y);
            let minus = b.unary(Unary::Neg, x);
            let negative = b.unary(Unary::Relu, minus);
            let scaled = b.binary(Mul, negative, c);
            b.binary(Add, positive, scaled)
        },
        // Subtracted the wrong way round.
        |b, x| {
            let c = b.scalar(0.25);
            let positive = b.unary(Unary::Relu, x);
            let minus = b.unary(Unary::Neg, x);
            let negative = b.unary(Unary::Relu, minus);
            let scaled = b.binary(Mul, negative, c);
            b.binary(Sub, scaled, positive)
        },
        // The mask keeps the wrong side.
        |b, x| {
            let [c, zero] = [0.25, 0.0].map(|c| b.scalar(c));
            let mask = b.binary(Less, x, zero);
            let scaled = b.binary(Mul, x, c);
            b.node(Op::Where, &[mask, x, scaled], &[1, 3, 2, 2])
        },
    ];
    for (i, other) in others.into_iter().enumerate() {
        let (found, _, _) = after(other);
        assert!(!found.contains(&"PRelu".to_owned()), "{i}: {found:?}");
    }
}

#[test]
fn hard_swish_and_hard_sigmoid() {
    let spellings: [fn(&mut Build, ValueId) -> ValueId; 4] = [
        |b, x| {
            let gate = b.unary(Unary::HardSigmoid(1.0 / 6.0, 0.5), x);
            b.binary(Mul, gate, x)
        },
        |b, x| {
            let [three, six] = [3.0, 6.0].map(|c| b.scalar(c));
            let sum = b.binary(Add, x, three);
            let clip = b.unary(Unary::Clip(0.0, 6.0), sum);
            let gate = b.binary(Div, clip, six);
            b.binary(Mul, x, gate)
        },
        |b, x| {
            let [three, sixth] = [3.0, 1.0 / 6.0].map(|c| b.scalar(c));
            let sum = b.binary(Add, three, x);
            let clip = b.unary(Unary::Clip(0.0, 6.0), sum);
            let product = b.binary(Mul, x, clip);
            b.binary(Mul, product, sixth)
        },
        |b, x| {
            let [half, six] = [0.5, 6.0].map(|c| b.scalar(c));
            let sixth = b.binary(Div, x, six);
            let sum = b.binary(Add, sixth, half);
            let clip = b.unary(Unary::Clip(0.0, 1.0), sum);
            b.binary(Mul, x, clip)
        },
    ];
    for (i, spelling) in spellings.into_iter().enumerate() {
        let (found, op, _) = after(spelling);
        assert_eq!((found.len(), op), (1, Op::Unary(Unary::HardSwish)), "{i}");
    }
    // Another slope is no HardSwish, and a clip of something else no gate.
    let (found, _, _) = after(|b, x| {
        let gate = b.unary(Unary::HardSigmoid(0.2, 0.5), x);
        b.binary(Mul, gate, x)
    });
    assert_eq!(found, ["HardSigmoid", "Mul"]);
    let (found, _, _) = after(|b, x| {
        let [two, six] = [2.0, 6.0].map(|c| b.scalar(c));
        let sum = b.binary(Add, x, two);
        let clip = b.unary(Unary::Clip(0.0, 6.0), sum);
        b.binary(Div, clip, six)
    });
    assert_eq!(found, ["Add", "Clip", "Div"]);
}

#[test]
fn relu_in_other_words() {
    let (_, op, _) = after(|b, x| b.unary(Unary::Clip(0.0, f32::INFINITY), x));
    assert_eq!(op, Op::Unary(Unary::Relu));
    let (_, op, _) = after(|b, x| b.unary(Unary::Clip(0.0, 6.0), x));
    assert_eq!(op, Op::Unary(Unary::Clip(0.0, 6.0)));
}

#[test]
fn expanded_constants_shrink() {
    let expanded: Vec<f32> = (0..12).map(|i| (i / 4) as f32).collect();
    let (_, _, shape) = after(|b, x| {
        let c = b.constant(&[1, 3, 2, 2], &expanded);
        b.binary(Add, x, c)
    });
    assert_eq!(shape, [1, 3, 1, 1]);
    // Unless they give the result its shape.
    let mut b = Build::default();
    let x = b.input(&[1, 3, 1, 1]);
    let c = b.constant(&[1, 3, 2, 2], &expanded);
    let y = b.node(Op::Binary(Add), &[x, c], &[1, 3, 2, 2]);
    let graph = preserved(&b.finish(&[y]), run);
    assert_eq!(graph.shape(graph.nodes[0].inputs[1]), [1, 3, 2, 2]);
}
