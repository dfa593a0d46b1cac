//! Values against reference values.

use crate::exact::to_key;

/// How far real values are from the reference.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Deviation {
    /// Largest absolute difference; infinite where only one side is a number.
    pub(super) error: f64,
    /// Largest magnitude of the reference.
    pub(super) scale: f64,
    /// Largest distance in units in the last place, over reference values of at least a thousandth of `scale`. (Nearer
    /// to zero the unit shrinks, and a distance counted in it says nothing about the error.)
    pub(super) ulp: u64,
}

impl Deviation {
    /// Compares values of equal number.
    pub(super) fn of(values: &[f32], reference: &[f32]) -> Self {
        let magnitude = |x: &f32| if x.is_finite() { f64::from(x.abs()) } else { 0.0 };
        let scale = reference.iter().map(magnitude).fold(0.0, f64::max);
        let mut deviation = Self { scale, ..Self::default() };
        for (&a, &b) in values.iter().zip(reference) {
            if a == b || a.is_nan() && b.is_nan() {
                continue;
            }
            let error = f64::from(a) - f64::from(b);
            deviation.error = deviation.error.max(if error.is_nan() { f64::INFINITY } else { error.abs() });
            if magnitude(&b) >= scale / 1000.0 {
                deviation.ulp = deviation.ulp.max(i64::from(to_key(a)).abs_diff(i64::from(to_key(b))));
            }
        }
        deviation
    }
}

/// How signs compare with the reference.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Signs {
    /// Signs that differ from a reference that is not zero.
    pub(super) flips: usize,
    /// Those of them whose value before the sign was not within rounding of zero, or is not known.
    pub(super) wrong: usize,
    /// Largest distance of such a value from zero, relative to the largest magnitude among them.
    pub(super) farthest: f64,
    /// Values before the sign that are within `reach` of zero: a sign that another engine may decide differently.
    pub(super) near: usize,
    /// Reference signs that are zero.
    pub(super) zeros: usize,
}

impl Signs {
    /// Compares `plus` with the sign of `reference`. `before` holds the values whose signs these are; flips are wrong
    /// beyond `tolerance` times their largest magnitude.
    pub(super) fn of(plus: &[bool], reference: &[f32], before: Option<&[f32]>, tolerance: f64, reach: f64) -> Self {
        let scale = before.map_or(0.0, |b| b.iter().map(|x| f64::from(x.abs())).fold(0.0, f64::max));
        let distance = |i: usize| before.map(|b| if scale == 0.0 { 0.0 } else { f64::from(b[i].abs()) / scale });
        let mut signs = Self::default();
        for (i, (&plus, &reference)) in plus.iter().zip(reference).enumerate() {
            signs.near += usize::from(distance(i).is_some_and(|d| d <= reach));
            if reference == 0.0 {
                signs.zeros += 1;
            } else if plus != (reference > 0.0) {
                signs.flips += 1;
                let distance = distance(i).unwrap_or(f64::INFINITY);
                signs.farthest = signs.farthest.max(distance);
                // Written so that a NaN is wrong.
                signs.wrong += usize::from(!matches!(distance.partial_cmp(&tolerance), Some(o) if o.is_le()));
            }
        }
        signs
    }

    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            flips: self.flips + other.flips,
            wrong: self.wrong + other.wrong,
            farthest: self.farthest.max(other.farthest),
            near: self.near + other.near,
            zeros: self.zeros + other.zeros,
        }
    }
}

/// In how many rows (along the last axis) the largest value stands at the same place, and how many rows there are.
/// Integers, the results of an ArgMax, are compared as they are.
pub(super) fn top1(values: &[f32], reference: &[f32], shape: &[usize], integers: bool) -> (usize, usize) {
    let row = if integers { 1 } else { shape.last().copied().unwrap_or(1).max(1) };
    let best = |row: &[f32]| {
        row.iter().enumerate().fold(0, |best, (i, x)| if x.total_cmp(&row[best]).is_gt() { i } else { best })
    };
    let pairs = values.chunks(row).zip(reference.chunks(row));
    let agree = pairs.filter(|(a, b)| if integers { a == b } else { best(a) == best(b) }).count();
    (agree, reference.len().div_ceil(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviation_counts_ulps_where_they_mean_something() {
        let next = |x: f32| f32::from_bits(x.to_bits() + 3);
        let deviation = Deviation::of(&[next(1.0), 1e-9, 2.0], &[1.0, 2e-9, 2.0]);
        assert_eq!(deviation.ulp, 3);
        assert_eq!(deviation.scale, 2.0);
        assert!((deviation.error - 3.6e-7).abs() < 1e-7);
        assert_eq!(Deviation::of(&[f32::NAN], &[1.0]).error, f64::INFINITY);
        assert_eq!(Deviation::of(&[f32::INFINITY], &[1.0]).error, f64::INFINITY);
        assert_eq!(Deviation::of(&[f32::NAN, f32::INFINITY], &[f32::NAN, f32::INFINITY]).error, 0.0);
    }

    #[test]
    fn a_flip_is_wrong_when_it_is_far_from_zero() {
        let before = [10.0, -1e-4, 5.0, 0.0, 1e-6];
        let reference = [1.0, -1.0, 1.0, 0.0, 1.0];
        let signs = Signs::of(&[true, true, false, true, true], &reference, Some(&before), 1e-4, 1e-6);
        assert_eq!(signs, Signs { flips: 2, wrong: 1, farthest: 0.5, near: 2, zeros: 1 });
        // Nothing is known of the value before: nothing excuses a flip.
        assert_eq!(Signs::of(&[false], &[1.0], None, 1e-4, 1e-6).wrong, 1);
    }

    #[test]
    fn top1_per_row() {
        assert_eq!(top1(&[1.0, 2.0, 5.0, 4.0], &[0.0, 9.0, 1.0, 2.0], &[2, 2], false), (1, 2));
        assert_eq!(top1(&[3.0, 2.0], &[3.0, 4.0], &[2], true), (1, 2));
    }
}
