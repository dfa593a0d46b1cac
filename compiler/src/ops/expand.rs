//! Repetition: broadcasting to a shape, and tiling.

use super::constant::extents;
use super::node::{NodeContext, bad, problem};
use super::reshape::required;
use super::strided::{broadcast_strides, gather};
use super::{Infer, Onnx, Operator, each_type, mismatch, mismatched};
use crate::diagnostics::Code;
use crate::diagnostics::Outcome;
use crate::ir::{DType, Data, Op, Shape, Tensor, ValueId, broadcast, size};

pub(super) static ONNX: &[Onnx] = &[Onnx::one("Expand", 8, expand).operands(2), Onnx::one("Tile", 6, tile).operands(2)];

/// x, broadcast to the shape of the result
pub(super) struct Expand;

impl Operator for Expand {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        let (x, target) = (given.first()?, given.target()?);
        if broadcast(&x.shape, target).as_deref() != Some(target) {
            return Err(mismatch(format!("a value of shape {:?} cannot be expanded to {target:?}", x.shape)));
        }
        Ok((target.to_vec(), x.dtype))
    }

    fn apply(&self, inputs: &[&Tensor], shape: &[usize]) -> Result<Tensor, String> {
        let &[x] = inputs else { return Err(mismatched(inputs)) };
        let steps = broadcast_strides(&x.shape, shape)
            .ok_or_else(|| format!("{:?} cannot be expanded to {shape:?}", x.shape))?;
        let data = each_type!(&x.data, v => gather(v, 0, shape, &steps));
        Ok(Tensor { shape: shape.to_vec(), data })
    }
}

fn expand(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let wanted = extents(&required(cx.int_parameter(1, "shape")?, "shape")?)?;
    let shape = cx.shape(x);
    let target = broadcast(&shape, &wanted).ok_or_else(|| {
        problem(Code::ShapeMismatch, format!("a value of shape {shape:?} cannot be expanded to {wanted:?}"))
    })?;
    if target == shape { Ok(x) } else { cx.apply_to(Op::Expand, &[x], Some(&target)) }
}

/// Every axis gets one of its repeats in front, which is expanded and merged into it.
fn tile(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let shape = cx.shape(x);
    let repeats = extents(&required(cx.int_parameter(1, "repeats")?, "repeats")?)?;
    if repeats.len() != shape.len() {
        return Err(bad(format!("{} repeats of a value of {} dimensions", repeats.len(), shape.len())));
    }
    if repeats.iter().all(|&n| n == 1) {
        return Ok(x);
    }
    let single: Vec<usize> = shape.iter().flat_map(|&extent| [1, extent]).collect();
    let repeated: Vec<usize> = repeats.iter().zip(&shape).flat_map(|(&n, &extent)| [n, extent]).collect();
    if size(&repeated).is_none() {
        return Err(problem(Code::TooLarge, format!("{repeats:?} repeats of a value of shape {shape:?}")));
    }
    let split = cx.reshape(x, &single)?;
    let expanded = cx.apply_to(Op::Expand, &[split], Some(&repeated))?;
    cx.reshape(expanded, &repeats.iter().zip(&shape).map(|(n, extent)| n * extent).collect::<Vec<_>>())
}
