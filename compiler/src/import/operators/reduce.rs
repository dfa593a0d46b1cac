//! Operators that combine the elements along axes.

use crate::diagnostics::Code;
use crate::import::Outcome;
use crate::import::node::{NodeContext, bad, problem};
use crate::ir::{Op, Reduction, Unary, ValueId};

/// Converts the operators of this family with one result; `None` for others.
pub(super) fn convert(cx: &mut NodeContext<'_>, op: &str) -> Option<Outcome<ValueId>> {
    let kind = match op {
        "ReduceMean" => Reduction::Mean,
        "ReduceSum" => Reduction::Sum,
        "ReduceMax" => Reduction::Max,
        "ReduceMin" => Reduction::Min,
        "ReduceProd" => Reduction::Prod,
        "ReduceL1" => Reduction::L1,
        "ReduceL2" => Reduction::L2,
        "ReduceSumSquare" => Reduction::SumSquare,
        "ArgMax" => return Some(arg_max(cx, false)),
        "ArgMin" => return Some(arg_max(cx, true)),
        "Softmax" => return Some(softmax(cx, false)),
        "LogSoftmax" => return Some(softmax(cx, true)),
        _ => return None,
    };
    Some(reduce(cx, kind))
}

/// Converts the operators of this family with several results; `None` for others.
pub(super) fn convert_many(cx: &mut NodeContext<'_>, op: &str) -> Option<Outcome<Vec<Option<ValueId>>>> {
    (op == "TopK").then(|| top_one(cx))
}

/// Axes as an attribute (ReduceSum before opset 13, the others before 18) or as an operand.
fn reduce(cx: &mut NodeContext<'_>, kind: Reduction) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let rank = cx.shape(x).len();
    let given = match cx.ints("axes")? {
        Some(axes) => Some(axes),
        None => cx.int_parameter(1, "axes")?,
    };
    let keepdims = cx.int("keepdims")?.unwrap_or(1) != 0;
    let axes = match given {
        Some(axes) if !axes.is_empty() => cx.axes(&axes, rank)?,
        _ if cx.flag("noop_with_empty_axes")? => {
            return match kind {
                // Versions of the standard disagree on what is left of these without axes.
                Reduction::L1 | Reduction::L2 | Reduction::SumSquare => {
                    Err(bad("noop_with_empty_axes without axes is not supported for a norm"))
                }
                _ => Ok(x),
            };
        }
        _ => (0..rank).collect(),
    };
    let shape = cx.shape(x);
    let trivial = axes.iter().all(|&axis| shape[axis] == 1);
    if trivial && !matches!(kind, Reduction::L1 | Reduction::L2 | Reduction::SumSquare) {
        let kept: Vec<usize> =
            (0..rank).filter(|axis| keepdims || !axes.contains(axis)).map(|axis| shape[axis]).collect();
        return cx.reshape(x, &kept);
    }
    cx.apply(Op::Reduce { kind, axes, keepdims }, &[x])
}

fn arg_max(cx: &mut NodeContext<'_>, smallest: bool) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let axis = cx.axis(cx.int("axis")?.unwrap_or(0), cx.shape(x).len())?;
    let keepdims = cx.int("keepdims")?.unwrap_or(1) != 0;
    let last = cx.flag("select_last_index")?;
    let x = if smallest { cx.unary(Unary::Neg, x)? } else { x };
    cx.apply(Op::ArgMax { axis, keepdims, last }, &[x])
}

/// Before opset 13, everything from `axis` on is one axis.
fn softmax(cx: &mut NodeContext<'_>, log: bool) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let shape = cx.shape(x);
    let flat = cx.opset() < 13;
    let axis = cx.axis(cx.int("axis")?.unwrap_or(if flat { 1 } else { -1 }), shape.len())?;
    if !flat || shape[axis + 1..].iter().all(|&extent| extent == 1) {
        return cx.apply(Op::Softmax { axis, log }, &[x]);
    }
    let rows = shape[..axis].iter().product();
    let columns = shape[axis..].iter().product();
    let matrix = cx.reshape(x, &[rows, columns])?;
    let result = cx.apply(Op::Softmax { axis: 1, log }, &[matrix])?;
    cx.reshape(result, &shape)
}

/// TopK with k = 1: the largest (or smallest) value and where it is.
fn top_one(cx: &mut NodeContext<'_>) -> Outcome<Vec<Option<ValueId>>> {
    let x = cx.operand(0)?;
    let k = match cx.int("k")? {
        Some(k) => k,
        None => cx.int_parameter(1, "k")?.and_then(|k| k.first().copied()).ok_or_else(|| bad("its k is missing"))?,
    };
    if k != 1 {
        return Err(problem(Code::UnknownOperator, format!("TopK is supported for k = 1 only, not {k}")));
    }
    let axis = cx.axis(cx.int("axis")?.unwrap_or(-1), cx.shape(x).len())?;
    let smallest = cx.int("largest")?.unwrap_or(1) == 0;
    let kind = if smallest { Reduction::Min } else { Reduction::Max };
    let value = if cx.output_used(0) {
        Some(cx.apply(Op::Reduce { kind, axes: vec![axis], keepdims: true }, &[x])?)
    } else {
        None
    };
    let index = if cx.output_used(1) {
        let x = if smallest { cx.unary(Unary::Neg, x)? } else { x };
        Some(cx.apply(Op::ArgMax { axis, keepdims: true, last: false }, &[x])?)
    } else {
        None
    };
    Ok(vec![value, index])
}
