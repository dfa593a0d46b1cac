use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::convolution::{Geometry, backward_input, backward_weights, forward};

/// Geometries at random, and those that networks have.
fn geometries() -> Vec<(Geometry, usize)> {
    let random = &mut ChaCha8Rng::seed_from_u64(11);
    let mut all = Vec::new();
    while all.len() < 60 {
        let mut below = |n: usize| random.random_range(0..n);
        let g = Geometry {
            channels: [1 + below(40), 1 + below(40)],
            size: [1 + below(20), 1 + below(20)],
            kernel: 1 + below(7),
            stride: 1 + below(4),
            pad: below(5),
        };
        if g.fits() {
            all.push((g, 1 + below(3)));
        }
    }
    for (channels, side, kernel, stride, pad) in [
        ([1, 32], 28, 3, 2, 1),
        ([3, 64], 32, 7, 2, 3),
        ([32, 64], 14, 3, 2, 1),
        ([64, 70], 7, 3, 1, 1),
        ([32, 64], 7, 1, 1, 0),
    ] {
        all.push((Geometry { channels, size: [side; 2], kernel, stride, pad }, 2));
    }
    all
}

/// Small whole numbers: every order of summation gives the same.
fn numbers(len: usize, random: &mut ChaCha8Rng) -> Vec<f32> {
    (0..len).map(|_| random.random_range(-4..=4) as f32).collect()
}

/// Calls `each` with the places in x, w and the output that are multiplied.
fn multiplications(g: &Geometry, n: usize, mut each: impl FnMut(usize, usize, usize)) {
    let ([inputs, outputs], [rows, columns], k) = (g.channels, g.output(), g.kernel);
    for (n, o, y, x) in (0..n * outputs * rows * columns)
        .map(|i| (i / g.output_len(), i / (rows * columns) % outputs, i / columns % rows, i % columns))
    {
        for (c, i, j) in (0..inputs * k * k).map(|i| (i / (k * k), i / k % k, i % k)) {
            let at = |y: usize, i: usize, n: usize| (y * g.stride + i).checked_sub(g.pad).filter(|&y| y < n);
            if let Some((v, u)) = at(y, i, g.size[0]).zip(at(x, j, g.size[1])) {
                each(
                    n * g.input_len() + (c * g.size[0] + v) * g.size[1] + u,
                    ((o * inputs + c) * k + i) * k + j,
                    n * g.output_len() + (o * rows + y) * columns + x,
                );
            }
        }
    }
}

#[test]
fn convolutions_are_those_of_the_definition() {
    let random = &mut ChaCha8Rng::seed_from_u64(5);
    for (g, n) in geometries() {
        let x = numbers(n * g.input_len(), random);
        let w = numbers(g.channels[0] * g.channels[1] * g.taps(), random);
        let grad = numbers(n * g.output_len(), random);
        let (mut y, mut of_x, mut of_w) = (vec![0.0; grad.len()], vec![0.0; x.len()], vec![0.0; w.len()]);
        multiplications(&g, n, |i, k, o| {
            y[o] += x[i] * w[k];
            of_x[i] += grad[o] * w[k];
            of_w[k] += grad[o] * x[i];
        });
        assert_eq!(forward(&g, &x, &w), y, "{g:?} of {n}");
        let mut out = vec![f32::NAN; x.len()];
        backward_input(&g, &w, &grad, &mut out);
        assert_eq!(out, of_x, "{g:?} of {n}, by input");
        assert_eq!(backward_weights(&g, &x, &grad), of_w, "{g:?} of {n}, by weights");
    }
}

#[test]
fn convolutions_are_the_same_bits_for_any_number_of_threads() {
    let random = &mut ChaCha8Rng::seed_from_u64(6);
    let g = Geometry { channels: [21, 40], size: [9, 11], kernel: 3, stride: 1, pad: 1 };
    let mut draw = |len: usize| -> Vec<f32> { (0..len).map(|_| random.random::<f32>() - 0.5).collect() };
    let (x, w, grad) = (draw(13 * g.input_len()), draw(21 * 40 * 9), draw(13 * g.output_len()));
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut of_x = vec![0.0; x.len()];
        pool.install(|| {
            backward_input(&g, &w, &grad, &mut of_x);
            [forward(&g, &x, &w), of_x, backward_weights(&g, &x, &grad)]
        })
    };
    assert_eq!(with(1), with(3));
}
