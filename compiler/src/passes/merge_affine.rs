//! Everything that scales and shifts by channel is one [`Op::Affine`], exactly.
//!
//! Mul, Add, Sub and Div by a constant that is a scalar or varies along the channels become Affine; Affines that follow
//! one another merge wherever one square root can hold the result; those that change nothing vanish. A constant that
//! varies along several axes, or along another one (XNOR-Net++'s factorised scale), is no Affine and stays.

use std::collections::HashMap;
use std::sync::Arc;

use crate::exact::Affine;
use crate::ir::{Binary, DType, Graph, Layout, Node, Op, Unary, ValueId, with_rank};
use crate::passes::rewrite::{Rewriter, join_parts, repeat, squeeze, walk_to_fixpoint};

/// The pass.
pub fn run(graph: &mut Graph) {
    let channels_first = graph.nodes.iter().any(|n| layout(&n.op) == Some(Layout::ChannelsFirst));
    walk_to_fixpoint(graph, Channels { axes: HashMap::new(), channels_first }.into_rule());
}

fn layout(op: &Op) -> Option<Layout> {
    match op {
        Op::Conv { layout, .. } | Op::MaxPool { layout, .. } | Op::AveragePool { layout, .. } => Some(*layout),
        Op::BinaryConv { .. } => Some(Layout::ChannelsLast),
        _ => None,
    }
}

/// Which axis of each value holds the channels, as far as the operators before it tell: one file can hold constants for
/// both layouts, and a constant per column of an image must not pass for one per channel.
struct Channels {
    axes: HashMap<ValueId, usize>,
    /// Where nothing tells: axis 1 of an image, or the last.
    channels_first: bool,
}

impl Channels {
    fn into_rule(mut self) -> impl FnMut(&mut Rewriter<'_>, Node) {
        move |rewriter, node| {
            let output = node.output;
            if let Some(axis) = self.axis_of_result(rewriter, &node) {
                self.axes.insert(output, axis);
            }
            self.rule(rewriter, node);
        }
    }

    fn axis_of_result(&self, rewriter: &Rewriter<'_>, node: &Node) -> Option<usize> {
        let rank = rewriter.graph.shape(node.output).len();
        match &node.op {
            op if layout(op) == Some(Layout::ChannelsFirst) => Some(1),
            op if layout(op) == Some(Layout::ChannelsLast) => Some(3),
            Op::MatMul | Op::BinaryMatMul { .. } => rank.checked_sub(1),
            Op::Affine { axis, maps } if uniform(maps).is_none() => Some(*axis),
            Op::Transpose(perm) => {
                let axis = self.axes.get(&node.inputs[0])?;
                perm.iter().position(|p| p == axis)
            }
            Op::Reshape | Op::Expand | Op::Gather { .. } | Op::ScatterNd => None,
            Op::Reduce { keepdims: false, .. } | Op::ArgMax { keepdims: false, .. } => None,
            _ => node
                .inputs
                .iter()
                .filter(|&&v| rewriter.graph.shape(v).len() == rank)
                .find_map(|v| self.axes.get(v).copied()),
        }
    }

    fn rule(&self, rewriter: &mut Rewriter<'_>, node: Node) {
        match self.to_affine(rewriter, &node) {
            Some((x, axis, maps)) => self.merge(rewriter, node, x, axis, maps),
            None => rewriter.keep(node),
        }
    }

    /// A node as an affine map per channel: operand, axis, maps.
    fn to_affine(&self, rewriter: &Rewriter<'_>, node: &Node) -> Option<(ValueId, usize, Arc<Vec<Affine>>)> {
        match &node.op {
            Op::Affine { axis, maps } => Some((node.inputs[0], *axis, Arc::clone(maps))),
            // Alone, a change of sign is cheaper as what it is.
            Op::Unary(Unary::Neg) => match rewriter.producer(node.inputs[0])?.op {
                Op::Affine { axis, .. } => {
                    let maps = repeat(&Affine::linear(-1.0, 0.0), rewriter.graph.shape(node.output)[axis]);
                    Some((node.inputs[0], axis, maps))
                }
                _ => None,
            },
            Op::Binary(f @ (Binary::Add | Binary::Sub | Binary::Mul | Binary::Div)) => {
                self.by_constant(rewriter, node, *f)
            }
            _ => None,
        }
    }

    fn by_constant(
        &self,
        rewriter: &Rewriter<'_>,
        node: &Node,
        f: Binary,
    ) -> Option<(ValueId, usize, Arc<Vec<Affine>>)> {
        let [a, b] = [node.inputs[0], node.inputs[1]];
        let (x, c, swapped) = match (rewriter.graph.constant(a), rewriter.graph.constant(b)) {
            (None, Some(c)) => (a, c, false),
            (Some(c), None) => (b, c, true),
            _ => return None,
        };
        let shape = rewriter.graph.shape(node.output);
        if rewriter.graph.value(x).dtype != DType::F32
            || rewriter.graph.shape(x) != shape
            || c.shape.len() > shape.len()
        {
            return None;
        }
        let mut c = squeeze(c);
        c.shape = with_rank(&c.shape, shape.len());
        let values = c.as_f32()?;
        let varying: Vec<usize> = (0..c.shape.len()).filter(|&i| c.shape[i] != 1).collect();
        let axis = match (varying[..].first().copied(), self.axes.get(&x)) {
            (Some(axis), _) if varying.len() > 1 || shape[axis] != c.shape[axis] => return None,
            (Some(axis), Some(&known)) => (axis == known).then_some(axis)?,
            (Some(axis), None) => (axis == 1 || axis + 1 == shape.len()).then_some(axis)?,
            (None, Some(&known)) => known,
            (None, None) if self.channels_first && shape.len() > 1 => 1,
            (None, None) => shape.len().checked_sub(1)?,
        };
        let map = |&c: &f32| {
            if !c.is_finite() {
                return None;
            }
            match (f, swapped) {
                (Binary::Add, _) => Some(Affine::linear(1.0, c)),
                (Binary::Mul, _) => Some(Affine::linear(c, 0.0)),
                (Binary::Sub, false) => Some(Affine::linear(1.0, -c)),
                (Binary::Sub, true) => Some(Affine::linear(-1.0, c)),
                (Binary::Div, false) => Affine::division(c),
                _ => None,
            }
        };
        let maps = values.iter().map(map).collect::<Option<Vec<_>>>()?;
        if !maps.iter().all(is_factor) {
            return None;
        }
        let maps = if maps.len() == 1 { repeat(&maps[0], shape[axis]) } else { Arc::new(maps) };
        Some((x, axis, maps))
    }

    /// Emits an affine node, together with the one before it if there is one.
    fn merge(
        &self,
        rewriter: &mut Rewriter<'_>,
        mut node: Node,
        mut x: ValueId,
        mut axis: usize,
        mut maps: Arc<Vec<Affine>>,
    ) {
        let mut changed = !matches!(node.op, Op::Affine { .. });
        while let Some(before) = rewriter.producer(x) {
            let Op::Affine { axis: before_axis, maps: before_maps } = &before.op else { break };
            let n = before_maps.len();
            let (first, second) = if *before_axis == axis {
                (Arc::clone(before_maps), Arc::clone(&maps))
            } else if let Some(map) = uniform(&maps) {
                (Arc::clone(before_maps), repeat(map, n))
            } else if let Some(map) = uniform(before_maps) {
                (repeat(map, maps.len()), Arc::clone(&maps))
            } else {
                break;
            };
            let merged =
                std::iter::zip(first.iter(), second.iter()).map(|(a, b)| a.then(b)).collect::<Option<Vec<_>>>();
            let Some(merged) = merged.filter(|maps| maps.iter().all(is_factor)) else { break };
            if uniform(&maps).is_some() {
                axis = *before_axis;
            }
            maps = Arc::new(merged);
            let inner = before.inputs[0];
            // A node that has other users keeps its name and what it stands for.
            if let Some(before) = rewriter.take_over(x) {
                let behind = std::mem::replace(&mut node.parts, before.parts);
                node.parts.extend(behind);
                node.name = before.name;
            } else if let Some(before) = rewriter.producer(x) {
                node.parts = join_parts(&before.parts, &node.parts);
            }
            x = inner;
            changed = true;
        }
        if maps.iter().all(Affine::is_identity) {
            return rewriter.replace(node, x);
        }
        node.op = Op::Affine { axis, maps };
        node.inputs = vec![x];
        if changed { rewriter.change(node) } else { rewriter.keep(node) }
    }
}

/// Whether a map can be computed as a product and a sum of floats: a division by a denormal number, or a product of many
/// large factors, has a result where the factor itself has none; and one below the normal numbers has lost digits.
pub(super) fn is_factor(map: &Affine) -> bool {
    let (scale, shift) = (map.scale() as f32, map.shift() as f32);
    (map.scale() == 0.0 || scale.is_normal()) && shift.is_finite()
}

/// The one map of all channels.
pub(crate) fn uniform(maps: &[Affine]) -> Option<&Affine> {
    let first = maps.first()?;
    maps.iter().all(|m| m == first).then_some(first)
}

#[cfg(test)]
mod tests;
