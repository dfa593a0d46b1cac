//! Names of what a block stands for, in the field's words.

use crate::ir::{Node, Op, Part};

/// The ONNX name of an operator.
pub(super) fn operator(op: &Op) -> String {
    match op {
        Op::BinaryConv { .. } => "Conv".to_owned(),
        Op::BinaryMatMul { .. } => "MatMul".to_owned(),
        Op::Softmax { log: true, .. } => "LogSoftmax".to_owned(),
        Op::ScatterNd => "ScatterND".to_owned(),
        op => op.name(),
    }
}

/// What a node stands for.
pub(super) fn of(node: &Node) -> Vec<Part> {
    if node.parts.is_empty() { vec![operator(&node.op).as_str().into()] } else { node.parts.clone() }
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
