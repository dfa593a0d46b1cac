use std::sync::Arc;

use super::run;
use crate::exact::Affine;
use crate::ir::Part;
use crate::ir::{Binary::*, Op, Unary, ValueId};
use crate::passes::testing::{Build, ops, preserved};

fn batch_norm(b: &mut Build, x: ValueId, axis: usize) -> ValueId {
    let n = b.graph.shape(x)[axis];
    let map = |i: usize| Affine::batch_norm(0.5 - i as f32, 0.25, 0.5 * i as f32, 1.5, 1e-5).unwrap();
    b.like(Op::Affine { axis, maps: Arc::new((0..n).map(map).collect()) }, &[x])
}

#[test]
fn a_merged_map_knows_its_parts() {
    let mut b = Build::default();
    let x = b.input(&[2, 3, 4, 4]);
    let [scale, shift, half] = [b.random_constant(&[1, 3, 1, 1]), b.random_constant(&[3, 1, 1]), b.scalar(0.5)];
    let y = b.binary(Mul, x, half);
    let y = batch_norm(&mut b, y, 1);
    let y = b.binary(Mul, y, scale);
    let y = b.unary(Unary::Neg, y);
    let y = b.binary(Sub, y, shift);
    let graph = preserved(&b.finish(&[y]), run);
    assert_eq!(ops(&graph), ["Affine"]);
    assert_eq!(graph.nodes[0].parts, ["Mul", "Affine", "Mul", "Neg", "Sub"].map(Part::from));
    assert_eq!(graph.nodes[0].name, "Mul0");
}

/// What a chain has gathered is handed on and not copied: copies would make 2 * 10^8 words of it, 10 GB.
#[test]
fn a_long_chain_is_merged_in_linear_time() {
    const N: usize = 20_000;
    let mut b = Build::default();
    let x = b.input(&[1, 4]);
    let c = b.constant(&[4], &[0.5, -0.25, 1.0, 2.0]);
    let y = (0..N).fold(x, |x, _| b.binary(Add, x, c));
    let mut graph = b.finish(&[y]);
    let start = std::time::Instant::now();
    run(&mut graph);
    assert_eq!(ops(&graph), ["Affine"]);
    assert_eq!(graph.nodes[0].parts.len(), N);
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

/// A factor that is no normal float would give infinity, or lose digits, where the division or the product of factors does not.
#[test]
fn factors_that_are_no_floats_stay_apart() {
    for (f, c) in [(Div, 1e-45), (Div, 1e-40), (Div, 3e38)] {
        let mut b = Build::default();
        let x = b.input(&[2, 3]);
        let c = b.scalar(c);
        let y = b.binary(f, x, c);
        let mut graph = b.finish(&[y]);
        run(&mut graph);
        assert_eq!(ops(&graph), ["Div"]);
    }
    for c in [1e30, 1e-30] {
        let mut b = Build::default();
        let x = b.input(&[2, 3]);
        let c = b.scalar(c);
        let y = b.binary(Mul, x, c);
        let y = b.binary(Mul, y, c);
        let mut graph = b.finish(&[y]);
        run(&mut graph);
        assert_eq!(ops(&graph), ["Affine", "Affine"]);
    }
}
