//! Padding: with a constant, or with what is there.

use super::gather::pick;
use super::node::{NodeContext, bad, problem};
use super::reshape::{ints, required};
use super::strided::strides;
use super::{Infer, Onnx, Operator, mismatch, mismatched};
use crate::diagnostics::Code;
use crate::diagnostics::Outcome;
use crate::ir::{DType, Data, Op, Shape, Tensor, ValueId};

pub(super) static ONNX: &[Onnx] = &[Onnx::one("Pad", 2, pad).growing(&[(1, 1), (11, 3), (18, 4)])];

/// x, with elements added before and after, per axis.
pub(super) struct Pad<'a> {
    pub(super) before: &'a [usize],
    pub(super) after: &'a [usize],
    pub(super) value: f32,
}

impl Operator for Pad<'_> {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        let (x, &Self { before, after, .. }) = (given.first()?, self);
        let shape = &x.shape;
        if before.len() != shape.len() || after.len() != shape.len() {
            return Err(mismatch(format!("padding of {} axes of a value of shape {shape:?}", before.len())));
        }
        let padded = (0..shape.len()).map(|i| before[i].saturating_add(shape[i]).saturating_add(after[i]));
        Ok((padded.collect(), x.dtype))
    }

    fn apply(&self, inputs: &[&Tensor], _: &[usize]) -> Result<Tensor, String> {
        fn place<T: Copy>(from: &[T], x: &[usize], shape: &[usize], before: &[usize], value: T) -> Vec<T> {
            let mut result = vec![value; shape.iter().product()];
            let Some((&row, outer)) = x.split_last() else { return from.to_vec() };
            if from.is_empty() {
                return result;
            }
            let walk = strides(shape);
            let mut index = vec![0; outer.len()];
            for line in from.chunks_exact(row) {
                let at: usize = (0..x.len())
                    .map(|axis| (before[axis] + index.get(axis).copied().unwrap_or(0)) * walk[axis] as usize)
                    .sum();
                result[at..][..row].copy_from_slice(line);
                for axis in (0..outer.len()).rev() {
                    index[axis] += 1;
                    if index[axis] < outer[axis] {
                        break;
                    }
                    index[axis] = 0;
                }
            }
            result
        }
        let (&[x], &Self { before, after, value }) = (inputs, self) else { return Err(mismatched(inputs)) };
        let rank = x.shape.len();
        if before.len() != rank || after.len() != rank {
            return Err(format!("padding of {} axes of {:?}", before.len(), x.shape));
        }
        let shape: Vec<usize> = (0..rank).map(|axis| before[axis] + x.shape[axis] + after[axis]).collect();
        let data = match &x.data {
            Data::F32(v) => Data::F32(place(v, &x.shape, &shape, before, value)),
            Data::I64(v) => Data::I64(place(v, &x.shape, &shape, before, value as i64)),
            Data::Bool(v) => Data::Bool(place(v, &x.shape, &shape, before, value != 0.0)),
        };
        Ok(Tensor { shape, data })
    }
}

/// Pads and value as attributes (opset < 11) or operands. Negative pads crop.
fn pad(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let shape = cx.shape(x);
    let rank = shape.len();
    let mode = cx.text("mode")?.unwrap_or_else(|| "constant".to_owned());
    let mirrored: Option<fn(isize, usize) -> usize> = match &mode[..] {
        "constant" => None,
        "edge" => Some(|at, extent| at.clamp(0, extent as isize - 1) as usize),
        "wrap" => Some(|at, extent| at.rem_euclid(extent as isize) as usize),
        "reflect" => Some(reflected),
        _ => return Err(bad(format!("the padding mode {mode:?} is not known"))),
    };
    let pads = required(ints(cx, "pads", 1)?, "pads")?;
    let value = match cx.optional_float("value")? {
        Some(value) => value,
        None => cx.float_parameter(2, "value")?.unwrap_or(0.0),
    };
    let axes: Vec<usize> = match cx.int_parameter(3, "axes")? {
        Some(axes) => {
            cx.axes(&axes, rank)?;
            axes.iter().map(|&axis| cx.axis(axis, rank)).collect::<Outcome<_>>()?
        }
        None => (0..rank).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return Err(bad(format!("{} pads for {} axes", pads.len(), axes.len())));
    }
    let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
    let (mut starts, mut cropped) = (vec![0; rank], shape.clone());
    for (i, &axis) in axes.iter().enumerate() {
        let [first, last] = [pads[i], pads[i + axes.len()]];
        let [cut_first, cut_last] =
            [first, last].map(|p| usize::try_from(p.min(0).unsigned_abs()).unwrap_or(usize::MAX));
        before[axis] = first.max(0) as usize;
        after[axis] = last.max(0) as usize;
        starts[axis] = cut_first;
        cropped[axis] =
            shape[axis].checked_sub(cut_first).and_then(|left| left.checked_sub(cut_last)).ok_or_else(|| {
                problem(Code::ShapeMismatch, format!("pads {pads:?} cut more than there is of {shape:?}"))
            })?;
    }
    let x = if cropped == shape {
        x
    } else {
        cx.apply_to(Op::Slice { starts, steps: vec![1; rank] }, &[x], Some(&cropped))?
    };
    if before.iter().chain(&after).all(|&n| n == 0) {
        return Ok(x);
    }
    if let Some(place) = mirrored {
        return with_own(cx, x, &before, &after, place);
    }
    cx.apply(Op::Pad { before, after, value }, &[x])
}

/// A place before or behind an axis, mirrored at its first and last element, which are not said twice.
fn reflected(at: isize, extent: usize) -> usize {
    let turn = 2 * (extent as isize - 1);
    if turn == 0 {
        return 0;
    }
    let at = at.rem_euclid(turn);
    at.min(turn - at) as usize
}

/// Padding with elements of x itself, axis by axis: `place` says of each place around an axis which one.
fn with_own(
    cx: &mut NodeContext<'_>,
    mut x: ValueId,
    before: &[usize],
    after: &[usize],
    place: fn(isize, usize) -> usize,
) -> Outcome<ValueId> {
    let shape = cx.shape(x);
    for (axis, &extent) in shape.iter().enumerate() {
        let (first, last) = (before[axis], after[axis]);
        if first + last == 0 {
            continue;
        }
        if extent == 0 {
            return Err(problem(Code::ShapeMismatch, format!("axis {axis} of {shape:?} holds nothing to pad with")));
        }
        let padded = first.checked_add(extent).and_then(|n| n.checked_add(last));
        cx.spend(padded)?;
        let places: Vec<usize> =
            (0..first + extent + last).map(|i| place(i as isize - first as isize, extent)).collect();
        x = pick(cx, x, axis, &places)?;
    }
    Ok(x)
}
