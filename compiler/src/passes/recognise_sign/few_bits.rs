//! Activations of a few evenly spaced numbers, in front of layers of a few bits: `round(clip(x) * 3) / 3` is one number and a
//! sign for each step, in equal parts, so that a layer of it is a sum of layers of bits.

use super::steps::{self, Base};
use super::{channel_axis, sign_argument};
use crate::exact::Affine;
use crate::ir::{Binary, Node, Op, Part, ValueId};
use crate::passes::binarize_weights::planes_of;
use crate::passes::rewrite::{NewNode, Rewriter, repeat};

/// More products of planes than that, and integers would be as fast.
pub(crate) const MOST: usize = 8;

/// The layer with its input as a sum of signs, if that and its weights are of few bits.
pub(super) fn layer(rewriter: &mut Rewriter<'_>, node: &Node) -> Option<Node> {
    if !matches!(node.op, Op::Conv { .. } | Op::MatMul) {
        return None;
    }
    let weights = planes_of(rewriter, node)?;
    let x = sum_of_signs(rewriter, node.inputs[0], MOST / weights)?;
    let mut inputs = node.inputs.clone();
    inputs[0] = x;
    Some(Node { inputs, ..node.clone() })
}

/// Whether a value is a sum of signs, or an affine map of one.
fn is_sum(rewriter: &Rewriter<'_>, mut v: ValueId) -> bool {
    while let Some(node) = rewriter.producer(v) {
        v = match node.op {
            Op::Sign(_) => return true,
            Op::Affine { .. } => node.inputs[0],
            // The signs stand on the right.
            Op::Binary(Binary::Add) => node.inputs[1],
            _ => return false,
        };
    }
    false
}

/// The value as an affine map of a sum of at most so many signs, if it takes so many evenly spaced numbers.
fn sum_of_signs(rewriter: &mut Rewriter<'_>, v: ValueId, most: usize) -> Option<ValueId> {
    let node = rewriter.producer(v)?.clone();
    let shape = rewriter.graph.shape(v).to_vec();
    if shape.is_empty() || is_sum(rewriter, v) {
        return None;
    }
    let emit = |rewriter: &mut Rewriter<'_>, op: Op, inputs: Vec<ValueId>, suffix: &str, part: Part| {
        let (shape, origin, parts) = (&shape[..], None, vec![part]);
        rewriter.emit(NewNode { op, inputs, like: v, suffix, shape, origin, parts })
    };
    let Some(steps) = steps::of_node(rewriter, &node).filter(|steps| steps.values.len() > 2) else {
        // Numbers that no f64 holds, such as thirds: what makes them stays behind the signs.
        let Op::Binary(Binary::Add | Binary::Sub | Binary::Mul | Binary::Div) = node.op else { return None };
        let side = (0..2).find(|&side| rewriter.uniform(node.inputs[1 - side]).is_some())?;
        if side == 1 && node.op == Op::Binary(Binary::Div) || rewriter.graph.shape(node.inputs[side]) != shape {
            return None;
        }
        let mut inputs = node.inputs.clone();
        inputs[side] = sum_of_signs(rewriter, inputs[side], most)?;
        return Some(emit(rewriter, node.op.clone(), inputs, "sum", Part::Scale));
    };
    let (first, step) = (*steps.values.first()?, steps.values[1] - steps.values[0]);
    let even = steps.values.windows(2).all(|pair| pair[1] - pair[0] == step && step.is_finite());
    if !even || steps.edges.len() > most || matches!(steps.base, Base::Truth(_)) {
        return None;
    }
    let mut sum = None;
    for edge in &steps.edges {
        let (zero, x) = sign_argument(rewriter, v, steps.base, edge, true);
        let sign = emit(rewriter, Op::Sign(zero), vec![x], "sign", "Sign".into());
        sum = Some(match sum {
            None => sign,
            Some(sum) => emit(rewriter, Op::Binary(Binary::Add), vec![sum, sign], "signs", Part::Planes),
        });
    }
    let half = step / 2.0;
    let map = Affine::identity().scaled(half).shifted(first).shifted(half * steps.edges.len() as f64);
    let axis = channel_axis(&shape);
    Some(emit(rewriter, Op::Affine { axis, maps: repeat(&map, shape[axis]) }, vec![sum?], "levels", Part::Scale))
}
