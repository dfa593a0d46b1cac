//! The model's outputs, under the names that the file gives them; and the values that are left.

use std::collections::{HashMap, HashSet};

use super::builder::Builder;
use super::inputs::note_narrow;
use super::proto::GraphProto;
use crate::ir::{DType, Graph, Node, Op, Origin, ValueId};
use crate::ops::element::{self, DataType};

/// Declares the outputs. Poisoned ones are left out: their problem is reported already.
pub(super) fn declare(graph: &GraphProto<'_>, builder: &mut Builder, values: &HashMap<&str, Option<ValueId>>) {
    for output in &graph.output {
        let Some(value) = values.get(output.name).copied().flatten() else { continue };
        let tensor = output.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
        if let Some(tensor) = tensor {
            note_narrow(tensor.elem_type, "output", output.name, builder);
        }
        let kind = tensor.and_then(|t| DataType::of(t.elem_type)).unwrap_or_else(|| builder.kind(value));
        let value = match element::face(kind) {
            Some(face) => as_integers(value, face, output.name, builder),
            None => value,
        };
        let value = own_value(value, output.name, builder);
        builder.graph.outputs.push(value);
    }
}

/// A value as the integers that the file calls it: from floats that hold them, or, where they are an index or an input, before
/// they became floats.
fn as_integers(value: ValueId, face: DType, name: &str, builder: &mut Builder) -> ValueId {
    let graph = &builder.graph;
    let held = graph.value(value);
    let shape = held.shape.clone();
    if held.dtype != DType::F32 {
        return value;
    }
    let producer = graph.nodes.iter().rev().find(|node| node.output == value);
    if let Some(&Node { op: Op::Cast(DType::F32), ref inputs, .. }) = producer
        && graph.value(inputs[0]).dtype == face
    {
        return inputs[0];
    }
    let (fresh, inner) = (builder.fresh_name(name), builder.fresh_name(&format!("{name}.held")));
    let graph = &mut builder.graph;
    if graph.value(value).name == name {
        graph.values[value.0 as usize].name = inner;
    }
    let integers = graph.add_value(fresh, shape, face);
    graph.nodes.push(Node {
        name: name.to_owned(),
        op: Op::Cast(face),
        inputs: vec![value],
        output: integers,
        parts: vec!["Cast".into()],
        reason: None,
    });
    integers
}

/// A value that bears the output's name: the value itself, renamed where no other output or input has it; a copy
/// otherwise. The copy of an input that is given back under its own name has another, as has an output that stands twice.
fn own_value(value: ValueId, name: &str, builder: &mut Builder) -> ValueId {
    let graph = &builder.graph;
    let held = graph.value(value);
    let is_shared = graph.inputs.contains(&value) || graph.outputs.contains(&value);
    if held.name == name && !is_shared {
        return value;
    }
    let origin = Some(Origin::new(name.to_owned(), held.shape.clone()));
    if is_shared || held.constant.is_some() {
        let (shape, dtype, constant) = (held.shape.clone(), held.dtype, held.constant.clone());
        let is_constant = constant.is_some();
        let is_taken = held.name == name || graph.outputs.iter().any(|&o| graph.value(o).name == name);
        let copy_name = if is_taken { builder.fresh_name(name) } else { name.to_owned() };
        let graph = &mut builder.graph;
        let copy = graph.add_value(copy_name, shape, dtype);
        let copied = &mut graph.values[copy.0 as usize];
        (copied.origin, copied.constant) = (origin, constant);
        if !is_constant {
            graph.nodes.push(Node {
                name: name.to_owned(),
                op: Op::Reshape,
                inputs: vec![value],
                output: copy,
                parts: vec!["Identity".into()],
                reason: None,
            });
        }
        return copy;
    }
    let graph = &mut builder.graph;
    let renamed = &mut graph.values[value.0 as usize];
    (renamed.name, renamed.origin) = (name.to_owned(), origin);
    value
}

/// Drops the values that nothing uses, so that folded-away weights do not stay in memory.
pub(super) fn compact(graph: &mut Graph) {
    let nodes = graph.nodes.iter().flat_map(|node| node.inputs.iter().chain([&node.output]));
    let used: HashSet<ValueId> = nodes.chain(&graph.inputs).chain(&graph.outputs).copied().collect();
    let mut moved: HashMap<ValueId, ValueId> = HashMap::with_capacity(used.len());
    let values = std::mem::take(&mut graph.values);
    for (i, value) in values.into_iter().enumerate() {
        let old = ValueId(i as u32);
        if used.contains(&old) {
            moved.insert(old, ValueId(graph.values.len() as u32));
            graph.values.push(value);
        }
    }
    let nodes = graph.nodes.iter_mut().flat_map(|node| node.inputs.iter_mut().chain([&mut node.output]));
    for id in nodes.chain(&mut graph.inputs).chain(&mut graph.outputs) {
        *id = moved[id];
    }
}
