//! The mean over the pixels of a weighted sum is the weighted sum of the means.
//!
//! The gates of BNext read the mean of `a * x + (1 - a) * y`, where `x` and `y` are in memory for others. Behind this pass they
//! read the means of `x` and of `y`, which are collected where these are computed: neither the weighted copy of `x` nor the sum
//! is ever computed.

use super::rewrite::{NewNode, Rewriter, walk_to_fixpoint};
use crate::ir::{Binary, Graph, Node, Op, Reduction, ValueId};

/// The pass.
pub fn run(graph: &mut Graph) {
    walk_to_fixpoint(graph, rule);
}

fn rule(rewriter: &mut Rewriter<'_>, node: Node) {
    let Some(Node { op, inputs, parts, .. }) = weighted_sum(rewriter, &node).cloned() else {
        return rewriter.keep(node);
    };
    let shape = rewriter.graph.shape(node.output).to_vec();
    let means = inputs.into_iter().map(|term| {
        let (op, inputs, like, parts) = (node.op.clone(), vec![term], node.output, node.parts.clone());
        rewriter.emit(NewNode { op, inputs, like, suffix: "term", shape: &shape, origin: None, parts })
    });
    let inputs = means.collect();
    rewriter.change(Node { op, inputs, parts, ..node });
}

/// The sum that nobody reads but this mean over the pixels of each image, where a term is a weighted copy, for this sum alone, of what
/// others read as well. (Other sums are steps of the block that computes a term, and cost next to nothing.)
fn weighted_sum<'a>(rewriter: &'a Rewriter<'_>, node: &Node) -> Option<&'a Node> {
    let Op::Reduce { kind: Reduction::Mean, axes, keepdims: true } = &node.op else { return None };
    let x = *node.inputs.first()?;
    let shape = rewriter.graph.shape(x);
    if shape.len() != 4 || axes[..] != [1, 2] || !rewriter.used_once(x) {
        return None;
    }
    let sum = rewriter.producer(x).filter(|sum| matches!(sum.op, Op::Binary(Binary::Add | Binary::Sub)))?;
    let whole = |&v: &ValueId| rewriter.graph.shape(v) == shape && rewriter.graph.constant(v).is_none();
    let weighted_copy = |&v: &ValueId| {
        let producer = rewriter.producer(v).filter(|_| rewriter.used_once(v));
        producer.is_some_and(|p| matches!(p.op, Op::Affine { axis: 3, .. }) && !rewriter.used_once(p.inputs[0]))
    };
    (sum.inputs.iter().all(whole) && sum.inputs.iter().any(weighted_copy)).then_some(sum)
}
