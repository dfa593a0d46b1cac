//! 16 lanes in plain Rust.

use crate::dispatch::Level;
use crate::simd::{Simd, sealed::Sealed};
use crate::weights::Le;

/// Plain Rust, for which the compiler may use whatever the surrounding function is compiled for: the level
/// [`Level::Popcnt`] is this very code in a function with POPCNT.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar<const POPCNT: bool>;

/// The level every processor has.
pub(crate) type Portable = Scalar<false>;

/// `core::array::from_fn` is not always inlined, and what is not inlined is not compiled for the level.
#[inline(always)]
fn lanes<T: Copy + Default>(f: impl Fn(usize) -> T) -> [T; 16] {
    let mut lanes = [T::default(); 16];
    for (i, lane) in lanes.iter_mut().enumerate() {
        *lane = f(i);
    }
    lanes
}

#[inline(always)]
fn mask(a: [f32; 16], b: [f32; 16], f: impl Fn(&f32, &f32) -> bool) -> u16 {
    let mut mask = 0;
    for (i, (a, b)) in a.iter().zip(&b).enumerate() {
        mask |= u16::from(f(a, b)) << i;
    }
    mask
}

impl<const POPCNT: bool> Sealed for Scalar<POPCNT> {}

impl<const POPCNT: bool> Simd for Scalar<POPCNT> {
    const LEVEL: Level = if POPCNT { Level::Popcnt } else { Level::Portable };
    const TILES: usize = 1;
    type F = [f32; 16];
    type Acc = [u32; 16];

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [x; 16]
    }
    #[inline(always)]
    fn load(self, x: &[f32; 16]) -> Self::F {
        *x
    }
    #[inline(always)]
    fn store(self, y: &mut [f32; 16], v: Self::F) {
        *y = v;
    }
    #[inline(always)]
    fn load_le(self, x: &[Le<f32>; 16]) -> Self::F {
        lanes(|i| x[i].get())
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| a[i] / b[i])
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        lanes(|i| fma(a[i], b[i], c[i]))
    }
    #[inline(always)]
    fn ge(self, a: Self::F, b: Self::F) -> u16 {
        mask(a, b, f32::ge)
    }
    #[inline(always)]
    fn le(self, a: Self::F, b: Self::F) -> u16 {
        mask(a, b, f32::le)
    }
    #[inline(always)]
    fn lt(self, a: Self::F, b: Self::F) -> u16 {
        mask(a, b, f32::lt)
    }
    #[inline(always)]
    fn select(self, mask: u16, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| if mask >> i & 1 == 1 { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn select_negative(self, x: Self::F, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| if x[i] < 0.0 { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn acc_zero(self) -> Self::Acc {
        [0; 16]
    }
    #[inline(always)]
    fn xor_popcnt(self, acc: Self::Acc, x: u64, w: &[Le<u64>; 16]) -> Self::Acc {
        lanes(|i| acc[i].wrapping_add((x ^ w[i].get()).count_ones()))
    }
    #[inline(always)]
    fn dot(self, acc: Self::Acc, k: Self::F) -> Self::F {
        lanes(|i| k[i] - acc[i].wrapping_mul(2) as i32 as f32)
    }
}

/// a * b + c with one rounding, without the instruction.
///
/// The product of two f32 is exact in f64. The sum is rounded to odd (of the two f64 around an inexact sum, the one
/// whose last bit is 1), which keeps enough of what was cut off for the last rounding, to f32, to be that of the exact
/// value: f64 has more than 2 * 24 + 2 bits. (Boldo and Melquiond, Emulation of FMA and correctly rounded sums, 2008.)
#[inline(always)]
pub(crate) fn fma(a: f32, b: f32, c: f32) -> f32 {
    let product = f64::from(a) * f64::from(b);
    let c = f64::from(c);
    let sum = product + c;
    // Knuth's TwoSum: `error` is exactly what the rounding of `sum` lost.
    let part = sum - product;
    let error = (product - (sum - part)) + (c - part);
    // Neither holds for NaN, which is what `error` is when something is infinite.
    let up = error > 0.0;
    let down = error < 0.0;
    let bits = sum.to_bits();
    let even = bits & 1 == 0;
    // Away from zero is the next larger bit pattern, towards it the next smaller one.
    let away = up != (sum < 0.0);
    let step = if away { 1 } else { u64::MAX };
    let odd = if (up | down) & even { bits.wrapping_add(step) } else { bits };
    f64::from_bits(odd) as f32
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn fused_multiply_add_is_exact() {
        // The standard library's is correctly rounded.
        let mut seed = 1u64;
        let mut next = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        let special = [0.0, -0.0, 1.0, f32::MIN_POSITIVE, f32::from_bits(1), f32::MAX, f32::INFINITY, f32::NAN, -1.5];
        for round in 0..2_000_000u32 {
            let mut any = || {
                let r = next();
                if r & 31 == 0 { special[(r >> 8) as usize % special.len()] } else { f32::from_bits((r >> 16) as u32) }
            };
            let (a, b) = (any(), any());
            // Often close to cancelling, where double rounding shows.
            let c = if round % 2 == 0 { any() } else { -(a * b) * f32::from_bits(0x3f80_0000 ^ (round % 7)) };
            let (ours, theirs) = (fma(a, b, c), a.mul_add(b, c));
            assert!(ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan(), "{a:e} {b:e} {c:e}");
            // Magnitudes where the sum is half a unit off, so that a second rounding would go wrong.
            let (a, b) = (f32::from_bits(0x3f80_0000 | (round & 0x7f_ffff)), f32::from_bits(0x3f80_0001));
            let c = f32::from_bits(0x3300_0000 ^ (round << 20));
            assert_eq!(fma(a, b, c).to_bits(), a.mul_add(b, c).to_bits(), "{a:e} {b:e} {c:e}");
        }
    }

    #[test]
    fn double_rounding_is_caught() {
        // 1 + 2^-24 lies halfway between two f32; 2^-80 decides, and is lost when the sum is rounded to f64 first.
        let (a, b, c) = (1.0, f32::from_bits(0x3380_0000), 1.0);
        assert_eq!(fma(a, b, c), 1.0);
        let (x, y) = (1.0 + f32::EPSILON, 1.0 + f32::EPSILON);
        assert_eq!(fma(x, y, 2f32.powi(-60)).to_bits(), x.mul_add(y, 2f32.powi(-60)).to_bits());
        assert_eq!(fma(1.0 + 2f32.powi(-12), 1.0 + 2f32.powi(-12), 2f32.powi(-70)), {
            f32::mul_add(1.0 + 2f32.powi(-12), 1.0 + 2f32.powi(-12), 2f32.powi(-70))
        });
        assert!(1.0 + 2f64.powi(-24) + 2f64.powi(-70) == 1.0 + 2f64.powi(-24));
    }
}
