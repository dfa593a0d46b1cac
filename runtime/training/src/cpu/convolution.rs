//! A convolution and its two gradients, without bias, for pictures [n, channels, rows, columns] in one line.
//!
//! Not `im2col` and a product of matrices: with the 32 to 64 channels that a CPU trains, nine copies of everything cost
//! as much as the product.

use rayon::prelude::*;

use super::buffers;
pub(crate) use super::planes::Geometry;
use super::planes::{NOWHERE, Planes, Walk};
use super::sweep::{Gather, Sweep, Tile};

/// Values of gradients that are turned at a time.
const GROUP: usize = 1 << 18;

/// The output [n, out, rows, columns] of pictures `x` [n, in, rows, columns] and a kernel `w` [out, in, k, k].
pub(crate) fn forward(g: &Geometry, x: &[f32], w: &[f32]) -> Vec<f32> {
    let tile = Tile::new();
    let planes = Planes::of_input(g);
    let walk = Walk::forward(g, &planes, g.channels[0]);
    let of_one = g.channels[0] * g.taps();
    let weights =
        packed(tile.block(g.channels[1]), g.channels[1], walk.taps.len(), |channel, tap| w[channel * of_one + tap]);
    let mut out = buffers::take(x.len() / g.input_len() * g.output_len());
    let empty = || vec![0.0; planes.len(g.channels[0], tile.places)];
    out.par_chunks_mut(g.output_len()).zip(x.par_chunks(g.input_len())).for_each_init(empty, |line, (out, x)| {
        planes.fill(x, line);
        Sweep { line, walk: &walk, weights: &weights, channels: g.channels[1], out }.run();
    });
    out
}

/// The gradient of `x` [n, in, rows, columns] from that of the output, to `out`, whatever is in it.
pub(crate) fn backward_input(g: &Geometry, w: &[f32], grad: &[f32], out: &mut [f32]) {
    let tile = Tile::new();
    let planes = Planes::of_output(g);
    let [inputs, outputs] = g.channels;
    let walks: Vec<(Walk, Vec<f32>)> = Walk::backward(g, &planes)
        .into_iter()
        .map(|walk| {
            let places = walk.places.len();
            let weights = packed(tile.block(inputs), inputs, walk.taps.len(), |channel, tap| {
                w[(tap / places * inputs + channel) * g.taps() + walk.places[tap % places]]
            });
            (walk, weights)
        })
        .collect();
    let empty = || vec![0.0; planes.len(outputs, tile.places)];
    out.par_chunks_mut(g.input_len()).zip(grad.par_chunks(g.output_len())).for_each_init(empty, |line, (out, grad)| {
        planes.fill(grad, line);
        for (walk, weights) in &walks {
            Sweep { line, walk, weights, channels: inputs, out }.run();
        }
    });
}

/// The gradient of `w` [out, in, k, k] from `x` and the gradient of the output.
///
/// Threads share the work by channels, and each adds up pictures in order.
pub(crate) fn backward_weights(g: &Geometry, x: &[f32], grad: &[f32]) -> Vec<f32> {
    let tile = Tile::new();
    let planes = Planes::of_input(g);
    let [inputs, outputs] = g.channels;
    let (block, blocks) = (tile.block(outputs), outputs.div_ceil(tile.block(outputs)));
    let steps = Walk::forward(g, &planes, 1).map;
    let of_block = steps.len() * block;
    // Enough parts for many threads, each of them large enough to be worth the copy of its channels.
    let channels = inputs.div_ceil(16).max(4).min(inputs);
    let parts: Vec<(usize, Walk)> =
        (0..inputs).step_by(channels).map(|c| (c, Walk::forward(g, &planes, channels.min(inputs - c)))).collect();
    let mut sums: Vec<Vec<f32>> =
        (0..parts.len() * blocks).map(|i| vec![0.0; parts[i / blocks].1.taps.len() * block]).collect();
    // Of each picture and block, the channels of a step beside each other; of so many pictures at a time as stay in a
    // cache. Steps that are nowhere stay zeros.
    let group = (GROUP / (blocks * of_block)).max(1);
    let mut turned = vec![0.0; group.min(x.len() / g.input_len()) * blocks * of_block];
    for (x, grad) in x.chunks(group * g.input_len()).zip(grad.chunks(group * g.output_len())) {
        turned.par_chunks_mut(of_block).take(grad.len() / g.output_len() * blocks).enumerate().for_each(
            |(i, turned)| {
                turn(
                    &grad[i / blocks * g.output_len()..][..g.output_len()],
                    outputs,
                    i % blocks * block,
                    &steps,
                    turned,
                );
            },
        );
        sums.par_iter_mut().enumerate().for_each_init(
            || vec![0.0; planes.len(channels, 0)],
            |line, (i, sums)| {
                let ((first, walk), b) = (&parts[i / blocks], i % blocks);
                let plane = g.size[0] * g.size[1];
                for (n, x) in x.chunks_exact(g.input_len()).enumerate() {
                    planes.fill(&x[first * plane..][..walk.taps.len() / g.taps() * plane], line);
                    let grads = &turned[(n * blocks + b) * of_block..][..of_block];
                    Gather { line, walk, vectors: block / tile.lanes, grads, sums }.run();
                }
            },
        );
    }
    let mut out = vec![0.0; outputs * inputs * g.taps()];
    for (channel, out) in out.chunks_exact_mut(inputs * g.taps()).enumerate() {
        for (part, out) in out.chunks_mut(channels * g.taps()).enumerate() {
            let sums = &sums[part * blocks + channel / block];
            out.iter_mut().zip(sums.chunks_exact(block)).for_each(|(to, sums)| *to = sums[channel % block]);
        }
    }
    out
}

/// From planes of `outputs` channels, one block of them, which begins at channel `first`, to [steps][block].
fn turn(grad: &[f32], outputs: usize, first: usize, steps: &[u32], turned: &mut [f32]) {
    let block = turned.len() / steps.len();
    for (channel, plane) in grad.chunks_exact(grad.len() / outputs).skip(first).take(block).enumerate() {
        for (to, &from) in turned.chunks_exact_mut(block).zip(steps) {
            if from != NOWHERE {
                to[channel] = plane[from as usize];
            }
        }
    }
}

/// Weights as [`Sweep`] wants them: blocks of [taps][block], zeros where there is no channel.
fn packed(block: usize, channels: usize, taps: usize, weight: impl Fn(usize, usize) -> f32) -> Vec<f32> {
    let mut packed = vec![0.0; channels.div_ceil(block) * block * taps];
    for (b, packed) in packed.chunks_exact_mut((taps * block).max(1)).enumerate() {
        for (tap, packed) in packed.chunks_exact_mut(block).enumerate() {
            for (lane, to) in packed.iter_mut().take(channels - b * block).enumerate() {
                *to = weight(b * block + lane, tap);
            }
        }
    }
    packed
}
