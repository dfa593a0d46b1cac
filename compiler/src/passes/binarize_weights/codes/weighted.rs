//! A value of many even steps in few planes of bits, which are worth 1, 2, 4...: the binary digits of the number of its step.
//!
//! A step has a plane of its own, +1 from there on; so of planes that are *nested* (where one is +1, those before it are) the
//! number of +1 is the number `n` of steps that the value is beyond. Digit `b` of n is odd or even with the number of passed
//! multiples of `2^b`: the product of the planes of these multiples. `N` steps take N planes, or as many as N has digits.

use super::{Code, Codes};
use crate::exact::{Affine, Interval};
use crate::ir::{Binary, Node, Op, Part, ValueId, Zero};
use crate::passes::rewrite::{NewNode, Rewriter};

/// Steps at most: those of four bits.
pub(crate) const MOST_STEPS: usize = 15;

/// How many planes a value of so many steps takes.
pub(crate) fn planes_of_steps(steps: usize) -> usize {
    if steps < 3 { steps } else { (usize::BITS - steps.leading_zeros()) as usize }
}

/// What each of the planes is worth, and the steps whose planes it is the product of, largest first. Of an even number of
/// planes the product is -1 where the digit is 1.
fn digits(steps: usize) -> impl Iterator<Item = (f32, impl Iterator<Item = usize>)> {
    (0..planes_of_steps(steps)).rev().map(move |digit| {
        let worth = (1_usize << digit) as f32;
        let count = steps >> digit;
        (if count % 2 == 1 { worth } else { -worth }, (1..=count).map(move |j| (j << digit) - 1))
    })
}

impl Code {
    /// Its planes, fewest possible, and what each is worth in their sum, largest first.
    pub(in super::super) fn operand(&self) -> Vec<(f32, ValueId)> {
        if self.weighted.is_empty() {
            return self.planes.iter().map(|&plane| (1.0, plane)).collect();
        }
        digits(self.planes.len()).map(|(worth, _)| worth).zip(self.weighted.iter().copied()).collect()
    }

    /// How many planes a layer of it reads.
    pub(in super::super) fn count(&self) -> usize {
        if self.nested { planes_of_steps(self.planes.len()) } else { self.planes.len() }
    }

    /// What the sum of `weight * value` is of the sum of `weight * plane * worth` over all planes of [`Code::operand`] and as many
    /// copies of the weights, whose sum is given.
    pub(in super::super) fn of_dots(&self, weights: f32, copies: usize) -> Option<Affine> {
        let steps = self.planes.len();
        let of_dots = self.map.of_sums(weights).of_sum(copies * steps)?;
        if self.weighted.is_empty() {
            return Some(of_dots);
        }
        // The mean of the planes is (2 n - N) / N, and the sum of the digits 2 n - (2^digits - 1).
        let beyond = ((1_usize << self.weighted.len()) - 1 - steps) * copies;
        Affine::linear(1.0, beyond as f32 * weights).then(&of_dots)
    }

    /// What the planes of [`Code::operand`] are where the value is `x`: -1 or +1 each, or 0 all of them.
    pub(in super::super) fn operand_at(&self, x: f32) -> Option<Vec<f32>> {
        if self.weighted.is_empty() { self.inverse(x) } else { self.weighted_inverse(x) }
    }

    pub(super) fn weighted_inverse(&self, x: f32) -> Option<Vec<f32>> {
        let steps = self.planes.len();
        let of_sum = self.map.then(&Affine::linear(1.0, -x))?.of_sum(steps)?;
        let is_at = |sum: f32| of_sum.sign_at(sum).is_eq();
        if let Some(beyond) = (0..=steps).find(|n| is_at(2.0 * *n as f32 - steps as f32)) {
            let plane = |step: usize| if step < beyond { 1.0 } else { -1.0 };
            return Some(digits(steps).map(|(_, factors)| factors.map(plane).product()).collect());
        }
        let all_digits = (1 << self.weighted.len()) - 1;
        (steps == all_digits && is_at(0.0)).then(|| vec![0.0; self.weighted.len()])
    }

    /// Makes the planes with weights, if they are fewer.
    fn weigh(&mut self, rewriter: &mut Rewriter<'_>) {
        let steps = self.planes.len();
        if !self.weighted.is_empty() || !self.nested || planes_of_steps(steps) == steps {
            return;
        }
        let like = self.planes[0];
        let shape = rewriter.graph.shape(like).to_vec();
        let mut product = |a: ValueId, b: ValueId| {
            let (op, inputs, parts) = (Op::Binary(Binary::Mul), vec![a, b], vec![Part::Planes]);
            rewriter.emit(NewNode { op, inputs, like, suffix: "digit", shape: &shape, origin: None, parts })
        };
        let planes = &self.planes;
        let mut digit =
            |factors: &mut dyn Iterator<Item = usize>| factors.map(|step| planes[step]).reduce(&mut product);
        let weighted: Option<Vec<ValueId>> = digits(steps).map(|(_, mut factors)| digit(&mut factors)).collect();
        self.weighted = weighted.unwrap_or_default();
    }
}

impl Codes {
    /// The code of a layer's input, with planes that have weights.
    pub(in super::super) fn weighted(&self, rewriter: &mut Rewriter<'_>, v: ValueId) -> Option<Code> {
        let mut code = self.get(v)?.clone();
        code.weigh(rewriter);
        Some(code)
    }

    /// In front of what moves elements: digits are as easily moved as steps, and what is moved cannot always be multiplied.
    pub(super) fn weigh_operands(&mut self, rewriter: &mut Rewriter<'_>, node: &Node) {
        use Op::{Concat, Expand, Gather, Pad, Reshape, Slice, Transpose};
        if matches!(
            node.op,
            Reshape | Transpose(_) | Slice { .. } | Expand | Gather { .. } | Pad { .. } | Concat { .. }
        ) {
            for v in &node.inputs {
                if let Some(code) = self.0.get_mut(v) {
                    code.weigh(rewriter);
                }
            }
        }
    }
}

/// A sign of a value, behind what only moves it.
struct Region<'a> {
    value: ValueId,
    moves: Vec<&'a Op>,
    /// Where the value's sign is +1, by channel or everywhere.
    plus: Vec<Interval>,
}

impl<'a> Region<'a> {
    fn of(rewriter: &'a Rewriter<'_>, plane: ValueId) -> Option<Self> {
        let (mut v, mut moves) = (plane, Vec::new());
        let (zero, x) = loop {
            let node = rewriter.producer(v)?;
            v = node.inputs[0];
            match &node.op {
                Op::Sign(zero) => break (*zero, v),
                // Of nested planes, the maxima are nested as well.
                op @ (Op::MaxPool { .. } | Op::Reshape | Op::Transpose(_)) => moves.push(op),
                _ => return None,
            }
        };
        if zero == Zero::Zero {
            return None;
        }
        Some(match rewriter.producer(x) {
            Some(Node { op: Op::Affine { maps, .. }, inputs, .. }) => {
                let uniform = maps.iter().all(|map| *map == maps[0]);
                let maps = if uniform { &maps[..1] } else { &maps[..] };
                Self { value: inputs[0], moves, plus: maps.iter().map(|map| map.interval(zero)).collect() }
            }
            _ => Self { value: x, moves, plus: vec![Affine::identity().interval(zero)] },
        })
    }

    /// Whether the other one is +1 nowhere else.
    fn holds(&self, other: &Self) -> bool {
        let within = |outer: &Interval, inner: &Interval| {
            inner.low > inner.high || outer.low <= inner.low && inner.high <= outer.high
        };
        let channels = self.plus.len().max(other.plus.len());
        self.value == other.value
            && self.moves == other.moves
            && (0..channels).all(|c| within(&self.plus[c % self.plus.len()], &other.plus[c % other.plus.len()]))
    }
}

/// Whether the planes of two sums are nested together: those of the first in front (`true`), or of the second.
pub(super) fn order(rewriter: &Rewriter<'_>, sum: &Node, a: &Code, b: &Code) -> Option<bool> {
    if !a.nested || !b.nested {
        return None;
    }
    // The steps of one value, as `recognise_sign` puts them together: from the first on.
    if sum.parts == [Part::Planes] {
        return Some(true);
    }
    let within = |outer: ValueId, inner: ValueId| {
        let regions = [outer, inner].map(|plane| Region::of(rewriter, plane));
        matches!(&regions, [Some(outer), Some(inner)] if outer.holds(inner))
    };
    let ends = |code: &Code| Some([*code.planes.first()?, *code.planes.last()?]);
    let ([a_first, a_last], [b_first, b_last]) = (ends(a)?, ends(b)?);
    match (within(a_last, b_first), within(b_last, a_first)) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}
