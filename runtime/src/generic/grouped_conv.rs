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
    if const { S::PICKS && !PLANAR }
        && let Some(picked) = Picked::of(shape, block)
    {
        return Conv::<S, PLANAR, true> { s, shape, x, weights, block, y, picked }.tiles::<P, W>(row);
    }
    Conv::<S, PLANAR, false> { s, shape, x, weights, block, y, picked: Picked::default() }.tiles::<P, W>(row);
}

/// Where a level picks the lanes' values out of 16 neighbouring channels of a pixel.
#[derive(Clone, Copy, Default)]
struct Picked {
    /// The first of the channels.
    from: usize,
    /// Which of them is the first of each lane's group.
    which: [u32; 16],
}

impl Picked {
    /// Nothing where a pixel has fewer than 16 channels, or the groups of the block have more.
    #[inline(always)]
    fn of(shape: &RealShape, block: usize) -> Option<Self> {
        let inputs = shape.group_inputs();
        let first = |lane| group(shape, block, lane) * inputs;
        let from = first(0).min(shape.input[2].checked_sub(16)?);
        if first(15) + inputs > from + 16 {
            return None;
        }
        let mut which = [0; 16];
        for (lane, which) in which.iter_mut().enumerate() {
            *which = (first(lane) - from) as u32;
        }
        Some(Self { from, which })
    }
}

/// The group of a lane of a block; that of lanes behind the last channel is the last one: any value will do there.
#[inline(always)]
fn group(shape: &RealShape, block: usize, lane: usize) -> usize {
    (block * 16 + lane).over(shape.group_outputs()).min(shape.groups - 1)
}

/// `PLANAR`: the input lies plane by plane. `PICKS`: `picked` says how the lanes' values are read.
struct Conv<'a, S, const PLANAR: bool, const PICKS: bool> {
    s: S,
    shape: &'a RealShape,
    /// At least as long as the shape says.
    x: &'a [f32],
    /// Of the block: `[kh][kw][c / groups][16]`.
    weights: &'a [[Le<f32>; 16]],
    block: usize,
    y: usize,
    picked: Picked,
}

impl<S: Simd, const PLANAR: bool, const PICKS: bool> Conv<'_, S, PLANAR, PICKS> {
    /// [`Self::row`] in the tiles that the level has registers for.
    #[inline(always)]
    fn tiles<const P: usize, const W: usize>(&self, row: &mut [[f32; 16]; W]) {
        if const { S::TILES == 1 } {
            self.row::<1, W>(row);
        } else if const { P > S::TILES } {
            self.row::<4, W>(row);
        } else {
            self.row::<P, W>(row);
        }
    }

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
        if const { PICKS } {
            // SAFETY: there are 16 channels from the first on, and the pixel is one of the image.
            let x = unsafe { &*self.x.as_ptr().add(pixel * channels + self.picked.from).cast::<[f32; 16]>() };
            return self.s.pick(x, &self.picked.which, i as u32);
        }
        let (inputs, outputs) = (self.shape.group_inputs(), self.shape.group_outputs());
        let value = |lane: usize| {
            let channel = group(self.shape, self.block, lane) * inputs + i;
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
