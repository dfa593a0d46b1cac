//! Functions of the bits of integers, as files have them that pack weights: of what is known when the model is compiled.

use super::Onnx;
use super::binary::{broadcast_or, zip};
use super::node::{NodeContext, bad, problem};
use crate::diagnostics::{Code, Outcome};
use crate::ir::{DType, Data, Tensor, ValueId};

pub(super) static ONNX: &[Onnx] = &[
    Onnx::one("BitShift", 11, shift).operands(2),
    Onnx::one("BitwiseAnd", 18, |cx| of_two(cx, |a, b| a & b)).operands(2),
    Onnx::one("BitwiseNot", 18, not).operands(1),
    Onnx::one("BitwiseOr", 18, |cx| of_two(cx, |a, b| a | b)).operands(2),
    Onnx::one("BitwiseXor", 18, |cx| of_two(cx, |a, b| a ^ b)).operands(2),
];

/// An operand: integers that are known.
fn integers(cx: &NodeContext<'_>, i: usize) -> Outcome<Tensor> {
    let operand = cx.parameter(i, "operand of integers")?.ok_or_else(|| bad(format!("operand {i} is missing")))?;
    match operand.dtype() {
        DType::I64 => Ok(Tensor::clone(&operand)),
        other => Err(problem(Code::Unsupported, format!("bits of {other:?}"))),
    }
}

/// A constant of the first operand's type, of which it has the low bits.
fn made(cx: &mut NodeContext<'_>, shape: Vec<usize>, values: Vec<i64>) -> Outcome<ValueId> {
    let kind = cx.element(cx.operand(0)?);
    let wrapped = |x: i64| match kind.range() {
        Some((low, high)) => x.wrapping_sub(low).rem_euclid(high - low + 1) + low,
        None => x,
    };
    let result = cx.add_constant(Tensor::i64(shape, values.into_iter().map(wrapped).collect()));
    cx.set_element(result, kind);
    Ok(result)
}

fn of_two(cx: &mut NodeContext<'_>, function: fn(i64, i64) -> i64) -> Outcome<ValueId> {
    let (a, b) = (integers(cx, 0)?, integers(cx, 1)?);
    let shape = broadcast_or(&a, &b).map_err(super::mismatch)?;
    cx.spend(crate::ir::size(&shape))?;
    let (Data::I64(left), Data::I64(right)) = (&a.data, &b.data) else {
        return Err(bad("its operands are no integers"));
    };
    let values = zip((left, &a.shape), (right, &b.shape), &shape, function);
    made(cx, shape, values)
}

fn not(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let a = integers(cx, 0)?;
    let values = a.as_i64().unwrap_or_default().iter().map(|x| !x).collect();
    made(cx, a.shape, values)
}

/// What is shifted by as many bits as there are, or more, is 0, but for what has a sign and goes to the right: that is all sign.
fn shift(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    fn by(b: i64) -> u32 {
        u32::try_from(b).unwrap_or(u32::MAX)
    }
    let signed = cx.element(cx.operand(0)?).integer().is_some_and(|(_, signed)| signed);
    match (cx.text("direction")?.as_deref(), signed) {
        (Some("LEFT"), _) => of_two(cx, |a, b| (a as u64).checked_shl(by(b)).unwrap_or(0) as i64),
        (Some("RIGHT"), false) => of_two(cx, |a, b| (a as u64).checked_shr(by(b)).unwrap_or(0) as i64),
        (Some("RIGHT"), true) => of_two(cx, |a, b| a >> by(b).min(i64::BITS - 1)),
        (other, _) => Err(bad(format!("its direction is {}, not \"LEFT\" or \"RIGHT\"", other.unwrap_or("missing")))),
    }
}
