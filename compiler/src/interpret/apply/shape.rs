//! Operators that move elements without changing them.

use super::each_type;
use super::strided::{broadcast_strides, gather, strides};
use crate::ir::{Data, Tensor};

pub(super) fn reshape(x: &Tensor, shape: &[usize]) -> Result<Tensor, String> {
    if shape.iter().product::<usize>() != x.len() {
        return Err(format!("{:?} cannot be reshaped to {shape:?}", x.shape));
    }
    Ok(Tensor { shape: shape.to_vec(), data: x.data.clone() })
}

pub(super) fn transpose(x: &Tensor, perm: &[usize]) -> Result<Tensor, String> {
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

pub(super) fn expand(x: &Tensor, shape: &[usize]) -> Result<Tensor, String> {
    let steps =
        broadcast_strides(&x.shape, shape).ok_or_else(|| format!("{:?} cannot be expanded to {shape:?}", x.shape))?;
    let data = each_type!(&x.data, v => gather(v, 0, shape, &steps));
    Ok(Tensor { shape: shape.to_vec(), data })
}

pub(super) fn slice(x: &Tensor, starts: &[usize], steps: &[isize], shape: &[usize]) -> Result<Tensor, String> {
    let rank = x.shape.len();
    if [starts.len(), steps.len(), shape.len()] != [rank; 3] {
        return Err(format!("a slice of {} axes of {:?}", starts.len(), x.shape));
    }
    let mut at = 0;
    let mut walk = strides(&x.shape);
    for axis in 0..rank {
        if shape[axis] > 0 {
            let last = starts[axis] as isize + (shape[axis] as isize - 1) * steps[axis];
            if starts[axis] >= x.shape[axis] || last < 0 || last >= x.shape[axis] as isize {
                return Err(format!("a slice reaches outside axis {axis} of {:?}", x.shape));
            }
        }
        at += starts[axis] as isize * walk[axis];
        walk[axis] *= steps[axis];
    }
    let data = each_type!(&x.data, v => gather(v, at, shape, &walk));
    Ok(Tensor { shape: shape.to_vec(), data })
}

pub(super) fn concat(inputs: &[&Tensor], axis: usize) -> Result<Tensor, String> {
    fn join<'a, T: Copy + 'a>(parts: &[(&'a [T], usize)], outer: usize) -> Vec<T> {
        let mut result = Vec::with_capacity(parts.iter().map(|(v, _)| v.len()).sum());
        for i in 0..outer {
            for (values, run) in parts {
                result.extend_from_slice(&values[i * run..][..*run]);
            }
        }
        result
    }
    let first = *inputs.first().ok_or("nothing to concatenate")?;
    if axis >= first.shape.len() {
        return Err(format!("axis {axis} of {:?}", first.shape));
    }
    let mut shape = first.shape.clone();
    shape[axis] = 0;
    for tensor in inputs {
        let fits = tensor.shape.len() == shape.len()
            && (0..shape.len()).all(|i| i == axis || tensor.shape[i] == shape[i])
            && tensor.dtype() == first.dtype();
        if !fits {
            return Err(format!("{:?} does not join {:?} along axis {axis}", tensor.shape, first.shape));
        }
        shape[axis] += tensor.shape[axis];
    }
    let outer: usize = shape[..axis].iter().product();
    let run = |t: &Tensor| t.shape[axis..].iter().product::<usize>();
    // The match is on the first operand's type; all have the same.
    macro_rules! joined {
        ($variant:ident) => {{
            let parts: Vec<_> = inputs
                .iter()
                .filter_map(|t| match &t.data {
                    Data::$variant(v) => Some((&v[..], run(t))),
                    _ => None,
                })
                .collect();
            Data::$variant(join(&parts, outer))
        }};
    }
    let data = match &first.data {
        Data::F32(_) => joined!(F32),
        Data::I64(_) => joined!(I64),
        Data::Bool(_) => joined!(Bool),
    };
    Ok(Tensor { shape, data })
}

pub(super) fn pad(x: &Tensor, before: &[usize], after: &[usize], value: f32) -> Result<Tensor, String> {
    fn place<T: Copy>(from: &[T], x: &[usize], shape: &[usize], before: &[usize], value: T) -> Vec<T> {
        let mut result = vec![value; shape.iter().product()];
        let Some((&row, outer)) = x.split_last() else { return from.to_vec() };
        if from.is_empty() {
            return result;
        }
        let walk = strides(shape);
        let mut index = vec![0; outer.len()];
        for line in from.chunks_exact(row) {
            let at: usize = (0..x.len())
                .map(|axis| (before[axis] + index.get(axis).copied().unwrap_or(0)) * walk[axis] as usize)
                .sum();
            result[at..][..row].copy_from_slice(line);
            for axis in (0..outer.len()).rev() {
                index[axis] += 1;
                if index[axis] < outer[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        result
    }
    let rank = x.shape.len();
    if before.len() != rank || after.len() != rank {
        return Err(format!("padding of {} axes of {:?}", before.len(), x.shape));
    }
    let shape: Vec<usize> = (0..rank).map(|axis| before[axis] + x.shape[axis] + after[axis]).collect();
    let data = match &x.data {
        Data::F32(v) => Data::F32(place(v, &x.shape, &shape, before, value)),
        Data::I64(v) => Data::I64(place(v, &x.shape, &shape, before, value as i64)),
        Data::Bool(v) => Data::Bool(place(v, &x.shape, &shape, before, value != 0.0)),
    };
    Ok(Tensor { shape, data })
}
