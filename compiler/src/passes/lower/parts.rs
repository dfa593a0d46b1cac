//! Names of what a block stands for, in the field's words.

use crate::ir::{Node, Op, Part};

/// The ONNX name of an operator.
pub(super) fn operator(op: &Op) -> &'static str {
    match op {
        Op::Sign(_) => "Sign",
        Op::Unary(function) => function.name(),
        Op::Binary(function) => function.name(),
        Op::PRelu => "PRelu",
        Op::Where => "Where",
        Op::Cast(_) => "Cast",
        Op::Conv { .. } | Op::BinaryConv { .. } => "Conv",
        Op::BinaryMatMul { .. } | Op::MatMul => "MatMul",
        Op::Affine { .. } => "Affine",
        Op::MaxPool { .. } => "MaxPool",
        Op::AveragePool { .. } => "AveragePool",
        Op::Reduce { .. } => "Reduce",
        Op::Reshape => "Reshape",
        Op::Transpose(_) => "Transpose",
        Op::Concat { .. } => "Concat",
        Op::Slice { .. } => "Slice",
        Op::Pad { .. } => "Pad",
        Op::Expand => "Expand",
        Op::Gather { .. } => "Gather",
        Op::ScatterNd => "ScatterND",
        Op::Softmax { log: false, .. } => "Softmax",
        Op::Softmax { log: true, .. } => "LogSoftmax",
        Op::ArgMax { .. } => "ArgMax",
    }
}

/// What a node stands for.
pub(super) fn of(node: &Node) -> Vec<Part> {
    if node.parts.is_empty() { vec![operator(&node.op).into()] } else { node.parts.clone() }
}

/// An affine map: the operators it was in the file, in the field's words, each once.
pub(super) fn affine(node: &Node, scaled: bool, shifted: bool) -> Vec<Part> {
    let mut words: Vec<Part> = Vec::new();
    for part in &node.parts {
        let word = match part {
            Part::Mul | Part::Div | Part::Neg => Part::Scale,
            Part::Add | Part::Sub => Part::Shift,
            other => other.clone(),
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    if words.is_empty() {
        words.extend(scaled.then_some(Part::Scale));
        words.extend(shifted.then_some(Part::Shift));
    }
    words
}
