//! Means of planes.

use rayon::prelude::*;

use super::{sum, vectorised};

/// The mean of each `plane` values of `x`.
pub(crate) fn of_planes(x: &[f32], plane: usize) -> Vec<f32> {
    x.par_chunks(plane).map(|x| vectorised(|| sum(x, |x| x)) / plane as f32).collect()
}
