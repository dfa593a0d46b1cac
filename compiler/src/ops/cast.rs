//! Cast: to another element type.

use super::node::{NodeContext, bad, problem};
use super::{Infer, Onnx, Operator, each_type, element, mismatched};
use crate::diagnostics::Code;
use crate::diagnostics::Outcome;
use crate::ir::{DType, Data, Op, Shape, Tensor, ValueId};

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

/// All float types are one here, and all integer types, so that most casts vanish.
fn cast(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let code = cx.int("to")?.ok_or_else(|| bad("attribute \"to\" is missing"))?;
    let code = i32::try_from(code).unwrap_or(0);
    let to = element::dtype(code).ok_or_else(|| {
        problem(Code::UnknownOperator, format!("a cast to {} is not supported", element::type_name(code)))
    })?;
    cast_to(cx, x, to)
}

fn cast_like(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let (x, like) = (cx.operand(0)?, cx.operand(1)?);
    let to = cx.dtype(like);
    cast_to(cx, x, to)
}

fn cast_to(cx: &mut NodeContext<'_>, x: ValueId, to: DType) -> Outcome<ValueId> {
    if cx.dtype(x) == to { Ok(x) } else { cx.apply(Op::Cast(to), &[x]) }
}
