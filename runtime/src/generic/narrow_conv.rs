//! Convolution and fully connected layers on narrow numbers.
//!
//! As [`real_conv_row`](crate::real_conv_row): sixteen output channels are the lanes, a tile is P neighbouring pixels of V times
//! 16 channels. But a word of two or four neighbouring values is taken at a time, and the frame of the input holds its
//! padding, so that every pixel is an interior one.
//!
//! The order of a sum: ky, then the *runs* of a kernel row, then the words of a run. The values of a kernel row are
//! neighbours, and so one run of kw * c values, unless dilation comes between the taps: then there is one of c values for
//! each. The last word of a run is filled up with zeros.

use super::narrow_input::{Framed, bytes};
use super::real_conv::keep;
use super::real_shape::RealShape;
use super::vectors::prefetch_part;
use crate::narrow::NarrowDot;
use crate::parts::Count;
use crate::simd::Simd;
use crate::weights::Le;

/// A row of V neighbouring blocks of 16 channels of a convolution of narrow numbers, from block number `block` on, in tiles of P
/// pixels, or smaller ones where the registers of the level do not hold that many.
///
/// `x`: as [`input_to_bf16`](crate::input_to_bf16) or [`input_to_int8`](crate::input_to_int8) writes it. `weights`: for
/// each 16 output channels the head that the numbers have, then `[kh][run][word][16]`, zeros where there is no channel and
/// behind the end of a run. Does nothing when the operands do not fit the shape, or it has groups.
#[allow(clippy::too_many_arguments)] // two operands and a place
#[inline(always)]
pub fn narrow_conv_row<S: Simd, D: NarrowDot<S>, const P: usize, const V: usize, const W: usize>(
    s: S,
    d: D,
    shape: &RealShape,
    x: &[f32],
    weights: &[[Le<u32>; 16]],
    block: usize,
    [image, y]: [usize; 2],
    row: &mut [[[f32; 16]; W]; V],
) {
    let Some(framed) = Framed::of(shape, 4 / D::PARTS) else { return };
    if P == 0 || V == 0 || W != shape.output[1] || y >= shape.output[0] || image >= shape.n {
        return;
    }
    let [_, _, c] = shape.input;
    let (runs, values) = if shape.dilations[1] == 1 { (1, shape.kernel[1] * c) } else { (shape.kernel[1], c) };
    let run = values.ceil_over(D::PARTS);
    let conv = Conv {
        s,
        d,
        shape,
        framed,
        x: bytes(x),
        weights,
        runs,
        run,
        last: if D::ZERO_WINS { 0 } else { values % D::PARTS },
        block: D::HEAD + shape.kernel[0] * runs * run,
    };
    let blocks = shape.output[2].ceil_over(16);
    if conv.x.len() < framed.at(shape.n, 0) + 4 || conv.weights.len() < blocks * conv.block {
        return;
    }
    // Constant conditions, so that what is not needed is not even compiled.
    if const { V > 1 && P * V <= S::TILES } {
        conv.row::<P, V, W>(block, [image, y], row);
        return;
    }
    for (v, row) in row.iter_mut().enumerate() {
        let row = core::array::from_mut(row);
        if const { S::TILES == 1 } {
            conv.row::<1, 1, W>(block + v, [image, y], row);
        } else if const { P > S::TILES } {
            conv.row::<4, 1, W>(block + v, [image, y], row);
        } else {
            conv.row::<P, 1, W>(block + v, [image, y], row);
        }
    }
}

struct Conv<'a, S, D> {
    s: S,
    d: D,
    shape: &'a RealShape,
    framed: Framed,
    x: &'a [u8],
    weights: &'a [[Le<u32>; 16]],
    /// Runs of a kernel row.
    runs: usize,
    /// Words of a run.
    run: usize,
    /// Values in the last word of a run, or 0 when it can be taken as a full one.
    last: usize,
    /// Rows of weights of 16 output channels.
    block: usize,
}

impl<S: Simd, D: NarrowDot<S>> Conv<'_, S, D> {
    /// The weights of 16 output channels; none behind the last.
    #[inline(always)]
    fn block_weights(&self, block: usize) -> &[[Le<u32>; 16]] {
        self.weights.get(block * self.block..).and_then(|w| w.get(..self.block)).unwrap_or_default()
    }

    /// A row of V times 16 output channels.
    #[inline(always)]
    fn row<const P: usize, const V: usize, const W: usize>(
        &self,
        block: usize,
        at: [usize; 2],
        out: &mut [[[f32; 16]; W]; V],
    ) {
        let [height, width, _] = self.shape.output;
        let mut weights: [&[[Le<u32>; 16]]; V] = [&[]; V];
        for (v, w) in weights.iter_mut().enumerate() {
            *w = self.block_weights(block + v);
        }
        if height > 1 {
            prefetch_part(self.s, self.block_weights(block + V), at[1], height);
        }
        let mut done = 0;
        // The last tile starts early enough to be a whole one; its first pixels are only computed again.
        if width >= P {
            while done < width {
                done = self.pixels::<P, V, W>(&weights, at, done.min(width - P), out);
            }
        }
        if const { P > 4 } && width >= 4 {
            while done < width {
                done = self.pixels::<4, V, W>(&weights, at, done.min(width - 4), out);
            }
        }
        if const { P > 1 } {
            while done < width {
                done = self.pixels::<1, V, W>(&weights, at, done, out);
            }
        }
    }

    /// Computes the P pixels from `start` on. Returns the end.
    #[inline(always)]
    fn pixels<const P: usize, const V: usize, const W: usize>(
        &self,
        weights: &[&[[Le<u32>; 16]]; V],
        at: [usize; 2],
        start: usize,
        out: &mut [[[f32; 16]; W]; V],
    ) -> usize {
        let sums = self.tile::<P, V>(weights, at, start);
        let mut values = [[self.s.splat(0.0); P]; V];
        for (values, sums) in values.iter_mut().zip(&sums) {
            for (value, sum) in values.iter_mut().zip(sums) {
                *value = self.d.finish(self.s, *sum);
            }
        }
        keep(self.s, values, start, start + P, out);
        start + P
    }

    /// The sums of P pixels from `x` on.
    #[inline(always)]
    fn tile<const P: usize, const V: usize>(
        &self,
        weights: &[&[[Le<u32>; 16]]; V],
        [image, y]: [usize; 2],
        x: usize,
    ) -> [[D::Acc; P]; V] {
        let shape = self.shape;
        let mut acc = [[self.d.start(self.s, &[]); P]; V];
        if const { D::HEAD > 0 } {
            for (acc, w) in acc.iter_mut().zip(weights) {
                *acc = [self.d.start(self.s, w.get(..D::HEAD).unwrap_or_default()); P];
            }
        }
        for ky in 0..shape.kernel[0] {
            let row = self.framed.at(image, y * shape.strides[0] + ky * shape.dilations[0]);
            for run in 0..self.runs {
                let column = x * shape.strides[1] + run * shape.dilations[1];
                let at = row + column * self.framed.pixel;
                acc = self.run(acc, weights, at, D::HEAD + (ky * self.runs + run) * self.run);
            }
        }
        acc
    }

    /// Takes a run into the sums: its words from byte `x_at` on for the first pixel. None if they do not exist. The sums come
    /// and go by value, so that the compiler can keep them in registers.
    #[inline(always)]
    fn run<const P: usize, const V: usize>(
        &self,
        mut sums: [[D::Acc; P]; V],
        weights: &[&[[Le<u32>; 16]]; V],
        x_at: usize,
        w_at: usize,
    ) -> [[D::Acc; P]; V] {
        let (s, d) = (self.s, self.d);
        let step = self.shape.strides[1] * self.framed.pixel;
        let span = step.saturating_mul(P - 1).saturating_add(4 * self.run);
        let Some(x) = self.x.get(x_at..).and_then(|x| x.get(..span)) else { return sums };
        let mut rows: [&[[Le<u32>; 16]]; V] = [&[]; V];
        for (rows, w) in rows.iter_mut().zip(weights) {
            let Some(w) = w.get(w_at..).and_then(|w| w.get(..self.run)) else { return sums };
            *rows = w;
        }
        let word = |p: usize, j: usize| {
            // SAFETY: p < P and j < run, so that the four bytes from p * step + 4 * j on lie within `span`, the length of `x`;
            // the read asks for no alignment.
            u32::from_le(unsafe { x.as_ptr().add(p * step + 4 * j).cast::<u32>().read_unaligned() })
        };
        let load = |j: usize| {
            rows.map(|rows| {
                // SAFETY: j < run, the length of all rows.
                d.load(s, unsafe { rows.get_unchecked(j) })
            })
        };
        let full = self.run - usize::from(self.last > 0);
        for j in 0..full {
            let w = load(j);
            for p in 0..P {
                let x = d.splat(s, word(p, j));
                for (sums, w) in sums.iter_mut().zip(w) {
                    if let Some(sum) = sums.get_mut(p) {
                        *sum = d.dot(s, *sum, x, w);
                    }
                }
            }
        }
        if self.last > 0 {
            let w = load(full);
            for p in 0..P {
                let x = d.splat_first(s, word(p, full), self.last);
                for (sums, w) in sums.iter_mut().zip(w) {
                    if let Some(sum) = sums.get_mut(p) {
                        *sum = d.dot(s, *sum, x, w);
                    }
                }
            }
        }
        sums
    }
}
