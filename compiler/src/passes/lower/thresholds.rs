//! Signs of integers: a binary convolution whose result only ends in a sign becomes a comparison of integers.
//!
//! What lies between (scales, BatchNormalizations, ReLU, PReLU, clips) is a piecewise affine function of the dot
//! product, an integer in `[-k, k]`. It is kept exactly, piece by piece, so the sign of every reachable integer is that
//! of real arithmetic, and only a set of +1 that is one interval becomes a threshold.

use std::cmp::Ordering;

use crate::exact::Affine;
use crate::ir::network::Interval;
use crate::ir::{Unary, Zero};
use crate::ops::unary::Linear;

/// The integers `first..=last`, and the map on them.
#[derive(Clone, Debug)]
struct Piece {
    first: i64,
    last: i64,
    map: Affine,
}

/// An exact piecewise affine function on the integers `-k..=k`.
#[derive(Clone, Debug)]
pub(super) struct Piecewise {
    k: i64,
    pieces: Vec<Piece>,
}

/// Integers up to this magnitude are f32s.
const EXACT: usize = 1 << 24;

impl Piecewise {
    /// The identity; `None` when the integers are beyond the exact ones of f32.
    pub(super) fn identity(k: usize) -> Option<Self> {
        let k = i64::try_from(k).ok().filter(|_| k <= EXACT)?;
        Some(Self { k, pieces: vec![Piece { first: -k, last: k, map: Affine::identity() }] })
    }

    /// Followed by an affine map; `None` when that needs a second root.
    pub(super) fn affine(&self, next: &Affine) -> Option<Self> {
        self.rebuild(|piece| Some(vec![Piece { map: piece.map.then(next)?, ..*piece }]))
    }

    /// Followed by `x < 0 ? slope * x : x`.
    pub(super) fn prelu(&self, slope: f32) -> Option<Self> {
        self.unary(Unary::LeakyRelu(slope))
    }

    /// Followed by a function that is piecewise linear; `None` for any other.
    pub(super) fn unary(&self, function: Unary) -> Option<Self> {
        let linear = function.linear()?;
        self.rebuild(|piece| {
            let (mut rest, mut done) = (vec![piece.clone()], Vec::new());
            for Linear { below, slope, offset } in &linear {
                let (mut inside, mut above) = (Vec::new(), Vec::new());
                for part in rest {
                    if *below == f32::INFINITY {
                        inside.push(part);
                    } else {
                        let (low, high) = part.split(*below)?;
                        inside.extend(low);
                        above.extend(high);
                    }
                }
                for part in inside {
                    let next = Affine::linear(*slope, *offset);
                    let map = if *slope == 0.0 { next } else { part.map.then(&next)? };
                    done.push(Piece { map, ..part });
                }
                rest = above;
            }
            done.sort_by_key(|part| part.first);
            Some(done)
        })
    }

    /// The integers whose sign is +1, when they are one interval (or none). Its ends are integers, or infinite where it
    /// covers everything on that side; but the true thresholds, to f32, where these are so near to an integer that
    /// rounding could turn its sign. (`verify` must see how near they are.)
    pub(super) fn interval(&self, zero: Zero) -> Option<Interval> {
        let mut plus: Option<(i64, i64)> = None;
        for piece in &self.pieces {
            let Some((first, last)) = piece.where_true(|map, x| map.is_plus(x, zero)) else { continue };
            plus = match plus {
                None => Some((first, last)),
                Some((start, end)) if end + 1 == first => Some((start, last)),
                Some(_) => return None,
            };
        }
        Some(match plus {
            None => self.missed(zero),
            Some((first, last)) => {
                Interval { low: self.end(first, zero, Ordering::Greater), high: self.end(last, zero, Ordering::Less) }
            }
        })
    }

    /// The lower end of +1, where the map is [`Ordering::Greater`] (rises), or the upper one, where it falls; `x` is the
    /// outermost integer with +1.
    fn end(&self, x: i64, zero: Zero, slope: Ordering) -> f32 {
        let (outside, open) = match slope {
            Ordering::Less => (x + 1, f32::INFINITY),
            _ => (x - 1, f32::NEG_INFINITY),
        };
        let saturated = outside.abs() > self.k;
        // Where the sum can reach what is outside, rounding can turn that; else only what is inside.
        let from = if saturated { x } else { outside };
        let within = |end: &f32| {
            let end = f64::from(*end);
            let between = (end - outside as f64).abs() <= 1.0 && (end - x as f64).abs() < 1.0;
            between && self.is_near(end, from)
        };
        let beside = |piece: &&Piece| [x, from].iter().any(|i| (piece.first..=piece.last).contains(i));
        let near = self.pieces.iter().filter(beside).find_map(|p| p.threshold(zero, slope).filter(within));
        near.unwrap_or(if saturated { open } else { x as f32 })
    }

    /// No integer is +1: an interval behind the last one if the threshold is near, or an empty one.
    fn missed(&self, zero: Zero) -> Interval {
        let mut interval = Interval { low: f32::INFINITY, high: f32::NEG_INFINITY };
        let last = self.pieces.last().and_then(|p| p.threshold(zero, Ordering::Greater));
        let first = self.pieces.first().and_then(|p| p.threshold(zero, Ordering::Less));
        if let Some(low) = last.filter(|&low| self.is_near(f64::from(low), self.k)) {
            interval = Interval { low, high: f32::INFINITY };
        } else if let Some(high) = first.filter(|&high| self.is_near(f64::from(high), -self.k)) {
            interval = Interval { low: f32::NEG_INFINITY, high };
        }
        interval
    }

    /// Whether a threshold is so near to an integer that an engine may decide the sign of that one by what it rounds, where
    /// it adds up scaled numbers in f32: `√k` roundings of numbers up to `k`, as they add up, and a few of the sum.
    fn is_near(&self, threshold: f64, integer: i64) -> bool {
        let k = self.k as f64;
        (threshold - integer as f64).abs() <= f64::from(f32::EPSILON) * k * (k.sqrt() + 6.0)
    }

    fn rebuild(&self, f: impl Fn(&Piece) -> Option<Vec<Piece>>) -> Option<Self> {
        let mut pieces = Vec::new();
        for piece in &self.pieces {
            pieces.extend(f(piece)?);
        }
        Some(Self { k: self.k, pieces })
    }
}

impl Piece {
    /// Where the sign of the map itself turns, if it has that slope and does so at a finite number.
    fn threshold(&self, zero: Zero, slope: Ordering) -> Option<f32> {
        if self.map.slope() != slope {
            return None;
        }
        let Interval { low, high } = self.map.interval(zero);
        Some(if slope == Ordering::Greater { low } else { high }).filter(|end| end.is_finite())
    }

    /// The part whose value is below `limit`, if any, and the others.
    fn split(&self, limit: f32) -> Option<(Option<Piece>, Vec<Piece>)> {
        let probe = Piece { map: self.map.then(&Affine::linear(1.0, -limit))?, ..*self };
        let Some((first, last)) = probe.where_true(|map, x| map.sign_at(x) == Ordering::Less) else {
            return Some((None, vec![self.clone()]));
        };
        let part = |first, last| Piece { first, last, map: self.map.clone() };
        let others = [part(self.first, first - 1), part(last + 1, self.last)];
        Some((Some(part(first, last)), others.into_iter().filter(|p| p.first <= p.last).collect()))
    }

    /// Where a test holds that is monotone because the map is: a prefix, a suffix, all or nothing.
    fn where_true(&self, test: impl Fn(&Affine, f32) -> bool) -> Option<(i64, i64)> {
        let holds = |x: i64| test(&self.map, x as f32);
        match (holds(self.first), holds(self.last)) {
            (true, true) => Some((self.first, self.last)),
            (false, false) => None,
            (start, _) => {
                // `low` has the truth value of the start, `high` that of the end.
                let (mut low, mut high) = (self.first, self.last);
                while high - low > 1 {
                    let middle = low + (high - low) / 2;
                    if holds(middle) == start { low = middle } else { high = middle }
                }
                Some(if start { (self.first, low) } else { (high, self.last) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small dyadic parameters and variances with exact roots: f64 arithmetic is then exact, and an independent oracle.
    #[test]
    fn every_integer_has_the_sign_of_real_arithmetic() {
        let k = 40_i64;
        let (mut collapsed, mut refused) = (0, 0);
        for gamma in [-1.5_f32, -0.25, 0.0, 0.5, 2.0] {
            for (beta, mean, deviation) in
                [(0.0_f32, 0.0_f32, 1.0_f32), (0.75, 3.0, 2.0), (-2.5, -7.5, 0.5), (0.0, 40.0, 4.0)]
            {
                for slope in [-1.0_f32, -0.5, 0.0, 0.25, 1.5] {
                    for (scale, shift) in [(0.5_f32, -1.0_f32), (-0.5, 4.0)] {
                        for zero in [Zero::Plus, Zero::Minus, Zero::Zero] {
                            let norm = Affine::batch_norm(gamma, beta, mean, deviation * deviation, 0.0).unwrap();
                            let after = Affine::linear(scale, shift);
                            let f = |x: i64| {
                                let y = f64::from(gamma) * (x as f64 - f64::from(mean)) / f64::from(deviation)
                                    + f64::from(beta);
                                let y = if y < 0.0 { f64::from(slope) * y } else { y };
                                let y = f64::from(scale) * y.clamp(-6.0, 6.0) + f64::from(shift);
                                y > 0.0 || y == 0.0 && zero != Zero::Minus
                            };
                            let interval = Piecewise::identity(40)
                                .and_then(|p| p.affine(&norm))
                                .and_then(|p| p.prelu(slope))
                                .and_then(|p| p.unary(Unary::Clip(-6.0, 6.0)))
                                .and_then(|p| p.affine(&after))
                                .unwrap()
                                .interval(zero);
                            let signs: Vec<bool> = (-k..=k).map(f).collect();
                            let starts = (0..signs.len()).filter(|&i| signs[i] && (i == 0 || !signs[i - 1])).count();
                            match interval {
                                None => {
                                    refused += 1;
                                    assert!(starts > 1);
                                }
                                Some(interval) => {
                                    collapsed += 1;
                                    assert!(starts <= 1);
                                    for (x, &sign) in (-k..=k).zip(&signs) {
                                        assert_eq!(interval.contains(x as f32), sign, "{interval:?} at {x}");
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        assert!(collapsed > 300 && refused > 20, "{collapsed} {refused}");
    }

    /// A sum of n codes 0.1 * 0.7 less 0.28 is below zero at 4, by so little that f32 may say otherwise.
    #[test]
    fn a_threshold_near_an_integer_is_the_true_one() {
        let ends = |k: usize, [first, second]: [f32; 2], shift: f32| {
            let f = Piecewise::identity(k).unwrap();
            let f = f.affine(&Affine::linear(first, 0.0)).unwrap().affine(&Affine::linear(second, shift)).unwrap();
            let interval = f.interval(Zero::Plus).unwrap();
            for x in -(k as i32)..=k as i32 {
                // Exact in f64.
                let plus = f64::from(first) * f64::from(second) * f64::from(x) + f64::from(shift) >= 0.0;
                assert_eq!(interval.contains(x as f32), plus, "{k} {first} {shift} at {x}: {interval:?}");
            }
            (interval.low, interval.high)
        };
        let (above, below, open) = (4.0_f32.next_up(), (-4.0_f32).next_down(), f32::INFINITY);
        // No sum reaches it, or larger ones do.
        assert_eq!(ends(4, [0.1, 0.7], -0.28), (above, open));
        assert_eq!(ends(9, [0.1, 0.7], -0.28), (above, open));
        assert_eq!(ends(4, [-0.1, 0.7], -0.28), (-open, below));
        assert_eq!(ends(9, [-0.1, 0.7], -0.28), (-open, below));
        // All sums do, the last one just so.
        assert_eq!(ends(4, [0.1, 0.7], 0.28), (-4.0, open));
        // Far from any integer, or from those there are.
        assert_eq!(ends(9, [0.5, 1.0], -1.75), (4.0, open));
        assert_eq!(ends(4, [0.5, 1.0], -2.25), (open, -open));
        assert_eq!(ends(4, [0.5, 1.0], 9.0), (-open, open));
    }

    #[test]
    fn one_root_and_no_more() {
        let norm = Affine::batch_norm(1.0, 0.5, 0.25, 2.0, 1e-5).unwrap();
        let once = Piecewise::identity(9).unwrap().affine(&norm).unwrap();
        let other = Affine::batch_norm(1.0, 0.5, 0.25, 3.0, 1e-5).unwrap();
        assert!(once.affine(&other).is_none());
        assert!(Piecewise::identity(EXACT + 1).is_none());
    }
}
