//! How many operands an operator takes at most: one that is given more means something else than what would be compiled.

use Most::{All, Up};

/// The most operands.
#[derive(Clone, Copy)]
enum Most {
    /// This many, whatever the opset.
    Up(usize),
    /// Any number.
    All,
}

/// Operators by the operands they take, whatever the opset.
const FIXED: &[(Most, &[&str])] = &[
    (Up(0), &["Constant"]),
    (
        Up(1),
        &[
            "Abs",
            "ArgMax",
            "ArgMin",
            "AveragePool",
            "Cast",
            "Ceil",
            "ConstantOfShape",
            "DepthToSpace",
            "Elu",
            "Erf",
            "Exp",
            "Flatten",
            "Floor",
            "Gelu",
            "GlobalAveragePool",
            "GlobalMaxPool",
            "HardSigmoid",
            "HardSwish",
            "Identity",
            "LeakyRelu",
            "Log",
            "LogSoftmax",
            "MaxPool",
            "Mish",
            "Neg",
            "Not",
            "Reciprocal",
            "Relu",
            "Round",
            "Selu",
            "Shape",
            "Sigmoid",
            "Sign",
            "Size",
            "Softmax",
            "Softplus",
            "Softsign",
            "SpaceToDepth",
            "Sqrt",
            "Tanh",
            "Transpose",
        ],
    ),
    (
        Up(2),
        &[
            "Add",
            "And",
            "CastLike",
            "Div",
            "Equal",
            "Expand",
            "Gather",
            "Greater",
            "GreaterOrEqual",
            "Less",
            "LessOrEqual",
            "MatMul",
            "Mod",
            "Mul",
            "Or",
            "PRelu",
            "Pow",
            "Reshape",
            "Sub",
            "Tile",
            "Xor",
        ],
    ),
    (Up(3), &["Conv", "Gemm", "LayerNormalization", "Range", "ScatterND", "Where"]),
    (Up(5), &["BatchNormalization"]),
    (All, &["Concat", "Max", "Mean", "Min", "Sum"]),
];

/// First opset, and the most operands from there on.
type Versions = &'static [(i64, usize)];

/// Operators that take more since some opset, because an attribute became an operand: opset and operands, oldest first.
const GROWN: &[(Versions, &[&str])] = &[
    (&[(1, 1), (10, 2)], &["TopK"]),
    (&[(1, 1), (10, 5)], &["Slice"]),
    (&[(1, 1), (11, 3)], &["Clip"]),
    (&[(1, 1), (11, 3), (18, 4)], &["Pad"]),
    (&[(1, 1), (12, 3)], &["Dropout"]),
    (&[(1, 1), (13, 2)], &["ReduceSum", "Split", "Squeeze", "Unsqueeze"]),
    (
        &[(1, 1), (18, 2)],
        &["ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSumSquare"],
    ),
];

/// The most operands of one of ONNX's own operators; `None` for those without a limit or a row.
pub(crate) fn most_operands(name: &str, opset: i64) -> Option<usize> {
    if let Some((most, _)) = FIXED.iter().find(|(_, names)| names.contains(&name)) {
        return match most {
            Up(most) => Some(*most),
            All => None,
        };
    }
    let (versions, _) = GROWN.iter().find(|(_, names)| names.contains(&name))?;
    versions.iter().rev().find(|(since, _)| *since <= opset).map(|&(_, most)| most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_has_a_row_and_only_one() {
        let fixed = FIXED.iter().flat_map(|(_, names)| names.iter());
        let mut rows: Vec<&str> = fixed.chain(GROWN.iter().flat_map(|(_, names)| names.iter())).copied().collect();
        rows.sort_unstable();
        let known: Vec<&str> = crate::ops::onnx_operators().into_iter().map(|(name, _)| name).collect();
        let missing: Vec<_> = known.iter().filter(|name| !name.is_empty() && !rows.contains(name)).collect();
        assert!(missing.is_empty(), "rows of {missing:?} are missing in ops/arity.rs");
        let count = rows.len();
        rows.dedup();
        assert_eq!(rows.len(), count);
    }

    #[test]
    fn by_opset() {
        let cases = [("Relu", 7, 1), ("Clip", 7, 1), ("Clip", 11, 3), ("Pad", 17, 3), ("Pad", i64::MAX, 4)];
        for (name, opset, most) in cases {
            assert_eq!(most_operands(name, opset), Some(most), "{name} {opset}");
        }
        assert_eq!(most_operands("Concat", 13), None);
    }
}
