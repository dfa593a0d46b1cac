//! Functions of one value that are known piece by piece, in real arithmetic.
//!
//! The floats fall into intervals, and on each a function is one number, an affine map of the value, or lies somewhere
//! between bounds. Whatever a network computes by comparisons, rounding, clips, signs and arithmetic with constants is such
//! a function; where all its pieces are numbers it is a code, and its edges say where its bits change, exactly.

use super::classes::evaluate;
use crate::exact::{Affine, Zero, from_key, to_key};
use crate::ir::Binary;

/// More pieces are no code of few bits.
const MOST: usize = 64;

/// Where a piece begins: at the least value whose rising map is above 0, or no less where it is closed.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    pub(super) rising: Affine,
    pub(super) closed: bool,
    /// The first float behind it, as a key that orders as the floats do.
    first: i32,
}

impl Edge {
    pub(super) fn new(rising: Affine, closed: bool) -> Self {
        let first = to_key(rising.interval(if closed { Zero::Plus } else { Zero::Minus }).low);
        Self { rising, closed, first }
    }
}

/// Bounds of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    pub(super) low: f64,
    pub(super) high: f64,
    /// Whether the value may be equal to its bounds.
    pub(super) closed: [bool; 2],
}

impl Range {
    pub(super) const ANY: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY, closed: [true; 2] };

    pub(super) fn number(x: f64) -> Self {
        Self { low: x, high: x, closed: [true; 2] }
    }

    /// What both bounds become under an addition or a product; rounding makes them no narrower.
    pub(super) fn ends(self, apply: impl Fn(f64) -> (f64, bool), falling: bool) -> Self {
        let [(low, exact_low), (high, exact_high)] = [apply(self.low), apply(self.high)];
        let (low, low_closed) = if exact_low { (low, self.closed[0]) } else { (widened(low, falling), true) };
        let (high, high_closed) = if exact_high { (high, self.closed[1]) } else { (widened(high, !falling), true) };
        if falling {
            return Self { low: high, high: low, closed: [high_closed, low_closed] };
        }
        Self { low, high, closed: [low_closed, high_closed] }
    }

    pub(super) fn plus(self, c: f64) -> Self {
        self.ends(|x| (x + c, x.is_infinite() || evaluate(Binary::Add, x, c).is_some()), false)
    }

    pub(super) fn times(self, c: f64) -> Self {
        self.ends(|x| (x * c, x.is_infinite() || evaluate(Binary::Mul, x, c).is_some()), c < 0.0)
    }

    pub(super) fn hull(self, other: Self) -> Self {
        let end = |a: (f64, bool), b: (f64, bool), a_first: bool| match a.0 == b.0 {
            true => (a.0, a.1 || b.1),
            false if a_first => a,
            false => b,
        };
        let low = end((self.low, self.closed[0]), (other.low, other.closed[0]), self.low < other.low);
        let high = end((self.high, self.closed[1]), (other.high, other.closed[1]), self.high > other.high);
        Self { low: low.0, high: high.0, closed: [low.1, high.1] }
    }

    fn is(self) -> Is {
        if self.low == self.high && self.low.is_finite() { Is::Number(self.low) } else { Is::Within(self) }
    }
}

fn widened(x: f64, up: bool) -> f64 {
    let by = x.abs() * 1e-15 + f64::MIN_POSITIVE;
    if up { x + by } else { x - by }
}

/// What a function is on a piece.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Is {
    Number(f64),
    /// Of the base; never flat.
    Map(Affine),
    Within(Range),
    /// 0 / 0, of which no bit is right or wrong.
    Undefined,
}

impl Is {
    pub(super) fn of(map: Affine) -> Option<Self> {
        if map.slope().is_ne() { Some(Is::Map(map)) } else { map.exactly_at(0.0).map(Is::Number) }
    }

    pub(super) fn negated(&self) -> Self {
        match self {
            Is::Number(x) => Is::Number(-x),
            Is::Map(map) => Is::Map(map.scaled(-1.0)),
            Is::Within(range) => Is::Within(range.times(-1.0)),
            Is::Undefined => Is::Undefined,
        }
    }

    /// Bounds; a map's are those of any value.
    pub(super) fn range(&self) -> Range {
        match self {
            Is::Number(x) => Range::number(*x),
            Is::Within(range) => *range,
            Is::Map(_) | Is::Undefined => Range::ANY,
        }
    }
}

/// What becomes of a piece: itself cut into others, in the order of the base; the first begins where the piece does.
pub(super) type Cut = Vec<(Option<Edge>, Is)>;

pub(super) fn whole(is: Is) -> Cut {
    vec![(None, is)]
}

#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// `None` for the first.
    pub(super) from: Option<Edge>,
    pub(super) is: Is,
}

/// A function of one value: its pieces, in order.
#[derive(Clone, Debug)]
pub(super) struct Pieces(pub(super) Vec<Piece>);

impl Pieces {
    /// The value itself.
    pub(super) fn identity() -> Self {
        Self(vec![Piece { from: None, is: Is::Map(Affine::identity()) }])
    }

    /// Of a truth, 0 or 1.
    pub(super) fn truth() -> Self {
        let edge = Edge::new(Affine::linear(1.0, -0.5), true);
        Self(vec![Piece { from: None, is: Is::Number(0.0) }, Piece { from: Some(edge), is: Is::Number(1.0) }])
    }

    /// What becomes of each piece, given what it is and roughly the bounds of its values.
    pub(super) fn each(&self, f: impl Fn(&Is, [f64; 2]) -> Option<Cut>) -> Option<Self> {
        let mut result: Vec<Piece> = Vec::new();
        for (i, piece) in self.0.iter().enumerate() {
            let start = piece.from.as_ref().map_or(i32::MIN, |e| e.first);
            let end = self.0.get(i + 1).and_then(|next| next.from.as_ref()).map_or(i32::MAX, |e| e.first);
            let cut = f(&piece.is, bounds(&piece.is, start, end))?;
            // The last one that begins no later than the piece does is what begins it.
            let begins = |edge: &Option<Edge>| edge.as_ref().is_none_or(|e| e.first <= start);
            let first = cut.iter().rposition(|(edge, _)| begins(edge))?;
            for (at, (edge, is)) in cut.into_iter().enumerate().skip(first) {
                let from = if at == first { piece.from.clone() } else { edge };
                if at > first && from.as_ref().is_some_and(|e| e.first >= end) {
                    continue;
                }
                match result.last_mut() {
                    Some(last) if last.is == is => {}
                    // Two edges between the same two floats: the piece between them is empty.
                    Some(last) if last.from.is_some() && key(last) == from.as_ref().map(|e| e.first) => last.is = is,
                    _ => result.push(Piece { from, is }),
                }
            }
        }
        (result.len() <= MOST).then_some(Self(result))
    }

    /// The pieces on which both are known at once, with both.
    fn common(&self, other: &Self) -> Vec<(Option<Edge>, Is, Is)> {
        let (mut i, mut j) = (0, 0);
        let mut all = vec![(None, self.0[0].is.clone(), other.0[0].is.clone())];
        loop {
            let next = |pieces: &Self, at: usize| pieces.0.get(at + 1).and_then(|p| p.from.clone());
            let edge = match (next(self, i), next(other, j)) {
                (None, None) => return all,
                (Some(a), Some(b)) if a.first == b.first => {
                    (i, j) = (i + 1, j + 1);
                    a
                }
                (Some(a), b) if b.as_ref().is_none_or(|b| a.first < b.first) => {
                    i += 1;
                    a
                }
                (_, Some(b)) => {
                    j += 1;
                    b
                }
                (Some(_), None) => unreachable!("the edge of the first comes first"),
            };
            all.push((Some(edge), self.0[i].is.clone(), other.0[j].is.clone()));
        }
    }

    /// A function of two, piece by piece.
    pub(super) fn with(&self, other: &Self, f: impl Fn(&Is, &Is) -> Option<Cut>) -> Option<Self> {
        let common = self.common(other);
        let numbered =
            |(i, (from, ..)): (usize, &(Option<Edge>, Is, Is))| Piece { from: from.clone(), is: Is::Number(i as f64) };
        Self(common.iter().enumerate().map(numbered).collect()).each(|is, _| match is {
            Is::Number(i) => f(&common[*i as usize].1, &common[*i as usize].2),
            _ => None,
        })
    }

    /// One of two where this is a number on every piece: `a` where that is not 0.
    pub(super) fn choose(&self, a: &Self, b: &Self) -> Option<Self> {
        let yes = self.with(a, |condition, a| match condition {
            Is::Number(0.0) => Some(whole(Is::Undefined)),
            Is::Number(_) => Some(whole(a.clone())),
            _ => None,
        })?;
        yes.with(b, |a, b| Some(whole(if *a == Is::Undefined { b.clone() } else { a.clone() })))
    }

    /// The numbers of all pieces, if they are numbers, and the edges between them.
    pub(super) fn numbers(&self) -> Option<(Vec<f64>, Vec<&Edge>)> {
        let mut values = Vec::new();
        let mut edges = Vec::new();
        for piece in &self.0 {
            let value = match (&piece.is, values.last()) {
                (Is::Number(x), _) => *x,
                // As the piece before it: no number is above any threshold.
                (Is::Undefined, Some(&last)) => last,
                _ => return None,
            };
            if values.last() == Some(&value) {
                continue;
            }
            edges.extend(&piece.from);
            values.push(value);
        }
        Some((values, edges))
    }
}

/// Bounds of the values between two keys, wider than they are by more than rounding goes.
fn bounds(is: &Is, start: i32, end: i32) -> [f64; 2] {
    let Is::Map(map) = is else {
        let range = is.range();
        return [range.low - 2.0, range.high + 2.0];
    };
    let at = |key: i32| map.apply(f64::from(from_key(key.clamp(to_key(f32::MIN), to_key(f32::MAX)))));
    let [low, high] = [at(start).min(at(end)), at(start).max(at(end))];
    [low - 2.0, high + 2.0]
}

fn key(piece: &Piece) -> Option<i32> {
    piece.from.as_ref().map(|e| e.first)
}

/// A number for every value.
pub(super) fn constant(x: f64) -> Pieces {
    Pieces(vec![Piece { from: None, is: Is::Number(x) }])
}

/// What a range of values becomes.
pub(super) fn within(range: Range) -> Is {
    range.is()
}
