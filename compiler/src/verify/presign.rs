//! Which values a sign was taken of.
//!
//! The reference gives signs; whether a flipped one is a rounding matter shows in the value *before* the sign. This looks
//! for it in the graph as imported, through the spellings of a binarisation (comparisons, casts, straight-through
//! chains, `Sign(Sign(x) + 0.1)`).

use std::collections::{HashMap, HashSet, VecDeque};

use crate::ir::{Binary, Graph, Op, Tensor, ValueId};

/// The value before a sign: `value - threshold`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PreSign {
    /// The ONNX value compared.
    pub(super) value: String,
    /// What it is compared with; zero for a Sign.
    pub(super) threshold: f32,
}

/// Finds, for ONNX values that hold signs, the values those were taken of.
pub(super) struct Finder<'a> {
    graph: &'a Graph,
    producers: HashMap<ValueId, usize>,
    by_name: HashMap<&'a str, ValueId>,
}

impl<'a> Finder<'a> {
    pub(super) fn new(graph: &'a Graph) -> Self {
        let ids = (0..).map(ValueId);
        let mut by_name: HashMap<&str, ValueId> = HashMap::new();
        for (value, id) in graph.values.iter().zip(ids) {
            by_name.insert(&value.name, id);
            if let Some(origin) = value.origin.as_ref().filter(|o| o.permutation.is_none()) {
                by_name.entry(&origin.name).or_insert(id);
            }
        }
        Self { graph, producers: graph.producers(), by_name }
    }

    /// The value behind an ONNX name.
    pub(super) fn id(&self, name: &str) -> Option<ValueId> {
        self.by_name.get(name).copied()
    }

    /// `None` when `name` is not the result of a binarisation this knows.
    pub(super) fn find(&self, name: &str) -> Option<PreSign> {
        let mut queue = VecDeque::from([self.id(name)?]);
        let mut seen = HashSet::new();
        while let Some(id) = queue.pop_front() {
            // A binarisation is a handful of nodes; further away lies another layer.
            if !seen.insert(id) || seen.len() > 16 {
                continue;
            }
            let Some(node) = self.producers.get(&id).map(|&i| &self.graph.nodes[i]) else { continue };
            match &node.op {
                Op::Sign(_) => return Some(self.deepest(node.inputs[0])),
                Op::Binary(Binary::Greater | Binary::GreaterOrEqual | Binary::Less | Binary::LessOrEqual) => {
                    return self.comparison(node.inputs[0], node.inputs[1]);
                }
                // What moves, scales or selects signs without computing anything new, and the sum of a
                // straight-through chain.
                Op::Unary(_)
                | Op::Binary(_)
                | Op::Where
                | Op::Cast(_)
                | Op::Reshape
                | Op::Transpose(_)
                | Op::Pad { .. }
                | Op::Affine { .. } => queue.extend(&node.inputs),
                _ => {}
            }
        }
        None
    }

    fn constant(&self, id: ValueId) -> Option<f32> {
        let tensor: &Tensor = self.graph.constant(id)?;
        let values = tensor.to_f32();
        let first = *values.first()?;
        values.iter().all(|&v| v == first).then_some(first)
    }

    fn comparison(&self, a: ValueId, b: ValueId) -> Option<PreSign> {
        let name = |id: ValueId| self.graph.value(id).name.clone();
        match (self.constant(a), self.constant(b)) {
            (None, Some(threshold)) => Some(PreSign { value: name(a), threshold }),
            (Some(threshold), None) => Some(PreSign { value: name(b), threshold }),
            _ => None,
        }
    }

    /// Past `Sign(x) + c`, which Larq writes before another Sign: x.
    fn deepest(&self, id: ValueId) -> PreSign {
        let node = |id| self.producers.get(&id).map(|&i| &self.graph.nodes[i]);
        if let Some(add) = node(id).filter(|n| matches!(n.op, Op::Binary(Binary::Add | Binary::Sub))) {
            let constants = add.inputs.iter().filter(|&&i| self.constant(i).is_some()).count();
            let sign = add.inputs.iter().find_map(|&i| node(i).filter(|n| matches!(n.op, Op::Sign(_))));
            if let (1, Some(sign)) = (constants, sign) {
                return self.deepest(sign.inputs[0]);
            }
        }
        PreSign { value: self.graph.value(id).name.clone(), threshold: 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{DType, Node, Unary, Zero};

    fn node(graph: &mut Graph, op: Op, inputs: &[ValueId], name: &str) -> ValueId {
        let output = graph.add_value(name, [4], DType::F32);
        let inputs = inputs.to_vec();
        graph.nodes.push(Node { name: name.into(), op, inputs, output, parts: Vec::new(), reason: None });
        output
    }

    fn pre(value: &str, threshold: f32) -> Option<PreSign> {
        Some(PreSign { value: value.into(), threshold })
    }

    #[test]
    fn spellings_of_a_sign() {
        let mut g = Graph::default();
        let x = g.add_value("x", [4], DType::F32);
        let x = node(&mut g, Op::Unary(Unary::Tanh), &[x], "y");
        let tenth = g.add_constant("tenth", Tensor::f32([1], vec![0.1]));
        let one = g.add_constant("one", Tensor::f32([1], vec![1.0]));

        let sign = node(&mut g, Op::Sign(Zero::Zero), &[x], "sign");
        let sum = node(&mut g, Op::Binary(Binary::Add), &[sign, tenth], "sum");
        node(&mut g, Op::Sign(Zero::Zero), &[sum], "larq");

        let clip = node(&mut g, Op::Unary(Unary::Clip(-1.0, 1.0)), &[x], "clip");
        let minus = node(&mut g, Op::Binary(Binary::Sub), &[sign, clip], "minus");
        node(&mut g, Op::Binary(Binary::Add), &[minus, clip], "estimator");

        let at_least = node(&mut g, Op::Binary(Binary::GreaterOrEqual), &[x, tenth], "at_least");
        node(&mut g, Op::Where, &[at_least, one, tenth], "where");

        let finder = Finder::new(&g);
        assert_eq!(finder.find("sign"), pre("y", 0.0));
        assert_eq!(finder.find("larq"), pre("y", 0.0));
        assert_eq!(finder.find("estimator"), pre("y", 0.0));
        assert_eq!(finder.find("where"), pre("y", 0.1));
        assert_eq!(finder.find("x"), None);
        assert_eq!(finder.find("nothing"), None);
    }
}
