//! An ONNX graph under construction: opset 17, ordinary operators, names unique by construction.

use prost::Message as _;

use super::messages::{
    Attribute, AttributeType, DataType, Dimension, Extent, Graph, Model, Node, OperatorSet, Shape, Tensor, TensorType,
    Type, ValueInfo,
};

const OPSET: i64 = 17;
const IR: i64 = 8;

/// A graph that nodes are added to, in order of execution.
#[derive(Debug, Default)]
pub(super) struct Writer {
    graph: Graph,
}

/// An attribute's value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Int(i64),
    Ints(&'a [i64]),
    Float(f32),
    Text(&'a str),
}

impl Writer {
    /// A node with one output, which gets the node's name.
    pub(super) fn node(&mut self, name: &str, op: &str, inputs: &[&str], attributes: &[(&str, Value<'_>)]) -> String {
        self.graph.node.push(Node {
            name: name.to_owned(),
            op_type: op.to_owned(),
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![name.to_owned()],
            attribute: attributes.iter().map(|&(name, value)| attribute(name, value)).collect(),
        });
        name.to_owned()
    }

    /// A constant of 32-bit floats.
    pub(super) fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        let raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(name, dims, DataType::Float, raw_data)
    }

    /// A constant of 64-bit integers.
    pub(super) fn ints(&mut self, name: &str, values: &[i64]) -> String {
        let raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(name, &[values.len()], DataType::Int64, raw_data)
    }

    fn constant(&mut self, name: &str, dims: &[usize], kind: DataType, raw_data: Vec<u8>) -> String {
        self.graph.initializer.push(Tensor {
            name: name.to_owned(),
            dims: dims.iter().map(|&d| d as i64).collect(),
            data_type: kind as i32,
            raw_data,
        });
        name.to_owned()
    }

    /// The file: one input, one output, a batch of `batch` or, where that is `None`, of any size.
    pub(super) fn finish(
        mut self,
        input: (&str, &[usize]),
        output: (&str, &[usize]),
        batch: Option<usize>,
        doc: &str,
    ) -> Vec<u8> {
        self.graph.name = "network".to_owned();
        self.graph.input = vec![port(input, batch)];
        self.graph.output = vec![port(output, batch)];
        let model = Model {
            ir_version: IR,
            opset_import: vec![OperatorSet { version: OPSET }],
            producer_name: "xnorc-training".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            doc_string: doc.to_owned(),
            graph: Some(self.graph),
        };
        model.encode_to_vec()
    }
}

fn attribute(name: &str, value: Value<'_>) -> Attribute {
    let mut attribute = Attribute { name: name.to_owned(), ..Attribute::default() };
    let kind = match value {
        Value::Int(i) => {
            attribute.i = i;
            AttributeType::Int
        }
        Value::Ints(ints) => {
            attribute.ints = ints.to_vec();
            AttributeType::Ints
        }
        Value::Float(f) => {
            attribute.f = f;
            AttributeType::Float
        }
        Value::Text(text) => {
            attribute.s = text.as_bytes().to_vec();
            AttributeType::String
        }
    };
    attribute.set_kind(kind);
    attribute
}

fn port((name, dims): (&str, &[usize]), batch: Option<usize>) -> ValueInfo {
    let fixed = |n: usize| Extent::Value(n as i64);
    let first = batch.map_or(Extent::Name("batch".to_owned()), fixed);
    let dims = std::iter::once(first).chain(dims.iter().map(|&d| fixed(d)));
    let shape = Some(Shape { dim: dims.map(|extent| Dimension { extent: Some(extent) }).collect() });
    let tensor = Some(TensorType { element: DataType::Float as i32, shape });
    ValueInfo { name: name.to_owned(), kind: Some(Type { tensor }) }
}
