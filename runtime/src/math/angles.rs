//! Circular and hyperbolic functions and their inverses: in f64 by plain additions, multiplications and divisions, and rounded to
//! f32 once.

use core::f64::consts::{FRAC_PI_2, FRAC_PI_4};

use super::{exp_f64, inverse_factorials, ln_1p_f64, sqrt_f64};

/// 2 / pi = 0.TWO_OVER_PI, in binary, from the highest bit on.
const TWO_OVER_PI: [u64; 4] =
    [0xa2f9_836e_4e44_1529, 0xfc27_57d1_f534_ddc0, 0xdb62_9599_3c43_9041, 0xfe51_63ab_debb_c561];

/// 1 / k! for each k.
const SERIES: [f64; 20] = inverse_factorials();

/// Adds up x^k / k! for k = first, first + 2, ... below 20, with x^2 given (negative for the circular functions), and x^first taken out.
#[inline]
fn every_other(first: usize, square: f64) -> f64 {
    let mut sum = 0.0;
    let mut k = SERIES.len() - 2 + first % 2;
    while k > first {
        sum = (sum + SERIES[k]) * square;
        k -= 2;
    }
    sum + SERIES[first]
}

/// A finite angle as quarters of a turn, of which only the last two bits count, and what is left of it: at most an eighth of a turn,
/// to some units of the last place of f64. The method of Payne and Hanek (1983), in integers.
fn quarters(angle: f32) -> (u32, f64) {
    let size = angle.abs();
    if f64::from(size) <= FRAC_PI_4 {
        return (0, f64::from(angle));
    }
    // Not denormal: mantissa * 2^exponent, with -24 <= exponent <= 104.
    let bits = size.to_bits();
    let exponent = (bits >> 23) as i32 - 150;
    let mantissa = u128::from(bits & 0x007f_ffff | 0x0080_0000);
    // 2 / pi * 2^exponent modulo 4: two bits before the point, 126 behind it.
    let window = |from: usize| {
        let (word, shift) = (from / 64, from % 64);
        let part = |i: usize| {
            let [high, low] = [TWO_OVER_PI[i], TWO_OVER_PI.get(i + 1).copied().unwrap_or(0)];
            ((u128::from(high) << 64 | u128::from(low)) << shift >> 64) as u64
        };
        u128::from(part(word)) << 64 | u128::from(part(word + 1))
    };
    let factor = if exponent < 2 { window(0) >> (2 - exponent) } else { window(exponent as usize - 2) };
    let product = mantissa.wrapping_mul(factor);
    // To the nearest quarter of a turn.
    let quarter = (product >> 126) as u32 + (product >> 125 & 1) as u32;
    const LAST: f64 = 1.0 / (1_u128 << 126) as f64;
    let rest = ((product << 2) as i128 >> 2) as f64 * LAST * FRAC_PI_2;
    if angle < 0.0 { (quarter.wrapping_neg(), -rest) } else { (quarter, rest) }
}

/// Sine and cosine in f64, of a finite angle.
fn sin_cos(angle: f32) -> (f64, f64) {
    let (quarter, x) = quarters(angle);
    let square = -(x * x);
    let (sin, cos) = (x * every_other(1, square), every_other(0, square));
    match quarter & 3 {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

/// Sine of an angle in radians; NaN of infinities.
pub fn sin(x: f32) -> f32 {
    if x.is_finite() { sin_cos(x).0 as f32 } else { f32::NAN }
}

/// Cosine of an angle in radians; NaN of infinities.
pub fn cos(x: f32) -> f32 {
    if x.is_finite() { sin_cos(x).1 as f32 } else { f32::NAN }
}

/// Tangent of an angle in radians; NaN of infinities.
pub fn tan(x: f32) -> f32 {
    let (sin, cos) = if x.is_finite() { sin_cos(x) } else { (f64::NAN, f64::NAN) };
    (sin / cos) as f32
}

/// The angle with that tangent, in f64.
fn atan_f64(x: f64) -> f64 {
    // tan(pi / 8), and from there a quarter of pi less.
    const EIGHTH: f64 = 0.414_213_562_373_095_03;
    let size = x.abs();
    let (turned, size) = if size > 1.0 { (true, 1.0 / size) } else { (false, size) };
    let (added, t) = if size > EIGHTH { (FRAC_PI_4, (size - 1.0) / (size + 1.0)) } else { (0.0, size) };
    // |t| <= tan(pi / 8): the series to the 43rd power is good to 2^-60.
    let square = t * t;
    let (mut sum, mut k) = (0.0, 43);
    while k > 0 {
        sum = 1.0 / f64::from(k) - square * sum;
        k -= 2;
    }
    let angle = added + t * sum;
    (if turned { FRAC_PI_2 - angle } else { angle }).copysign(x)
}

/// The angle with that tangent.
pub fn atan(x: f32) -> f32 {
    atan_f64(f64::from(x)) as f32
}

/// The angle between -pi/2 and pi/2 with that sine; NaN beyond 1.
pub fn asin(x: f32) -> f32 {
    let x = f64::from(x);
    atan_f64(x / sqrt_f64((1.0 - x) * (1.0 + x))) as f32
}

/// The angle between 0 and pi with that cosine; NaN beyond 1.
pub fn acos(x: f32) -> f32 {
    let x = f64::from(x);
    // Half of it has the sine and cosine sqrt((1 - x) / 2) and sqrt((1 + x) / 2).
    (2.0 * atan_f64(sqrt_f64((1.0 - x) / (1.0 + x)))) as f32
}

/// (e^x - e^-x) / 2
pub fn sinh(x: f32) -> f32 {
    let x = f64::from(x);
    // Near 0 the exponentials would cancel.
    let sinh = if x.abs() < 1.0 { x * every_other(1, x * x) } else { (exp_f64(x) - exp_f64(-x)) / 2.0 };
    sinh as f32
}

/// (e^x + e^-x) / 2
pub fn cosh(x: f32) -> f32 {
    let x = f64::from(x);
    ((exp_f64(x) + exp_f64(-x)) / 2.0) as f32
}

/// ln(x + sqrt(x^2 + 1))
pub fn asinh(x: f32) -> f32 {
    let size = f64::from(x.abs());
    // Of 1 + what is small where x is; far from 0 the square of x is all that counts, and may be infinite.
    let square = size * size;
    let above = if size < 1e9 { square / (1.0 + sqrt_f64(1.0 + square)) } else { size - 1.0 };
    (ln_1p_f64(size + above) as f32).copysign(x)
}

/// ln(x + sqrt(x^2 - 1)); NaN below 1.
pub fn acosh(x: f32) -> f32 {
    let above = f64::from(x) - 1.0;
    if above < 0.0 { f32::NAN } else { ln_1p_f64(above + sqrt_f64(above * (above + 2.0))) as f32 }
}

/// ln((1 + x) / (1 - x)) / 2; NaN beyond 1.
pub fn atanh(x: f32) -> f32 {
    let size = f64::from(x.abs());
    if size > 1.0 { f32::NAN } else { ((ln_1p_f64(2.0 * size / (1.0 - size)) / 2.0) as f32).copysign(x) }
}
