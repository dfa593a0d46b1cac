//! The place of the maximum along an axis.

use super::element::DataType;
use super::node::{NodeContext, bad, problem};
use super::quantize_linear::held;
use super::reduce::without;
use super::{AtRunTime, Form, Infer, Onnx, Operator, Results, WholeCost, mismatched, unsupported};
use crate::diagnostics::Code;
use crate::diagnostics::Outcome;
use crate::ir::{DType, Data, Op, Reduction, Shape, Tensor, Unary, ValueId};

pub(super) static ONNX: &[Onnx] = &[
    Onnx::one("ArgMax", 1, |cx| arg_max(cx, false)),
    Onnx::one("ArgMin", 1, |cx| arg_max(cx, true)),
    Onnx::many("TopK", 1, top_one).growing(&[(1, 1), (10, 2)]),
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

/// TopK with k = 1: the largest (or smallest) value and where it is.
fn top_one(cx: &mut NodeContext<'_>) -> Outcome<Results> {
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
        Some(index(cx, Op::ArgMax { axis, keepdims: true, last: false }, x)?)
    } else {
        None
    };
    Ok(vec![value, index])
}
