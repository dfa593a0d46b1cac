//! Elements picked by indices that are known when the model is compiled: one list of places of the operand, flattened.

use super::Onnx;
use super::gather::{integers, pick, position};
use super::node::{NodeContext, bad, problem};
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::ir::{Data, ValueId};

pub(super) static ONNX: &[Onnx] = &[
    Onnx::one("GatherND", 11, gather_nd).operands(2),
    Onnx::one("GatherElements", 11, gather_elements).operands(2),
    Onnx::one("ReverseSequence", 10, reverse_sequence).operands(2),
    Onnx::one("Compress", 9, compress).operands(2),
];

fn outside(message: String) -> Diagnostic {
    problem(Code::ShapeMismatch, message)
}

/// Takes places of the operand, whose first `axes` axes are seen as one, and gives them a shape.
fn taken(cx: &mut NodeContext<'_>, axes: usize, places: &[usize], shape: &[usize]) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    cx.spend(Some(places.len()))?;
    let from = cx.shape(x);
    let rest = &from[axes..];
    let flat = cx.reshape(x, &[&[from[..axes].iter().product()], rest].concat())?;
    let picked = pick(cx, flat, 0, places)?;
    cx.reshape(picked, &[shape, rest].concat())
}

fn gather_nd(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let data = cx.shape(cx.operand(0)?);
    let indices = cx.parameter(1, "indices")?.ok_or_else(|| bad("its indices are missing"))?;
    let given = integers(&indices).map_err(bad)?;
    let batch = usize::try_from(cx.int("batch_dims")?.unwrap_or(0)).unwrap_or(usize::MAX);
    let Some((&depth, around)) = indices.shape.split_last() else { return Err(bad("its indices are one number")) };
    let fits = batch <= around.len() && batch.saturating_add(depth) <= data.len() && depth > 0;
    if !fits || around[..batch] != data[..batch] {
        let message = format!("indices of shape {:?} for a value of shape {data:?}", indices.shape);
        return Err(outside(message));
    }
    // Tuples of one place of the batch.
    let per_batch = around[batch..].iter().product::<usize>().max(1);
    let mut places = Vec::with_capacity(given.len() / depth);
    for (i, tuple) in given.chunks_exact(depth).enumerate() {
        let mut place = i / per_batch;
        for (&index, &extent) in tuple.iter().zip(&data[batch..]) {
            place = place * extent + position(index, extent).map_err(outside)?;
        }
        places.push(place);
    }
    taken(cx, batch + depth, &places, around)
}

fn gather_elements(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let data = cx.shape(cx.operand(0)?);
    let indices = cx.parameter(1, "indices")?.ok_or_else(|| bad("its indices are missing"))?;
    let given = integers(&indices).map_err(bad)?;
    let axis = cx.axis(cx.int("axis")?.unwrap_or(0), data.len())?;
    let fits = indices.shape.len() == data.len() && (0..data.len()).all(|a| a == axis || indices.shape[a] <= data[a]);
    if !fits {
        return Err(outside(format!("indices of shape {:?} for a value of shape {data:?}", indices.shape)));
    }
    let mut places = Vec::with_capacity(given.len());
    for (i, &index) in given.iter().enumerate() {
        let (mut place, mut rest, mut stride) = (0, i, 1);
        for a in (0..data.len()).rev() {
            let at = rest % indices.shape[a];
            rest /= indices.shape[a];
            place += stride * if a == axis { position(index, data[a]).map_err(outside)? } else { at };
            stride *= data[a];
        }
        places.push(place);
    }
    taken(cx, data.len(), &places, &indices.shape)
}

/// The first elements of each sequence, in reverse order.
fn reverse_sequence(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let data = cx.shape(cx.operand(0)?);
    let lengths = cx.int_parameter(1, "lengths")?.ok_or_else(|| bad("its lengths are missing"))?;
    let (batch_axis, time_axis) = (cx.int("batch_axis")?.unwrap_or(1), cx.int("time_axis")?.unwrap_or(0));
    if data.len() < 2 || !matches!((batch_axis, time_axis), (0, 1) | (1, 0)) {
        return Err(bad(format!("batch_axis {batch_axis} and time_axis {time_axis} of a value of shape {data:?}")));
    }
    let (batch_axis, time_axis) = (batch_axis as usize, time_axis as usize);
    if lengths.len() != data[batch_axis] || lengths.iter().any(|&n| !(0..=data[time_axis] as i64).contains(&n)) {
        return Err(outside(format!("lengths {lengths:?} of sequences in a value of shape {data:?}")));
    }
    let place = |i: usize| {
        let at = [i / data[1], i % data[1]];
        let (length, time) = (lengths[at[batch_axis]] as usize, at[time_axis]);
        let time = if time < length { length - 1 - time } else { time };
        if time_axis == 0 { time * data[1] + at[1] } else { at[0] * data[1] + time }
    };
    let places: Vec<usize> = (0..data[0] * data[1]).map(place).collect();
    taken(cx, 2, &places, &data[..2])
}

/// What stands where a condition holds, along an axis or in the flattened value.
fn compress(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let shape = cx.shape(x);
    let condition = cx.parameter(1, "condition")?.ok_or_else(|| bad("its condition is missing"))?;
    let Data::Bool(flags) = &condition.data else { return Err(bad("its condition must be boolean")) };
    let (x, axis) = match cx.int("axis")? {
        Some(axis) => (x, cx.axis(axis, shape.len())?),
        None => (cx.reshape(x, &[shape.iter().product()])?, 0),
    };
    let extent = cx.shape(x)[axis];
    let places: Vec<usize> = (0..flags.len()).filter(|&i| flags[i]).collect();
    match places.last() {
        Some(&last) if last >= extent => Err(outside(format!("a condition of {} for {extent} places", flags.len()))),
        _ => pick(cx, x, axis, &places),
    }
}
