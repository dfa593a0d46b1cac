//! e^x and what is made of it, in f32 alone, for cores that have to emulate doubles or have none but single units of them.
//!
//! Additions, multiplications and divisions that round each on its own, without fused multiply-add and without a branch on the
//! way of ordinary numbers: the same bits on every processor, and vectors where the compiler sees them. What roundings lose is
//! carried along in a second number where it would show. The errors, in units of the last place: e^x below 0.8, ELU with alpha = 1 below 0.9,
//! sigmoid 1.2, tanh and erf 1.5.

use core::f32::consts::LOG2_E;

/// ln 2 in two parts: the first has so few bits that its product with an exponent is exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -0.000_212_194_44;

/// (e^r - 1 - r) / r^2 for |r| <= ln 2 / 2, from the highest power of r down; times r^2 good to 2^-31.
const EXP: [f32; 6] = [1.991_450_8e-4, 1.394_127_8e-3, 8.333_272e-3, 0.041_666_35, 0.166_666_67, 0.5];

/// The sum of coefficients, the highest first, times powers of x.
#[inline(always)]
fn polynomial<const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = 0.0;
    for coefficient in coefficients {
        sum = sum * x + coefficient;
    }
    sum
}

/// e^x as (1 + part + rest) * 2^exponent, where the rest is less than half a unit of the part.
struct Power {
    part: f32,
    rest: f32,
    exponent: i32,
}

impl Power {
    /// For -104 <= x <= 89; of NaN, the parts are.
    #[inline(always)]
    fn of(x: f32) -> Self {
        // Added, the fraction is rounded away; and the integer is in the last bits.
        const INTEGER: f32 = 12_582_912.0;
        let shifted = x * LOG2_E + INTEGER;
        let n = shifted - INTEGER;
        let exponent = (shifted.to_bits() as i32).wrapping_sub(INTEGER.to_bits() as i32);
        let high = x - n * LN_2_HIGH;
        let low = n * LN_2_LOW;
        let r = high - low;
        let lost = (high - r) - low;
        let curve = r * r * polynomial(r, EXP) + lost;
        let part = r + curve;
        Self { part, rest: curve - (part - r), exponent }
    }

    /// Times 2^exponent, with one rounding, in the range of denormal numbers, too.
    #[inline(always)]
    fn scaled(&self, x: f32) -> f32 {
        let power_of_two = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
        let half = self.exponent >> 1;
        x * power_of_two(half) * power_of_two(self.exponent.wrapping_sub(half))
    }

    /// e^x, and what its rounding lost.
    #[inline(always)]
    fn exp(&self) -> [f32; 2] {
        let sum = 1.0 + self.part;
        [self.scaled(sum), self.scaled((self.part - (sum - 1.0)) + self.rest)]
    }

    /// e^x - 1 where x <= 0, and what its rounding lost.
    #[inline(always)]
    fn exp_m1(&self) -> [f32; 2] {
        let (less, part) = (self.scaled(1.0) - 1.0, self.scaled(self.part));
        let sum = less + part;
        [sum, (part - (sum - less)) + self.scaled(self.rest)]
    }
}

/// a / (a + k) for -k / 2 <= a <= k, where a comes with what its rounding lost.
#[inline(always)]
fn share([a, rest]: [f32; 2], k: f32) -> f32 {
    let sum = k + a;
    let lost = (a - (sum - k)) + rest;
    let share = a / sum;
    // What was lost above and below, over the sum, whose reciprocal is (1 - share) / k.
    share + (rest - share * lost) * ((1.0 - share) / k)
}

/// The larger of a bound and x; NaN stays.
#[inline(always)]
fn at_least(bound: f32, x: f32) -> f32 {
    if x < bound { bound } else { x }
}

/// e^x
#[inline]
pub fn exp(x: f32) -> f32 {
    // Beyond, the result is 0 or infinite.
    let x = at_least(-104.0, if x > 89.0 { 89.0 } else { x });
    let [e, lost] = Power::of(x).exp();
    e + lost
}

/// 1 / (1 + e^-x)
#[inline]
pub fn sigmoid(x: f32) -> f32 {
    let below = share(Power::of(at_least(-104.0, -x.abs())).exp(), 1.0);
    if x < 0.0 { below } else { 1.0 - below }
}

/// From here on down, e^x - 1 is -1, and tanh of half of it.
const LEAST: f32 = -20.0;

/// Hyperbolic tangent.
#[inline]
pub fn tanh(x: f32) -> f32 {
    share(Power::of(at_least(LEAST, -2.0 * x.abs())).exp_m1(), 2.0).copysign(x)
}

/// x < 0 ? alpha * (e^x - 1) : x
#[inline]
pub fn elu(x: f32, alpha: f32) -> f32 {
    let [below, _] = Power::of(at_least(LEAST, if x > 0.0 { 0.0 } else { x })).exp_m1();
    if x < 0.0 { alpha * below } else { x }
}

/// erf(x) / x - 1 for |x| <= 1, from the highest power of x^2 down; good to 2^-29.
const ERF: [f32; 7] =
    [7.853_907e-5, -8.010_209e-4, 5.188_329_6e-3, -0.026_853_813, 0.112_835_854, -0.376_126_26, 0.128_379_17];

/// ln(1 - erf(x)) for 1 <= x <= 4, from the highest power of x - 2 down; 1 minus its exponential is good to 2^-29.
const LN_ERFC: [f32; 7] =
    [1.863_792_6e-4, -7.111_078_6e-4, 3.544_232_6e-3, -0.016_487_904, -0.923_753_5, -4.418_159_5, -5.364_941];

/// Gauss error function.
pub fn erf(x: f32) -> f32 {
    let size = x.abs();
    let erf = if size < 1.0 {
        size + size * polynomial(size * size, ERF)
    } else {
        // 1 - erf(4) is less than half a unit below 1.
        let size = if size > 4.0 { 4.0 } else { size };
        let [erfc, _] = Power::of(polynomial(size - 2.0, LN_ERFC)).exp();
        1.0 - erfc
    };
    erf.copysign(x)
}
