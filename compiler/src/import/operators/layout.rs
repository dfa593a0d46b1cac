//! Operators that move elements or rename axes.

use super::select::extents;
use crate::diagnostics::Code;
use crate::import::Outcome;
use crate::import::infer::size;
use crate::import::node::{NodeContext, bad, problem};
use crate::ir::{Op, ValueId, broadcast};

/// Converts the operators of this family with one result; `None` for others.
pub(super) fn convert(cx: &mut NodeContext<'_>, op: &str) -> Option<Outcome<ValueId>> {
    Some(match op {
        "Reshape" => reshape(cx),
        "Flatten" => flatten(cx),
        "Squeeze" => squeeze(cx),
        "Unsqueeze" => unsqueeze(cx),
        "Transpose" => transpose(cx),
        "Concat" => concat(cx),
        "Slice" => slice(cx),
        "Pad" => pad(cx),
        "Expand" => expand(cx),
        "Tile" => tile(cx),
        "DepthToSpace" => depth_to_space(cx),
        "SpaceToDepth" => space_to_depth(cx),
        _ => return None,
    })
}

/// Converts the operators of this family with several results; `None` for others.
pub(super) fn convert_many(cx: &mut NodeContext<'_>, op: &str) -> Option<Outcome<Vec<Option<ValueId>>>> {
    (op == "Split").then(|| split(cx))
}

/// A parameter that is an attribute before some opset, and an operand from it on.
fn ints(cx: &NodeContext<'_>, attribute: &str, operand: usize) -> Outcome<Option<Vec<i64>>> {
    match cx.ints(attribute)? {
        Some(values) => Ok(Some(values)),
        None => cx.int_parameter(operand, attribute),
    }
}

fn required(values: Option<Vec<i64>>, what: &str) -> Outcome<Vec<i64>> {
    values.ok_or_else(|| bad(format!("its {what} is missing")))
}

/// 0 keeps the extent (unless `allowzero`), and one -1 takes what is left.
fn reshape(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let from = cx.shape(x);
    let wanted = required(cx.int_parameter(1, "shape")?, "shape")?;
    let keep_zero = cx.flag("allowzero")?;
    let mut open = None;
    let mut shape = Vec::with_capacity(wanted.len());
    for (i, &extent) in wanted.iter().enumerate() {
        shape.push(match extent {
            -1 if open.is_none() => {
                open = Some(i);
                1
            }
            0 if !keep_zero => *from.get(i).ok_or_else(|| bad(format!("extent {i} of {wanted:?} keeps nothing")))?,
            0.. => extent as usize,
            _ => return Err(bad(format!("the shape {wanted:?} is not one"))),
        });
    }
    if let Some(i) = open {
        let (all, others) = (size(&from), size(&shape));
        let rest =
            all.zip(others).and_then(|(all, others)| all.checked_div(others).filter(|rest| rest * others == all));
        shape[i] = rest.ok_or_else(|| {
            problem(Code::ShapeMismatch, format!("a value of shape {from:?} cannot take the shape {wanted:?}"))
        })?;
    }
    cx.reshape(x, &shape)
}

fn flatten(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let shape = cx.shape(x);
    // The axis may lie behind the last one.
    let given = cx.int("axis")?.unwrap_or(1);
    let axis = if given == shape.len() as i64 { shape.len() } else { cx.axis(given, shape.len())? };
    cx.reshape(x, &[shape[..axis].iter().product(), shape[axis..].iter().product()])
}

fn squeeze(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let shape = cx.shape(x);
    let axes = match ints(cx, "axes", 1)? {
        Some(axes) => cx.axes(&axes, shape.len())?,
        None => (0..shape.len()).filter(|&axis| shape[axis] == 1).collect(),
    };
    if let Some(&axis) = axes.iter().find(|&&axis| shape[axis] != 1) {
        return Err(problem(Code::ShapeMismatch, format!("axis {axis} of {shape:?} cannot be squeezed")));
    }
    let kept: Vec<usize> = (0..shape.len()).filter(|axis| !axes.contains(axis)).map(|axis| shape[axis]).collect();
    cx.reshape(x, &kept)
}

fn unsqueeze(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let shape = cx.shape(x);
    let axes = required(ints(cx, "axes", 1)?, "axes")?;
    let rank = shape.len() + axes.len();
    let axes = cx.axes(&axes, rank)?;
    let mut left = shape.iter();
    let wider: Vec<usize> =
        (0..rank).map(|axis| if axes.contains(&axis) { 1 } else { left.next().copied().unwrap_or(1) }).collect();
    cx.reshape(x, &wider)
}

fn transpose(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let rank = cx.shape(x).len();
    let perm: Vec<usize> = match cx.ints("perm")? {
        Some(given) => {
            cx.axes(&given, rank)?;
            if given.len() != rank {
                return Err(problem(Code::ShapeMismatch, format!("perm {given:?} of a value of {rank} dimensions")));
            }
            given.iter().map(|&axis| cx.axis(axis, rank)).collect::<Outcome<_>>()?
        }
        None => (0..rank).rev().collect(),
    };
    cx.transpose(x, perm)
}

fn concat(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let operands = (0..cx.operand_count()).map(|i| cx.operand(i)).collect::<Outcome<Vec<_>>>()?;
    let &first = operands.first().ok_or_else(|| bad("it has no operands"))?;
    let axis = cx.int("axis")?.ok_or_else(|| bad("attribute \"axis\" is missing"))?;
    let axis = cx.axis(axis, cx.shape(first).len())?;
    if operands.len() == 1 { Ok(first) } else { cx.apply(Op::Concat { axis }, &operands) }
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
fn split(cx: &mut NodeContext<'_>) -> Outcome<Vec<Option<ValueId>>> {
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

/// Pads and value as attributes (opset < 11) or operands. Negative pads crop.
fn pad(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let shape = cx.shape(x);
    let rank = shape.len();
    if let Some(mode) = cx.text("mode")?.filter(|mode| mode != "constant") {
        return Err(bad(format!("the padding mode {mode:?} is not supported")).help("pad with a constant"));
    }
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
    cx.apply(Op::Pad { before, after, value }, &[x])
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

fn block_size(cx: &NodeContext<'_>) -> Outcome<usize> {
    let size = cx.int("blocksize")?.and_then(|b| usize::try_from(b).ok()).filter(|&b| b > 0 && b < 1 << 16);
    size.ok_or_else(|| bad("attribute \"blocksize\" must be positive"))
}

fn depth_to_space(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let b = block_size(cx)?;
    let shape = cx.shape(x);
    let &[n, c, h, w] = &shape[..] else {
        return Err(problem(Code::ShapeMismatch, format!("an image is wanted, not {shape:?}")));
    };
    if c == 0 || c % (b * b) != 0 {
        return Err(problem(Code::ShapeMismatch, format!("{c} channels in blocks of {b}x{b}")));
    }
    let depth = c / (b * b);
    let (split, perm) = match cx.text("mode")?.as_deref() {
        None | Some("DCR") => ([n, b, b, depth, h, w], vec![0, 3, 4, 1, 5, 2]),
        Some("CRD") => ([n, depth, b, b, h, w], vec![0, 1, 4, 2, 5, 3]),
        Some(other) => return Err(bad(format!("the mode {other:?} is not known"))),
    };
    let x = cx.reshape(x, &split)?;
    let x = cx.transpose(x, perm)?;
    cx.reshape(x, &[n, depth, h * b, w * b])
}

fn space_to_depth(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let b = block_size(cx)?;
    let shape = cx.shape(x);
    let &[n, c, h, w] = &shape[..] else {
        return Err(problem(Code::ShapeMismatch, format!("an image is wanted, not {shape:?}")));
    };
    if h == 0 || w == 0 || h % b != 0 || w % b != 0 {
        return Err(problem(Code::ShapeMismatch, format!("an image of {h}x{w} in blocks of {b}x{b}")));
    }
    let x = cx.reshape(x, &[n, c, h / b, b, w / b, b])?;
    let perm = match cx.text("mode")?.as_deref() {
        None | Some("DCR") => vec![0, 3, 5, 1, 2, 4],
        Some("CRD") => vec![0, 1, 3, 5, 2, 4],
        Some(other) => return Err(bad(format!("the mode {other:?} is not known"))),
    };
    let x = cx.transpose(x, perm)?;
    cx.reshape(x, &[n, c * b * b, h / b, w / b])
}
