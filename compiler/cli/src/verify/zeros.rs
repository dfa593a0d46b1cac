//! Signs of exactly zero.
//!
//! ONNX's `Sign` gives 0 for 0. Where one bit takes 0 for +1, as the report of the compiler says, the reference engine is
//! to do the same; all else is then compared as ever, and nothing needs an excuse.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

use tract_onnx::pb::{AttributeProto, ModelProto, NodeProto, TensorProto, tensor_proto};

use xnorc::diagnostics::{Code, Diagnostics};
use xnorc::ir::{Graph, Op, ValueId, Zero};

/// The values of a graph by the names they have in the file.
pub(super) fn by_name(graph: &Graph) -> HashMap<&str, ValueId> {
    let mut names: HashMap<&str, ValueId> = HashMap::new();
    for (value, id) in graph.values.iter().zip((0..).map(ValueId)) {
        names.insert(&value.name, id);
        if let Some(origin) = value.origin.as_ref().filter(|o| o.permutation.is_none() && o.between.is_none()) {
            names.entry(&origin.name).or_insert(id);
        }
    }
    names
}

/// The ONNX `Sign` that a value has its signs from: the name of what it gives. It is sought through what moves, scales or
/// selects signs without computing anything new, and the sum of a straight-through chain.
pub(super) fn sign_behind(graph: &Graph, name: &str) -> Option<String> {
    let producers = graph.producers();
    let mut queue = VecDeque::from([by_name(graph).get(name).copied()?]);
    let mut seen = HashSet::new();
    while let Some(id) = queue.pop_front() {
        // A binarisation is a handful of nodes; further away lies another layer.
        if !seen.insert(id) || seen.len() > 16 {
            continue;
        }
        let Some(node) = producers.get(&id).map(|&i| &graph.nodes[i]) else { continue };
        match &node.op {
            Op::Sign(_) => return Some(graph.value(node.output).name.clone()),
            Op::Unary(_)
            | Op::Binary(_)
            | Op::Where
            | Op::Cast(_)
            | Op::Reshape
            | Op::Transpose(_)
            | Op::Pad { .. }
            | Op::Affine { .. } => queue.extend(&node.inputs),
            // The maximum of signs is a sign.
            Op::MaxPool { .. } | Op::Concat { .. } => queue.extend(&node.inputs),
            _ => {}
        }
    }
    None
}

/// The `Sign`s that the compiler has warned of: one bit takes their zeros, which are no accidents, for +1.
pub(super) fn warned_of(graph: &Graph, warnings: &Diagnostics) -> Vec<String> {
    let warned = |name: &str| {
        let place = format!("node \"{name}\" (Sign)");
        warnings.0.iter().any(|w| w.code == Code::ZeroSigns && w.place.as_deref() == Some(&place))
    };
    let signs = graph.nodes.iter().filter(|node| matches!(node.op, Op::Sign(_)) && warned(&node.name));
    signs.map(|node| graph.value(node.output).name.clone()).collect()
}

/// Has the `Sign`s of a file that give these values take 0 for +1: `Sign(Sign(x) + 1/2)`.
pub(super) fn take_for_plus(model: &mut ModelProto, signs: &BTreeSet<String>) {
    let Some(graph) = &mut model.graph else { return };
    let mut nodes = Vec::new();
    for mut node in std::mem::take(&mut graph.node) {
        let Some(output) = node.output.first().filter(|o| node.op_type == "Sign" && signs.contains(*o)).cloned() else {
            nodes.push(node);
            continue;
        };
        let [sign, half, sum] = ["sign", "half", "sum"].map(|word| format!("{output}.xnorc.{word}"));
        node.output = vec![sign.clone()];
        let value = TensorProto {
            data_type: tensor_proto::DataType::Float as i32,
            raw_data: 0.5_f32.to_le_bytes().to_vec(),
            ..TensorProto::default()
        };
        let value = AttributeProto {
            name: "value".into(),
            t: Some(value),
            r#type: tract_onnx::pb::attribute_proto::AttributeType::Tensor as i32,
            ..AttributeProto::default()
        };
        let like = |op: &str, input: Vec<String>, output: &str| NodeProto {
            op_type: op.into(),
            name: format!("{output}.node"),
            input,
            output: vec![output.into()],
            ..NodeProto::default()
        };
        nodes.push(node);
        nodes.push(NodeProto { attribute: vec![value], ..like("Constant", Vec::new(), &half) });
        nodes.push(like("Add", vec![sign, half], &sum));
        nodes.push(like("Sign", vec![sum], &output));
    }
    graph.node = nodes;
}

/// The same in the graph as imported.
pub(super) fn take_for_plus_in_graph(graph: &mut Graph, signs: &BTreeSet<String>) {
    let outputs: HashSet<ValueId> =
        by_name(graph).iter().filter(|(n, _)| signs.contains(**n)).map(|(_, &id)| id).collect();
    for node in graph.nodes.iter_mut().filter(|node| outputs.contains(&node.output)) {
        if let Op::Sign(zero @ Zero::Zero) = &mut node.op {
            *zero = Zero::Plus;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xnorc::ir::{Binary, DType, Node, Unary};

    #[test]
    fn signs_that_are_warned_of_are_found_by_their_node() {
        let mut g = Graph::default();
        for (name, zero) in [("first", Zero::Zero), ("second", Zero::Zero)] {
            let output = g.add_value(format!("{name}.value"), [4], DType::F32);
            let op = Op::Sign(zero);
            g.nodes.push(Node { name: name.into(), op, inputs: Vec::new(), output, parts: Vec::new(), reason: None });
        }
        let warning =
            |code, name: &str| xnorc::diagnostics::Diagnostic::warning(code, format!("node \"{name}\" (Sign)"), "");
        let warnings = Diagnostics(vec![warning(Code::ZeroSigns, "second"), warning(Code::Unsupported, "first")]);
        assert_eq!(warned_of(&g, &warnings), ["second.value"]);
    }

    #[test]
    fn the_sign_behind_a_value_is_found() {
        let mut g = Graph::default();
        let mut node = |op, inputs: &[ValueId], name: &str| {
            let output = g.add_value(name, [4], DType::F32);
            let inputs = inputs.to_vec();
            g.nodes.push(Node { name: name.into(), op, inputs, output, parts: Vec::new(), reason: None });
            output
        };
        let x = node(Op::Unary(Unary::Tanh), &[], "x");
        let sign = node(Op::Sign(Zero::Zero), &[x], "sign");
        let clip = node(Op::Unary(Unary::Clip(-1.0, 1.0)), &[x], "clip");
        let minus = node(Op::Binary(Binary::Sub), &[sign, clip], "minus");
        node(Op::Binary(Binary::Add), &[minus, clip], "estimator");
        let find = |name| sign_behind(&g, name);
        assert_eq!((find("sign"), find("estimator")), (Some("sign".into()), Some("sign".into())));
        assert_eq!((find("x"), find("nothing")), (None, None));
    }
}
