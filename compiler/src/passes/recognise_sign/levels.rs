//! Values that take one of two levels, chosen element by element by a comparison.

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

/// A value that is `yes` under a mask and `no` elsewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Levels {
    pub(super) mask: Mask,
    pub(super) yes: f32,
    pub(super) no: f32,
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
            Some(Levels { mask, yes: rewriter.uniform(node.inputs[1])?, no: rewriter.uniform(node.inputs[2])? })
        }
        // Through another number type on the way: the levels must be whole there.
        Op::Cast(crate::ir::DType::F32 | crate::ir::DType::I64) => {
            if let Some(mask) = mask(rewriter, node.inputs[0]) {
                return Some(Levels { mask, yes: 1.0, no: 0.0 });
            }
            of(node.inputs[0]).filter(|l| l.yes.fract() == 0.0 && l.no.fract() == 0.0)
        }
        Op::Unary(Unary::Neg) => {
            let l = of(node.inputs[0])?;
            Some(Levels { yes: -l.yes, no: -l.no, ..l })
        }
        Op::Binary(f @ (Binary::Add | Binary::Sub | Binary::Mul | Binary::Div)) => {
            // Integer division truncates; no exporter writes it here.
            if f == Binary::Div && rewriter.graph.value(node.output).dtype != crate::ir::DType::F32 {
                return None;
            }
            let apply = |a: f32, b: f32| match f {
                Binary::Add => a + b,
                Binary::Sub => a - b,
                Binary::Mul => a * b,
                _ => a / b,
            };
            match (rewriter.uniform(node.inputs[0]), rewriter.uniform(node.inputs[1])) {
                (None, Some(c)) => {
                    let l = of(node.inputs[0])?;
                    Some(Levels { yes: apply(l.yes, c), no: apply(l.no, c), ..l })
                }
                (Some(c), None) if f != Binary::Div => {
                    let l = of(node.inputs[1])?;
                    Some(Levels { yes: apply(c, l.yes), no: apply(c, l.no), ..l })
                }
                _ => None,
            }
        }
        _ => None,
    }
}
