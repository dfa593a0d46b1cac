//! Fused multiply-add without the instruction.
//!
//! The product of two f32 is exact in f64. Their sum with a third is rounded twice, to f64 and to f32, and the second
//! rounding is wrong in one case only: where the first ended exactly in the middle between two f32, and the exact sum lay
//! beside it. Everywhere else the rounded sum is on the same side of every such middle as the exact one, as rounding
//! keeps the order and all middles are f64. So the sums are rounded twice, many lanes at a time, and only where one of
//! them may be such a middle, all are computed again, exactly.

/// a * b + c of 16 lanes, in loops that the compiler can turn into vectors.
#[cfg_attr(all(target_family = "wasm", target_feature = "simd128"), allow(dead_code))]
#[inline(always)]
pub(crate) fn lanes(a: [f32; 16], b: [f32; 16], c: [f32; 16]) -> [f32; 16] {
    let mut sums = [0.0; 16];
    for (i, sum) in sums.iter_mut().enumerate() {
        *sum = f64::from(a[i]) * f64::from(b[i]) + f64::from(c[i]);
    }
    let mut rounded = [0.0; 16];
    for (rounded, sum) in rounded.iter_mut().zip(sums) {
        *rounded = sum as f32;
    }
    let mut in_doubt = 0;
    for (sum, rounded) in sums.into_iter().zip(rounded) {
        in_doubt |= doubt(sum, rounded);
    }
    if in_doubt == 0 { rounded } else { exact(a, b, c) }
}

/// Not 0 where a sum may be a middle between two f32 and inexact; `rounded` is the sum as f32.
///
/// A middle between two normal numbers is a 1 and 28 zeros in the last bits of the f64. Among denormal numbers the place
/// of the 1 varies, so there all are in doubt but those that become 0: these are at most 2^-150 and hence exact, as the
/// sum is either the product itself or what is left of two numbers of at least 2^-150 that cancel, multiples of 2^-197.
#[cfg_attr(all(target_family = "wasm", target_feature = "simd128"), allow(dead_code))]
#[inline(always)]
fn doubt(sum: f64, rounded: f32) -> u32 {
    let middle = sum.to_bits() as u32 & 0x1fff_ffff == 0x1000_0000;
    let tiny = (rounded.to_bits() & 0x7fff_ffff).wrapping_sub(1) < 0x0080_0000;
    u32::from(middle | tiny)
}

/// The lanes that were in doubt, and the others, one by one. Rare, so not inlined.
#[cfg_attr(target_feature = "relaxed-simd", allow(dead_code))]
#[inline(never)]
#[cold]
pub(crate) fn exact(a: [f32; 16], b: [f32; 16], c: [f32; 16]) -> [f32; 16] {
    let mut sums = [0.0; 16];
    for (i, sum) in sums.iter_mut().enumerate() {
        *sum = fma(a[i], b[i], c[i]);
    }
    sums
}

/// a * b + c with one rounding.
///
/// The sum is rounded to odd (of the two f64 around an inexact sum, the one
/// whose last bit is 1), which keeps enough of what was cut off for the last rounding, to f32, to be that of the exact
/// value: f64 has more than 2 * 24 + 2 bits. (Boldo and Melquiond, Emulation of FMA and correctly rounded sums, 2008.)
#[inline(always)]
fn fma(a: f32, b: f32, c: f32) -> f32 {
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
    use crate::testing::words;

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

    /// Lanes of one kind at a time, as a single one in doubt sends all of them the long way.
    #[test]
    fn lanes_are_exact() {
        let mut words = words();
        let mut word = move || (words() >> 32) as u32;
        let sign = |r: u32| r & 0x8000_0000;
        for round in 0..400_000u32 {
            let step = 1 << (round / 8 % 8);
            let mut any = |i: usize| {
                let r = word();
                match (round % 8, i) {
                    // Ordinary numbers.
                    (0 | 1, _) => f32::from_bits(sign(r) | (0x3e80_0000 + (r & 0x00ff_ffff))),
                    // Small products beside denormal numbers.
                    (2, 0 | 1) => f32::from_bits(sign(r) | (0x1a00_0000 + (r & 0x00ff_ffff))),
                    (2, _) => f32::from_bits(sign(r) | (r & 0x00ff_ffff)),
                    // (1 + e)(1 - e) times half a unit of the sum, a normal or a denormal number: less by e^2, which f64
                    // does not keep.
                    (3 | 4, 0) => {
                        f32::from_bits(sign(r) | (if round % 8 == 3 { 0x3f80_0000 } else { 0x1a00_0000 } | step))
                    }
                    (3, 1) => f32::from_bits(0x3380_0000 - 2 * step),
                    (4, 1) => f32::from_bits(0x1a00_0000 - 2 * step),
                    (3, _) => f32::from_bits(sign(r) | (0x3f80_0000 + (r & 0x007f_ffff))),
                    (4, _) => f32::from_bits(sign(r) | 0x000f_0000 | (r & 0x000f_ffff)),
                    // Few bits.
                    (5, _) => (r % 33) as f32 - 16.0,
                    _ => f32::from_bits(r),
                }
            };
            let operands: [[f32; 16]; 3] = core::array::from_fn(|i| core::array::from_fn(|_| any(i)));
            let [a, b, c] = operands;
            for (i, ours) in lanes(a, b, c).into_iter().enumerate() {
                let theirs = a[i].mul_add(b[i], c[i]);
                let same = ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan();
                assert!(same, "{:e} {:e} {:e}: {ours:e}, not {theirs:e}", a[i], b[i], c[i]);
            }
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
