//! What passes promise of every node behind them, in code: the "AFTER THIS POINT" of [`super::PASSES`], as far as one node shows
//! it. [`crate::check`] holds the graph to them after every later pass, in every build.

use super::merge_affine::is_factor;
use crate::check::Before;
use crate::ir::{Layout, Node, Op};

/// A PReLU's constant slope has the rank of its argument.
pub(crate) fn slopes_have_the_rank_of_their_argument(before: &Before<'_>, node: &Node) -> Option<String> {
    let (Op::PRelu, &[x, slope]) = (&node.op, &node.inputs[..]) else { return None };
    let (rank, own) = (before.graph.shape(x).len(), before.graph.constant(slope)?.shape.len());
    (rank != own).then(|| format!("its slope has rank {own}, and its argument {rank}"))
}

/// Spatial operators are channels last.
pub(crate) fn channels_are_last(_: &Before<'_>, node: &Node) -> Option<String> {
    let (Op::Conv { layout, .. } | Op::MaxPool { layout, .. } | Op::AveragePool { layout, .. }) = &node.op else {
        return None;
    };
    (*layout == Layout::ChannelsFirst).then(|| "its channels are not last".to_owned())
}

/// Reductions keep their axes.
pub(crate) fn reductions_keep_their_axes(_: &Before<'_>, node: &Node) -> Option<String> {
    matches!(node.op, Op::Reduce { keepdims: false, .. }).then(|| "it drops the axes that it reduces".to_owned())
}

/// A convolution or product that is left is real-valued, padded with zeros, and says why it is not binary.
pub(crate) fn real_layers_say_why(_: &Before<'_>, node: &Node) -> Option<String> {
    match &node.op {
        Op::Conv { window, .. } if window.pad_value != 0.0 && window.pads != [0; 4] => {
            Some(format!("it is real-valued and padded with {}", window.pad_value))
        }
        Op::Conv { .. } | Op::MatMul if node.reason.is_none() => {
            Some("it does not say why it is not binary".to_owned())
        }
        _ => None,
    }
}

/// Two affine maps of one axis that could be one are one.
pub(crate) fn affine_neighbours_are_one(before: &Before<'_>, node: &Node) -> Option<String> {
    let Op::Affine { axis, maps } = &node.op else { return None };
    let producer = before.producer(*node.inputs.first()?)?;
    let Op::Affine { axis: other, maps: first } = &producer.op else { return None };
    let mergeable =
        axis == other && first.iter().zip(maps.iter()).all(|(a, b)| a.then(b).is_some_and(|map| is_factor(&map)));
    mergeable.then(|| format!("it could be one with \"{}\" before it", producer.name))
}

/// No node that changes nothing.
pub(crate) fn nodes_do_something(before: &Before<'_>, node: &Node) -> Option<String> {
    let &[x] = &node.inputs[..] else { return None };
    let idle = match &node.op {
        Op::Reshape | Op::Expand => before.graph.shape(x) == before.graph.shape(node.output),
        Op::Transpose(perm) => perm.iter().copied().eq(0..perm.len()),
        _ => false,
    };
    (idle && !before.graph.outputs.contains(&node.output)).then(|| "it changes nothing".to_owned())
}
