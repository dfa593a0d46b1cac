//! A plain executor for every level of the IR: the yardstick of every pass.

pub mod network;

use std::collections::HashMap;

use crate::ir::{DType, Graph, Tensor, ValueId};
pub use crate::ops::apply;

/// Runs a graph (level 1 or 2), giving every value computed on the way, inputs and constants included.
///
/// # Errors
/// The first node that cannot be applied, with the reason.
pub fn graph(graph: &Graph, inputs: &[Tensor]) -> Result<HashMap<ValueId, Tensor>, String> {
    if inputs.len() != graph.inputs.len() {
        return Err(format!("{} inputs given, {} wanted", inputs.len(), graph.inputs.len()));
    }
    let mut values: HashMap<ValueId, Tensor> = HashMap::with_capacity(graph.values.len());
    for (i, value) in graph.values.iter().enumerate() {
        if let Some(constant) = &value.constant {
            values.insert(ValueId(i as u32), Tensor::clone(constant));
        }
    }
    for (&id, tensor) in graph.inputs.iter().zip(inputs) {
        let value = graph.value(id);
        // Callers have floats for booleans.
        let tensor = match (value.dtype, tensor.as_f32()) {
            (DType::Bool, Some(v)) => &Tensor::bool(tensor.shape.clone(), v.iter().map(|&x| x != 0.0).collect()),
            _ => tensor,
        };
        if tensor.shape != value.shape || tensor.dtype() != value.dtype.held() {
            return Err(format!(
                "input {:?} is {:?} {:?}, not {:?} {:?}",
                value.name,
                value.dtype,
                value.shape,
                tensor.dtype(),
                tensor.shape
            ));
        }
        values.insert(id, tensor.clone());
    }
    for node in &graph.nodes {
        let place = |message: String| format!("node {:?}: {message}", node.name);
        let operands = node
            .inputs
            .iter()
            .map(|id| values.get(id).ok_or_else(|| place(format!("{:?} has no value yet", graph.value(*id).name))))
            .collect::<Result<Vec<_>, _>>()?;
        let result = apply(&node.op, &operands, graph.shape(node.output)).map_err(place)?;
        values.insert(node.output, result);
    }
    Ok(values)
}
