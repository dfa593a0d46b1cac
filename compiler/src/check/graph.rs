//! The rules of a graph.

use std::collections::{HashMap, HashSet};

use super::Faults;
use crate::diagnostics::Diagnostics;
use crate::ir::{Data, Graph, Node, Tensor, Value, ValueId};
use crate::ops;

/// What a pass promises of every node from then on: what is wrong with one, or nothing.
pub type Promise = fn(&Before<'_>, &Node) -> Option<String>;

/// A graph as far as the nodes before one.
pub struct Before<'g> {
    /// All of it.
    pub graph: &'g Graph,
    /// The nodes so far, by what they compute.
    producers: HashMap<ValueId, &'g Node>,
}

impl<'g> Before<'g> {
    /// The node that computes a value.
    pub fn producer(&self, id: ValueId) -> Option<&'g Node> {
        self.producers.get(&id).copied()
    }
}

/// Checks a graph; `when` says what it comes from (`after cleanup`).
///
/// 1. Handles are those of values that exist, and every value that is used has a name of its own.
/// 2. Static single assignment: a value is an input, a constant, or the result of one node, which stands before all that use it;
///    outputs are such values.
/// 3. A constant's elements fill its shape and have its type.
/// 4. The shape and type of a result are what the operator's rule ([`ops::infer`]) says of the operands.
/// 5. An origin has as many elements as its value; a permutation permutes the one shape to the other.
/// 6. The promises of the passes so far.
///
/// # Errors
/// All that does not hold.
pub fn graph(graph: &Graph, when: &str, promises: &[Promise]) -> Result<(), Diagnostics> {
    let mut faults = Faults::new(when);
    let place = |node: &Node| format!("node \"{}\" ({})", node.name, node.op.name());
    let exists = |id: &ValueId| (id.0 as usize) < graph.values.len();
    let named = graph.nodes.iter().flat_map(|n| n.inputs.iter().chain([&n.output]));
    if let Some(id) = named.chain(&graph.inputs).chain(&graph.outputs).find(|id| !exists(id)) {
        // Nothing else can be asked.
        faults.add(None, format!("there is no value number {}", id.0));
        return faults.result();
    }
    let mut known: HashSet<ValueId> = HashSet::new();
    let mut names: HashSet<&str> = HashSet::new();
    for &id in &graph.inputs {
        let value = graph.value(id);
        let place = format!("input \"{}\"", value.name);
        if value.constant.is_some() {
            faults.add(place.clone(), "it is a constant");
        }
        if !known.insert(id) || !names.insert(&value.name) {
            faults.add(place, "it is there twice");
        }
    }
    let mut constants: HashSet<ValueId> = HashSet::new();
    let mut before = Before { graph, producers: HashMap::with_capacity(graph.nodes.len()) };
    for node in &graph.nodes {
        for &id in &node.inputs {
            let value = graph.value(id);
            match &value.constant {
                Some(tensor) if constants.insert(id) => {
                    if let Some(what) = constant(value, tensor) {
                        faults.add(place(node), what);
                    }
                }
                None if !known.contains(&id) => {
                    faults.add(place(node), format!("its operand \"{}\" is computed after it, or nowhere", value.name));
                }
                _ => {}
            }
        }
        let value = graph.value(node.output);
        if value.constant.is_some() {
            faults.add(place(node), format!("its result \"{}\" is a constant", value.name));
        }
        if !known.insert(node.output) {
            faults.add(place(node), format!("its result \"{}\" is computed twice", value.name));
        } else if !names.insert(&value.name) {
            faults.add(place(node), format!("two values are called \"{}\"", value.name));
        }
        let promised = promises.iter().filter_map(|promise| promise(&before, node));
        for what in result(graph, node).into_iter().chain(origin(value)).chain(promised) {
            faults.add(place(node), what);
        }
        before.producers.insert(node.output, node);
    }
    for &id in &graph.outputs {
        let value = graph.value(id);
        if value.constant.is_none() && !known.contains(&id) {
            faults.add(format!("output \"{}\"", value.name), "nothing computes it");
        }
    }
    faults.result()
}

fn constant(value: &Value, tensor: &Tensor) -> Option<String> {
    let held = match &tensor.data {
        Data::F32(v) => v.len(),
        Data::I64(v) => v.len(),
        Data::Bool(v) => v.len(),
    };
    let fits = (&tensor.shape, tensor.dtype()) == (&value.shape, value.dtype) && held == tensor.len();
    (!fits).then(|| {
        format!(
            "the constant \"{}\" is {:?} {:?} and holds {held} of {:?} {:?}",
            value.name,
            value.dtype,
            value.shape,
            tensor.dtype(),
            tensor.shape
        )
    })
}

fn result(graph: &Graph, node: &Node) -> Option<String> {
    let operands: Vec<&Value> = node.inputs.iter().map(|&id| graph.value(id)).collect();
    let value = graph.value(node.output);
    match ops::infer(&node.op, &operands, Some(&value.shape)) {
        Ok((shape, dtype)) if (&shape, dtype) == (&value.shape, value.dtype) => None,
        Ok((shape, dtype)) => Some(format!(
            "its result \"{}\" is {:?} {:?}, where {dtype:?} {shape:?} follows from its operands",
            value.name, value.dtype, value.shape
        )),
        Err(diagnostic) => Some(diagnostic.message),
    }
}

fn origin(value: &Value) -> Option<String> {
    let origin = value.origin.as_ref()?;
    let count = |shape: &[usize]| shape.iter().product::<usize>();
    let fits = match &origin.permutation {
        None => count(&origin.shape) == count(&value.shape),
        Some(permutation) => {
            let mut axes = permutation.clone();
            axes.sort_unstable();
            axes.iter().copied().eq(0..origin.shape.len())
                && permutation.iter().map(|&axis| origin.shape[axis]).eq(value.shape.iter().copied())
        }
    };
    (!fits).then(|| {
        format!(
            "its result \"{}\" {:?} cannot be \"{}\" {:?} of the file, permuted by {:?}",
            value.name, value.shape, origin.name, origin.shape, origin.permutation
        )
    })
}
