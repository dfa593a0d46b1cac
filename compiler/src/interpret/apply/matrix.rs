//! Matrix products.

use super::floats;
use super::strided::{Rows, broadcast_strides};
use crate::ir::network::BinaryWeights;
use crate::ir::{Data, Tensor, broadcast};

/// NumPy's matmul; sums in f64.
pub(super) fn matmul(a: &Tensor, b: &Tensor) -> Result<Tensor, String> {
    let (u, v) = (floats(a)?, floats(b)?);
    let mismatch = || format!("a matrix product of {:?} and {:?}", a.shape, b.shape);
    if a.shape.is_empty() || b.shape.is_empty() {
        return Err(mismatch());
    }
    // A vector is a matrix of one row or column, which the result then loses.
    let left = if a.shape.len() == 1 { vec![1, a.shape[0]] } else { a.shape.clone() };
    let right = if b.shape.len() == 1 { vec![b.shape[0], 1] } else { b.shape.clone() };
    let (left_batch, [m, k]) = split(&left);
    let (right_batch, [rows, n]) = split(&right);
    if k != rows {
        return Err(mismatch());
    }
    let batch = broadcast(left_batch, right_batch).ok_or_else(mismatch)?;
    let strides = |shape: &[usize]| broadcast_strides(shape, &batch).ok_or_else(mismatch);
    let walk = Rows::new(&batch, [&strides(left_batch)?, &strides(right_batch)?]);
    let mut result = Vec::with_capacity(batch.iter().product::<usize>() * m * n);
    let mut sums = vec![0.0_f64; n];
    walk.for_each([0, 0], |[i, j]| {
        for step in 0..walk.len {
            let i = (i as usize + step * walk.steps[0] as usize) * m * k;
            let j = (j as usize + step * walk.steps[1] as usize) * k * n;
            for row in u[i..][..m * k].chunks_exact(k.max(1)) {
                sums.fill(0.0);
                for (&x, column) in row.iter().zip(v[j..][..k * n].chunks_exact(n.max(1))) {
                    for (sum, &w) in sums.iter_mut().zip(column) {
                        *sum += f64::from(x) * f64::from(w);
                    }
                }
                result.extend(sums.iter().map(|&sum| sum as f32));
            }
        }
    });
    let mut shape = batch;
    if a.shape.len() > 1 {
        shape.push(m);
    }
    if b.shape.len() > 1 {
        shape.push(n);
    }
    // A product over no elements at all is zero.
    result.resize(shape.iter().product(), 0.0);
    Ok(Tensor { shape, data: Data::F32(result) })
}

fn split(shape: &[usize]) -> (&[usize], [usize; 2]) {
    let (batch, matrix) = shape.split_at(shape.len() - 2);
    (batch, [matrix[0], matrix[1]])
}

/// Sums of +-1, exactly. Weights `[M][K]`.
pub(super) fn binary_matmul(x: &Tensor, weights: &BinaryWeights) -> Result<Tensor, String> {
    let values = floats(x)?;
    let (&k, outer) = x.shape.split_last().ok_or("a scalar")?;
    if k == 0 || !weights.signs.len().is_multiple_of(k) {
        return Err(format!("{} weights for {:?}", weights.signs.len(), x.shape));
    }
    let m = weights.signs.len() / k;
    let signs: Vec<i32> = weights.signs.iter().map(|&plus| if plus { 1 } else { -1 }).collect();
    let mut result = Vec::with_capacity(values.len() / k * m);
    for row in values.chunks_exact(k) {
        let row = whole_numbers(row)?;
        result.extend(signs.chunks_exact(k).map(|w| dot(&row, w) as f32));
    }
    Ok(Tensor { shape: [outer, &[m]].concat(), data: Data::F32(result) })
}

pub(super) fn dot(x: &[i32], w: &[i32]) -> i32 {
    x.iter().zip(w).map(|(x, w)| x * w).sum()
}

/// -1, +1 (or 0, where a sign met a zero) as integers.
pub(super) fn whole_numbers(values: &[f32]) -> Result<Vec<i32>, String> {
    values
        .iter()
        .map(|&x| match x {
            1.0 => Ok(1),
            -1.0 => Ok(-1),
            0.0 => Ok(0),
            _ => Err(format!("{x} is not a sign")),
        })
        .collect()
}
