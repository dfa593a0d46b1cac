//! Values against reference values.

use std::collections::HashMap;

use super::TOLERANCE;
use super::rounding::Margins;
use xnorc::exact::to_key;
use xnorc::ir::{DType, Data, Tensor};

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
    /// Whether that is more than a value may be off.
    pub(super) fn is_off(&self) -> bool {
        self.error > TOLERANCE * self.scale
    }

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

/// What of these values a rounding to whole numbers explains that was decided the other way: those that are off by more than
/// `tolerance` of the largest magnitude, though by no more than their bound.
pub(super) fn decided_otherwise(values: &[f32], reference: &[f32], bounds: &[f64], tolerance: f64) -> Vec<usize> {
    let off = tolerance * Deviation::of(reference, reference).scale;
    let pairs = values.iter().zip(reference).zip(bounds).enumerate();
    let distance = |a: f32, b: f32| (f64::from(a) - f64::from(b)).abs();
    // The step itself is rounded, too.
    let explained = |&(_, ((&a, &b), &bound)): &(usize, ((&f32, &f32), &f64))| {
        distance(a, b) > off && distance(a, b) <= bound + off
    };
    pairs.filter(explained).map(|(i, _)| i).collect()
}

/// How signs compare with the reference.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Signs {
    /// Signs that differ from a reference that is not zero.
    pub(super) flips: usize,
    /// Those of them that are not in question: rounding cannot turn them.
    pub(super) wrong: usize,
    /// Largest distance of a flipped one from its threshold, relative to the largest magnitude in its tensor.
    pub(super) farthest: f64,
    /// Reference signs that are zero.
    pub(super) zeros: usize,
}

impl Signs {
    /// Compares `plus` with the sign of `reference`. Without margins every flip is wrong.
    pub(super) fn of(plus: &[bool], reference: &[f32], margins: Option<&Margins>) -> Self {
        let scale = margins.map_or(0.0, Margins::scale).max(f64::MIN_POSITIVE);
        let mut signs = Self::default();
        for (i, (&plus, &reference)) in plus.iter().zip(reference).enumerate() {
            if reference == 0.0 {
                signs.zeros += 1;
            } else if plus != (reference > 0.0) && !reference.is_nan() {
                signs.flips += 1;
                signs.farthest = signs.farthest.max(margins.map_or(0.0, |m| m.distance[i] / scale));
                signs.wrong += usize::from(!margins.is_some_and(|m| m.in_question(i)));
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
            zeros: self.zeros + other.zeros,
        }
    }
}

/// Where an index that an ArgMax gives may be another one: between values that are equal to rounding.
#[derive(Debug, Default)]
pub(super) struct Ties(HashMap<usize, Scores>);

/// What an ArgMax chooses from.
#[derive(Debug)]
pub(super) struct Scores {
    pub(super) values: Vec<f32>,
    /// Extent of the axis, and of those behind it.
    pub(super) extent: usize,
    pub(super) inner: usize,
}

impl Ties {
    /// Adds the scores behind an output.
    pub(super) fn add(&mut self, output: usize, scores: Scores) {
        self.0.insert(output, scores);
    }

    /// Whether two indices at `position` of an output are equally good, `tolerance` relative to the largest score.
    fn allow(&self, output: usize, position: usize, a: i64, b: i64, tolerance: f64) -> bool {
        let Some(scores) = self.0.get(&output) else { return false };
        let (outer, inner) = (position / scores.inner, position % scores.inner);
        let at = |index: i64| {
            let index = usize::try_from(index).ok().filter(|&i| i < scores.extent)?;
            scores.values.get((outer * scores.extent + index) * scores.inner + inner).copied()
        };
        let scale = Deviation::of(&scores.values, &scores.values).scale;
        at(a).zip(at(b)).is_some_and(|(a, b)| a == b || f64::from((a - b).abs()) <= tolerance * scale)
    }
}

/// Whether outputs are the wanted ones: real values within `tolerance` of the largest magnitude of their tensor, others
/// equal but for ties. NaN equals NaN, and an infinity itself.
pub(super) fn within(outputs: &[Tensor], wanted: &[Tensor], tolerance: f64, ties: &Ties) -> bool {
    outputs.len() == wanted.len()
        && outputs.iter().zip(wanted).enumerate().all(|(index, (a, b))| match (&a.data, &b.data) {
            (_, _) if a.len() != b.len() => false,
            (Data::I64(a), _) => {
                let mut pairs = a.iter().zip(b.to_f32()).enumerate();
                pairs.all(|(i, (&a, b))| {
                    a as f32 == b || b.fract() == 0.0 && ties.allow(index, i, a, b as i64, tolerance)
                })
            }
            _ => {
                let deviation = Deviation::of(&a.to_f32(), &b.to_f32());
                deviation.error <= tolerance * deviation.scale
            }
        })
}

/// How far outputs are from others in all: the root of the mean square relative to the largest magnitude, of the worst
/// tensor; of integers, the share that differs.
pub(super) fn gap(outputs: &[Tensor], others: &[Tensor]) -> f64 {
    let of = |(a, b): (&Tensor, &Tensor)| {
        let (x, y) = (a.to_f32(), b.to_f32());
        let len = x.len().max(1) as f64;
        if a.dtype() == DType::I64 {
            return x.iter().zip(&y).filter(|(x, y)| x != y).count() as f64 / len;
        }
        let scale = Deviation::of(&x, &y).scale.max(f64::MIN_POSITIVE);
        let square = |(&x, &y): (&f32, &f32)| match x == y || x.is_nan() && y.is_nan() {
            true => 0.0,
            false => ((f64::from(x) - f64::from(y)) / scale).powi(2),
        };
        let mean = x.iter().zip(&y).map(square).sum::<f64>() / len;
        if mean.is_nan() { f64::INFINITY } else { mean.sqrt() }
    };
    outputs.iter().zip(others).map(of).fold(0.0, f64::max)
}

/// Whether outputs are the same to the bit; one NaN is like another.
pub(super) fn identical(a: &[Tensor], b: &[Tensor]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| match (&a.data, &b.data) {
            (Data::F32(x), Data::F32(y)) => {
                let same = |(x, y): (&f32, &f32)| x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan();
                a.shape == b.shape && x.iter().zip(y).all(same)
            }
            _ => a == b,
        })
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
    use xnorc::ir::network::TensorId;

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
    fn a_flip_is_wrong_when_rounding_cannot_turn_it() {
        let margins = Margins {
            tensor: TensorId(0),
            channels: 5,
            values: vec![10.0, -1e-4, 5.0, 0.0, 1e-6],
            distance: vec![10.0, 1e-4, 5.0, 0.0, 1e-6],
            reach: vec![2e-4; 5],
        };
        let reference = [1.0, -1.0, 1.0, 0.0, f32::NAN];
        let signs = Signs::of(&[true, true, false, true, false], &reference, Some(&margins));
        assert_eq!(signs, Signs { flips: 2, wrong: 1, farthest: 0.5, zeros: 1 });
        // Nothing is known of the value before: nothing excuses a flip.
        assert_eq!(Signs::of(&[false], &[1.0], None).wrong, 1);
    }

    #[test]
    fn outputs_are_the_wanted_ones_to_rounding() {
        let floats = |values: &[f32]| vec![Tensor::f32([values.len()], values.to_vec())];
        let near = |a: &[f32], b: &[f32]| within(&floats(a), &floats(b), 1e-4, &Ties::default());
        assert!(near(&[1.0, 0.00009], &[1.0, 0.0]) && !near(&[1.0, 0.0002], &[1.0, 0.0]));
        assert!(near(&[f32::NAN, f32::INFINITY, 1.0], &[f32::NAN, f32::INFINITY, 1.0]));
        assert!(!near(&[f32::NAN], &[1.0]) && !near(&[f32::INFINITY], &[f32::NEG_INFINITY]));
        assert!(!near(&[1.0], &[f32::INFINITY]) && !near(&[0.0], &[f32::NAN]));
        assert!(identical(&floats(&[f32::NAN]), &floats(&[-f32::NAN])));
        assert!(!identical(&floats(&[0.0]), &floats(&[-0.0])));
        assert_eq!(gap(&floats(&[1.0, 2.0]), &floats(&[1.0, 2.0])), 0.0);
        assert_eq!(gap(&floats(&[f32::NAN]), &floats(&[1.0])), f64::INFINITY);
    }

    #[test]
    fn an_index_may_be_another_between_equal_scores() {
        let mut ties = Ties::default();
        ties.add(0, Scores { values: vec![1.0, 3.0, 3.00001, 2.0, 9.0, 0.0], extent: 3, inner: 1 });
        let near = |a: [i64; 2], b: [i64; 2]| {
            within(&[Tensor::i64([2], a.to_vec())], &[Tensor::i64([2], b.to_vec())], 1e-4, &ties)
        };
        assert!(near([2, 1], [2, 1]) && near([2, 1], [1, 1]));
        assert!(!near([2, 1], [0, 1]) && !near([2, 1], [2, 0]) && !near([2, 1], [7, 1]) && !near([2, 1], [-1, 1]));
    }

    #[test]
    fn top1_per_row() {
        assert_eq!(top1(&[1.0, 2.0, 5.0, 4.0], &[0.0, 9.0, 1.0, 2.0], &[2, 2], false), (1, 2));
        assert_eq!(top1(&[3.0, 2.0], &[3.0, 4.0], &[2], true), (1, 2));
    }
}
