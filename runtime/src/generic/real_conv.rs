//! Real-valued convolution and fully connected layers.
//!
//! Sixteen output channels are the lanes of a vector; a value of the input is broadcast to all of them. A tile is P
//! neighbouring pixels of V times 16 channels, all of whose sums grow in registers. Each sum starts from zero and
//! takes, with fused multiply-add, the taps inside the image in the order ky, kx, input channel: the result does not
//! depend on P, V or the level.

use super::real_shape::RealShape;
use super::vectors::prefetch_part;
use crate::parts::Count;
use crate::simd::Simd;
use crate::weights::Le;

/// A row of V neighbouring blocks of 16 channels of a real-valued convolution, from block number `block` on, in tiles of P pixels,
/// or smaller ones where the registers of the level do not hold that many.
///
/// `x`: dense `[h][w][c]`, or, where it is PLANAR, `[c][h][w]`. `weights`: for each group, for each 16 output channels of the
/// group, `[kh][kw][c / groups][16]`, zeros where there is no channel. Blocks are counted over all groups; V are of one group, as is each
/// (see [`grouped_conv_row`](super::grouped_conv::grouped_conv_row) where it is not).
/// Does nothing when the operands do not fit the shape.
#[allow(clippy::too_many_arguments)] // two operands and a place
#[inline(always)]
pub fn real_conv_row<S: Simd, const P: usize, const V: usize, const PLANAR: bool, const W: usize>(
    s: S,
    shape: &RealShape,
    x: &[f32],
    weights: &[[Le<f32>; 16]],
    block: usize,
    y: usize,
    row: &mut [[[f32; 16]; W]; V],
) {
    let [h, w, c] = shape.input;
    if !shape.is_valid() || P == 0 || V == 0 || x.len() < h * w * c || W != shape.output[1] || y >= shape.output[0] {
        return;
    }
    let outputs = shape.group_outputs();
    let blocks = outputs.ceil_over(16);
    if weights.len() < shape.groups * blocks * shape.block_rows() {
        return;
    }
    let conv = Conv::<S, PLANAR> { s, shape, x, weights };
    let (group, first) = (block.over(blocks), block.beyond(blocks));
    // Constant conditions, so that what is not needed is not even compiled.
    if const { V > 1 && P * V <= S::TILES } {
        if const { V >= BORDER } {
            conv.row::<P, V, 1, W>(group, first, y, row);
        } else if const { V * 2 >= BORDER } {
            conv.row::<P, V, 2, W>(group, first, y, row);
        } else {
            conv.row::<P, V, BORDER, W>(group, first, y, row);
        }
        return;
    }
    for (v, row) in row.iter_mut().enumerate() {
        conv.block_row::<P, W>(group, first + v, y, core::array::from_mut(row));
    }
}

/// Pixels of a tile at the left or right border, for one block of channels: enough sums to hide the time that one
/// addition takes.
const BORDER: usize = 4;

/// What all pixels of V times 16 output channels have in common.
struct Row<'a, const V: usize> {
    weights: [&'a [[Le<f32>; 16]]; V],
    group: usize,
}

/// `len` rows of each block's weights from `at` on, if they all exist.
#[inline(always)]
fn rows_of<'a, const V: usize>(
    weights: &[&'a [[Le<f32>; 16]]; V],
    at: usize,
    len: usize,
) -> Option<[&'a [[Le<f32>; 16]]; V]> {
    let mut rows: [&[[Le<f32>; 16]]; V] = [&[]; V];
    for (row, w) in rows.iter_mut().zip(weights) {
        *row = w.get(at..).and_then(|w| w.get(..len))?;
    }
    Some(rows)
}

/// `PLANAR`: the input lies plane by plane.
struct Conv<'a, S, const PLANAR: bool> {
    s: S,
    shape: &'a RealShape,
    x: &'a [f32],
    weights: &'a [[Le<f32>; 16]],
}

impl<S: Simd, const PLANAR: bool> Conv<'_, S, PLANAR> {
    /// The weights of a block of 16 output channels of a group.
    #[inline(always)]
    fn block_weights(&self, group: usize, block: usize) -> &[[Le<f32>; 16]] {
        let rows = self.shape.block_rows();
        let at = (group * self.shape.group_outputs().ceil_over(16) + block) * rows;
        self.weights.get(at..at + rows).unwrap_or_default()
    }

    /// A row of 16 output channels, in tiles of as many pixels as the registers of the level hold.
    #[inline(always)]
    fn block_row<const P: usize, const W: usize>(
        &self,
        group: usize,
        block: usize,
        y: usize,
        row: &mut [[[f32; 16]; W]; 1],
    ) {
        if const { S::TILES == 1 } {
            self.row::<1, 1, 1, W>(group, block, y, row);
        } else if const { P > S::TILES } {
            self.row::<BORDER, 1, BORDER, W>(group, block, y, row);
        } else {
            self.row::<P, 1, BORDER, W>(group, block, y, row);
        }
    }

    /// A row of V times 16 output channels, from block `block` of the group on.
    #[inline(always)]
    fn row<const P: usize, const V: usize, const B: usize, const W: usize>(
        &self,
        group: usize,
        block: usize,
        y: usize,
        out: &mut [[[f32; 16]; W]; V],
    ) {
        let shape = self.shape;
        let [height, width, _] = shape.output;
        let mut weights: [&[[Le<f32>; 16]]; V] = [&[]; V];
        for (v, w) in weights.iter_mut().enumerate() {
            *w = self.block_weights(group, block + v);
        }
        let row = Row { weights, group };
        let inside = shape.axis(1).interior(width);
        if height > 1 {
            prefetch_part(self.s, self.block_weights(group, block + V), y, height);
        }
        let mut done = 0;
        // Where each part of the row begins and ends: left border, inside, right border.
        while done < inside.start {
            done = self.border::<V, B, W>(&row, y, done, inside.start, out);
        }
        // The last tile starts early enough to be a whole one; its first pixels are only computed again.
        if inside.len() >= P {
            while done < inside.end {
                let start = done.min(inside.end - P);
                done = self.interior::<P, V, W>(&row, y, start, out);
            }
        }
        if const { P > 4 } && inside.len() >= 4 {
            while done < inside.end {
                let start = done.min(inside.end - 4);
                done = self.interior::<4, V, W>(&row, y, start, out);
            }
        }
        if const { P > 1 } {
            while done < inside.end {
                done = self.interior::<1, V, W>(&row, y, done, out);
            }
        }
        while done < width {
            done = self.border::<V, B, W>(&row, y, done, width, out);
        }
    }

    /// Computes the pixels from `start` on, none of whose taps lies left or right of the image. Returns the end.
    #[inline(always)]
    fn interior<const P: usize, const V: usize, const W: usize>(
        &self,
        row: &Row<'_, V>,
        y: usize,
        start: usize,
        out: &mut [[[f32; 16]; W]; V],
    ) -> usize {
        let acc = self.interior_tile::<P, V>(row, y, start);
        keep(self.s, acc, start, start + P, out);
        start + P
    }

    /// Computes up to B pixels from `done` to `end`, any of whose taps may lie outside the image.
    #[inline(always)]
    fn border<const V: usize, const B: usize, const W: usize>(
        &self,
        row: &Row<'_, V>,
        y: usize,
        done: usize,
        end: usize,
        out: &mut [[[f32; 16]; W]; V],
    ) -> usize {
        let end = end.min(done + B);
        let acc = self.border_tile::<B, V>(row, y, done);
        keep(self.s, acc, done, end, out);
        end
    }

    /// P pixels none of whose taps lies left or right of the image.
    #[inline(always)]
    fn interior_tile<const P: usize, const V: usize>(&self, row: &Row<'_, V>, y: usize, x: usize) -> [[S::F; P]; V] {
        let shape = self.shape;
        let [_, width, channels] = shape.input;
        let [_, kw] = shape.kernel;
        let inputs = shape.group_inputs();
        let (rows, columns) = (shape.axis(0), shape.axis(1));
        let step = shape.strides[1] * channels;
        let mut acc = [[self.s.splat(0.0); P]; V];
        for ky in rows.taps(y) {
            let first = rows.position(y, ky) * width;
            if const { PLANAR } {
                let mut at = [self.plane_row(row, rows.position(y, ky)) + columns.position(x, 0); P];
                for (p, at) in at.iter_mut().enumerate() {
                    *at += p * shape.strides[1];
                }
                self.run_planes(&mut acc, &at, kw, &row.weights, ky * kw * inputs);
            } else if shape.dilations[1] == 1 && shape.groups == 1 {
                // The taps of a row are neighbours in memory.
                let at = (first + columns.position(x, 0)) * channels;
                self.run(&mut acc, at, kw * inputs, step, &row.weights, ky * kw * inputs);
            } else {
                for kx in 0..kw {
                    let at = (first + columns.position(x, kx)) * channels + row.group * inputs;
                    self.run(&mut acc, at, inputs, step, &row.weights, (ky * kw + kx) * inputs);
                }
            }
        }
        acc
    }

    /// Takes `len` neighbouring values into the sums: pixel p those from `x_at + p * step` on. None if they do not exist.
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
        let span = step.saturating_mul(P - 1).saturating_add(len);
        let Some(x) = self.x.get(x_at..).and_then(|x| x.get(..span)) else { return };
        let Some(weights) = rows_of(weights, w_at, len) else { return };
        if const { Self::ONE_SUM && P == 1 && V == 1 } {
            return self.run_of_one(acc, x, 1, &weights);
        }
        // SAFETY: p < P and j < len, so p * step + j < span, which is the length of `x`.
        *acc = self.accumulate(*acc, &weights, |p, j| unsafe { *x.get_unchecked(p * step + j) });
    }

    /// The first value of a row of the group's first plane.
    #[inline(always)]
    fn plane_row<const V: usize>(&self, row: &Row<'_, V>, y: usize) -> usize {
        let [height, width, _] = self.shape.input;
        let plane = row.group * self.shape.group_inputs();
        (plane * height + y) * width
    }

    /// [`Conv::run`] of `taps` neighbouring taps, of pixel p those from `at[p]` on.
    #[inline(always)]
    fn run_taps<const P: usize, const V: usize>(
        &self,
        acc: &mut [[S::F; P]; V],
        at: &[usize; P],
        taps: usize,
        weights: &[&[[Le<f32>; 16]]; V],
        w_at: usize,
    ) {
        if const { PLANAR } {
            self.run_planes(acc, at, taps, weights, w_at);
        } else {
            self.run_at(acc, at, taps * self.shape.group_inputs(), weights, w_at);
        }
    }

    /// [`Conv::run_taps`] from the planes: tap by tap, a value of each.
    #[inline(always)]
    fn run_planes<const P: usize, const V: usize>(
        &self,
        acc: &mut [[S::F; P]; V],
        at: &[usize; P],
        taps: usize,
        weights: &[&[[Le<f32>; 16]]; V],
        w_at: usize,
    ) {
        let s = self.s;
        let shape = self.shape;
        let (plane, inputs, step) = (shape.input[0] * shape.input[1], shape.group_inputs(), shape.dilations[1]);
        let Some(rows) = rows_of(weights, w_at, taps * inputs) else { return };
        let span = taps.saturating_sub(1).saturating_mul(step).saturating_add((inputs - 1) * plane);
        if at.iter().any(|at| at.saturating_add(span) >= self.x.len()) {
            return;
        }
        if const { Self::ONE_SUM && P == 1 && V == 1 } {
            // Of one plane the taps are a run, of several the values of a tap.
            let (runs, len, apart) = if inputs == 1 { (1, taps, step) } else { (taps, inputs, plane) };
            for run in 0..runs {
                for at in at {
                    let Some(x) = self.x.get(at + run * step..) else { return };
                    let mut some: [&[[Le<f32>; 16]]; V] = [&[]; V];
                    for (some, rows) in some.iter_mut().zip(&rows) {
                        *some = rows.get(run * len..).and_then(|rows| rows.get(..len)).unwrap_or_default();
                    }
                    self.run_of_one(acc, x, apart, &some);
                }
            }
            return;
        }
        let mut sums = *acc;
        for kx in 0..taps {
            for c in 0..inputs {
                let mut w = [s.splat(0.0); V];
                for (w, rows) in w.iter_mut().zip(&rows) {
                    // SAFETY: kx < taps and c < inputs, and each block has taps * inputs rows.
                    *w = s.load_le(unsafe { rows.get_unchecked(kx * inputs + c) });
                }
                for (p, at) in at.iter().enumerate() {
                    // SAFETY: at most at + span, which was just compared with the length.
                    let x = s.splat(unsafe { *self.x.get_unchecked(at + kx * step + c * plane) });
                    for (sums, w) in sums.iter_mut().zip(w) {
                        if let Some(sum) = sums.get_mut(p) {
                            *sum = s.fma(x, w, *sum);
                        }
                    }
                }
            }
        }
        *acc = sums;
    }

    /// [`Conv::run`] with pixel p's values from `at[p]` on.
    #[inline(always)]
    fn run_at<const P: usize, const V: usize>(
        &self,
        acc: &mut [[S::F; P]; V],
        at: &[usize; P],
        len: usize,
        weights: &[&[[Le<f32>; 16]]; V],
        w_at: usize,
    ) {
        let mut x: [&[f32]; P] = [&[]; P];
        for (x, &at) in x.iter_mut().zip(at) {
            let Some(values) = self.x.get(at..).and_then(|x| x.get(..len)) else { return };
            *x = values;
        }
        let Some(weights) = rows_of(weights, w_at, len) else { return };
        if const { Self::ONE_SUM && P == 1 && V == 1 } {
            for x in x {
                self.run_of_one(acc, x, 1, &weights);
            }
            return;
        }
        // SAFETY: p < P and j < len, which is the length of each pixel's values.
        *acc = self.accumulate(*acc, &weights, |p, j| unsafe { *x.get_unchecked(p).get_unchecked(j) });
    }

    /// The registers hold one sum.
    const ONE_SUM: bool = S::TILES == 1;

    /// [`Conv::accumulate`] of one pixel and one block, whose values are `step` apart.
    #[inline(always)]
    fn run_of_one<const P: usize, const V: usize>(
        &self,
        acc: &mut [[S::F; P]; V],
        x: &[f32],
        step: usize,
        weights: &[&[[Le<f32>; 16]]; V],
    ) {
        for (sum, rows) in acc.as_flattened_mut().iter_mut().zip(weights) {
            *sum = self.s.fma_run(*sum, x, step, rows);
        }
    }

    /// The innermost loop: all rows of weights, each with the values `x(p, row)`. The sums come and go by value, so that
    /// the compiler can keep them in registers whatever else is done to the array they live in.
    #[inline(always)]
    fn accumulate<const P: usize, const V: usize>(
        &self,
        mut sums: [[S::F; P]; V],
        weights: &[&[[Le<f32>; 16]]; V],
        x: impl Fn(usize, usize) -> f32,
    ) -> [[S::F; P]; V] {
        let s = self.s;
        let len = weights.iter().map(|rows| rows.len()).min().unwrap_or(0);
        for j in 0..len {
            let mut w = [s.splat(0.0); V];
            for (w, rows) in w.iter_mut().zip(weights) {
                // SAFETY: j < len, the least length of any.
                *w = s.load_le(unsafe { rows.get_unchecked(j) });
            }
            for p in 0..P {
                let x = s.splat(x(p, j));
                for (sums, w) in sums.iter_mut().zip(w) {
                    if let Some(sum) = sums.get_mut(p) {
                        *sum = s.fma(x, w, *sum);
                    }
                }
            }
        }
        sums
    }

    /// P pixels from `x` on, any of whose taps may lie left or right of the image; behind the row, its last pixel again.
    #[inline(always)]
    fn border_tile<const P: usize, const V: usize>(&self, row: &Row<'_, V>, y: usize, x: usize) -> [[S::F; P]; V] {
        let s = self.s;
        let shape = self.shape;
        let [_, width, channels] = shape.input;
        let [_, kw] = shape.kernel;
        let inputs = shape.group_inputs();
        let (rows, columns) = (shape.axis(0), shape.axis(1));
        let pixel = |p: usize| (x + p).min(shape.output[1] - 1);
        // The taps that all pixels have, and those that any of them has.
        let (mut common, mut any) = (0..kw, kw..0);
        for p in 0..P {
            let taps = columns.taps(pixel(p));
            common = common.start.max(taps.start)..common.end.min(taps.end);
            any = any.start.min(taps.start)..any.end.max(taps.end);
        }
        let mut acc = [[s.splat(0.0); P]; V];
        for ky in rows.taps(y) {
            let first = rows.position(y, ky) * width;
            let plane_row = self.plane_row(row, rows.position(y, ky));
            let address = |p: usize, kx: usize| {
                let column = columns.position(pixel(p), kx);
                if const { PLANAR } { plane_row + column } else { (first + column) * channels + row.group * inputs }
            };
            let mut kx = any.start;
            while kx < any.end {
                let w_at = (ky * kw + kx) * inputs;
                let mut at = [0; P];
                let side_by_side = PLANAR || shape.dilations[1] == 1 && shape.groups == 1;
                if kx == common.start && !common.is_empty() && side_by_side {
                    for (p, at) in at.iter_mut().enumerate() {
                        *at = address(p, kx);
                    }
                    self.run_taps(&mut acc, &at, common.len(), &row.weights, w_at);
                    kx = common.end;
                    continue;
                }
                // All sums take the tap, then those that do not have it get their old value back.
                let mut masks = [0u16; P];
                for (p, (at, mask)) in at.iter_mut().zip(&mut masks).enumerate() {
                    let exists = columns.taps(pixel(p)).contains(&kx);
                    *mask = if exists { u16::MAX } else { 0 };
                    // Any value will do where there is no tap.
                    *at = match exists {
                        true => address(p, kx),
                        false if PLANAR => plane_row,
                        false => first * channels,
                    };
                }
                let old = acc;
                self.run_taps(&mut acc, &at, 1, &row.weights, w_at);
                for (acc, old) in acc.iter_mut().zip(&old) {
                    for ((acc, old), mask) in acc.iter_mut().zip(old).zip(masks) {
                        *acc = s.select(mask, *acc, *old);
                    }
                }
                kx += 1;
            }
        }
        acc
    }
}

/// Writes the pixels `start..end` of a tile to their row.
#[inline(always)]
pub(super) fn keep<S: Simd, const P: usize, const V: usize, const W: usize>(
    s: S,
    sums: [[S::F; P]; V],
    start: usize,
    end: usize,
    out: &mut [[[f32; 16]; W]; V],
) {
    for (sums, out) in sums.iter().zip(out) {
        for (p, sum) in sums.iter().enumerate() {
            if start + p < end
                && let Some(out) = out.get_mut(start + p)
            {
                s.store(out, *sum);
            }
        }
    }
}
