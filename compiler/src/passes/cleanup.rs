//! What says nothing goes: no-op nodes, chains that are one node, duplicates, dead code.

use std::collections::{HashMap, HashSet};
use std::mem::{Discriminant, discriminant};

use crate::ir::{Data, Graph, Node, Op, ValueId};
use crate::passes::rewrite::{Rewriter, compose, is_identity, moves_nothing, walk_to_fixpoint};
use crate::printable::printable;

/// The pass.
pub fn run(graph: &mut Graph) {
    share_constants(graph);
    loop {
        walk_to_fixpoint(graph, simplify);
        let before = graph.nodes.len();
        share_nodes(graph);
        if graph.nodes.len() == before {
            break;
        }
    }
    restore_names(graph);
}

/// A value that stands for one of the file, whose own value is gone, takes its name: `conv1.channels_last` is `conv1`.
fn restore_names(graph: &mut Graph) {
    let live =
        graph.inputs.iter().copied().chain(graph.nodes.iter().flat_map(|n| n.inputs.iter().copied().chain([n.output])));
    let mut names: HashSet<String> = live.map(|v| graph.value(v).name.clone()).collect();
    for i in 0..graph.nodes.len() {
        let v = graph.nodes[i].output;
        let Some(origin) = graph.value(v).origin.as_ref().filter(|o| o.between.is_none()).map(|o| printable(&o.name))
        else {
            continue;
        };
        // An output has its public name already.
        if !graph.outputs.contains(&v) && names.insert(origin.clone()) {
            graph.values[v.0 as usize].name = origin;
        }
    }
}

fn simplify(rewriter: &mut Rewriter<'_>, mut node: Node) {
    let shape = rewriter.graph.shape(node.output).to_vec();
    let same_shape = |rewriter: &Rewriter<'_>, v: ValueId| rewriter.graph.shape(v) == shape;
    let Some(&x) = node.inputs.first() else { return rewriter.keep(node) };
    let producer = rewriter.producer(x).map(|p| (p.op.clone(), p.inputs.clone()));
    match (&node.op, producer) {
        (Op::Reshape | Op::Expand, _) if same_shape(rewriter, x) => rewriter.replace(node, x),
        (Op::Reshape, Some((Op::Reshape, inputs))) => rewriter.change(Node { inputs, ..node }),
        (Op::Transpose(perm), _) if is_identity(perm) => rewriter.replace(node, x),
        (Op::Transpose(perm), _) if moves_nothing(rewriter.graph.shape(x), perm) => {
            rewriter.change(Node { op: Op::Reshape, ..node });
        }
        (Op::Transpose(perm), Some((Op::Transpose(first), inputs))) => {
            let op = Op::Transpose(compose(&first, perm));
            rewriter.change(Node { op, inputs, ..node });
        }
        (Op::Slice { starts, steps }, _) if whole(starts, steps) && same_shape(rewriter, x) => {
            rewriter.replace(node, x)
        }
        (Op::Slice { starts, steps }, Some((Op::Slice { starts: first, steps: strides }, inputs))) => {
            // Element i of the result is element start + i * step of the inner slice.
            let position = |i: usize| usize::try_from(first[i] as isize + starts[i] as isize * strides[i]).ok();
            let Some(starts) = (0..starts.len()).map(position).collect() else { return rewriter.keep(node) };
            let steps = std::iter::zip(steps, &strides).map(|(a, b)| a * b).collect();
            rewriter.change(Node { op: Op::Slice { starts, steps }, inputs, ..node });
        }
        (Op::Concat { .. }, _) if node.inputs.len() == 1 => rewriter.replace(node, x),
        (Op::Concat { axis }, _) => match rejoined(rewriter, &node, *axis) {
            Some(source) if same_shape(rewriter, source) => rewriter.replace(node, source),
            _ => rewriter.keep(node),
        },
        (Op::Pad { before, after, .. }, _) if before.iter().chain(after).all(|&n| n == 0) => rewriter.replace(node, x),
        (Op::Cast(dtype), _) if rewriter.graph.value(x).dtype == *dtype => rewriter.replace(node, x),
        (Op::Affine { maps, .. }, _) if maps.iter().all(crate::exact::Affine::is_identity) => rewriter.replace(node, x),
        _ => {
            node.inputs.shrink_to_fit();
            rewriter.keep(node);
        }
    }
}

fn whole(starts: &[usize], steps: &[isize]) -> bool {
    starts.iter().all(|&s| s == 0) && steps.iter().all(|&s| s == 1)
}

/// The value of which a Concat joins adjacent slices.
fn rejoined(rewriter: &Rewriter<'_>, node: &Node, axis: usize) -> Option<ValueId> {
    let mut source = None;
    let mut next = 0;
    for &v in &node.inputs {
        let slice = rewriter.producer(v)?;
        let Op::Slice { starts, steps } = &slice.op else { return None };
        let elsewhere = (0..starts.len()).all(|i| i == axis || starts[i] == 0);
        let adjacent = starts[axis] == next && elsewhere && steps.iter().all(|&s| s == 1);
        if !adjacent || *source.get_or_insert(slice.inputs[0]) != slice.inputs[0] {
            return None;
        }
        next += rewriter.graph.shape(v)[axis];
    }
    source
}

/// Equal small constants become one value, so that nodes on them compare equal.
fn share_constants(graph: &mut Graph) {
    // Weights are never shared in practice, and hashing them would cost more than it finds.
    const SMALL: usize = 4096;
    let mut first: HashMap<(Vec<usize>, Vec<u64>, u8), ValueId> = HashMap::new();
    let mut shared: HashMap<ValueId, ValueId> = HashMap::new();
    for i in 0..graph.nodes.len() {
        for j in 0..graph.nodes[i].inputs.len() {
            let v = graph.nodes[i].inputs[j];
            let same = match shared.get(&v) {
                Some(&same) => same,
                None => {
                    let Some(tensor) = graph.constant(v).filter(|t| t.len() <= SMALL) else { continue };
                    let (bits, dtype) = match &tensor.data {
                        Data::F32(v) => (v.iter().map(|x| u64::from(x.to_bits())).collect(), 0),
                        Data::I64(v) => (v.iter().map(|&x| x as u64).collect(), 1),
                        Data::Bool(v) => (v.iter().map(|&x| u64::from(x)).collect(), 2),
                    };
                    let same = *first.entry((tensor.shape.clone(), bits, dtype)).or_insert(v);
                    shared.insert(v, same);
                    same
                }
            };
            graph.nodes[i].inputs[j] = same;
        }
    }
}

/// Nodes that compute the same become one; the first one's name stays.
fn share_nodes(graph: &mut Graph) {
    type Key = (Discriminant<Op>, Vec<ValueId>);
    let mut seen: HashMap<Key, Vec<(Op, ValueId)>> = HashMap::new();
    crate::passes::rewrite::walk(graph, |rewriter, node| {
        let key = (discriminant(&node.op), node.inputs.clone());
        let shape = rewriter.graph.shape(node.output);
        let candidates = seen.entry(key).or_default();
        let twin =
            candidates.iter().find(|(op, v)| *op == node.op && rewriter.graph.shape(*v) == shape).map(|&(_, v)| v);
        match twin {
            Some(v) => rewriter.replace(node, v),
            None => {
                candidates.push((node.op.clone(), node.output));
                rewriter.keep(node);
            }
        }
    });
}
