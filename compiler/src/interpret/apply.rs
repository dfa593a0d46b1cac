//! One operator on constant operands: the constant evaluator of import, and one step of [`super::graph`].
//!
//! Written to be read, and to be right: sums are accumulated in f64 and rounded once, so that what it computes lies
//! nearer to real arithmetic than any f32 engine. The loops are ordered so that folding the latent weights of a
//! large network takes milliseconds.

mod elementwise;
mod matrix;
mod reduce;
mod select;
mod shape;
mod spatial;
mod strided;

use crate::ir::{Data, Op, Tensor};

pub(crate) use spatial::output_extents;

/// Applies one operator to its operands. Also the constant evaluator of import.
///
/// `output_shape` is the shape inferred for the result; operators whose parameters do not determine it (Reshape,
/// Expand, Slice) take it from there.
///
/// # Errors
/// A sentence saying why the operator cannot be applied to these operands.
pub fn apply(op: &Op, inputs: &[&Tensor], output_shape: &[usize]) -> Result<Tensor, String> {
    for tensor in inputs {
        let held = match &tensor.data {
            Data::F32(v) => v.len(),
            Data::I64(v) => v.len(),
            Data::Bool(v) => v.len(),
        };
        if held != tensor.len() {
            return Err(format!("an operand of shape {:?} holds {held} elements", tensor.shape));
        }
    }
    let operand = |i: usize| inputs.get(i).copied().ok_or_else(|| format!("operand {i} is missing"));
    let result = match op {
        Op::Sign(zero) => elementwise::sign(*zero, operand(0)?)?,
        Op::Unary(function) => elementwise::unary(*function, operand(0)?)?,
        Op::Binary(function) => elementwise::binary(*function, operand(0)?, operand(1)?)?,
        Op::PRelu => elementwise::prelu(operand(0)?, operand(1)?)?,
        Op::Where => elementwise::select(operand(0)?, operand(1)?, operand(2)?)?,
        Op::Cast(to) => elementwise::cast(operand(0)?, *to),
        Op::Affine { axis, maps } => elementwise::affine(operand(0)?, *axis, maps)?,
        Op::Conv { window, groups, layout } => {
            spatial::conv(operand(0)?, operand(1)?, inputs.get(2).copied(), window, *groups, *layout)?
        }
        Op::BinaryConv { window, groups, weights } => spatial::binary_conv(operand(0)?, weights, window, *groups)?,
        Op::BinaryMatMul { weights } => matrix::binary_matmul(operand(0)?, weights)?,
        Op::MatMul => matrix::matmul(operand(0)?, operand(1)?)?,
        Op::MaxPool { window, layout } => spatial::max_pool(operand(0)?, window, *layout)?,
        Op::AveragePool { window, count_include_pad, ceil_extra, layout } => {
            spatial::average_pool(operand(0)?, window, *count_include_pad, *ceil_extra, *layout)?
        }
        Op::Reduce { kind, axes, keepdims } => reduce::reduce(operand(0)?, *kind, axes, *keepdims)?,
        Op::Softmax { axis, log } => reduce::softmax(operand(0)?, *axis, *log)?,
        Op::ArgMax { axis, keepdims, last } => reduce::arg_max(operand(0)?, *axis, *keepdims, *last)?,
        Op::Reshape => shape::reshape(operand(0)?, output_shape)?,
        Op::Transpose(perm) => shape::transpose(operand(0)?, perm)?,
        Op::Concat { axis } => shape::concat(inputs, *axis)?,
        Op::Slice { starts, steps } => shape::slice(operand(0)?, starts, steps, output_shape)?,
        Op::Pad { before, after, value } => shape::pad(operand(0)?, before, after, *value)?,
        Op::Expand => shape::expand(operand(0)?, output_shape)?,
        Op::Gather { axis } => select::gather(operand(0)?, operand(1)?, *axis)?,
        Op::ScatterNd => select::scatter_nd(operand(0)?, operand(1)?, operand(2)?)?,
    };
    if result.shape != output_shape {
        return Err(format!("the result has shape {:?}, not {output_shape:?}", result.shape));
    }
    Ok(result)
}

/// The floats of an operand.
fn floats(tensor: &Tensor) -> Result<&[f32], String> {
    tensor.as_f32().ok_or_else(|| format!("an operand holds {:?} where floats are needed", tensor.dtype()))
}

/// Applies the same expression to the elements of any type; the result has that type.
macro_rules! each_type {
    ($data:expr, $v:ident => $body:expr) => {
        match $data {
            Data::F32($v) => Data::F32($body),
            Data::I64($v) => Data::I64($body),
            Data::Bool($v) => Data::Bool($body),
        }
    };
}
use each_type;

#[cfg(test)]
mod tests;
