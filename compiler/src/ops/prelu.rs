//! PRelu: a function of one argument whose slope is a tensor.

use quote::quote;

use super::binary::{broadcast_or, zip};
use super::{AtRunTime, Form, Infer, Onnx, Operator, WholeCost, floats, mismatch, mismatched};
use crate::diagnostics::Outcome;
use crate::ir::{DType, Data, Op, Shape, Tensor, broadcast};

pub(super) static ONNX: &[Onnx] = &[Onnx::one("PRelu", 7, |cx| {
    let (x, slope) = (cx.operand(0)?, cx.operand(1)?);
    cx.apply(Op::PRelu, &[x, slope])
})
.operands(2)];

/// x, slope (broadcast to x): x < 0 ? slope * x : x
pub(super) struct PRelu;

impl Operator for PRelu {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        let (x, slope) = (given.floats(0)?, given.floats(1)?);
        if broadcast(&x.shape, &slope.shape).as_ref() != Some(&x.shape) {
            return Err(mismatch(format!("a slope of shape {:?} on {:?}", slope.shape, x.shape)));
        }
        given.same(DType::F32)
    }

    fn apply(&self, inputs: &[&Tensor], _: &[usize]) -> Result<Tensor, String> {
        let &[x, slope] = inputs else { return Err(mismatched(inputs)) };
        if broadcast_or(x, slope)? != x.shape {
            return Err(format!("a slope of shape {:?} for {:?}", slope.shape, x.shape));
        }
        let (v, slopes) = ((floats(x)?, &x.shape[..]), (floats(slope)?, &slope.shape[..]));
        let data = zip(v, slopes, &x.shape, |x, s| if x < 0.0 { s * x } else { x });
        Ok(Tensor { shape: x.shape.clone(), data: Data::F32(data) })
    }

    fn whole(&self) -> Option<&dyn AtRunTime> {
        Some(self)
    }
}

/// With a slope that is neither one number nor one per channel.
impl AtRunTime for PRelu {
    fn kind(&self) -> String {
        "prelu".to_owned()
    }

    fn reason(&self) -> &'static str {
        "the slope is neither one number nor one per channel"
    }

    fn form(&self) -> Form {
        Form::Elements { names: &["a", "slope"], expression: quote!(scalar::leaky(a, slope)) }
    }

    fn cost(&self, _: &[&[usize]], output: &[usize]) -> WholeCost {
        WholeCost::each(output, 1)
    }
}
