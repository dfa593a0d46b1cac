//! Batch normalisation by the statistics of a batch that several processes share: what [`norm`](super::norm) does, in
//! parts, for the sums of all processes are needed between them.
//!
//! Mean and variance are taken one after the other, as there: the squares' mean less the mean's square would lose what a
//! large mean hides.

use rayon::prelude::*;

use super::norm::{Channel, by_channel, forward_fixed};
use super::{sum, sum_of_pairs, vectorised};

/// Σ over the values of each channel, by the sum of each plane.
fn of_channels(x: &[f32], plane: usize, channels: usize, of_plane: impl Fn(usize, &[f32]) -> f32 + Sync) -> Vec<f64> {
    let of = |c: usize| {
        let planes = x.chunks_exact(plane).skip(c).step_by(channels);
        planes.map(|x| f64::from(vectorised(|| of_plane(c, x)))).sum()
    };
    (0..channels).into_par_iter().map(of).collect()
}

/// As [`norm::forward`](super::norm::forward); `everyones` makes sums over all processes' values of those over these.
pub(crate) fn shared_forward(
    x: &[f32],
    plane: usize,
    gamma: &[f32],
    beta: &[f32],
    epsilon: f32,
    everyones: impl Fn(&mut [f64]),
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let channels = gamma.len();
    let mut sums = of_channels(x, plane, channels, |_, x| sum(x, |x| x));
    sums.push((x.len() / channels) as f64);
    everyones(&mut sums);
    let count = sums.pop().unwrap_or_default();
    let mean: Vec<f32> = sums.iter().map(|sum| (sum / count) as f32).collect();
    let mut squares = of_channels(x, plane, channels, |c, x| {
        let mean = mean[c];
        sum(x, |x| (x - mean) * (x - mean))
    });
    everyones(&mut squares);
    let variance: Vec<f32> = squares.iter().map(|sum| (sum / count) as f32).collect();
    let channels: Vec<Channel> = gamma
        .iter()
        .zip(mean.iter().zip(&variance))
        .map(|(&gamma, (&mean, &variance))| Channel { gamma, mean, variance })
        .collect();
    (forward_fixed(x, plane, &channels, beta, epsilon), mean, variance)
}

/// As [`norm::backward`](super::norm::backward): the input's gradient is by all processes' values, those of γ and β by
/// these alone.
pub(crate) fn shared_backward(
    x: &[f32],
    plane: usize,
    channels: &[Channel],
    epsilon: f32,
    grad: &mut [f32],
    everyones: impl Fn(&mut [f64]),
) -> (Vec<f32>, Vec<f32>) {
    let n = channels.len();
    let planes = |c: usize| x.chunks_exact(plane).skip(c).step_by(n);
    // Of each channel's gradients, and of these times the normalised values.
    let own: Vec<[f64; 2]> = by_channel(grad, n, plane)
        .into_par_iter()
        .enumerate()
        .map(|(c, grads)| {
            let (center, inverse) = (channels[c].mean, channels[c].inverse(epsilon));
            let (mut all, mut along) = (0.0, 0.0);
            for (x, grad) in planes(c).zip(&grads) {
                all += f64::from(vectorised(|| sum(grad, |grad| grad)));
                along += f64::from(vectorised(|| sum_of_pairs(x, grad, |x, grad| grad * ((x - center) * inverse))));
            }
            [all, along]
        })
        .collect();
    let mut sums = own.as_flattened().to_vec();
    sums.push((x.len() / n) as f64);
    everyones(&mut sums);
    let count = sums.pop().unwrap_or_default();
    by_channel(grad, n, plane).into_par_iter().enumerate().for_each(|(c, mut grads)| {
        let (center, inverse) = (channels[c].mean, channels[c].inverse(epsilon));
        let [mean, slope] = [sums[2 * c], sums[2 * c + 1]].map(|sum| (sum / count) as f32);
        let scale = channels[c].gamma * inverse;
        for (x, grad) in planes(c).zip(&mut grads) {
            vectorised(|| {
                for (x, grad) in x.iter().zip(grad.iter_mut()) {
                    *grad = scale * (*grad - mean - (x - center) * inverse * slope);
                }
            });
        }
    });
    own.iter().map(|[all, along]| (*along as f32, *all as f32)).unzip()
}
