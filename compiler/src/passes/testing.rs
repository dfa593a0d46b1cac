//! For the tests of the passes: graphs by hand, and a check that a pass keeps what a graph computes.

use std::collections::HashMap;

use crate::interpret;
use crate::ir::{Binary, DType, Data, Graph, Layout, Node, Op, Origin, Tensor, Unary, ValueId, Window};
use crate::passes::rewrite::transpose;

/// Builds a graph as import would: every value with its origin.
#[derive(Default)]
pub(crate) struct Build {
    pub(crate) graph: Graph,
}

impl Build {
    pub(crate) fn input(&mut self, shape: &[usize]) -> ValueId {
        let name = format!("input{}", self.graph.inputs.len());
        let id = self.value(&name, shape, DType::F32);
        self.graph.inputs.push(id);
        id
    }

    fn value(&mut self, name: &str, shape: &[usize], dtype: DType) -> ValueId {
        let id = self.graph.add_value(name, shape, dtype);
        let origin = Origin::new(name, shape);
        self.graph.values[id.0 as usize].origin = Some(origin);
        id
    }

    pub(crate) fn scalar(&mut self, x: f32) -> ValueId {
        self.constant(&[], &[x])
    }

    pub(crate) fn constant(&mut self, shape: &[usize], values: &[f32]) -> ValueId {
        let name = format!("constant{}", self.graph.values.len());
        self.graph.add_constant(name, Tensor::f32(shape, values.to_vec()))
    }

    /// A constant of small multiples of 1/8, none of them zero.
    pub(crate) fn random_constant(&mut self, shape: &[usize]) -> ValueId {
        let seed = self.graph.values.len() as u32;
        let values = random(shape.iter().product(), seed, 0.125);
        self.constant(shape, &values)
    }

    pub(crate) fn node(&mut self, op: Op, inputs: &[ValueId], shape: &[usize]) -> ValueId {
        let dtype = match op {
            Op::Binary(
                Binary::Equal
                | Binary::Less
                | Binary::LessOrEqual
                | Binary::Greater
                | Binary::GreaterOrEqual
                | Binary::And
                | Binary::Or
                | Binary::Xor,
            )
            | Op::Unary(Unary::Not) => DType::Bool,
            Op::Cast(dtype) => dtype,
            Op::ArgMax { .. } => DType::I64,
            Op::Binary(_) | Op::Unary(_) => self.graph.value(inputs[0]).dtype,
            _ => DType::F32,
        };
        let name = format!("{}{}", op.name(), self.graph.nodes.len());
        let output = self.value(&format!("{name}.out"), shape, dtype);
        let parts = vec![op.name().as_str().into()];
        self.graph.nodes.push(Node { name, op, inputs: inputs.to_vec(), output, parts, reason: None });
        output
    }

    /// A node whose result has the shape of its first dynamic operand.
    pub(crate) fn like(&mut self, op: Op, inputs: &[ValueId]) -> ValueId {
        let first = inputs.iter().find(|v| self.graph.constant(**v).is_none()).copied().unwrap_or(inputs[0]);
        let shape = self.graph.shape(first).to_vec();
        self.node(op, inputs, &shape)
    }

    pub(crate) fn unary(&mut self, f: Unary, x: ValueId) -> ValueId {
        self.like(Op::Unary(f), &[x])
    }

    pub(crate) fn binary(&mut self, f: Binary, a: ValueId, b: ValueId) -> ValueId {
        self.like(Op::Binary(f), &[a, b])
    }

    /// A stride-1 convolution of an NCHW image, same size when `pad = kernel / 2`.
    pub(crate) fn conv(&mut self, x: ValueId, weights: ValueId, pad: usize) -> ValueId {
        let [o, _, kh, kw] = self.graph.shape(weights)[..] else { panic!("OIHW") };
        let [n, _, h, w] = self.graph.shape(x)[..] else { panic!("NCHW") };
        let op = Op::Conv { window: window([kh, kw], pad), groups: 1, layout: Layout::ChannelsFirst };
        self.node(op, &[x, weights], &[n, o, h + 2 * pad + 1 - kh, w + 2 * pad + 1 - kw])
    }

    pub(crate) fn transpose(&mut self, x: ValueId, perm: &[usize]) -> ValueId {
        let shape: Vec<usize> = perm.iter().map(|&p| self.graph.shape(x)[p]).collect();
        self.node(Op::Transpose(perm.to_vec()), &[x], &shape)
    }

    pub(crate) fn finish(mut self, outputs: &[ValueId]) -> Graph {
        self.graph.outputs = outputs.to_vec();
        self.graph
    }
}

pub(crate) fn window(kernel: [usize; 2], pad: usize) -> Window {
    Window { kernel, strides: [1, 1], dilations: [1, 1], pads: [pad; 4], pad_value: 0.0 }
}

/// Multiples of 1/4 in [-2, 2], shifted.
pub(crate) fn random(n: usize, seed: u32, shift: f32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % 17
    };
    (0..n).map(|_| next() as f32 / 4.0 - 2.0 + shift).collect()
}

/// Runs a pass, and checks that every output, and every value with an origin, is what it was. The inputs hold exact
/// zeros and ties unless `shift` moves them.
pub(crate) fn preserved_on(shift: f32, graph: &Graph, pass: fn(&mut Graph)) -> Graph {
    let mut after = graph.clone();
    pass(&mut after);
    let inputs = |g: &Graph| -> Vec<Tensor> {
        let tensor = |(i, id): (usize, &ValueId)| {
            let shape = g.shape(*id).to_vec();
            Tensor::f32(shape.clone(), random(shape.iter().product(), i as u32 + 7, shift))
        };
        g.inputs.iter().enumerate().map(tensor).collect()
    };
    assert_same(graph, &after, &inputs(graph), 1e-5);
    after
}

/// [`preserved_on`] inputs with exact zeros and ties.
pub(crate) fn preserved(graph: &Graph, pass: fn(&mut Graph)) -> Graph {
    preserved_on(0.0, graph, pass)
}

/// Checks that two graphs compute the same, value by value.
pub(crate) fn assert_same(before: &Graph, after: &Graph, inputs: &[Tensor], tolerance: f32) {
    let expected = interpret::graph(before, inputs).expect("runs before");
    let found = interpret::graph(after, inputs).expect("runs after");
    assert_eq!(before.outputs.len(), after.outputs.len());
    for (a, b) in std::iter::zip(&before.outputs, &after.outputs) {
        assert_eq!(before.value(*a).name, after.value(*b).name, "names of outputs stay");
        assert_close(&expected[a], &found[b], tolerance, &before.value(*a).name);
    }
    let by_name: HashMap<&str, ValueId> =
        before.nodes.iter().map(|n| (before.value(n.output).name.as_str(), n.output)).collect();
    let mut names = std::collections::HashSet::new();
    for node in &after.nodes {
        let value = after.value(node.output);
        assert!(names.insert(&value.name), "{} twice", value.name);
        assert_eq!(found[&node.output].shape, value.shape, "{}", value.name);
        let Some(origin) = &value.origin else { continue };
        let Some(original) = by_name.get(origin.name.as_str()) else { continue };
        let mut original = expected[original].clone();
        assert_eq!(original.shape, origin.shape, "{}", origin.name);
        if let Some(perm) = &origin.permutation {
            original = transpose(&original, perm);
            assert_eq!(original.shape, value.shape, "{} {perm:?}", origin.name);
        }
        original.shape = value.shape.clone();
        if origin.between.is_some() {
            let elements = original.to_f32().iter().map(|&x| origin.element(x)).collect();
            original = Tensor::f32(value.shape.clone(), elements);
        }
        assert_close(&original, &found[&node.output], tolerance, &format!("origin {}", origin.name));
    }
}

fn assert_close(a: &Tensor, b: &Tensor, tolerance: f32, place: &str) {
    assert_eq!(a.shape, b.shape, "{place}");
    let (Data::F32(x), Data::F32(y)) = (&a.data, &b.data) else { return assert_eq!(a, b, "{place}") };
    let scale = x.iter().fold(1.0_f32, |m, v| m.max(v.abs()));
    for (i, (x, y)) in std::iter::zip(x, y).enumerate() {
        assert!((x - y).abs() <= tolerance * scale, "{place}[{i}]: {x} became {y}");
    }
}

/// Names of the operators of a graph, in order.
pub(crate) fn ops(graph: &Graph) -> Vec<String> {
    graph.nodes.iter().map(|n| n.op.name()).collect()
}

/// How many nodes satisfy a predicate.
pub(crate) fn count(graph: &Graph, predicate: impl Fn(&Op) -> bool) -> usize {
    graph.nodes.iter().filter(|n| predicate(&n.op)).count()
}
