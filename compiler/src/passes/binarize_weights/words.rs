//! What the user reads of a layer that is binary by half: by its weights alone, or by its input alone.

use std::collections::HashSet;

use crate::ir::{Binary, Node, Op, Unary, ValueId};
use crate::passes::rewrite::Rewriter;

/// What to do about latent weights.
pub(super) const LATENT: &str = "it runs as a real-valued layer; if it was trained with binary weights, their sign was lost \
    on export: apply it in the forward pass (sign(w) * scale), or to the weights before the export";

/// What to do about more products of planes of bits than are faster than numbers.
pub(super) const FEWER_BITS: &str = "it runs as a real-valued layer; with fewer bits in its input, or in its weights, it would be planes of \
    bits";

/// What is wrong with the input of a layer of binary weights, and what to do.
pub(super) fn real_input(rewriter: &Rewriter<'_>, v: ValueId) -> (String, &'static str) {
    let input = describe(rewriter, v);
    match steps(rewriter, v) {
        Some(step) => (
            format!(
                "the weights are binary, and the input ({input}) takes a few values, by {step}, but not two that are known"
            ),
            "it runs as a real-valued layer; spell the activation as Sign(x) or Where(x >= 0, 1, -1), times a scale",
        ),
        None => (
            format!("the weights are binary, but the input is real ({input})"),
            "it runs as a real-valued layer; if a sign was lost on export, put it back",
        ),
    }
}

/// The operator that leaves a few values of all, where only operators that keep their number stand behind it.
fn steps(rewriter: &Rewriter<'_>, mut v: ValueId) -> Option<String> {
    // Chains in front of a layer are short; the bound is for graphs that are not.
    for _ in 0..64 {
        let node = rewriter.producer(v)?;
        let live: Vec<ValueId> =
            node.inputs.iter().copied().filter(|&x| rewriter.graph.constant(x).is_none()).collect();
        match &node.op {
            Op::Sign(_)
            | Op::Cast(_)
            | Op::Unary(Unary::Round | Unary::Quantize(_) | Unary::Trunc | Unary::Floor | Unary::Ceil | Unary::Not) => {
            }
            Op::Binary(
                Binary::Equal | Binary::Less | Binary::LessOrEqual | Binary::Greater | Binary::GreaterOrEqual,
            ) => {}
            // A choice between constants.
            Op::Where if live.len() == 1 => {}
            Op::Affine { .. }
            | Op::Unary(_)
            | Op::Binary(_)
            | Op::MaxPool { .. }
            | Op::Reshape
            | Op::Transpose(_)
            | Op::Slice { .. }
            | Op::Expand
            | Op::Gather { .. }
                if live.len() == 1 =>
            {
                v = live[0];
                continue;
            }
            _ => return None,
        }
        return Some(named(node));
    }
    None
}

/// Whether the weights are as training leaves them: nearly all different.
pub(super) fn are_latent(rewriter: &Rewriter<'_>, node: &Node) -> bool {
    let Some((shape, weights)) = node.inputs.get(1).and_then(|&w| rewriter.floats(w)) else { return false };
    let outputs = match node.op {
        Op::MatMul => shape.last(),
        _ => shape.first(),
    };
    let outputs = outputs.copied().unwrap_or(1).max(1);
    // Those of the first output: a column of a matrix.
    let first: Vec<f32> = match node.op {
        Op::MatMul => weights.iter().step_by(outputs).copied().collect(),
        _ => weights[..weights.len() / outputs].to_vec(),
    };
    let different: HashSet<u32> = first.iter().map(|w| w.abs().to_bits()).collect();
    first.len() >= 8 && 2 * different.len() > first.len()
}

fn named(node: &Node) -> String {
    let operator = node.parts.last().cloned().unwrap_or_else(|| node.op.name().as_str().into());
    format!("{operator} \"{}\"", node.name)
}

/// What produces a value, for a reason; operators that only move elements are not to blame.
pub(super) fn describe(rewriter: &Rewriter<'_>, mut v: ValueId) -> String {
    while let Some(Node { op: Op::Reshape | Op::Transpose(_), inputs, .. }) = rewriter.producer(v) {
        v = inputs[0];
    }
    match rewriter.producer(v) {
        Some(node) => {
            format!("produced by {}", named(node))
        }
        None if rewriter.graph.constant(v).is_some() => "a constant".to_owned(),
        None => format!("the graph's input \"{}\"", rewriter.graph.value(v).name),
    }
}
