//! Sign, with its rule for zero.

use super::{Infer, Onnx, Operator, mismatched, unsupported};
use crate::diagnostics::Outcome;
use crate::ir::{DType, Data, Op, Shape, Tensor, Zero};

pub(super) static ONNX: &[Onnx] =
    &[Onnx::one("Sign", 9, |cx| cx.operand(0).and_then(|x| cx.apply(Op::Sign(Zero::Zero), &[x])))];

/// x -> -1, +1, and the rule's value at zero.
pub(super) struct Sign(pub(super) Zero);

impl Operator for Sign {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        match given.first()?.dtype {
            DType::F32 => given.same(DType::F32),
            DType::I64 if self.0 == Zero::Zero => given.same(DType::I64),
            other => Err(unsupported(format!("the sign of {other:?}"))),
        }
    }

    fn apply(&self, inputs: &[&Tensor], _: &[usize]) -> Result<Tensor, String> {
        let &[x] = inputs else { return Err(mismatched(inputs)) };
        let data = match (&x.data, self.0) {
            (Data::F32(v), Zero::Plus) => Data::F32(v.iter().map(|&x| if x >= 0.0 { 1.0 } else { -1.0 }).collect()),
            (Data::F32(v), Zero::Minus) => Data::F32(v.iter().map(|&x| if x > 0.0 { 1.0 } else { -1.0 }).collect()),
            (Data::F32(v), Zero::Zero) => {
                Data::F32(v.iter().map(|&x| f32::from(x > 0.0) - f32::from(x < 0.0)).collect())
            }
            (Data::I64(v), Zero::Zero) => Data::I64(v.iter().map(|x| x.signum()).collect()),
            _ => return Err(format!("Sign of {:?}", x.dtype())),
        };
        Ok(Tensor { shape: x.shape.clone(), data })
    }
}
