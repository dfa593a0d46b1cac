//! Elements picked by indices: one list of places of the operand, flattened. What is known of it when the model is compiled is
//! a copy; indices that are computed are counted up to such a list at run time.

use super::Onnx;
use super::gather::{integers, pick, position};
use super::node::{NodeContext, bad, problem};
use super::quantize_linear::held;
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::ir::{Binary, Data, Op, Reduction, Tensor, ValueId, strides};

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
    let shape = cx.shape(cx.operand(1)?);
    let batch = usize::try_from(cx.int("batch_dims")?.unwrap_or(0)).unwrap_or(usize::MAX);
    let Some((&depth, around)) = shape.split_last() else { return Err(bad("its indices are one number")) };
    let fits = batch <= around.len() && batch.saturating_add(depth) <= data.len() && depth > 0;
    if !fits || around[..batch] != data[..batch] {
        return Err(outside(format!("indices of shape {shape:?} for a value of shape {data:?}")));
    }
    // Tuples of one place of the batch.
    let per_batch = around[batch..].iter().product::<usize>().max(1);
    let Some(indices) = cx.constant(cx.operand(1)?) else {
        let extents = &data[batch..][..depth];
        let rows: usize = extents.iter().product();
        let first = |place: usize| place / per_batch * rows;
        let along = Steps { shape: &[depth], extents, strides: &strides(extents) };
        return counted(cx, batch + depth, &along, around, first);
    };
    let given = integers(&indices).map_err(bad)?;
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
    let shape = cx.shape(cx.operand(1)?);
    let axis = cx.axis(cx.int("axis")?.unwrap_or(0), data.len())?;
    if shape.len() != data.len() || (0..data.len()).any(|a| a != axis && shape[a] > data[a]) {
        return Err(outside(format!("indices of shape {shape:?} for a value of shape {data:?}")));
    }
    let own = strides(&data);
    // The place of an index, but for what it says itself.
    let first = |i: usize| {
        let (mut place, mut rest) = (0, i);
        for a in (0..data.len()).rev() {
            place += if a == axis { 0 } else { rest % shape[a] * own[a] };
            rest /= shape[a];
        }
        place
    };
    let Some(indices) = cx.constant(cx.operand(1)?) else {
        let along = Steps { shape: &[], extents: &[data[axis]], strides: &[own[axis]] };
        return counted(cx, data.len(), &along, &shape, first);
    };
    let given = integers(&indices).map_err(bad)?;
    let place = |(i, &index)| Ok(first(i) + position(index, data[axis])? * own[axis]);
    let places = given.iter().enumerate().map(place).collect::<Result<Vec<_>, String>>().map_err(outside)?;
    taken(cx, data.len(), &places, &shape)
}

/// What an index says of a place: those of one place stand in `shape`, on the last axis if there is one.
struct Steps<'a> {
    shape: &'a [usize],
    /// Places that each has, from 0 or from their end.
    extents: &'a [usize],
    /// How far its places are apart in the flattened operand.
    strides: &'a [usize],
}

/// Takes places of the operand, whose first `axes` axes are seen as one, by indices that are computed: each place of `shape` is
/// so far behind its first.
fn counted(
    cx: &mut NodeContext<'_>,
    axes: usize,
    Steps { shape: along, extents, strides }: &Steps<'_>,
    shape: &[usize],
    first: impl Fn(usize) -> usize,
) -> Outcome<ValueId> {
    /// From here on, not every whole number is a float.
    const MOST: usize = 1 << 24;
    let (x, indices) = (cx.operand(0)?, cx.operand(1)?);
    let from = cx.shape(x);
    let (rows, rest) = (from[..axes].iter().product::<usize>(), &from[axes..]);
    if rows > MOST {
        return Err(problem(Code::Unsupported, format!("its indices are computed, and choose among {rows} places")));
    }
    let places: usize = shape.iter().product();
    cx.spend(Some(places))?;
    let mut numbers = |shape: &[usize], all: Vec<usize>| {
        cx.add_constant(Tensor::f32(shape.to_vec(), all.into_iter().map(|i| i as f32).collect()))
    };
    let (extents, strides) = (numbers(along, extents.to_vec()), numbers(along, strides.to_vec()));
    let first = numbers(shape, (0..places).map(first).collect());
    let mut place = cx.binary(Binary::Mod, indices, extents)?;
    place = cx.binary(Binary::Mul, place, strides)?;
    if !along.is_empty() {
        let axes = vec![shape.len()];
        place = cx.apply(Op::Reduce { kind: Reduction::Sum, axes, keepdims: false }, &[place])?;
    }
    place = cx.binary(Binary::Add, place, first)?;
    let x = if cx.constant(x).is_some() { held(cx, x)? } else { x };
    let kind = cx.element(x);
    let flat = cx.reshape(x, &[&[rows], rest].concat())?;
    let picked = cx.apply(Op::Gather { axis: 0 }, &[flat, place])?;
    cx.set_element(picked, kind);
    Ok(picked)
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
