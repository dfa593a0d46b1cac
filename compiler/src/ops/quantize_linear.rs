//! ONNX's own quantisation: `QuantizeLinear`, `DequantizeLinear` and what computes its scale, as exact arithmetic.
//!
//! Integers of 8 and 16 bits (and fewer) that are computed at run time are floats that hold them: f32 has every integer up to 2^24, so
//! that quantising, shifting by a zero point and multiplying by a scale are what they are on integers. A zero point is added
//! last, and what is dequantised with the same one is read before it: codes around zero, times the scale, in one rounding.

use std::sync::Arc;

use super::element::DataType;
use super::node::{NodeContext, bad, problem};
use super::{Onnx, Results};
use crate::diagnostics::{Code, Outcome};
use crate::ir::{Binary, DType, Data, Op, Reduction, Tensor, Unary, ValueId, size, strides};

pub(super) static ONNX: &[Onnx] = &[
    Onnx::one("QuantizeLinear", 10, quantize_linear).operands(3),
    Onnx::one("DequantizeLinear", 10, dequantize_linear).operands(3),
    Onnx::many("DynamicQuantizeLinear", 11, dynamic),
];

/// Integers as floats that hold them.
pub(super) fn held(cx: &mut NodeContext<'_>, x: ValueId) -> Outcome<ValueId> {
    if cx.dtype(x) == DType::F32 { Ok(x) } else { cx.apply(Op::Cast(DType::F32), &[x]) }
}

/// The one number that all elements of a constant are.
fn one_number(cx: &NodeContext<'_>, id: ValueId) -> Option<f32> {
    let values = cx.constant(id)?.to_f32();
    let &first = values.first()?;
    values.iter().all(|&x| x == first).then_some(first)
}

/// Integers less their zero point, as floats.
pub(super) fn centred(cx: &mut NodeContext<'_>, q: ValueId, zero: Option<ValueId>, along: &Along) -> Outcome<ValueId> {
    let Some(zero) = zero.filter(|&zero| one_number(cx, zero) != Some(0.0)) else { return held(cx, q) };
    if let Some(before) = before_zero(cx, q, zero) {
        return Ok(before);
    }
    let zero = along.shaped(cx, zero)?;
    if cx.dtype(q) == DType::I64 && cx.dtype(zero) == DType::I64 {
        // Of 32 bits, which a float does not hold: rounded once, behind the difference.
        let difference = cx.binary(Binary::Sub, q, zero)?;
        return held(cx, difference);
    }
    let (q, zero) = (held(cx, q)?, held(cx, zero)?);
    cx.binary(Binary::Sub, q, zero)
}

/// What was quantised with this zero point, before it was added.
fn before_zero(cx: &NodeContext<'_>, q: ValueId, zero: ValueId) -> Option<ValueId> {
    let zero = one_number(cx, zero)?;
    let node = cx.graph().nodes.iter().rev().find(|node| node.output == q)?;
    let [x, added] = node.inputs[..] else { return None };
    (node.op == Op::Binary(Binary::Add) && one_number(cx, added) == Some(zero)).then_some(x)
}

/// How scales and zero points lie over a tensor: one, one for each index of an axis, or one for each block along it.
pub(super) struct Along {
    pub(super) shape: Vec<usize>,
    pub(super) axis: usize,
    pub(super) block: usize,
}

impl Along {
    fn of(cx: &NodeContext<'_>, x: ValueId, scale: ValueId) -> Outcome<Self> {
        let shape = cx.shape(x);
        let blocks = usize::try_from(cx.int("block_size")?.unwrap_or(0));
        let block = blocks.map_err(|_| bad("attribute \"block_size\" is negative"))?;
        let given = cx.int("axis")?.unwrap_or(1);
        let one = cx.shape(scale).iter().product::<usize>() == 1;
        let axis = if one && block == 0 { 0 } else { cx.axis(given, shape.len())? };
        Ok(Self { shape, axis, block })
    }

    /// A parameter as it is broadcast over the tensor.
    pub(super) fn shaped(&self, cx: &mut NodeContext<'_>, parameter: ValueId) -> Outcome<ValueId> {
        let own = cx.shape(parameter);
        let wrong = || {
            let message = format!("a scale or zero point of shape {own:?} for a tensor of shape {:?}", self.shape);
            problem(Code::ShapeMismatch, message)
        };
        if size(&own) == Some(1) {
            return cx.reshape(parameter, &[]);
        }
        if self.block == 0 {
            if own.len() != 1 || self.shape.get(self.axis) != Some(&own[0]) {
                return Err(wrong());
            }
            let mut shape = vec![1; self.shape.len()];
            shape[self.axis] = own[0];
            return cx.reshape(parameter, &shape);
        }
        let fits = own.len() == self.shape.len()
            && own.iter().zip(&self.shape).enumerate().all(|(axis, (&own, &all))| {
                if axis == self.axis { own == all.div_ceil(self.block) } else { own == all }
            });
        if !fits {
            return Err(wrong());
        }
        let Some(values) = cx.constant(parameter) else {
            return Err(problem(Code::NotConstant, "its scales, one for each block, must be known at compile time"));
        };
        cx.spend(size(&self.shape))?;
        let repeated = self.repeated(&values);
        Ok(cx.add_constant(repeated))
    }

    /// The parameter of each element's block.
    fn repeated(&self, values: &Tensor) -> Tensor {
        let (outer, inner) = (strides(&self.shape), strides(&values.shape));
        let place = |i: usize| -> usize {
            (0..self.shape.len())
                .map(|axis| {
                    let at = i / outer[axis] % self.shape[axis];
                    inner[axis] * if axis == self.axis { at / self.block } else { at }
                })
                .sum()
        };
        let len = self.shape.iter().product();
        let data = super::each_type!(&values.data, v => (0..len).map(|i| v[place(i)]).collect());
        Tensor { shape: self.shape.clone(), data }
    }
}

/// A scale, whose values, where they are known, are numbers other than 0.
fn checked_scale(cx: &NodeContext<'_>, scale: ValueId) -> Outcome<()> {
    let values: Option<Arc<Tensor>> = cx.constant(scale);
    match values.and_then(|values| values.to_f32().into_iter().find(|x| !x.is_finite() || *x == 0.0)) {
        Some(x) => Err(problem(Code::BadInitializer, format!("its scale holds {x}"))),
        None => Ok(()),
    }
}

/// saturate(x / scale, to the nearest integer, ties to even, + zero point)
pub(super) fn quantized(
    cx: &mut NodeContext<'_>,
    x: ValueId,
    scale: Option<ValueId>,
    zero: Option<ValueId>,
    kind: DataType,
    along: &Along,
) -> Outcome<ValueId> {
    let range = kind.range().filter(|_| kind.integer().is_some_and(|(bits, _)| bits <= 16));
    let Some((low, high)) = range else {
        return Err(problem(Code::UnknownOperator, format!("quantising to {} is not supported", kind.name())));
    };
    let step = match scale {
        None => Some(1.0),
        Some(scale) => one_number(cx, scale),
    };
    let whole = match (step, scale) {
        (None, Some(scale)) => {
            let scale = along.shaped(cx, scale)?;
            let divided = cx.binary(Binary::Div, x, scale)?;
            cx.unary(Unary::Quantize(1.0), divided)?
        }
        (step, _) => cx.unary(Unary::Quantize(step.unwrap_or(1.0)), x)?,
    };
    let offset = match zero {
        None => Some(0.0),
        Some(zero) => one_number(cx, zero),
    };
    let result = match (offset, zero) {
        (None, Some(zero)) => {
            let zero = along.shaped(cx, zero)?;
            let zero = held(cx, zero)?;
            let shifted = cx.binary(Binary::Add, whole, zero)?;
            cx.unary(Unary::Clip(low as f32, high as f32), shifted)?
        }
        (offset, _) => {
            let offset = offset.unwrap_or(0.0);
            let codes = cx.unary(Unary::Clip(low as f32 - offset, high as f32 - offset), whole)?;
            if offset == 0.0 {
                codes
            } else {
                let offset = cx.scalar(offset);
                cx.binary(Binary::Add, codes, offset)?
            }
        }
    };
    cx.set_element(result, kind);
    Ok(result)
}

fn quantize_linear(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let (x, scale, zero) = (cx.operand(0)?, cx.operand(1)?, cx.optional(2));
    checked_scale(cx, scale)?;
    let wanted = cx.int("output_dtype")?.filter(|&code| code != 0);
    let wanted = wanted.map(|code| i32::try_from(code).ok().and_then(DataType::of));
    let kind = match (zero, wanted) {
        (Some(zero), _) => cx.element(zero),
        (None, Some(Some(kind))) => kind,
        (None, Some(None)) => return Err(bad("attribute \"output_dtype\" names no type")),
        (None, None) => DataType::Uint8,
    };
    let x = held(cx, x)?;
    let along = Along::of(cx, x, scale)?;
    quantized(cx, x, Some(scale), zero, kind, &along)
}

/// (x - zero point) * scale
fn dequantize_linear(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let (q, scale, zero) = (cx.operand(0)?, cx.operand(1)?, cx.optional(2));
    checked_scale(cx, scale)?;
    let along = Along::of(cx, q, scale)?;
    let codes = centred(cx, q, zero, &along)?;
    let result = if one_number(cx, scale) == Some(1.0) {
        cx.reshape(codes, &along.shape)?
    } else {
        let scale = along.shaped(cx, scale)?;
        cx.binary(Binary::Mul, codes, scale)?
    };
    if result != q {
        cx.set_element(result, DataType::Float);
    }
    Ok(result)
}

/// To uint8, with the scale and zero point of what is at hand.
fn dynamic(cx: &mut NodeContext<'_>) -> Outcome<Results> {
    let x = cx.operand(0)?;
    let axes: Vec<usize> = (0..cx.shape(x).len()).collect();
    let bound = |cx: &mut NodeContext<'_>, kind: Reduction, function: Binary| {
        let all = cx.apply(Op::Reduce { kind, axes: axes.clone(), keepdims: false }, &[x])?;
        let zero = cx.scalar(0.0);
        cx.binary(function, all, zero)
    };
    let (least, most) = (bound(cx, Reduction::Min, Binary::Min)?, bound(cx, Reduction::Max, Binary::Max)?);
    let spread = cx.binary(Binary::Sub, most, least)?;
    let (codes, nothing, one) = (cx.scalar(255.0), cx.scalar(0.0), cx.scalar(1.0));
    let scale = cx.binary(Binary::Div, spread, codes)?;
    // Where all is zero, any scale will do.
    let is_zero = cx.binary(Binary::Equal, scale, nothing)?;
    let scale = cx.apply(Op::Where, &[is_zero, one, scale])?;
    let below = cx.unary(Unary::Neg, least)?;
    let along = Along { shape: Vec::new(), axis: 0, block: 0 };
    let zero = quantized(cx, below, Some(scale), None, DataType::Uint8, &along)?;
    let along = Along { shape: cx.shape(x), axis: 0, block: 0 };
    let y = quantized(cx, x, Some(scale), Some(zero), DataType::Uint8, &along)?;
    cx.set_element(scale, DataType::Float);
    Ok(vec![Some(y), Some(scale), Some(zero)])
}

/// The parameters of an integer product whose values are known.
pub(super) fn known(cx: &NodeContext<'_>, x: ValueId) -> Option<Vec<f32>> {
    cx.constant(x).map(|tensor| match &tensor.data {
        Data::F32(v) => v.clone(),
        _ => tensor.to_f32(),
    })
}
