//! Real-valued convolutions in groups whose output channels do not come in sixteens: a vector has channels of several groups.
//!
//! The sums, their order and the tiles of pixels are those of [`super::real_conv`]. What differs is the value that a weight is
//! multiplied by: that of one input channel there, and here, of each lane, the input channel of the lane's own group. (Each group with
//! a vector of its own would leave most lanes of it unused: half of them where a group has eight outputs.)

use super::real_conv::keep;
use super::real_shape::RealShape;
use crate::parts::Count;
use crate::simd::Simd;
use crate::weights::Le;

/// A row of 16 neighbouring output channels, of number `16 * block` on, of a real-valued convolution in groups, in tiles of P pixels or,
/// where the registers of the level do not hold that many, of fewer.
///
/// `x`: dense `[h][w][c]`, or, where it is PLANAR, `[c][h][w]`. `weights`: for each 16 output channels of all groups,
/// `[kh][kw][c / groups][16]`. Does nothing when the operands do not fit the shape.
#[inline(always)]
pub fn grouped_conv_row<S: Simd, const P: usize, const PLANAR: bool, const W: usize>(
    s: S,
    shape: &RealShape,
    x: &[f32],
    weights: &[[Le<f32>; 16]],
    block: usize,
    y: usize,
    row: &mut [[f32; 16]; W],
) {
    let [h, w, c] = shape.input;
    if !shape.is_valid() || P == 0 || x.len() < h * w * c || W != shape.output[1] || y >= shape.output[0] {
        return;
    }
    let rows = shape.block_rows();
    let Some(weights) = weights.get(block.saturating_mul(rows)..).and_then(|weights| weights.get(..rows)) else {
        return;
    };
    if block * 16 >= shape.output[2] {
        return;
    }
    let conv = Conv::<S, PLANAR> { s, shape, x, weights, block, y };
    if const { S::TILES == 1 } {
        conv.row::<1, W>(row);
    } else if const { P > S::TILES } {
        conv.row::<4, W>(row);
    } else {
        conv.row::<P, W>(row);
    }
}

/// `PLANAR`: the input lies plane by plane.
struct Conv<'a, S, const PLANAR: bool> {
    s: S,
    shape: &'a RealShape,
    /// At least as long as the shape says.
    x: &'a [f32],
    /// Of the block: `[kh][kw][c / groups][16]`.
    weights: &'a [[Le<f32>; 16]],
    block: usize,
    y: usize,
}

impl<S: Simd, const PLANAR: bool> Conv<'_, S, PLANAR> {
    /// The row, in tiles of P pixels; those that have taps beside the image one by one.
    #[inline(always)]
    fn row<const P: usize, const W: usize>(&self, out: &mut [[f32; 16]; W]) {
        let out = core::array::from_mut(out);
        let inside = self.shape.axis(1).interior(W);
        let mut done = 0;
        while done < inside.start {
            keep(self.s, [self.tile::<1>(done)], done, done + 1, out);
            done += 1;
        }
        // The last tile starts early enough to be a whole one; its first pixels are only computed again.
        if inside.len() >= P {
            while done < inside.end {
                let start = done.min(inside.end - P);
                keep(self.s, [self.tile::<P>(start)], start, start + P, out);
                done = start + P;
            }
        }
        while done < W {
            keep(self.s, [self.tile::<1>(done)], done, done + 1, out);
            done += 1;
        }
    }

    /// The sums of P pixels from `first` on, all of which have the taps of the first.
    #[inline(always)]
    fn tile<const P: usize>(&self, first: usize) -> [S::F; P] {
        let shape = self.shape;
        let (rows, columns) = (shape.axis(0), shape.axis(1));
        let mut sums = [self.s.splat(0.0); P];
        let inputs = shape.group_inputs();
        for ky in rows.taps(self.y) {
            let line = rows.position(self.y, ky) * shape.input[1];
            for kx in columns.taps(first) {
                let tap = (ky * shape.kernel[1] + kx) * inputs;
                let Some(weights) = self.weights.get(tap..tap + inputs) else { return sums };
                let column = columns.position(first, kx);
                if column + (P - 1) * columns.stride >= shape.input[1] {
                    return sums;
                }
                // SAFETY: a row under a tap is one of the image, and P columns of it were just looked at.
                sums = unsafe { self.run(sums, weights, line + column) };
            }
        }
        sums
    }

    /// The innermost loop: a tap of P pixels, the first of which is pixel `at` of the input. The sums come and go by value, so that the
    /// compiler keeps them in registers.
    ///
    /// # Safety
    /// All these pixels are ones of the image, and there are no more weights than inputs of a group.
    #[inline(always)]
    unsafe fn run<const P: usize>(&self, mut sums: [S::F; P], weights: &[[Le<f32>; 16]], at: usize) -> [S::F; P] {
        let s = self.s;
        for (i, w) in s.rolled(weights).iter().enumerate() {
            let w = s.load_le(w);
            for p in 0..P {
                // SAFETY: by the caller's promise.
                let x = unsafe { self.lanes(at + p * self.shape.strides[1], i) };
                if let Some(sum) = sums.get_mut(p) {
                    *sum = s.fma(x, w, *sum);
                }
            }
        }
        sums
    }

    /// Of a pixel of the input, the value of each lane's input channel `i` of its group.
    ///
    /// # Safety
    /// The pixel is one of the image, and the channel one of a group.
    #[inline(always)]
    unsafe fn lanes(&self, pixel: usize, i: usize) -> S::F {
        let [h, w, channels] = self.shape.input;
        let (inputs, outputs) = (self.shape.group_inputs(), self.shape.group_outputs());
        // Lanes behind the last channel are of the last group: any value will do there.
        let value = |lane: usize| {
            let group = (self.block * 16 + lane).over(outputs).min(self.shape.groups - 1);
            let channel = group * inputs + i;
            let at = if const { PLANAR } { channel * (h * w) + pixel } else { pixel * channels + channel };
            // SAFETY: by the caller's promise, as there are as many values as the shape says.
            unsafe { *self.x.get_unchecked(at) }
        };
        if outputs.is_multiple_of(4) {
            self.s.splat_quads([value(0), value(4), value(8), value(12)])
        } else {
            self.s.from_array(core::array::from_fn(value))
        }
    }
}
