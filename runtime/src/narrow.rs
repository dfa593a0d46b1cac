//! Narrow numbers: bf16 and 8-bit integers, and dot products of them that every level computes to the same bit.
//!
//! A 32-bit word holds two bf16 or four integers, the first in the lowest bits; a product of words adds up the products of
//! its parts. What the vector instructions for that do (AVX-512 BF16's `VDPBF16PS`, VNNI's `VPDPBUSD`) is the definition
//! here, and what other levels compute step by step.
//!
//! **bf16**: an accumulator in f32 takes first the product of the second parts, then that of the first parts, each by one
//! fused multiply-add rounded to nearest even. The instruction also takes subnormal numbers for zero; here none can
//! arise, because magnitudes below [`SMALLEST`] become zero when they are rounded to bf16: every product is a multiple
//! of 2^-126 then, and so is every sum. (The instruction's pseudocode: Intel 64 and IA-32 Architectures Software
//! Developer's Manual, volume 2C.)
//!
//! **int8**: unsigned activations times signed weights, added up in 32-bit integers without rounding or saturation.

use crate::simd::{Kernel, Simd, sealed::Sealed};
use crate::weights::Le;

/// 2^-56: values nearer to zero than this become zero as bf16. Of those that are left each is a multiple of 2^-63, and the
/// product of two a multiple of 2^-126, the smallest normal f32.
pub const SMALLEST: f32 = f32::from_bits((127 - 56) << 23);

/// The nearest bf16, ties to even; a zero of the same sign for magnitudes below [`SMALLEST`]; a NaN stays one.
#[inline(always)]
pub const fn to_bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    let magnitude = bits & 0x7fff_ffff;
    let sign = (bits >> 16) as u16 & 0x8000;
    if magnitude < SMALLEST.to_bits() {
        sign
    } else if magnitude > f32::INFINITY.to_bits() {
        sign | 0x7fc0
    } else {
        ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
    }
}

/// Dot products of 16 channels with words that all of them share.
pub trait NarrowDot<S: Simd>: Copy + Sealed {
    /// Parts of a word: 2 or 4.
    const PARTS: usize;
    /// Rows of 16 words in front of the weights of each 16 channels: what sums start from, and 128 times the sum of the weights, for
    /// products of which it has to be added; none where sums start from zero.
    const HEAD: usize;
    /// Whether a product with a weight of zero is zero whatever the other factor: not where that may be infinite.
    const ZERO_WINS: bool;
    /// 16 sums.
    type Acc: Copy;
    /// A word for all channels.
    type X: Copy;
    /// A word for each channel.
    type W: Copy;

    /// Sums from zero, or, if there is a head, from what it says.
    fn start(self, s: S, head: &[[Le<u32>; 16]]) -> Self::Acc;
    /// The word, for all channels.
    fn splat(self, s: S, x: u32) -> Self::X;
    /// Of a word only the first `parts`, fewer than there are; the others are zero.
    #[inline(always)]
    fn splat_first(self, s: S, x: u32, parts: usize) -> Self::X {
        let bits = 32 / Self::PARTS * parts;
        self.splat(s, x & (1u32.unbounded_shl(bits as u32)).wrapping_sub(1))
    }
    /// A word for each channel.
    fn load(self, s: S, w: &[Le<u32>; 16]) -> Self::W;
    /// Adds the products of the parts.
    fn dot(self, s: S, acc: Self::Acc, x: Self::X, w: Self::W) -> Self::Acc;
    /// The sums as floats, rounded once where they are integers.
    fn finish(self, s: S, acc: Self::Acc) -> S::F;
}

/// Code that wants to be compiled once per level, with the instructions for narrow products where there are any.
pub trait NarrowKernel {
    /// What it returns.
    type Output;
    /// The code. Mark it, and all it calls, `#[inline(always)]`: only what is inlined is compiled for the level.
    fn run<S: Simd, D: NarrowDot<S>>(self, s: S, d: D) -> Self::Output;
}

/// Each word by `f`, as the bits of a float. (`core::array::from_fn` is not always inlined.)
#[inline(always)]
fn words(w: &[Le<u32>; 16], f: impl Fn(u32) -> u32) -> [f32; 16] {
    let mut lanes = [0.0; 16];
    for (lane, w) in lanes.iter_mut().zip(w) {
        *lane = f32::from_bits(f(w.get()));
    }
    lanes
}

/// Products of bf16 by fused multiply-add, on any level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlainBf16;

impl Sealed for PlainBf16 {}

impl<S: Simd> NarrowDot<S> for PlainBf16 {
    const PARTS: usize = 2;
    const HEAD: usize = 0;
    const ZERO_WINS: bool = false;
    type Acc = S::F;
    type X = [S::F; 2];
    type W = [S::F; 2];

    #[inline(always)]
    fn start(self, s: S, _: &[[Le<u32>; 16]]) -> S::F {
        s.splat(0.0)
    }
    #[inline(always)]
    fn splat(self, s: S, x: u32) -> [S::F; 2] {
        [s.splat(f32::from_bits(x << 16)), s.splat(f32::from_bits(x & 0xffff_0000))]
    }
    #[inline(always)]
    fn load(self, s: S, w: &[Le<u32>; 16]) -> [S::F; 2] {
        [s.from_array(words(w, |w| w << 16)), s.from_array(words(w, |w| w & 0xffff_0000))]
    }
    #[inline(always)]
    fn dot(self, s: S, acc: S::F, x: [S::F; 2], w: [S::F; 2]) -> S::F {
        s.fma(x[0], w[0], s.fma(x[1], w[1], acc))
    }
    #[inline(always)]
    fn finish(self, _: S, acc: S::F) -> S::F {
        acc
    }
}

/// Products of 8-bit integers in 32-bit ones, on any level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlainInt8;

impl Sealed for PlainInt8 {}

impl<S: Simd> NarrowDot<S> for PlainInt8 {
    const PARTS: usize = 4;
    const HEAD: usize = 2;
    const ZERO_WINS: bool = true;
    type Acc = [i32; 16];
    type X = [i32; 4];
    type W = [[i32; 16]; 4];

    #[inline(always)]
    fn start(self, _: S, head: &[[Le<u32>; 16]]) -> [i32; 16] {
        let mut acc = [0; 16];
        if let Some(head) = head.first() {
            for (acc, head) in acc.iter_mut().zip(head) {
                *acc = head.get() as i32;
            }
        }
        acc
    }
    #[inline(always)]
    fn splat(self, _: S, x: u32) -> [i32; 4] {
        let [a, b, c, d] = x.to_le_bytes();
        [i32::from(a), i32::from(b), i32::from(c), i32::from(d)]
    }
    #[inline(always)]
    fn load(self, _: S, w: &[Le<u32>; 16]) -> [[i32; 16]; 4] {
        let mut parts = [[0; 16]; 4];
        for (i, part) in parts.iter_mut().enumerate() {
            for (part, w) in part.iter_mut().zip(w) {
                *part = (w.get() << (24 - 8 * i)) as i32 >> 24;
            }
        }
        parts
    }
    #[inline(always)]
    fn dot(self, _: S, acc: [i32; 16], x: [i32; 4], w: [[i32; 16]; 4]) -> [i32; 16] {
        let mut sum = acc;
        for (x, w) in x.iter().zip(&w) {
            for (sum, w) in sum.iter_mut().zip(w) {
                *sum = sum.wrapping_add(x.wrapping_mul(*w));
            }
        }
        sum
    }
    #[inline(always)]
    fn finish(self, s: S, acc: [i32; 16]) -> S::F {
        let mut lanes = [0.0; 16];
        for (lane, acc) in lanes.iter_mut().zip(acc) {
            *lane = acc as f32;
        }
        s.from_array(lanes)
    }
}

/// A kernel on bf16 as one on plain floats: what a level without the instruction runs.
#[derive(Clone, Copy, Debug)]
pub struct PlainBf16Kernel<K>(pub K);

impl<K: NarrowKernel> Kernel for PlainBf16Kernel<K> {
    type Output = K::Output;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> K::Output {
        self.0.run(s, PlainBf16)
    }
}

/// A kernel on 8-bit integers as one on plain integers: what a level without the instruction runs.
#[derive(Clone, Copy, Debug)]
pub struct PlainInt8Kernel<K>(pub K);

impl<K: NarrowKernel> Kernel for PlainInt8Kernel<K> {
    type Output = K::Output;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> K::Output {
        self.0.run(s, PlainInt8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_to_bf16() {
        let value = |x: f32| f32::from_bits(u32::from(to_bf16(x)) << 16);
        assert_eq!(value(1.0), 1.0);
        // Halfway between 1 and 1 + 2^-7, and between that and 1 + 2^-6: to the even one.
        assert_eq!(value(1.0 + 1.0 / 256.0), 1.0);
        assert_eq!(value(1.0 + 3.0 / 256.0), 1.0 + 1.0 / 64.0);
        assert_eq!(value(1.0 + 1.0 / 256.0 + f32::EPSILON), 1.0 + 1.0 / 128.0);
        assert_eq!(to_bf16(f32::MAX), 0x7f80);
        assert_eq!(to_bf16(f32::NEG_INFINITY), 0xff80);
        assert!(value(f32::NAN).is_nan() && value(f32::from_bits(0x7f80_0001)).is_nan());
        assert_eq!(value(SMALLEST), SMALLEST);
        assert_eq!(to_bf16(-SMALLEST * (1.0 - f32::EPSILON)), 0x8000);
        assert_eq!(to_bf16(f32::from_bits(1)), 0);
    }

    #[test]
    fn no_product_is_subnormal() {
        // The lowest bit of the smallest bf16 that is left, squared.
        let unit = SMALLEST / 128.0;
        assert_eq!(unit * unit, f32::MIN_POSITIVE);
    }
}
