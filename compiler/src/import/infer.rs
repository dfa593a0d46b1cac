//! The shape and type of an operator's result, checked against its operands.

use super::Outcome;
use crate::diagnostics::{Code, Diagnostic};
use crate::interpret::output_extents;
use crate::ir::{Binary, DType, Layout, Op, Shape, Unary, Value, Window, Zero, broadcast};

fn mismatch(message: String) -> Diagnostic {
    Diagnostic::error(Code::ShapeMismatch, None, message)
}

fn unsupported(message: String) -> Diagnostic {
    Diagnostic::error(Code::Unsupported, None, message)
}

/// Infers the result of one operator. `target` is the shape wanted by operators whose parameters do not determine it
/// (Reshape, Expand, Slice).
pub(super) fn infer(op: &Op, operands: &[&Value], target: Option<&[usize]>) -> Outcome<(Shape, DType)> {
    let operand =
        |i: usize| operands.get(i).copied().ok_or_else(|| unsupported(format!("operand {i} of {op:?} is missing")));
    let x = operand(0)?;
    let shape = &x.shape;
    let same = |dtype: DType| Ok((shape.clone(), dtype));
    let in_range = |axis: usize| {
        if axis < shape.len() { Ok(()) } else { Err(mismatch(format!("axis {axis} of a value of shape {shape:?}"))) }
    };
    let float = |value: &Value| match value.dtype {
        DType::F32 => Ok(()),
        other => Err(unsupported(format!("the operand {:?} holds {other:?}, not floats", value.name))),
    };
    match op {
        Op::Sign(zero) => match x.dtype {
            DType::F32 => same(DType::F32),
            DType::I64 if *zero == Zero::Zero => same(DType::I64),
            other => Err(unsupported(format!("the sign of {other:?}"))),
        },
        Op::Unary(function) => match (x.dtype, function) {
            (DType::Bool, Unary::Not) => same(DType::Bool),
            (DType::I64, Unary::Neg | Unary::Abs) => same(DType::I64),
            (DType::F32, Unary::Not) => Err(unsupported("the negation of floats".to_owned())),
            (DType::F32, _) => same(DType::F32),
            (other, _) => Err(unsupported(format!("{function:?} of {other:?}"))),
        },
        Op::Binary(function) => {
            let y = operand(1)?;
            let result = broadcast(shape, &y.shape)
                .ok_or_else(|| mismatch(format!("operands of shapes {shape:?} and {:?} do not broadcast", y.shape)))?;
            Ok((result, binary_dtype(*function, x.dtype, y.dtype)?))
        }
        Op::PRelu => {
            let slope = operand(1)?;
            float(x)?;
            float(slope)?;
            if broadcast(shape, &slope.shape).as_ref() != Some(shape) {
                return Err(mismatch(format!("a slope of shape {:?} on {shape:?}", slope.shape)));
            }
            same(DType::F32)
        }
        Op::Where => {
            let (a, b) = (operand(1)?, operand(2)?);
            if x.dtype != DType::Bool || a.dtype != b.dtype {
                return Err(unsupported(format!("a choice by {:?} between {:?} and {:?}", x.dtype, a.dtype, b.dtype)));
            }
            let result = broadcast(&a.shape, &b.shape).and_then(|s| broadcast(&s, shape)).ok_or_else(|| {
                mismatch(format!("operands of shapes {shape:?}, {:?} and {:?} do not broadcast", a.shape, b.shape))
            })?;
            Ok((result, a.dtype))
        }
        Op::Cast(to) => same(*to),
        Op::Affine { axis, maps } => {
            float(x)?;
            if shape.get(*axis) != Some(&maps.len()) {
                return Err(mismatch(format!("{} channels of parameters for a value of shape {shape:?}", maps.len())));
            }
            same(DType::F32)
        }
        Op::Conv { window, groups, layout } => conv(operands, window, *groups, *layout),
        Op::BinaryConv { window, weights, groups } => {
            let [n, h, w, c] = image(x, Layout::ChannelsLast)?;
            let filter = window.kernel[0] * window.kernel[1] * c / groups.max(&1);
            let [oh, ow] = extents(window, h, w)?;
            Ok((vec![n, oh, ow, weights.signs.len() / filter.max(1)], DType::F32))
        }
        Op::BinaryMatMul { weights } => {
            let (&k, outer) = shape.split_last().ok_or_else(|| mismatch("a product with a scalar".to_owned()))?;
            Ok(([outer, &[weights.signs.len() / k.max(1)]].concat(), DType::F32))
        }
        Op::MatMul => {
            float(x)?;
            float(operand(1)?)?;
            Ok((matmul(shape, &operand(1)?.shape)?, DType::F32))
        }
        Op::MaxPool { window, layout } | Op::AveragePool { window, layout, .. } => {
            float(x)?;
            let [n, h, w, c] = image(x, *layout)?;
            let [oh, ow] = extents(window, h, w)?;
            Ok((from_image([n, oh, ow, c], *layout), DType::F32))
        }
        Op::Reduce { axes, keepdims, .. } => {
            if x.dtype == DType::Bool {
                return Err(unsupported("a reduction of booleans".to_owned()));
            }
            axes.iter().try_for_each(|&axis| in_range(axis))?;
            Ok((without(shape, axes, *keepdims), x.dtype))
        }
        Op::ArgMax { axis, keepdims, .. } => {
            in_range(*axis)?;
            if shape[*axis] == 0 || x.dtype == DType::Bool {
                return Err(unsupported(format!("the maximum of {:?} {shape:?}", x.dtype)));
            }
            Ok((without(shape, &[*axis], *keepdims), DType::I64))
        }
        Op::Softmax { axis, .. } => {
            float(x)?;
            in_range(*axis)?;
            same(DType::F32)
        }
        Op::Reshape => {
            let target = target.unwrap_or(shape);
            if size(target) != size(shape) {
                return Err(mismatch(format!("a value of shape {shape:?} cannot take the shape {target:?}")));
            }
            Ok((target.to_vec(), x.dtype))
        }
        Op::Expand => {
            let target = target.unwrap_or(shape);
            if broadcast(shape, target).as_deref() != Some(target) {
                return Err(mismatch(format!("a value of shape {shape:?} cannot be expanded to {target:?}")));
            }
            Ok((target.to_vec(), x.dtype))
        }
        Op::Slice { .. } => Ok((target.unwrap_or(shape).to_vec(), x.dtype)),
        Op::Transpose(perm) => {
            if perm.len() != shape.len() {
                return Err(mismatch(format!("a permutation of {} axes of a value of shape {shape:?}", perm.len())));
            }
            Ok((perm.iter().map(|&axis| shape[axis]).collect(), x.dtype))
        }
        Op::Concat { axis } => {
            in_range(*axis)?;
            let mut result = shape.clone();
            for other in &operands[1..] {
                let fits = other.shape.len() == shape.len()
                    && (0..shape.len()).all(|i| i == *axis || other.shape[i] == shape[i]);
                if !fits {
                    return Err(mismatch(format!(
                        "values of shapes {shape:?} and {:?} cannot be joined along axis {axis}",
                        other.shape
                    )));
                }
                if other.dtype != x.dtype {
                    return Err(unsupported(format!("{:?} joined to {:?}", other.dtype, x.dtype)));
                }
                result[*axis] = result[*axis].saturating_add(other.shape[*axis]);
            }
            Ok((result, x.dtype))
        }
        Op::Pad { before, after, .. } => {
            if before.len() != shape.len() || after.len() != shape.len() {
                return Err(mismatch(format!("padding of {} axes of a value of shape {shape:?}", before.len())));
            }
            let padded = (0..shape.len()).map(|i| before[i].saturating_add(shape[i]).saturating_add(after[i]));
            Ok((padded.collect(), x.dtype))
        }
        Op::Gather { axis } => {
            let indices = operand(1)?;
            in_range(*axis)?;
            if indices.dtype != DType::I64 {
                return Err(unsupported(format!("indices of {:?}", indices.dtype)));
            }
            Ok(([&shape[..*axis], &indices.shape, &shape[axis + 1..]].concat(), x.dtype))
        }
        Op::ScatterNd => {
            let (indices, updates) = (operand(1)?, operand(2)?);
            let fits = indices.shape.split_last().is_some_and(|(&depth, outer)| {
                depth <= shape.len() && updates.shape == [outer, &shape[depth..]].concat()
            });
            if !fits {
                return Err(mismatch(format!(
                    "indices of shape {:?} and updates of shape {:?} into {shape:?}",
                    indices.shape, updates.shape
                )));
            }
            if indices.dtype != DType::I64 || updates.dtype != x.dtype {
                return Err(unsupported(format!("updates of {:?} into {:?}", updates.dtype, x.dtype)));
            }
            same(x.dtype)
        }
    }
}

/// Number of elements; `None` where that number, or a product of some of the extents, is beyond all bounds.
pub(super) fn size(shape: &[usize]) -> Option<usize> {
    // Extents of 0 must not hide others whose products overflow later.
    let bound = shape.iter().try_fold(1_usize, |n, &extent| n.checked_mul(extent.max(1)));
    let bounded = shape.len() <= 64 && bound.is_some_and(|n| n <= 1 << 48);
    bounded.then(|| shape.iter().product())
}

fn binary_dtype(function: Binary, a: DType, b: DType) -> Outcome<DType> {
    use Binary::*;
    match (function, a, b) {
        (And | Or | Xor | Equal, DType::Bool, DType::Bool) => Ok(DType::Bool),
        (Equal | Less | LessOrEqual | Greater | GreaterOrEqual, _, _) if a == b && a != DType::Bool => Ok(DType::Bool),
        (Add | Sub | Mul | Div | Pow | Min | Max | Mod, _, _) if a == b && a != DType::Bool => Ok(a),
        _ => Err(unsupported(format!("{function:?} of {a:?} and {b:?}"))),
    }
}

/// Images, height, width, channels.
fn image(x: &Value, layout: Layout) -> Outcome<[usize; 4]> {
    match (&x.shape[..], layout) {
        (&[n, c, h, w], Layout::ChannelsFirst) | (&[n, h, w, c], Layout::ChannelsLast) => Ok([n, h, w, c]),
        _ => Err(mismatch(format!("an image is wanted, but {:?} has shape {:?}", x.name, x.shape))),
    }
}

fn from_image([n, h, w, c]: [usize; 4], layout: Layout) -> Shape {
    match layout {
        Layout::ChannelsFirst => vec![n, c, h, w],
        Layout::ChannelsLast => vec![n, h, w, c],
    }
}

fn extents(window: &Window, height: usize, width: usize) -> Outcome<[usize; 2]> {
    output_extents(window, height, width).ok_or_else(|| {
        mismatch(format!(
            "a window of {:?} (dilations {:?}) is larger than the image of {height}x{width} with padding {:?}",
            window.kernel, window.dilations, window.pads
        ))
    })
}

fn conv(operands: &[&Value], window: &Window, groups: usize, layout: Layout) -> Outcome<(Shape, DType)> {
    let &[x, weights, ..] = operands else { return Err(unsupported("a convolution without weights".to_owned())) };
    if let Some(value) = operands.iter().find(|v| v.dtype != DType::F32) {
        return Err(unsupported(format!("the operand {:?} holds {:?}, not floats", value.name, value.dtype)));
    }
    let [n, h, w, c] = image(x, layout)?;
    let &[o, per_group, kh, kw] = &weights.shape[..] else {
        return Err(mismatch(format!("weights of shape {:?}", weights.shape)));
    };
    if groups == 0 || o % groups != 0 || per_group.checked_mul(groups) != Some(c) {
        return Err(mismatch(format!(
            "weights of shape {:?} in {groups} group(s) do not fit an input of {c} channels",
            weights.shape
        )));
    }
    if [kh, kw] != window.kernel {
        return Err(mismatch(format!("weights of shape {:?} for a kernel of {:?}", weights.shape, window.kernel)));
    }
    if let Some(bias) = operands.get(2)
        && bias.shape != [o]
    {
        return Err(mismatch(format!("a bias of shape {:?} for {o} channels", bias.shape)));
    }
    let [oh, ow] = extents(window, h, w)?;
    Ok((from_image([n, oh, ow, o], layout), DType::F32))
}

fn matmul(a: &[usize], b: &[usize]) -> Outcome<Shape> {
    let wrong = || mismatch(format!("a matrix product of shapes {a:?} and {b:?}"));
    if a.is_empty() || b.is_empty() {
        return Err(wrong());
    }
    let (left, right) = (a.len().saturating_sub(2), b.len().saturating_sub(2));
    let rows = if b.len() == 1 { b[0] } else { b[right] };
    if a[a.len() - 1] != rows {
        return Err(wrong());
    }
    let mut shape = broadcast(&a[..left], &b[..right]).ok_or_else(wrong)?;
    if a.len() > 1 {
        shape.push(a[left]);
    }
    if b.len() > 1 {
        shape.push(b[right + 1]);
    }
    Ok(shape)
}

fn without(shape: &[usize], axes: &[usize], keepdims: bool) -> Shape {
    let extents = shape.iter().enumerate();
    if keepdims {
        extents.map(|(i, &extent)| if axes.contains(&i) { 1 } else { extent }).collect()
    } else {
        extents.filter(|(i, _)| !axes.contains(i)).map(|(_, &extent)| extent).collect()
    }
}
