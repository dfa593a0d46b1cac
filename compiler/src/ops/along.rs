//! Sums along an axis whose weights are known when the model is compiled: a product with the matrix of the weights.

use super::Onnx;
use super::node::{NodeContext, bad, problem};
use crate::diagnostics::{Code, Outcome};
use crate::ir::{Binary, Data, Op, Tensor, ValueId};

pub(super) static ONNX: &[Onnx] =
    &[Onnx::one("CumSum", 11, cumulative).operands(2), Onnx::one("LRN", 1, local_response)];

/// Each place of an axis of `to` places is the sum of all those of x times its weights, `[place of x, place of the result]`.
pub(super) fn weighted(
    cx: &mut NodeContext<'_>,
    x: ValueId,
    axis: usize,
    to: usize,
    weight: impl Fn(usize, usize) -> f32,
) -> Outcome<ValueId> {
    let shape = cx.shape(x);
    let (from, rank) = (shape[axis], shape.len());
    cx.spend(from.checked_mul(to))?;
    let weights = (0..from * to).map(|i| weight(i / to, i % to)).collect();
    let weights = cx.add_constant(Tensor::f32([from, to], weights));
    let perm: Vec<usize> = (0..rank).filter(|&a| a != axis).chain([axis]).collect();
    let mut back: Vec<usize> = (0..rank - 1).collect();
    back.insert(axis, rank - 1);
    let last = cx.transpose(x, perm)?;
    let around = cx.shape(last)[..rank - 1].to_vec();
    let rows = cx.reshape(last, &[around.iter().product(), from])?;
    let rows = cx.apply(Op::MatMul, &[rows, weights])?;
    let last = cx.reshape(rows, &[&around[..], &[to]].concat())?;
    cx.transpose(last, back)
}

/// Sums of all that comes before a place (`reverse`: behind), itself included unless `exclusive`.
fn cumulative(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let axis = cx.int_parameter(1, "axis")?.and_then(|axis| axis.first().copied());
    let axis = cx.axis(axis.ok_or_else(|| bad("its axis is missing"))?, cx.shape(x).len())?;
    let (exclusive, reverse) = (cx.flag("exclusive")?, cx.flag("reverse")?);
    if let Some(known) = cx.constant(x)
        && let Some(integers) = known.as_i64()
    {
        let sums = running(integers, &known.shape, axis, exclusive, reverse);
        return Ok(cx.add_constant(Tensor { shape: known.shape.clone(), data: Data::I64(sums) }));
    }
    let extent = cx.shape(x)[axis];
    weighted(cx, x, axis, extent, |from, to| {
        let before = if reverse { from > to } else { from < to };
        f32::from(u8::from(before || from == to && !exclusive))
    })
}

fn running(v: &[i64], shape: &[usize], axis: usize, exclusive: bool, reverse: bool) -> Vec<i64> {
    let (extent, inner): (usize, usize) = (shape[axis], shape[axis + 1..].iter().product());
    let mut sums = vec![0; v.len()];
    for line in 0..v.len() / extent.max(1) {
        let first = line / inner * extent * inner + line % inner;
        let mut sum = 0_i64;
        for k in 0..extent {
            let at = first + if reverse { extent - 1 - k } else { k } * inner;
            let next = sum.wrapping_add(v[at]);
            sums[at] = if exclusive { sum } else { next };
            sum = next;
        }
    }
    sums
}

/// x / (bias + alpha / size * the sum of squares over neighbouring channels)^beta
fn local_response(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let shape = cx.shape(x);
    let &[_, channels, ..] = &shape[..] else {
        return Err(problem(Code::ShapeMismatch, format!("its operand has shape {shape:?}, without channels")));
    };
    let size = cx.int("size")?.and_then(|size| usize::try_from(size).ok()).filter(|&size| size > 0);
    let size = size.ok_or_else(|| bad("attribute \"size\" must be positive"))?;
    let (alpha, beta, bias) = (cx.float("alpha", 1e-4)?, cx.float("beta", 0.75)?, cx.float("bias", 1.0)?);
    let share = (f64::from(alpha) / size as f64) as f32;
    let squares = cx.binary(Binary::Mul, x, x)?;
    let (before, behind) = ((size - 1) / 2, size / 2);
    let sums = weighted(cx, squares, 1, channels, |from, to| {
        if from + before >= to && from <= to.saturating_add(behind) { share } else { 0.0 }
    })?;
    let (bias, beta) = (cx.scalar(bias), cx.scalar(beta));
    let sums = cx.binary(Binary::Add, sums, bias)?;
    let divisor = cx.binary(Binary::Pow, sums, beta)?;
    cx.binary(Binary::Div, x, divisor)
}
