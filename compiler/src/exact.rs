//! Exact arithmetic on the checkpoint's f32 constants, so that no rounding of a folded BatchNormalization ever
//! flips a sign.
//!
//! Every finite f32 is a dyadic rational `m * 2^e`; sums and products of such numbers are dyadic again, and the one
//! square root of a BatchNormalization is compared by squaring. So the sign of an affine map at a given f32 is decided
//! without any rounding, and [`Affine::interval`] finds the f32 at which it changes by bisection over the ordered f32s.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use num_bigint::BigInt;

/// What an activation of exactly zero becomes under a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Zero {
    /// +1: Larq, Brevitas, bitorch.
    Plus,
    /// -1: ReActNet's definition, `Where(x > 0, 1, -1)`.
    Minus,
    /// 0: ONNX's and PyTorch's own `Sign`. One bit cannot hold it: binary layers take it for +1, and that is reported, or
    /// read two bits.
    Zero,
}

/// When an activation becomes the bit 1 (+1): `low <= x && x <= high`. A falling affine map has `low` -inf, a rising one
/// `high` +inf, an empty interval is `low` +inf and `high` -inf.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Smallest f32 with sign +1.
    pub low: f32,
    /// Largest f32 with sign +1.
    pub high: f32,
}

impl Interval {
    /// The sign of a value; false for NaN.
    pub fn contains(&self, x: f32) -> bool {
        self.low <= x && x <= self.high
    }
}

/// A dyadic rational: `mantissa * 2^exponent`.
#[derive(Clone, Debug)]
pub struct Dyadic {
    mantissa: BigInt,
    exponent: i64,
}

impl Dyadic {
    /// The exact value of a float.
    ///
    /// Returns `None` for infinities and NaN.
    pub fn new(x: f64) -> Option<Self> {
        if !x.is_finite() {
            return None;
        }
        let bits = x.to_bits();
        let raw_exponent = (bits >> 52 & 0x7ff) as i64;
        let fraction = bits & ((1 << 52) - 1);
        let (magnitude, exponent) =
            if raw_exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, raw_exponent - 1075) };
        // Trailing zeros are dropped: products of f32s then stay a few words long.
        let shift = if magnitude == 0 { 0 } else { magnitude.trailing_zeros() };
        let mut mantissa = BigInt::from(magnitude >> shift);
        if x < 0.0 {
            mantissa = -mantissa;
        }
        Some(Self { mantissa, exponent: if magnitude == 0 { 0 } else { exponent + i64::from(shift) } })
    }

    fn from_finite(x: f32) -> Self {
        Self::new(f64::from(x)).unwrap_or_else(Self::zero)
    }

    fn zero() -> Self {
        Self { mantissa: BigInt::ZERO, exponent: 0 }
    }

    fn one() -> Self {
        Self { mantissa: BigInt::from(1), exponent: 0 }
    }

    fn add(&self, other: &Self) -> Self {
        let exponent = self.exponent.min(other.exponent);
        let lift = |d: &Self| &d.mantissa << usize::try_from(d.exponent - exponent).expect("aligned downwards");
        Self { mantissa: lift(self) + lift(other), exponent }
    }

    fn mul(&self, other: &Self) -> Self {
        Self { mantissa: &self.mantissa * &other.mantissa, exponent: self.exponent + other.exponent }
    }

    fn neg(&self) -> Self {
        Self { mantissa: -&self.mantissa, exponent: self.exponent }
    }

    /// Compares with zero.
    pub fn sign(&self) -> Ordering {
        self.mantissa.cmp(&BigInt::ZERO)
    }

    /// The nearest f64, to within an ULP.
    pub fn to_f64(&self) -> f64 {
        let bits = i64::try_from(self.mantissa.bits()).expect("a number of bits");
        // Keep 64 leading bits, so that neither the mantissa nor the power overflows on its own.
        let drop = (bits - 64).max(0);
        let head = &self.mantissa >> usize::try_from(drop).expect("not negative");
        let head: i128 = head.try_into().expect("64 bits and a sign");
        let power = self.exponent + drop;
        // Two factors: 2^power alone may be subnormal or infinite where the product is neither.
        let half = power / 2;
        head as f64 * (half as f64).exp2() * ((power - half) as f64).exp2()
    }
}

impl PartialEq for Dyadic {
    fn eq(&self, other: &Self) -> bool {
        self.add(&other.neg()).sign() == Ordering::Equal
    }
}

/// Decimal where an f64 holds it, `mantissa p exponent` (of 2) elsewhere: the very number either way.
impl fmt::Display for Dyadic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let near = self.to_f64();
        match Self::new(near) {
            Some(same) if same == *self && (near == 0.0 || (1e-5..1e15).contains(&near.abs())) => write!(f, "{near}"),
            Some(same) if same == *self => write!(f, "{near:e}"),
            _ => write!(f, "{}p{}", self.mantissa, self.exponent),
        }
    }
}

impl FromStr for Dyadic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is no number");
        match text.split_once('p') {
            Some((mantissa, exponent)) => Ok(Self {
                mantissa: mantissa.parse().map_err(|_| bad())?,
                exponent: exponent.parse().map_err(|_| bad())?,
            }),
            None => text.parse().ok().and_then(Self::new).ok_or_else(bad),
        }
    }
}

/// An affine map of one channel, exactly: `y = (p * x + q) / sqrt(w) + r`.
///
/// With `w = 1` it is an ordinary scale and shift; one BatchNormalization brings the root.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    p: Dyadic,
    q: Dyadic,
    r: Dyadic,
    w: Dyadic,
}

/// `2x+1`, or `(2x+3)/sqrt(1.5)+1`; terms of 0 are left out.
impl fmt::Display for Affine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p, q, r, w } = self;
        let term = |d: &Dyadic| if d.sign() == Ordering::Equal { String::new() } else { format!("+{d}") };
        if *w == Dyadic::one() && q.sign() == Ordering::Equal {
            return write!(f, "{p}x{}", term(r));
        }
        write!(f, "({p}x{})/sqrt({w}){}", term(q), term(r))
    }
}

impl FromStr for Affine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is no affine map");
        let term = |text: &str| match text.strip_prefix('+') {
            Some(number) => number.parse(),
            None if text.is_empty() => Ok(Dyadic::zero()),
            None => Err(bad()),
        };
        let Some(inner) = text.strip_prefix('(') else {
            let (p, r) = text.split_once('x').ok_or_else(bad)?;
            return Ok(Self { p: p.parse()?, r: term(r)?, ..Self::identity() });
        };
        let (inner, rest) = inner.split_once(")/sqrt(").ok_or_else(bad)?;
        let ((p, q), (w, r)) = (inner.split_once('x').ok_or_else(bad)?, rest.split_once(')').ok_or_else(bad)?);
        let w: Dyadic = w.parse()?;
        if w.sign() != Ordering::Greater {
            return Err(bad());
        }
        Ok(Self { p: p.parse()?, q: term(q)?, r: term(r)?, w })
    }
}

impl Affine {
    /// y = x
    pub fn identity() -> Self {
        Self { p: Dyadic::one(), q: Dyadic::zero(), r: Dyadic::zero(), w: Dyadic::one() }
    }

    /// y = scale * x + shift. Parameters must be finite; import has checked them.
    pub fn linear(scale: f32, shift: f32) -> Self {
        Self { p: Dyadic::from_finite(scale), r: Dyadic::from_finite(shift), ..Self::identity() }
    }

    /// y = x / divisor, exactly: the reciprocal of a dyadic number is none, but `x / sqrt(divisor^2)` needs none.
    ///
    /// Returns `None` for a divisor of zero or without a finite value.
    pub fn division(divisor: f32) -> Option<Self> {
        let d = Dyadic::new(f64::from(divisor)).filter(|d| d.sign() != Ordering::Equal)?;
        let reciprocal = 1.0 / divisor;
        if reciprocal.is_finite() && Self::is_reciprocal(&d, reciprocal) {
            return Some(Self::linear(reciprocal, 0.0));
        }
        let p = if d.sign() == Ordering::Less { Dyadic::one().neg() } else { Dyadic::one() };
        Some(Self { p, w: d.mul(&d), ..Self::identity() })
    }

    /// Whether the reciprocal is exact: the divisor is a power of two.
    fn is_reciprocal(divisor: &Dyadic, reciprocal: f32) -> bool {
        divisor.mul(&Dyadic::from_finite(reciprocal)) == Dyadic::one()
    }

    /// y = gamma * (x - mean) / sqrt(variance + epsilon) + beta.
    ///
    /// Returns `None` when `variance + epsilon` is not positive.
    pub fn batch_norm(gamma: f32, beta: f32, mean: f32, variance: f32, epsilon: f32) -> Option<Self> {
        let [gamma, beta, mean] = [gamma, beta, mean].map(Dyadic::from_finite);
        let w = Dyadic::from_finite(variance).add(&Dyadic::from_finite(epsilon));
        if w.sign() != Ordering::Greater {
            return None;
        }
        Some(Self { q: gamma.mul(&mean).neg(), p: gamma, r: beta, w })
    }

    /// `next` after `self`, when one root can express the result; `None` otherwise, or when the numbers would grow beyond
    /// what any sensible chain of maps needs.
    pub fn then(&self, next: &Self) -> Option<Self> {
        const BITS: u64 = 4096;
        let result = self.compose(next)?;
        [&result.p, &result.q, &result.r, &result.w].iter().all(|d| d.mantissa.bits() <= BITS).then_some(result)
    }

    fn compose(&self, next: &Self) -> Option<Self> {
        if next.w == Dyadic::one() {
            // scale * ((p x + q) / sqrt(w) + r) + shift
            let scale = &next.p;
            let shift = next.q.add(&next.r);
            return Some(Self {
                p: self.p.mul(scale),
                q: self.q.mul(scale),
                r: self.r.mul(scale).add(&shift),
                w: self.w.clone(),
            });
        }
        if self.w == Dyadic::one() {
            let inner_shift = self.q.add(&self.r);
            return Some(Self {
                p: self.p.mul(&next.p),
                q: inner_shift.mul(&next.p).add(&next.q),
                r: next.r.clone(),
                w: next.w.clone(),
            });
        }
        // Nothing but the quotient goes through the second root: (a / sqrt(w)) / sqrt(v) = a / sqrt(w v).
        if self.r.mul(&next.p).add(&next.q).sign() == Ordering::Equal {
            return Some(Self {
                p: self.p.mul(&next.p),
                q: self.q.mul(&next.p),
                r: next.r.clone(),
                w: self.w.mul(&next.w),
            });
        }
        None
    }

    /// The sum of `w * map(x)` over weights `w` and elements `x`, as a map of the sum of `w * x`, from the sum of the `w`.
    pub fn of_sums(&self, weights: f32) -> Self {
        let sum = Dyadic::from_finite(weights);
        Self { q: self.q.mul(&sum), r: self.r.mul(&sum), ..self.clone() }
    }

    /// The map of a mean of `n` numbers, as a map of their sum; `None` where no finite number of bits holds it.
    pub fn of_sum(&self, n: usize) -> Option<Self> {
        let power = i64::from(n.trailing_zeros());
        let odd = BigInt::from(n >> power);
        let mantissa = &self.p.mantissa / &odd;
        let p = Dyadic { exponent: self.p.exponent - power, mantissa };
        let whole = &p.mantissa * &odd == self.p.mantissa;
        if whole {
            return Some(Self { p, ..self.clone() });
        }
        Self::division(n as f32)?.then(self)
    }

    /// The map that takes -1 to `minus` and +1 to `plus`, exactly. Both must be finite.
    pub fn levels(minus: f64, plus: f64) -> Self {
        let half = Dyadic { mantissa: BigInt::from(1), exponent: -1 };
        let [minus, plus] = [minus, plus].map(|x| Dyadic::new(x).unwrap_or_else(Dyadic::zero));
        let (scale, shift) = (plus.add(&minus.neg()).mul(&half), plus.add(&minus).mul(&half));
        Self { p: scale, r: shift, ..Self::identity() }
    }

    /// The map, and then the addition of a finite number.
    pub fn shifted(&self, by: f64) -> Self {
        Self { r: self.r.add(&Dyadic::new(by).unwrap_or_else(Dyadic::zero)), ..self.clone() }
    }

    /// The map, and then the product with a finite number.
    pub fn scaled(&self, by: f64) -> Self {
        let by = Dyadic::new(by).unwrap_or_else(Dyadic::zero);
        Self { p: self.p.mul(&by), q: self.q.mul(&by), r: self.r.mul(&by), w: self.w.clone() }
    }

    /// The sum of two maps, if one root can express it.
    pub fn plus(&self, other: &Self) -> Option<Self> {
        let is_free = |map: &Self| map.w == Dyadic::one();
        let (rooted, plain) = match (is_free(self), is_free(other)) {
            (_, true) => (self, other),
            (true, _) => (other, self),
            _ if self.w == other.w => {
                let [p, q, r] = [(&self.p, &other.p), (&self.q, &other.q), (&self.r, &other.r)].map(|(a, b)| a.add(b));
                return Some(Self { p, q, r, w: self.w.clone() });
            }
            _ => return None,
        };
        if is_free(rooted) {
            let p = rooted.p.add(&plain.p);
            return Some(Self { p, r: rooted.q.add(&rooted.r).add(&plain.q).add(&plain.r), ..Self::identity() });
        }
        let constant = plain.p.sign().is_eq();
        constant.then(|| Self { r: rooted.r.add(&plain.q).add(&plain.r), ..rooted.clone() })
    }

    /// The value at a number, if an f64 holds it.
    pub fn exactly_at(&self, x: f64) -> Option<f64> {
        let inner = self.p.mul(&Dyadic::new(x)?).add(&self.q);
        let value = match inner.sign() {
            Ordering::Equal => self.r.clone(),
            _ if self.w == Dyadic::one() => inner.add(&self.r),
            _ => return None,
        };
        let near = value.to_f64();
        (Dyadic::new(near)? == value).then_some(near)
    }

    /// The factor of x, rounded to f64.
    pub fn scale(&self) -> f64 {
        self.p.to_f64() / self.w.to_f64().sqrt()
    }

    /// The constant term, rounded to f64.
    pub fn shift(&self) -> f64 {
        self.q.to_f64() / self.w.to_f64().sqrt() + self.r.to_f64()
    }

    /// The map in f64 arithmetic.
    pub fn apply(&self, x: f64) -> f64 {
        (self.p.to_f64() * x + self.q.to_f64()) / self.w.to_f64().sqrt() + self.r.to_f64()
    }

    /// p, q, sqrt(w) and r, each rounded to f64, for [`Affine::evaluate`] in a loop.
    pub fn coefficients(&self) -> [f64; 4] {
        [self.p.to_f64(), self.q.to_f64(), self.w.to_f64().sqrt(), self.r.to_f64()]
    }

    /// The same value as [`Affine::apply`], rounded to f32, from [`Affine::coefficients`].
    pub fn evaluate(coefficients: &[f64; 4], x: f32) -> f32 {
        let [p, q, root, r] = coefficients;
        ((p * f64::from(x) + q) / root + r) as f32
    }

    /// True when y = x.
    pub fn is_identity(&self) -> bool {
        *self == Self::identity()
    }

    /// Whether y rises, falls or stays as x rises.
    pub fn slope(&self) -> Ordering {
        self.p.sign()
    }

    /// The sign of y at a finite x, without rounding.
    pub fn sign_at(&self, x: f32) -> Ordering {
        self.sign_at_dyadic(&Dyadic::from_finite(x))
    }

    fn sign_at_dyadic(&self, x: &Dyadic) -> Ordering {
        // y * sqrt(w) = a + r * sqrt(w), and sqrt(w) > 0.
        let a = self.p.mul(x).add(&self.q);
        match (a.sign(), self.r.sign()) {
            (s, Ordering::Equal) => s,
            (Ordering::Equal, s) => s,
            (s, t) if s == t => s,
            // Opposite signs: the larger square wins.
            (s, t) => {
                let difference = a.mul(&a).add(&self.r.mul(&self.r).mul(&self.w).neg());
                match difference.sign() {
                    Ordering::Greater => s,
                    Ordering::Less => t,
                    Ordering::Equal => Ordering::Equal,
                }
            }
        }
    }

    /// Whether the sign after this map is +1 at a finite x.
    pub fn is_plus(&self, x: f32, zero: Zero) -> bool {
        match self.sign_at(x) {
            Ordering::Greater => true,
            Ordering::Equal => zero != Zero::Minus,
            Ordering::Less => false,
        }
    }

    /// The f32s that this map followed by a sign sends to +1.
    pub fn interval(&self, zero: Zero) -> Interval {
        const ALL: Interval = Interval { low: f32::NEG_INFINITY, high: f32::INFINITY };
        const NONE: Interval = Interval { low: f32::INFINITY, high: f32::NEG_INFINITY };
        let plus = |key: i32| self.is_plus(from_key(key), zero);
        let (first, last) = (to_key(-f32::MAX), to_key(f32::MAX));
        match self.slope() {
            Ordering::Equal if plus(0) => ALL,
            Ordering::Equal => NONE,
            Ordering::Greater => match bisect(first, last, plus) {
                // Not even at the largest finite f32; at +infinity the map is +infinity.
                None => Interval { low: f32::INFINITY, high: f32::INFINITY },
                Some(key) if key == first => Interval { low: -f32::MAX, high: f32::INFINITY },
                Some(key) => Interval { low: from_key(key), high: f32::INFINITY },
            },
            Ordering::Less => match bisect(first, last, |key| !plus(key)) {
                None => Interval { low: f32::NEG_INFINITY, high: f32::MAX },
                Some(key) if key == first => Interval { low: f32::NEG_INFINITY, high: f32::NEG_INFINITY },
                Some(key) => Interval { low: f32::NEG_INFINITY, high: from_key(key - 1) },
            },
        }
    }
}

/// The smallest key at which `holds` is true, given that it is false up to some key and true from there on.
fn bisect(first: i32, last: i32, holds: impl Fn(i32) -> bool) -> Option<i32> {
    if !holds(last) {
        return None;
    }
    let (mut low, mut high) = (i64::from(first), i64::from(last));
    while low < high {
        let middle = (low + high).div_euclid(2);
        if holds(middle as i32) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(low as i32)
}

/// An integer that orders as the floats do; both zeros have key 0.
pub fn to_key(x: f32) -> i32 {
    let bits = x.to_bits() as i32;
    if bits < 0 { i32::MIN - bits } else { bits }
}

/// The float with a given key.
pub fn from_key(key: i32) -> f32 {
    let bits = if key < 0 { i32::MIN - key } else { key };
    f32::from_bits(bits as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_order_as_floats() {
        let values = [f32::MIN, -1.0, -f32::MIN_POSITIVE, -1e-45, 0.0, 1e-45, 1.0, 1.0000001, f32::MAX];
        for pair in values.windows(2) {
            assert!(to_key(pair[0]) < to_key(pair[1]), "{pair:?}");
        }
        for x in values {
            assert_eq!(from_key(to_key(x)), x);
        }
    }

    #[test]
    fn interval_ends_where_the_exact_sign_changes() {
        // Includes negative, zero and tiny gammas, and thresholds at exactly representable points.
        let mut state = 1_u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        for case in 0..2000 {
            let gamma = match case % 5 {
                0 => 0.0,
                1 => random() * 1e-20,
                _ => random(),
            };
            let beta = if case % 7 == 0 { 0.0 } else { random() };
            let (mean, variance) = (random() * 10.0, random().abs());
            let map = Affine::batch_norm(gamma, beta, mean, variance, 1e-5).unwrap();
            for zero in [Zero::Plus, Zero::Minus] {
                let interval = map.interval(zero);
                for x in [interval.low, interval.high, mean, 0.0, random() * 100.0] {
                    if !x.is_finite() {
                        continue;
                    }
                    for step in -2..=2 {
                        let x = from_key(to_key(x).saturating_add(step));
                        if x.is_finite() {
                            assert_eq!(interval.contains(x), map.is_plus(x, zero), "{map:?} at {x:e}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn composition_is_the_composition() {
        let a = Affine::batch_norm(0.7, -0.2, 3.0, 2.0, 1e-3).unwrap();
        let b = Affine::linear(-1.5, 0.25);
        for x in [-3.0, 0.0, 0.1, 7.5] {
            assert!((a.then(&b).unwrap().apply(x) - b.apply(a.apply(x))).abs() < 1e-12);
            assert!((b.then(&a).unwrap().apply(x) - a.apply(b.apply(x))).abs() < 1e-12);
        }
        assert!(a.then(&a).is_none());
        // A quotient without a shift goes through a second root.
        let quotient = Affine::batch_norm(0.7, 0.0, 3.0, 2.0, 1e-3).unwrap();
        let third = Affine::division(3.0).unwrap();
        for x in [-3.0, 0.0, 0.1, 7.5] {
            assert!((quotient.then(&third).unwrap().apply(x) - quotient.apply(x) / 3.0).abs() < 1e-12);
        }
    }

    #[test]
    fn a_mean_is_a_part_of_the_sum() {
        let third = Affine::division(3.0).unwrap();
        let map = Affine::linear(1.5, 1.5).then(&third).unwrap();
        for (n, sum) in [(3, -3.0), (6, 2.0), (2, 2.0)] {
            let of_sum = map.of_sum(n).unwrap();
            assert!((of_sum.apply(sum) - map.apply(sum / n as f64)).abs() < 1e-12, "{n}");
        }
        assert!(map.of_sum(5).is_none());
    }

    #[test]
    fn division_is_exact() {
        assert_eq!(Affine::division(-0.25).unwrap(), Affine::linear(-4.0, 0.0));
        assert!(Affine::division(0.0).is_none() && Affine::division(f32::INFINITY).is_none());
        // 3 * (1 / 3) - 1 is nothing but zero.
        let map = Affine::division(-3.0).unwrap().then(&Affine::linear(1.0, 1.0)).unwrap();
        assert_eq!(map.sign_at(3.0), Ordering::Equal);
        assert_eq!(map.sign_at(from_key(to_key(3.0) + 1)), Ordering::Less);
    }
}
