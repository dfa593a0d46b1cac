//! A pool inside an epilogue: the windows slide over the rows of a convolution while it computes them, so that only as
//! many rows as a window is high are ever in memory.

use core::ops::Range;

use super::pool::{PoolShape, combine, start};
use super::tile::{At, Epilogue, band_of};
use crate::parts::Count;
use crate::simd::Simd;

/// The rows that windows still need, of V neighbouring groups of 16 channels, as many as the driver interleaves.
///
/// A row lies at the place of the one that no window needs any more: `[row % rows][group][x][16]`.
#[derive(Debug)]
pub struct PoolRows<'a, const V: usize = 1> {
    rows: &'a mut [[f32; 16]],
}

impl PoolShape {
    /// Rows of the input from the first tap of a window to its last.
    #[inline(always)]
    const fn window_rows(&self) -> usize {
        let span = self.kernel[0].saturating_sub(1).saturating_mul(self.dilations[0]).saturating_add(1);
        if span < self.input[0] { span } else { self.input[0] }
    }

    /// How many rows of the output need none but the first `rows` rows of the input.
    #[inline(always)]
    fn complete(&self, rows: usize) -> usize {
        let [height, ..] = self.output;
        // A window that lies in the padding as a whole comes with the nearest row.
        if rows == 0 || rows >= self.input[0] {
            return if rows == 0 { 0 } else { height };
        }
        let reach = self.kernel[0].saturating_sub(1).saturating_mul(self.dilations[0]);
        let last = (rows + self.pads[0]).checked_sub(reach.saturating_add(1));
        last.and_then(|last| last.checked_div(self.strides[0])).map_or(0, |y| (y + 1).min(height))
    }
}

impl PoolShape {
    /// The rows of the input, those of all images counted one after the other, that a band of rows of the output needs:
    /// what an epilogue with a pool inside asks its driver for. Those under two bands are computed for each.
    #[inline(always)]
    pub fn rows_under(&self, band: Range<usize>) -> Range<usize> {
        let (height, rows) = (self.output[0], self.input[0]);
        let (Range { start, end }, all) = (band, self.n.saturating_mul(height));
        if start == 0 && end >= all {
            return 0..usize::MAX;
        }
        let end = end.min(all);
        let (Some(last), true) = (rows.checked_sub(1), start < end && self.is_sound()) else { return 0..0 };
        // A window that lies in the padding as a whole comes with the nearest row.
        let tap = |row: usize, reach: usize| {
            let first = row.beyond(height) * self.strides[0] + reach;
            row.over(height) * rows + first.saturating_sub(self.pads[0]).min(last)
        };
        let reach = self.kernel[0].saturating_sub(1).saturating_mul(self.dilations[0]);
        tap(start, 0)..tap(end - 1, reach) + 1
    }
}

impl<'a, const V: usize> PoolRows<'a, V> {
    /// Uses this memory, [`PoolRows::len`] floats.
    #[inline(always)]
    pub fn new(rows: &'a mut [f32]) -> Self {
        Self { rows: rows.as_chunks_mut().0 }
    }

    /// True when it has no memory.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Floats that the rows take.
    pub const fn len(shape: &PoolShape) -> usize {
        shape.window_rows() * V * shape.input[1] * 16
    }

    /// Where a row of 16 channels begins.
    #[inline(always)]
    fn start(shape: &PoolShape, y: usize, channel: usize) -> usize {
        let group = if V == 1 { 0 } else { (channel / 16).checked_rem(V).unwrap_or(0) };
        let slot = y.checked_rem(shape.window_rows()).unwrap_or(0);
        slot.wrapping_mul(V).wrapping_add(group).wrapping_mul(shape.input[1])
    }

    /// Takes a tile of the input.
    #[inline(always)]
    pub fn put<S: Simd>(&mut self, s: S, shape: &PoolShape, at: At, v: S::F) {
        if let Some(place) = self.rows.get_mut(Self::start(shape, at.y, at.channel).wrapping_add(at.x)) {
            s.store(place, v);
        }
    }

    /// After a row of the input: gives the epilogue the maxima of the windows that are now complete, those in its rows, as
    /// [`max_pool`](super::pool::max_pool) would. Gives nothing when the memory does not fit the shape.
    #[inline(always)]
    pub fn max<S: Simd, E: Epilogue>(&mut self, s: S, shape: &PoolShape, at: At, epilogue: &mut E) {
        self.complete::<S, E, true>(s, shape, at, epilogue);
    }

    /// [`PoolRows::max`] with the means, as [`average_pool`](super::pool::average_pool) has them.
    #[inline(always)]
    pub fn mean<S: Simd, E: Epilogue>(&mut self, s: S, shape: &PoolShape, at: At, epilogue: &mut E) {
        self.complete::<S, E, false>(s, shape, at, epilogue);
    }

    #[inline(always)]
    fn complete<S: Simd, E: Epilogue, const MAX: bool>(&self, s: S, shape: &PoolShape, at: At, epilogue: &mut E) {
        let [height, width, _] = shape.output;
        if !shape.is_sound() || self.rows.len() < Self::len(shape) / 16 {
            return;
        }
        let band = band_of(epilogue, at.image, height);
        let (first, end) = (shape.complete(at.y), shape.complete(at.y.saturating_add(1)));
        for y in first.max(band.start)..end.min(band.end) {
            let mut at = At::start(epilogue, [height, width], at.image, y, at.channel);
            while at.x < width {
                let v = self.window::<S, MAX>(s, shape, at);
                epilogue.tile(s, if MAX { v } else { shape.mean(s, v, at) }, at);
                at.x += 1;
                at.pixel += 1;
            }
            epilogue.end_row(s, at);
        }
    }

    /// The maximum or the sum of a window, in the order ky, kx.
    #[inline(always)]
    fn window<S: Simd, const MAX: bool>(&self, s: S, shape: &PoolShape, at: At) -> S::F {
        let (rows, columns) = (shape.axis(0), shape.axis(1));
        let mut v = start::<S, MAX>(s);
        if rows.interior(shape.output[0]).contains(&at.y) && columns.interior(shape.output[1]).contains(&at.x) {
            // The same with constant bounds.
            let (first, x) = (rows.position(at.y, 0), columns.position(at.x, 0));
            for ky in 0..shape.kernel[0] {
                let row = Self::start(shape, first + ky * shape.dilations[0], at.channel) + x;
                for kx in 0..shape.kernel[1] {
                    if let Some(tap) = self.rows.get(row + kx * shape.dilations[1]) {
                        v = combine::<S, MAX>(s, s.load(tap), v);
                    }
                }
            }
            return v;
        }
        for ky in rows.taps(at.y) {
            let row = Self::start(shape, rows.position(at.y, ky), at.channel);
            for kx in columns.taps(at.x) {
                if let Some(tap) = self.rows.get(row + columns.position(at.x, kx)) {
                    v = combine::<S, MAX>(s, s.load(tap), v);
                }
            }
        }
        v
    }
}
