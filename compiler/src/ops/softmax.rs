//! Softmax and its logarithm.

use super::arg_max::lines;
use super::node::NodeContext;
use super::{AtRunTime, Form, Infer, Onnx, Operator, WholeCost, floats, mismatched};
use crate::diagnostics::Outcome;
use crate::ir::{DType, Data, Op, Shape, Tensor, ValueId};

pub(super) static ONNX: &[Onnx] =
    &[Onnx::one("Softmax", 1, |cx| softmax(cx, false)), Onnx::one("LogSoftmax", 1, |cx| softmax(cx, true))];

/// Along the axis that sums to 1.
pub(super) struct Softmax {
    pub(super) axis: usize,
    /// Natural logarithm of it.
    pub(super) log: bool,
}

impl Operator for Softmax {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        given.floats(0)?;
        given.with_axis(self.axis)?;
        given.same(DType::F32)
    }

    fn apply(&self, inputs: &[&Tensor], _: &[usize]) -> Result<Tensor, String> {
        let (&[x], &Self { axis, log }) = (inputs, self) else { return Err(mismatched(inputs)) };
        let v = floats(x)?;
        let mut result = vec![0.0; v.len()];
        let extent = x.shape.get(axis).copied().unwrap_or(0);
        lines(&x.shape, axis, |start, step| {
            let at = |k: usize| start + k * step;
            let highest = (0..extent).map(|k| v[at(k)]).fold(f32::NEG_INFINITY, f32::max);
            let shifted = |k: usize| f64::from(v[at(k)]) - f64::from(highest);
            let total: f64 = (0..extent).map(|k| shifted(k).exp()).sum();
            for k in 0..extent {
                let y = if log { shifted(k) - total.ln() } else { shifted(k).exp() / total };
                result[at(k)] = y as f32;
            }
        })?;
        Ok(Tensor { shape: x.shape.clone(), data: Data::F32(result) })
    }

    fn whole(&self) -> Option<&dyn AtRunTime> {
        Some(self)
    }
}

impl AtRunTime for Softmax {
    fn kind(&self) -> String {
        if self.log { "log softmax" } else { "softmax" }.to_owned()
    }

    fn reason(&self) -> &'static str {
        "needs all values of an axis at once"
    }

    fn form(&self) -> Form {
        Form::Softmax { axis: self.axis, log: self.log }
    }

    /// Maximum, difference, exponential, sum, quotient.
    fn cost(&self, inputs: &[&[usize]], _: &[usize]) -> WholeCost {
        WholeCost::each(inputs[0], 5)
    }
}

/// Before opset 13, everything from `axis` on is one axis.
fn softmax(cx: &mut NodeContext<'_>, log: bool) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let shape = cx.shape(x);
    let flat = cx.opset() < 13;
    let axis = cx.axis(cx.int("axis")?.unwrap_or(if flat { 1 } else { -1 }), shape.len())?;
    if !flat || shape[axis + 1..].iter().all(|&extent| extent == 1) {
        return cx.apply(Op::Softmax { axis, log }, &[x]);
    }
    let rows = shape[..axis].iter().product();
    let columns = shape[axis..].iter().product();
    let matrix = cx.reshape(x, &[rows, columns])?;
    let result = cx.apply(Op::Softmax { axis: 1, log }, &[matrix])?;
    cx.reshape(result, &shape)
}
