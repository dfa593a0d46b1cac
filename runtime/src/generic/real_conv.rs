//! Real-valued convolution and fully connected layers.
//!
//! Sixteen output channels are the lanes of a vector; a value of the input is broadcast to all of them. A tile is P
//! neighbouring pixels of V times 16 channels, all of whose sums grow in registers. Each sum starts from zero and
//! takes, with fused multiply-add, the taps inside the image in the order ky, kx, input channel: the result does not
//! depend on P, V or the level.

use super::tile::{At, Epilogue};
use super::window::{Axis, fits};
use crate::simd::Simd;
use crate::weights::Le;

/// Geometry of a real-valued convolution over a dense `[n][h][w][c]` tensor. A fully connected layer over m rows is one
/// with input `[1, m, k]`, output `[1, m, c]` and a 1x1 kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealShape {
    /// Images.
    pub n: usize,
    /// Height, width, channels of all groups.
    pub input: [usize; 3],
    /// Height, width, channels of all groups.
    pub output: [usize; 3],
    /// Height, width.
    pub kernel: [usize; 2],
    /// Vertical, horizontal.
    pub strides: [usize; 2],
    /// Vertical, horizontal.
    pub dilations: [usize; 2],
    /// Top, left.
    pub pads: [usize; 2],
    /// Groups.
    pub groups: usize,
}

impl RealShape {
    #[inline(always)]
    pub(crate) const fn axis(&self, i: usize) -> Axis {
        Axis {
            input: self.input[i],
            kernel: self.kernel[i],
            stride: self.strides[i],
            dilation: self.dilations[i],
            pad: self.pads[i],
        }
    }

    /// Input channels of one group.
    #[inline(always)]
    const fn group_inputs(&self) -> usize {
        self.input[2] / self.groups
    }

    /// Output channels of one group.
    #[inline(always)]
    const fn group_outputs(&self) -> usize {
        self.output[2] / self.groups
    }

    /// Rows of 16 weights of one block of 16 output channels.
    #[inline(always)]
    const fn block_rows(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.group_inputs()
    }

    /// Whether the extents make sense and no index overflows.
    #[inline(always)]
    pub(crate) fn is_valid(&self) -> bool {
        let [h, w, c] = self.input;
        let [oh, ow, oc] = self.output;
        let axis = |i: usize| {
            let a = self.axis(i);
            let last = a.stride.checked_mul(self.output[i]).zip(a.dilation.checked_mul(a.kernel));
            last.and_then(|(o, k)| o.checked_add(k)).is_some() && a.input.checked_add(a.pad).is_some()
        };
        self.groups > 0
            && c.is_multiple_of(self.groups)
            && oc.is_multiple_of(self.groups)
            && c > 0
            && oc > 0
            && self.kernel[0] > 0
            && self.kernel[1] > 0
            && axis(0)
            && axis(1)
            && fits(&[self.n, h, w, c])
            && fits(&[self.n, oh, ow, oc])
            && fits(&[self.kernel[0], self.kernel[1], self.input[2], 16, oc.div_ceil(16) + self.groups])
    }
}

/// A real-valued convolution, in tiles of P pixels and V times 16 channels.
///
/// `x`: dense `[n][h][w][c]`. `weights`: for each group, for each 16 output channels of the group,
/// `[kh][kw][c / groups][16]`, zeros where there is no channel. Calls nothing when the operands do not fit the shape.
/// With V > 1 the rows of V neighbouring groups of 16 channels are interleaved ([`Epilogue`]).
#[inline(always)]
pub fn real_conv<S: Simd, E: Epilogue, const P: usize, const V: usize>(
    s: S,
    shape: &RealShape,
    x: &[f32],
    weights: &[Le<f32>],
    epilogue: &mut E,
) {
    let weights = weights.as_chunks::<16>().0;
    let [h, w, c] = shape.input;
    if !shape.is_valid() || P == 0 || V == 0 || x.len() < shape.n * h * w * c {
        return;
    }
    let outputs = shape.group_outputs();
    if weights.len() < shape.groups * outputs.div_ceil(16) * shape.block_rows() {
        return;
    }
    let conv = Conv { s, shape, x, weights };
    if shape.groups == 1 || outputs.is_multiple_of(16) {
        for group in 0..shape.groups {
            let blocks = outputs.div_ceil(16);
            let mut block = 0;
            while V > 1 && block + V <= blocks {
                conv.blocks::<E, P, V>(group, block, epilogue);
                block += V;
            }
            while block < blocks {
                conv.blocks::<E, P, 1>(group, block, epilogue);
                block += 1;
            }
        }
    } else {
        for channel in (0..shape.output[2]).step_by(16) {
            conv.mixed_block(channel, epilogue);
        }
    }
}

struct Conv<'a, S> {
    s: S,
    shape: &'a RealShape,
    x: &'a [f32],
    weights: &'a [[Le<f32>; 16]],
}

impl<S: Simd> Conv<'_, S> {
    /// The weights of a block of 16 output channels of a group.
    #[inline(always)]
    fn block_weights(&self, group: usize, block: usize) -> &[[Le<f32>; 16]] {
        let rows = self.shape.block_rows();
        let at = (group * self.shape.group_outputs().div_ceil(16) + block) * rows;
        self.weights.get(at..at + rows).unwrap_or_default()
    }

    /// All pixels of V times 16 output channels, from block `block` of the group on.
    #[inline(always)]
    fn blocks<E: Epilogue, const P: usize, const V: usize>(&self, group: usize, block: usize, epilogue: &mut E) {
        let shape = self.shape;
        let [height, width, _] = shape.output;
        let mut weights: [&[[Le<f32>; 16]]; V] = [&[]; V];
        for (v, w) in weights.iter_mut().enumerate() {
            *w = self.block_weights(group, block + v);
        }
        let channel = group * shape.group_outputs() + block * 16;
        let columns = shape.axis(1).interior(width);
        for image in 0..shape.n {
            for y in 0..height {
                let pixel = (image * height + y) * width;
                let mut done = 0;
                while done < width {
                    // The last tile of a row starts early enough to be a whole one; its first pixels were given to
                    // the epilogue already, and are only computed again.
                    let start = if width >= P { done.min(width - P) } else { 0 };
                    let inside = width >= P && start >= columns.start && start + P <= columns.end;
                    let acc = if inside {
                        self.interior_tile::<P, V>(group, image, y, start, &weights)
                    } else {
                        self.border_tile::<P, V>(group, image, y, start, &weights)
                    };
                    let end = (start + P).min(width);
                    for (v, acc) in acc.iter().enumerate() {
                        for (p, acc) in acc.iter().enumerate() {
                            let x = start + p;
                            if x >= done && x < end {
                                let at = At { image, y, x, pixel: pixel + x, channel: channel + v * 16 };
                                epilogue.tile(self.s, *acc, at);
                            }
                        }
                    }
                    done = end;
                }
                for v in 0..V {
                    let at = At { image, y, x: width, pixel: pixel + width, channel: channel + v * 16 };
                    epilogue.end_row(self.s, at);
                }
            }
        }
    }

    /// P pixels none of whose taps lies left or right of the image.
    #[inline(always)]
    fn interior_tile<const P: usize, const V: usize>(
        &self,
        group: usize,
        image: usize,
        y: usize,
        x: usize,
        weights: &[&[[Le<f32>; 16]]; V],
    ) -> [[S::F; P]; V] {
        let shape = self.shape;
        let [height, width, channels] = shape.input;
        let [_, kw] = shape.kernel;
        let inputs = shape.group_inputs();
        let (rows, columns) = (shape.axis(0), shape.axis(1));
        let step = shape.strides[1] * channels;
        let mut acc = [[self.s.splat(0.0); P]; V];
        for ky in rows.taps(y) {
            let row = (image * height + rows.position(y, ky)) * width;
            if shape.dilations[1] == 1 && shape.groups == 1 {
                // The taps of a row are neighbours in memory.
                let at = (row + columns.position(x, 0)) * channels;
                self.run(&mut acc, at, kw * inputs, step, weights, ky * kw * inputs);
            } else {
                for kx in 0..kw {
                    let at = (row + columns.position(x, kx)) * channels + group * inputs;
                    self.run(&mut acc, at, inputs, step, weights, (ky * kw + kx) * inputs);
                }
            }
        }
        acc
    }

    /// Takes `len` neighbouring values into the sums: pixel p those from `x_at + p * step` on.
    #[inline(always)]
    fn run<const P: usize, const V: usize>(
        &self,
        acc: &mut [[S::F; P]; V],
        x_at: usize,
        len: usize,
        step: usize,
        weights: &[&[[Le<f32>; 16]]; V],
        w_at: usize,
    ) {
        let s = self.s;
        let Some(x) = self.x.get(x_at..).and_then(|x| x.get(..(P - 1) * step + len)) else { return };
        let mut rows: [&[[Le<f32>; 16]]; V] = [&[]; V];
        for (row, w) in rows.iter_mut().zip(weights) {
            let Some(w) = w.get(w_at..).and_then(|w| w.get(..len)) else { return };
            *row = w;
        }
        for j in 0..len {
            let mut w = [s.splat(0.0); V];
            for (w, row) in w.iter_mut().zip(&rows) {
                // SAFETY: j < len, which is the length of each row.
                *w = s.load_le(unsafe { row.get_unchecked(j) });
            }
            for p in 0..P {
                // SAFETY: p < P and j < len, so p * step + j is less than the length of `x`.
                let x = s.splat(unsafe { *x.get_unchecked(p * step + j) });
                for v in 0..V {
                    acc[v][p] = s.fma(x, w[v], acc[v][p]);
                }
            }
        }
    }

    /// P pixels some of whose taps lie left or right of the image, or which lie behind the row: all P sums take each
    /// step, those whose tap does not exist keep their value.
    #[inline(always)]
    fn border_tile<const P: usize, const V: usize>(
        &self,
        group: usize,
        image: usize,
        y: usize,
        x: usize,
        weights: &[&[[Le<f32>; 16]]; V],
    ) -> [[S::F; P]; V] {
        let s = self.s;
        let shape = self.shape;
        let [height, width, channels] = shape.input;
        let [_, kw] = shape.kernel;
        let inputs = shape.group_inputs();
        let (rows, columns) = (shape.axis(0), shape.axis(1));
        let mut acc = [[s.splat(0.0); P]; V];
        for ky in rows.taps(y) {
            let row = (image * height + rows.position(y, ky)) * width;
            for kx in 0..kw {
                let mut masks = [0u16; P];
                let mut taps: [&[f32]; P] = [&[]; P];
                for p in 0..P {
                    let exists = x + p < shape.output[1] && columns.taps(x + p).contains(&kx);
                    masks[p] = if exists { u16::MAX } else { 0 };
                    // Any value will do where there is no tap.
                    let column = if exists { columns.position(x + p, kx) } else { 0 };
                    let at = (row + column) * channels + group * inputs;
                    let Some(tap) = self.x.get(at..).and_then(|x| x.get(..inputs)) else { return acc };
                    taps[p] = tap;
                }
                let w_at = (ky * kw + kx) * inputs;
                for j in 0..inputs {
                    for v in 0..V {
                        let Some(w) = weights[v].get(w_at + j) else { return acc };
                        let w = s.load_le(w);
                        for p in 0..P {
                            // SAFETY: j < inputs, which is the length of each tap.
                            let x = s.splat(unsafe { *taps[p].get_unchecked(j) });
                            acc[v][p] = s.select(masks[p], s.fma(x, w, acc[v][p]), acc[v][p]);
                        }
                    }
                }
            }
        }
        acc
    }

    /// All pixels of 16 output channels that belong to several groups, whose outputs do not come in sixteens: each
    /// group's 16 lanes are computed, and those in question are picked.
    #[inline(always)]
    fn mixed_block<E: Epilogue>(&self, channel: usize, epilogue: &mut E) {
        let shape = self.shape;
        let s = self.s;
        let [height, width, channels] = shape.output;
        let outputs = shape.group_outputs();
        for image in 0..shape.n {
            for y in 0..height {
                let mut at = At { image, y, x: 0, pixel: (image * height + y) * width, channel };
                while at.x < width {
                    let mut lanes = [0.0; 16];
                    let mut filled = 0;
                    while filled < 16 && channel + filled < channels {
                        let c = channel + filled;
                        let (group, inner) = (c / outputs, c % outputs);
                        let weights = [self.block_weights(group, inner / 16)];
                        let [[v]] = self.border_tile::<1, 1>(group, image, y, at.x, &weights);
                        let v = s.to_array(v);
                        // Up to the end of this block, of its group, of this tile.
                        let first = inner % 16;
                        let run = (16 - first).min(outputs - inner).min(16 - filled);
                        lanes[filled..filled + run].copy_from_slice(&v[first..first + run]);
                        filled += run;
                    }
                    epilogue.tile(s, s.from_array(lanes), at);
                    at.x += 1;
                    at.pixel += 1;
                }
                epilogue.end_row(s, at);
            }
        }
    }
}
