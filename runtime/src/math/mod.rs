//! Elementary functions without `std`, the same on every processor. Those of the exponential family that networks use most are
//! computed in f32, to little more than a unit of the last place (`exponential.rs`); the others in f64 by plain additions,
//! multiplications and divisions, and rounded to f32 once.

mod angles;
mod exponential;

use core::f64::consts::{LN_2, LOG2_E};

pub use angles::{acos, acosh, asin, asinh, atan, atanh, cos, cosh, sin, sinh, tan};
pub use exponential::{elu, erf, exp, sigmoid, tanh};

/// ln 2 in two parts: the first has so few bits that its product with an exponent is exact.
const LN2_HIGH: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
const LN2_LOW: f64 = f64::from_bits(0x3dea_39ef_3579_3c76);

/// 2^n for -1022 <= n <= 1023.
#[inline]
fn power_of_two(n: i32) -> f64 {
    f64::from_bits(((n + 1023) as u64) << 52)
}

/// 1 / k! for each k: for series of products, as a division takes as long as ten of them.
const fn inverse_factorials<const N: usize>() -> [f64; N] {
    let mut series = [1.0; N];
    let (mut k, mut factorial) = (1, 1.0);
    while k < N {
        factorial *= k as f64;
        series[k] = 1.0 / factorial;
        k += 1;
    }
    series
}

const EXP_SERIES: [f64; 14] = inverse_factorials();

/// e^x in f64, to some units of its last place.
#[inline]
pub fn exp_f64(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    // Results outside of f32's range, denormals included, need no precision.
    if x > 700.0 {
        return f64::INFINITY;
    }
    if x < -700.0 {
        return 0.0;
    }
    let scaled = x * LOG2_E;
    let n = (if scaled < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32;
    let r = (x - f64::from(n) * LN2_HIGH) - f64::from(n) * LN2_LOW;
    // |r| <= ln 2 / 2: the Taylor series to the 13th power is good to 2^-57.
    let mut p = 0.0;
    let mut k = EXP_SERIES.len();
    while k > 0 {
        k -= 1;
        p = p * r + EXP_SERIES[k];
    }
    p * power_of_two(n)
}

/// The natural logarithm in f64, to some units of its last place.
pub fn ln_f64(x: f64) -> f64 {
    if x.is_nan() || x < 0.0 {
        return f64::NAN;
    }
    if x == 0.0 {
        return f64::NEG_INFINITY;
    }
    if x == f64::INFINITY {
        return x;
    }
    // Every f32, and all that is asked for here, is a normal f64.
    let bits = x.to_bits();
    let mut n = (bits >> 52) as i32 - 1023;
    let mut m = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    if m > core::f64::consts::SQRT_2 {
        m /= 2.0;
        n += 1;
    }
    // ln m = 2 artanh(f), |f| <= 0.172: the series to the 21st power is good to 2^-58.
    let f = (m - 1.0) / (m + 1.0);
    let f2 = f * f;
    let mut p = 0.0;
    let mut k = 21.0;
    while k > 0.0 {
        p = p * f2 + 1.0 / k;
        k -= 2.0;
    }
    2.0 * f * p + f64::from(n) * LN_2
}

/// ln(1 + x) for x >= 0, in f64.
fn ln_1p_f64(x: f64) -> f64 {
    let w = 1.0 + x;
    if w == 1.0 || w == f64::INFINITY {
        return x;
    }
    // What the rounding of 1 + x lost, to first order.
    ln_f64(w) + (x - (w - 1.0)) / w
}

/// The square root in f64, to a unit of its last place.
pub fn sqrt_f64(x: f64) -> f64 {
    if x == 0.0 || x.is_nan() || x == f64::INFINITY {
        return x;
    }
    if x < 0.0 {
        return f64::NAN;
    }
    // Half the exponent gives a start within 6 %, and each of Newton's steps doubles the digits.
    let mut y = f64::from_bits((x.to_bits() >> 1) + 0x1ff7_a3be_0000_0000);
    for _ in 0..5 {
        y = 0.5 * (y + x / y);
    }
    y
}

/// Natural logarithm; NaN below 0.
pub fn ln(x: f32) -> f32 {
    ln_f64(f64::from(x)) as f32
}

/// ln(1 + e^x)
pub fn softplus(x: f32) -> f32 {
    let x = f64::from(x);
    let e = exp_f64(-x.abs());
    let positive = if x > 0.0 { x } else { 0.0 };
    if x.is_nan() { x as f32 } else { (positive + ln_1p_f64(e)) as f32 }
}

/// Square root, correctly rounded.
pub fn sqrt(x: f32) -> f32 {
    // The root of a 24-bit number lies no nearer than 2^-50 (relative) to a midpoint of two f32, and the error of the
    // f64 root is smaller than that, so rounding it again does no harm.
    sqrt_f64(f64::from(x)) as f32
}

/// x^y, with the special cases of IEEE 754.
pub fn pow(x: f32, y: f32) -> f32 {
    if y == 0.0 || x == 1.0 {
        return 1.0;
    }
    if x.is_nan() || y.is_nan() {
        return x + y;
    }
    let integer = round(y) == y;
    // From 2^24 on, every f32 is even.
    let odd = integer && y.abs() < 16_777_216.0 && (y as i32) & 1 == 1;
    let magnitude = x.abs();
    let power = if y.is_infinite() {
        if magnitude == 1.0 {
            1.0
        } else if (magnitude > 1.0) == (y > 0.0) {
            f32::INFINITY
        } else {
            0.0
        }
    } else if magnitude == 0.0 || magnitude.is_infinite() {
        if (magnitude == 0.0) == (y > 0.0) { 0.0 } else { f32::INFINITY }
    } else if x < 0.0 && !integer {
        return f32::NAN;
    } else {
        exp_f64(f64::from(y) * ln_f64(f64::from(magnitude))) as f32
    };
    if odd && x.is_sign_negative() { -power } else { power }
}

/// From this magnitude on, every f32 is an integer.
const INTEGERS: f32 = 8_388_608.0;

/// To the nearest integer, ties to even.
pub fn round(x: f32) -> f32 {
    if x.abs() < INTEGERS {
        // The sum has no bits behind the point left, and was rounded to nearest, ties to even.
        ((x.abs() + INTEGERS) - INTEGERS).copysign(x)
    } else {
        x
    }
}

/// The integer part: to the nearest integer towards zero.
pub fn trunc(x: f32) -> f32 {
    if x.abs() < INTEGERS { (x as i32 as f32).copysign(x) } else { x }
}

/// Largest integer not above.
pub fn floor(x: f32) -> f32 {
    if x.abs() < INTEGERS {
        let t = x as i32 as f32;
        (if t > x { t - 1.0 } else { t }).copysign(x)
    } else {
        x
    }
}

/// Smallest integer not below.
pub fn ceil(x: f32) -> f32 {
    -floor(-x)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    /// The standard library's f64 functions as references: distance in f32 units of the exact value.
    fn check(name: &str, bound: f64, ours: impl Fn(f32) -> f32, reference: impl Fn(f64) -> f64) {
        // More than a million values, over all exponents and both signs.
        for bits in (0..=u32::MAX).step_by(4093) {
            let x = f32::from_bits(bits);
            let (got, want) = (ours(x), reference(f64::from(x)));
            let nearest = want as f32;
            if nearest.is_nan() {
                assert!(got.is_nan(), "{name}({x:e}) = {got:e}");
                continue;
            }
            if nearest.is_infinite() || nearest == 0.0 {
                assert_eq!(got, nearest, "{name}({x:e})");
                continue;
            }
            let unit = f64::from(f32::from_bits(nearest.abs().to_bits() + 1)) - f64::from(nearest.abs());
            let error = (f64::from(got) - want).abs() / unit;
            assert!(error <= bound, "{name}({x:e}) = {got:e}, not {want:e}: {error} ULP");
        }
    }

    #[test]
    fn functions_are_nearly_correctly_rounded() {
        const ROUNDED: f64 = 0.5001;
        check("exp", 0.8, exp, f64::exp);
        check("ln", ROUNDED, ln, f64::ln);
        check("tanh", 1.5, tanh, f64::tanh);
        check("sigmoid", 1.2, sigmoid, |x| 1.0 / (1.0 + (-x).exp()));
        check("elu", 0.9, |x| elu(x, 1.0), |x| if x < 0.0 { x.exp_m1() } else { x });
        check("erf", 1.5, erf, series_erf);
        check("softplus", ROUNDED, softplus, |x| if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() });
        check("sqrt", ROUNDED, sqrt, f64::sqrt);
        check("sin", ROUNDED, sin, f64::sin);
        check("cos", ROUNDED, cos, f64::cos);
        check("tan", ROUNDED, tan, f64::tan);
        check("asin", ROUNDED, asin, f64::asin);
        check("acos", ROUNDED, acos, f64::acos);
        check("atan", ROUNDED, atan, f64::atan);
        check("sinh", ROUNDED, sinh, f64::sinh);
        check("cosh", ROUNDED, cosh, f64::cosh);
        check("asinh", ROUNDED, asinh, f64::asinh);
        check("acosh", ROUNDED, acosh, f64::acosh);
        check("atanh", ROUNDED, atanh, f64::atanh);
        check("round", ROUNDED, round, f64::round_ties_even);
        check("floor", ROUNDED, floor, f64::floor);
        check("ceil", ROUNDED, ceil, f64::ceil);
        for y in [-2.0f32, -1.0, -0.5, 0.5, 2.0, 3.0, 7.3] {
            check("pow", ROUNDED, |x| pow(x, y), |x| x.powf(f64::from(y)));
        }
    }

    /// The series of terms of one sign, in f64: 2 / sqrt(pi) * e^(-x^2) * sum 2^n x^(2n+1) / (1 * 3 * ... * (2n+1)).
    fn series_erf(x: f64) -> f64 {
        let size = x.abs();
        if size > 6.0 || x.is_nan() {
            return if x.is_nan() { x } else { 1f64.copysign(x) };
        }
        let (mut term, mut sum, mut k) = (size, size, 1.0);
        while term > sum * 1e-17 {
            k += 2.0;
            term *= 2.0 * size * size / k;
            sum += term;
        }
        (core::f64::consts::FRAC_2_SQRT_PI * (-size * size).exp() * sum).copysign(x)
    }

    #[test]
    fn angles_keep_the_sign_of_zero_and_have_their_ends() {
        for f in [sin, tan, asin, atan, sinh, asinh, atanh] {
            assert_eq!([f(0.0).to_bits(), f(-0.0).to_bits()], [0, (-0.0f32).to_bits()]);
        }
        // The multiple of a quarter turn that a float is nearest to, and one beyond which whole turns are lost.
        assert_eq!(cos(f32::from_bits(0x7184_4061)), f64::from(f32::from_bits(0x7184_4061)).cos() as f32);
        assert_eq!(sin(f32::MAX), f64::from(f32::MAX).sin() as f32);
        assert_eq!(
            [asin(1.0), acos(-1.0), atan(f32::INFINITY)],
            [core::f32::consts::FRAC_PI_2, core::f32::consts::PI, core::f32::consts::FRAC_PI_2]
        );
        assert_eq!(
            [asinh(-f32::INFINITY), cosh(-f32::INFINITY), sinh(f32::INFINITY)],
            [-f32::INFINITY, f32::INFINITY, f32::INFINITY]
        );
        assert_eq!([atanh(1.0), acosh(f32::INFINITY), sinh(-100.0)], [f32::INFINITY, f32::INFINITY, -f32::INFINITY]);
        for (f, x) in [(sin as fn(f32) -> f32, f32::INFINITY), (asin, 1.5), (acos, -1.5), (acosh, 0.5), (atanh, -2.0)] {
            assert!(f(x).is_nan() && f(f32::NAN).is_nan(), "{x}");
        }
    }

    #[test]
    fn square_root_is_that_of_the_processor() {
        for bits in (0..f32::INFINITY.to_bits()).step_by(977) {
            let x = f32::from_bits(bits);
            assert_eq!(sqrt(x).to_bits(), x.sqrt().to_bits(), "{x:e}");
        }
    }

    #[test]
    fn error_function() {
        // Abramowitz and Stegun, table 7.1.
        for (x, y) in
            [(0.1, 0.112_462_92), (0.5, 0.520_499_9), (1.0, 0.842_700_8), (2.0, 0.995_322_3), (3.0, 0.999_977_9)]
        {
            assert!((erf(x) - y).abs() <= f32::EPSILON * y, "{x}");
            assert_eq!(erf(-x), -erf(x));
        }
        assert_eq!(erf(f32::INFINITY), 1.0);
        assert_eq!(erf(-0.0).to_bits(), (-0.0f32).to_bits());
        assert!(erf(f32::NAN).is_nan());
    }

    #[test]
    fn power_of_special_values() {
        let values =
            [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1e30];
        for x in values {
            for y in values {
                let (got, want) = (pow(x, y), x.powf(y));
                assert!(
                    got == want && got.is_sign_negative() == want.is_sign_negative() || got.is_nan() && want.is_nan(),
                    "{x}^{y} = {got}, not {want}"
                );
            }
        }
    }
}
