//! (being written) A plain executor for every level of the IR: the yardstick of every pass.

use std::collections::HashMap;

use crate::block::{Network, TensorId};
use crate::ir::{Graph, Op, Tensor, ValueId};

/// Applies one operator to its operands. Also the constant evaluator of import.
///
/// # Errors
/// A sentence saying why the operator cannot be applied to these operands.
pub fn apply(_op: &Op, _inputs: &[&Tensor], _output_shape: &[usize]) -> Result<Tensor, String> {
    Err(String::new())
}

/// Runs a graph (level 1 or 2), giving every value computed on the way.
///
/// # Errors
/// The first node that cannot be applied.
pub fn graph(_graph: &Graph, _inputs: &[Tensor]) -> Result<HashMap<ValueId, Tensor>, String> {
    Err(String::new())
}

/// Runs a network (level 3), giving every tensor computed on the way; bits as -1.0 and +1.0 floats of the logical shape.
///
/// # Errors
/// The first block that cannot be run.
pub fn network(_network: &Network, _inputs: &[Tensor]) -> Result<HashMap<TensorId, Tensor>, String> {
    Err(String::new())
}
