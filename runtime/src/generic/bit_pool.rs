//! Maximum over windows of ±1: the OR of their bits.

use super::tile::At;
use super::window::{Axis, fits};
use crate::bits::{BitShape, BitsMut};
use crate::parts::{Count, steps};

/// Maximum over a window of packed signs; padded taps take no part. Writes all of `out`, its frame included; nothing
/// when the operands do not fit their shapes, or the shapes each other.
#[allow(clippy::too_many_arguments)] // two tensors and a window
pub fn bit_max_pool(
    x: &[u64],
    shape: BitShape,
    out: &mut [u64],
    out_shape: BitShape,
    kernel: [usize; 2],
    strides: [usize; 2],
    dilations: [usize; 2],
    pads: [usize; 2],
) {
    let valid = |s: &BitShape| {
        let [top, left, bottom, right] = s.frame;
        let small = [s.h, s.w, top, left, bottom, right, s.c].iter().all(|&e| e < 1 << 24);
        small
            && s.groups > 0
            && s.c > 0
            && s.c.is_multiple_of(s.groups)
            && fits(&[s.n, top + s.h + bottom, left + s.w + right, s.groups, s.words_per_group() * 4])
    };
    let small = [kernel, strides, dilations, pads].iter().flatten().all(|&e| e < 1 << 24);
    if !small
        || !valid(&shape)
        || !valid(&out_shape)
        || shape.n != out_shape.n
        || shape.c != out_shape.c
        || x.len() < shape.len()
        || out.len() < out_shape.len()
    {
        return;
    }
    let rows = Axis { input: shape.h, kernel: kernel[0], stride: strides[0], dilation: dilations[0], pad: pads[0] };
    let columns = Axis { input: shape.w, kernel: kernel[1], stride: strides[1], dilation: dilations[1], pad: pads[1] };
    let pixel_at = |s: &BitShape, image: usize, y: usize, x: usize| {
        let row = image * (s.frame[0] + s.h + s.frame[2]) + s.frame[0] + y;
        row * s.row_words() + (s.frame[1] + x) * s.pixel_words()
    };
    // The frame; then every word is written whole, or through `set`.
    let mut bits = BitsMut::new(out, &out_shape);
    let above = out_shape.frame[0] * out_shape.row_words();
    let same = shape.groups == out_shape.groups;
    for image in 0..shape.n {
        for y in 0..out_shape.h {
            for ox in 0..out_shape.w {
                let at = pixel_at(&out_shape, image, y, ox) - above;
                // The OR of one word over the window.
                let word = |j: usize| {
                    let mut word = 0;
                    for ky in rows.taps(y) {
                        for kx in columns.taps(ox) {
                            let from = pixel_at(&shape, image, rows.position(y, ky), columns.position(ox, kx));
                            word |= x.get(from + j).copied().unwrap_or(0);
                        }
                    }
                    word
                };
                if same {
                    for j in 0..shape.pixel_words() {
                        bits.set_word(at + j, word(j));
                    }
                } else {
                    // Not 0, but the compiler does not know: it would keep a panic.
                    let channels = shape.group_channels().max(1);
                    for channel in steps(shape.c, 16) {
                        let mut mask = 0;
                        for (i, c) in (channel..shape.c.min(channel + 16)).enumerate() {
                            let (group, inner) = (c.over(channels), c.beyond(channels));
                            let word = word(group * shape.words_per_group() + inner / 64);
                            mask |= ((word >> (inner % 64) & 1) as u16) << i;
                        }
                        bits.set(
                            &out_shape,
                            At { image, y, x: ox, row: image * out_shape.h + y, pixel: 0, channel },
                            mask,
                        );
                    }
                }
            }
        }
    }
}
