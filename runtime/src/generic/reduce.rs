//! Reductions over axes, softmax, argmax.

use super::window::fits;
use crate::math;
use crate::parts::{parts_mut, steps};

/// What a reduction computes. Sums and products are kept in f64 and rounded once, at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Sum divided by the number of elements.
    Mean,
    /// Sum.
    Sum,
    /// Maximum; NaN where there is one.
    Max,
    /// Minimum; NaN where there is one.
    Min,
    /// Product.
    Prod,
    /// Sum of magnitudes.
    L1,
    /// Square root of the sum of squares.
    L2,
    /// Sum of squares.
    SumSquare,
}

impl Reduction {
    fn start(self) -> f64 {
        match self {
            Reduction::Max => f64::NEG_INFINITY,
            Reduction::Min => f64::INFINITY,
            Reduction::Prod => 1.0,
            _ => 0.0,
        }
    }

    fn step(self, acc: f64, x: f32) -> f64 {
        let x = f64::from(x);
        match self {
            Reduction::Mean | Reduction::Sum => acc + x,
            Reduction::Max => {
                if x > acc || x.is_nan() {
                    x
                } else {
                    acc
                }
            }
            Reduction::Min => {
                if x < acc || x.is_nan() {
                    x
                } else {
                    acc
                }
            }
            Reduction::Prod => acc * x,
            Reduction::L1 => acc + x.abs(),
            Reduction::L2 | Reduction::SumSquare => acc + x * x,
        }
    }

    fn finish(self, acc: f64, count: usize) -> f32 {
        match self {
            Reduction::Mean => (acc / count as f64) as f32,
            Reduction::L2 => math::sqrt_f64(acc) as f32,
            _ => acc as f32,
        }
    }
}

/// Reduces over some axes of a tensor. The index into `x` is the sum of index times stride over the kept and the
/// reduced axes; `y` is dense over the kept ones. Elements are taken in the order of the reduced axes, last one fastest.
/// Writes nothing when the ranks differ or an index is out of range.
pub fn reduce(kind: Reduction, x: &[f32], kept: (&[usize], &[usize]), reduced: (&[usize], &[usize]), y: &mut [f32]) {
    let (extents, strides) = kept;
    let mut last = Some(0usize);
    for (&e, &s) in extents.iter().zip(strides).chain(reduced.0.iter().zip(reduced.1)) {
        if e == 0 {
            return;
        }
        last = (e - 1).checked_mul(s).zip(last).and_then(|(a, b)| a.checked_add(b));
    }
    if extents.len() != strides.len()
        || reduced.0.len() != reduced.1.len()
        || !fits(extents)
        || !fits(reduced.0)
        || y.len() < extents.iter().product()
        || last.is_none_or(|last| last >= x.len())
    {
        return;
    }
    reduce_kept(kind, x, extents, strides, reduced, y);
}

/// How many neighbouring results are computed at once.
const LANES: usize = 16;

fn reduce_kept(
    kind: Reduction,
    x: &[f32],
    extents: &[usize],
    strides: &[usize],
    reduced: (&[usize], &[usize]),
    y: &mut [f32],
) {
    let count = reduced.0.iter().product();
    match (extents, strides) {
        (&[e], &[s]) => {
            for first in steps(e, LANES) {
                let lanes = (e - first).min(LANES);
                let mut acc = [kind.start(); LANES];
                reduce_axes(kind, x, first * s, s, lanes, reduced, &mut acc);
                for (y, acc) in y.iter_mut().skip(first).zip(acc).take(lanes) {
                    *y = kind.finish(acc, count);
                }
            }
        }
        ([e, extents @ ..], [s, strides @ ..]) => {
            let inner = extents.iter().product();
            for (i, y) in parts_mut(y, inner).take(*e).enumerate() {
                reduce_kept(kind, x.get(i * s..).unwrap_or_default(), extents, strides, reduced, y);
            }
        }
        _ => reduce_kept(kind, x, &[1], &[0], reduced, y),
    }
}

/// Takes every element of the reduced axes into as many accumulators as there are lanes, `stride` apart.
fn reduce_axes(
    kind: Reduction,
    x: &[f32],
    at: usize,
    stride: usize,
    lanes: usize,
    (extents, strides): (&[usize], &[usize]),
    acc: &mut [f64; LANES],
) {
    match (extents, strides) {
        ([e, extents @ ..], [s, strides @ ..]) => {
            for i in 0..*e {
                reduce_axes(kind, x, at + i * s, stride, lanes, (extents, strides), acc);
            }
        }
        _ => {
            for (i, acc) in acc.iter_mut().take(lanes).enumerate() {
                if let Some(&x) = x.get(at + i * stride) {
                    *acc = kind.step(*acc, x);
                }
            }
        }
    }
}

/// Softmax, or its logarithm, along the middle axis of `[outer][len][inner]`. Sums in f64, in order. Writes nothing when
/// the slices are too short.
pub fn softmax(x: &[f32], y: &mut [f32], outer: usize, len: usize, inner: usize, log: bool) {
    if len == 0 || !fits(&[outer, len, inner]) || x.len().min(y.len()) < outer * len * inner {
        return;
    }
    for o in 0..outer {
        for i in 0..inner {
            let index = |j: usize| (o * len + j) * inner + i;
            let value = |j: usize| x.get(index(j)).copied().unwrap_or_default();
            let mut max = f32::NEG_INFINITY;
            for j in 0..len {
                max = if value(j) > max { value(j) } else { max };
            }
            let shifted = |j: usize| f64::from(value(j)) - f64::from(max);
            let mut sum = 0.0;
            for j in 0..len {
                sum += math::exp_f64(shifted(j));
            }
            let log_sum = if log { math::ln_f64(sum) } else { 0.0 };
            for j in 0..len {
                let v = shifted(j);
                if let Some(y) = y.get_mut(index(j)) {
                    *y = if log { v - log_sum } else { math::exp_f64(v) / sum } as f32;
                }
            }
        }
    }
}

/// Index of the maximum along the middle axis of `[outer][len][inner]`: the first of equal ones, or the last. NaN is larger
/// than nothing, and nothing is larger than NaN, so that one counts only where it comes first. Writes nothing when the
/// slices are too short.
pub fn argmax(x: &[f32], y: &mut [i64], outer: usize, len: usize, inner: usize, last: bool) {
    if !fits(&[outer, len, inner]) || x.len() < outer * len * inner || y.len() < outer * inner {
        return;
    }
    for o in 0..outer {
        for i in 0..inner {
            let value = |j: usize| x.get((o * len + j) * inner + i).copied().unwrap_or_default();
            let (mut best, mut max) = (0, value(0));
            for j in 1..len {
                let v = value(j);
                if v > max || (last && v >= max) {
                    max = v;
                    best = j;
                }
            }
            if let Some(y) = y.get_mut(o * inner + i) {
                *y = best as i64;
            }
        }
    }
}
