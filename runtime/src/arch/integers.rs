//! Fused multiply-add in integers, for processors without a floating-point unit: emulated doubles would take many times as long.
//!
//! A significand has 24 bits, so the product has 48 and fits into 64 with room for the other summand. What an alignment shifts out
//! is remembered in the last bit (which becomes 1 if anything but zeros is lost): far below the bits of the result, that is enough
//! for its rounding.

#[cfg(xnorc_fma = "integers")]
use crate::lanes::each;

/// a * b + c of 16 lanes.
#[cfg(xnorc_fma = "integers")]
#[inline(always)]
pub(crate) fn lanes(a: [f32; 16], b: [f32; 16], c: [f32; 16]) -> [f32; 16] {
    each!(I => fma(a[I], b[I], c[I]))
}

/// The bit of the sign.
const SIGN: u32 = 1 << 31;
/// The bits of the fraction of an f32.
const FRACTION: u32 = (1 << 23) - 1;
/// Where the leading bit of a summand stands; that of the product may stand one higher, that of the sum two.
const LEAD: u32 = 60;

/// a * b + c with one rounding.
#[inline(never)]
fn fma(a: f32, b: f32, c: f32) -> f32 {
    // As bits, since comparing floats is emulated, too.
    let (a_size, b_size, c_size) = (size(a), size(b), size(c));
    const INFINITY: u32 = f32::INFINITY.to_bits();
    if a_size == 0 || b_size == 0 || a_size >= INFINITY || b_size >= INFINITY {
        // The product is exact.
        return a * b + c;
    }
    if c_size >= INFINITY {
        return c;
    }
    let ((a_exponent, a_significand), (b_exponent, b_significand)) = (unpack(a), unpack(b));
    let mut sum = product(a_significand, b_significand) << (LEAD - 46);
    let mut exponent = a_exponent + b_exponent - 127;
    let mut sign = (a.to_bits() ^ b.to_bits()) & SIGN;
    if c_size != 0 {
        let (c_exponent, c_significand) = unpack(c);
        let mut other = u64::from(c_significand) << (LEAD - 23);
        let further = exponent - c_exponent;
        if further >= 0 {
            other = shifted(other, further as u32);
        } else {
            sum = shifted(sum, further.unsigned_abs());
            exponent = c_exponent;
        }
        if (sign ^ c.to_bits()) & SIGN == 0 {
            sum += other;
        } else if sum == other {
            return 0.0;
        } else if sum > other {
            sum -= other;
        } else {
            sum = other - sum;
            sign ^= SIGN;
        }
    }
    // Without an instruction for it, counting takes long, and most sums have one, two or three.
    let zeros = match sum >> 60 {
        0 => sum.leading_zeros(),
        1 => 3,
        2 | 3 => 2,
        _ => 1,
    };
    sum = up(sum, zeros);
    exponent += (63 - LEAD) as i32 - zeros as i32;
    if exponent <= 0 {
        // Denormal: it has fewer bits, and the exponent of the smallest normal numbers.
        sum = shifted(sum, (1 - exponent) as u32);
        exponent = 1;
    } else if exponent >= 255 {
        return f32::from_bits(sign | INFINITY);
    }
    // The upper 24 bits are the significand. Rounded up beyond, it carries into the exponent, as it should.
    let (kept, rest) = ((sum >> 40) as u32, sum << 24);
    let up = rest > 1 << 63 || rest == 1 << 63 && kept & 1 == 1;
    f32::from_bits(sign | (((exponent as u32 - 1) << 23) + kept + u32::from(up)))
}

/// Its bits without the sign. (Not of three by `core::array::map`, which is a call where code is optimised for size.)
#[inline(always)]
fn size(x: f32) -> u32 {
    x.to_bits() & !SIGN
}

/// The exponent as it is stored, below 1 for denormal numbers, and the significand, whose leading bit is bit 23.
#[inline(always)]
fn unpack(x: f32) -> (i32, u32) {
    let (exponent, fraction) = (size(x) >> 23, x.to_bits() & FRACTION);
    if exponent == 0 { unpack_denormal(fraction) } else { (exponent as i32, fraction | (FRACTION + 1)) }
}

/// Rare, so there once.
#[cold]
#[inline(never)]
fn unpack_denormal(fraction: u32) -> (i32, u32) {
    let up = fraction.leading_zeros() - 8;
    (1 - up as i32, fraction << up)
}

// Shifts are of the two halves: of 64 bits, by what is known at run time only, they are calls on the smallest processors.

/// x >> by, where the last bit is 1 if anything is lost.
#[inline(always)]
fn shifted(x: u64, by: u32) -> u64 {
    let (high, low) = ((x >> 32) as u32, x as u32);
    match by {
        0 => x,
        1..32 => joined(high >> by, low >> by | high << (32 - by) | u32::from(low << (32 - by) != 0)),
        32..64 => {
            let by = by - 32;
            joined(0, high >> by | u32::from(low != 0 || high >> by << by != high))
        }
        _ => u64::from(x != 0),
    }
}

/// x << by, where by is 1 or more and what is lost are zeros.
#[inline(always)]
fn up(x: u64, by: u32) -> u64 {
    let (high, low) = ((x >> 32) as u32, x as u32);
    match by {
        1..32 => joined(high << by | low >> (32 - by), low << by),
        _ => joined(low << (by - 32), 0),
    }
}

#[inline(always)]
fn joined(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// a * b for 24 bits each.
#[inline(always)]
fn product(a: u32, b: u32) -> u64 {
    // Thumb without the instructions of Armv7-M multiplies 32 bits by 32 to 32.
    if cfg!(not(all(target_arch = "arm", not(target_has_atomic = "32")))) {
        return u64::from(a) * u64::from(b);
    }
    halves(a, b)
}

/// [`product`] of halves of 12 bits.
#[inline(always)]
fn halves(a: u32, b: u32) -> u64 {
    let ([a1, a0], [b1, b0]) = ([a >> 12, a & 0xfff], [b >> 12, b & 0xfff]);
    let middle = a1 * b0 + a0 * b1;
    let low = a0 * b0 + ((middle & 0xfff) << 12);
    u64::from(a1 * b1 + (middle >> 12)) * (1 << 24) + u64::from(low)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    /// Against the standard library's, which is correctly rounded: numbers of all sizes, near-cancellation, middles between two
    /// results, denormal operands and results.
    #[test]
    fn integers_are_exact() {
        let mut state = 1u64;
        let mut word = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let special = [0.0, -0.0, 1.0, f32::MIN_POSITIVE, f32::from_bits(1), f32::MAX, f32::INFINITY, f32::NAN, -1.5];
        for round in 0..6_000_000u32 {
            let mut any = || {
                let r = word();
                let bits = (r >> 32) as u32;
                match (r & 31, round / 2 % 6) {
                    (0, _) => special[(r >> 8) as usize % special.len()],
                    (_, 0) => f32::from_bits(bits),
                    // Around 1; few bits; around 2^-60 and 2^-64, whose products are denormal; denormal.
                    (_, 1 | 2) => f32::from_bits(bits & 0x80ff_ffff | 0x3f00_0000),
                    (_, 3) => ((bits as i32) % 64) as f32 * 0.5,
                    (_, 4) => f32::from_bits(bits & 0x83ff_ffff | 0x1e00_0000),
                    _ => f32::from_bits(bits & 0x80ff_ffff),
                }
            };
            let (a, b, mut c) = (any(), any(), any());
            if round % 2 == 0 {
                c = -(a * b) * f32::from_bits(0x3f80_0000 ^ ((word() >> 40) as u32 & 7));
            } else if round % 8 == 1 {
                // Half a unit of c, and a little less or more.
                let step = 1 << (word() % 23);
                let (a, b) = (f32::from_bits(0x3f80_0000 | step), f32::from_bits(0x3380_0000 - 2 * step));
                check(a, b, c);
                check(-a, b, c);
            }
            check(a, b, c);
        }
    }

    fn check(a: f32, b: f32, c: f32) {
        let (ours, theirs) = (fma(a, b, c), a.mul_add(b, c));
        let same = ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan();
        assert!(same, "{a:e} * {b:e} + {c:e}: {ours:e}, not {theirs:e}");
    }

    #[test]
    fn halves_are_the_product() {
        for i in 0..100_000u32 {
            let (a, b) = (i.wrapping_mul(0x9e37_79b9) >> 8, i.wrapping_mul(0x85eb_ca6b) >> 8);
            assert_eq!(halves(a, b), u64::from(a) * u64::from(b));
        }
        assert_eq!(halves(0xff_ffff, 0xff_ffff), 0xff_ffff * 0xff_ffff);
    }
}
