//! Names of what a block stands for, in the field's words.

use crate::ir::{Binary, Node, Op, Unary};

/// The ONNX name of an operator.
pub(super) fn operator(op: &Op) -> &'static str {
    match op {
        Op::Sign(_) => "Sign",
        Op::Unary(function) => unary(*function),
        Op::Binary(function) => binary(*function),
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
pub(super) fn of(node: &Node) -> Vec<String> {
    if node.parts.is_empty() { vec![operator(&node.op).to_owned()] } else { node.parts.clone() }
}

/// The ONNX name of a function of one argument.
pub(super) fn unary(function: Unary) -> &'static str {
    match function {
        Unary::Relu => "Relu",
        Unary::LeakyRelu(_) => "LeakyRelu",
        Unary::Clip(..) => "Clip",
        Unary::Sigmoid => "Sigmoid",
        Unary::HardSigmoid(..) => "HardSigmoid",
        Unary::HardSwish => "HardSwish",
        Unary::Tanh => "Tanh",
        Unary::Elu(_) => "Elu",
        Unary::Softplus => "Softplus",
        Unary::Erf => "Erf",
        Unary::Neg => "Neg",
        Unary::Abs => "Abs",
        Unary::Exp => "Exp",
        Unary::Log => "Log",
        Unary::Sqrt => "Sqrt",
        Unary::Reciprocal => "Reciprocal",
        Unary::Round => "Round",
        Unary::Floor => "Floor",
        Unary::Ceil => "Ceil",
        Unary::Not => "Not",
    }
}

/// The ONNX name of a function of two arguments.
pub(super) fn binary(function: Binary) -> &'static str {
    match function {
        Binary::Add => "Add",
        Binary::Sub => "Sub",
        Binary::Mul => "Mul",
        Binary::Div => "Div",
        Binary::Pow => "Pow",
        Binary::Min => "Min",
        Binary::Max => "Max",
        Binary::Mod => "Mod",
        Binary::Equal => "Equal",
        Binary::Less => "Less",
        Binary::LessOrEqual => "LessOrEqual",
        Binary::Greater => "Greater",
        Binary::GreaterOrEqual => "GreaterOrEqual",
        Binary::And => "And",
        Binary::Or => "Or",
        Binary::Xor => "Xor",
    }
}

/// An affine map: the operators it was in the file, in the field's words, each once.
pub(super) fn affine(node: &Node, scaled: bool, shifted: bool) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for part in &node.parts {
        let word = match part.as_str() {
            "Mul" | "Div" | "Neg" => "scale",
            "Add" | "Sub" => "shift",
            other => other,
        };
        if !words.iter().any(|w| w == word) {
            words.push(word.to_owned());
        }
    }
    if words.is_empty() {
        words.extend(scaled.then(|| "scale".to_owned()));
        words.extend(shifted.then(|| "shift".to_owned()));
    }
    words
}
