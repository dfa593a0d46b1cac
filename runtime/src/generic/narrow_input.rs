//! Dense floats to narrow numbers, in the frame a convolution needs.
//!
//! Layout: `[n][top + h + bottom][left + w + right][c]`, each row rounded up to whole 32-bit words, bytes in little-endian
//! order; behind the last row one word more, so that a run of values may be read in whole words. The frame holds the
//! padding, so that the convolution has no border. The memory is that of floats, which are as long as these words.

use super::real_shape::RealShape;
use super::window::fits;
use crate::dispatch::dispatch;
use crate::narrow::to_bf16;
use crate::parts::parts_mut;
use crate::simd::{Kernel, Simd};
use crate::team::cut_mut;

/// Where a convolution finds its narrow input.
#[derive(Clone, Copy)]
pub(crate) struct Framed {
    /// Rows of an image, frame included.
    rows: usize,
    /// Bytes of a row, frame included: a multiple of 4.
    pub(crate) row: usize,
    /// Bytes of a pixel.
    pub(crate) pixel: usize,
}

impl Framed {
    /// `None` where the shape makes no sense, or has groups; `size` is that of a number in bytes.
    #[inline(always)]
    pub(crate) fn of(shape: &RealShape, size: usize) -> Option<Self> {
        if !shape.is_valid() || shape.groups != 1 || shape.output.contains(&0) {
            return None;
        }
        let extent = |i: usize| {
            let reach = (shape.kernel[i] - 1) * shape.dilations[i] + 1;
            // No overflow: that is part of being valid.
            ((shape.output[i] - 1) * shape.strides[i] + reach).max(shape.pads[i] + shape.input[i])
        };
        let pixel = shape.input[2].checked_mul(size)?;
        let row = extent(1).checked_mul(pixel)?.checked_next_multiple_of(4)?;
        let framed = Self { rows: extent(0), row, pixel };
        fits(&[shape.n, framed.rows, row, 2]).then_some(framed)
    }

    /// First byte of a row, counted with the frame.
    #[inline(always)]
    pub(crate) fn at(&self, image: usize, row: usize) -> usize {
        (image * self.rows + row) * self.row
    }

    /// 32-bit words of `n` images.
    #[inline(always)]
    fn words(&self, n: usize) -> usize {
        self.at(n, 0) / 4 + 1
    }
}

/// The bytes of floats.
#[inline(always)]
pub(crate) fn bytes(words: &[f32]) -> &[u8] {
    // SAFETY: the same memory, and bytes have no alignment.
    unsafe { core::slice::from_raw_parts(words.as_ptr().cast::<u8>(), size_of_val(words)) }
}

/// The bytes of floats.
#[inline(always)]
fn bytes_mut(words: &mut [f32]) -> &mut [u8] {
    // SAFETY: the same memory, exclusively borrowed; bytes have no alignment, and any bytes are floats.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast::<u8>(), size_of_val(words)) }
}

/// Rounds the input of a convolution to bf16 ([`to_bf16`]); its padding is zero.
///
/// `x`: dense `[n][h][w][c]`, or, where it is `planar`, `[n][c][h][w]`. `to`: see the module. Does nothing when they do not fit the shape, or it has groups.
pub fn input_to_bf16(shape: &RealShape, planar: bool, x: &[f32], to: &mut [f32]) {
    dispatch(ToBf16 { shape, planar, x, to });
}

/// Rounds the input of a convolution to 8-bit integers: the nearest to `x * inverse_scale + zero_point`, ties to even, at
/// least 0, at most 255; a NaN becomes 0. Its padding is the zero point.
///
/// `x`: dense `[n][h][w][c]`, or, where it is `planar`, `[n][c][h][w]`. `to`: see the module. Does nothing when they do not fit the shape, or it has groups.
pub fn input_to_int8(shape: &RealShape, planar: bool, inverse_scale: f32, zero_point: u8, x: &[f32], to: &mut [f32]) {
    dispatch(ToInt8 { shape, planar, inverse_scale, zero_point, x, to });
}

struct ToBf16<'a> {
    shape: &'a RealShape,
    planar: bool,
    x: &'a [f32],
    to: &'a mut [f32],
}

impl Kernel for ToBf16<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        convert(self.shape, self.planar, self.x, self.to, [0; 2], |x| to_bf16(x).to_le_bytes());
    }
}

struct ToInt8<'a> {
    shape: &'a RealShape,
    planar: bool,
    inverse_scale: f32,
    zero_point: u8,
    x: &'a [f32],
    to: &'a mut [f32],
}

impl Kernel for ToInt8<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let zero = f32::from(self.zero_point);
        let (low, high) = (-zero, 255.0 - zero);
        // From 2^23 on the last bit of an f32 counts ones: adding it rounds to an integer, in the lowest bits.
        let place = 8_388_608.0 + zero;
        convert(self.shape, self.planar, self.x, self.to, [self.zero_point], |x| {
            let x = x * self.inverse_scale;
            // NaN goes to the lower bound.
            let x = if x > low { x } else { low };
            let x = if x < high { x } else { high };
            [(x + place).to_bits() as u8]
        });
    }
}

/// Each value by `f`, with `pad` around the image.
#[inline(always)]
fn convert<const SIZE: usize>(
    shape: &RealShape,
    planar: bool,
    x: &[f32],
    to: &mut [f32],
    pad: [u8; SIZE],
    f: impl Fn(f32) -> [u8; SIZE],
) {
    let [h, w, c] = shape.input;
    let Some(framed) = Framed::of(shape, SIZE) else { return };
    if x.len() < shape.n * h * w * c || to.len() < framed.words(shape.n) {
        return;
    }
    let to = bytes_mut(to);
    let [top, left] = shape.pads;
    let margin = left * framed.pixel;
    let fill = |to: &mut [u8]| {
        for to in to.as_chunks_mut::<SIZE>().0 {
            *to = pad;
        }
    };
    for image in 0..shape.n {
        for row in 0..framed.rows {
            let at = framed.at(image, row);
            let Some(to) = to.get_mut(at..at + framed.row) else { return };
            let y = row.wrapping_sub(top);
            if y >= h {
                fill(to);
                continue;
            }
            if planar {
                fill(to);
                let to = to.get_mut(margin..).unwrap_or_default();
                for channel in 0..c {
                    let row = x.get(((image * c + channel) * h + y) * w..).and_then(|x| x.get(..w)).unwrap_or_default();
                    for (pixel, &x) in parts_mut(to, framed.pixel).zip(row) {
                        if let Some(to) = pixel.get_mut(channel * SIZE..).and_then(<[u8]>::first_chunk_mut) {
                            *to = f(x);
                        }
                    }
                }
                continue;
            }
            let x = x.get((image * h + y) * w * c..).and_then(|x| x.get(..w * c)).unwrap_or_default();
            let (before, to) = cut_mut(to, margin);
            let (to, after) = cut_mut(to, x.len() * SIZE);
            fill(before);
            for (to, &x) in to.as_chunks_mut::<SIZE>().0.iter_mut().zip(x) {
                *to = f(x);
            }
            fill(after);
        }
    }
}
