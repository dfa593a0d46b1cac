//! Reductions over axes.

use super::node::{NodeContext, bad};
use super::strided::{Rows, gather, strides};
use super::{AtRunTime, Form, Infer, Onnx, Operator, WholeCost, mismatched, unsupported};
use crate::diagnostics::Outcome;
use crate::ir::{Binary, DType, Data, Op, Reduction, Shape, Tensor, Unary, ValueId};

pub(super) static ONNX: &[Onnx] = &[
    Onnx::one("ReduceMean", 1, |cx| convert(cx, Reduction::Mean)).growing(&[(1, 1), (18, 2)]),
    Onnx::one("ReduceSum", 1, |cx| convert(cx, Reduction::Sum)).growing(&[(1, 1), (13, 2)]),
    Onnx::one("ReduceMax", 1, |cx| convert(cx, Reduction::Max)).growing(&[(1, 1), (18, 2)]),
    Onnx::one("ReduceMin", 1, |cx| convert(cx, Reduction::Min)).growing(&[(1, 1), (18, 2)]),
    Onnx::one("ReduceProd", 1, |cx| convert(cx, Reduction::Prod)).growing(&[(1, 1), (18, 2)]),
    Onnx::one("ReduceL1", 1, |cx| convert(cx, Reduction::L1)).growing(&[(1, 1), (18, 2)]),
    Onnx::one("ReduceL2", 1, |cx| convert(cx, Reduction::L2)).growing(&[(1, 1), (18, 2)]),
    Onnx::one("ReduceSumSquare", 1, |cx| convert(cx, Reduction::SumSquare)).growing(&[(1, 1), (18, 2)]),
    Onnx::one("ReduceLogSum", 1, log_sum).growing(&[(1, 1), (18, 2)]),
    Onnx::one("ReduceLogSumExp", 1, log_sum_exp).growing(&[(1, 1), (18, 2)]),
];

/// A reduction over axes, sorted, each once.
pub(super) struct Reduce<'a> {
    pub(super) kind: Reduction,
    pub(super) axes: &'a [usize],
    /// Whether the axes stay, with extent 1.
    pub(super) keepdims: bool,
}

impl Operator for Reduce<'_> {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        let x = given.first()?;
        if x.dtype == DType::Bool {
            return Err(unsupported("a reduction of booleans".to_owned()));
        }
        self.axes.iter().try_for_each(|&axis| given.with_axis(axis).map(|_| ()))?;
        Ok((without(&x.shape, self.axes, self.keepdims), x.dtype))
    }

    fn apply(&self, inputs: &[&Tensor], _: &[usize]) -> Result<Tensor, String> {
        /// Gives `combine` the elements behind each element of the result, contiguous.
        fn run<T: Copy, R>(v: &[T], x: &[usize], axes: &[usize], mut combine: impl FnMut(&[T]) -> R) -> Vec<R> {
            let walk = strides(x);
            let of = |reduced: bool| {
                let chosen: Vec<usize> = (0..x.len()).filter(|axis| axes.contains(axis) == reduced).collect();
                let shape: Vec<usize> = chosen.iter().map(|&axis| x[axis]).collect();
                let steps: Vec<isize> = chosen.iter().map(|&axis| walk[axis]).collect();
                (shape, steps)
            };
            let ((kept, kept_steps), (reduced, reduced_steps)) = (of(false), of(true));
            let inner = Rows::new(&reduced, [&reduced_steps]);
            let contiguous = inner.steps == [1] && inner.len == reduced.iter().product::<usize>();
            let outer = Rows::new(&kept, [&kept_steps]);
            let mut result = Vec::with_capacity(kept.iter().product());
            outer.for_each([0], |[start]| {
                for i in 0..outer.len as isize {
                    let at = start + i * outer.steps[0];
                    if contiguous {
                        result.push(combine(&v[at as usize..][..inner.len]));
                    } else {
                        result.push(combine(&gather(v, at, &reduced, &reduced_steps)));
                    }
                }
            });
            result
        }
        let (&[x], &Self { kind, axes, keepdims }) = (inputs, self) else { return Err(mismatched(inputs)) };
        if axes.iter().any(|&axis| axis >= x.shape.len()) {
            return Err(format!("axes {axes:?} of {:?}", x.shape));
        }
        let data = match &x.data {
            Data::F32(v) => Data::F32(run(v, &x.shape, axes, |values| combine_f32(kind, values))),
            Data::I64(v) => Data::I64(
                run(v, &x.shape, axes, |values| combine_i64(kind, values)).into_iter().collect::<Result<_, _>>()?,
            ),
            Data::Bool(_) => return Err("a reduction of booleans".to_owned()),
        };
        Ok(Tensor { shape: without(&x.shape, axes, keepdims), data })
    }

    fn whole(&self) -> Option<&dyn AtRunTime> {
        Some(self)
    }
}

impl AtRunTime for Reduce<'_> {
    fn kind(&self) -> String {
        "reduce".to_owned()
    }

    fn reason(&self) -> &'static str {
        "needs all values of an axis at once"
    }

    fn form(&self) -> Form {
        Form::Reduce { kind: self.kind, axes: self.axes.to_vec() }
    }

    fn cost(&self, inputs: &[&[usize]], _: &[usize]) -> WholeCost {
        WholeCost::each(inputs[0], 1)
    }
}

/// A shape without some of its axes, or with extent 1 there.
pub(super) fn without(shape: &[usize], axes: &[usize], keepdims: bool) -> Shape {
    let extents = shape.iter().enumerate();
    if keepdims {
        extents.map(|(i, &extent)| if axes.contains(&i) { 1 } else { extent }).collect()
    } else {
        extents.filter(|(i, _)| !axes.contains(i)).map(|(_, &extent)| extent).collect()
    }
}

/// Adds up in eight lanes, so that the loop can be vectorised; f64, so that the order does not matter in f32.
fn sum(values: &[f32], f: impl Fn(f64) -> f64) -> f64 {
    let mut lanes = [0.0; 8];
    let chunks = values.chunks_exact(8);
    let rest: f64 = chunks.remainder().iter().map(|&x| f(f64::from(x))).sum();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += f(f64::from(x));
        }
    }
    lanes.iter().sum::<f64>() + rest
}

fn combine_f32(kind: Reduction, values: &[f32]) -> f32 {
    let wide = match kind {
        Reduction::Mean => sum(values, |x| x) / values.len() as f64,
        Reduction::Sum => sum(values, |x| x),
        Reduction::Max => {
            return values.iter().fold(f32::NEG_INFINITY, |max, &x| if x > max || x.is_nan() { x } else { max });
        }
        Reduction::Min => {
            return values.iter().fold(f32::INFINITY, |min, &x| if x < min || x.is_nan() { x } else { min });
        }
        Reduction::Prod => values.iter().map(|&x| f64::from(x)).product(),
        Reduction::L1 => sum(values, f64::abs),
        Reduction::L2 => sum(values, |x| x * x).sqrt(),
        Reduction::SumSquare => sum(values, |x| x * x),
    };
    wide as f32
}

fn combine_i64(kind: Reduction, values: &[i64]) -> Result<i64, String> {
    let total = || values.iter().copied().fold(0, i64::wrapping_add);
    Ok(match kind {
        Reduction::Mean => total().checked_div(values.len() as i64).ok_or("the mean of nothing")?,
        Reduction::Sum => total(),
        Reduction::Max => values.iter().copied().max().ok_or("the maximum of nothing")?,
        Reduction::Min => values.iter().copied().min().ok_or("the minimum of nothing")?,
        Reduction::Prod => values.iter().copied().fold(1, i64::wrapping_mul),
        Reduction::L1 => values.iter().fold(0, |sum: i64, x| sum.wrapping_add(x.wrapping_abs())),
        Reduction::SumSquare => values.iter().fold(0, |sum: i64, x| sum.wrapping_add(x.wrapping_mul(*x))),
        Reduction::L2 => return Err("the L2 norm of integers".to_owned()),
    })
}

/// Axes as an attribute (ReduceSum before opset 13, the others before 18) or as an operand.
fn given_axes(cx: &NodeContext<'_>) -> Outcome<Option<Vec<i64>>> {
    Ok(match cx.ints("axes")? {
        Some(axes) => Some(axes),
        None => cx.int_parameter(1, "axes")?,
    })
}

/// Axes of a reduction that is made of others.
fn all_axes(cx: &NodeContext<'_>, rank: usize) -> Outcome<Vec<usize>> {
    match given_axes(cx)?.filter(|axes| !axes.is_empty()) {
        Some(axes) => cx.axes(&axes, rank),
        None if cx.flag("noop_with_empty_axes")? => {
            Err(bad("noop_with_empty_axes without axes is not supported for a logarithm"))
        }
        None => Ok((0..rank).collect()),
    }
}

fn log_sum(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let axes = all_axes(cx, cx.shape(x).len())?;
    let keepdims = cx.int("keepdims")?.unwrap_or(1) != 0;
    let sum = cx.apply(Op::Reduce { kind: Reduction::Sum, axes, keepdims }, &[x])?;
    cx.unary(Unary::Log, sum)
}

/// Of what is left beside the maximum, so that no power is infinite; an infinite maximum is left where it is.
fn log_sum_exp(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let axes = all_axes(cx, cx.shape(x).len())?;
    let kept = without(&cx.shape(x), &axes, cx.int("keepdims")?.unwrap_or(1) != 0);
    let most = cx.apply(Op::Reduce { kind: Reduction::Max, axes: axes.clone(), keepdims: true }, &[x])?;
    let most = cx.unary(Unary::Clip(-f32::MAX, f32::MAX), most)?;
    let rest = cx.binary(Binary::Sub, x, most)?;
    let powers = cx.unary(Unary::Exp, rest)?;
    let sum = cx.apply(Op::Reduce { kind: Reduction::Sum, axes, keepdims: true }, &[powers])?;
    let log = cx.unary(Unary::Log, sum)?;
    let result = cx.binary(Binary::Add, log, most)?;
    cx.reshape(result, &kept)
}

fn convert(cx: &mut NodeContext<'_>, kind: Reduction) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let rank = cx.shape(x).len();
    let given = given_axes(cx)?;
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
    // Whether any of them, or all of them, are true.
    if cx.dtype(x) == DType::Bool && matches!(kind, Reduction::Max | Reduction::Min) {
        let ones = cx.apply(Op::Cast(DType::F32), &[x])?;
        let most = cx.apply(Op::Reduce { kind, axes, keepdims }, &[ones])?;
        let half = cx.scalar(0.5);
        return cx.binary(Binary::Greater, most, half);
    }
    cx.apply(Op::Reduce { kind, axes, keepdims }, &[x])
}
