//! Values that are known once shapes are.

use super::Onnx;
use super::element::DataType;
use super::node::{NodeContext, bad};
use crate::diagnostics::Outcome;
use crate::ir::{Data, Tensor, ValueId, size};

pub(super) static ONNX: &[Onnx] = &[
    Onnx::one("Constant", 1, constant).operands(0),
    Onnx::one("ConstantOfShape", 9, constant_of_shape),
    Onnx::one("Range", 11, range).operands(3),
    Onnx::one("Shape", 1, shape_of),
    Onnx::one("Size", 1, size_of),
];

fn constant(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let tensor = if let Some((tensor, kind)) = cx.tensor("value")? {
        let id = cx.add_constant(tensor);
        cx.set_element(id, kind);
        return Ok(id);
    } else if let Some(x) = cx.optional_float("value_float")? {
        Tensor::f32([], vec![x])
    } else if let Some(v) = cx.floats("value_floats")? {
        Tensor::f32([v.len()], v)
    } else if let Some(i) = cx.int("value_int")? {
        Tensor::i64([], vec![i])
    } else if let Some(v) = cx.ints("value_ints")? {
        Tensor::i64([v.len()], v)
    } else {
        return Err(bad("it holds no number: texts and sparse tensors are not supported"));
    };
    Ok(cx.add_constant(tensor))
}

/// Extents that must not be negative.
pub(super) fn extents(values: &[i64]) -> Outcome<Vec<usize>> {
    values
        .iter()
        .map(|&extent| usize::try_from(extent).map_err(|_| bad(format!("a negative extent among {values:?}"))))
        .collect()
}

fn constant_of_shape(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let shape = extents(&cx.int_parameter(0, "shape")?.ok_or_else(|| bad("its shape is missing"))?)?;
    let (value, kind) = cx.tensor("value")?.unwrap_or_else(|| (Tensor::f32([1], vec![0.0]), DataType::Float));
    if value.len() != 1 {
        return Err(bad(format!("its value has shape {:?}; one element is needed", value.shape)));
    }
    let len = size(&shape);
    cx.spend(len)?;
    let len = len.unwrap_or(0);
    let data = match value.data {
        Data::F32(v) => Data::F32(vec![v[0]; len]),
        Data::I64(v) => Data::I64(vec![v[0]; len]),
        Data::Bool(v) => Data::Bool(vec![v[0]; len]),
    };
    let id = cx.add_constant(Tensor { shape, data });
    cx.set_element(id, kind);
    Ok(id)
}

fn range(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let mut bounds = Vec::with_capacity(3);
    for (i, what) in ["start", "limit", "delta"].into_iter().enumerate() {
        let tensor = cx.parameter(i, what)?.ok_or_else(|| bad(format!("its {what} is missing")))?;
        if tensor.len() != 1 {
            return Err(bad(format!("its {what} must be one number")));
        }
        bounds.push(tensor);
    }
    let tensor = if let [Some(start), Some(limit), Some(delta)] = [0, 1, 2].map(|i| bounds[i].as_i64().map(|v| v[0])) {
        let count = steps(start as f64, limit as f64, delta as f64)?;
        cx.spend(Some(count))?;
        Tensor::i64([count], (0..count as i64).map(|k| start.wrapping_add(k.wrapping_mul(delta))).collect())
    } else {
        let [start, limit, delta] = [0, 1, 2].map(|i| bounds[i].to_f32()[0]);
        let count = steps(f64::from(start), f64::from(limit), f64::from(delta))?;
        cx.spend(Some(count))?;
        Tensor::f32([count], (0..count).map(|k| (f64::from(start) + k as f64 * f64::from(delta)) as f32).collect())
    };
    Ok(cx.add_constant(tensor))
}

fn steps(start: f64, limit: f64, delta: f64) -> Outcome<usize> {
    let count = ((limit - start) / delta).ceil();
    // An `as` cast saturates: the count is bounded by the caller.
    if count.is_nan() { Err(bad("a range without steps")) } else { Ok(count.max(0.0) as usize) }
}

fn shape_of(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let shape = cx.shape(x);
    let rank = shape.len() as i64;
    let clamp = |bound: i64| (if bound < 0 { bound.saturating_add(rank) } else { bound }).clamp(0, rank) as usize;
    let start = clamp(cx.int("start")?.unwrap_or(0));
    let end = clamp(cx.int("end")?.unwrap_or(rank)).max(start);
    let extents: Vec<i64> = shape[start..end].iter().map(|&extent| extent as i64).collect();
    Ok(whole(cx, Tensor::i64([extents.len()], extents)))
}

/// A constant of 64-bit integers, whatever the operands hold.
fn whole(cx: &mut NodeContext<'_>, tensor: Tensor) -> ValueId {
    let id = cx.add_constant(tensor);
    cx.set_element(id, DataType::Int64);
    id
}

fn size_of(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let len = size(&cx.shape(x)).unwrap_or(usize::MAX);
    Ok(whole(cx, Tensor::i64([], vec![len as i64])))
}
