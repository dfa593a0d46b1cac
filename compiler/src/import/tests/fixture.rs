//! Small models, built in code.

use prost::Message;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};

use crate::import::{Imported, Options, load};
use crate::interpret;
use crate::ir::Tensor;

/// An extent: known, or by name.
pub(super) enum Dim {
    Known(i64),
    Named(&'static str),
}

/// A model under construction.
#[derive(Clone)]
pub(super) struct Fixture {
    pub(super) proto: ModelProto,
}

impl Fixture {
    /// An empty model of some opset.
    pub(super) fn new(opset: i64) -> Self {
        let opset_import = vec![OperatorSetIdProto { domain: String::new(), version: opset }];
        let graph = Some(GraphProto { name: "test".to_owned(), ..GraphProto::default() });
        Self { proto: ModelProto { ir_version: 8, opset_import, graph, ..ModelProto::default() } }
    }

    fn graph(&mut self) -> &mut GraphProto {
        self.proto.graph.as_mut().unwrap()
    }

    pub(super) fn input(self, name: &str, shape: &[i64]) -> Self {
        self.typed_input(name, DataType::Float, shape.iter().map(|&d| Dim::Known(d)).collect())
    }

    pub(super) fn typed_input(mut self, name: &str, elements: DataType, dims: Vec<Dim>) -> Self {
        let value = |dim: Dim| match dim {
            Dim::Known(extent) => dimension::Value::DimValue(extent),
            Dim::Named(name) => dimension::Value::DimParam(name.to_owned()),
        };
        let dim = |dim| Dimension { value: Some(value(dim)), ..Dimension::default() };
        let shape = Some(TensorShapeProto { dim: dims.into_iter().map(dim).collect() });
        let tensor = type_proto::Tensor { elem_type: elements as i32, shape };
        let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() };
        self.graph().input.push(ValueInfoProto { name: name.to_owned(), r#type: Some(kind), ..Default::default() });
        self
    }

    pub(super) fn output(mut self, name: &str) -> Self {
        self.graph().output.push(ValueInfoProto { name: name.to_owned(), ..Default::default() });
        self
    }

    pub(super) fn typed_output(mut self, name: &str, elements: DataType) -> Self {
        let tensor = type_proto::Tensor { elem_type: elements as i32, shape: None };
        let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() };
        self.graph().output.push(ValueInfoProto { name: name.to_owned(), r#type: Some(kind), ..Default::default() });
        self
    }

    pub(super) fn floats(self, name: &str, dims: &[i64], data: &[f32]) -> Self {
        self.tensor(TensorProto { float_data: data.to_vec(), ..tensor(name, DataType::Float, dims) })
    }

    pub(super) fn ints(self, name: &str, data: &[i64]) -> Self {
        let dims = [data.len() as i64];
        self.tensor(TensorProto { int64_data: data.to_vec(), ..tensor(name, DataType::Int64, &dims) })
    }

    pub(super) fn tensor(mut self, tensor: TensorProto) -> Self {
        self.graph().initializer.push(tensor);
        self
    }

    pub(super) fn node(self, op: &str, inputs: &[&str], outputs: &[&str]) -> Self {
        self.node_with(op, inputs, outputs, [])
    }

    /// `op` may be `domain::Type`.
    pub(super) fn node_with<const N: usize>(
        mut self,
        op: &str,
        inputs: &[&str],
        outputs: &[&str],
        attribute: [AttributeProto; N],
    ) -> Self {
        let (domain, op_type) = op.rsplit_once("::").unwrap_or(("", op));
        let texts = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        self.graph().node.push(NodeProto {
            domain: domain.to_owned(),
            op_type: op_type.to_owned(),
            input: texts(inputs),
            output: texts(outputs),
            attribute: attribute.to_vec(),
            ..NodeProto::default()
        });
        self
    }

    /// Takes the nodes so far for the body of a function, `domain::Name`, and begins the graph anew.
    pub(super) fn function(mut self, name: &str, inputs: &[&str], outputs: &[&str], attributes: &[&str]) -> Self {
        let (domain, name) = name.rsplit_once("::").unwrap_or(("", name));
        let texts = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let imports = &mut self.proto.opset_import;
        if !imports.iter().any(|import| import.domain == domain) {
            imports.push(OperatorSetIdProto { domain: domain.to_owned(), version: 1 });
        }
        let function = FunctionProto {
            name: Some(name.to_owned()),
            domain: Some(domain.to_owned()),
            input: texts(inputs),
            output: texts(outputs),
            attribute: texts(attributes),
            opset_import: imports.clone(),
            node: std::mem::take(&mut self.graph().node),
            ..FunctionProto::default()
        };
        self.proto.functions.push(function);
        self
    }

    /// Its graph, as an attribute of a node.
    pub(super) fn as_attribute(&self, name: &str) -> AttributeProto {
        AttributeProto { g: self.proto.graph.clone(), ..attribute(name, AttributeType::Graph) }
    }

    /// Its bytes, with fields that are newer than the messages used here: behind those of a function, and of a node.
    pub(super) fn bytes_with(mut self, function: &[u8], node: &[u8]) -> Vec<u8> {
        let field = |number: u64, bytes: &[u8]| {
            let mut out = Vec::new();
            prost::encoding::encode_varint(number << 3 | 2, &mut out);
            prost::encoding::encode_varint(bytes.len() as u64, &mut out);
            [&out[..], bytes].concat()
        };
        let last = self.proto.functions.pop().unwrap().encode_to_vec();
        let call = self.graph().node.pop().unwrap().encode_to_vec();
        let graph = field(1, &[&call[..], node].concat());
        [self.bytes(), field(25, &[&last[..], function].concat()), field(7, &graph)].concat()
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.proto.encode_to_vec()
    }

    pub(super) fn load(&self) -> Imported {
        load(&self.bytes(), &Options::default()).unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// All problems, as text.
    pub(super) fn problems(&self) -> String {
        load(&self.bytes(), &Options::default()).expect_err("the model is broken").to_string()
    }

    /// The text of the imported graph.
    pub(super) fn text(&self) -> String {
        self.load().graph.to_string()
    }

    /// The first output for the given inputs.
    pub(super) fn run(&self, inputs: &[Tensor]) -> Tensor {
        let graph = self.load().graph;
        let mut values = interpret::graph(&graph, inputs).unwrap();
        values.remove(&graph.outputs[0]).unwrap()
    }
}

pub(super) fn tensor(name: &str, elements: DataType, dims: &[i64]) -> TensorProto {
    TensorProto { name: name.to_owned(), data_type: elements as i32, dims: dims.to_vec(), ..TensorProto::default() }
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: kind as i32, ..AttributeProto::default() }
}

/// An attribute that is the call's of that name.
pub(super) fn referring(to: &str, kind: AttributeProto) -> AttributeProto {
    AttributeProto { ref_attr_name: to.to_owned(), ..kind }
}

pub(super) fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { i, ..attribute(name, AttributeType::Int) }
}

pub(super) fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto { ints: ints.to_vec(), ..attribute(name, AttributeType::Ints) }
}

pub(super) fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { f, ..attribute(name, AttributeType::Float) }
}

pub(super) fn floats(name: &str, floats: &[f32]) -> AttributeProto {
    AttributeProto { floats: floats.to_vec(), ..attribute(name, AttributeType::Floats) }
}

pub(super) fn text(name: &str, s: &str) -> AttributeProto {
    AttributeProto { s: s.as_bytes().to_vec(), ..attribute(name, AttributeType::String) }
}

pub(super) fn texts(name: &str, texts: &[&str]) -> AttributeProto {
    let strings = texts.iter().map(|s| s.as_bytes().to_vec()).collect();
    AttributeProto { strings, ..attribute(name, AttributeType::Strings) }
}

pub(super) fn value(name: &str, t: TensorProto) -> AttributeProto {
    AttributeProto { t: Some(t), ..attribute(name, AttributeType::Tensor) }
}
