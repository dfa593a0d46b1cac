//! What is no number.
//!
//! [`xnorc::ops`] states one rule for NaN, which is that of ONNX and onnxruntime; tract's `Relu` and `Max` drop it. So what
//! an engine makes of an operand that is NaN is no reference: there the interpreter's result decides, on the same inputs.
//! Wherever one of the two has NaN, the reference is what the interpreter has; all else is left as the engine has it.

use std::collections::{HashMap, HashSet};

use super::oracle::Reference;
use xnorc::interpret;
use xnorc::ir::{Data, Graph, Tensor, ValueId};

/// Sets what an engine made of NaN to what the interpreter makes of it. A NaN that only the interpreter has counts where it
/// comes from one that the inputs, the file's constants or the engine's values hold, too: a mistake of the import must not
/// be its own reference.
pub(super) fn settle(graph: &Graph, inputs: &[Tensor], reference: &mut Reference) -> Result<(), String> {
    let constants = graph.values.iter().filter_map(|v| v.constant.as_deref());
    let engine = reference.outputs.iter().chain(reference.values.values());
    if !inputs.iter().chain(constants).chain(engine).any(has_nan) {
        return Ok(());
    }
    let values = interpret::graph(graph, inputs)?;
    let (behind, engine) = behind(graph, &values, reference);
    for (id, name) in engine {
        let Some(value) = values.get(&id).filter(|_| behind.contains(&id)) else { continue };
        let theirs = match name {
            Name::Value(name) => reference.values.get_mut(&name),
            Name::Output(index) => reference.outputs.get_mut(index),
        };
        theirs.into_iter().for_each(|theirs| take(theirs, value));
    }
    Ok(())
}

/// How the engine calls a value.
enum Name {
    Value(String),
    Output(usize),
}

/// The values computed from an operand that holds NaN, and the engine's names of all values.
fn behind(
    graph: &Graph,
    values: &HashMap<ValueId, Tensor>,
    reference: &Reference,
) -> (HashSet<ValueId>, Vec<(ValueId, Name)>) {
    let ids = || graph.values.iter().zip((0..).map(ValueId));
    let mut names: Vec<(ValueId, Name)> = Vec::new();
    for (value, id) in ids() {
        let origin = value.origin.as_ref().filter(|o| o.permutation.is_none() && o.between.is_none()).map(|o| &o.name);
        let mut own: Vec<&String> = [Some(&value.name), origin].into_iter().flatten().collect();
        own.dedup();
        names.extend(
            own.into_iter().filter(|n| reference.values.contains_key(*n)).map(|n| (id, Name::Value(n.clone()))),
        );
    }
    names.extend(graph.outputs.iter().enumerate().map(|(index, &id)| (id, Name::Output(index))));
    let nan = |id: &ValueId| values.get(id).is_some_and(has_nan);
    let given = ids().filter(|(v, id)| v.constant.is_some() || graph.inputs.contains(id)).map(|(_, id)| id);
    let mut holds: HashSet<ValueId> = given.filter(nan).collect();
    for (id, name) in &names {
        let theirs = match name {
            Name::Value(name) => reference.values.get(name),
            Name::Output(index) => reference.outputs.get(*index),
        };
        if theirs.is_some_and(has_nan) && nan(id) {
            holds.insert(*id);
        }
    }
    let mut behind = HashSet::new();
    for node in &graph.nodes {
        if node.inputs.iter().any(|id| holds.contains(id)) {
            behind.insert(node.output);
            if nan(&node.output) {
                holds.insert(node.output);
            }
        }
    }
    (behind, names)
}

/// Elements that are NaN on one side are those of `value`.
fn take(theirs: &mut Tensor, value: &Tensor) {
    let (Data::F32(theirs), Data::F32(value)) = (&mut theirs.data, &value.data) else { return };
    if theirs.len() == value.len() {
        let either = theirs.iter_mut().zip(value).filter(|(a, b)| a.is_nan() != b.is_nan());
        either.for_each(|(a, &b)| *a = b);
    }
}

fn has_nan(tensor: &Tensor) -> bool {
    tensor.as_f32().is_some_and(|values| values.iter().any(|v| v.is_nan()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use xnorc::ir::{DType, Node, Op, Unary};

    /// y = relu(x), z = relu(y); what an engine says they are, settled.
    fn settled(x: [f32; 3], y: [f32; 3], z: [f32; 3]) -> ([Vec<f32>; 2], Graph) {
        let mut graph = Graph::default();
        let [a, b, c] = ["x", "y", "z"].map(|name| graph.add_value(name, [3], DType::F32));
        (graph.inputs, graph.outputs) = (vec![a], vec![c]);
        for (input, output) in [(a, b), (b, c)] {
            graph.nodes.push(Node {
                name: "relu".into(),
                op: Op::Unary(Unary::Relu),
                inputs: vec![input],
                output,
                parts: Vec::new(),
                reason: None,
            });
        }
        let tensor = |v: [f32; 3]| Tensor::f32([3], v.to_vec());
        let values = HashMap::from([("y".to_owned(), tensor(y))]);
        let mut reference = Reference { outputs: vec![tensor(z)], values };
        settle(&graph, &[tensor(x)], &mut reference).unwrap();
        ([reference.values["y"].to_f32(), reference.outputs[0].to_f32()], graph)
    }

    #[test]
    fn what_an_engine_makes_of_nan_is_no_reference() {
        let nan = f32::NAN;
        let text = |(values, _): ([Vec<f32>; 2], Graph)| format!("{values:?}");
        // Dropped by the engine: it is expected all the same, and behind it. Other elements are the engine's.
        let dropped = settled([nan, 1.0, -1.0], [0.0, 1.5, 0.0], [0.0, 1.5, 0.25]);
        assert_eq!(text(dropped), "[[NaN, 1.5, 0.0], [NaN, 1.5, 0.25]]");
        // Kept by it.
        assert_eq!(
            text(settled([nan, 1.0, 0.0], [nan, 1.0, 0.0], [nan, 1.0, 0.0])),
            "[[NaN, 1.0, 0.0], [NaN, 1.0, 0.0]]"
        );
        // Spread by it to where the interpreter has a number.
        assert_eq!(
            text(settled([nan, 2.0, 0.0], [nan, nan, 0.0], [nan, nan, 0.0])),
            "[[NaN, 2.0, 0.0], [NaN, 2.0, 0.0]]"
        );
        // No operand is NaN: nothing is changed.
        assert_eq!(
            text(settled([1.0, 1.0, 0.0], [nan, 1.0, 0.0], [nan, 1.0, 0.0])),
            "[[NaN, 1.0, 0.0], [NaN, 1.0, 0.0]]"
        );
        assert_eq!(
            text(settled([1.0, 1.0, 0.0], [7.0, 1.0, 0.0], [7.0, 1.0, 0.0])),
            "[[7.0, 1.0, 0.0], [7.0, 1.0, 0.0]]"
        );
    }
}
