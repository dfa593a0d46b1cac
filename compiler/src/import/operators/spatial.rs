//! Convolutions and pools. One-dimensional ones become two-dimensional with height 1.

use super::window::{Resolved, resolve};
use crate::diagnostics::{Code, Diagnostic};
use crate::import::Outcome;
use crate::import::node::{NodeContext, bad, problem};
use crate::ir::{Layout, Op, Reduction, Shape, ValueId};

/// Converts the operators of this family; `None` for others.
pub(super) fn convert(cx: &mut NodeContext<'_>, op: &str) -> Option<Outcome<ValueId>> {
    Some(match op {
        "Conv" => conv(cx),
        "MaxPool" => pool(cx, |Resolved { window, .. }, _| Op::MaxPool { window, layout: Layout::ChannelsFirst }),
        "AveragePool" => pool(cx, |Resolved { window, ceil_extra }, count_include_pad| Op::AveragePool {
            window,
            count_include_pad,
            ceil_extra,
            layout: Layout::ChannelsFirst,
        }),
        "GlobalAveragePool" => global(cx, Reduction::Mean),
        "GlobalMaxPool" => global(cx, Reduction::Max),
        _ => return None,
    })
}

/// The extents of the spatial axes: one or two.
fn spatial(cx: &NodeContext<'_>, x: ValueId) -> Outcome<Shape> {
    let shape = cx.shape(x);
    match shape.len() {
        3 | 4 => Ok(shape[2..].to_vec()),
        5.. => Err(unsupported(&shape)),
        _ => Err(problem(Code::ShapeMismatch, format!("an image is wanted, but its operand has shape {shape:?}"))),
    }
}

fn unsupported(shape: &[usize]) -> Diagnostic {
    problem(Code::Unsupported, format!("only one or two spatial axes are supported, but its operand is {shape:?}"))
}

/// Gives a three-dimensional value height 1.
fn with_height(cx: &mut NodeContext<'_>, x: ValueId) -> Outcome<ValueId> {
    match cx.shape(x)[..] {
        [n, c, width] => cx.reshape(x, &[n, c, 1, width]),
        _ => Ok(x),
    }
}

fn without_height(cx: &mut NodeContext<'_>, y: ValueId, rank: usize) -> Outcome<ValueId> {
    match (rank, &cx.shape(y)[..]) {
        (3, &[n, c, _, width]) => cx.reshape(y, &[n, c, width]),
        _ => Ok(y),
    }
}

fn conv(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let (x, weights, bias) = (cx.operand(0)?, cx.operand(1)?, cx.optional(2));
    let (image, kernel) = (spatial(cx, x)?, cx.shape(weights));
    if kernel.len() != image.len() + 2 || kernel.contains(&0) {
        let message = format!("weights of shape {kernel:?} for an input of shape {:?}", cx.shape(x));
        return Err(problem(Code::ShapeMismatch, message));
    }
    let groups = usize::try_from(cx.int("group")?.unwrap_or(1)).ok().filter(|&g| g > 0);
    let groups = groups.ok_or_else(|| bad("attribute \"group\" must be positive"))?;
    let Resolved { window, .. } = resolve(cx, &image, Some(&kernel[2..]), false)?;
    let (x, weights) = (with_height(cx, x)?, with_height(cx, weights)?);
    let operands: Vec<ValueId> = [x, weights].into_iter().chain(bias).collect();
    let y = cx.apply(Op::Conv { window, groups, layout: Layout::ChannelsFirst }, &operands)?;
    without_height(cx, y, kernel.len())
}

fn pool(cx: &mut NodeContext<'_>, op: impl FnOnce(Resolved, bool) -> Op) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let resolved = resolve(cx, &spatial(cx, x)?, None, true)?;
    let window = &resolved.window;
    for side in 0..4 {
        let axis = side % 2;
        let extra = if side < 2 { 0 } else { resolved.ceil_extra[axis] };
        let reach = (window.kernel[axis] - 1) * window.dilations[axis] + 1;
        if window.pads[side] - extra >= reach {
            return Err(bad(format!("pads {:?} are not smaller than the kernel {:?}", window.pads, window.kernel)));
        }
    }
    let count_include_pad = cx.flag("count_include_pad")?;
    let rank = cx.shape(x).len();
    let x = with_height(cx, x)?;
    let y = cx.apply(op(resolved, count_include_pad), &[x])?;
    without_height(cx, y, rank)
}

fn global(cx: &mut NodeContext<'_>, kind: Reduction) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let rank = cx.shape(x).len();
    if rank < 3 {
        let message = format!("an image is wanted, but its operand has shape {:?}", cx.shape(x));
        return Err(problem(Code::ShapeMismatch, message));
    }
    cx.apply(Op::Reduce { kind, axes: (2..rank).collect(), keepdims: true }, &[x])
}
