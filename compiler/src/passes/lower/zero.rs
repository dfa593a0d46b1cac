//! A sign that may be 0: one bit where it ends in bits, three values where it is a number.
//!
//! AFTER THIS: every [`Op::Sign`] has two values.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::exact::Affine;
use crate::ir::{Binary, DType, Graph, Node, Op, Origin, Part, ValueId, Zero};

/// Takes each 0 for +1 where bits are read, and nowhere else: as a number, `sign(x)` is half the sum of a sign that is
/// +1 at zero and one that is -1 there, each decided on the value that thresholds are compared with.
pub(super) fn settle(graph: &Graph) -> Graph {
    let mut result = graph.clone();
    let three = |node: &Node| node.op == Op::Sign(Zero::Zero) && graph.value(node.output).dtype == DType::F32;
    if !graph.nodes.iter().any(three) {
        return result;
    }
    let readers = bit_readers(graph);
    let mut users: HashMap<ValueId, (bool, bool)> = HashMap::new();
    for &output in &graph.outputs {
        users.entry(output).or_default().1 = true;
    }
    for (i, node) in graph.nodes.iter().enumerate() {
        for &input in &node.inputs {
            let (bits, numbers) = users.entry(input).or_default();
            *(if readers.contains(&i) { bits } else { numbers }) = true;
        }
    }
    let mut nodes = Vec::with_capacity(graph.nodes.len());
    let mut bits: HashMap<ValueId, ValueId> = HashMap::new();
    for (i, mut node) in std::mem::take(&mut result.nodes).into_iter().enumerate() {
        if readers.contains(&i) {
            node.inputs.iter_mut().for_each(|v| *v = bits.get(v).copied().unwrap_or(*v));
        }
        if !three(&node) {
            nodes.push(node);
            continue;
        }
        let (as_bits, as_number) = users.get(&node.output).copied().unwrap_or_default();
        if !as_number {
            nodes.push(Node { op: Op::Sign(Zero::Plus), ..node });
            continue;
        }
        let value = graph.value(node.output);
        let mut add = |suffix: &str, origin: Option<Origin>| {
            let id = result.add_value(format!("{}.{suffix}", value.name), value.shape.clone(), DType::F32);
            result.values[id.0 as usize].origin = origin;
            id
        };
        let named = |suffix: &str| format!("{}.{suffix}", node.name);
        let sign =
            |zero, output, suffix: &str| Node { name: named(suffix), op: Op::Sign(zero), output, ..node.clone() };
        if as_bits {
            let id = add("bits", value.origin.clone());
            bits.insert(node.output, id);
            nodes.push(sign(Zero::Plus, id, "bits"));
        }
        let Some(axis) = value.shape.len().checked_sub(1) else {
            nodes.push(node);
            continue;
        };
        let [plus, minus, sum] = ["plus", "minus", "sum"].map(|suffix| add(suffix, None));
        nodes.push(sign(Zero::Plus, plus, "plus"));
        nodes.push(sign(Zero::Minus, minus, "minus"));
        let (op, inputs) = (Op::Binary(Binary::Add), vec![plus, minus]);
        let (name, parts, reason) = (named("sum"), vec![Part::Planes], None);
        nodes.push(Node { name, op, inputs, output: sum, parts, reason });
        let maps = Arc::new(vec![Affine::linear(0.5, 0.0); value.shape[axis]]);
        nodes.push(Node { op: Op::Affine { axis, maps }, inputs: vec![sum], parts: Vec::new(), ..node });
    }
    result.nodes = nodes;
    result
}

/// Nodes that take their operand for bits: binary layers, and what only moves elements to those.
fn bit_readers(graph: &Graph) -> HashSet<usize> {
    // Values somebody takes for numbers.
    let mut numbers: HashSet<ValueId> = graph.outputs.iter().copied().collect();
    let mut readers = HashSet::new();
    for (i, node) in graph.nodes.iter().enumerate().rev() {
        let moves = match &node.op {
            Op::MaxPool { .. }
            | Op::Reshape
            | Op::Transpose(_)
            | Op::Slice { .. }
            | Op::Expand
            | Op::Gather { .. }
            | Op::Concat { .. } => true,
            Op::Pad { value, .. } => value.abs() == 1.0,
            _ => false,
        };
        if matches!(node.op, Op::BinaryConv { .. } | Op::BinaryMatMul { .. })
            || moves && !numbers.contains(&node.output)
        {
            readers.insert(i);
        } else {
            numbers.extend(&node.inputs);
        }
    }
    readers
}
