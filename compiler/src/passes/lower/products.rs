//! Products of what is gated by itself with an activation of a tensor that is in memory anyway: `y * gate(y) * prelu(r)`, as BNext has
//! it, `r` being the residual that is added behind.
//!
//! All of `y` is computed before its gate is known, so that the product is a pass over `y` of its own. The activation is computed in
//! that pass, from `r`: it is never in memory.

use std::collections::HashSet;

use super::Builder;
use super::steps::Continuation;
use crate::ir::{Binary, Op, ValueId};

/// Nodes between a value and its gate, at most.
const LONGEST_GATE: usize = 64;

/// What is computed together with a product.
#[derive(Clone, Copy)]
pub(super) struct Late {
    /// The node of the activation.
    activation: usize,
    /// The node of the product with the gate.
    gated: usize,
}

impl Builder<'_> {
    /// Finds them, before anything is taken in.
    pub(super) fn late_products(&mut self) {
        for i in self.facts.live() {
            let node = self.facts.node(i);
            let (Op::Binary(Binary::Mul), &[a, b]) = (&node.op, &node.inputs[..]) else { continue };
            if let Some(late) = self.late(i, a, b).or_else(|| self.late(i, b, a)) {
                self.waiting.extend([late.activation, late.gated]);
                self.late.insert(i, late);
            }
        }
    }

    /// Of product `i`, if one operand is the activation and the other one is gated.
    fn late(&self, i: usize, activation: ValueId, gated: ValueId) -> Option<Late> {
        let own = |v: ValueId| self.facts.only_user(v).and(self.facts.producer(v)).filter(|&p| self.owner[p].is_none());
        let late = Late { activation: own(activation)?, gated: own(gated)? };
        let node = self.facts.node(late.activation);
        let r = node.inputs[0];
        let is_function = matches!(node.op, Op::Unary(_) | Op::PRelu);
        let is_function = is_function && self.continuation(late.activation, r).is_some();
        let is_read = |&u: &usize| u != late.activation && matches!(self.facts.node(u).op, Op::Binary(_));
        let in_memory = self.facts.is_output(r) || self.facts.users(r).iter().any(is_read);
        let (y, gate) = self.gated(late.gated)?;
        let shape = |v: ValueId| self.graph.shape(v);
        let same = [activation, gated, r, y].iter().all(|&v| shape(v) == shape(self.facts.node(i).output));
        (is_function && in_memory && same && self.is_of(gate, y)).then_some(late)
    }

    /// The value that a node multiplies with one vector per image, and the vector.
    fn gated(&self, i: usize) -> Option<(ValueId, ValueId)> {
        let node = self.facts.node(i);
        let (Op::Binary(Binary::Mul), &[a, b]) = (&node.op, &node.inputs[..]) else { return None };
        let &[n, _, _, c] = self.graph.shape(node.output) else { return None };
        let is_gate = |v: ValueId| self.graph.shape(v) == [n, 1, 1, c] && !self.facts.is_constant(v);
        match (is_gate(a), is_gate(b)) {
            (false, true) => Some((a, b)),
            (true, false) => Some((b, a)),
            _ => None,
        }
    }

    /// Whether a gate is computed from a value.
    fn is_of(&self, gate: ValueId, value: ValueId) -> bool {
        let (mut stack, mut seen) = (vec![gate], HashSet::new());
        while let Some(v) = stack.pop() {
            if v == value {
                return true;
            }
            let Some(p) = self.facts.producer(v).filter(|&p| seen.insert(p)) else { continue };
            if seen.len() > LONGEST_GATE {
                return false;
            }
            stack.extend(&self.facts.node(p).inputs);
        }
        false
    }

    /// The block of such a product: the activation, times the value, times its gate, and what follows.
    pub(super) fn late_product(&mut self, i: usize, late: Late) {
        let (activation, output) = (self.facts.node(late.activation), self.facts.node(i).output);
        let r = activation.inputs[0];
        let (Some(first), Some((y, gate))) = (self.continuation(late.activation, r), self.gated(late.gated)) else {
            unreachable!("both were there when it was found")
        };
        let source = self.map(r);
        let draft = self.open(i, source, vec![]);
        let name = &self.graph.value(gate).name;
        self.drafts[draft].block.reason =
            Some(format!("the gate \"{name}\" is computed from all of the values it multiplies"));
        self.take_in(draft, first);
        self.take_in(draft, Continuation::product(late.gated, y, gate));
        self.grow(draft, output);
    }
}
