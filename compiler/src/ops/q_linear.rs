//! Operators on quantised tensors of onnxruntime's own, which its quantiser writes beside ONNX's (the format "QOperator"): what they
//! compute of numbers, and the result quantised. A tensor is three operands: codes, scale, zero point.

use super::Onnx;
use super::element::DataType;
use super::integer_products::{multiplied, requantized};
use super::node::{NodeContext, bad, problem};
use super::pool;
use super::quantize_linear::{Along, centred, held, quantized};
use crate::diagnostics::{Code, Outcome};
use crate::ir::{Binary, Op, Reduction, Unary, ValueId};

pub(super) static ONNX: &[Onnx] = &[
    Onnx::one("QLinearAdd", 1, |cx| two(cx, Binary::Add)).operands(8),
    Onnx::one("QLinearMul", 1, |cx| two(cx, Binary::Mul)).operands(8),
    Onnx::one("QLinearSigmoid", 1, |cx| of_one(cx, |cx, x| cx.unary(Unary::Sigmoid, x))).operands(5),
    Onnx::one("QLinearLeakyRelu", 1, |cx| {
        let alpha = cx.float("alpha", 0.01)?;
        of_one(cx, |cx, x| cx.unary(Unary::LeakyRelu(alpha), x))
    })
    .operands(5),
    Onnx::one("QLinearSoftmax", 1, |cx| of_one(cx, softmax)).operands(5),
    Onnx::one("QLinearGlobalAveragePool", 1, |cx| of_one(cx, |cx, x| pool::global(cx, x, Reduction::Mean))).operands(5),
    Onnx::one("QLinearAveragePool", 1, |cx| of_one(cx, pool::average)).operands(5),
    Onnx::one("QLinearConcat", 1, concat).any_number(),
    Onnx::one("QLinearWhere", 1, choice).operands(9),
    Onnx::one("QGemm", 1, gemm).operands(9),
];

/// The numbers that the three operands from `at` on stand for.
fn number(cx: &mut NodeContext<'_>, at: usize) -> Outcome<ValueId> {
    let (codes, scale, zero) = (cx.operand(at)?, cx.operand(at + 1)?, cx.optional(at + 2));
    let along = whole(cx, codes);
    let codes = centred(cx, codes, zero, &along)?;
    let scale = along.shaped(cx, scale)?;
    cx.binary(Binary::Mul, codes, scale)
}

/// Codes of a result, whose scale and zero point are the operands from `at` on.
fn coded(cx: &mut NodeContext<'_>, x: ValueId, at: usize) -> Outcome<ValueId> {
    let (scale, zero) = (cx.operand(at)?, cx.optional(at + 1));
    let kind = zero.map_or(DataType::Uint8, |zero| cx.element(zero));
    let along = whole(cx, x);
    let x = held(cx, x)?;
    quantized(cx, x, Some(scale), zero, kind, &along)
}

/// One scale and zero point for all.
fn whole(cx: &NodeContext<'_>, x: ValueId) -> Along {
    Along { shape: cx.shape(x), axis: 0, block: 0 }
}

fn of_one(
    cx: &mut NodeContext<'_>,
    function: impl Fn(&mut NodeContext<'_>, ValueId) -> Outcome<ValueId>,
) -> Outcome<ValueId> {
    if cx.flag("channels_last")? {
        return Err(problem(Code::Unsupported, "attribute \"channels_last\" is not supported"));
    }
    let x = number(cx, 0)?;
    let y = function(cx, x)?;
    coded(cx, y, 3)
}

fn two(cx: &mut NodeContext<'_>, function: Binary) -> Outcome<ValueId> {
    let (a, b) = (number(cx, 0)?, number(cx, 3)?);
    let y = cx.binary(function, a, b)?;
    coded(cx, y, 6)
}

/// The operator's opset is an attribute: before 13, all axes from the given one on are one.
fn softmax(cx: &mut NodeContext<'_>, x: ValueId) -> Outcome<ValueId> {
    let shape = cx.shape(x);
    let flat = cx.int("opset")?.unwrap_or(13) < 13;
    let axis = cx.axis(cx.int("axis")?.unwrap_or(-1), shape.len())?;
    let last = if flat { shape[axis..].iter().product() } else { shape[axis] };
    let rows = cx.reshape(x, &[&shape[..axis], &[last], if flat { &[] } else { &shape[axis + 1..] }].concat())?;
    let y = cx.apply(Op::Softmax { axis, log: false }, &[rows])?;
    cx.reshape(y, &shape)
}

/// Scale and zero point of the result stand first.
fn concat(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let parts = cx.operand_count().saturating_sub(2);
    if parts == 0 || !parts.is_multiple_of(3) {
        return Err(bad(format!(
            "it has {} operands: a scale, a zero point, and three for each part",
            cx.operand_count()
        )));
    }
    let parts = (0..parts / 3).map(|i| number(cx, 2 + 3 * i)).collect::<Outcome<Vec<_>>>()?;
    let axis = cx.int("axis")?.ok_or_else(|| bad("attribute \"axis\" is missing"))?;
    let axis = cx.axis(axis, cx.shape(parts[0]).len())?;
    let y = if parts.len() == 1 { parts[0] } else { cx.apply(Op::Concat { axis }, &parts)? };
    coded(cx, y, 0)
}

fn choice(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let (condition, a, b) = (cx.operand(0)?, number(cx, 1)?, number(cx, 4)?);
    let y = cx.apply(Op::Where, &[condition, a, b])?;
    coded(cx, y, 7)
}

/// alpha * a * b + c, where c has 32 bits and the scale of the product; without a scale of its own the result is of floats.
fn gemm(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let transposed = |cx: &mut NodeContext<'_>, i: usize, flag: &str| {
        let x = cx.operand(i)?;
        if cx.flag(flag)? { cx.transpose(x, vec![1, 0]) } else { Ok(x) }
    };
    let (a, b) = (transposed(cx, 0, "transA")?, transposed(cx, 3, "transB")?);
    let zeros = [cx.optional(2), cx.optional(5)];
    let mut sum = multiplied(cx, [a, b], zeros)?;
    if let Some(c) = cx.optional(6) {
        let c = held(cx, c)?;
        sum = cx.binary(Binary::Add, sum, c)?;
    }
    let alpha = cx.float("alpha", 1.0)?;
    let mut left = cx.operand(1)?;
    if alpha != 1.0 {
        let alpha = cx.scalar(alpha);
        left = cx.binary(Binary::Mul, left, alpha)?;
    }
    let right = cx.operand(4)?;
    if let (Some(scale), Some(zero)) = (cx.optional(7), cx.optional(8)) {
        return requantized(cx, sum, [left, right, scale], zero, 1);
    }
    let along = Along { shape: cx.shape(sum), axis: 1, block: 0 };
    let (left, right) = (along.shaped(cx, left)?, along.shaped(cx, right)?);
    let scale = cx.binary(Binary::Mul, left, right)?;
    let y = cx.binary(Binary::Mul, sum, scale)?;
    cx.set_element(y, DataType::Float);
    Ok(y)
}
