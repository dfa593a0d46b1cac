//! Depthwise convolution: each channel has a kernel of its own.

use super::real_shape::RealShape;
use super::tile::{At, Epilogue, band_of, load_tile};
use crate::parts::{Count, parts, steps};
use crate::simd::Simd;
use crate::weights::Le;

/// A convolution with `groups` = input channels = output channels; the channels are the lanes.
///
/// `weights`: for each 16 channels, `[kh][kw][16]`, zeros where there is no channel. Each sum starts from zero and takes,
/// with fused multiply-add, the taps inside the image in the order ky, kx. Calls nothing when the operands do not fit.
#[inline(always)]
pub fn depthwise_conv<S: Simd, E: Epilogue>(s: S, shape: &RealShape, x: &[f32], weights: &[Le<f32>], epilogue: &mut E) {
    let weights = weights.as_chunks::<16>().0;
    let [ih, iw, c] = shape.input;
    let [height, width, _] = shape.output;
    let [kh, kw] = shape.kernel;
    if !shape.is_valid()
        || shape.groups != c
        || shape.output[2] != c
        || x.len() < shape.n * ih * iw * c
        || weights.len() < c.ceil_over(16) * kh * kw
    {
        return;
    }
    let (rows, columns) = (shape.axis(0), shape.axis(1));
    for (channel, weights) in steps(c, 16).zip(parts(weights, kh * kw)) {
        for image in 0..shape.n {
            for y in band_of(epilogue, image, height) {
                let mut at = At::start(epilogue, [height, width], image, y, channel);
                while at.x < width {
                    let mut acc = s.splat(0.0);
                    for ky in rows.taps(y) {
                        let row = (image * ih + rows.position(y, ky)) * iw;
                        for kx in columns.taps(at.x) {
                            let pixel = row + columns.position(at.x, kx);
                            if let Some(w) = weights.get(ky * kw + kx) {
                                acc = s.fma(load_tile(s, x, c, At { pixel, ..at }), s.load_le(w), acc);
                            }
                        }
                    }
                    epilogue.tile(s, acc, at);
                    at.x += 1;
                    at.pixel += 1;
                }
                epilogue.end_row(s, at);
            }
        }
    }
}
