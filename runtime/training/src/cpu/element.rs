//! Element by element, in parallel.

use rayon::prelude::*;

use super::{buffers, vectorised};

/// Elements that one thread takes at a time.
const PART: usize = 1 << 14;

/// `f` of each value.
pub(crate) fn map(x: &[f32], f: impl Fn(f32) -> f32 + Sync) -> Vec<f32> {
    let mut y = buffers::take(x.len());
    y.par_chunks_mut(PART).zip(x.par_chunks(PART)).for_each(|(y, x)| {
        vectorised(|| y.iter_mut().zip(x).for_each(|(y, x)| *y = f(*x)));
    });
    y
}

/// `y = x`.
pub(crate) fn copy(y: &mut [f32], x: &[f32]) {
    y.par_chunks_mut(PART).zip(x.par_chunks(PART)).for_each(|(y, x)| y.copy_from_slice(x));
}

/// `f` of each value and its partner, put in the place of the first.
pub(crate) fn update(y: &mut [f32], x: &[f32], f: impl Fn(f32, f32) -> f32 + Sync) {
    y.par_chunks_mut(PART).zip(x.par_chunks(PART)).for_each(|(y, x)| {
        vectorised(|| y.iter_mut().zip(x).for_each(|(y, x)| *y = f(*y, *x)));
    });
}
