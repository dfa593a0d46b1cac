//! Parts of a tensor.

use super::constant::extents;
use super::node::{NodeContext, bad, problem};
use super::reshape::{ints, required};
use super::strided::{gather, strides};
use super::{Infer, Onnx, Operator, Results, each_type, mismatched};
use crate::diagnostics::Code;
use crate::diagnostics::Outcome;
use crate::ir::{DType, Data, Op, Shape, Tensor, ValueId};

pub(super) static ONNX: &[Onnx] = &[
    Onnx::one("Slice", 1, slice).growing(&[(1, 1), (10, 5)]),
    Onnx::many("Split", 2, split).growing(&[(1, 1), (13, 2)]),
];

/// x: along each axis, as many elements as the result has, from `starts` by `steps` (which may be negative)
pub(super) struct Slice<'a> {
    pub(super) starts: &'a [usize],
    pub(super) steps: &'a [isize],
}

impl Operator for Slice<'_> {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        Ok((given.target()?.to_vec(), given.first()?.dtype))
    }

    fn apply(&self, inputs: &[&Tensor], shape: &[usize]) -> Result<Tensor, String> {
        let (&[x], &Self { starts, steps }) = (inputs, self) else { return Err(mismatched(inputs)) };
        let rank = x.shape.len();
        if [starts.len(), steps.len(), shape.len()] != [rank; 3] {
            return Err(format!("a slice of {} axes of {:?}", starts.len(), x.shape));
        }
        let mut at = 0;
        let mut walk = strides(&x.shape);
        for axis in 0..rank {
            if shape[axis] > 0 {
                let last = starts[axis] as isize + (shape[axis] as isize - 1) * steps[axis];
                if starts[axis] >= x.shape[axis] || last < 0 || last >= x.shape[axis] as isize {
                    return Err(format!("a slice reaches outside axis {axis} of {:?}", x.shape));
                }
            }
            at += starts[axis] as isize * walk[axis];
            walk[axis] *= steps[axis];
        }
        let data = each_type!(&x.data, v => gather(v, at, shape, &walk));
        Ok(Tensor { shape: shape.to_vec(), data })
    }
}

/// A slice of one axis.
fn part(cx: &mut NodeContext<'_>, x: ValueId, axis: usize, start: usize, len: usize) -> Outcome<ValueId> {
    let mut shape = cx.shape(x);
    let mut starts = vec![0; shape.len()];
    starts[axis] = start;
    if shape[axis] == len {
        return Ok(x);
    }
    shape[axis] = len;
    let steps = vec![1; shape.len()];
    cx.apply_to(Op::Slice { starts, steps }, &[x], Some(&shape))
}

/// Lengths as an attribute (opset < 13) or operand; else equal parts, the last one smaller if need be.
fn split(cx: &mut NodeContext<'_>) -> Outcome<Results> {
    let x = cx.operand(0)?;
    let shape = cx.shape(x);
    let axis = cx.axis(cx.int("axis")?.unwrap_or(0), shape.len())?;
    let count = cx.output_count();
    let lengths = match ints(cx, "split", 1)? {
        Some(lengths) => extents(&lengths)?,
        None => {
            let parts = usize::try_from(cx.int("num_outputs")?.unwrap_or(count as i64)).unwrap_or(0);
            if parts != count || count == 0 {
                return Err(bad(format!("num_outputs is {parts}, but it has {count} results")));
            }
            let len = shape[axis].div_ceil(count);
            (0..count).map(|i| shape[axis].saturating_sub(i * len).min(len)).collect()
        }
    };
    if lengths.len() != count || lengths.iter().try_fold(0_usize, |sum, &len| sum.checked_add(len)) != Some(shape[axis])
    {
        return Err(problem(
            Code::ShapeMismatch,
            format!("axis {axis} of {shape:?} cannot be split into {count} parts of {lengths:?}"),
        ));
    }
    let mut start = 0;
    let mut parts = Vec::with_capacity(count);
    for (i, &len) in lengths.iter().enumerate() {
        parts.push(if cx.output_used(i) { Some(part(cx, x, axis, start, len)?) } else { None });
        start += len;
    }
    Ok(parts)
}

/// Bounds as attributes (opset < 10) or operands; clamped to the axis, as in Python.
fn slice(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let mut shape = cx.shape(x);
    let rank = shape.len();
    let begin = required(ints(cx, "starts", 1)?, "starts")?;
    let end = required(ints(cx, "ends", 2)?, "ends")?;
    let axes = ints(cx, "axes", 3)?.unwrap_or_else(|| (0..begin.len() as i64).collect());
    let by = cx.int_parameter(4, "steps")?.unwrap_or_else(|| vec![1; begin.len()]);
    if [end.len(), axes.len(), by.len()] != [begin.len(); 3] {
        return Err(bad("its starts, ends, axes and steps differ in number"));
    }
    cx.axes(&axes, rank)?;
    let (mut starts, mut steps) = (vec![0; rank], vec![1; rank]);
    for (i, &axis) in axes.iter().enumerate() {
        let axis = cx.axis(axis, rank)?;
        let extent = shape[axis] as i64;
        let absolute = |bound: i64| if bound < 0 { bound.saturating_add(extent) } else { bound };
        let (first, len) = match by[i] {
            0 => return Err(bad("a step of 0")),
            _ if extent == 0 => (0, 0),
            step @ 1.. => {
                let (first, end) = (absolute(begin[i]).clamp(0, extent), absolute(end[i]).clamp(0, extent));
                (first, taken(end - first, step))
            }
            step => {
                let (first, end) = (absolute(begin[i]).clamp(0, extent - 1), absolute(end[i]).clamp(-1, extent - 1));
                (first, taken(first - end, step))
            }
        };
        shape[axis] = len;
        starts[axis] = if len == 0 { 0 } else { first as usize };
        // A single element needs no step, which may be as large as integers get.
        steps[axis] = if len > 1 { by[i] as isize } else { 1 };
    }
    let whole = shape == cx.shape(x) && steps.iter().all(|&step| step == 1);
    if whole { Ok(x) } else { cx.apply_to(Op::Slice { starts, steps }, &[x], Some(&shape)) }
}

/// How many elements a step takes out of a span, which is empty where it is negative.
fn taken(span: i64, step: i64) -> usize {
    (span.max(0) as u64).div_ceil(step.unsigned_abs()) as usize
}
