//! Cast: to another element type.

use super::element::DataType;
use super::node::{NodeContext, bad, problem};
use super::{Infer, Onnx, Operator, each_type, element, mismatched};
use crate::diagnostics::Code;
use crate::diagnostics::Outcome;
use crate::ir::{Binary, DType, Data, Op, Shape, Tensor, Unary, ValueId};

pub(super) static ONNX: &[Onnx] = &[Onnx::one("Cast", 6, cast), Onnx::one("CastLike", 15, cast_like).operands(2)];

/// x, to another element type.
pub(super) struct Cast(pub(super) DType);

impl Operator for Cast {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        given.same(self.0)
    }

    fn apply(&self, inputs: &[&Tensor], _: &[usize]) -> Result<Tensor, String> {
        let &[x] = inputs else { return Err(mismatched(inputs)) };
        let data = match (&x.data, self.0) {
            (_, DType::F32) => Data::F32(x.to_f32()),
            (_, DType::U8 | DType::I8 | DType::U16 | DType::I16 | DType::U32 | DType::I32) => x.converted(self.0).data,
            // Towards zero, as ONNX has it.
            (Data::F32(v), DType::I64) => Data::I64(v.iter().map(|&x| x as i64).collect()),
            (Data::Bool(v), DType::I64) => Data::I64(v.iter().map(|&x| i64::from(x)).collect()),
            (Data::F32(v), DType::Bool) => Data::Bool(v.iter().map(|&x| x != 0.0).collect()),
            (Data::I64(v), DType::Bool) => Data::Bool(v.iter().map(|&x| x != 0).collect()),
            (same, _) => each_type!(same, v => v.clone()),
        };
        Ok(Tensor { shape: x.shape.clone(), data })
    }
}

/// All float types are one here, and an integer at run time is a float that holds it, so that most casts vanish.
fn cast(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let code = cx.int("to")?.ok_or_else(|| bad("attribute \"to\" is missing"))?;
    let code = i32::try_from(code).unwrap_or(0);
    let kind = DataType::of(code).filter(|_| element::dtype(code).is_some()).ok_or_else(|| {
        problem(Code::UnknownOperator, format!("a cast to {} is not supported", element::type_name(code)))
    })?;
    cast_to(cx, x, kind)
}

fn cast_like(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let (x, like) = (cx.operand(0)?, cx.operand(1)?);
    let to = cx.element(like);
    cast_to(cx, x, to)
}

fn cast_to(cx: &mut NodeContext<'_>, x: ValueId, to: DataType) -> Outcome<ValueId> {
    let from = cx.element(x);
    let result = match (cx.constant(x), to.integer()) {
        (Some(_), Some(_)) => {
            let whole = if cx.dtype(x) == DType::I64 { x } else { cx.apply(Op::Cast(DType::I64), &[x])? };
            wrapped_constant(cx, whole, from, to)
        }
        (None, Some(_)) => {
            let whole = match cx.dtype(x) {
                DType::F32 if from.integer().is_none() => {
                    let whole = cx.unary(Unary::Trunc, x)?;
                    // What a float beyond the type becomes is left to the machine, but for 2 and 4 bits, which no machine has.
                    if to.integer().is_some_and(|(bits, _)| bits < 8) { wrapped(cx, whole, from, to)? } else { whole }
                }
                DType::F32 => wrapped(cx, x, from, to)?,
                _ => cx.apply(Op::Cast(DType::F32), &[x])?,
            };
            // One value has one type.
            if whole == x && from != to { same(cx, x)? } else { whole }
        }
        (_, None) if to == DataType::Bool => match (cx.dtype(x), cx.constant(x)) {
            (DType::Bool, _) => x,
            (DType::F32, None) => {
                let zero = cx.scalar(0.0);
                let is_zero = cx.binary(Binary::Equal, x, zero)?;
                cx.unary(Unary::Not, is_zero)?
            }
            _ => cx.apply(Op::Cast(DType::Bool), &[x])?,
        },
        _ if cx.dtype(x) != DType::F32 => cx.apply(Op::Cast(DType::F32), &[x])?,
        _ if from.integer().is_some() => same(cx, x)?,
        _ => x,
    };
    if result != x {
        cx.set_element(result, to);
    }
    Ok(result)
}

/// The same elements as a value of its own.
fn same(cx: &mut NodeContext<'_>, x: ValueId) -> Outcome<ValueId> {
    let shape = cx.shape(x);
    cx.apply_to(Op::Reshape, &[x], Some(&shape))
}

/// The low bits of an integer, where the type holds no more of it. What a float holds exactly is in the range of the signed types of
/// 32 and 64 bits; below zero, the unsigned ones have a number that it holds to its precision.
fn wrapped(cx: &mut NodeContext<'_>, x: ValueId, from: DataType, to: DataType) -> Outcome<ValueId> {
    let Some((low, high)) = to.range() else { return Ok(x) };
    let (least, most) = from.range().unwrap_or((i64::MIN, i64::MAX));
    if low <= least && most <= high {
        return Ok(x);
    }
    let count = high as f32 - low as f32 + 1.0;
    let (start, count, zero) = (cx.scalar(low as f32), cx.scalar(count), cx.scalar(0.0));
    if to.integer().is_some_and(|(bits, _)| bits >= 32) {
        if low < 0 {
            return Ok(x);
        }
        let (is_below, above) = (cx.binary(Binary::Less, x, zero)?, cx.binary(Binary::Add, x, count)?);
        return cx.apply(Op::Where, &[is_below, above, x]);
    }
    let above = cx.binary(Binary::Sub, x, start)?;
    let within = cx.binary(Binary::Mod, above, count)?;
    cx.binary(Binary::Add, within, start)
}

/// [`wrapped`] of what is known.
fn wrapped_constant(cx: &mut NodeContext<'_>, x: ValueId, from: DataType, to: DataType) -> ValueId {
    let (Some((low, high)), Some(values)) = (to.range(), cx.constant(x)) else { return x };
    let Some(values) = values.as_i64().filter(|v| v.iter().any(|x| !(low..=high).contains(x))) else {
        // As a value of its own, which has one type.
        return if from == to { x } else { cx.add_constant(Tensor::clone(&values)) };
    };
    let shape = cx.shape(x);
    let wrapped = values.iter().map(|x| x.wrapping_sub(low).rem_euclid(high - low + 1) + low).collect();
    cx.add_constant(Tensor::i64(shape, wrapped))
}
