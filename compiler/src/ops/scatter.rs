//! Elements placed by index.

use super::gather::{integers, position};
use super::node::{NodeContext, bad};
use super::{Infer, Onnx, Operator, mismatch, mismatched, unsupported};
use crate::diagnostics::Outcome;
use crate::ir::{DType, Data, Op, Shape, Tensor, ValueId};

pub(super) static ONNX: &[Onnx] = &[Onnx::one("ScatterND", 11, scatter_nd).operands(3)];

/// data, indices, updates
pub(super) struct ScatterNd;

impl Operator for ScatterNd {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        let (x, indices, updates) = (given.first()?, given.operand(1)?, given.operand(2)?);
        let shape = &x.shape;
        let fits = indices
            .shape
            .split_last()
            .is_some_and(|(&depth, outer)| depth <= shape.len() && updates.shape == [outer, &shape[depth..]].concat());
        if !fits {
            return Err(mismatch(format!(
                "indices of shape {:?} and updates of shape {:?} into {shape:?}",
                indices.shape, updates.shape
            )));
        }
        if indices.dtype != DType::I64 || updates.dtype != x.dtype {
            return Err(unsupported(format!("updates of {:?} into {:?}", updates.dtype, x.dtype)));
        }
        given.same(x.dtype)
    }

    fn apply(&self, inputs: &[&Tensor], _: &[usize]) -> Result<Tensor, String> {
        fn write<T: Copy>(into: &[T], at: &[usize], run: usize, updates: &[T]) -> Vec<T> {
            let mut result = into.to_vec();
            for (k, &at) in at.iter().enumerate() {
                result[at..][..run].copy_from_slice(&updates[k * run..][..run]);
            }
            result
        }
        let &[x, indices, updates] = inputs else { return Err(mismatched(inputs)) };
        let numbers = integers(indices)?;
        let (&depth, outer) = indices.shape.split_last().ok_or("indices without axes")?;
        if depth > x.shape.len() {
            return Err(format!("indices of {depth} axes into {:?}", x.shape));
        }
        let run: usize = x.shape[depth..].iter().product();
        if updates.shape != [outer, &x.shape[depth..]].concat() {
            return Err(format!("updates of shape {:?} for {:?}", updates.shape, indices.shape));
        }
        let count: usize = outer.iter().product();
        let at = (0..count)
            .map(|k| {
                let mut at = 0;
                for axis in 0..depth {
                    at = at * x.shape[axis] + position(numbers[k * depth + axis], x.shape[axis])?;
                }
                Ok(at * run)
            })
            .collect::<Result<Vec<usize>, String>>()?;
        let data = match (&x.data, &updates.data) {
            (Data::F32(x), Data::F32(u)) => Data::F32(write(x, &at, run, u)),
            (Data::I64(x), Data::I64(u)) => Data::I64(write(x, &at, run, u)),
            (Data::Bool(x), Data::Bool(u)) => Data::Bool(write(x, &at, run, u)),
            _ => return Err(format!("updates of {:?} for {:?}", updates.dtype(), x.dtype())),
        };
        Ok(Tensor { shape: x.shape.clone(), data })
    }
}

fn scatter_nd(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    if let Some(reduction) = cx.text("reduction")?.filter(|r| r != "none") {
        return Err(bad(format!("the reduction {reduction:?} is not supported")));
    }
    let operands = [cx.operand(0)?, cx.operand(1)?, cx.operand(2)?];
    cx.apply(Op::ScatterNd, &operands)
}
