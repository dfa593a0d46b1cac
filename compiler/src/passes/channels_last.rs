//! Channels move to the last axis, and transposes meet and cancel.
//!
//! Each spatial operator is wrapped: its operand is transposed to channels last, its result back. Then everything that
//! follows *sinks* the transposition back: `f(T(x))` becomes `T(f(x))`, axes and constants permuted alike, until it meets
//! the opposite transposition of the next operator. One walk in topological order does both. A transposition that moves
//! axes of extent 1 only is a Reshape, and costs nothing.
//!
//! At a Flatten in front of a fully connected layer the order of the features changes instead: the rows of its weights
//! and the constants per feature on the way are permuted (see [`features`]).

mod features;
mod reshapes;

use std::collections::HashMap;
use std::sync::Arc;

use crate::ir::{Graph, Layout, Node, Op, Origin, Reduction, ValueId, with_rank};
use crate::passes::merge_affine::uniform;
use crate::passes::rewrite::{
    NewNode, Rewriter, compose, inverse, is_identity, moves_nothing, permuted, repeat, transpose, walk,
};
use features::Features;

/// Axes of a channels-last image in the order of channels first, and back.
const TO_FIRST: [usize; 4] = [0, 3, 1, 2];
const TO_LAST: [usize; 4] = [0, 2, 3, 1];

/// The pass.
pub fn run(graph: &mut Graph) {
    let mut pass = ChannelsLast::default();
    walk(graph, |rewriter, node| pass.rule(rewriter, node));
}

#[derive(Default)]
struct ChannelsLast {
    /// Values known to be the transposition of another: `(x, p)` for `transpose(x, p)`, x itself not one.
    views: HashMap<ValueId, (ValueId, Vec<usize>)>,
    /// The transpositions made so far, so that several users share one.
    made: HashMap<(ValueId, Vec<usize>), ValueId>,
    features: Features,
}

impl ChannelsLast {
    fn rule(&mut self, rewriter: &mut Rewriter<'_>, node: Node) {
        match &node.op {
            Op::Transpose(perm) => {
                let perm = perm.clone();
                self.transposed(rewriter, node, &perm);
            }
            Op::Conv { layout: Layout::ChannelsFirst, .. }
            | Op::MaxPool { layout: Layout::ChannelsFirst, .. }
            | Op::AveragePool { layout: Layout::ChannelsFirst, .. } => self.spatial(rewriter, node),
            Op::Reshape => self.reshape(rewriter, node),
            Op::MatMul => {
                let node = self.features.matmul(rewriter, node);
                rewriter.keep(node);
            }
            _ if self.features.sink(rewriter, &node) => {}
            _ => self.elementwise(rewriter, node),
        }
    }

    /// What a value is the transposition of; itself when nothing is known.
    fn source(&self, v: ValueId, rank: usize) -> (ValueId, Vec<usize>) {
        self.views.get(&v).cloned().unwrap_or_else(|| (v, (0..rank).collect()))
    }

    /// A value transposed: cancelled, computed (constants), made a Reshape, or a Transpose that users share.
    fn transpose(&mut self, rewriter: &mut Rewriter<'_>, v: ValueId, perm: &[usize]) -> ValueId {
        if is_identity(perm) {
            return v;
        }
        if let Some(tensor) = rewriter.graph.constant(v).cloned() {
            let name = rewriter.graph.value(v).name.clone();
            return rewriter.constant(&name, transpose(&tensor, perm));
        }
        let (source, first) = self.source(v, perm.len());
        let perm = compose(&first, perm);
        if is_identity(&perm) {
            return source;
        }
        if let Some(&made) = self.made.get(&(source, perm.clone())) {
            return made;
        }
        let shape = permuted(rewriter.graph.shape(source), &perm);
        let result = if moves_nothing(rewriter.graph.shape(source), &perm) {
            rewriter.reshape(source, &shape)
        } else {
            let origin = transposed_origin(rewriter.graph, source, &perm);
            let (op, inputs) = (Op::Transpose(perm.clone()), vec![source]);
            let parts = Vec::new();
            rewriter.emit(NewNode { op, inputs, like: source, suffix: "transposed", shape: &shape, origin, parts })
        };
        if result != source {
            self.views.entry(result).or_insert_with(|| (source, perm.clone()));
        }
        self.made.insert((source, perm), result);
        result
    }

    /// Emits `node.output = transpose(x, perm)` in place of the node, keeping its result.
    fn finish(&mut self, rewriter: &mut Rewriter<'_>, node: Node, x: ValueId, perm: &[usize]) {
        let (source, first) = self.source(x, perm.len());
        let perm = compose(&first, perm);
        if is_identity(&perm) {
            return rewriter.replace(Node { op: Op::Reshape, inputs: vec![source], ..node }, source);
        }
        let nothing = moves_nothing(rewriter.graph.shape(source), &perm);
        let op = if nothing { Op::Reshape } else { Op::Transpose(perm.clone()) };
        let output = node.output;
        let (name, parts) = (format!("{}.transposed", node.name), Vec::new());
        rewriter.change(Node { name, op, inputs: vec![source], output, parts, reason: None });
        self.made.entry((source, perm.clone())).or_insert(output);
        self.views.insert(output, (source, perm));
    }

    /// A Transpose of the file.
    fn transposed(&mut self, rewriter: &mut Rewriter<'_>, node: Node, perm: &[usize]) {
        let x = node.inputs[0];
        let (source, first) = self.source(x, perm.len());
        let perm_of_source = compose(&first, perm);
        if let Some(&made) = self.made.get(&(source, perm_of_source)) {
            return rewriter.replace(node, made);
        }
        self.finish(rewriter, node, x, perm);
    }

    /// Emits the node as it is on other operands: its result is that of the node transposed by `perm`'s inverse, and the
    /// node's own result becomes a transposition of it.
    fn under(&mut self, rewriter: &mut Rewriter<'_>, node: Node, op: Op, inputs: Vec<ValueId>, perm: &[usize]) {
        let back = inverse(perm);
        let shape = permuted(rewriter.graph.shape(node.output), &back);
        let origin = transposed_origin(rewriter.graph, node.output, &back);
        let inner = rewriter.derive(node.output, "channels_last", &shape, origin);
        let (name, parts) = (node.name.clone(), node.parts.clone());
        rewriter.change(Node { name, op, inputs, output: inner, parts, reason: node.reason.clone() });
        self.finish(rewriter, node, inner, perm);
    }

    /// A spatial operator in the layout of the file.
    fn spatial(&mut self, rewriter: &mut Rewriter<'_>, node: Node) {
        let mut inputs = node.inputs.clone();
        inputs[0] = self.transpose(rewriter, inputs[0], &TO_LAST);
        let mut op = node.op.clone();
        if let Op::Conv { layout, .. } | Op::MaxPool { layout, .. } | Op::AveragePool { layout, .. } = &mut op {
            *layout = Layout::ChannelsLast;
        }
        if let Op::AveragePool { window, ceil_extra: [0, 0], .. } = &op {
            let image = &rewriter.graph.shape(inputs[0])[1..3];
            if window.pads == [0; 4] && window.dilations == [1, 1] && window.kernel[..] == *image {
                op = Op::Reduce { kind: Reduction::Mean, axes: vec![1, 2], keepdims: true };
            }
        }
        self.under(rewriter, node, op, inputs, &TO_FIRST);
    }

    /// A Reshape: see [`reshapes`].
    fn reshape(&mut self, rewriter: &mut Rewriter<'_>, node: Node) {
        // Chains of reshapes are one, up to a transposition.
        let mut x = node.inputs[0];
        while !self.views.contains_key(&x) {
            match rewriter.producer(x) {
                Some(Node { op: Op::Reshape, inputs, .. }) => x = inputs[0],
                _ => break,
            }
        }
        let shape = rewriter.graph.shape(node.output).to_vec();
        let Some((source, perm)) = self.views.get(&x).cloned() else {
            if rewriter.graph.shape(x) == shape {
                return rewriter.replace(node, x);
            }
            return rewriter.keep(Node { inputs: vec![x], ..node });
        };
        let source_shape = rewriter.graph.shape(source).to_vec();
        if let Some(plan) = reshapes::sink(&source_shape, &perm, &shape) {
            let arranged = self.transpose(rewriter, source, &plan.arrange);
            let inner = rewriter.reshape(arranged, &plan.shape);
            return self.finish(rewriter, node, inner, &plan.perm);
        }
        self.features.flatten(rewriter, &node, source, &perm);
        rewriter.keep(Node { inputs: vec![x], ..node });
    }

    /// Everything else: sinks the transposition of its operands, if they have one worth sinking.
    fn elementwise(&mut self, rewriter: &mut Rewriter<'_>, node: Node) {
        if let Some(perm) = self.worth_sinking(rewriter, &node)
            && let Some((op, inputs)) = self.sunk(rewriter, &node, &perm)
        {
            return self.under(rewriter, node, op, inputs, &perm);
        }
        self.channels_to_the_end(rewriter, node);
    }

    /// The transposition to sink: one that brings the channels of an image from the last axis to axis 1, when all
    /// operands can follow it, most of them for nothing.
    fn worth_sinking(&self, rewriter: &Rewriter<'_>, node: &Node) -> Option<Vec<usize>> {
        let rank = rewriter.graph.shape(node.output).len();
        let perm = node.inputs.iter().find_map(|v| {
            let (_, perm) = self.views.get(v)?;
            (is_to_first(perm)).then(|| perm.clone())
        })?;
        (perm.len() == rank).then_some(perm)
    }

    /// The node's operator and operands as seen under the transposition.
    fn sunk(&mut self, rewriter: &mut Rewriter<'_>, node: &Node, perm: &[usize]) -> Option<(Op, Vec<ValueId>)> {
        let back = inverse(perm);
        let op = match &node.op {
            op @ (Op::Sign(_) | Op::Unary(_) | Op::Binary(_) | Op::PRelu | Op::Where | Op::Cast(_) | Op::Expand) => {
                op.clone()
            }
            Op::Affine { axis, maps } => {
                let last = perm.len() - 1;
                match uniform(maps) {
                    _ if perm[*axis] == last => Op::Affine { axis: last, maps: Arc::clone(maps) },
                    Some(map) => {
                        let channels = permuted(rewriter.graph.shape(node.output), &back)[last];
                        Op::Affine { axis: last, maps: repeat(map, channels) }
                    }
                    None => return None,
                }
            }
            Op::Concat { axis } => Op::Concat { axis: perm[*axis] },
            Op::Slice { starts, steps } => {
                let steps = back.iter().map(|&i| steps[i]).collect();
                Op::Slice { starts: permuted(starts, &back), steps }
            }
            Op::Pad { before, after, value } => {
                Op::Pad { before: permuted(before, &back), after: permuted(after, &back), value: *value }
            }
            Op::Gather { axis } if rewriter.graph.shape(node.inputs[1]).len() == 1 => {
                let x = self.transpose(rewriter, node.inputs[0], &back);
                return Some((Op::Gather { axis: perm[*axis] }, vec![x, node.inputs[1]]));
            }
            Op::Reduce { kind, axes, keepdims: true } => {
                let mut axes = permuted(perm, axes);
                axes.sort_unstable();
                Op::Reduce { kind: *kind, axes, keepdims: true }
            }
            Op::Softmax { axis, log } => Op::Softmax { axis: perm[*axis], log: *log },
            // Its answers are integers, which no copy moves: they must already lie in the order of the file.
            Op::ArgMax { axis, keepdims: true, last }
                if moves_nothing(&permuted(rewriter.graph.shape(node.output), &back), perm) =>
            {
                Op::ArgMax { axis: perm[*axis], keepdims: true, last: *last }
            }
            _ => return None,
        };
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for &v in &node.inputs {
            let shape = rewriter.graph.shape(v);
            let lifted = with_rank(shape, perm.len());
            let v = if lifted == shape { v } else { rewriter.reshape(v, &lifted) };
            inputs.push(self.transpose(rewriter, v, &back));
        }
        Some((op, inputs))
    }

    /// What stands on an image in the layout of the file without a transposition above it.
    fn channels_to_the_end(&mut self, rewriter: &mut Rewriter<'_>, node: Node) {
        let shape = rewriter.graph.shape(node.output).to_vec();
        let rank = shape.len();
        match &node.op {
            // Reductions keep their axes, so that transpositions can pass them; the Reshape behind is free.
            Op::Reduce { keepdims: false, .. } | Op::ArgMax { keepdims: false, .. } => self.keep_axes(rewriter, node),
            Op::Affine { axis, maps } if axis + 1 < rank => {
                if let Some(map) = uniform(maps) {
                    let op = Op::Affine { axis: rank - 1, maps: repeat(map, shape[rank - 1]) };
                    return rewriter.change(Node { op, ..node });
                }
                let (op, to_first, to_last) =
                    (Op::Affine { axis: rank - 1, maps: Arc::clone(maps) }, from_end(*axis, rank), to_end(*axis, rank));
                let x = self.transpose(rewriter, node.inputs[0], &to_last);
                self.under(rewriter, node, op, vec![x], &to_first);
            }
            Op::PRelu => {
                let Some(axis) = slope_axis(rewriter, &node) else { return rewriter.keep(node) };
                let (to_first, to_last) = (from_end(axis, rank), to_end(axis, rank));
                let inputs = node.inputs.iter().map(|&v| self.transpose(rewriter, v, &to_last)).collect();
                self.under(rewriter, node, Op::PRelu, inputs, &to_first);
            }
            _ => rewriter.keep(node),
        }
    }

    fn keep_axes(&mut self, rewriter: &mut Rewriter<'_>, mut node: Node) {
        let mut shape = rewriter.graph.shape(node.inputs[0]).to_vec();
        match &mut node.op {
            Op::Reduce { axes, keepdims, .. } => {
                *keepdims = true;
                for &axis in &*axes {
                    shape[axis] = 1;
                }
            }
            Op::ArgMax { axis, keepdims, .. } => {
                *keepdims = true;
                shape[*axis] = 1;
            }
            _ => {}
        }
        let output = node.output;
        let name = node.name.clone();
        let origin = rewriter.graph.value(output).origin.clone().filter(|o| o.permutation.is_none());
        node.output = rewriter.derive(output, "kept", &shape, origin);
        let kept = node.output;
        self.elementwise(rewriter, node);
        let inputs = vec![kept];
        let reshape = Node { name, op: Op::Reshape, inputs, output, parts: Vec::new(), reason: None };
        self.reshape(rewriter, reshape);
    }
}

/// The axis of a slope that varies along one axis of an image other than the last.
fn slope_axis(rewriter: &Rewriter<'_>, node: &Node) -> Option<usize> {
    let (shape, _) = rewriter.floats(node.inputs[1])?;
    let varying: Vec<usize> = (0..shape.len()).filter(|&i| shape[i] != 1).collect();
    let same_rank = shape.len() == rewriter.graph.shape(node.output).len();
    (same_rank && varying.len() == 1 && varying[0] + 1 < shape.len()).then(|| varying[0])
}

/// Whether a permutation brings the last axis to axis 1 and leaves the others in order.
fn is_to_first(perm: &[usize]) -> bool {
    perm.len() > 2 && *perm == from_end(1, perm.len())[..]
}

/// The permutation that moves `axis` to the end.
fn to_end(axis: usize, rank: usize) -> Vec<usize> {
    (0..rank).filter(|&i| i != axis).chain([axis]).collect()
}

/// The permutation that moves the last axis to `axis`.
fn from_end(axis: usize, rank: usize) -> Vec<usize> {
    inverse(&to_end(axis, rank))
}

/// The origin of a transposed value.
fn transposed_origin(graph: &Graph, v: ValueId, perm: &[usize]) -> Option<Origin> {
    let value = graph.value(v);
    let origin = value.origin.clone()?;
    let permutation = match &origin.permutation {
        Some(first) => compose(first, perm),
        // The ONNX value under another shape has no axes to permute, unless nothing moves.
        None if origin.shape == value.shape => perm.to_vec(),
        None if moves_nothing(&value.shape, perm) => return Some(origin),
        None => return None,
    };
    let permutation =
        (!is_identity(&permutation) && !moves_nothing(&origin.shape, &permutation)).then_some(permutation);
    Some(Origin { permutation, ..origin })
}
