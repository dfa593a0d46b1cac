//! Batch normalisation of [n, channels, plane]: a channel at a time, while its values are in the cache.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{buffers, sum, sum_of_pairs, vectorised, with_simd};

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
pub(super) fn by_channel(values: &mut [f32], channels: usize, plane: usize) -> Vec<Vec<&mut [f32]>> {
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
    let mut y = buffers::take(x.len());
    let statistics: Vec<(f32, f32)> = by_channel(&mut y, channels, plane)
        .into_par_iter()
        .enumerate()
        .map(|(c, y)| {
            let x = x.chunks_exact(plane).skip(c).step_by(channels);
            with_simd(Forward { x, y, gamma: gamma[c], beta: beta[c], epsilon })
        })
        .collect();
    let (mean, variance) = statistics.into_iter().unzip();
    (y, mean, variance)
}

/// One channel: its mean and variance.
struct Forward<'a, I> {
    x: I,
    y: Vec<&'a mut [f32]>,
    gamma: f32,
    beta: f32,
    epsilon: f32,
}

impl<'a, I: Iterator<Item = &'a [f32]> + Clone> WithSimd for Forward<'_, I> {
    type Output = (f32, f32);

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) -> (f32, f32) {
        let count = self.y.iter().map(|y| y.len()).sum::<usize>() as f64;
        let (mut all, mut squares) = (0.0, 0.0);
        for x in self.x.clone() {
            all += f64::from(sum(x, |x| x));
        }
        let mean = (all / count) as f32;
        for x in self.x.clone() {
            squares += f64::from(sum(x, |x| (x - mean) * (x - mean)));
        }
        let channel = Channel { gamma: self.gamma, mean, variance: (squares / count) as f32 };
        apply(self.x, &mut self.y, channel, self.beta, self.epsilon);
        (mean, channel.variance)
    }
}

/// Normalised by given statistics.
pub(crate) fn forward_fixed(x: &[f32], plane: usize, channels: &[Channel], beta: &[f32], epsilon: f32) -> Vec<f32> {
    let mut y = buffers::take(x.len());
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
        .map(|(c, grads)| {
            let x = x.chunks_exact(plane).skip(c).step_by(channels.len());
            with_simd(Back { x, grads, channel: channels[c], epsilon })
        })
        .collect();
    sums.into_iter().unzip()
}

/// One channel: the gradients of its γ and β.
struct Back<'a, I> {
    x: I,
    grads: Vec<&'a mut [f32]>,
    channel: Channel,
    epsilon: f32,
}

impl<'a, I: Iterator<Item = &'a [f32]> + Clone> WithSimd for Back<'_, I> {
    type Output = (f32, f32);

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) -> (f32, f32) {
        let count = self.grads.iter().map(|grads| grads.len()).sum::<usize>() as f64;
        let [all, along] = grad_sums(self.x.clone(), &self.grads, self.channel, self.epsilon);
        let means = [all, along].map(|sum| (sum / count) as f32);
        apply_back(self.x, &mut self.grads, self.channel, self.epsilon, means);
        (along as f32, all as f32)
    }
}

/// Of a channel's gradients: their sum, and that of their products with the normalised values.
#[inline(always)]
pub(super) fn grad_sums<'a>(
    x: impl Iterator<Item = &'a [f32]>,
    grads: &[&mut [f32]],
    channel: Channel,
    epsilon: f32,
) -> [f64; 2] {
    let (center, inverse) = (channel.mean, channel.inverse(epsilon));
    let (mut all, mut along) = (0.0, 0.0);
    for (x, grad) in x.zip(grads) {
        all += f64::from(sum(grad, |grad| grad));
        along += f64::from(sum_of_pairs(x, grad, |x, grad| grad * ((x - center) * inverse)));
    }
    [all, along]
}

/// A channel's gradients become those of its input, by the means of what [`grad_sums`] adds up.
#[inline(always)]
pub(super) fn apply_back<'a>(
    x: impl Iterator<Item = &'a [f32]>,
    grads: &mut [&mut [f32]],
    channel: Channel,
    epsilon: f32,
    [mean, slope]: [f32; 2],
) {
    let (center, inverse) = (channel.mean, channel.inverse(epsilon));
    let scale = channel.gamma * inverse;
    for (x, grad) in x.zip(grads) {
        for (x, grad) in x.iter().zip(grad.iter_mut()) {
            *grad = scale * (*grad - mean - (x - center) * inverse * slope);
        }
    }
}
