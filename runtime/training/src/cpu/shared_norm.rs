//! Batch normalisation by the statistics of a batch that several processes share: what [`norm`](super::norm) does, in
//! parts, for the sums of all processes are needed between them.
//!
//! Mean and variance are taken one after the other, as there: the squares' mean less the mean's square would lose what a
//! large mean hides.

use rayon::prelude::*;

use super::norm::{Channel, apply_back, by_channel, forward_fixed, grad_sums};
use super::{sum, vectorised};

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
    let own: Vec<[f64; 2]> = by_channel(grad, n, plane)
        .into_par_iter()
        .enumerate()
        .map(|(c, grads)| vectorised(|| grad_sums(planes(c), &grads, channels[c], epsilon)))
        .collect();
    let mut sums = own.as_flattened().to_vec();
    sums.push((x.len() / n) as f64);
    everyones(&mut sums);
    let count = sums.pop().unwrap_or_default();
    by_channel(grad, n, plane).into_par_iter().enumerate().for_each(|(c, mut grads)| {
        let means = [sums[2 * c], sums[2 * c + 1]].map(|sum| (sum / count) as f32);
        vectorised(|| apply_back(planes(c), &mut grads, channels[c], epsilon, means));
    });
    own.iter().map(|[all, along]| (*along as f32, *all as f32)).unzip()
}

#[cfg(test)]
mod tests {
    use std::sync::{Barrier, Mutex};

    use super::*;
    use crate::cpu::norm::{backward, forward};

    /// Sums over two threads, each of which stands for a process.
    struct Sums {
        all: [Mutex<Vec<f64>>; 2],
        wait: Barrier,
    }

    impl Sums {
        fn sum(&self, rank: usize, values: &mut [f64]) {
            *self.all[rank].lock().unwrap() = values.to_vec();
            self.wait.wait();
            let other = self.all[1 - rank].lock().unwrap().clone();
            values.iter_mut().zip(other).for_each(|(value, other)| *value += other);
            self.wait.wait();
        }
    }

    fn near(ours: &[f32], theirs: &[f32]) -> bool {
        ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() <= 2e-6 * b.abs().max(1.0))
    }

    /// Two processes with unequal shares of a batch have what one has of the whole batch; and not what each would have of
    /// its own share.
    #[test]
    fn two_shares_are_normalised_as_one_batch() {
        let (plane, epsilon) = (19, 1e-5);
        let wave = |n: usize, seed: f32| -> Vec<f32> { (0..n).map(|i| (i as f32 * 1.7 + seed).sin() + seed).collect() };
        let (x, dy) = (wave(5 * 3 * plane, 0.3), wave(5 * 3 * plane, 0.1));
        let (gamma, beta) = ([1.0, 0.5, -2.0], [0.0, 1.0, 0.25]);
        // Forward, and backward by what it found: both given as what a process alone, or together, has for them.
        type Forward<'a> = &'a dyn Fn(&[f32]) -> [Vec<f32>; 3];
        type Backward<'a> = &'a dyn Fn(&[f32], &[Channel], &mut [f32]) -> [Vec<f32>; 2];
        let run = |forwards: Forward<'_>, backwards: Backward<'_>, x: &[f32], dy: &[f32]| {
            let [y, mean, variance] = forwards(x);
            let channels: Vec<Channel> =
                (0..3).map(|c| Channel { gamma: gamma[c], mean: mean[c], variance: variance[c] }).collect();
            let mut dx = dy.to_vec();
            let of_parameters = backwards(x, &channels, &mut dx);
            ([y, dx], [mean, variance], of_parameters)
        };
        let alone = |x: &[f32], dy: &[f32]| {
            run(
                &|x| forward(x, plane, &gamma, &beta, epsilon).into(),
                &|x, channels, dx| backward(x, plane, channels, epsilon, dx).into(),
                x,
                dy,
            )
        };
        let whole = alone(&x, &dy);
        let sums = Sums { all: Default::default(), wait: Barrier::new(2) };
        let cut = 2 * 3 * plane;
        let parts = [(&x[..cut], &dy[..cut]), (&x[cut..], &dy[cut..])];
        let shared = |rank: usize| {
            let everyones = |values: &mut [f64]| sums.sum(rank, values);
            run(
                &|x| shared_forward(x, plane, &gamma, &beta, epsilon, everyones).into(),
                &|x, channels, dx| shared_backward(x, plane, channels, epsilon, dx, everyones).into(),
                parts[rank].0,
                parts[rank].1,
            )
        };
        let [one, two] = std::thread::scope(|scope| {
            let two = scope.spawn(|| shared(1));
            [shared(0), two.join().unwrap()]
        });
        for k in 0..2 {
            assert!(near(&[&one.0[k][..], &two.0[k]].concat(), &whole.0[k]), "{k}: {one:?}, {two:?}, {whole:?}");
            assert!(near(&one.1[k], &whole.1[k]) && one.1[k] == two.1[k]);
            let sum: Vec<f32> = one.2[k].iter().zip(&two.2[k]).map(|(a, b)| a + b).collect();
            assert!(sum.iter().zip(&whole.2[k]).all(|(a, b)| (a - b).abs() < 1e-4), "{sum:?}, {:?}", whole.2[k]);
        }
        let own = alone(parts[0].0, parts[0].1);
        assert!(!near(&own.0[0], &one.0[0]) && !near(&own.0[1], &one.0[1]));
    }
}
