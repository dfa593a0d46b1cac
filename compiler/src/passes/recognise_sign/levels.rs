//! Values that take one of two levels, chosen element by element by a comparison.

use super::classes::evaluate;
use crate::ir::{Binary, Node, Op, Unary, ValueId};
use crate::passes::rewrite::Rewriter;

/// What a value is compared with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Threshold {
    /// A constant of the graph.
    Value(ValueId),
    /// A number that only a step of rounding knows.
    Number(f32),
}

/// A comparison of a value with a constant: `x relation c`, or its negation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mask {
    pub(super) x: ValueId,
    pub(super) relation: Binary,
    pub(super) c: Threshold,
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
        match self.c {
            Threshold::Value(v) => rewriter.bounds(v),
            Threshold::Number(c) => Some((c, c)),
        }
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
                (false, true) => Some(Mask { x: a, relation, c: Threshold::Value(b), not: false }),
                (true, false) => Some(Mask { x: b, relation: swapped, c: Threshold::Value(a), not: false }),
                _ => None,
            }
        }
        _ => None,
    }
}

/// A value that is `yes` under a mask and `no` elsewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Levels {
    pub(super) mask: Mask,
    pub(super) yes: f64,
    pub(super) no: f64,
}

/// The two levels of a node's result, if it has two.
pub(super) fn of_node(rewriter: &Rewriter<'_>, node: &Node) -> Option<Levels> {
    // Spellings are a handful of nodes long; the bound keeps long chains of constants' arithmetic linear.
    levels(rewriter, node, 8)
}

fn levels(rewriter: &Rewriter<'_>, node: &Node, depth: usize) -> Option<Levels> {
    let depth = depth.checked_sub(1)?;
    let of = |v: ValueId| levels(rewriter, rewriter.producer(v)?, depth);
    match node.op {
        Op::Where => {
            let mask = mask(rewriter, node.inputs[0])?;
            let level = |v| rewriter.uniform(v).map(f64::from);
            Some(Levels { mask, yes: level(node.inputs[1])?, no: level(node.inputs[2])? })
        }
        // Through another number type on the way: the levels must be whole there.
        Op::Cast(crate::ir::DType::F32 | crate::ir::DType::I64) => {
            if let Some(mask) = mask(rewriter, node.inputs[0]) {
                return Some(Levels { mask, yes: 1.0, no: 0.0 });
            }
            of(node.inputs[0]).filter(|l| l.yes.fract() == 0.0 && l.no.fract() == 0.0)
        }
        Op::Unary(Unary::Clip(..) | Unary::Round | Unary::Floor | Unary::Ceil) => step(rewriter, node),
        Op::Unary(Unary::Neg) => {
            let l = of(node.inputs[0])?;
            Some(Levels { yes: -l.yes, no: -l.no, ..l })
        }
        Op::Binary(f @ (Binary::Add | Binary::Sub | Binary::Mul | Binary::Div)) => {
            // Integer division truncates; no exporter writes it here.
            if f == Binary::Div && rewriter.graph.value(node.output).dtype != crate::ir::DType::F32 {
                return None;
            }
            // Real arithmetic: levels that no f64 holds are left to the maps that do.
            let level = |v| rewriter.uniform(v).map(f64::from);
            let both = |l: Levels, apply: &dyn Fn(f64) -> Option<f64>| {
                Some(Levels { yes: apply(l.yes)?, no: apply(l.no)?, ..l })
            };
            match (level(node.inputs[0]), level(node.inputs[1])) {
                (None, Some(c)) => both(of(node.inputs[0])?, &|level| evaluate(f, level, c)),
                (Some(c), None) if f != Binary::Div => both(of(node.inputs[1])?, &|level| evaluate(f, c, level)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// A number clipped to `n..=n + 1` and rounded, in either order: two levels, with a step between them.
fn step(rewriter: &Rewriter<'_>, node: &Node) -> Option<Levels> {
    let before = rewriter.producer(node.inputs[0])?;
    let (Op::Unary(second), Op::Unary(first)) = (&node.op, &before.op) else { return None };
    let ((Unary::Clip(low, high), rounding) | (rounding, Unary::Clip(low, high))) = (*first, *second) else {
        return None;
    };
    // Halves between larger numbers are not all f32s.
    if low.fract() != 0.0 || high != low + 1.0 || low.abs() > 1024.0 {
        return None;
    }
    let even = low % 2.0 == 0.0;
    let (relation, c) = match rounding {
        // Halves go to the even neighbour.
        Unary::Round => (if even { Binary::Greater } else { Binary::GreaterOrEqual }, low + 0.5),
        Unary::Floor => (Binary::GreaterOrEqual, high),
        Unary::Ceil => (Binary::Greater, low),
        _ => return None,
    };
    let mask = Mask { x: before.inputs[0], relation, c: Threshold::Number(c), not: false };
    Some(Levels { mask, yes: f64::from(high), no: f64::from(low) })
}
