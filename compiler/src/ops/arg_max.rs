//! The place of the maximum along an axis.

use super::element::DataType;
use super::node::{NodeContext, bad, problem};
use super::quantize_linear::held;
use super::reduce::without;
use super::{AtRunTime, Form, Infer, Onnx, Operator, Results, WholeCost, mismatched, unsupported};
use crate::diagnostics::Code;
use crate::diagnostics::Outcome;
use crate::ir::{Binary, DType, Data, Op, Reduction, Shape, Tensor, Unary, ValueId};

pub(super) static ONNX: &[Onnx] = &[
    Onnx::one("ArgMax", 1, |cx| arg_max(cx, false)),
    Onnx::one("ArgMin", 1, |cx| arg_max(cx, true)),
    Onnx::one("Hardmax", 1, hardmax),
    Onnx::many("TopK", 1, top).growing(&[(1, 1), (10, 2)]),
];

/// The first element of an axis, or the one that is larger than all before it.
pub(super) struct ArgMax {
    pub(super) axis: usize,
    /// Whether the axis stays, with extent 1.
    pub(super) keepdims: bool,
    /// The last of equal maxima instead of the first.
    pub(super) last: bool,
}

impl Operator for ArgMax {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        let (shape, dtype) = (given.with_axis(self.axis)?, given.first()?.dtype);
        if shape[self.axis] == 0 || dtype == DType::Bool {
            return Err(unsupported(format!("the maximum of {dtype:?} {shape:?}")));
        }
        Ok((without(shape, &[self.axis], self.keepdims), DType::I64))
    }

    fn apply(&self, inputs: &[&Tensor], _: &[usize]) -> Result<Tensor, String> {
        fn search<T: Copy + PartialOrd>(v: &[T], shape: &[usize], axis: usize, last: bool) -> Result<Vec<i64>, String> {
            let mut result = Vec::new();
            let extent = shape.get(axis).copied().unwrap_or(0);
            lines(shape, axis, |start, step| {
                let mut best = 0;
                for k in 1..extent {
                    let (x, y) = (v[start + k * step], v[start + best * step]);
                    if x > y || (last && x == y) {
                        best = k;
                    }
                }
                result.push(best as i64);
            })?;
            Ok(result)
        }
        let (&[x], &Self { axis, keepdims, last }) = (inputs, self) else { return Err(mismatched(inputs)) };
        if x.is_empty() {
            return Err("the maximum of nothing".to_owned());
        }
        let indices = match &x.data {
            Data::F32(v) => search(v, &x.shape, axis, last)?,
            Data::I64(v) => search(v, &x.shape, axis, last)?,
            Data::Bool(_) => return Err("ArgMax of booleans".to_owned()),
        };
        Ok(Tensor { shape: without(&x.shape, &[axis], keepdims), data: Data::I64(indices) })
    }

    fn whole(&self) -> Option<&dyn AtRunTime> {
        Some(self)
    }
}

impl AtRunTime for ArgMax {
    fn kind(&self) -> String {
        "argmax".to_owned()
    }

    fn reason(&self) -> &'static str {
        "needs all values of an axis at once"
    }

    fn form(&self) -> Form {
        Form::ArgMax { axis: self.axis, last: self.last }
    }

    fn cost(&self, inputs: &[&[usize]], _: &[usize]) -> WholeCost {
        WholeCost::each(inputs[0], 1)
    }
}

/// Calls `line` with the position of the first element, and the distance of neighbours, of every line along `axis`.
pub(super) fn lines(shape: &[usize], axis: usize, mut line: impl FnMut(usize, usize)) -> Result<(), String> {
    let &extent = shape.get(axis).ok_or_else(|| format!("axis {axis} of {shape:?}"))?;
    let inner: usize = shape[axis + 1..].iter().product();
    for outer in 0..shape[..axis].iter().product() {
        for i in 0..inner {
            line(outer * extent * inner + i, inner);
        }
    }
    Ok(())
}

fn arg_max(cx: &mut NodeContext<'_>, smallest: bool) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let axis = cx.axis(cx.int("axis")?.unwrap_or(0), cx.shape(x).len())?;
    let keepdims = cx.int("keepdims")?.unwrap_or(1) != 0;
    let last = cx.flag("select_last_index")?;
    let x = if smallest { cx.unary(Unary::Neg, x)? } else { x };
    index(cx, Op::ArgMax { axis, keepdims, last }, x)
}

/// An index: at run time a float that holds it, as other integers.
fn index(cx: &mut NodeContext<'_>, op: Op, x: ValueId) -> Outcome<ValueId> {
    let index = cx.apply(op, &[x])?;
    let index = if cx.constant(index).is_some() { index } else { held(cx, index)? };
    cx.set_element(index, DataType::Int64);
    Ok(index)
}

/// The most elements that TopK picks: each is a search of its own.
const MOST: i64 = 64;

/// The largest (or smallest) values of an axis, and where they are, one search after the other; what was found takes no part in
/// the next.
fn top(cx: &mut NodeContext<'_>) -> Outcome<Results> {
    let x = cx.operand(0)?;
    let k = match cx.int("k")? {
        Some(k) => k,
        None => cx.int_parameter(1, "k")?.and_then(|k| k.first().copied()).ok_or_else(|| bad("its k is missing"))?,
    };
    let shape = cx.shape(x);
    let axis = cx.axis(cx.int("axis")?.unwrap_or(-1), shape.len())?;
    if !(1..=shape[axis] as i64).contains(&k) {
        return Err(bad(format!("its k is {k}, of an axis of {}", shape[axis])));
    }
    if k > MOST {
        let message = format!("TopK is supported up to k = {MOST}, not {k}: each takes a search over all");
        return Err(problem(Code::Unsupported, message).help("leave the scores to the caller, who can sort them"));
    }
    let smallest = cx.int("largest")?.unwrap_or(1) == 0;
    if k == 1 {
        return top_one(cx, x, axis, smallest);
    }
    let ordered = if smallest { cx.unary(Unary::Neg, x)? } else { x };
    // What was found is below all that was not, but for infinity, which is so much as the largest number here.
    let (least, found) = (cx.scalar(-f32::MAX), cx.scalar(f32::NEG_INFINITY));
    let mut left = cx.binary(Binary::Max, ordered, least)?;
    let places = places(cx, &shape, axis);
    let (mut values, mut indices) = (Vec::new(), Vec::new());
    for _ in 0..k {
        let at = cx.apply(Op::ArgMax { axis, keepdims: true, last: false }, &[left])?;
        let at = if cx.constant(at).is_some() { cx.apply(Op::Cast(DType::F32), &[at])? } else { held(cx, at)? };
        let here = cx.binary(Binary::Equal, places, at)?;
        if cx.output_used(0) {
            let value = cx.apply(Op::Where, &[here, ordered, found])?;
            values.push(cx.apply(Op::Reduce { kind: Reduction::Max, axes: vec![axis], keepdims: true }, &[value])?);
        }
        left = cx.apply(Op::Where, &[here, found, left])?;
        indices.push(at);
    }
    let value = match &values[..] {
        [] => None,
        values => {
            let values = cx.apply(Op::Concat { axis }, values)?;
            Some(if smallest { cx.unary(Unary::Neg, values)? } else { values })
        }
    };
    let index = if cx.output_used(1) {
        let index = cx.apply(Op::Concat { axis }, &indices)?;
        let index = if cx.constant(index).is_some() { cx.apply(Op::Cast(DType::I64), &[index])? } else { index };
        cx.set_element(index, DataType::Int64);
        Some(index)
    } else {
        None
    };
    Ok(vec![value, index])
}

/// 0, 1, 2... along an axis.
fn places(cx: &mut NodeContext<'_>, shape: &[usize], axis: usize) -> ValueId {
    let mut along = vec![1; shape.len()];
    along[axis] = shape[axis];
    cx.add_constant(Tensor::f32(along, (0..shape[axis]).map(|i| i as f32).collect()))
}

/// TopK with k = 1: the largest (or smallest) value and where it is.
fn top_one(cx: &mut NodeContext<'_>, x: ValueId, axis: usize, smallest: bool) -> Outcome<Results> {
    let kind = if smallest { Reduction::Min } else { Reduction::Max };
    let value = if cx.output_used(0) {
        Some(cx.apply(Op::Reduce { kind, axes: vec![axis], keepdims: true }, &[x])?)
    } else {
        None
    };
    let index = if cx.output_used(1) {
        let x = if smallest { cx.unary(Unary::Neg, x)? } else { x };
        Some(index(cx, Op::ArgMax { axis, keepdims: true, last: false }, x)?)
    } else {
        None
    };
    Ok(vec![value, index])
}

/// 1 at the first maximum along an axis, 0 elsewhere. Before opset 13 all axes from it on are one.
fn hardmax(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let whole = cx.shape(x);
    let together = cx.opset() < 13;
    let axis = cx.axis(cx.int("axis")?.unwrap_or(if together { 1 } else { -1 }), whole.len())?;
    let (x, axis) = if together {
        let [outer, inner] = [&whole[..axis], &whole[axis..]].map(|part| part.iter().product());
        (cx.reshape(x, &[outer, inner])?, 1)
    } else {
        (x, axis)
    };
    let at = cx.apply(Op::ArgMax { axis, keepdims: true, last: false }, &[x])?;
    let at = cx.apply(Op::Cast(DType::F32), &[at])?;
    let shape = cx.shape(x);
    let places = places(cx, &shape, axis);
    let here = cx.binary(Binary::Equal, places, at)?;
    let ones = cx.apply(Op::Cast(DType::F32), &[here])?;
    cx.reshape(ones, &whole)
}
