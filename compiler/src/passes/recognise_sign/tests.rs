use super::run;
use crate::exact::Affine;
use crate::ir::{Binary, Binary::*, DType, Graph, Op, Unary, ValueId, Zero};
use crate::passes::testing::{Build, ops, preserved};

fn sign(b: &mut Build, x: ValueId) -> ValueId {
    b.like(Op::Sign(Zero::Zero), &[x])
}

#[test]
fn levels_are_those_of_real_arithmetic() {
    // 0.1 * 0.7 and 0.7 / 3 are no f32s, and the second no f64.
    let code = |f: Binary, c: f32| {
        let mut b = Build::default();
        let x = b.input(&[2, 9]);
        let [half, level, c] = [0.5, 0.7, c].map(|c| b.scalar(c));
        let m = b.binary(Greater, x, half);
        let y = b.like(Op::Cast(DType::F32), &[m]);
        let y = b.binary(Binary::Mul, y, level);
        let y = b.binary(f, y, c);
        let w = b.random_constant(&[9, 3]);
        let y = b.node(Op::MatMul, &[y, w], &[2, 3]);
        preserved(&b.finish(&[y]), run)
    };
    let map = |graph: &Graph| {
        graph.nodes.iter().find_map(|n| if let Op::Affine { maps, .. } = &n.op { Some(maps[0].clone()) } else { None })
    };
    let graph = code(Binary::Mul, 0.1);
    assert_eq!(ops(&graph), ["Sub", "Sign", "Affine", "MatMul"]);
    assert_eq!(map(&graph), Some(Affine::levels(0.0, f64::from(0.7_f32) * f64::from(0.1_f32))));
    assert_eq!(ops(&code(Binary::Div, 3.0)), ["Sub", "Sign", "Affine", "Div", "MatMul"]);
}

#[test]
fn not_every_positive_scale_keeps_signs() {
    for (f, c) in [
        (Binary::Div, f32::INFINITY),
        (Binary::Mul, 0.0),
        (Binary::Mul, 1e-40),
        (Binary::Div, 0.0),
        (Binary::Min, 0.0),
        (Binary::Max, 0.0),
    ] {
        let mut b = Build::default();
        let x = b.input(&[2, 9]);
        let c = b.scalar(c);
        let y = b.binary(f, x, c);
        let y = sign(&mut b, y);
        let mut graph = b.finish(&[y]);
        run(&mut graph);
        assert_eq!(ops(&graph).len(), 2, "{f:?}\n{graph}");
    }
}

#[test]
fn a_number_clipped_and_rounded_is_a_step() {
    // The input holds halves, whole numbers and what lies between.
    for (low, second_first) in [(0.0, false), (0.0, true), (-1.0, false), (1.0, true)] {
        for rounding in [Unary::Round, Unary::Floor, Unary::Ceil] {
            let mut b = Build::default();
            let x = b.input(&[2, 9]);
            let clip = Unary::Clip(low, low + 1.0);
            let [first, second] = if second_first { [rounding, clip] } else { [clip, rounding] };
            let y = b.unary(first, x);
            let y = b.unary(second, y);
            let [two, middle] = [2.0, 2.0 * low + 1.0].map(|c| b.scalar(c));
            let y = b.binary(Mul, y, two);
            let y = b.binary(Sub, y, middle);
            let graph = preserved(&b.finish(&[y]), run);
            let found = ops(&graph);
            assert!(found == ["Sub", "Sign"] || found == ["Sign"], "{found:?}");
        }
    }
}
