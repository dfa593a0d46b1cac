//! Vectors from and to slices whose length is known only at run time.

use crate::dispatch::dispatch;
use crate::parts::{Count, parts, steps};
use crate::simd::{Kernel, Simd};
use crate::weights::Le;

/// 16 neighbours from index `i` on, if they all exist. One comparison, whose right side does not change from tile to
/// tile; slicing takes several.
#[inline(always)]
fn chunk<T>(x: &[T], i: usize) -> Option<&[T; 16]> {
    // SAFETY: i < len - 15 where that is positive, so i + 16 <= len: the sixteen lie inside the slice.
    (i < x.len().saturating_sub(15)).then(|| unsafe { &*x.as_ptr().add(i).cast() })
}

/// The floats of a slice shorter than 16, then zeros.
#[inline(always)]
fn partial<S: Simd>(s: S, x: Option<&[f32]>) -> S::F {
    let mut lanes = [0.0; 16];
    if let Some(x) = x {
        for (lane, &x) in lanes.iter_mut().zip(x) {
            *lane = x;
        }
    }
    s.from_array(lanes)
}

/// 16 floats from index `i`, of which `lanes` exist; zeros where there are none.
#[inline(always)]
pub(crate) fn load_at<S: Simd>(s: S, x: &[f32], i: usize, lanes: usize) -> S::F {
    if lanes >= 16 {
        match chunk(x, i) {
            Some(x) => s.load(x),
            None => s.splat(0.0),
        }
    } else {
        partial(s, x.get(i..i.wrapping_add(lanes)))
    }
}

/// How many of the 16 channels from `channel` on exist. With a constant multiple of 16 as `c` this is a constant,
/// as drivers only ask for channels that exist.
#[inline(always)]
pub(crate) fn lanes(c: usize, channel: usize) -> usize {
    if c.is_multiple_of(16) && channel < c { 16 } else { c.saturating_sub(channel).min(16) }
}

/// Parameters of 16 channels, from as many as channels rounded up to a multiple of 16; zeros where there are none.
#[inline(always)]
pub(crate) fn load_channels<S: Simd>(s: S, p: &[Le<f32>], channel: usize) -> S::F {
    match chunk(p, channel) {
        Some(p) => s.load_le(p),
        None => s.splat(0.0),
    }
}

/// Writes `lanes` floats from index `i` on, if they all exist.
#[inline(always)]
pub(crate) fn store_at<S: Simd>(s: S, y: &mut [f32], i: usize, lanes: usize, v: S::F) {
    if lanes >= 16 {
        if i < y.len().saturating_sub(15) {
            // SAFETY: as in `chunk`; the slice is borrowed for writing.
            s.store(unsafe { &mut *y.as_mut_ptr().add(i).cast() }, v);
        }
    } else if let Some(y) = y.get_mut(i..i.wrapping_add(lanes)) {
        for (y, v) in y.iter_mut().zip(s.to_array(v)) {
            *y = v;
        }
    }
}

/// Asks for part number `row` of `rows` equal parts of the weights that come next: their way from memory takes longer
/// than a block of short rows, but not longer than the one before it.
#[inline(always)]
pub(crate) fn prefetch_part<S: Simd, T>(s: S, next: &[[T; 16]], row: usize, rows: usize) {
    let part = next.len().ceil_over(rows.max(1));
    for x in next.iter().skip(row * part).take(part) {
        s.prefetch(x);
    }
}

/// Sums over all pixels of an image from those of its rows, which are added up from zero in order.
pub fn add_row_sums<const C: usize>(rows: &[[[f32; C]; 1]], total: &mut [[[f32; C]; 1]; 1]) {
    let (c, total) = (C, total.as_flattened_mut().as_flattened_mut());
    dispatch(AddRows { rows: rows.as_flattened().as_flattened(), c, total });
}

struct AddRows<'a> {
    /// `[height][c]`
    rows: &'a [f32],
    c: usize,
    /// `[c]`
    total: &'a mut [f32],
}

impl Kernel for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let c = self.c;
        // Four vectors at a time: one alone would wait for itself.
        for channel in steps(c, 64) {
            let mut sums = [s.splat(0.0); 4];
            for row in parts(self.rows, c) {
                for (i, sum) in sums.iter_mut().enumerate() {
                    let at = channel + i * 16;
                    *sum = s.add(*sum, load_at(s, row, at, lanes(c, at)));
                }
            }
            for (i, sum) in sums.iter().enumerate() {
                let at = channel + i * 16;
                store_at(s, self.total, at, lanes(c, at), *sum);
            }
        }
    }
}
