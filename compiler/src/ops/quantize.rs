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
    // The name that Quant has since the second version of the domain.
    Onnx::one("IntQuant", 1, quant),
    Onnx::one("MultiThreshold", 1, multi_threshold),
    Onnx::one("Quant", 1, quant),
    Onnx::one("Trunc", 1, trunc),
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

/// The most thresholds of a channel: of 8 bits.
const MOST_THRESHOLDS: usize = 255;

/// out_scale * (number of thresholds <= x) + out_bias, per channel. With one threshold this is a sign, with more a sum of signs.
fn multi_threshold(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let thresholds = finite(cx, 1, "thresholds")?;
    let shape = cx.shape(x);
    let &[channels, count @ 1..=MOST_THRESHOLDS] = &thresholds.shape[..] else {
        return Err(problem(
            Code::UnknownOperator,
            format!(
                "thresholds of shape {:?}: one to {MOST_THRESHOLDS} for each channel are supported",
                thresholds.shape
            ),
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
    let values = thresholds.to_f32();
    let mut sum = None;
    for k in 0..count {
        let column: Vec<f32> = values.iter().skip(k).step_by(count).copied().collect();
        let shifted = if column.iter().all(|&t| t == 0.0) {
            x
        } else {
            let threshold = cx.add_constant(Tensor::f32(per_channel.clone(), column));
            cx.binary(Binary::Sub, x, threshold)?
        };
        let sign = cx.apply(Op::Sign(Zero::Plus), &[shifted])?;
        sum = Some(match sum {
            None => sign,
            Some(sum) => cx.binary(Binary::Add, sum, sign)?,
        });
    }
    let sum = sum.ok_or_else(|| bad("it has no thresholds"))?;
    // The count is (sum + thresholds) / 2.
    let (factor, offset) = (scale / 2.0, scale / 2.0 * count as f32 + bias);
    let scaled = if factor == 1.0 {
        sum
    } else {
        let factor = cx.scalar(factor);
        cx.binary(Binary::Mul, sum, factor)?
    };
    if offset == 0.0 {
        return Ok(scaled);
    }
    let offset = cx.scalar(offset);
    cx.binary(Binary::Add, scaled, offset)
}

/// A whole number of bits.
fn bit_width(cx: &NodeContext<'_>, i: usize) -> Outcome<i32> {
    match cx.float_parameter(i, "bit width")? {
        Some(bits) if (1.0..=32.0).contains(&bits) && bits.fract() == 0.0 => Ok(bits as i32),
        Some(bits) => Err(bad(format!("its bit width is {bits}, not a whole number from 1 to 32"))),
        None => Err(bad("its bit width is missing")),
    }
}

/// The least and the largest integer of so many bits; a narrow range leaves out one.
fn integers(bits: i32, signed: bool, narrow: bool) -> (f32, f32) {
    let power = |exponent: i32| f64::from(exponent).exp2();
    let (low, high) = match (signed, narrow) {
        (true, false) => (-power(bits - 1), power(bits - 1) - 1.0),
        (true, true) => (1.0 - power(bits - 1), power(bits - 1) - 1.0),
        (false, false) => (0.0, power(bits) - 1.0),
        (false, true) => (0.0, power(bits) - 2.0),
    };
    (low as f32, high as f32)
}

/// To an integer, as the attribute `rounding_mode` says.
fn rounded(cx: &mut NodeContext<'_>, x: ValueId, default: &str) -> Outcome<ValueId> {
    let mode = cx.text("rounding_mode")?.unwrap_or_else(|| default.to_owned()).to_ascii_uppercase();
    // Away from zero and towards it are two functions, one of what is above zero and one of what is below.
    let (above, below, shift) = match mode.as_str() {
        "ROUND" | "HALF_EVEN" => return cx.unary(Unary::Round, x),
        "CEIL" => return cx.unary(Unary::Ceil, x),
        "FLOOR" => return cx.unary(Unary::Floor, x),
        "UP" => (Unary::Ceil, Unary::Floor, 0.0),
        "DOWN" => (Unary::Floor, Unary::Ceil, 0.0),
        "HALF_UP" => (Unary::Floor, Unary::Ceil, 0.5),
        "HALF_DOWN" => (Unary::Ceil, Unary::Floor, -0.5),
        other => return Err(bad(format!("the rounding mode {other} is not supported"))),
    };
    let mut half = |side: Unary, rounding: Unary, shift: f32| {
        let part = cx.unary(side, x)?;
        let part = if shift == 0.0 {
            part
        } else {
            let shift = cx.scalar(shift);
            cx.binary(Binary::Add, part, shift)?
        };
        cx.unary(rounding, part)
    };
    let positive = half(Unary::Relu, above, shift)?;
    let negative = half(Unary::Clip(f32::NEG_INFINITY, 0.0), below, -shift)?;
    cx.binary(Binary::Add, positive, negative)
}

/// (round(clip(x / scale + zero_point)) - zero_point) * scale; one signed bit is a sign.
fn quant(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let (scale, zero_point) = (finite(cx, 1, "scale")?, finite(cx, 2, "zero point")?);
    // Clipped to the codes, an infinite weight would look like any other.
    cx.constant(x).map_or(Ok(()), |weights| all_finite(&weights, "constant operand"))?;
    let bits = bit_width(cx, 3)?;
    let (signed, narrow) = (cx.int("signed")?.unwrap_or(1) != 0, cx.flag("narrow")?);
    let (has_scale, has_zero_point) = (!all(&scale, 1.0), !all(&zero_point, 0.0));
    let (scale, zero_point) = (cx.operand(1)?, cx.operand(2)?);
    let divided = if has_scale { cx.binary(Binary::Div, x, scale)? } else { x };
    let shifted = if has_zero_point { cx.binary(Binary::Add, divided, zero_point)? } else { divided };
    let whole = if signed && bits == 1 {
        cx.apply(Op::Sign(Zero::Plus), &[shifted])?
    } else {
        let (low, high) = integers(bits, signed, narrow);
        let clipped = cx.unary(Unary::Clip(low, high), shifted)?;
        rounded(cx, clipped, "ROUND")?
    };
    let centred = if has_zero_point { cx.binary(Binary::Sub, whole, zero_point)? } else { whole };
    let result = if has_scale { cx.binary(Binary::Mul, centred, scale)? } else { centred };
    same_shape(cx, x, result)
}

/// The upper bits of an integer: `(round(floor(round(x / scale + zero_point) / 2^n)) - zero_point) * scale` in the first version
/// of the domain; in the second, where it is given the scale of the result, that and its zero point.
fn trunc(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let (scale, zero_point) = (finite(cx, 1, "scale")?, finite(cx, 2, "zero point")?);
    let with_scale = cx.operand_count() > 5;
    let bits = bit_width(cx, if with_scale { 5 } else { 4 })?;
    let divisor = |scale: f32, out: f32| (out / scale).log2().round_ties_even().exp2();
    let (divisors, out_scale) = if with_scale {
        let out = finite(cx, 4, "scale of the result")?;
        let (scales, outs) = (scale.to_f32(), out.to_f32());
        let len = scales.len().max(outs.len());
        let at = |v: &[f32], i: usize| v[i.min(v.len() - 1)];
        if ![1, len].contains(&scales.len()) || ![1, len].contains(&outs.len()) || len == 0 {
            return Err(problem(Code::ShapeMismatch, "its scales have different shapes"));
        }
        let shape = if scales.len() == len { scale.shape.clone() } else { out.shape.clone() };
        let divisors = (0..len).map(|i| divisor(at(&scales, i), at(&outs, i))).collect();
        (Tensor::f32(shape, divisors), cx.operand(4)?)
    } else {
        let lost = bit_width(cx, 3)? - bits;
        (Tensor::f32([], vec![(lost as f32).exp2()]), cx.operand(1)?)
    };
    let (scale_value, zero_value) = (cx.operand(1)?, cx.operand(2)?);
    let divisor = cx.add_constant(divisors);
    let has_zero_point = !all(&zero_point, 0.0);
    let mut y = if all(&scale, 1.0) { x } else { cx.binary(Binary::Div, x, scale_value)? };
    if has_zero_point {
        y = cx.binary(Binary::Add, y, zero_value)?;
    }
    y = cx.unary(Unary::Round, y)?;
    y = cx.binary(Binary::Div, y, divisor)?;
    if with_scale {
        let (low, high) = integers(bits, cx.int("signed")?.unwrap_or(1) != 0, cx.flag("narrow")?);
        y = cx.unary(Unary::Clip(low, high), y)?;
    }
    y = rounded(cx, y, "FLOOR")?;
    if has_zero_point {
        let zero = if with_scale { cx.binary(Binary::Div, zero_value, divisor)? } else { zero_value };
        y = cx.binary(Binary::Sub, y, zero)?;
    }
    y = cx.binary(Binary::Mul, y, out_scale)?;
    same_shape(cx, x, y)
}
