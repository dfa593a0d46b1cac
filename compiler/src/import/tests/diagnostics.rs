//! What users read when something is wrong with their file.

use insta::assert_snapshot;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{TensorProto, ValueInfoProto};

use super::fixture::{Dim, Fixture, float, int, ints, tensor, text};
use crate::diagnostics::Code;
use crate::import::{Options, load};

fn error(bytes: &[u8], options: &Options) -> String {
    load(bytes, options).expect_err("the model is broken").to_string()
}

fn relu() -> Fixture {
    Fixture::new(17).input("x", &[1, 4]).node("Relu", &["x"], &["y"]).output("y")
}

#[test]
fn not_onnx() {
    assert_snapshot!(error(b"", &Options::default()), @"");
    assert_snapshot!(error(b"PK\x03\x04 a zip archive", &Options::default()), @"");
    let bytes = relu().bytes();
    assert_snapshot!(error(&bytes[..bytes.len() - 20], &Options::default()), @"");
    let mut no_graph = relu();
    no_graph.proto.graph = None;
    assert_snapshot!(no_graph.problems(), @"");
    let mut no_opset = relu();
    no_opset.proto.opset_import.clear();
    assert_snapshot!(no_opset.problems(), @"");
}

#[test]
fn opsets() {
    let mut old = relu();
    old.proto.opset_import[0].version = 6;
    assert_snapshot!(old.problems(), @"");
    let mut new = relu();
    new.proto.opset_import[0].version = 99;
    assert_snapshot!(new.load().warnings, @"");
}

#[test]
fn initializers() {
    let add = |constant: TensorProto| {
        Fixture::new(17).input("x", &[1, 4]).tensor(constant).node("Add", &["x", "w"], &["y"]).output("y")
    };
    let short = TensorProto { float_data: vec![1.0; 3], ..tensor("w", DataType::Float, &[4]) };
    assert_snapshot!(add(short).problems(), @"");
    let raw = TensorProto { raw_data: vec![0; 15], ..tensor("w", DataType::Float, &[4]) };
    assert_snapshot!(add(raw).problems(), @"");
    let negative = tensor("w", DataType::Float, &[-1, 4]);
    assert_snapshot!(add(negative).problems(), @"");
    let huge = tensor("w", DataType::Float, &[1 << 40, 1 << 40]);
    assert_snapshot!(add(huge).problems(), @"");
    let hidden = tensor("w", DataType::Float, &[0, 1 << 40, 1 << 40]);
    assert_snapshot!(add(hidden).problems(), @"");
    let words = TensorProto { string_data: vec![b"four".to_vec()], ..tensor("w", DataType::String, &[1]) };
    assert_snapshot!(add(words).problems(), @"");
    let unsigned = TensorProto { uint64_data: vec![u64::MAX], ..tensor("w", DataType::Uint64, &[1]) };
    assert_snapshot!(add(unsigned).problems(), @"");
}

#[test]
fn cycles_and_undefined_values() {
    let cyclic = Fixture::new(17)
        .input("x", &[1, 4])
        .node("Add", &["x", "c"], &["a"])
        .node("Relu", &["a"], &["b"])
        .node("Neg", &["b"], &["c"])
        .node("Abs", &["c"], &["y"])
        .output("y");
    assert_snapshot!(cyclic.problems(), @"");
    let undefined = Fixture::new(17).input("x", &[4]).node("Add", &["x", "lost"], &["y"]).output("y").output("z");
    assert_snapshot!(undefined.problems(), @"");
    let twice = relu().node("Neg", &["x"], &["y"]);
    assert_snapshot!(twice.problems(), @"");
}

#[test]
fn unsorted_nodes_are_sorted() {
    let graph = Fixture::new(17)
        .input("x", &[4])
        .node("Neg", &["b"], &["y"])
        .node("Abs", &["a"], &["b"])
        .node("Relu", &["x"], &["a"])
        .output("y");
    assert_snapshot!(graph.text(), @"");
}

#[test]
fn unknown_operators() {
    let domain = Fixture::new(17).input("x", &[4]).node("com.acme::Magic", &["x"], &["y"]).output("y");
    assert_snapshot!(domain.problems(), @"");
    let op = Fixture::new(17).input("x", &[4]).node("NonZero", &["x"], &["y"]).output("y");
    assert_snapshot!(op.problems(), @"");
    let quantized = Fixture::new(17).input("x", &[4]).node("onnx.brevitas::Trunc", &["x"], &["y"]).output("y");
    assert_snapshot!(quantized.problems(), @"");
    let python = Fixture::new(17).input("x", &[4]).node("prim::PythonOp", &["x"], &["y"]).output("y");
    assert_snapshot!(python.problems(), @"");
}

#[test]
fn all_problems_at_once_and_none_that_only_follows() {
    let graph = Fixture::new(17)
        .input("x", &[1, 4])
        .node("com.acme::Magic", &["x"], &["a"])
        .node("Relu", &["a"], &["b"])
        .node("NonZero", &["x"], &["c"])
        .node("Add", &["b", "c"], &["d"])
        .node_with("Transpose", &["x"], &["e"], [ints("perm", &[0, 2])])
        .node("Concat", &["d", "e"], &["y"])
        .output("y");
    assert_snapshot!(graph.problems(), @"");
}

#[test]
fn problems_of_unused_nodes_do_not_matter() {
    let graph = relu().node("com.acme::Magic", &["x"], &["z"]);
    assert_eq!(graph.load().graph.nodes.len(), 1);
}

#[test]
fn attributes() {
    let with = |op: &str, attribute| {
        Fixture::new(17).input("x", &[1, 3, 8, 8]).node_with(op, &["x"], &["y"], [attribute]).output("y").problems()
    };
    assert_snapshot!(with("MaxPool", int("ceil_mode", 1)), @"");
    assert_snapshot!(with("MaxPool", float("kernel_shape", 2.0)), @"");
    assert_snapshot!(with("MaxPool", ints("kernel_shape", &[2, 0])), @"");
    assert_snapshot!(with("MaxPool", ints("kernel_shape", &[9, 9])), @"");
    assert_snapshot!(with("Softmax", int("axis", 4)), @"");
    assert_snapshot!(with("Cast", int("to", DataType::String as i64)), @"");
    assert_snapshot!(with("Flatten", int("axis", 5)), @"");
    assert_snapshot!(with("LeakyRelu", float("alpha", f32::NAN)), @"");
    assert_snapshot!(with("Concat", int("axes", 1)), @"");
    assert_snapshot!(with("Elu", text("alpha", "1")), @"");
}

#[test]
fn shapes_that_disagree() {
    let graph = Fixture::new(17)
        .input("x", &[1, 3, 8, 8])
        .floats("w", &[4, 5, 1, 1], &[0.0; 20])
        .floats("b", &[7], &[0.0; 7])
        .ints("s", &[2, 100])
        .node("Conv", &["x", "w"], &["a"])
        .node("Add", &["x", "b"], &["b1"])
        .node("Reshape", &["x", "s"], &["c"])
        .node("MatMul", &["x", "b"], &["d"])
        .output("a")
        .output("b1")
        .output("c")
        .output("d");
    assert_snapshot!(graph.problems(), @"");
}

#[test]
fn dimensions() {
    let dims = || vec![Dim::Named("batch"), Dim::Known(3), Dim::Named("height"), Dim::Known(-1)];
    let graph = || Fixture::new(17).typed_input("x", DataType::Float, dims()).node("Relu", &["x"], &["y"]).output("y");
    assert_snapshot!(graph().problems(), @"");
    let bound = |dims: &[(&str, usize)]| Options {
        dims: dims.iter().map(|&(name, extent)| (name.to_owned(), extent)).collect(),
        folder: None,
    };
    let options = bound(&[("height", 5), ("x[3]", 7)]);
    assert_snapshot!(load(&graph().bytes(), &options).unwrap().graph, @"");
    let options = bound(&[("height", 5), ("x[3]", 7), ("batch", 2)]);
    let loaded = load(&graph().bytes(), &options).unwrap();
    assert_eq!((loaded.graph.shape(loaded.graph.inputs[0]), loaded.graph.notes.len()), (&[2, 3, 5, 7][..], 0));
    assert_snapshot!(error(&graph().bytes(), &bound(&[("width", 3), ("height", 0)])), @"");
    assert_snapshot!(error(&relu().bytes(), &bound(&[("batch", 1)])), @"");
    let mut shapeless = relu();
    shapeless.proto.graph.as_mut().unwrap().input[0] = ValueInfoProto { name: "x".to_owned(), ..Default::default() };
    assert_snapshot!(shapeless.problems(), @"");
}

#[test]
fn training_mode() {
    let norm = |outputs: &[&str], mode| {
        Fixture::new(15)
            .input("x", &[1, 2])
            .floats("p", &[2], &[1.0, 2.0])
            .node_with("BatchNormalization", &["x", "p", "p", "p", "p"], outputs, [int("training_mode", mode)])
            .output("y")
    };
    assert_snapshot!(norm(&["y", "m", "v"], 1).problems(), @"");
    assert_snapshot!(norm(&["y", "m", "v"], 0).output("m").problems(), @"");
    assert_eq!(norm(&["y", "m", "v"], 0).load().graph.nodes.len(), 1);
    let dropout = Fixture::new(15)
        .input("x", &[1, 2])
        .floats("ratio", &[], &[0.5])
        .tensor(TensorProto { int32_data: vec![1], ..tensor("on", DataType::Bool, &[]) })
        .node("Dropout", &["x", "ratio", "on"], &["y"])
        .output("y");
    assert_snapshot!(dropout.problems(), @"");
}

#[test]
fn parameters_that_are_not_numbers() {
    let norm = |scale: f32, variance: f32| {
        Fixture::new(15)
            .input("x", &[1, 2])
            .floats("s", &[2], &[1.0, scale])
            .floats("b", &[2], &[0.0, 0.0])
            .floats("v", &[2], &[1.0, variance])
            .node("BatchNormalization", &["x", "s", "b", "b", "v"], &["y"])
            .output("y")
            .problems()
    };
    assert_snapshot!(norm(f32::NAN, 1.0), @"");
    assert_snapshot!(norm(1.0, f32::INFINITY), @"");
    assert_snapshot!(norm(1.0, -1.0), @"");
    let bipolar = Fixture::new(17)
        .input("x", &[2])
        .floats("s", &[], &[f32::INFINITY])
        .node("qonnx.custom_op.general::BipolarQuant", &["x", "s"], &["y"])
        .output("y");
    assert_snapshot!(bipolar.problems(), @"");
}

#[test]
fn parameters_that_depend_on_the_input() {
    let graph = Fixture::new(17)
        .input("x", &[2, 2])
        .typed_input("s", DataType::Int64, vec![Dim::Known(2)])
        .node("Reshape", &["x", "s"], &["y"])
        .output("y");
    assert_snapshot!(graph.problems(), @"");
}

#[test]
fn sizes_out_of_proportion() {
    let expand = |op: &str| {
        Fixture::new(17).floats("x", &[1, 1], &[1.0]).ints("s", &[1 << 20, 1 << 20]).node(op, &["x", "s"], &["y"])
    };
    assert_snapshot!(expand("Expand").output("y").problems(), @"");
    assert_snapshot!(expand("Tile").output("y").problems(), @"");
    let of_shape = expand("Tile").node("ConstantOfShape", &["s"], &["z"]).output("z");
    assert_snapshot!(of_shape.problems(), @"");
    let range = Fixture::new(17)
        .tensor(TensorProto { int64_data: vec![0], ..tensor("a", DataType::Int64, &[]) })
        .tensor(TensorProto { int64_data: vec![i64::MAX], ..tensor("b", DataType::Int64, &[]) })
        .tensor(TensorProto { int64_data: vec![1], ..tensor("c", DataType::Int64, &[]) })
        .node("Range", &["a", "b", "c"], &["y"])
        .output("y");
    assert_snapshot!(range.problems(), @"");
    let live = Fixture::new(17).input("x", &[1, 1]).ints("s", &[1 << 20, 1 << 20]).node("Expand", &["x", "s"], &["y"]);
    assert_snapshot!(live.output("y").problems(), @"");
    let input = Fixture::new(17).input("x", &[1 << 20, 1 << 20]).node("Relu", &["x"], &["y"]).output("y");
    assert_snapshot!(input.problems(), @"");
}

#[test]
fn every_error_of_import_has_a_code_of_the_catalogue() {
    let used = [Code::NotOnnx, Code::Cycle, Code::BadInitializer, Code::TooLarge, Code::ExternalData];
    assert!(used.iter().all(|code| Code::ALL.iter().any(|(known, _)| known == code)));
}
