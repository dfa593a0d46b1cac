//! Convolutions on bf16 and 8-bit integers, as [`Products`](crate::ir::network::Products) defines them.

use super::Tile;
use super::walk::{check, pixels, tap};
use crate::ir::network::{Geometry, Quantized};

/// 2^-56, below which magnitudes become zero.
const SMALLEST: f32 = 1.0 / (1_u64 << 56) as f32;

/// The nearest bf16, as an f32.
pub(super) fn bf16(x: f32) -> f32 {
    if x.is_nan() {
        return x;
    }
    if x.abs() < SMALLEST {
        return if x.is_sign_negative() { -0.0 } else { 0.0 };
    }
    // What is cut off is compared with a half of the last place.
    let cut = f32::from_bits(x.to_bits() & 0xffff_0000);
    let rest = x.to_bits() & 0xffff;
    let up = rest > 0x8000 || rest == 0x8000 && cut.to_bits() >> 16 & 1 == 1;
    if up { f32::from_bits(cut.to_bits() + 0x1_0000) } else { cut }
}

/// The integer of an input.
pub(super) fn uint8(x: f32, q: &Quantized) -> u8 {
    let zero = f32::from(q.zero_point);
    let scaled = (x * q.inverse_scale).clamp(-zero, 255.0 - zero);
    // Exact, but for what is far from half an integer.
    let rounded = f64::from(scaled) + f64::from(zero);
    rounded.round_ties_even() as u8
}

/// For every output pixel the values under each kernel row, in the order kx, channel, with `pad` outside the image; then
/// `f(rows, output channel)`.
fn convolve<T: Copy>(g: &Geometry, input: &[T], pad: T, f: impl Fn(&[Vec<T>], usize) -> f32) -> Result<Tile, String> {
    check(g, input.len())?;
    let ([h, w, c], [oh, ow, oc], [kh, kw]) = (g.input, g.output, g.kernel);
    if g.groups != 1 {
        return Err("groups have no narrow form".to_owned());
    }
    let mut values = Vec::with_capacity(g.n * oh * ow * oc);
    let mut rows = vec![vec![pad; kw * c]; kh];
    for [image, oy, ox] in pixels(g) {
        for t in 0..kh * kw {
            let ([y, x], inside) = tap(g, oy, ox, t / kw, t % kw);
            let to = &mut rows[t / kw][t % kw * c..][..c];
            if inside {
                to.copy_from_slice(&input[((image * h + y as usize) * w + x as usize) * c..][..c]);
            } else {
                to.fill(pad);
            }
        }
        values.extend((0..oc).map(|o| f(&rows, o)));
    }
    Ok(Tile { extents: [g.n, oh, ow, oc], values })
}

fn weights_fit(g: &Geometry, len: usize) -> Result<usize, String> {
    let row = g.kernel[1] * g.input[2];
    if len == g.output[2] * g.kernel[0] * row { Ok(row) } else { Err(format!("{len} weights")) }
}

pub(super) fn bf16_conv(g: &Geometry, input: &[f32], weights: &[f32]) -> Result<Tile, String> {
    let row = weights_fit(g, weights.len())?;
    let input: Vec<f32> = input.iter().map(|&x| bf16(x)).collect();
    let weights: Vec<f32> = weights.iter().map(|&w| bf16(w)).collect();
    let (run, _) = g.runs();
    convolve(g, &input, 0.0, |rows, o| {
        let mut sum = 0.0_f32;
        for (x, w) in rows.iter().zip(weights[o * g.kernel[0] * row..].chunks(row)) {
            for (x, w) in x.chunks(run).zip(w.chunks(run)) {
                for (x, w) in x.chunks(2).zip(w.chunks(2)) {
                    if let ([_, x], [_, w]) = (x, w) {
                        sum = x.mul_add(*w, sum);
                    }
                    sum = x[0].mul_add(w[0], sum);
                }
            }
        }
        sum
    })
}

pub(super) fn int8_conv(g: &Geometry, input: &[f32], quantized: &Quantized) -> Result<Tile, String> {
    let row = weights_fit(g, quantized.weights.len())?;
    let input: Vec<i32> = input.iter().map(|&x| i32::from(uint8(x, quantized))).collect();
    let zero = i32::from(quantized.zero_point);
    convolve(g, &input, zero, |rows, o| {
        let weights = &quantized.weights[o * g.kernel[0] * row..][..g.kernel[0] * row];
        let products = rows.iter().flatten().zip(weights).map(|(&x, &w)| i64::from(x - zero) * i64::from(w));
        products.sum::<i64>() as f32
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_that_of_the_runtime() {
        let mut x = 1_u32;
        for _ in 0..200_000 {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            for bits in [x, x & 0xffff_8000, x & 0x807f_ffff, x & 0xa7ff_ffff] {
                let x = f32::from_bits(bits);
                let theirs = f32::from_bits(u32::from(xnorc_runtime::to_bf16(x)) << 16);
                assert!(bf16(x).to_bits() == theirs.to_bits() || x.is_nan() && theirs.is_nan(), "{x:e}");
            }
        }
    }

    #[test]
    fn integers_saturate_and_round_to_even() {
        let q = Quantized { inverse_scale: 2.0, zero_point: 3, weights: vec![], of_file: false };
        let of = |x| uint8(x, &q);
        assert_eq!([0.0, 0.25, 0.75, -0.25, -100.0, 1e9, f32::NAN].map(of), [3, 4, 4, 2, 0, 255, 0]);
    }

    #[test]
    fn a_pair_is_added_from_behind() {
        let g = Geometry {
            n: 1,
            input: [1, 1, 3],
            output: [1, 1, 1],
            kernel: [1, 1],
            strides: [1, 1],
            dilations: [1, 1],
            pads: [0, 0],
            groups: 1,
        };
        // 2^25 swallows 1, unless what it stands beside has been added before.
        let large = (1 << 25) as f32;
        assert_eq!(bf16_conv(&g, &[1.0, large, -large], &[1.0; 3]).unwrap().values, [0.0]);
        assert_eq!(bf16_conv(&g, &[large, 1.0, -large], &[1.0; 3]).unwrap().values, [0.0]);
        assert_eq!(bf16_conv(&g, &[-large, large, 1.0], &[1.0; 3]).unwrap().values, [1.0]);
    }
}
