//! Thousands of operators in a row are compiled in memory that grows with the file, in blocks of bounded length.
//!
//! A test of its own, in a process of its own: the kernel counts the peak of a process.

#![cfg(target_os = "linux")]

use prost::Message as _;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
    type_proto,
};

const LENGTH: usize = 8000;

/// BatchNormalizations, which do not become one: each has a square root of its own.
fn model() -> Vec<u8> {
    let mut graph = GraphProto::default();
    let extents = [1, 1, 4, 4].map(|d| Dimension { value: Some(dimension::Value::DimValue(d)), ..Default::default() });
    let shape = Some(TensorShapeProto { dim: extents.to_vec() });
    let tensor = type_proto::Tensor { elem_type: DataType::Float as i32, shape };
    let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() };
    graph.input.push(ValueInfoProto { name: "x0".to_owned(), r#type: Some(kind), ..Default::default() });
    for i in 0..LENGTH {
        let wave = |phase: f32| (i as f32 * 0.37 + phase).sin();
        let parameters = [1.0 + 0.1 * wave(0.0), 0.01 * wave(1.0), 0.01 * wave(2.0), 1.0 + 0.1 * wave(3.0)];
        let mut input = vec![format!("x{i}")];
        for (value, letter) in parameters.iter().zip("sbmv".chars()) {
            let name = format!("{letter}{i}");
            graph.initializer.push(TensorProto {
                name: name.clone(),
                data_type: DataType::Float as i32,
                dims: vec![1],
                raw_data: value.to_le_bytes().to_vec(),
                ..Default::default()
            });
            input.push(name);
        }
        let output = vec![format!("x{}", i + 1)];
        graph.node.push(NodeProto { op_type: "BatchNormalization".to_owned(), input, output, ..Default::default() });
    }
    graph.output.push(ValueInfoProto { name: format!("x{LENGTH}"), ..Default::default() });
    let opset_import = vec![OperatorSetIdProto { domain: String::new(), version: 17 }];
    ModelProto { ir_version: 8, opset_import, graph: Some(graph), ..Default::default() }.encode_to_vec()
}

#[test]
fn memory_grows_with_the_file() {
    let file = model();
    let output =
        xnorc::generate(&file, None, "net", &xnorc::Config::new()).unwrap_or_else(|problems| panic!("{problems}"));
    let longest = output.network.blocks.iter().map(|block| block.steps().count()).max();
    assert!(output.network.blocks.len() < LENGTH / 100 && longest < Some(1000), "{longest:?}");
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let bytes = |line: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(line)).unwrap();
        1024 * line.split_whitespace().next().unwrap().parse::<usize>().unwrap()
    };
    // Without the program itself, whose size is that of its optimisation.
    let peak = bytes("VmHWM:") - bytes("RssFile:");
    let bound = 3 * file.len() + 54_000_000;
    assert!(peak < bound, "{peak} of {bound} bytes");
}
