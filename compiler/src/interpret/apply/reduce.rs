//! Operators that combine the elements along axes.

use super::floats;
use super::strided::{Rows, gather, strides};
use crate::ir::{Data, Reduction, Tensor};

/// Adds up in eight lanes, so that the loop can be vectorised; f64, so that the order does not matter in f32.
fn sum(values: &[f32], f: impl Fn(f64) -> f64) -> f64 {
    let mut lanes = [0.0; 8];
    let chunks = values.chunks_exact(8);
    let rest: f64 = chunks.remainder().iter().map(|&x| f(f64::from(x))).sum();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += f(f64::from(x));
        }
    }
    lanes.iter().sum::<f64>() + rest
}

fn combine_f32(kind: Reduction, values: &[f32]) -> f32 {
    let wide = match kind {
        Reduction::Mean => sum(values, |x| x) / values.len() as f64,
        Reduction::Sum => sum(values, |x| x),
        Reduction::Max => return values.iter().copied().fold(f32::NEG_INFINITY, f32::max),
        Reduction::Min => return values.iter().copied().fold(f32::INFINITY, f32::min),
        Reduction::Prod => values.iter().map(|&x| f64::from(x)).product(),
        Reduction::L1 => sum(values, f64::abs),
        Reduction::L2 => sum(values, |x| x * x).sqrt(),
        Reduction::SumSquare => sum(values, |x| x * x),
    };
    wide as f32
}

fn combine_i64(kind: Reduction, values: &[i64]) -> Result<i64, String> {
    let total = || values.iter().copied().fold(0, i64::wrapping_add);
    Ok(match kind {
        Reduction::Mean => total().checked_div(values.len() as i64).ok_or("the mean of nothing")?,
        Reduction::Sum => total(),
        Reduction::Max => values.iter().copied().max().ok_or("the maximum of nothing")?,
        Reduction::Min => values.iter().copied().min().ok_or("the minimum of nothing")?,
        Reduction::Prod => values.iter().copied().fold(1, i64::wrapping_mul),
        Reduction::L1 => values.iter().fold(0, |sum: i64, x| sum.wrapping_add(x.wrapping_abs())),
        Reduction::SumSquare => values.iter().fold(0, |sum: i64, x| sum.wrapping_add(x.wrapping_mul(*x))),
        Reduction::L2 => return Err("the L2 norm of integers".to_owned()),
    })
}

pub(super) fn reduce(x: &Tensor, kind: Reduction, axes: &[usize], keepdims: bool) -> Result<Tensor, String> {
    /// Gives `combine` the elements behind each element of the result, contiguous.
    fn run<T: Copy, R>(v: &[T], x: &[usize], axes: &[usize], mut combine: impl FnMut(&[T]) -> R) -> Vec<R> {
        let walk = strides(x);
        let of = |reduced: bool| {
            let chosen: Vec<usize> = (0..x.len()).filter(|axis| axes.contains(axis) == reduced).collect();
            let shape: Vec<usize> = chosen.iter().map(|&axis| x[axis]).collect();
            let steps: Vec<isize> = chosen.iter().map(|&axis| walk[axis]).collect();
            (shape, steps)
        };
        let ((kept, kept_steps), (reduced, reduced_steps)) = (of(false), of(true));
        let inner = Rows::new(&reduced, [&reduced_steps]);
        let contiguous = inner.steps == [1] && inner.len == reduced.iter().product::<usize>();
        let outer = Rows::new(&kept, [&kept_steps]);
        let mut result = Vec::with_capacity(kept.iter().product());
        outer.for_each([0], |[start]| {
            for i in 0..outer.len as isize {
                let at = start + i * outer.steps[0];
                if contiguous {
                    result.push(combine(&v[at as usize..][..inner.len]));
                } else {
                    result.push(combine(&gather(v, at, &reduced, &reduced_steps)));
                }
            }
        });
        result
    }
    if axes.iter().any(|&axis| axis >= x.shape.len()) {
        return Err(format!("axes {axes:?} of {:?}", x.shape));
    }
    let data = match &x.data {
        Data::F32(v) => Data::F32(run(v, &x.shape, axes, |values| combine_f32(kind, values))),
        Data::I64(v) => {
            Data::I64(run(v, &x.shape, axes, |values| combine_i64(kind, values)).into_iter().collect::<Result<_, _>>()?)
        }
        Data::Bool(_) => return Err("a reduction of booleans".to_owned()),
    };
    Ok(Tensor { shape: reduced_shape(&x.shape, axes, keepdims), data })
}

fn reduced_shape(shape: &[usize], axes: &[usize], keepdims: bool) -> Vec<usize> {
    let extents = shape.iter().enumerate();
    if keepdims {
        extents.map(|(axis, &extent)| if axes.contains(&axis) { 1 } else { extent }).collect()
    } else {
        extents.filter(|(axis, _)| !axes.contains(axis)).map(|(_, &extent)| extent).collect()
    }
}

/// Calls `line` with the position of the first element, and the distance of neighbours, of every line along `axis`.
fn lines(shape: &[usize], axis: usize, mut line: impl FnMut(usize, usize)) -> Result<(), String> {
    let &extent = shape.get(axis).ok_or_else(|| format!("axis {axis} of {shape:?}"))?;
    let inner: usize = shape[axis + 1..].iter().product();
    for outer in 0..shape[..axis].iter().product() {
        for i in 0..inner {
            line(outer * extent * inner + i, inner);
        }
    }
    Ok(())
}

pub(super) fn softmax(x: &Tensor, axis: usize, log: bool) -> Result<Tensor, String> {
    let v = floats(x)?;
    let mut result = vec![0.0; v.len()];
    let extent = x.shape.get(axis).copied().unwrap_or(0);
    lines(&x.shape, axis, |start, step| {
        let at = |k: usize| start + k * step;
        let highest = (0..extent).map(|k| v[at(k)]).fold(f32::NEG_INFINITY, f32::max);
        let shifted = |k: usize| f64::from(v[at(k)]) - f64::from(highest);
        let total: f64 = (0..extent).map(|k| shifted(k).exp()).sum();
        for k in 0..extent {
            let y = if log { shifted(k) - total.ln() } else { shifted(k).exp() / total };
            result[at(k)] = y as f32;
        }
    })?;
    Ok(Tensor { shape: x.shape.clone(), data: Data::F32(result) })
}

pub(super) fn arg_max(x: &Tensor, axis: usize, keepdims: bool, last: bool) -> Result<Tensor, String> {
    fn search<T: Copy + PartialOrd>(v: &[T], shape: &[usize], axis: usize, last: bool) -> Result<Vec<i64>, String> {
        let mut result = Vec::new();
        let extent = shape.get(axis).copied().unwrap_or(0);
        lines(shape, axis, |start, step| {
            let mut best = 0;
            for k in 1..extent {
                let (x, y) = (v[start + k * step], v[start + best * step]);
                if x > y || (last && x == y) {
                    best = k;
                }
            }
            result.push(best as i64);
        })?;
        Ok(result)
    }
    if x.is_empty() {
        return Err("the maximum of nothing".to_owned());
    }
    let indices = match &x.data {
        Data::F32(v) => search(v, &x.shape, axis, last)?,
        Data::I64(v) => search(v, &x.shape, axis, last)?,
        Data::Bool(_) => return Err("ArgMax of booleans".to_owned()),
    };
    Ok(Tensor { shape: reduced_shape(&x.shape, &[axis], keepdims), data: Data::I64(indices) })
}
