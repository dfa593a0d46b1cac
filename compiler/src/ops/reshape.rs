//! The same elements under another shape, or in another order of axes.

use super::node::{NodeContext, bad, problem};
use super::strided::{gather, strides};
use super::{Infer, Onnx, Operator, each_type, mismatch, mismatched};
use crate::diagnostics::Code;
use crate::diagnostics::Outcome;
use crate::ir::{DType, Data, Shape, Tensor, ValueId, size};

pub(super) static ONNX: &[Onnx] = &[
    Onnx::one("Reshape", 5, reshape).operands(2),
    Onnx::one("Flatten", 1, flatten),
    Onnx::one("Squeeze", 1, squeeze).growing(&[(1, 1), (13, 2)]),
    Onnx::one("Unsqueeze", 1, unsqueeze).growing(&[(1, 1), (13, 2)]),
    Onnx::one("Transpose", 1, transpose),
    Onnx::one("DepthToSpace", 1, depth_to_space),
    Onnx::one("SpaceToDepth", 1, space_to_depth),
];

/// x, same elements in the same order under the shape of the result
pub(super) struct Reshape;

impl Operator for Reshape {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        let (x, target) = (given.first()?, given.target()?);
        if size(target) != size(&x.shape) {
            return Err(mismatch(format!("a value of shape {:?} cannot take the shape {target:?}", x.shape)));
        }
        Ok((target.to_vec(), x.dtype))
    }

    fn apply(&self, inputs: &[&Tensor], shape: &[usize]) -> Result<Tensor, String> {
        let &[x] = inputs else { return Err(mismatched(inputs)) };
        if shape.iter().product::<usize>() != x.len() {
            return Err(format!("{:?} cannot be reshaped to {shape:?}", x.shape));
        }
        Ok(Tensor { shape: shape.to_vec(), data: x.data.clone() })
    }
}

/// x; axis `i` of the result is axis `perm[i]` of x
pub(super) struct Transpose<'a>(pub(super) &'a [usize]);

impl Operator for Transpose<'_> {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        let (x, perm) = (given.first()?, self.0);
        if perm.len() != x.shape.len() {
            return Err(mismatch(format!("a permutation of {} axes of a value of shape {:?}", perm.len(), x.shape)));
        }
        Ok((perm.iter().map(|&axis| x.shape[axis]).collect(), x.dtype))
    }

    fn apply(&self, inputs: &[&Tensor], _: &[usize]) -> Result<Tensor, String> {
        let &[x] = inputs else { return Err(mismatched(inputs)) };
        transposed(x, self.0)
    }
}

/// A tensor with its axes permuted.
pub(super) fn transposed(x: &Tensor, perm: &[usize]) -> Result<Tensor, String> {
    let mut sorted = perm.to_vec();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..x.shape.len()) {
        return Err(format!("{perm:?} is not a permutation of the axes of {:?}", x.shape));
    }
    let from = strides(&x.shape);
    let shape: Vec<usize> = perm.iter().map(|&axis| x.shape[axis]).collect();
    let steps: Vec<isize> = perm.iter().map(|&axis| from[axis]).collect();
    let data = each_type!(&x.data, v => gather(v, 0, &shape, &steps));
    Ok(Tensor { shape, data })
}

/// A parameter that is an attribute before some opset, and an operand from it on.
pub(super) fn ints(cx: &NodeContext<'_>, attribute: &str, operand: usize) -> Outcome<Option<Vec<i64>>> {
    match cx.ints(attribute)? {
        Some(values) => Ok(Some(values)),
        None => cx.int_parameter(operand, attribute),
    }
}

/// A parameter that must be there.
pub(super) fn required(values: Option<Vec<i64>>, what: &str) -> Outcome<Vec<i64>> {
    values.ok_or_else(|| bad(format!("its {what} is missing")))
}

/// 0 keeps the extent (unless `allowzero`), and one -1 takes what is left.
fn reshape(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let from = cx.shape(x);
    let wanted = required(cx.int_parameter(1, "shape")?, "shape")?;
    let keep_zero = cx.flag("allowzero")?;
    let mut open = None;
    let mut shape = Vec::with_capacity(wanted.len());
    for (i, &extent) in wanted.iter().enumerate() {
        shape.push(match extent {
            -1 if open.is_none() => {
                open = Some(i);
                1
            }
            0 if !keep_zero => *from.get(i).ok_or_else(|| bad(format!("extent {i} of {wanted:?} keeps nothing")))?,
            0.. => usize::try_from(extent).unwrap_or(usize::MAX),
            _ => return Err(bad(format!("the shape {wanted:?} is not one"))),
        });
    }
    if let Some(i) = open {
        let (all, others) = (size(&from), size(&shape));
        let rest =
            all.zip(others).and_then(|(all, others)| all.checked_div(others).filter(|rest| rest * others == all));
        shape[i] = rest.ok_or_else(|| {
            problem(Code::ShapeMismatch, format!("a value of shape {from:?} cannot take the shape {wanted:?}"))
        })?;
    }
    cx.reshape(x, &shape)
}

fn flatten(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let shape = cx.shape(x);
    // The axis may lie behind the last one.
    let given = cx.int("axis")?.unwrap_or(1);
    let axis = if given == shape.len() as i64 { shape.len() } else { cx.axis(given, shape.len())? };
    cx.reshape(x, &[shape[..axis].iter().product(), shape[axis..].iter().product()])
}

fn squeeze(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let shape = cx.shape(x);
    let axes = match ints(cx, "axes", 1)? {
        Some(axes) => cx.axes(&axes, shape.len())?,
        None => (0..shape.len()).filter(|&axis| shape[axis] == 1).collect(),
    };
    if let Some(&axis) = axes.iter().find(|&&axis| shape[axis] != 1) {
        return Err(problem(Code::ShapeMismatch, format!("axis {axis} of {shape:?} cannot be squeezed")));
    }
    let kept: Vec<usize> = (0..shape.len()).filter(|axis| !axes.contains(axis)).map(|axis| shape[axis]).collect();
    cx.reshape(x, &kept)
}

fn unsqueeze(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let shape = cx.shape(x);
    let axes = required(ints(cx, "axes", 1)?, "axes")?;
    let rank = shape.len() + axes.len();
    let axes = cx.axes(&axes, rank)?;
    let mut left = shape.iter();
    let wider: Vec<usize> =
        (0..rank).map(|axis| if axes.contains(&axis) { 1 } else { left.next().copied().unwrap_or(1) }).collect();
    cx.reshape(x, &wider)
}

fn transpose(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let rank = cx.shape(x).len();
    let perm: Vec<usize> = match cx.ints("perm")? {
        Some(given) => {
            cx.axes(&given, rank)?;
            if given.len() != rank {
                return Err(problem(Code::ShapeMismatch, format!("perm {given:?} of a value of {rank} dimensions")));
            }
            given.iter().map(|&axis| cx.axis(axis, rank)).collect::<Outcome<_>>()?
        }
        None => (0..rank).rev().collect(),
    };
    cx.transpose(x, perm)
}

fn block_size(cx: &NodeContext<'_>) -> Outcome<usize> {
    let size = cx.int("blocksize")?.and_then(|b| usize::try_from(b).ok()).filter(|&b| b > 0 && b < 1 << 16);
    size.ok_or_else(|| bad("attribute \"blocksize\" must be positive"))
}

fn depth_to_space(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let b = block_size(cx)?;
    let shape = cx.shape(x);
    let &[n, c, h, w] = &shape[..] else {
        return Err(problem(Code::ShapeMismatch, format!("an image is wanted, not {shape:?}")));
    };
    if c == 0 || c % (b * b) != 0 {
        return Err(problem(Code::ShapeMismatch, format!("{c} channels in blocks of {b}x{b}")));
    }
    let depth = c / (b * b);
    let (split, perm) = match cx.text("mode")?.as_deref() {
        None | Some("DCR") => ([n, b, b, depth, h, w], vec![0, 3, 4, 1, 5, 2]),
        Some("CRD") => ([n, depth, b, b, h, w], vec![0, 1, 4, 2, 5, 3]),
        Some(other) => return Err(bad(format!("the mode {other:?} is not known"))),
    };
    let x = cx.reshape(x, &split)?;
    let x = cx.transpose(x, perm)?;
    cx.reshape(x, &[n, depth, h * b, w * b])
}

fn space_to_depth(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let b = block_size(cx)?;
    let shape = cx.shape(x);
    let &[n, c, h, w] = &shape[..] else {
        return Err(problem(Code::ShapeMismatch, format!("an image is wanted, not {shape:?}")));
    };
    if h == 0 || w == 0 || h % b != 0 || w % b != 0 {
        return Err(problem(Code::ShapeMismatch, format!("an image of {h}x{w} in blocks of {b}x{b}")));
    }
    let x = cx.reshape(x, &[n, c, h / b, b, w / b, b])?;
    let perm = match cx.text("mode")?.as_deref() {
        None | Some("DCR") => vec![0, 3, 5, 1, 2, 4],
        Some("CRD") => vec![0, 1, 3, 5, 2, 4],
        Some(other) => return Err(bad(format!("the mode {other:?} is not known"))),
    };
    let x = cx.transpose(x, perm)?;
    cx.reshape(x, &[n, c * b * b, h / b, w / b])
}
