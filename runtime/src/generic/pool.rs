//! Maximum and mean over windows; the channels are the lanes.

use super::tile::{At, Epilogue, band_of, load_tile};
use super::window::{Axis, fits};
use crate::parts::steps;
use crate::simd::Simd;

/// Geometry of a pool over a dense `[n][h][w][c]` tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShape {
    /// Images.
    pub n: usize,
    /// Height, width, channels.
    pub input: [usize; 3],
    /// Height, width, channels.
    pub output: [usize; 3],
    /// Height, width.
    pub kernel: [usize; 2],
    /// Vertical, horizontal.
    pub strides: [usize; 2],
    /// Vertical, horizontal.
    pub dilations: [usize; 2],
    /// Top, left.
    pub pads: [usize; 2],
    /// Bottom and right padding that counts in the divisor of a mean, together with `pads`; `None` if no padding does.
    pub include_pad: Option<[usize; 2]>,
}

impl PoolShape {
    #[inline(always)]
    pub(super) const fn axis(&self, i: usize) -> Axis {
        Axis {
            input: self.input[i],
            kernel: self.kernel[i],
            stride: self.strides[i],
            dilation: self.dilations[i],
            pad: self.pads[i],
        }
    }

    /// Taps of output `o` that count in the divisor.
    #[inline(always)]
    fn counted(&self, i: usize, o: usize) -> usize {
        match self.include_pad {
            None => self.axis(i).taps(o).len(),
            Some(after) => {
                Axis { input: self.input[i] + self.pads[i] + after[i], pad: 0, ..self.axis(i) }.taps(o).len()
            }
        }
    }

    /// The mean of a window from its sum.
    #[inline(always)]
    pub(super) fn mean<S: Simd>(&self, s: S, sum: S::F, at: At) -> S::F {
        let inside = |i: usize, o: usize| self.axis(i).interior(self.output[i]).contains(&o);
        if inside(0, at.y) && inside(1, at.x) {
            // A constant divisor: by a power of two, the compiler multiplies.
            return s.div(sum, s.splat((self.kernel[0] * self.kernel[1]) as f32));
        }
        let count = self.counted(0, at.y) * self.counted(1, at.x);
        s.div(sum, s.splat(count as f32))
    }

    #[inline(always)]
    fn is_valid(&self, x: usize) -> bool {
        let [h, w, c] = self.input;
        self.is_sound() && x >= self.n * h * w * c
    }

    /// Whether the extents make sense and no index overflows.
    #[inline(always)]
    pub(super) fn is_sound(&self) -> bool {
        let [h, w, c] = self.input;
        let [oh, ow, oc] = self.output;
        let small = |e: usize| e < 1 << 24;
        c == oc
            && fits(&[self.n, h, w, c])
            && fits(&[self.n, oh, ow, oc])
            && [
                self.kernel,
                self.strides,
                self.dilations,
                self.pads,
                [h, w],
                [oh, ow],
                self.include_pad.unwrap_or_default(),
            ]
            .iter()
            .all(|pair| small(pair[0]) && small(pair[1]))
    }
}

/// Calls `window` for each pixel and 16 channels, with what it gives the epilogue.
#[inline(always)]
fn slide<S: Simd, E: Epilogue>(s: S, shape: &PoolShape, epilogue: &mut E, window: impl Fn(At) -> S::F) {
    let [height, width, c] = shape.output;
    // Row by row, so that each row of the input comes from memory once.
    for image in 0..shape.n {
        for y in band_of(epilogue, image, height) {
            for channel in steps(c, 16) {
                let mut at = At::start(epilogue, [height, width], image, y, channel);
                while at.x < width {
                    let v = window(at);
                    epilogue.tile(s, v, at);
                    at.x += 1;
                    at.pixel += 1;
                }
                epilogue.end_row(s, at);
            }
        }
    }
}

/// What a maximum or a sum starts from.
#[inline(always)]
pub(super) fn start<S: Simd, const MAX: bool>(s: S) -> S::F {
    s.splat(if MAX { f32::NEG_INFINITY } else { 0.0 })
}

/// Takes a value into a maximum or a sum. No closure, as one called at several places is not always inlined, and what is
/// not inlined is not compiled for the level.
#[inline(always)]
pub(super) fn combine<S: Simd, const MAX: bool>(s: S, x: S::F, v: S::F) -> S::F {
    if MAX { s.max(x, v) } else { s.add(v, x) }
}

/// Maximum, or sum, of the taps inside the image, in the order ky, kx.
#[inline(always)]
fn fold<S: Simd, const MAX: bool>(s: S, shape: &PoolShape, x: &[f32], at: At) -> S::F {
    let [height, width, c] = shape.input;
    let (rows, columns) = (shape.axis(0), shape.axis(1));
    let mut v = start::<S, MAX>(s);
    if rows.interior(shape.output[0]).contains(&at.y) && columns.interior(shape.output[1]).contains(&at.x) {
        // The same with constant bounds.
        let first = (at.image * height + rows.position(at.y, 0)) * width + columns.position(at.x, 0);
        for ky in 0..shape.kernel[0] {
            for kx in 0..shape.kernel[1] {
                let pixel = first + ky * shape.dilations[0] * width + kx * shape.dilations[1];
                v = combine::<S, MAX>(s, load_tile(s, x, c, At { pixel, ..at }), v);
            }
        }
        return v;
    }
    for ky in rows.taps(at.y) {
        let row = (at.image * height + rows.position(at.y, ky)) * width;
        for kx in columns.taps(at.x) {
            let pixel = row + columns.position(at.x, kx);
            v = combine::<S, MAX>(s, load_tile(s, x, c, At { pixel, ..at }), v);
        }
    }
    v
}

/// Maximum over a window; padded taps take no part, and neither does NaN. -inf over no taps at all.
/// Calls nothing when `x` does not fit the shape.
#[inline(always)]
pub fn max_pool<S: Simd, E: Epilogue>(s: S, shape: &PoolShape, x: &[f32], epilogue: &mut E) {
    if !shape.is_valid(x.len()) {
        return;
    }
    slide(s, shape, epilogue, |at| fold::<S, true>(s, shape, x, at));
}

/// Mean over a window: the sum from zero in the order ky, kx, divided by the number of taps that count.
/// Calls nothing when `x` does not fit the shape.
#[inline(always)]
pub fn average_pool<S: Simd, E: Epilogue>(s: S, shape: &PoolShape, x: &[f32], epilogue: &mut E) {
    if !shape.is_valid(x.len()) {
        return;
    }
    slide(s, shape, epilogue, |at| {
        let sum = fold::<S, false>(s, shape, x, at);
        shape.mean(s, sum, at)
    });
}
