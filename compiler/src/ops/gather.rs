//! Elements picked by index.

use super::node::{NodeContext, bad, problem};
use super::quantize_linear::held;
use super::{AtRunTime, Form, Infer, Onnx, Operator, WholeCost, each_type, mismatched, unsupported};
use crate::diagnostics::Code;
use crate::diagnostics::Outcome;
use crate::ir::{DType, Data, Op, Shape, Tensor, ValueId};

pub(super) static ONNX: &[Onnx] = &[Onnx::one("Gather", 1, gather).operands(2)];

/// data, indices
pub(super) struct Gather {
    /// Axis of the data.
    pub(super) axis: usize,
}

impl Operator for Gather {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        let (x, indices, shape) = (given.first()?, given.operand(1)?, given.with_axis(self.axis)?);
        if !matches!(indices.dtype, DType::I64 | DType::F32) {
            return Err(unsupported(format!("indices of {:?}", indices.dtype)));
        }
        Ok(([&shape[..self.axis], &indices.shape, &shape[self.axis + 1..]].concat(), x.dtype))
    }

    fn apply(&self, inputs: &[&Tensor], _: &[usize]) -> Result<Tensor, String> {
        let (&[x, indices], &Self { axis }) = (inputs, self) else { return Err(mismatched(inputs)) };
        let &extent = x.shape.get(axis).ok_or_else(|| format!("axis {axis} of {:?}", x.shape))?;
        let at: Vec<usize> = match indices.as_f32() {
            Some(rows) if extent > 0 => rows.iter().map(|&i| row(i, extent)).collect(),
            _ => integers(indices)?.iter().map(|&i| position(i, extent)).collect::<Result<_, _>>()?,
        };
        let outer: usize = x.shape[..axis].iter().product();
        let inner: usize = x.shape[axis + 1..].iter().product();
        let data = each_type!(&x.data, v => {
            let mut result = Vec::with_capacity(outer * at.len() * inner);
            for i in 0..outer {
                for &k in &at {
                    result.extend_from_slice(&v[(i * extent + k) * inner..][..inner]);
                }
            }
            result
        });
        let shape = [&x.shape[..axis], &indices.shape, &x.shape[axis + 1..]].concat();
        Ok(Tensor { shape, data })
    }

    fn whole(&self) -> Option<&dyn AtRunTime> {
        Some(self)
    }
}

/// Where both operands are computed: what is known of one of them is a table, or a copy.
impl AtRunTime for Gather {
    fn kind(&self) -> String {
        "lookup".to_owned()
    }

    fn reason(&self) -> &'static str {
        "picks places that are computed, of a tensor that is computed"
    }

    fn form(&self) -> Form {
        Form::Rows { axis: self.axis }
    }

    fn cost(&self, _: &[&[usize]], output: &[usize]) -> WholeCost {
        WholeCost::each(output, 1)
    }
}

/// The row of a number that is known at run time alone: from the end where it is below zero, and within the table. What a
/// number beyond it means is open in ONNX, and there is nobody to be told.
pub(crate) fn row(index: f32, extent: usize) -> usize {
    let index = index as i64;
    let index = if index < 0 { index.saturating_add(extent as i64) } else { index };
    usize::try_from(index).unwrap_or(0).min(extent.saturating_sub(1))
}

pub(super) fn position(index: i64, extent: usize) -> Result<usize, String> {
    let at = if index < 0 { index.checked_add(extent as i64) } else { Some(index) };
    at.and_then(|at| usize::try_from(at).ok())
        .filter(|&at| at < extent)
        .ok_or_else(|| format!("index {index} is outside an axis of extent {extent}"))
}

pub(super) fn integers(tensor: &Tensor) -> Result<&[i64], String> {
    tensor.as_i64().ok_or_else(|| format!("indices are {:?}, not integers", tensor.dtype()))
}

fn gather(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let (x, indices) = (cx.operand(0)?, cx.operand(1)?);
    let axis = cx.axis(cx.int("axis")?.unwrap_or(0), cx.shape(x).len())?;
    at_places(cx, x, indices, axis)
}

/// What stands at the places of an axis that are given as indices. A constant index, or a constant run of them, is a slice.
pub(super) fn at_places(cx: &mut NodeContext<'_>, x: ValueId, indices: ValueId, axis: usize) -> Outcome<ValueId> {
    let shape = cx.shape(x);
    let Some(known) = cx.constant(indices) else {
        let x = if cx.constant(x).is_some() { held(cx, x)? } else { x };
        let result = cx.apply(Op::Gather { axis }, &[x, indices])?;
        let kind = cx.element(x);
        cx.set_element(result, kind);
        return Ok(result);
    };
    let Some(given) = known.as_i64() else { return Err(bad("its indices must be integers")) };
    let extent = shape[axis] as i64;
    let mut places = Vec::with_capacity(given.len());
    for &index in given {
        let place = if index < 0 { index.saturating_add(extent) } else { index };
        if !(0..extent).contains(&place) {
            return Err(problem(Code::ShapeMismatch, format!("index {index} of an axis of {extent}")));
        }
        places.push(place as usize);
    }
    let part = pick(cx, x, axis, &places)?;
    cx.reshape(part, &[&shape[..axis], &known.shape, &shape[axis + 1..]].concat())
}

/// What stands at known places of an axis, in that order; a run of them is a slice.
pub(super) fn pick(cx: &mut NodeContext<'_>, x: ValueId, axis: usize, places: &[usize]) -> Outcome<ValueId> {
    let mut target = cx.shape(x);
    let run = places.windows(2).all(|pair| pair[1] == pair[0] + 1);
    if places.is_empty() || !run || cx.constant(x).is_some() {
        let indices = Data::I64(places.iter().map(|&place| place as i64).collect());
        let indices = cx.add_constant(Tensor { shape: vec![places.len()], data: indices });
        return cx.apply(Op::Gather { axis }, &[x, indices]);
    }
    if target[axis] == places.len() {
        return Ok(x);
    }
    let mut starts = vec![0; target.len()];
    starts[axis] = places[0];
    target[axis] = places.len();
    let steps = vec![1; target.len()];
    cx.apply_to(Op::Slice { starts, steps }, &[x], Some(&target))
}
