//! A file of N bytes is compiled in at most 3 N + 64 MB of memory, wherever it keeps its weights.
//!
//! A test of its own, in a process of its own: the kernel counts the peak of a process.

#![cfg(target_os = "linux")]

use prost::Message as _;
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto::AttributeType, type_proto,
};

/// Enough of them that one copy of each, held too long, is beyond the bound.
const LAYERS: usize = 8;
const CHANNELS: usize = 512;
const WEIGHTS: usize = CHANNELS * CHANNELS * 9;

/// Latent weights of one layer: of both signs, none zero.
fn weights(layer: usize) -> Vec<u8> {
    let mut state = layer as u64 + 1;
    let mut next = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        ((state >> 40) as f32 + 0.5) / (1 << 23) as f32 - 1.0
    };
    (0..WEIGHTS).flat_map(|_| next().to_le_bytes()).collect()
}

/// `x = Conv(Sign(x), Sign(w) * mean(|w|))`, layer after layer, as exporters write it that fold nothing.
fn model(external: bool) -> Vec<u8> {
    let mut graph = GraphProto::default();
    let extents = [1, CHANNELS as i64, 4, 4]
        .map(|d| Dimension { value: Some(dimension::Value::DimValue(d)), ..Default::default() });
    let shape = Some(TensorShapeProto { dim: extents.to_vec() });
    let tensor = type_proto::Tensor { elem_type: DataType::Float as i32, shape };
    let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() };
    graph.input.push(ValueInfoProto { name: "x0".to_owned(), r#type: Some(kind), ..Default::default() });
    let ints = |name: &str, ints: &[i64]| AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Ints as i32,
        ints: ints.to_vec(),
        ..Default::default()
    };
    for i in 0..LAYERS {
        let mut node = |op: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>| {
            graph.node.push(NodeProto {
                op_type: op.to_owned(),
                input: inputs.iter().map(|name| format!("{name}{i}")).collect(),
                output: vec![output.to_owned()],
                attribute,
                ..Default::default()
            });
        };
        node("Sign", &["w"], &format!("ws{i}"), Vec::new());
        node("Abs", &["w"], &format!("wa{i}"), Vec::new());
        node("ReduceMean", &["wa"], &format!("wm{i}"), vec![ints("axes", &[1, 2, 3])]);
        node("Mul", &["ws", "wm"], &format!("wb{i}"), Vec::new());
        node("Sign", &["x"], &format!("s{i}"), Vec::new());
        node("Conv", &["s", "wb"], &format!("x{}", i + 1), vec![ints("pads", &[1; 4])]);
        let mut constant = TensorProto {
            name: format!("w{i}"),
            data_type: DataType::Float as i32,
            dims: vec![CHANNELS as i64, CHANNELS as i64, 3, 3],
            ..Default::default()
        };
        if external {
            let entry = |key: &str, value: String| StringStringEntryProto { key: key.to_owned(), value };
            constant.data_location = Some(DataLocation::External as i32);
            constant.external_data = vec![
                entry("location", "weights.data".to_owned()),
                entry("offset", (4 * WEIGHTS * i).to_string()),
                entry("length", (4 * WEIGHTS).to_string()),
            ];
        } else {
            constant.raw_data = weights(i);
        }
        graph.initializer.push(constant);
    }
    graph.output.push(ValueInfoProto { name: format!("x{LAYERS}"), ..Default::default() });
    let opset_import = vec![OperatorSetIdProto { domain: String::new(), version: 17 }];
    ModelProto { ir_version: 8, opset_import, graph: Some(graph), ..Default::default() }.encode_to_vec()
}

/// The most memory that this process ever had, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    1024 * line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap()
}

#[test]
fn memory_and_budget() {
    let folder = tempfile::tempdir().unwrap();
    let bound = 3 * (4 * WEIGHTS * LAYERS) + 64_000_000;
    // The weights lie beside the file, layer by layer: this test never holds them all.
    let mut data = std::fs::File::create(folder.path().join("weights.data")).unwrap();
    for layer in 0..LAYERS {
        std::io::Write::write_all(&mut data, &weights(layer)).unwrap();
    }
    let outside = folder.path().join("outside.onnx");
    std::fs::write(&outside, model(true)).unwrap();
    let output = xnorc::load(&outside, &xnorc::Config::new()).unwrap_or_else(|problems| panic!("{problems}"));
    // A bit for each weight, and another one in the order that AVX2 counts down the lanes.
    assert!(output.emitted.weights.len() < WEIGHTS * LAYERS * 2 / 7);
    drop(output);
    assert!(peak() < bound, "{} of {bound} bytes, weights outside", peak());

    // Now in the file. Writing it takes as much as reading it, so it is done in a process of its own.
    let inside = folder.path().join("inside.onnx");
    {
        let me = std::env::current_exe().unwrap();
        let written = std::process::Command::new(me)
            .args(["--exact", "writes_the_file", "--ignored"])
            .env("XNORC_WRITE", &inside)
            .output()
            .unwrap();
        assert!(written.status.success() && inside.exists(), "{}", String::from_utf8_lossy(&written.stdout));
    }
    xnorc::load(&inside, &xnorc::Config::new()).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(peak() < bound, "{} of {bound} bytes, weights inside", peak());
}

#[test]
#[ignore = "the other half of memory_and_budget, which runs it"]
fn writes_the_file() {
    let path = std::env::var_os("XNORC_WRITE").expect("memory_and_budget says where");
    std::fs::write(path, model(false)).unwrap();
}
