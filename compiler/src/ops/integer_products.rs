//! Convolutions and products of quantised tensors: exact sums of integers, in floats that hold them.
//!
//! A sum that stays below 2^24 is one of floats. Where weights are so many that it may not, they are split into two digits, each of
//! whose sums is exact, and the two are added with one rounding: what a sum of 32-bit integers is as a float.

use super::element::DataType;
use super::node::NodeContext;
use super::quantize_linear::{Along, centred, known, quantized};
use super::{Onnx, convolution};
use crate::diagnostics::Outcome;
use crate::ir::{Binary, Op, Tensor, ValueId};

pub(super) static ONNX: &[Onnx] = &[
    Onnx::one("ConvInteger", 10, conv_integer).operands(4),
    Onnx::one("MatMulInteger", 10, matmul_integer).operands(4),
    Onnx::one("QLinearConv", 10, q_linear_conv).operands(9),
    Onnx::one("QLinearMatMul", 10, q_linear_matmul).operands(8),
];

/// The smallest sum that is not surely exact.
const LIMIT: f32 = (1 << 24) as f32;
/// The base of the digits.
const BASE: f32 = 16.0;

/// How large a quantised value less its zero point can be.
fn largest(cx: &NodeContext<'_>, q: ValueId, zero: Option<ValueId>) -> f32 {
    let (low, high) = cx.element(q).range().unwrap_or((-128, 255));
    let zeros = match zero {
        None => vec![0.0],
        Some(zero) => known(cx, zero).unwrap_or_else(|| vec![low as f32, high as f32]),
    };
    zeros.iter().map(|zero| (high as f32 - zero).max(zero - low as f32)).fold(0.0, f32::max)
}

/// The product of `x` and weights, by `product`, with the weights in as many digits as its sums need.
fn exact(
    cx: &mut NodeContext<'_>,
    (x, largest): (ValueId, f32),
    weights: ValueId,
    depth: usize,
    product: &dyn Fn(&mut NodeContext<'_>, ValueId, ValueId) -> Outcome<ValueId>,
) -> Outcome<ValueId> {
    let Some(values) = known(cx, weights) else { return product(cx, x, weights) };
    let peak = values.iter().fold(0.0_f32, |m, w| m.max(w.abs()));
    if depth as f32 * peak * largest < LIMIT {
        return product(cx, x, weights);
    }
    let high: Vec<f32> = values.iter().map(|w| (w / BASE).round_ties_even()).collect();
    let low: Vec<f32> = values.iter().zip(&high).map(|(w, high)| w - BASE * high).collect();
    let shape = cx.shape(weights);
    let [high, low] = [high, low].map(|digit| cx.add_constant(Tensor::f32(shape.clone(), digit)));
    let (high, low) = (product(cx, x, high)?, product(cx, x, low)?);
    let base = cx.scalar(BASE);
    let high = cx.binary(Binary::Mul, high, base)?;
    cx.binary(Binary::Add, high, low)
}

/// The convolution of an image and weights, less their zero points.
fn convolved(cx: &mut NodeContext<'_>, [x, weights]: [ValueId; 2], zeros: [Option<ValueId>; 2]) -> Outcome<ValueId> {
    let shape = cx.shape(weights);
    let depth = shape.iter().skip(1).product();
    let largest = largest(cx, x, zeros[0]);
    let image = Along { shape: cx.shape(x), axis: 1, block: 0 };
    let x = centred(cx, x, zeros[0], &image)?;
    let weights = centred(cx, weights, zeros[1], &Along { shape, axis: 0, block: 0 })?;
    exact(cx, (x, largest), weights, depth, &|cx, x, weights| convolution::convolve(cx, x, weights, None))
}

/// The product of matrices less their zero points: one for each row of the first, and each column of the second.
pub(super) fn multiplied(
    cx: &mut NodeContext<'_>,
    [a, b]: [ValueId; 2],
    zeros: [Option<ValueId>; 2],
) -> Outcome<ValueId> {
    let (left, right) = (cx.shape(a), cx.shape(b));
    let largest = largest(cx, a, zeros[0]);
    let depth = left.last().copied().unwrap_or(1);
    let axis = |shape: &[usize], from_end: usize| shape.len().saturating_sub(from_end);
    let a = centred(cx, a, zeros[0], &Along { axis: axis(&left, 2), shape: left, block: 0 })?;
    let b = centred(cx, b, zeros[1], &Along { axis: axis(&right, 1), shape: right, block: 0 })?;
    exact(cx, (a, largest), b, depth, &|cx, a, b| cx.apply(Op::MatMul, &[a, b]))
}

fn conv_integer(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let (operands, zeros) = ([cx.operand(0)?, cx.operand(1)?], [cx.optional(2), cx.optional(3)]);
    let result = convolved(cx, operands, zeros)?;
    cx.set_element(result, DataType::Int32);
    Ok(result)
}

fn matmul_integer(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let (operands, zeros) = ([cx.operand(0)?, cx.operand(1)?], [cx.optional(2), cx.optional(3)]);
    let result = multiplied(cx, operands, zeros)?;
    cx.set_element(result, DataType::Int32);
    Ok(result)
}

/// A sum as a code of the result: times `scales[0] * scales[1] / scales[2]`, a factor of f32 as all engines have it.
pub(super) fn requantized(
    cx: &mut NodeContext<'_>,
    sum: ValueId,
    scales: [ValueId; 3],
    zero: ValueId,
    axis: usize,
) -> Outcome<ValueId> {
    let along = Along { shape: cx.shape(sum), axis, block: 0 };
    let shaped = |cx: &mut NodeContext<'_>, scale: ValueId| along.shaped(cx, scale);
    let [a, b, y] = [shaped(cx, scales[0])?, shaped(cx, scales[1])?, shaped(cx, scales[2])?];
    let product = cx.binary(Binary::Mul, a, b)?;
    let factor = cx.binary(Binary::Div, product, y)?;
    let scaled = cx.binary(Binary::Mul, sum, factor)?;
    let kind = cx.element(zero);
    quantized(cx, scaled, None, Some(zero), kind, &along)
}

fn q_linear_conv(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let operand = |i: usize| cx.operand(i);
    let (x, weights, zero) = (operand(0)?, operand(3)?, operand(7)?);
    let (zeros, scales) = ([cx.optional(2), cx.optional(5)], [operand(1)?, operand(4)?, operand(6)?]);
    let mut sum = convolved(cx, [x, weights], zeros)?;
    if let Some(bias) = cx.optional(8) {
        let along = Along { shape: cx.shape(sum), axis: 1, block: 0 };
        let bias = centred(cx, bias, None, &along)?;
        let bias = along.shaped(cx, bias)?;
        sum = cx.binary(Binary::Add, sum, bias)?;
    }
    requantized(cx, sum, scales, zero, 1)
}

fn q_linear_matmul(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let operand = |i: usize| cx.operand(i);
    let (a, b, zero) = (operand(0)?, operand(3)?, operand(7)?);
    let (zeros, scales) = ([cx.optional(2), cx.optional(5)], [operand(1)?, operand(4)?, operand(6)?]);
    let sum = multiplied(cx, [a, b], zeros)?;
    let axis = cx.shape(sum).len().saturating_sub(1);
    requantized(cx, sum, scales, zero, axis)
}
