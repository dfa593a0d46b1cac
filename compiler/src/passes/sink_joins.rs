//! Joins of channels sink behind what works on each channel alone.
//!
//! A dense network joins new channels to all those before, and takes another BatchNormalization and sign of all of them in
//! each layer. Behind this pass each part has signs of its own, taken where it is computed, and what is joined are bits: the
//! joined numbers, which nobody reads any more, are never in memory. Slices of joined channels are the parts they are cut
//! from, and a sum with something that is zero but for some parts (MeliusNet's improvement) is one of those parts.

use std::collections::HashMap;
use std::sync::Arc;

use super::rewrite::{NewNode, Rewriter, walk};
use crate::ir::{Binary, DType, Graph, Layout, Node, Op, Reduction, Tensor, ValueId};

/// Parts of a join at most: each has a sign for each layer that reads it.
const MOST: usize = 64;

/// The pass.
pub fn run(graph: &mut Graph) {
    // Joins meet each other and sink one operator at a time.
    for _ in 0..64 {
        let users = Users::of(graph);
        if !walk(graph, |rewriter, node| rule(rewriter, node, &users)) {
            break;
        }
    }
}

/// What is read by whom, before a walk.
struct Users {
    /// Values whose every user lets joins through.
    passed: HashMap<ValueId, bool>,
    /// Values whose every user reads bits in one group.
    bits: HashMap<ValueId, bool>,
}

impl Users {
    fn of(graph: &Graph) -> Self {
        let producers: HashMap<ValueId, &Node> = graph.nodes.iter().map(|node| (node.output, node)).collect();
        let (mut passed, mut bits) = (HashMap::new(), HashMap::new());
        let outputs = |all: &mut HashMap<ValueId, bool>| {
            graph.outputs.iter().for_each(|&v| {
                all.insert(v, false);
            });
        };
        for node in &graph.nodes {
            let one_group = match &node.op {
                Op::BinaryConv { groups, .. } => *groups == 1,
                Op::Concat { .. } => true,
                _ => false,
            };
            for &v in &node.inputs {
                *bits.entry(v).or_insert(true) &= one_group;
            }
        }
        outputs(&mut bits);
        for node in &graph.nodes {
            // Numbers -1 and +1 are joined no faster than others.
            let stays = matches!(node.op, Op::Sign(_)) && bits.get(&node.output) != Some(&true);
            for (i, &v) in node.inputs.iter().enumerate() {
                *passed.entry(v).or_insert(true) &= !stays && lets_through(graph, &producers, node, i);
            }
        }
        outputs(&mut passed);
        Self { passed, bits }
    }

    fn all_pass(&self, v: ValueId) -> bool {
        self.passed.get(&v).copied().unwrap_or(false)
    }

    fn all_read_bits(&self, v: ValueId) -> bool {
        self.bits.get(&v).copied().unwrap_or(false)
    }
}

/// Whether a join of the node's operand number `i` may become one of its results.
fn lets_through(graph: &Graph, producers: &HashMap<ValueId, &Node>, node: &Node, i: usize) -> bool {
    match &node.op {
        Op::Concat { axis } => *axis + 1 == graph.shape(node.output).len(),
        Op::Slice { .. } => cut(graph, node).is_some(),
        Op::Binary(Binary::Add) => {
            let producer = |v: &ValueId| producers.get(v).copied();
            producer(&node.inputs[1 - i.min(1)]).is_some_and(|other| among_zeros(graph, other).is_some())
                || producer(&node.inputs[i.min(1)]).is_some_and(|own| among_zeros(graph, own).is_some())
        }
        _ => i == 0 && is_channelwise(graph, node),
    }
}

/// Whether a node works on each channel, the last axis, alone.
fn is_channelwise(graph: &Graph, node: &Node) -> bool {
    let floats = |v: &ValueId| graph.value(*v).dtype == DType::F32;
    let Some(x) = node.inputs.first().filter(|v| floats(v)) else { return false };
    let last = graph.shape(*x).len().wrapping_sub(1);
    floats(&node.output)
        && match &node.op {
            Op::Sign(_) | Op::Unary(_) => true,
            Op::Affine { axis, .. } => *axis == last,
            Op::PRelu => graph.constant(node.inputs[1]).is_some(),
            Op::MaxPool { layout, .. } | Op::AveragePool { layout, .. } => *layout == Layout::ChannelsLast,
            Op::Reduce { kind: Reduction::Mean, axes, keepdims: true } => last == 3 && axes[..] == [1, 2],
            _ => false,
        }
}

/// First channel of a slice that takes neighbouring channels and all else.
fn cut(graph: &Graph, node: &Node) -> Option<usize> {
    let Op::Slice { starts, steps } = &node.op else { return None };
    let (from, to) = (graph.shape(node.inputs[0]), graph.shape(node.output));
    let (start, before) = starts.split_last()?;
    let last = before.len();
    (steps.iter().all(|&step| step == 1) && before.iter().all(|&s| s == 0) && from[..last] == to[..last])
        .then_some(*start)
}

/// What stands among channels that are all zero, by a Pad or a join, and its first channel.
fn among_zeros(graph: &Graph, node: &Node) -> Option<(usize, ValueId)> {
    let last = graph.shape(node.output).len().checked_sub(1)?;
    match &node.op {
        Op::Pad { before, value, .. } => {
            let (from, to) = (graph.shape(node.inputs[0]), graph.shape(node.output));
            (*value == 0.0 && from[..last] == to[..last]).then_some((before[last], node.inputs[0]))
        }
        Op::Concat { axis } if *axis == last => {
            let zero = |v: ValueId| graph.constant(v).is_some_and(|t| t.to_f32().iter().all(|&x| x == 0.0));
            let place = node.inputs.iter().position(|&v| !zero(v))?;
            let start = node.inputs[..place].iter().map(|&v| graph.shape(v)[last]).sum();
            let others = node.inputs.len() - 1;
            let zeros = node.inputs.iter().filter(|&&v| zero(v)).count();
            (zeros == others && others > 0).then_some((start, node.inputs[place]))
        }
        _ => None,
    }
}

/// The operands of the join of channels behind a value.
fn joined(rewriter: &Rewriter<'_>, v: ValueId) -> Option<Vec<ValueId>> {
    let node = rewriter.producer(v)?;
    let Op::Concat { axis } = node.op else { return None };
    let is_last = axis + 1 == rewriter.graph.shape(v).len();
    (is_last && node.inputs.len() <= MOST).then(|| node.inputs.clone())
}

fn channels(rewriter: &Rewriter<'_>, v: ValueId) -> usize {
    rewriter.graph.shape(v).last().copied().unwrap_or(1)
}

fn rule(rewriter: &mut Rewriter<'_>, node: Node, users: &Users) {
    let changed = match &node.op {
        Op::Concat { axis } if axis + 1 == rewriter.graph.shape(node.output).len() => flattened(rewriter, &node),
        Op::Slice { .. } => sliced(rewriter, &node),
        Op::Binary(Binary::Add) => improved(rewriter, &node),
        Op::Sign(_) => match users.all_read_bits(node.output) {
            true => signs(rewriter, &node),
            false => None,
        },
        _ => node.inputs.first().and_then(|&x| {
            let parts = joined(rewriter, x).filter(|_| users.all_pass(x) && is_channelwise(rewriter.graph, &node))?;
            Some(each(rewriter, &node, &parts))
        }),
    };
    match changed.as_deref() {
        None => rewriter.keep(node),
        Some(&[part]) => rewriter.replace(node, part),
        Some(parts) => {
            let axis = rewriter.graph.shape(node.output).len() - 1;
            rewriter.change(Node { op: Op::Concat { axis }, inputs: parts.to_vec(), parts: Vec::new(), ..node });
        }
    }
}

/// Joins of joins are one.
fn flattened(rewriter: &Rewriter<'_>, node: &Node) -> Option<Vec<ValueId>> {
    let mut all = Vec::new();
    let mut any = false;
    for &v in &node.inputs {
        match joined(rewriter, v) {
            Some(parts) if all.len() + parts.len() <= MOST => {
                any = true;
                all.extend(parts);
            }
            _ => all.push(v),
        }
    }
    any.then_some(all)
}

/// A slice of joined channels is cut from the parts it meets.
fn sliced(rewriter: &mut Rewriter<'_>, node: &Node) -> Option<Vec<ValueId>> {
    let parts = joined(rewriter, node.inputs[0])?;
    let start = cut(rewriter.graph, node)?;
    let end = start + channels(rewriter, node.output);
    let (mut at, mut taken) = (0, Vec::new());
    for part in parts {
        let (first, last) = (at, at + channels(rewriter, part));
        at = last;
        let (from, to) = (start.max(first), end.min(last));
        if from >= to {
            continue;
        }
        if (from, to) == (first, last) {
            taken.push(part);
            continue;
        }
        let mut shape = rewriter.graph.shape(part).to_vec();
        let mut starts = vec![0; shape.len()];
        *shape.last_mut()? = to - from;
        *starts.last_mut()? = from - first;
        let op = Op::Slice { steps: vec![1; starts.len()], starts };
        taken.push(rewriter.emit(like(node, op, vec![part], &shape)));
    }
    Some(taken)
}

/// `join(a, b) + join(0, c)` is `join(a, b + c)`, as adding 0 changes nothing but the sign of a zero.
fn improved(rewriter: &mut Rewriter<'_>, node: &Node) -> Option<Vec<ValueId>> {
    let &[a, b] = &node.inputs[..] else { return None };
    let among = |v: ValueId| among_zeros(rewriter.graph, rewriter.producer(v)?);
    let (whole, (start, inner)) = match (among(a), among(b)) {
        (_, Some(found)) => (a, found),
        (Some(found), _) => (b, found),
        _ => return None,
    };
    let mut parts = joined(rewriter, whole)?;
    let shape = rewriter.graph.shape(inner).to_vec();
    let mut at = 0;
    let place = parts.iter().position(|&part| {
        at += channels(rewriter, part);
        at - channels(rewriter, part) == start && rewriter.graph.shape(part) == shape
    })?;
    let sum = vec![parts[place], inner];
    parts[place] = rewriter.emit(like(node, Op::Binary(Binary::Add), sum, &shape));
    Some(parts)
}

/// The sign of joined numbers, with the affine map before it, is the join of signs; others may need the numbers, too.
fn signs(rewriter: &mut Rewriter<'_>, node: &Node) -> Option<Vec<ValueId>> {
    let x = node.inputs[0];
    let affine = rewriter.producer(x).filter(|before| is_map(rewriter.graph, before)).cloned();
    let parts = joined(rewriter, affine.as_ref().map_or(x, |affine| affine.inputs[0]))?;
    let parts = affine.map_or(parts.clone(), |affine| each(rewriter, &affine, &parts));
    Some(each(rewriter, node, &parts))
}

fn is_map(graph: &Graph, node: &Node) -> bool {
    matches!(node.op, Op::Affine { .. }) && is_channelwise(graph, node)
}

/// The node's results of each part of its operand.
fn each(rewriter: &mut Rewriter<'_>, node: &Node, parts: &[ValueId]) -> Vec<ValueId> {
    let mut results = Vec::with_capacity(parts.len());
    let mut at = 0;
    for &part in parts {
        let count = channels(rewriter, part);
        let range = at..at + count;
        at += count;
        let mut shape = rewriter.graph.shape(node.output).to_vec();
        if let Some(last) = shape.last_mut() {
            *last = count;
        }
        let mut inputs = vec![part];
        let op = match &node.op {
            Op::Affine { axis, maps } => Op::Affine { axis: *axis, maps: Arc::new(maps[range].to_vec()) },
            op => op.clone(),
        };
        // The slope of a PReLU: of these channels, or of all.
        for &operand in &node.inputs[1..] {
            inputs.push(of_channels(rewriter, operand, at - count, count));
        }
        results.push(rewriter.emit(like(node, op, inputs, &shape)));
    }
    results
}

/// Some channels of a constant, which may be one number for all.
fn of_channels(rewriter: &mut Rewriter<'_>, constant: ValueId, start: usize, count: usize) -> ValueId {
    let own = channels(rewriter, constant);
    let Some(tensor) = rewriter.graph.constant(constant).filter(|_| own > 1) else { return constant };
    let mut shape = tensor.shape.clone();
    let values = tensor.to_f32().chunks(own).flat_map(|row| row[start..start + count].to_vec()).collect();
    if let Some(last) = shape.last_mut() {
        *last = count;
    }
    let name = rewriter.graph.value(constant).name.clone();
    rewriter.constant(&name, Tensor::f32(shape, values))
}

fn like<'a>(node: &Node, op: Op, inputs: Vec<ValueId>, shape: &'a [usize]) -> NewNode<'a> {
    NewNode { op, inputs, like: node.output, suffix: "part", shape, origin: None, parts: node.parts.clone() }
}
