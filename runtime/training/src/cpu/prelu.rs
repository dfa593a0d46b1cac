//! PReLU of [n, channels, plane], of values that are first multiplied with a factor per picture and channel, or per
//! channel.

use rayon::prelude::*;

use super::{LANES, buffers, vectorised};

/// The factors and slopes of planes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planes<'a> {
    /// Values of a plane.
    pub(crate) len: usize,
    /// One per plane, or one per channel.
    pub(crate) factors: &'a [f32],
    /// One per channel.
    pub(crate) slopes: &'a [f32],
}

impl Planes<'_> {
    fn of(&self, number: usize) -> (f32, f32) {
        (self.factors[number % self.factors.len()], self.slopes[number % self.slopes.len()])
    }
}

/// z = factor · x where that is above 0, slope · z elsewhere.
pub(crate) fn forward(planes: Planes<'_>, x: &[f32]) -> Vec<f32> {
    let mut y = buffers::take(x.len());
    y.par_chunks_mut(planes.len).zip(x.par_chunks(planes.len)).enumerate().for_each(|(i, (y, x))| {
        let (factor, slope) = planes.of(i);
        vectorised(|| {
            for (y, x) in y.iter_mut().zip(x) {
                let z = factor * x;
                *y = if z > 0.0 { z } else { slope * z };
            }
        });
    });
    y
}

/// From the output's gradient, which becomes that of x: the gradients of the factors and of the slopes.
///
/// One sum per plane, added up in order.
pub(crate) fn backward(planes: Planes<'_>, x: &[f32], grad: &mut [f32]) -> (Vec<f32>, Vec<f32>) {
    let sums: Vec<(f32, f32)> = grad
        .par_chunks_mut(planes.len)
        .zip(x.par_chunks(planes.len))
        .enumerate()
        .map(|(i, (grad, x))| {
            let (factor, slope) = planes.of(i);
            vectorised(|| plane_backward(factor, slope, x, grad))
        })
        .collect();
    let mut of_factors = vec![0.0; planes.factors.len()];
    let mut of_slopes = vec![0.0; planes.slopes.len()];
    for (i, (factor, slope)) in sums.into_iter().enumerate() {
        of_factors[i % planes.factors.len()] += factor;
        of_slopes[i % planes.slopes.len()] += slope;
    }
    (of_factors, of_slopes)
}

#[inline(always)]
fn plane_backward(factor: f32, slope: f32, x: &[f32], grad: &mut [f32]) -> (f32, f32) {
    let (mut of_factor, mut of_slope) = ([0.0; LANES], [0.0; LANES]);
    let mut each = |x: &[f32], grad: &mut [f32]| {
        let sums = of_factor.iter_mut().zip(&mut of_slope);
        for ((of_factor, of_slope), (x, grad)) in sums.zip(x.iter().zip(grad)) {
            let z = factor * x;
            *of_slope += *grad * z.min(0.0);
            let of_z = if z > 0.0 { *grad } else { slope * *grad };
            *of_factor += of_z * x;
            *grad = of_z * factor;
        }
    };
    let ((whole, rest), (whole_grad, rest_grad)) = (x.as_chunks::<LANES>(), grad.as_chunks_mut::<LANES>());
    for (x, grad) in whole.iter().zip(whole_grad) {
        each(x, grad);
    }
    each(rest, rest_grad);
    (of_factor.iter().sum(), of_slope.iter().sum())
}
