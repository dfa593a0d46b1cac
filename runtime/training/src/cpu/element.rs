//! Element by element, in parallel.

use rayon::prelude::*;

use super::vectorised;

/// Elements that one thread takes at a time.
const PART: usize = 1 << 14;

/// `f` of each value.
pub(crate) fn map(x: &[f32], f: impl Fn(f32) -> f32 + Sync) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    y.par_chunks_mut(PART).zip(x.par_chunks(PART)).for_each(|(y, x)| {
        vectorised(|| y.iter_mut().zip(x).for_each(|(y, x)| *y = f(*x)));
    });
    y
}

/// `f` of each value and its partner, put in the place of the first.
pub(crate) fn update(y: &mut [f32], x: &[f32], f: impl Fn(f32, f32) -> f32 + Sync) {
    y.par_chunks_mut(PART).zip(x.par_chunks(PART)).for_each(|(y, x)| {
        vectorised(|| y.iter_mut().zip(x).for_each(|(y, x)| *y = f(*y, *x)));
    });
}
