//! A residual network of the size that is used for 32x32 pictures, as a file.

use prost::Message as _;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, attribute_proto::AttributeType, tensor_proto::DataType, tensor_shape_proto, type_proto,
};
use xnorc_cli::verify::Generator;

/// Channels of every binary layer, and classes.
pub(crate) const CHANNELS: usize = 64;
pub(crate) const CLASSES: usize = 100;

#[derive(Default)]
struct Writer {
    graph: GraphProto,
}

impl Writer {
    fn constant(&mut self, name: String, dims: &[usize], values: &[f32]) -> String {
        self.graph.initializer.push(TensorProto {
            name: name.clone(),
            data_type: DataType::Float as i32,
            dims: dims.iter().map(|&d| d as i64).collect(),
            raw_data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ..TensorProto::default()
        });
        name
    }

    fn node(&mut self, op: &str, output: &str, inputs: &[&str], attributes: &[(&str, &[i64])]) -> String {
        let attribute = attributes.iter().map(|(name, ints)| AttributeProto {
            name: (*name).into(),
            r#type: AttributeType::Ints as i32,
            ints: ints.to_vec(),
            ..AttributeProto::default()
        });
        self.graph.node.push(NodeProto {
            op_type: op.into(),
            name: format!("{output}.node"),
            input: inputs.iter().map(|&i| i.into()).collect(),
            output: vec![output.into()],
            attribute: attribute.collect(),
            ..NodeProto::default()
        });
        output.into()
    }
}

fn value(name: &str, dims: &[usize]) -> ValueInfoProto {
    let dim = |&d: &usize| tensor_shape_proto::Dimension {
        value: Some(tensor_shape_proto::dimension::Value::DimValue(d as i64)),
        ..Default::default()
    };
    let shape = TensorShapeProto { dim: dims.iter().map(dim).collect() };
    let tensor = type_proto::Tensor { elem_type: DataType::Float as i32, shape: Some(shape) };
    let r#type = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() };
    ValueInfoProto { name: name.into(), r#type: Some(r#type), ..ValueInfoProto::default() }
}

/// A real stem, `layers` binary ones of 3x3 with BatchNormalization before each sign and a skip around each, the mean of
/// the picture, a classifier.
pub(crate) fn residual(layers: usize) -> Vec<u8> {
    let mut random = Generator::new(7);
    let mut normal = |count: usize, scale: f32| (0..count).map(|_| scale * random.normal()).collect::<Vec<f32>>();
    let mut w = Writer::default();
    let c = CHANNELS;
    let weights = normal(c * 27, 0.2);
    w.constant("stem.weight".into(), &[c, 3, 3, 3], &weights);
    let pads: &[(&str, &[i64])] = &[("pads", &[1, 1, 1, 1])];
    let mut x = w.node("Conv", "stem", &["x", "stem.weight"], pads);
    for layer in 0..layers {
        let name = |word: &str| format!("{layer}.{word}");
        let gamma: Vec<f32> = normal(c, 0.3).iter().map(|g| 1.0 + g.abs()).collect();
        let beta = normal(c, 0.3);
        let mean = normal(c, 0.2);
        let variance: Vec<f32> = normal(c, 0.5).iter().map(|v| 0.5 + v * v).collect();
        let parameters = [("gamma", gamma), ("beta", beta), ("mean", mean), ("variance", variance)]
            .map(|(word, values)| w.constant(name(word), &[c], &values));
        let [gamma, beta, mean, variance] = parameters.each_ref().map(String::as_str);
        let bn = w.node("BatchNormalization", &name("bn"), &[&x, gamma, beta, mean, variance], &[]);
        let sign = w.node("Sign", &name("sign"), &[&bn], &[]);
        let scales = normal(c, 0.005);
        let signs = normal(c * c * 9, 1.0);
        let weights: Vec<f32> =
            signs.iter().enumerate().map(|(i, s)| s.signum() * (0.03 + scales[i / (9 * c)].abs())).collect();
        let weights = w.constant(name("weight"), &[c, c, 3, 3], &weights);
        let conv = w.node("Conv", &name("conv"), &[&sign, &weights], pads);
        x = w.node("Add", &name("add"), &[&conv, &x], &[]);
    }
    let mean = w.node("GlobalAveragePool", "mean", &[&x], &[]);
    let flat = w.node("Flatten", "flat", &[&mean], &[]);
    let (weights, bias) = (normal(c * CLASSES, 0.3), normal(CLASSES, 0.1));
    let weights = w.constant("fc.weight".into(), &[c, CLASSES], &weights);
    let bias = w.constant("fc.bias".into(), &[CLASSES], &bias);
    w.node("Gemm", "y", &[&flat, &weights, &bias], &[]);
    w.graph.name = "residual".into();
    w.graph.input = vec![value("x", &[1, 3, 32, 32])];
    w.graph.output = vec![value("y", &[1, CLASSES])];
    let opset = OperatorSetIdProto { domain: String::new(), version: 17 };
    ModelProto { ir_version: 8, opset_import: vec![opset], graph: Some(w.graph), ..ModelProto::default() }
        .encode_to_vec()
}
