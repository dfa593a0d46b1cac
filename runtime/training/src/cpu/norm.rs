//! Batch normalisation of [n, channels, plane]: a channel at a time, while its values are in the cache.

use rayon::prelude::*;

use super::{sum, sum_of_pairs, vectorised};

/// What normalises a channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Channel {
    pub(crate) gamma: f32,
    pub(crate) mean: f32,
    pub(crate) variance: f32,
}

impl Channel {
    /// 1 / standard deviation.
    fn inverse(&self, epsilon: f32) -> f32 {
        1.0 / (self.variance + epsilon).sqrt()
    }
}

/// The pictures' planes of each channel.
fn by_channel(values: &mut [f32], channels: usize, plane: usize) -> Vec<Vec<&mut [f32]>> {
    let pictures = values.len() / (channels * plane);
    let mut all: Vec<Vec<&mut [f32]>> = (0..channels).map(|_| Vec::with_capacity(pictures)).collect();
    for (i, plane) in values.chunks_exact_mut(plane).enumerate() {
        all[i % channels].push(plane);
    }
    all
}

/// Normalised by the batch's own mean and (biased) variance, which are returned too: y = (x - mean) · γ / σ + β.
pub(crate) fn forward(
    x: &[f32],
    plane: usize,
    gamma: &[f32],
    beta: &[f32],
    epsilon: f32,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let channels = gamma.len();
    let mut y = vec![0.0; x.len()];
    let statistics: Vec<(f32, f32)> = by_channel(&mut y, channels, plane)
        .into_par_iter()
        .enumerate()
        .map(|(c, mut y)| {
            let planes = || x.chunks_exact(plane).skip(c).step_by(channels);
            let count = (x.len() / channels) as f64;
            vectorised(|| {
                let mean = (planes().map(|x| f64::from(sum(x, |x| x))).sum::<f64>() / count) as f32;
                let squares = planes().map(|x| f64::from(sum(x, |x| (x - mean) * (x - mean)))).sum::<f64>();
                let channel = Channel { gamma: gamma[c], mean, variance: (squares / count) as f32 };
                apply(planes(), &mut y, channel, beta[c], epsilon);
                (mean, channel.variance)
            })
        })
        .collect();
    let (mean, variance) = statistics.into_iter().unzip();
    (y, mean, variance)
}

/// Normalised by given statistics.
pub(crate) fn forward_fixed(x: &[f32], plane: usize, channels: &[Channel], beta: &[f32], epsilon: f32) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    y.par_chunks_mut(plane).zip(x.par_chunks(plane)).enumerate().for_each(|(i, (y, x))| {
        let c = i % channels.len();
        vectorised(|| apply([x].into_iter(), &mut [y], channels[c], beta[c], epsilon));
    });
    y
}

#[inline(always)]
fn apply<'a>(x: impl Iterator<Item = &'a [f32]>, y: &mut [&mut [f32]], channel: Channel, beta: f32, epsilon: f32) {
    let scale = channel.gamma * channel.inverse(epsilon);
    for (y, x) in y.iter_mut().zip(x) {
        for (y, x) in y.iter_mut().zip(x) {
            *y = (x - channel.mean) * scale + beta;
        }
    }
}

/// From the output's gradient, which becomes the input's: the gradients of γ and β.
pub(crate) fn backward(
    x: &[f32],
    plane: usize,
    channels: &[Channel],
    epsilon: f32,
    grad: &mut [f32],
) -> (Vec<f32>, Vec<f32>) {
    let sums: Vec<(f32, f32)> = by_channel(grad, channels.len(), plane)
        .into_par_iter()
        .enumerate()
        .map(|(c, mut grads)| {
            let (channel, inverse) = (channels[c], channels[c].inverse(epsilon));
            let planes = || x.chunks_exact(plane).skip(c).step_by(channels.len());
            let count = (x.len() / channels.len()) as f64;
            vectorised(|| {
                let (mut all, mut along) = (0.0f64, 0.0f64);
                for (x, grad) in planes().zip(&grads) {
                    all += f64::from(sum(grad, |grad| grad));
                    along += f64::from(sum_of_pairs(x, grad, |x, grad| grad * ((x - channel.mean) * inverse)));
                }
                let (mean, slope) = ((all / count) as f32, (along / count) as f32);
                for (x, grad) in planes().zip(&mut grads) {
                    for (x, grad) in x.iter().zip(grad.iter_mut()) {
                        let normal = (x - channel.mean) * inverse;
                        *grad = channel.gamma * inverse * (*grad - mean - normal * slope);
                    }
                }
                (along as f32, all as f32)
            })
        })
        .collect();
    sums.into_iter().unzip()
}
