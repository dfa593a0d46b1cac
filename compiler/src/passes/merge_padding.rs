//! A Pad in front of a window operator becomes its padding, with the value it pads with.
//!
//! Also through the Transpose that stands between the two in channels-last files. What the padded taps mean decides:
//! a convolution pads with zero, or with a value that binary inputs take; an average counts its padding; a maximum is
//! only left unchanged by what is no greater than anything in the image.

use crate::ir::{Graph, Layout, Node, Op, Part, ValueId, Window};
use crate::passes::rewrite::{NewNode, Rewriter, join_parts, permuted, walk_to_fixpoint};

/// The pass.
pub fn run(graph: &mut Graph) {
    walk_to_fixpoint(graph, rule);
}

/// A Pad in front of a node: the unpadded value, the padding per axis as the node sees it, the value, what it was.
struct Found {
    x: ValueId,
    /// The Transpose between, and the padded value's permuted shape.
    perm: Option<Vec<usize>>,
    before: Vec<usize>,
    after: Vec<usize>,
    value: f32,
    parts: Vec<Part>,
}

fn rule(rewriter: &mut Rewriter<'_>, mut node: Node) {
    if let Op::Pad { before, after, .. } = &node.op
        && before.iter().chain(after).all(|&n| n == 0)
    {
        let x = node.inputs[0];
        return rewriter.replace(node, x);
    }
    let Some(found) = find(rewriter, &node).filter(|f| merge(rewriter, &mut node, f)) else {
        return rewriter.keep(node);
    };
    node.inputs[0] = match found.perm {
        None => found.x,
        Some(perm) => {
            let shape = permuted(rewriter.graph.shape(found.x), &perm);
            let (op, inputs) = (Op::Transpose(perm), vec![found.x]);
            rewriter.emit(NewNode {
                op,
                inputs,
                like: found.x,
                suffix: "transposed",
                shape: &shape,
                origin: None,
                parts: Vec::new(),
            })
        }
    };
    node.parts = join_parts(&found.parts, &node.parts);
    rewriter.change(node);
}

fn find(rewriter: &Rewriter<'_>, node: &Node) -> Option<Found> {
    if !matches!(node.op, Op::Conv { .. } | Op::MaxPool { .. } | Op::AveragePool { .. }) {
        return None;
    }
    let mut producer = rewriter.producer(node.inputs[0])?;
    let mut perm = None;
    if let Op::Transpose(p) = &producer.op {
        perm = Some(p.clone());
        producer = rewriter.producer(producer.inputs[0])?;
    }
    let Op::Pad { before, after, value } = &producer.op else { return None };
    let seen = |pads: &[usize]| perm.as_ref().map_or_else(|| pads.to_vec(), |p| permuted(pads, p));
    Some(Found {
        x: producer.inputs[0],
        before: seen(before),
        after: seen(after),
        perm,
        value: *value,
        parts: producer.parts.clone(),
    })
}

/// Puts the padding into the node's window; `false`, and no change, where it would mean something else there.
fn merge(rewriter: &Rewriter<'_>, node: &mut Node, found: &Found) -> bool {
    let (window, layout) = match &mut node.op {
        Op::Conv { window, layout, .. } | Op::MaxPool { window, layout } | Op::AveragePool { window, layout, .. } => {
            (window, *layout)
        }
        _ => return false,
    };
    let (y, x) = match layout {
        Layout::ChannelsFirst => (2, 3),
        Layout::ChannelsLast => (1, 2),
    };
    if (0..4).any(|i| i != y && i != x && (found.before[i] != 0 || found.after[i] != 0)) {
        return false;
    }
    let pads = [found.before[y], found.before[x], found.after[y], found.after[x]];
    let own = window.pads.iter().any(|&p| p != 0);
    let sum: [usize; 4] = std::array::from_fn(|i| window.pads[i] + pads[i]);
    let merged = match &mut node.op {
        Op::Conv { window, .. } => {
            let fits = !own || window.pad_value == found.value;
            let fits = fits && (found.value == 0.0 || takes(rewriter, found.x, found.value));
            if fits {
                window.pad_value = found.value;
            }
            fits
        }
        // Every window must still see the image, or it would have no element to take the maximum of.
        Op::MaxPool { window, .. } => {
            let within = (0..2).all(|i| sum[i].max(sum[i + 2]) < span(window, i));
            within && least(rewriter, found.x).is_some_and(|least| found.value <= least)
        }
        Op::AveragePool { count_include_pad, .. } => {
            let fits = found.value == 0.0 && (*count_include_pad || !own);
            if fits {
                *count_include_pad = true;
            }
            fits
        }
        _ => false,
    };
    if merged
        && let Op::Conv { window, .. } | Op::MaxPool { window, .. } | Op::AveragePool { window, .. } = &mut node.op
    {
        window.pads = sum;
    }
    merged
}

fn span(window: &Window, i: usize) -> usize {
    (window.kernel[i] - 1) * window.dilations[i] + 1
}

/// Whether a value is one of the two that a binary tensor takes. A convolution that turns out to be real-valued gets
/// its Pad back in [`super::binarize_weights`].
fn takes(rewriter: &Rewriter<'_>, mut v: ValueId, value: f32) -> bool {
    // Values that codes like {0, 1} and ±scale give to -1 and +1.
    let mut wanted = f64::from(value);
    for _ in 0..8 {
        let Some(node) = rewriter.producer(v) else { return false };
        match &node.op {
            Op::Sign(_) => return (wanted.abs() - 1.0).abs() < 1e-6,
            Op::Affine { maps, .. } => match super::merge_affine::uniform(maps) {
                Some(map) if map.scale() != 0.0 => wanted = (wanted - map.shift()) / map.scale(),
                _ => return false,
            },
            Op::MaxPool { .. } | Op::Reshape | Op::Transpose(_) | Op::Slice { .. } => {}
            _ => return false,
        }
        v = node.inputs[0];
    }
    false
}

/// A bound below every element of a value.
fn least(rewriter: &Rewriter<'_>, v: ValueId) -> Option<f32> {
    Some(match rewriter.producer(v).map(|n| &n.op) {
        Some(Op::Sign(_)) => -1.0,
        Some(Op::Unary(function)) => function.least(f32::NEG_INFINITY),
        _ => f32::NEG_INFINITY,
    })
}
