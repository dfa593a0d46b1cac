//! Signs by comparing integers: which binary layers end in nothing but signs, and what their dot products are compared with.
//!
//! The dot product is an integer, so the ends of an interval of +1 are moved to integers, exactly. A channel whose sign is +1 *up to* an end
//! takes its weights negated, as `v <= high` is `-v >= -high`: then one comparison serves all.
//!
//! Where the sums are counted down the lanes, they are compared there, bit by bit for all channels of a word at a time, and never
//! become numbers (the runtime's `window_signs`).

use std::borrow::Cow;

use super::is_mixed;
use crate::exact::Interval;
use crate::ir::network::{BinaryWeights, Geometry, Source, Step, Tiled};

/// By output channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// The least dot product, of the weights negated or not, whose sign is +1.
    pub low: Vec<i16>,
    /// Whether the weights are negated.
    pub negated: Vec<bool>,
}

/// Most terms of a sum, so that differences of sums and thresholds have 16 bits.
const MOST: usize = i16::MAX as usize / 2;

impl Thresholds {
    /// Of a block; `None` where it is no binary layer, has other steps, or an interval with two ends inside the range of the sums.
    pub fn of(tiled: &Tiled) -> Option<Self> {
        let Source::BinaryConv { geometry, .. } = &tiled.source else { return None };
        let [Step::Sign { intervals, .. }] = &tiled.steps[..] else { return None };
        let terms = terms(geometry);
        if tiled.pooled.is_some() || is_mixed(geometry) || terms > MOST {
            return None;
        }
        let bounds: Option<Vec<(i16, bool)>> = intervals.iter().map(|interval| bound(interval, terms as i64)).collect();
        let (low, negated) = bounds?.into_iter().unzip();
        Some(Self { low, negated })
    }

    /// Planes of sums of up to so many set bits, where they begin with half of what the dot products start from ([`Thresholds::half`]).
    pub fn planes(signs: usize) -> usize {
        let most = Self::even(signs) / 2 + signs + signs / 2 + 1;
        (usize::BITS - most.leading_zeros()).max(5) as usize
    }

    /// What is added to such halves, so that they are positive, and to what the sums are compared with: an even number.
    pub fn even(signs: usize) -> usize {
        (signs + 2) & !1
    }

    /// Half of a start that has the threshold in it, rounded down. What is always enough, or never, is no more than that.
    pub fn half(start: i16, signs: usize) -> u32 {
        let signs = signs as i32;
        let half = i32::from(start).div_euclid(2).clamp(-signs - 1, signs);
        (half + Self::even(signs as usize) as i32) as u32
    }

    /// The weights whose dot products are compared.
    pub fn weights<'a>(&self, weights: &'a BinaryWeights) -> Cow<'a, BinaryWeights> {
        if !self.negated.contains(&true) {
            return Cow::Borrowed(weights);
        }
        let mut weights = weights.clone();
        let of_channel = weights.signs.len() / self.negated.len();
        let channels = weights.signs.chunks_exact_mut(of_channel).zip(&self.negated);
        channels.filter(|(_, negated)| **negated).flat_map(|(signs, _)| signs).for_each(|sign| *sign = !*sign);
        Cow::Owned(weights)
    }
}

fn terms(g: &Geometry) -> usize {
    g.input[2] / g.groups * g.kernel[0] * g.kernel[1]
}

/// The least integer of +1 among those up to `most` in magnitude, and whether that is of the negated ones.
fn bound(interval: &Interval, most: i64) -> Option<(i16, bool)> {
    let (first, last) = (f64::from(interval.low).ceil(), f64::from(interval.high).floor());
    // A NaN contains nothing.
    if first.is_nan() || last.is_nan() || first > last {
        return Some((most as i16 + 1, false));
    }
    // Far outside of the range it is saturated, so that infinite ends are no special case.
    let (first, last) = ((first as i64).clamp(-most, most + 1), (last as i64).clamp(-most - 1, most));
    if last >= most {
        Some((first as i16, false))
    } else if first <= -most {
        Some((-last as i16, true))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Halves of starts decide as the dot products themselves, whatever is counted, in planes that hold every sum.
    #[test]
    fn halves_decide_as_dot_products() {
        for signs in [1, 2, 7, 8, 9] {
            let (even, planes, most) = (Thresholds::even(signs), Thresholds::planes(signs), 5 * signs as i32);
            for (start, ones) in (-most..=most).flat_map(|start| (0..=signs).map(move |ones| (start, ones))) {
                for count in 0..=ones {
                    let sum = Thresholds::half(start as i16, signs) as usize + 2 * count;
                    assert!(sum >> 1 < 1 << planes, "{signs} signs from {start}: {count}");
                    let dot = start + 4 * count as i32 - 2 * ones as i32;
                    assert_eq!(sum >= ones + even, dot >= 0, "{signs} signs from {start}: {count} of {ones}");
                }
            }
        }
    }

    /// Every integer has the sign that its interval says.
    #[test]
    fn integers_decide_as_floats() {
        let ends = [
            f32::NEG_INFINITY,
            -1e30,
            -9.0,
            -8.5,
            -8.0,
            -3.5,
            -1.0,
            -0.0,
            0.0,
            0.25,
            2.0,
            7.999,
            8.0,
            8.5,
            9.0,
            1e30,
            f32::INFINITY,
        ];
        let (most, mut twice) = (8, 0);
        for low in ends {
            for high in ends {
                let interval = Interval { low, high };
                let signs = (-most..=most).map(|v| interval.contains(v as f32));
                match bound(&interval, most) {
                    Some((bound, negated)) => {
                        let by_integers = (-most..=most).map(|v| if negated { -v } else { v } >= i64::from(bound));
                        assert!(by_integers.eq(signs), "{interval:?}: {bound} {negated}");
                    }
                    None => {
                        twice += 1;
                        let signs: Vec<bool> = signs.collect();
                        assert!(!signs[0] && !signs[signs.len() - 1] && signs.contains(&true), "{interval:?}");
                    }
                }
            }
        }
        assert!(twice > 20);
        let nan = Interval { low: f32::NAN, high: f32::INFINITY };
        assert_eq!(bound(&nan, most), Some((9, false)));
    }
}
