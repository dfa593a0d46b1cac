//! Choices by conditions that are known when the model is compiled, or are simple ones of the operand.

use super::Onnx;
use super::element::{DataType, dtype};
use super::node::{NodeContext, bad, problem};
use crate::diagnostics::{Code, Outcome};
use crate::ir::{Binary, DType, Data, Op, Tensor, Unary, ValueId};

pub(super) static ONNX: &[Onnx] = &[
    Onnx::one("Trilu", 14, triangle).operands(2),
    Onnx::one("EyeLike", 9, eye),
    Onnx::one("OneHot", 9, one_hot).operands(3),
    Onnx::one("Shrink", 9, shrink),
    Onnx::one("Celu", 12, celu),
    Onnx::one("Swish", 24, swish),
    Onnx::one("IsNaN", 9, is_nan),
    Onnx::one("IsInf", 10, is_infinite),
];

fn zero(cx: &mut NodeContext<'_>, dtype: DType) -> ValueId {
    let data = match dtype {
        DType::F32 => Data::F32(vec![0.0]),
        DType::Bool => Data::Bool(vec![false]),
        _ => Data::I64(vec![0]),
    };
    cx.add_constant(Tensor { shape: Vec::new(), data })
}

/// The upper or lower triangle of the last two axes, from a diagonal on.
fn triangle(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let shape = cx.shape(x);
    let [.., rows, columns] = shape[..] else {
        return Err(problem(Code::ShapeMismatch, format!("a matrix is wanted, not {shape:?}")));
    };
    let diagonal = cx.int_parameter(1, "diagonal")?.and_then(|k| k.first().copied()).unwrap_or(0);
    let upper = cx.int("upper")?.unwrap_or(1) != 0;
    cx.spend(rows.checked_mul(columns))?;
    let keeps = |i: usize| {
        let apart = (i % columns) as i64 - (i / columns) as i64;
        if upper { apart >= diagonal } else { apart <= diagonal }
    };
    let mask = Tensor { shape: vec![rows, columns], data: Data::Bool((0..rows * columns).map(keeps).collect()) };
    let mask = cx.add_constant(mask);
    let dtype = cx.dtype(x);
    let zero = zero(cx, dtype);
    cx.apply(Op::Where, &[mask, x, zero])
}

/// Ones on a diagonal, in the shape of the operand.
fn eye(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let shape = cx.shape(x);
    let &[rows, columns] = &shape[..] else {
        return Err(problem(Code::ShapeMismatch, format!("a matrix is wanted, not {shape:?}")));
    };
    if cx.dtype(x) != DType::F32 && cx.constant(x).is_none() {
        return Err(problem(Code::Unsupported, format!("its operand holds {:?} at run time", cx.dtype(x))));
    }
    let diagonal = cx.int("k")?.unwrap_or(0);
    cx.spend(rows.checked_mul(columns))?;
    let on = (0..rows * columns).map(|i| (i % columns) as i64 - (i / columns) as i64 == diagonal);
    let (held, kind) = match cx.int("dtype")? {
        None => (cx.dtype(x), cx.element(x)),
        Some(number) => {
            let number = i32::try_from(number).unwrap_or(0);
            let known = dtype(number).zip(DataType::of(number));
            known.ok_or_else(|| bad(format!("elements of {} are not supported", name(number))))?
        }
    };
    let data = match held {
        DType::F32 => Data::F32(on.map(|on| f32::from(u8::from(on))).collect()),
        DType::Bool => Data::Bool(on.collect()),
        _ => Data::I64(on.map(i64::from).collect()),
    };
    let result = cx.add_constant(Tensor { shape, data });
    cx.set_element(result, kind);
    Ok(result)
}

fn name(number: i32) -> String {
    DataType::of(number).map_or_else(|| format!("type {number}"), |kind| kind.name().to_owned())
}

/// One of two values: the second where the index is the place on a new axis. A negative index counts from the end.
fn one_hot(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let (indices, values) = (cx.operand(0)?, cx.operand(2)?);
    let depth = cx.parameter(1, "depth")?.map(|depth| depth.to_f32());
    let depth = depth.and_then(|depth| depth.first().copied()).filter(|&n| (1.0..65536.0).contains(&n));
    let depth = depth.ok_or_else(|| bad("its depth must be one positive number"))? as usize;
    if cx.shape(values) != [2] {
        return Err(problem(Code::ShapeMismatch, format!("values of shape {:?}; two are needed", cx.shape(values))));
    }
    let mut shape = cx.shape(indices);
    let axis = cx.axis(cx.int("axis")?.unwrap_or(-1), shape.len() + 1)?;
    let mut along = vec![1; shape.len() + 1];
    along[axis] = depth;
    shape.insert(axis, 1);
    let indices = cx.reshape(indices, &shape)?;
    let kind = cx.dtype(indices);
    let mut places = |first: i64| {
        let numbers = (0..depth as i64).map(|i| i + first);
        let data = match kind {
            DType::F32 => Data::F32(numbers.map(|i| i as f32).collect()),
            _ => Data::I64(numbers.collect()),
        };
        cx.add_constant(Tensor { shape: along.clone(), data })
    };
    let (from_front, from_back) = (places(0), places(-(depth as i64)));
    let front = cx.binary(Binary::Equal, indices, from_front)?;
    let back = cx.binary(Binary::Equal, indices, from_back)?;
    let on = cx.binary(Binary::Or, front, back)?;
    let mut value = |at: usize| {
        let one = cx.apply_to(Op::Slice { starts: vec![at], steps: vec![1] }, &[values], Some(&[1]))?;
        cx.reshape(one, &[])
    };
    let (off_value, on_value) = (value(0)?, value(1)?);
    let operands = cx.alike(&[on, on_value, off_value])?;
    let result = cx.apply(Op::Where, &operands)?;
    let kind = cx.element(values);
    cx.set_element(result, kind);
    Ok(result)
}

/// x + bias below -lambd, x - bias above lambd, and 0 between.
fn shrink(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let (bias, bound) = (cx.float("bias", 0.0)?, cx.float("lambd", 0.5)?);
    let [bias, high, low, zero] = [bias, bound, -bound, 0.0].map(|number| cx.scalar(number));
    let above = cx.binary(Binary::Greater, x, high)?;
    let below = cx.binary(Binary::Less, x, low)?;
    let (less, more) = (cx.binary(Binary::Sub, x, bias)?, cx.binary(Binary::Add, x, bias)?);
    let upper = cx.apply(Op::Where, &[above, less, zero])?;
    cx.apply(Op::Where, &[below, more, upper])
}

/// max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)
fn celu(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let alpha = cx.float("alpha", 1.0)?;
    if alpha == 0.0 {
        return Err(bad("attribute \"alpha\" is 0"));
    }
    let (divisor, zero) = (cx.scalar(alpha), cx.scalar(0.0));
    let shrunk = cx.binary(Binary::Div, x, divisor)?;
    let shrunk = cx.binary(Binary::Min, shrunk, zero)?;
    let falling = cx.unary(Unary::Elu(alpha), shrunk)?;
    let rising = cx.unary(Unary::Relu, x)?;
    cx.binary(Binary::Add, rising, falling)
}

fn swish(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let alpha = cx.float("alpha", 1.0)?;
    let alpha = cx.scalar(alpha);
    let scaled = cx.binary(Binary::Mul, x, alpha)?;
    let gate = cx.unary(Unary::Sigmoid, scaled)?;
    cx.binary(Binary::Mul, x, gate)
}

/// NaN alone is not equal to itself.
fn is_nan(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let equal = cx.binary(Binary::Equal, x, x)?;
    cx.unary(Unary::Not, equal)
}

fn is_infinite(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let sides = ["detect_positive", "detect_negative"].map(|name| cx.int(name));
    let [positive, negative] = sides;
    let mut found = None;
    for (wanted, side) in [(positive?, f32::INFINITY), (negative?, f32::NEG_INFINITY)] {
        if wanted.unwrap_or(1) == 0 {
            continue;
        }
        let side = cx.scalar(side);
        let is = cx.binary(Binary::Equal, x, side)?;
        found = Some(found.map_or(Ok(is), |other| cx.binary(Binary::Or, other, is))?);
    }
    match found {
        Some(found) => Ok(found),
        None => {
            let less = cx.binary(Binary::Less, x, x)?;
            Ok(less)
        }
    }
}
