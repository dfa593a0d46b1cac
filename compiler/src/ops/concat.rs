//! Tensors joined along an axis.

use super::node::{NodeContext, bad};
use super::{Infer, Onnx, Operator, mismatch, unsupported};
use crate::diagnostics::Outcome;
use crate::ir::{DType, Data, Op, Shape, Tensor, ValueId};

pub(super) static ONNX: &[Onnx] = &[Onnx::one("Concat", 4, concat).any_number()];

/// Any number of tensors.
pub(super) struct Concat {
    /// The axis they are joined along.
    pub(super) axis: usize,
}

impl Operator for Concat {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        let (axis, x, shape) = (self.axis, given.first()?, given.with_axis(self.axis)?);
        let mut result = shape.clone();
        for other in &given.operands[1..] {
            let fits =
                other.shape.len() == shape.len() && (0..shape.len()).all(|i| i == axis || other.shape[i] == shape[i]);
            if !fits {
                return Err(mismatch(format!(
                    "values of shapes {shape:?} and {:?} cannot be joined along axis {axis}",
                    other.shape
                )));
            }
            if other.dtype != x.dtype {
                return Err(unsupported(format!("{:?} joined to {:?}", other.dtype, x.dtype)));
            }
            result[axis] = result[axis].saturating_add(other.shape[axis]);
        }
        Ok((result, x.dtype))
    }

    fn apply(&self, inputs: &[&Tensor], _: &[usize]) -> Result<Tensor, String> {
        fn join<'a, T: Copy + 'a>(parts: &[(&'a [T], usize)], outer: usize) -> Vec<T> {
            let mut result = Vec::with_capacity(parts.iter().map(|(v, _)| v.len()).sum());
            for i in 0..outer {
                for (values, run) in parts {
                    result.extend_from_slice(&values[i * run..][..*run]);
                }
            }
            result
        }
        let axis = self.axis;
        let first = *inputs.first().ok_or("nothing to concatenate")?;
        if axis >= first.shape.len() {
            return Err(format!("axis {axis} of {:?}", first.shape));
        }
        let mut shape = first.shape.clone();
        shape[axis] = 0;
        for tensor in inputs {
            let fits = tensor.shape.len() == shape.len()
                && (0..shape.len()).all(|i| i == axis || tensor.shape[i] == shape[i])
                && tensor.dtype() == first.dtype();
            if !fits {
                return Err(format!("{:?} does not join {:?} along axis {axis}", tensor.shape, first.shape));
            }
            shape[axis] += tensor.shape[axis];
        }
        let outer: usize = shape[..axis].iter().product();
        let run = |t: &Tensor| t.shape[axis..].iter().product::<usize>();
        // The match is on the first operand's type; all have the same.
        macro_rules! joined {
            ($variant:ident) => {{
                let parts: Vec<_> = inputs
                    .iter()
                    .filter_map(|t| match &t.data {
                        Data::$variant(v) => Some((&v[..], run(t))),
                        _ => None,
                    })
                    .collect();
                Data::$variant(join(&parts, outer))
            }};
        }
        let data = match &first.data {
            Data::F32(_) => joined!(F32),
            Data::I64(_) => joined!(I64),
            Data::Bool(_) => joined!(Bool),
        };
        Ok(Tensor { shape, data })
    }
}

fn concat(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let operands = (0..cx.operand_count()).map(|i| cx.operand(i)).collect::<Outcome<Vec<_>>>()?;
    let &first = operands.first().ok_or_else(|| bad("it has no operands"))?;
    let axis = cx.int("axis")?.ok_or_else(|| bad("attribute \"axis\" is missing"))?;
    let axis = cx.axis(axis, cx.shape(first).len())?;
    let operands = cx.alike(&operands)?;
    if operands.len() == 1 { Ok(first) } else { cx.apply(Op::Concat { axis }, &operands) }
}
