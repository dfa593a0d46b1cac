//! Tiles, what happens to them, and how they get to and from memory.

use core::ops::Range;

use crate::dispatch::dispatch;
use crate::parts::{Count, parts, parts_mut};
use crate::simd::{Kernel, Simd};
use crate::team::cut_mut;
use crate::weights::Le;

/// Where a tile belongs: 16 channels of one pixel of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// Image.
    pub image: usize,
    /// Row.
    pub y: usize,
    /// Column.
    pub x: usize,
    /// Row, counted over all images from the first one that the epilogue takes.
    pub row: usize,
    /// Pixel, counted from the first one that the epilogue takes: `row * width + x`.
    pub pixel: usize,
    /// First of the 16 channels: a multiple of 16, counted over all groups.
    pub channel: usize,
}

impl At {
    /// The first pixel of a row that the epilogue takes.
    #[inline(always)]
    pub(crate) fn start<E: Epilogue>(
        epilogue: &E,
        [height, width]: [usize; 2],
        image: usize,
        y: usize,
        channel: usize,
    ) -> Self {
        let row = (image * height + y).wrapping_sub(epilogue.rows().start);
        Self { image, y, x: 0, row, pixel: row.wrapping_mul(width), channel }
    }
}

/// The rows of an image that the epilogue takes.
#[inline(always)]
pub(crate) fn band_of<E: Epilogue>(epilogue: &E, image: usize, height: usize) -> Range<usize> {
    let Range { start, end } = epilogue.rows();
    let local = |row: usize| row.saturating_sub(image * height).min(height);
    local(start)..local(end)
}

/// What happens to the values a driver computes.
///
/// A driver calls [`tile`](Epilogue::tile) once for each pixel of its [`rows`](Epilogue::rows) and each 16 channels, for one
/// row of one image in the order of x, then [`end_row`](Epilogue::end_row), before the next row; the rows of an image come in the order of y.
/// Only drivers with a parameter `V` interleave the rows of V neighbouring groups of 16 channels.
/// Lanes behind the last channel hold anything.
pub trait Epilogue {
    /// The rows it takes, those of all images counted one after the other: row `y` of an image is number
    /// `image * height + y`. All of them, unless it is one band of several.
    #[inline(always)]
    fn rows(&self) -> Range<usize> {
        0..usize::MAX
    }

    /// Before the first pixel of a row, for these 16 channels; `at.x` is 0. Drivers of binary convolutions call it, to
    /// which what stays the same for a row matters: their sums are short.
    #[inline(always)]
    fn start_row<S: Simd>(&mut self, s: S, at: At) {
        let _ = (s, at);
    }

    /// Takes 16 values.
    fn tile<S: Simd>(&mut self, s: S, v: S::F, at: At);

    /// After the last pixel of a row, for these 16 channels; `at.x` is the width.
    #[inline(always)]
    fn end_row<S: Simd>(&mut self, s: S, at: At) {
        let _ = (s, at);
    }
}

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
fn load_at<S: Simd>(s: S, x: &[f32], i: usize, lanes: usize) -> S::F {
    if lanes >= 16 {
        match chunk(x, i) {
            Some(x) => s.load(x),
            None => s.splat(0.0),
        }
    } else {
        partial(s, x.get(i..i.wrapping_add(lanes)))
    }
}

/// 16 channels of a pixel of a dense `[pixels][c]` tensor; 0 behind the last channel, and where there is none.
#[inline(always)]
pub fn load_tile<S: Simd>(s: S, x: &[f32], c: usize, at: At) -> S::F {
    load_at(s, x, at.pixel.wrapping_mul(c).wrapping_add(at.channel), lanes(c, at.channel))
}

/// 16 channels of an image of a dense `[images][c]` tensor; 0 behind the last channel, and where there is none.
#[inline(always)]
pub fn load_vector<S: Simd>(s: S, t: &[f32], c: usize, at: At) -> S::F {
    load_at(s, t, at.image.wrapping_mul(c).wrapping_add(at.channel), lanes(c, at.channel))
}

/// How many of the 16 channels from `channel` on exist. With a constant multiple of 16 as `c` this is a constant,
/// as drivers only ask for channels that exist.
#[inline(always)]
pub(crate) fn lanes(c: usize, channel: usize) -> usize {
    if c.is_multiple_of(16) { 16 } else { c.saturating_sub(channel).min(16) }
}

/// Parameters of 16 channels, from as many as channels rounded up to a multiple of 16; zeros where there are none.
#[inline(always)]
pub fn load_channels<S: Simd>(s: S, p: &[Le<f32>], channel: usize) -> S::F {
    match chunk(p, channel) {
        Some(p) => s.load_le(p),
        None => s.splat(0.0),
    }
}

/// Writes 16 channels of a pixel of a dense `[pixels][c]` tensor, those that exist.
#[inline(always)]
pub fn store_tile<S: Simd>(s: S, y: &mut [f32], c: usize, at: At, v: S::F) {
    store_at(s, y, at.pixel.wrapping_mul(c).wrapping_add(at.channel), lanes(c, at.channel), v);
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

/// A parameter of each channel; those of 16 channels at hand, in a register if there is one left.
#[derive(Clone, Copy, Debug)]
pub struct PerChannel<'a> {
    all: &'a [Le<f32>],
    here: [f32; 16],
}

impl<'a> PerChannel<'a> {
    /// Of as many channels as there are, rounded up to a multiple of 16.
    #[inline(always)]
    pub fn new(all: &'a [Le<f32>]) -> Self {
        Self { all, here: [0.0; 16] }
    }

    /// Takes those of a row's channels at hand: as [`load_channels`].
    #[inline(always)]
    pub fn start_row<S: Simd>(&mut self, s: S, at: At) {
        s.store(&mut self.here, load_channels(s, self.all, at.channel));
    }

    /// Those at hand.
    #[inline(always)]
    pub fn get<S: Simd>(&self, s: S) -> S::F {
        s.load(&self.here)
    }
}

/// A factor of each image and channel, as a gate gives it; those of 16 channels at hand, in a register if there is one
/// left.
#[derive(Clone, Copy, Debug)]
pub struct PerImage<'a> {
    all: &'a [f32],
    scale: &'a [Le<f32>],
    c: usize,
    here: [f32; 16],
}

impl<'a> PerImage<'a> {
    /// Of a dense `[images][c]` tensor.
    #[inline(always)]
    pub fn new(all: &'a [f32], c: usize) -> Self {
        Self { all, scale: &[], c, here: [0.0; 16] }
    }

    /// The same times a parameter of each channel; of as many as there are, rounded up to a multiple of 16.
    #[inline(always)]
    pub fn scaled(all: &'a [f32], scale: &'a [Le<f32>], c: usize) -> Self {
        Self { scale, ..Self::new(all, c) }
    }

    /// Takes those of a row's image and channels at hand: as [`load_vector`], times [`load_channels`] of a scale.
    #[inline(always)]
    pub fn start_row<S: Simd>(&mut self, s: S, at: At) {
        let factor = load_vector(s, self.all, self.c, at);
        let scaled = s.mul(load_channels(s, self.scale, at.channel), factor);
        s.store(&mut self.here, if self.scale.is_empty() { factor } else { scaled });
    }

    /// Those at hand.
    #[inline(always)]
    pub fn get<S: Simd>(&self, s: S) -> S::F {
        s.load(&self.here)
    }
}

/// Sums over the pixels of each row and channel: [`add_rows`] makes of them what a gate needs of its block's input.
///
/// The values of a row are added up from zero in the order of x, so that the result depends neither on the shape of tiles
/// nor on who computes which rows. `V` is that of the driver, 1 for most.
#[derive(Debug)]
pub struct RowSum<'a, const V: usize = 1> {
    sums: &'a mut [f32],
    c: usize,
    rows: [[f32; 16]; V],
}

impl<'a, const V: usize> RowSum<'a, V> {
    /// Sums into `sums`, `[rows][c]`.
    #[inline(always)]
    pub fn new(sums: &'a mut [f32], c: usize) -> Self {
        Self { sums, c, rows: [[0.0; 16]; V] }
    }

    /// The first `rows` rows, and the rest.
    #[inline(always)]
    pub fn cut(self, rows: usize) -> (Self, Self) {
        let (first, rest) = cut_mut(self.sums, rows.saturating_mul(self.c));
        (Self::new(first, self.c), Self::new(rest, self.c))
    }

    #[inline(always)]
    fn row(&mut self, at: At) -> Option<&mut [f32; 16]> {
        let i = if V == 1 { 0 } else { (at.channel / 16).checked_rem(V)? };
        self.rows.get_mut(i)
    }

    /// Adds a pixel.
    #[inline(always)]
    pub fn add<S: Simd>(&mut self, s: S, at: At, v: S::F) {
        if let Some(row) = self.row(at) {
            let sum = s.add(s.load(row), v);
            s.store(row, sum);
        }
    }

    /// Ends a row of pixels.
    #[inline(always)]
    pub fn end_row<S: Simd>(&mut self, s: S, at: At) {
        let Some(row) = self.row(at) else { return };
        let sum = s.load(row);
        *row = [0.0; 16];
        let i = at.row.wrapping_mul(self.c).wrapping_add(at.channel);
        store_at(s, self.sums, i, lanes(self.c, at.channel), sum);
    }
}

/// Sums over all pixels of each image from those of its rows: `rows`, `[images][height][c]`, are added up from zero in
/// order, into `total`, `[images][c]`. Writes nothing where a slice is too short.
pub fn add_rows(rows: &[f32], height: usize, c: usize, total: &mut [f32]) {
    dispatch(AddRows { rows, height, c, total });
}

/// Sums over all pixels of an image from those of its rows, which are added up from zero in order.
pub fn add_row_sums<const C: usize>(rows: &[[[f32; C]; 1]], total: &mut [[[f32; C]; 1]; 1]) {
    add_rows(rows.as_flattened().as_flattened(), rows.len(), C, total.as_flattened_mut().as_flattened_mut());
}

struct AddRows<'a> {
    rows: &'a [f32],
    height: usize,
    c: usize,
    total: &'a mut [f32],
}

impl Kernel for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (c, image) = (self.c.max(1), self.height.saturating_mul(self.c).max(1));
        for (total, rows) in parts_mut(self.total, c).zip(parts(self.rows, image)) {
            // Four vectors at a time: one alone would wait for itself.
            let mut channel = 0;
            while channel < c {
                let mut sums = [s.splat(0.0); 4];
                for row in parts(rows, c) {
                    for (i, sum) in sums.iter_mut().enumerate() {
                        let at = channel + i * 16;
                        *sum = s.add(*sum, load_at(s, row, at, lanes(c, at)));
                    }
                }
                for (i, sum) in sums.iter().enumerate() {
                    let at = channel + i * 16;
                    store_at(s, total, at, lanes(c, at), *sum);
                }
                channel += 64;
            }
        }
    }
}
