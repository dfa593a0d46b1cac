//! The operators of QONNX: binary and quantised layers as Brevitas and FINN write them.
//! Source: the QONNX operator definitions (github.com/fastmachinelearning/qonnx).

use std::sync::Arc;

use super::Onnx;
use super::node::{NodeContext, bad, problem};
use crate::diagnostics::Code;
use crate::diagnostics::Outcome;
use crate::ir::{Binary, Op, Tensor, Unary, ValueId, Zero};

pub(super) static ONNX: &[Onnx] = &[
    Onnx::one("BipolarQuant", 1, bipolar_quant),
    Onnx::one("MultiThreshold", 1, multi_threshold),
    Onnx::one("Quant", 1, quant),
];

/// A parameter of numbers, all finite.
fn finite(cx: &NodeContext<'_>, i: usize, what: &str) -> Outcome<Arc<Tensor>> {
    let tensor = cx.parameter(i, what)?.ok_or_else(|| bad(format!("its {what} is missing")))?;
    all_finite(&tensor, what)?;
    Ok(tensor)
}

fn all_finite(tensor: &Tensor, what: &str) -> Outcome<()> {
    match tensor.to_f32().iter().find(|x| !x.is_finite()) {
        Some(x) => Err(problem(Code::BadInitializer, format!("its {what} holds {x}"))),
        None => Ok(()),
    }
}

fn all(tensor: &Tensor, value: f32) -> bool {
    tensor.to_f32().iter().all(|&x| x == value)
}

/// scale * (x >= 0 ? 1 : -1)
fn bipolar_quant(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let (x, scale) = (cx.operand(0)?, cx.operand(1)?);
    let values = finite(cx, 1, "scale")?;
    let sign = cx.apply(Op::Sign(Zero::Plus), &[x])?;
    let result = if all(&values, 1.0) { sign } else { cx.binary(Binary::Mul, sign, scale)? };
    same_shape(cx, x, result)
}

/// The parameters broadcast to the input, never the other way.
fn same_shape(cx: &NodeContext<'_>, x: ValueId, result: ValueId) -> Outcome<ValueId> {
    if cx.shape(x) == cx.shape(result) {
        Ok(result)
    } else {
        let message = format!("its parameters turn a value of shape {:?} into {:?}", cx.shape(x), cx.shape(result));
        Err(problem(Code::ShapeMismatch, message))
    }
}

/// out_scale * (number of thresholds <= x) + out_bias, per channel. With one threshold this is a sign.
fn multi_threshold(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let thresholds = finite(cx, 1, "thresholds")?;
    let shape = cx.shape(x);
    let &[channels, 1] = &thresholds.shape[..] else {
        return Err(problem(
            Code::UnknownOperator,
            format!("thresholds of shape {:?}: only one per channel is supported", thresholds.shape),
        ));
    };
    let axis = match cx.text("data_layout")?.as_deref() {
        Some("NHWC" | "NWC") => shape.len().saturating_sub(1),
        _ => 1,
    };
    if channels != 1 && shape.get(axis) != Some(&channels) {
        return Err(problem(
            Code::ShapeMismatch,
            format!("thresholds of {channels} channels on a value of shape {shape:?}"),
        ));
    }
    let mut per_channel = vec![1; shape.len()];
    if channels != 1 {
        per_channel[axis] = channels;
    }
    let (scale, bias) = (cx.float("out_scale", 1.0)?, cx.float("out_bias", 0.0)?);
    let shifted = if all(&thresholds, 0.0) {
        x
    } else {
        let threshold = cx.add_constant(Tensor::f32(per_channel, thresholds.to_f32()));
        cx.binary(Binary::Sub, x, threshold)?
    };
    let sign = cx.apply(Op::Sign(Zero::Plus), &[shifted])?;
    // The count is (sign + 1) / 2.
    let (factor, offset) = (scale / 2.0, scale / 2.0 + bias);
    let scaled = if factor == 1.0 {
        sign
    } else {
        let factor = cx.scalar(factor);
        cx.binary(Binary::Mul, sign, factor)?
    };
    if offset == 0.0 {
        return Ok(scaled);
    }
    let offset = cx.scalar(offset);
    cx.binary(Binary::Add, scaled, offset)
}

/// (round(clip(x / scale + zero_point)) - zero_point) * scale; one signed bit is a sign.
fn quant(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let (scale, zero_point, bits) =
        (finite(cx, 1, "scale")?, finite(cx, 2, "zero point")?, cx.float_parameter(3, "bit width")?);
    // Clipped to the codes, an infinite weight would look like any other.
    cx.constant(x).map_or(Ok(()), |weights| all_finite(&weights, "constant operand"))?;
    let bits = match bits {
        Some(bits) if (1.0..=32.0).contains(&bits) && bits.fract() == 0.0 => bits as i32,
        Some(bits) => return Err(bad(format!("its bit width is {bits}, not a whole number from 1 to 32"))),
        None => return Err(bad("its bit width is missing")),
    };
    let (signed, narrow) = (cx.int("signed")?.unwrap_or(1) != 0, cx.flag("narrow")?);
    let rounding = match cx.text("rounding_mode")?.as_deref().map(str::to_ascii_uppercase).as_deref() {
        None | Some("ROUND" | "HALF_EVEN") => Unary::Round,
        Some("CEIL") => Unary::Ceil,
        Some("FLOOR") => Unary::Floor,
        Some(other) => return Err(bad(format!("the rounding mode {other} is not supported"))),
    };
    let (has_scale, has_zero_point) = (!all(&scale, 1.0), !all(&zero_point, 0.0));
    let (scale, zero_point) = (cx.operand(1)?, cx.operand(2)?);
    let divided = if has_scale { cx.binary(Binary::Div, x, scale)? } else { x };
    let shifted = if has_zero_point { cx.binary(Binary::Add, divided, zero_point)? } else { divided };
    let whole = if signed && bits == 1 {
        cx.apply(Op::Sign(Zero::Plus), &[shifted])?
    } else {
        let power = |exponent: i32| f64::from(exponent).exp2();
        let (low, high) = match (signed, narrow) {
            (true, false) => (-power(bits - 1), power(bits - 1) - 1.0),
            (true, true) => (1.0 - power(bits - 1), power(bits - 1) - 1.0),
            (false, false) => (0.0, power(bits) - 1.0),
            (false, true) => (0.0, power(bits) - 2.0),
        };
        let clipped = cx.unary(Unary::Clip(low as f32, high as f32), shifted)?;
        cx.unary(rounding, clipped)?
    };
    let centred = if has_zero_point { cx.binary(Binary::Sub, whole, zero_point)? } else { whole };
    let result = if has_scale { cx.binary(Binary::Mul, centred, scale)? } else { centred };
    same_shape(cx, x, result)
}
