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

    fn bytes(&mut self, name: String, dims: &[usize], values: &[i8]) -> String {
        self.graph.initializer.push(TensorProto {
            name: name.clone(),
            data_type: DataType::Int8 as i32,
            dims: dims.iter().map(|&d| d as i64).collect(),
            raw_data: values.iter().map(|&v| v as u8).collect(),
            ..TensorProto::default()
        });
        name
    }

    /// A value in 8 bits, and a float again.
    fn quantised(&mut self, x: &str, scale: f32) -> String {
        let scale = self.constant(format!("{x}.scale"), &[], &[scale]);
        let zero = self.bytes(format!("{x}.zero"), &[], &[0]);
        let q = self.node("QuantizeLinear", &format!("{x}.q"), &[x, &scale, &zero], &[]);
        self.node("DequantizeLinear", &format!("{x}.dq"), &[&q, &scale, &zero], &[])
    }

    /// Weights in 8 bits, with a scale for each output channel.
    fn dequantised(&mut self, name: &str, dims: &[usize], random: &mut Generator, size: f32) -> String {
        let count: usize = dims.iter().product();
        let values: Vec<i8> = (0..count).map(|_| (40.0 * random.normal()).clamp(-128.0, 127.0) as i8).collect();
        let scales: Vec<f32> = (0..dims[0]).map(|_| size * (1.0 + 0.1 * random.normal())).collect();
        let q = self.bytes(format!("{name}.q"), dims, &values);
        let scale = self.constant(format!("{name}.scale"), &[dims[0]], &scales);
        let node = self.node("DequantizeLinear", name, &[&q, &scale], &[]);
        let last = self.graph.node.last_mut().expect("just written");
        last.attribute.push(AttributeProto {
            name: "axis".into(),
            r#type: AttributeType::Int as i32,
            i: 0,
            ..AttributeProto::default()
        });
        node
    }

    fn finish(mut self, name: &str) -> Vec<u8> {
        self.graph.name = name.into();
        self.graph.input = vec![value("x", &[1, 3, 32, 32])];
        self.graph.output = vec![value("y", &[1, CLASSES])];
        let opset = OperatorSetIdProto { domain: String::new(), version: 17 };
        ModelProto { ir_version: 8, opset_import: vec![opset], graph: Some(self.graph), ..ModelProto::default() }
            .encode_to_vec()
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
    w.finish("residual")
}

/// A stem and `layers` binary ones of scaled weights, without anything behind them that was trained: many sums are zero, which
/// other engines round to either side. `noise` is added to each weight, relative to it.
pub(crate) fn untrained(layers: usize, noise: f32) -> Vec<u8> {
    let (mut random, mut rounding) = (Generator::new(13), Generator::new(17));
    let mut w = Writer::default();
    let (c, pads): (_, &[(&str, &[i64])]) = (CHANNELS, &[("pads", &[1, 1, 1, 1]), ("strides", &[2, 2])]);
    let weights: Vec<f32> = (0..c * 27).map(|_| 0.2 * random.normal()).collect();
    w.constant("stem.weight".into(), &[c, 3, 3, 3], &weights);
    let mut x = w.node("Conv", "stem", &["x", "stem.weight"], pads);
    for layer in 0..layers {
        let name = |word: &str| format!("{layer}.{word}");
        let [zero, plus, minus] =
            [("zero", 0.0), ("plus", 1.0), ("minus", -1.0)].map(|(word, value)| w.constant(name(word), &[1], &[value]));
        let condition = w.node("GreaterOrEqual", &name("condition"), &[&x, &zero], &[]);
        let sign = w.node("Where", &name("sign"), &[&condition, &plus, &minus], &[]);
        let weight = |_| 0.037 * random.normal().signum() * (1.0 + noise * rounding.normal());
        let weights: Vec<f32> = (0..c * c * 9).map(weight).collect();
        let weights = w.constant(name("weight"), &[c, c, 3, 3], &weights);
        x = w.node("Conv", &name("conv"), &[&sign, &weights], pads);
    }
    let mean = w.node("GlobalAveragePool", "mean", &[&x], &[]);
    let flat = w.node("Flatten", "flat", &[&mean], &[]);
    let weights: Vec<f32> = (0..c * CLASSES).map(|_| 0.3 * random.normal()).collect();
    let weights = w.constant("fc.weight".into(), &[c, CLASSES], &weights);
    w.node("Gemm", "y", &[&flat, &weights], &[]);
    w.finish("untrained")
}

/// A network in 8 bits as quantisers write it: QuantizeLinear and DequantizeLinear around every value, weights as integers.
pub(crate) fn quantised(layers: usize) -> Vec<u8> {
    let mut random = Generator::new(11);
    let mut w = Writer::default();
    let (c, pads): (_, &[(&str, &[i64])]) = (32, &[("pads", &[1, 1, 1, 1])]);
    let input = w.quantised("x", 0.03);
    let weights = w.dequantised("stem.weight", &[c, 3, 3, 3], &mut random, 0.006);
    let mut x = w.node("Conv", "stem", &[&input, &weights], pads);
    x = w.quantised(&x, 0.05);
    for layer in 0..layers {
        let weights = w.dequantised(&format!("{layer}.weight"), &[c, c, 3, 3], &mut random, 0.001);
        let y = w.node("Conv", &format!("{layer}.conv"), &[&x, &weights], pads);
        let y = w.node("Relu", &format!("{layer}.relu"), &[&y], &[]);
        let sum = w.node("Add", &format!("{layer}.add"), &[&y, &x], &[]);
        x = w.quantised(&sum, 0.061 + 0.02 * layer as f32);
    }
    let mean = w.node("GlobalAveragePool", "mean", &[&x], &[]);
    let mean = w.quantised(&mean, 0.04);
    let flat = w.node("Flatten", "flat", &[&mean], &[]);
    let weights = w.dequantised("fc.weight", &[CLASSES, c], &mut random, 0.005);
    let turned = w.node("Transpose", "fc.turned", &[&weights], &[("perm", &[1, 0])]);
    w.node("MatMul", "y", &[&flat, &turned], &[]);
    w.finish("quantised")
}
