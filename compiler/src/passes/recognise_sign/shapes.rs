//! Functions of one argument as the pieces of their graph: where they are cut, and what they are between the cuts.

use super::classes::evaluate;
use super::pieces::{Cut, Edge, Is, Pieces, Range, within};
use crate::exact::Affine;
use crate::ir::{DType, Unary, Zero};

/// Whole numbers up to which rounding is followed: codes of four bits, and a zero point.
const WHOLE: f64 = 17.0;

/// What a function is between two cuts.
#[derive(Clone, Debug)]
enum Part {
    /// slope * x + offset
    Linear(f64, f64),
    /// No matter what the argument is.
    Fixed(Is),
}

/// A function of one argument.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// Ascending: where a part ends, and whether the next one begins at that very number.
    cuts: Vec<(f64, bool)>,
    /// One more than cuts.
    parts: Vec<Part>,
}

impl Pieces {
    /// What a function makes of each piece.
    pub(super) fn apply(&self, shape: &Shape) -> Option<Self> {
        self.each(|is, _| shape.apply(is))
    }
}

impl Shape {
    /// A value below zero, at zero, and above.
    pub(super) fn around_zero(below: Is, zero: Is, above: Is) -> Self {
        let parts = [below, zero, above].map(Part::Fixed).to_vec();
        Self { cuts: vec![(0.0, true), (0.0, false)], parts }
    }

    pub(super) fn max(c: f64) -> Self {
        Self { cuts: vec![(c, true)], parts: vec![Part::Fixed(Is::Number(c)), Part::Linear(1.0, 0.0)] }
    }

    pub(super) fn min(c: f64) -> Self {
        Self { cuts: vec![(c, true)], parts: vec![Part::Linear(1.0, 0.0), Part::Fixed(Is::Number(c))] }
    }

    pub(super) fn identity() -> Self {
        Self { cuts: Vec::new(), parts: vec![Part::Linear(1.0, 0.0)] }
    }

    /// ONNX's Sign, or one with another rule for zero.
    pub(super) fn sign(zero: Zero) -> Self {
        let zero = match zero {
            Zero::Plus => 1.0,
            Zero::Minus => -1.0,
            Zero::Zero => 0.0,
        };
        let [below, zero, above] = [-1.0, zero, 1.0].map(Is::Number);
        Self::around_zero(below, zero, above)
    }

    /// A conversion, of arguments within bounds.
    pub(super) fn cast(to: DType, bounds: [f64; 2]) -> Self {
        let [zero, one] = [0.0, 1.0].map(Is::Number);
        match to {
            DType::F32 => Self::identity(),
            DType::Bool => Self::around_zero(one.clone(), zero, one),
            _ => Self::whole(bounds, |k| k > 0.0),
        }
    }

    /// A function of the table, of arguments within bounds; `None` where nothing is known of it.
    pub(super) fn of(function: Unary, bounds: [f64; 2]) -> Option<Self> {
        let number = |x: f64| Is::Number(x);
        let s_shaped = |low: f64, zero: f64, high: f64| {
            // In f32 the outer bounds are reached.
            let below = Range { low, high: zero, closed: [true, false] };
            let above = Range { low: zero, high, closed: [false, true] };
            Some(Self::around_zero(within(below), number(zero), within(above)))
        };
        match function {
            Unary::Round => Some(Self::halves(bounds)),
            // The next number begins where it is reached, or as soon as the one before it is left.
            Unary::Trunc => Some(Self::whole(bounds, |k| k > 0.0)),
            Unary::Floor => Some(Self::whole(bounds, |_| true)),
            Unary::Ceil => Some(Self::whole(bounds, |_| false)),
            Unary::Not => Some(Self::around_zero(number(0.0), number(1.0), number(0.0))),
            Unary::Sigmoid => s_shaped(0.0, 0.5, 1.0),
            Unary::Tanh | Unary::Erf => s_shaped(-1.0, 0.0, 1.0),
            Unary::Exp => s_shaped(0.0, 1.0, f64::INFINITY),
            _ => {
                if let Some(pieces) = function.row().linear {
                    let pieces = pieces(function.parameters());
                    let last = pieces.len() - 1;
                    let cuts = pieces[..last].iter().map(|piece| (f64::from(piece.below), true)).collect();
                    let part = |slope: f32, offset: f32| Part::Linear(f64::from(slope), f64::from(offset));
                    return Some(Self { cuts, parts: pieces.iter().map(|p| part(p.slope, p.offset)).collect() });
                }
                let any = f64::INFINITY;
                function.keeps_sign().then(|| s_shaped(-any, 0.0, any)).flatten()
            }
        }
    }

    /// To the nearest whole number, halves to the even one.
    fn halves(bounds: [f64; 2]) -> Self {
        let [low, high] = bounds.map(|b| b.clamp(-WHOLE, WHOLE).round());
        let cuts: Vec<(f64, bool)> = steps(low, high).map(|k| (k + 0.5, k % 2.0 != 0.0)).collect();
        Self::stairs(low, cuts)
    }

    /// To a whole number: floor, ceiling, or one on each side of zero. `reached(k)`: whether a step between whole numbers
    /// that `k` ends stands at `k`, and not just behind `k - 1`.
    fn whole(bounds: [f64; 2], reached: impl Fn(f64) -> bool) -> Self {
        let [low, high] = bounds.map(|b| b.clamp(-WHOLE, WHOLE).round());
        let step = |k: f64| if reached(k + 1.0) { (k + 1.0, true) } else { (k, false) };
        Self::stairs(low, steps(low, high).map(step).collect())
    }

    /// One more from cut to cut; of what is beyond the first and the last no more is known than where it is.
    fn stairs(low: f64, cuts: Vec<(f64, bool)>) -> Self {
        let high = low + cuts.len() as f64;
        let mut parts: Vec<Part> = (0..=cuts.len()).map(|i| Part::Fixed(Is::Number(low + i as f64))).collect();
        let last = cuts.len();
        parts[0] = Part::Fixed(Is::Within(Range { high: low, ..Range::ANY }));
        parts[last] = Part::Fixed(Is::Within(Range { low: high, ..Range::ANY }));
        Self { cuts, parts }
    }

    /// The function of what is known of its argument.
    pub(super) fn apply(&self, argument: &Is) -> Option<Cut> {
        match argument {
            Is::Undefined => Some(vec![(None, Is::Undefined)]),
            Is::Number(x) => Some(vec![(None, self.parts[self.index(*x)].number(*x)?)]),
            Is::Map(map) => self.of_map(map),
            Is::Within(range) => Some(vec![(None, self.of_range(*range))]),
        }
    }

    /// Which part a number falls in.
    fn index(&self, x: f64) -> usize {
        self.cuts.iter().filter(|&&(c, reached)| x > c || reached && x == c).count()
    }

    pub(super) fn of_map(&self, map: &Affine) -> Option<Cut> {
        let rising = map.slope().is_gt();
        let mut parts = Vec::new();
        for part in &self.parts {
            parts.push(match part {
                Part::Fixed(is) => is.clone(),
                Part::Linear(0.0, offset) => Is::Number(*offset),
                Part::Linear(slope, offset) => Is::Map(map.scaled(*slope).shifted(*offset)),
            });
        }
        let mut edges: Vec<Edge> = self
            .cuts
            .iter()
            .map(|&(c, reached)| {
                let beyond = map.shifted(-c);
                if rising { Edge::new(beyond, reached) } else { Edge::new(beyond.scaled(-1.0), !reached) }
            })
            .collect();
        if !rising {
            edges.reverse();
            parts.reverse();
        }
        Some(std::iter::zip(std::iter::once(None).chain(edges.into_iter().map(Some)), parts).collect())
    }

    fn of_range(&self, range: Range) -> Is {
        let [low, high] = [range.low, range.high];
        // The part of the least value: behind a cut at an open bound.
        let first =
            self.cuts.iter().filter(|&&(c, reached)| low > c || low == c && (reached || !range.closed[0])).count();
        let last =
            self.cuts.iter().filter(|&&(c, reached)| high > c || high == c && reached && range.closed[1]).count();
        let mut hull: Option<Range> = None;
        for at in first..=last.max(first) {
            let (mut part, own) = (range, &self.parts[at]);
            if at > first {
                (part.low, part.closed[0]) = (self.cuts[at - 1].0, self.cuts[at - 1].1);
            }
            if at < last {
                (part.high, part.closed[1]) = (self.cuts[at].0, !self.cuts[at].1);
            }
            let image = own.range(part);
            hull = Some(hull.map_or(image, |hull| hull.hull(image)));
        }
        within(hull.unwrap_or(Range::ANY))
    }
}

impl Part {
    fn number(&self, x: f64) -> Option<Is> {
        match self {
            Part::Fixed(is) => Some(is.clone()),
            Part::Linear(slope, offset) => {
                let product = evaluate(crate::ir::Binary::Mul, *slope, x)?;
                evaluate(crate::ir::Binary::Add, product, *offset).map(Is::Number)
            }
        }
    }

    fn range(&self, argument: Range) -> Range {
        match self {
            Part::Fixed(Is::Number(x)) => Range::number(*x),
            Part::Fixed(Is::Within(range)) => *range,
            Part::Fixed(_) => Range::ANY,
            Part::Linear(0.0, offset) => Range::number(*offset),
            Part::Linear(slope, offset) => argument.times(*slope).plus(*offset),
        }
    }
}

/// Whole numbers from the first to the one before the last.
fn steps(low: f64, high: f64) -> impl Iterator<Item = f64> {
    (0..).map(move |i| low + f64::from(i)).take_while(move |&k| k < high)
}
