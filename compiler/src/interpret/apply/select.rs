//! Operators that pick or place elements by computed indices.

use super::each_type;
use crate::ir::{Data, Tensor};

fn position(index: i64, extent: usize) -> Result<usize, String> {
    let at = if index < 0 { index.checked_add(extent as i64) } else { Some(index) };
    at.and_then(|at| usize::try_from(at).ok())
        .filter(|&at| at < extent)
        .ok_or_else(|| format!("index {index} is outside an axis of extent {extent}"))
}

fn integers(tensor: &Tensor) -> Result<&[i64], String> {
    tensor.as_i64().ok_or_else(|| format!("indices are {:?}, not integers", tensor.dtype()))
}

pub(super) fn gather(x: &Tensor, indices: &Tensor, axis: usize) -> Result<Tensor, String> {
    let &extent = x.shape.get(axis).ok_or_else(|| format!("axis {axis} of {:?}", x.shape))?;
    let at: Vec<usize> = integers(indices)?.iter().map(|&i| position(i, extent)).collect::<Result<_, _>>()?;
    let outer: usize = x.shape[..axis].iter().product();
    let inner: usize = x.shape[axis + 1..].iter().product();
    let data = each_type!(&x.data, v => {
        let mut result = Vec::with_capacity(outer * at.len() * inner);
        for i in 0..outer {
            for &k in &at {
                result.extend_from_slice(&v[(i * extent + k) * inner..][..inner]);
            }
        }
        result
    });
    let shape = [&x.shape[..axis], &indices.shape, &x.shape[axis + 1..]].concat();
    Ok(Tensor { shape, data })
}

pub(super) fn scatter_nd(x: &Tensor, indices: &Tensor, updates: &Tensor) -> Result<Tensor, String> {
    fn write<T: Copy>(into: &[T], at: &[usize], run: usize, updates: &[T]) -> Vec<T> {
        let mut result = into.to_vec();
        for (k, &at) in at.iter().enumerate() {
            result[at..][..run].copy_from_slice(&updates[k * run..][..run]);
        }
        result
    }
    let numbers = integers(indices)?;
    let (&depth, outer) = indices.shape.split_last().ok_or("indices without axes")?;
    if depth > x.shape.len() {
        return Err(format!("indices of {depth} axes into {:?}", x.shape));
    }
    let run: usize = x.shape[depth..].iter().product();
    if updates.shape != [outer, &x.shape[depth..]].concat() {
        return Err(format!("updates of shape {:?} for {:?}", updates.shape, indices.shape));
    }
    let count: usize = outer.iter().product();
    let at = (0..count)
        .map(|k| {
            let mut at = 0;
            for axis in 0..depth {
                at = at * x.shape[axis] + position(numbers[k * depth + axis], x.shape[axis])?;
            }
            Ok(at * run)
        })
        .collect::<Result<Vec<usize>, String>>()?;
    let data = match (&x.data, &updates.data) {
        (Data::F32(x), Data::F32(u)) => Data::F32(write(x, &at, run, u)),
        (Data::I64(x), Data::I64(u)) => Data::I64(write(x, &at, run, u)),
        (Data::Bool(x), Data::Bool(u)) => Data::Bool(write(x, &at, run, u)),
        _ => return Err(format!("updates of {:?} for {:?}", updates.dtype(), x.dtype())),
    };
    Ok(Tensor { shape: x.shape.clone(), data })
}
