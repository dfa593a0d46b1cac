//! The data-driven gate of a block: two small fully connected layers on the channel sums of its input.

use super::vectors::{lanes, load_channels, store_at};
use super::window::fits;
use crate::dispatch::dispatch;
use crate::parts::Count;
use crate::simd::{Kernel, Simd};
use crate::weights::Le;

/// Sizes of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateShape {
    /// Images.
    pub n: usize,
    /// Channels of the sums.
    pub c_in: usize,
    /// Width of the hidden layer.
    pub hidden: usize,
    /// Channels of the gate.
    pub c_out: usize,
}

/// Weights and biases of a layer.
type Layer<'a> = (&'a [Le<f32>], &'a [Le<f32>]);

/// `out = squash(w2 * hidden_act(w1 * sums + b1) + b2)` per image, in the level in use.
///
/// `sums`: `[n][c_in]`. `w1`: for each 16 hidden units, `[c_in][16]`; `w2`: for each 16 outputs, `[hidden][16]`; zeros
/// where there is no unit. `b1`, `b2`: padded to a multiple of 16. `buffer`: at least `hidden` floats. `out`:
/// `[n][c_out]`. Each sum starts from the bias and takes, with fused multiply-add, the inputs in order. Writes nothing when
/// a slice is too short.
#[allow(clippy::too_many_arguments)] // two layers and their functions
pub fn gate(
    sums: &[f32],
    n: usize,
    c_in: usize,
    hidden: usize,
    c_out: usize,
    w1: &[Le<f32>],
    b1: &[Le<f32>],
    w2: &[Le<f32>],
    b2: &[Le<f32>],
    hidden_act: impl Fn(f32) -> f32,
    squash: impl Fn(f32) -> f32,
    buffer: &mut [f32],
    out: &mut [f32],
) {
    let shape = GateShape { n, c_in, hidden, c_out };
    dispatch(Gate { shape, sums, layers: [(w1, b1), (w2, b2)], hidden_act, squash, buffer, out });
}

struct Gate<'a, H, Q> {
    shape: GateShape,
    sums: &'a [f32],
    layers: [Layer<'a>; 2],
    hidden_act: H,
    squash: Q,
    buffer: &'a mut [f32],
    out: &'a mut [f32],
}

impl<H: Fn(f32) -> f32, Q: Fn(f32) -> f32> Kernel for Gate<'_, H, Q> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        gate_with(s, &self.shape, self.sums, self.layers, self.hidden_act, self.squash, self.buffer, self.out);
    }
}

/// [`gate`] inside a kernel; `layers` are the weights and biases of both.
#[allow(clippy::too_many_arguments)] // as above
#[inline(always)]
pub fn gate_with<S: Simd>(
    s: S,
    shape: &GateShape,
    sums: &[f32],
    layers: [Layer<'_>; 2],
    hidden_act: impl Fn(f32) -> f32,
    squash: impl Fn(f32) -> f32,
    buffer: &mut [f32],
    out: &mut [f32],
) {
    let GateShape { n, c_in, hidden, c_out } = *shape;
    let enough = |layer: Layer<'_>, inputs: usize, outputs: usize| {
        fits(&[inputs, outputs.ceil_over(16), 16])
            && layer.0.len() >= inputs * outputs.ceil_over(16) * 16
            && layer.1.len() >= outputs.ceil_over(16) * 16
    };
    if !fits(&[n, c_in])
        || !fits(&[n, c_out])
        || sums.len() < n * c_in
        || out.len() < n * c_out
        || c_in == 0
        || c_out == 0
    {
        return;
    }
    let Some(buffer) = buffer.get_mut(..hidden) else { return };
    if !enough(layers[0], c_in, hidden) || !enough(layers[1], hidden, c_out) {
        return;
    }
    for image in 0..n {
        let sums = sums.get(image * c_in..).and_then(|sums| sums.get(..c_in));
        let out = out.get_mut(image * c_out..).and_then(|out| out.get_mut(..c_out));
        let (Some(sums), Some(out)) = (sums, out) else { return };
        dense(s, sums, layers[0], buffer);
        for v in buffer.iter_mut() {
            *v = hidden_act(*v);
        }
        dense(s, buffer, layers[1], out);
        for v in out {
            *v = squash(*v);
        }
    }
}

/// One layer. Four blocks of 16 outputs at a time: each sum is a chain, and one chain alone would wait for itself.
#[inline(always)]
fn dense<S: Simd>(s: S, x: &[f32], layer: Layer<'_>, y: &mut [f32]) {
    let blocks = y.len().ceil_over(16);
    let mut block = 0;
    while block + 4 <= blocks {
        dense_blocks::<S, 4>(s, x, layer, block, y);
        block += 4;
    }
    while block < blocks {
        dense_blocks::<S, 1>(s, x, layer, block, y);
        block += 1;
    }
}

#[inline(always)]
fn dense_blocks<S: Simd, const V: usize>(s: S, x: &[f32], (weights, bias): Layer<'_>, block: usize, y: &mut [f32]) {
    let weights = weights.as_chunks::<16>().0;
    let mut acc = [s.splat(0.0); V];
    for (v, acc) in acc.iter_mut().enumerate() {
        *acc = load_channels(s, bias, (block + v) * 16);
    }
    let inputs = x.len();
    for (i, &x) in x.iter().enumerate() {
        for (v, acc) in acc.iter_mut().enumerate() {
            if let Some(w) = weights.get((block + v) * inputs + i) {
                *acc = s.fma(s.splat(x), s.load_le(w), *acc);
            }
        }
    }
    for (v, acc) in acc.iter().enumerate() {
        let channel = (block + v) * 16;
        let lanes = lanes(y.len(), channel);
        store_at(s, y, channel, lanes, *acc);
    }
}
