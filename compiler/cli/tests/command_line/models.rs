//! Small models, each with something that is wrong.

use prost::Message as _;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};

/// A model under construction.
pub(crate) struct Model(ModelProto);

impl Model {
    pub(crate) fn new(opset: i64) -> Self {
        let opset_import = vec![OperatorSetIdProto { domain: String::new(), version: opset }];
        let graph = Some(GraphProto { name: "test".to_owned(), ..GraphProto::default() });
        Self(ModelProto { ir_version: 8, opset_import, graph, ..ModelProto::default() })
    }

    fn graph(&mut self) -> &mut GraphProto {
        self.0.graph.get_or_insert_default()
    }

    /// An input of floats; an extent is a number or a name.
    pub(crate) fn input(self, name: &str, shape: &[&str]) -> Self {
        self.typed_input(name, DataType::Float, shape)
    }

    pub(crate) fn typed_input(mut self, name: &str, elements: DataType, shape: &[&str]) -> Self {
        let dim = |extent: &&str| Dimension {
            value: Some(match extent.parse() {
                Ok(number) => dimension::Value::DimValue(number),
                Err(_) => dimension::Value::DimParam((*extent).to_owned()),
            }),
            ..Dimension::default()
        };
        let shape = Some(TensorShapeProto { dim: shape.iter().map(dim).collect() });
        let tensor = type_proto::Tensor { elem_type: elements as i32, shape };
        let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() };
        self.graph().input.push(ValueInfoProto { name: name.to_owned(), r#type: Some(kind), ..Default::default() });
        self
    }

    pub(crate) fn output(mut self, name: &str) -> Self {
        self.graph().output.push(ValueInfoProto { name: name.to_owned(), ..Default::default() });
        self
    }

    pub(crate) fn floats(mut self, name: &str, dims: &[i64], data: &[f32]) -> Self {
        let tensor = TensorProto { float_data: data.to_vec(), ..tensor(name, DataType::Float, dims) };
        self.graph().initializer.push(tensor);
        self
    }

    /// Floats in another file.
    pub(crate) fn external(mut self, name: &str, dims: &[i64], location: &str) -> Self {
        let entry = StringStringEntryProto { key: "location".to_owned(), value: location.to_owned() };
        self.graph().initializer.push(TensorProto {
            data_location: Some(DataLocation::External as i32),
            external_data: vec![entry],
            ..tensor(name, DataType::Float, dims)
        });
        self
    }

    /// `op` may be `domain::Type`.
    pub(crate) fn node(self, op: &str, inputs: &[&str], output: &str) -> Self {
        self.node_with(op, inputs, output, &[])
    }

    /// With attributes that are integers.
    pub(crate) fn node_with(mut self, op: &str, inputs: &[&str], output: &str, ints: &[(&str, &[i64])]) -> Self {
        let (domain, op_type) = op.rsplit_once("::").unwrap_or(("", op));
        let attribute = |&(name, ints): &(&str, &[i64])| AttributeProto {
            name: name.to_owned(),
            r#type: AttributeType::Ints as i32,
            ints: ints.to_vec(),
            ..AttributeProto::default()
        };
        self.graph().node.push(NodeProto {
            domain: domain.to_owned(),
            op_type: op_type.to_owned(),
            input: inputs.iter().map(|&name| name.to_owned()).collect(),
            output: vec![output.to_owned()],
            attribute: ints.iter().map(attribute).collect(),
            ..NodeProto::default()
        });
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.encode_to_vec()
    }
}

fn tensor(name: &str, elements: DataType, dims: &[i64]) -> TensorProto {
    TensorProto { name: name.to_owned(), data_type: elements as i32, dims: dims.to_vec(), ..TensorProto::default() }
}

/// A sound model: `y = relu(x)` for `x` of shape `[1, 4]`.
pub(crate) fn relu(opset: i64) -> Model {
    Model::new(opset).input("x", &["1", "4"]).node("Relu", &["x"], "y").output("y")
}

/// `y = x + w`, with `w` in another file.
pub(crate) fn external(location: &str) -> Model {
    Model::new(17).input("x", &["1", "4"]).external("w", &[4], location).node("Add", &["x", "w"], "y").output("y")
}

/// The sign of the input itself, in front of binary weights and of latent ones.
pub(crate) fn half_binary() -> Model {
    let latent: Vec<f32> = (0..32).map(|i| (i as f32 * 0.37).sin()).collect();
    let binary: Vec<f32> = latent.iter().map(|w| w.signum()).collect();
    Model::new(17)
        .input("x", &["1", "16"])
        .floats("binary", &[16, 2], &binary)
        .floats("latent", &[16, 2], &latent)
        .node("Sign", &["x"], "s")
        .node("MatMul", &["s", "binary"], "y")
        .node("MatMul", &["s", "latent"], "z")
        .output("y")
        .output("z")
}

/// A file of each kind that cannot be compiled: name, bytes.
pub(crate) fn broken() -> Vec<(&'static str, Vec<u8>)> {
    let x = || Model::new(17).input("x", &["1", "3", "8", "8"]);
    let sound = relu(17).bytes();
    let cyclic = Model::new(17)
        .input("x", &["1", "4"])
        .node("Add", &["x", "c"], "a")
        .node("Relu", &["a"], "b")
        .node("Neg", &["b"], "c")
        .node("Abs", &["c"], "y")
        .output("y");
    let shapes = x()
        .floats("w", &[4, 5, 1, 1], &[1.0; 20])
        .floats("b", &[7], &[1.0; 7])
        .node("Conv", &["x", "w"], "y")
        .node("Add", &["x", "b"], "z")
        .output("y")
        .output("z");
    let several = x()
        .node("com.acme::Magic", &["x"], "a")
        .node("NonZero", &["x"], "b")
        .node_with("Transpose", &["x"], "c", &[("perm", &[0, 2])])
        .node("Relu", &["a"], "d")
        .node("Concat", &["d", "b"], "y")
        .output("y")
        .output("c");
    let parameter = Model::new(17)
        .input("x", &["2", "2"])
        .typed_input("s", DataType::Int64, &["2"])
        .node("Reshape", &["x", "s"], "y")
        .output("y");
    let constant = x().floats("w", &[4], &[1.0; 3]).node("Add", &["x", "w"], "y").output("y");
    let huge = x().floats("w", &[1 << 40, 1 << 40], &[]).node("Add", &["x", "w"], "y").output("y");
    let words = Model::new(17).typed_input("x", DataType::String, &["1"]).node("Identity", &["x"], "y").output("y");
    let height = Model::new(17).input("x", &["batch", "3", "height", "8"]).node("Relu", &["x"], "y").output("y");
    vec![
        ("not_onnx", b"PK\x03\x04 a zip archive".to_vec()),
        ("empty", Vec::new()),
        ("truncated", sound[..sound.len() - 20].to_vec()),
        ("external_missing", external("lost.data").bytes()),
        ("external_too_short", external("short.data").bytes()),
        ("external_escapes", external("../secret.data").bytes()),
        ("external_absolute", external("/etc/hostname").bytes()),
        ("constant_too_short", constant.bytes()),
        ("cyclic", cyclic.bytes()),
        ("unknown_domain", x().node("com.acme::Magic", &["x"], "y").output("y").bytes()),
        ("unknown_operator", x().node("NonZero", &["x"], "y").output("y").bytes()),
        ("old_opset", relu(6).bytes()),
        ("bad_attribute", x().node_with("MaxPool", &["x"], "y", &[("kernel_shape", &[2, 0])]).output("y").bytes()),
        ("shapes_disagree", shapes.bytes()),
        ("unbound_dimension", height.bytes()),
        ("python_op", x().node("prim::PythonOp", &["x"], "y").output("y").bytes()),
        ("computed_parameter", parameter.bytes()),
        ("input_of_strings", words.bytes()),
        ("beyond_any_file", huge.bytes()),
        ("several_problems", several.bytes()),
    ]
}
