//! Where: a choice by a condition.

use quote::quote;

use super::binary::broadcast_or;
use super::strided::{Rows, broadcast_strides};
use super::{AtRunTime, Form, Infer, Onnx, Operator, WholeCost, mismatched, unsupported};
use crate::diagnostics::Outcome;
use crate::ir::{DType, Data, Op, Shape, Tensor, broadcast};

pub(super) static ONNX: &[Onnx] = &[Onnx::one("Where", 9, |cx| {
    let operands = [cx.operand(0)?, cx.operand(1)?, cx.operand(2)?];
    let operands = cx.alike(&operands)?;
    cx.apply(Op::Where, &operands)
})
.operands(3)];

/// condition, a, b
pub(super) struct Where;

impl Operator for Where {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        let (condition, a, b) = (given.first()?, given.operand(1)?, given.operand(2)?);
        if condition.dtype != DType::Bool || a.dtype != b.dtype {
            let types = [condition.dtype, a.dtype, b.dtype];
            return Err(unsupported(format!("a choice by {:?} between {:?} and {:?}", types[0], types[1], types[2])));
        }
        Ok((given.broadcast(&[&condition.shape, &a.shape, &b.shape])?, a.dtype))
    }

    fn apply(&self, inputs: &[&Tensor], _: &[usize]) -> Result<Tensor, String> {
        fn pick<T: Copy>(condition: &[bool], a: &[T], b: &[T], rows: &Rows<3>, len: usize) -> Vec<T> {
            let mut result = Vec::with_capacity(len);
            rows.for_each([0; 3], |at| {
                let position = |operand: usize, k: usize| at[operand] as usize + k * rows.steps[operand] as usize;
                result.extend(
                    (0..rows.len)
                        .map(|k| if condition[position(0, k)] { a[position(1, k)] } else { b[position(2, k)] }),
                );
            });
            result
        }
        let &[condition, a, b] = inputs else { return Err(mismatched(inputs)) };
        let Data::Bool(flags) = &condition.data else { return Err("a condition that is not boolean".to_owned()) };
        let shape = broadcast(&broadcast_or(a, b)?, &condition.shape)
            .ok_or_else(|| format!("a condition of shape {:?} does not broadcast", condition.shape))?;
        let strides = |operand: &[usize]| broadcast_strides(operand, &shape).unwrap_or_else(|| vec![0; shape.len()]);
        let rows = Rows::new(&shape, [&strides(&condition.shape), &strides(&a.shape), &strides(&b.shape)]);
        let len = shape.iter().product();
        let data = match (&a.data, &b.data) {
            (Data::F32(a), Data::F32(b)) => Data::F32(pick(flags, a, b, &rows, len)),
            (Data::I64(a), Data::I64(b)) => Data::I64(pick(flags, a, b, &rows, len)),
            (Data::Bool(a), Data::Bool(b)) => Data::Bool(pick(flags, a, b, &rows, len)),
            _ => return Err(format!("a choice between {:?} and {:?}", a.dtype(), b.dtype())),
        };
        Ok(Tensor { shape, data })
    }

    fn whole(&self) -> Option<&dyn AtRunTime> {
        Some(self)
    }
}

impl AtRunTime for Where {
    fn kind(&self) -> String {
        "where".to_owned()
    }

    fn reason(&self) -> &'static str {
        "a choice between real-valued tensors"
    }

    fn form(&self) -> Form {
        // Nothing of the one that is not taken is seen.
        Form::Elements { names: &["condition", "a", "b"], expression: quote!(if condition != 0.0 { a } else { b }) }
    }

    fn cost(&self, _: &[&[usize]], output: &[usize]) -> WholeCost {
        WholeCost::each(output, 1)
    }

    fn is_condition(&self, operand: usize) -> bool {
        operand == 0
    }
}
