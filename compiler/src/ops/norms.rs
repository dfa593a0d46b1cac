//! Normalisations by what is in the picture itself, and pools of powers, in terms of their steps.

use super::Onnx;
use super::node::{NodeContext, bad, problem};
use super::normalize::standardised;
use super::window::{planes_then_depth, resolve, volume, with_height, without_height};
use crate::diagnostics::{Code, Outcome};
use crate::ir::{Binary, Layout, Op, Reduction, Tensor, Unary, ValueId, Window};

pub(super) static ONNX: &[Onnx] = &[
    Onnx::one("InstanceNormalization", 6, instance).operands(3),
    Onnx::one("GroupNormalization", 18, group).operands(3),
    Onnx::one("RMSNormalization", 23, root_mean_square).operands(2),
    Onnx::one("MeanVarianceNormalization", 9, mean_variance),
    Onnx::one("LpNormalization", 1, by_norm),
    Onnx::one("LpPool", 2, pool),
    Onnx::one("GlobalLpPool", 2, global_pool),
];

/// The shape of a picture, which has channels.
fn picture(cx: &NodeContext<'_>, x: ValueId) -> Outcome<Vec<usize>> {
    let shape = cx.shape(x);
    if shape.len() > 2 {
        return Ok(shape);
    }
    Err(problem(Code::ShapeMismatch, format!("its operand has shape {shape:?}, without channels and places")))
}

/// x times the operand `scale` plus the operand `bias`, each one number for each of some axis.
fn affine(cx: &mut NodeContext<'_>, x: ValueId, axis: usize) -> Outcome<ValueId> {
    let shape = cx.shape(x);
    let mut along = vec![1; shape.len()];
    along[axis] = shape[axis];
    let mut result = x;
    for (i, function) in [(1, Binary::Mul), (2, Binary::Add)] {
        let given = cx.operand(i)?;
        if cx.shape(given) != [shape[axis]] {
            let message = format!("operand {i} of shape {:?} for {} channels or groups", cx.shape(given), shape[axis]);
            return Err(problem(Code::ShapeMismatch, message));
        }
        let given = cx.reshape(given, &along)?;
        result = cx.binary(function, result, given)?;
    }
    Ok(result)
}

fn instance(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let rank = picture(cx, x)?.len();
    let epsilon = cx.float("epsilon", 1e-5)?;
    let normal = standardised(cx, x, (2..rank).collect(), epsilon)?;
    affine(cx, normal, 1)
}

/// Scale and bias are a group's before opset 21, and a channel's from it on.
fn group(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let shape = picture(cx, x)?;
    let groups = cx.int("num_groups")?.and_then(|n| usize::try_from(n).ok());
    let groups = groups
        .filter(|&n| n > 0 && shape[1].is_multiple_of(n))
        .ok_or_else(|| bad(format!("attribute \"num_groups\" must divide the {} channels", shape[1])))?;
    let epsilon = cx.float("epsilon", 1e-5)?;
    let per_group = shape[1..].iter().product::<usize>() / groups;
    let grouped = cx.reshape(x, &[shape[0], groups, per_group])?;
    let normal = standardised(cx, grouped, vec![2], epsilon)?;
    if cx.opset() < 21 {
        let scaled = affine(cx, normal, 1)?;
        return cx.reshape(scaled, &shape);
    }
    let normal = cx.reshape(normal, &shape)?;
    affine(cx, normal, 1)
}

/// x over the root of the mean of its squares, over the axes from `axis` on.
fn root_mean_square(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let (x, scale) = (cx.operand(0)?, cx.operand(1)?);
    let rank = cx.shape(x).len();
    let first = cx.axis(cx.int("axis")?.unwrap_or(-1), rank)?;
    let epsilon = cx.float("epsilon", 1e-5)?;
    let square = cx.binary(Binary::Mul, x, x)?;
    let mean =
        cx.apply(Op::Reduce { kind: Reduction::Mean, axes: (first..rank).collect(), keepdims: true }, &[square])?;
    let epsilon = cx.scalar(epsilon);
    let mean = cx.binary(Binary::Add, mean, epsilon)?;
    let root = cx.unary(Unary::Sqrt, mean)?;
    let normal = cx.binary(Binary::Div, x, root)?;
    let result = cx.binary(Binary::Mul, normal, scale)?;
    if cx.shape(result) == cx.shape(x) {
        Ok(result)
    } else {
        let message = format!("a scale of shape {:?} for a value of shape {:?}", cx.shape(scale), cx.shape(x));
        Err(problem(Code::ShapeMismatch, message))
    }
}

fn mean_variance(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let axes = cx.ints("axes")?.unwrap_or_else(|| vec![0, 2, 3]);
    let axes = cx.axes(&axes, cx.shape(x).len())?;
    // Its epsilon stands beside the root, 1e-9; in the root it is the square.
    standardised(cx, x, axes, 1e-18)
}

/// p of an Lp norm.
fn order(cx: &NodeContext<'_>) -> Outcome<i64> {
    let p = cx.int("p")?.unwrap_or(2);
    if p > 0 { Ok(p) } else { Err(bad(format!("attribute \"p\" is {p}"))) }
}

/// x over its norm along an axis; where that is 0, 0.
fn by_norm(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let axis = cx.axis(cx.int("axis")?.unwrap_or(-1), cx.shape(x).len())?;
    let norm = norm(cx, x, vec![axis])?;
    let least = cx.scalar(f32::MIN_POSITIVE);
    let norm = cx.binary(Binary::Max, norm, least)?;
    cx.binary(Binary::Div, x, norm)
}

fn norm(cx: &mut NodeContext<'_>, x: ValueId, axes: Vec<usize>) -> Outcome<ValueId> {
    let p = order(cx)?;
    let kind = if p == 1 { Reduction::L1 } else { Reduction::L2 };
    if p <= 2 {
        return cx.apply(Op::Reduce { kind, axes, keepdims: true }, &[x]);
    }
    let powers = power(cx, x, p)?;
    let sum = cx.apply(Op::Reduce { kind: Reduction::Sum, axes, keepdims: true }, &[powers])?;
    root(cx, sum, p)
}

/// |x|^p
fn power(cx: &mut NodeContext<'_>, x: ValueId, p: i64) -> Outcome<ValueId> {
    if p == 2 {
        return cx.binary(Binary::Mul, x, x);
    }
    let size = cx.unary(Unary::Abs, x)?;
    if p == 1 {
        return Ok(size);
    }
    let p = cx.scalar(p as f32);
    cx.binary(Binary::Pow, size, p)
}

fn root(cx: &mut NodeContext<'_>, x: ValueId, p: i64) -> Outcome<ValueId> {
    match p {
        1 => Ok(x),
        2 => cx.unary(Unary::Sqrt, x),
        _ => {
            let p = cx.scalar((1.0 / p as f64) as f32);
            cx.binary(Binary::Pow, x, p)
        }
    }
}

fn global_pool(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let rank = picture(cx, x)?.len();
    norm(cx, x, (2..rank).collect())
}

/// The sum of the powers is a convolution with ones, channel by channel.
fn pool(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let (image, rank) = (volume(cx, x)?, cx.shape(x).len());
    let resolved = resolve(cx, &image, None, true)?;
    let p = order(cx)?;
    if let Some(depth) = &resolved.depth {
        let powers = power(cx, x, p)?;
        let sums = planes_then_depth(cx, powers, |cx, x, planes| {
            sums(cx, x, if planes { &resolved.window } else { &depth.window })
        })?;
        return root(cx, sums, p);
    }
    let x = with_height(cx, x)?;
    let powers = power(cx, x, p)?;
    let sums = sums(cx, powers, &resolved.window)?;
    let y = root(cx, sums, p)?;
    without_height(cx, y, rank)
}

fn sums(cx: &mut NodeContext<'_>, x: ValueId, window: &Window) -> Outcome<ValueId> {
    let channels = cx.shape(x)[1];
    let shape = vec![channels, 1, window.kernel[0], window.kernel[1]];
    cx.spend(crate::ir::size(&shape))?;
    let ones = vec![1.0; shape.iter().product()];
    let ones = cx.add_constant(Tensor::f32(shape, ones));
    cx.apply(Op::Conv { window: window.clone(), groups: channels, layout: Layout::ChannelsFirst }, &[x, ones])
}
