//! Comparisons of a value with a constant.

use crate::ir::{Binary, Node, Op, Unary, ValueId};
use crate::passes::rewrite::Rewriter;

/// A comparison of a value with a constant: `x relation c`, or its negation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mask {
    pub(super) x: ValueId,
    pub(super) relation: Binary,
    pub(super) c: ValueId,
    /// Only ever true of [`Binary::Equal`], which has no opposite operator.
    pub(super) not: bool,
}

impl Mask {
    /// The mask that is true where this one is false (NaN aside, which has no sign).
    pub(super) fn negated(self) -> Option<Self> {
        let relation = match self.relation {
            Binary::Greater => Binary::LessOrEqual,
            Binary::GreaterOrEqual => Binary::Less,
            Binary::Less => Binary::GreaterOrEqual,
            Binary::LessOrEqual => Binary::Greater,
            Binary::Equal => return Some(Self { not: !self.not, ..self }),
            _ => return None,
        };
        Some(Self { relation, ..self })
    }

    /// Least and greatest element of the constant.
    pub(super) fn threshold(self, rewriter: &Rewriter<'_>) -> Option<(f32, f32)> {
        rewriter.bounds(self.c)
    }
}

/// The mask behind a boolean value.
pub(super) fn mask(rewriter: &Rewriter<'_>, v: ValueId) -> Option<Mask> {
    let node = rewriter.producer(v)?;
    match node.op {
        // Not of a Not is gone by then or of no interest; one level keeps this free of recursion.
        Op::Unary(Unary::Not) => comparison(rewriter, rewriter.producer(node.inputs[0])?)?.negated(),
        _ => comparison(rewriter, node),
    }
}

fn comparison(rewriter: &Rewriter<'_>, node: &Node) -> Option<Mask> {
    match node.op {
        Op::Binary(relation) => {
            let swapped = match relation {
                Binary::Greater => Binary::Less,
                Binary::GreaterOrEqual => Binary::LessOrEqual,
                Binary::Less => Binary::Greater,
                Binary::LessOrEqual => Binary::GreaterOrEqual,
                Binary::Equal => Binary::Equal,
                _ => return None,
            };
            let [a, b] = [node.inputs[0], node.inputs[1]];
            match (rewriter.floats(a).is_some(), rewriter.floats(b).is_some()) {
                (false, true) => Some(Mask { x: a, relation, c: b, not: false }),
                (true, false) => Some(Mask { x: b, relation: swapped, c: a, not: false }),
                _ => None,
            }
        }
        _ => None,
    }
}
