//! Constants that are no numbers.
//!
//! NaN is refused wherever it stands in the file: what is computed from it is NaN or, behind a comparison or a sign, an
//! accident. An infinity is refused where the arithmetic needs a number (weights, biases, scales, slopes), and kept where
//! it has a meaning: a branch of Where, an operand of Min and Max, a bound of Clip, a divisor, one side of a comparison;
//! and where it is added, padded with or moved on the way to what takes it in (a softmax's mask, a max-pool's padding).

use std::collections::HashMap;

use crate::diagnostics::Outcome;
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::ir::{Binary, DType, Data, Graph, Node, Op, Reduction, Tensor, Unary, ValueId};

const HELP: &str = "such a number is left behind by a training that diverged: the file is of no use as it is";

fn problem(what: &str, index: &str, number: f32) -> Diagnostic {
    let message =
        if index == "[]" { format!("{what} is {number}") } else { format!("{what} holds {number} at {index}") };
    Diagnostic::error(Code::BadInitializer, None, message).help(HELP)
}

/// Where an element stands: `[0,3]`.
fn index(tensor: &Tensor, mut position: usize) -> String {
    let mut index: Vec<String> = Vec::new();
    for &extent in tensor.shape.iter().rev() {
        index.push((position % extent.max(1)).to_string());
        position /= extent.max(1);
    }
    index.reverse();
    format!("[{}]", index.join(","))
}

/// The first element that is such a number.
fn first(tensor: &Tensor, is: impl Fn(f32) -> bool) -> Option<(String, f32)> {
    let Data::F32(elements) = &tensor.data else { return None };
    let position = elements.iter().position(|&x| is(x))?;
    Some((index(tensor, position), elements[position]))
}

/// Refuses a constant of the file that holds NaN.
pub(super) fn check(tensor: &Tensor) -> Outcome<()> {
    match first(tensor, f32::is_nan) {
        Some((index, number)) => Err(problem("it", &index, number)),
        None => Ok(()),
    }
}

/// Refuses to evaluate an operator on a constant with infinities that its result would not show.
pub(super) fn check_folded(op: &Op, operands: &[&Tensor]) -> Outcome<()> {
    let shows = match op {
        Op::Sign(_) | Op::Conv { .. } | Op::MatMul | Op::Cast(DType::I64) => false,
        Op::Unary(Unary::Sqrt | Unary::Reciprocal) => false,
        // Those that level off; a Clip is there to cut.
        Op::Unary(Unary::Tanh | Unary::Sigmoid | Unary::HardSigmoid(..) | Unary::Erf | Unary::Quantize(_)) => false,
        Op::Reduce { kind, .. } => matches!(kind, Reduction::Max | Reduction::Min),
        _ => true,
    };
    let hidden = (!shows).then(|| operands.iter().find_map(|t| first(t, f32::is_infinite))).flatten();
    match hidden {
        Some((index, number)) => Err(problem("a constant operand", &index, number)),
        None => Ok(()),
    }
}

/// Refuses what is left in a finished graph: NaN that came of evaluating constants, and infinities where numbers are needed.
pub(super) fn check_graph(graph: &Graph, diagnostics: &mut Diagnostics) {
    let mut accepts: HashMap<ValueId, bool> = HashMap::new();
    let mut problems = Vec::new();
    for node in graph.nodes.iter().rev() {
        // Of a value that nothing uses it does not matter; a result of the network is not something that takes it in.
        let behind = accepts.get(&node.output).copied().unwrap_or(false) && !graph.outputs.contains(&node.output);
        for (i, &v) in node.inputs.iter().enumerate() {
            let accepted = takes(&node.op, i, behind);
            let place = || format!("node {:?} ({})", node.name, onnx_name(node));
            if let Some(tensor) = graph.constant(v) {
                let what = format!("its operand {:?}", graph.value(v).name);
                if let Some((index, number)) = first(tensor, |x| x.is_nan() || !accepted && x.is_infinite()) {
                    problems.push(super::at(place())(problem(&what, &index, number)));
                }
            }
            accepts.entry(v).and_modify(|all| *all &= accepted).or_insert(accepted);
        }
        for (what, number) in parameters(&node.op) {
            let needs_number = !matches!((&node.op, what), (Op::Pad { .. }, _) if behind);
            if number.is_nan() || needs_number && number.is_infinite() {
                let message = format!("its {what} is {number}");
                let place = format!("node {:?} ({})", node.name, onnx_name(node));
                problems.push(Diagnostic::error(Code::BadInitializer, place, message).help(HELP));
            }
        }
    }
    problems.reverse();
    diagnostics.0.extend(problems);
}

fn onnx_name(node: &Node) -> String {
    node.parts.last().map_or_else(|| node.op.name(), ToString::to_string)
}

/// Whether an infinite operand has a meaning, given whether an infinite result has one.
fn takes(op: &Op, operand: usize, behind: bool) -> bool {
    match op {
        Op::Where => true,
        Op::Binary(Binary::Min | Binary::Max) => true,
        Op::Binary(function) if function.row().truth => true,
        Op::Binary(Binary::Div) => operand == 1,
        Op::Unary(Unary::Clip(..)) => true,
        Op::Softmax { .. } | Op::MaxPool { .. } | Op::ArgMax { .. } => true,
        Op::Reduce { kind: Reduction::Max | Reduction::Min, .. } => true,
        Op::Binary(Binary::Add | Binary::Sub) | Op::Pad { .. } | Op::Concat { .. } | Op::Reshape | Op::Expand => behind,
        Op::Transpose(_) | Op::Slice { .. } | Op::Gather { .. } | Op::ScatterNd => behind,
        _ => false,
    }
}

/// The numbers that an operator holds itself. The bounds of a Clip may be infinite, and are looked at where it is made.
fn parameters(op: &Op) -> Vec<(&'static str, f32)> {
    match op {
        Op::Unary(Unary::Clip(..)) => Vec::new(),
        Op::Unary(function) => {
            let names = function.parameter_names().iter().copied();
            names.zip(function.parameters()).collect()
        }
        Op::Pad { value, .. } => vec![("padding", *value)],
        _ => Vec::new(),
    }
}
