//! What users read when something is wrong with their file.

use insta::assert_snapshot;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, TensorProto, ValueInfoProto};

use super::fixture::{Dim, Fixture, float, int, ints, tensor, text, texts};
use crate::import::{Options, load};

fn error(bytes: &[u8], options: &Options) -> String {
    load(bytes, options).expect_err("the model is broken").to_string()
}

fn relu() -> Fixture {
    Fixture::new(17).input("x", &[1, 4]).node("Relu", &["x"], &["y"]).output("y")
}

#[test]
fn not_onnx() {
    assert_snapshot!(error(b"", &Options::default()), @"X001: the file is empty; help: give a file written by an ONNX exporter");
    assert_snapshot!(error(b"PK\x03\x04 a zip archive", &Options::default()), @"X001: it is a zip archive, not an ONNX model; help: unpack it; for a PyTorch checkpoint, export the model with torch.onnx.export");
    let bytes = relu().bytes();
    assert_snapshot!(error(&bytes[..bytes.len() - 20], &Options::default()), @"X001: it is not an ONNX model, or a truncated one: the bytes end in the middle of a field; help: give a file written by an ONNX exporter");
    let mut no_graph = relu();
    no_graph.proto.graph = None;
    assert_snapshot!(no_graph.problems(), @"X001: it holds no graph; help: give a file written by an ONNX exporter");
    let mut no_opset = relu();
    no_opset.proto.opset_import.clear();
    assert_snapshot!(no_opset.problems(), @"X001: no version of the standard operators is given, so their meaning is unknown; help: give a file written by an ONNX exporter");
}

#[test]
fn opsets() {
    let mut old = relu();
    old.proto.opset_import[0].version = 6;
    assert_snapshot!(old.problems(), @"X007: the model uses opset 6; help: convert it to opset 7 or newer with onnx.version_converter");
    let mut new = relu();
    new.proto.opset_import[0].version = 99;
    assert_snapshot!(new.load().warnings, @"X103: the model uses opset 99; the newest that was tested is 28; help: export with an older opset if the results look wrong");
}

#[test]
fn initializers() {
    let add = |constant: TensorProto| {
        Fixture::new(17).input("x", &[1, 4]).tensor(constant).node("Add", &["x", "w"], &["y"]).output("y")
    };
    let short = TensorProto { float_data: vec![1.0; 3], ..tensor("w", DataType::Float, &[4]) };
    assert_snapshot!(add(short).problems(), @r#"X004 at initializer "w": 3 elements of data for the extents [4]"#);
    let raw = TensorProto { raw_data: vec![0; 15], ..tensor("w", DataType::Float, &[4]) };
    assert_snapshot!(add(raw).problems(), @r#"X004 at initializer "w": 15 bytes of data for [4] elements of float, which take 16"#);
    let negative = tensor("w", DataType::Float, &[-1, 4]);
    assert_snapshot!(add(negative).problems(), @r#"X004 at initializer "w": a negative extent among [-1, 4]"#);
    let huge = tensor("w", DataType::Float, &[1 << 40, 1 << 40]);
    assert_snapshot!(add(huge).problems(), @r#"X016 at initializer "w": extents [1099511627776, 1099511627776] are beyond what a file can hold"#);
    let hidden = tensor("w", DataType::Float, &[0, 1 << 40, 1 << 40]);
    assert_snapshot!(add(hidden).problems(), @r#"X016 at initializer "w": extents [0, 1099511627776, 1099511627776] are beyond what a file can hold"#);
    let words = TensorProto { string_data: vec![b"four".to_vec()], ..tensor("w", DataType::String, &[1]) };
    assert_snapshot!(add(words).problems(), @r#"X004 at initializer "w": elements of string are not supported"#);
    let unsigned = TensorProto { uint64_data: vec![u64::MAX], ..tensor("w", DataType::Uint64, &[1]) };
    assert_snapshot!(add(unsigned).problems(), @r#"X004 at initializer "w": an unsigned integer beyond the range of 64-bit signed ones"#);
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
    assert_snapshot!(cyclic.problems(), @r#"X005 at node "b": the graph is cyclic: b -> c -> a -> b; help: an ONNX graph must not depend on its own results"#);
    let undefined = Fixture::new(17).input("x", &[4]).node("Add", &["x", "lost"], &["y"]).output("y").output("z");
    assert_snapshot!(undefined.problems(), @r#"
    X005 at node "y" (Add): it uses "lost", which nothing produces
    X005 at output "z": nothing produces it
    "#);
    let twice = relu().node("Neg", &["x"], &["y"]);
    assert_snapshot!(twice.problems(), @r#"X005 at node "y" (Neg): the value "y" is produced twice"#);
}

#[test]
fn unsorted_nodes_are_sorted() {
    let graph = Fixture::new(17)
        .input("x", &[4])
        .node("Neg", &["b"], &["y"])
        .node("Abs", &["a"], &["b"])
        .node("Relu", &["x"], &["a"])
        .output("y");
    assert_snapshot!(graph.text(), @r#"
    graph "test"
    %x: f32[4] = input
    %a: f32[4] = Relu(%x)
    %b: f32[4] = Abs(%a)
    %y: f32[4] = Neg(%b)
    return %y
    "#);
}

#[test]
fn unknown_operators() {
    let domain = Fixture::new(17).input("x", &[4]).node("com.acme::Magic", &["x"], &["y"]).output("y");
    assert_snapshot!(domain.problems(), @r#"X006 at node "y" (com.acme.Magic): operators of the domain "com.acme" are not known; help: export the model with standard operators only"#);
    let op = Fixture::new(17).input("x", &[4]).node("NonZero", &["x"], &["y"]).output("y");
    assert_snapshot!(op.problems(), @r#"X007 at node "y" (NonZero, opset 17): the operator NonZero of opset 17 is not supported; help: write that part of the model in other operators, or leave it out of the export and compute it outside"#);
    let quantized = Fixture::new(17).input("x", &[4]).node("onnx.brevitas::FloatQuant", &["x"], &["y"]).output("y");
    assert_snapshot!(quantized.problems(), @r#"X007 at node "y" (onnx.brevitas.FloatQuant): the operator FloatQuant is not supported; help: write that part of the model in other operators, or leave it out of the export and compute it outside"#);
    let python = Fixture::new(17).input("x", &[4]).node("prim::PythonOp", &["x"], &["y"]).output("y");
    assert_snapshot!(python.problems(), @r#"X012 at node "y" (prim.PythonOp): PythonOp is a function of Python or TorchScript, which no ONNX engine can run; help: give the autograd.Function a `symbolic` method, or export a plain forward pass"#);
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
    assert_snapshot!(graph.problems(), @r#"
    X006 at node "a" (com.acme.Magic): operators of the domain "com.acme" are not known; help: export the model with standard operators only
    X007 at node "c" (NonZero, opset 17): the operator NonZero of opset 17 is not supported; help: write that part of the model in other operators, or leave it out of the export and compute it outside
    X008 at node "e" (Transpose, opset 17): axis 2 of a value of 2 dimensions
    "#);
}

/// An operator is one from its first opset on; what onnxruntime's optimiser writes into older files is one there too.
#[test]
fn operators_of_a_later_opset() {
    let graph = |op: &str, opset: i64| {
        let fixture = Fixture::new(opset).input("x", &[1, 4]).ints("s", &[3, 4]).floats("c", &[4], &[0.5; 4]);
        let inputs: &[&str] = match op {
            "Expand" => &["x", "s"],
            "GreaterOrEqual" | "Mod" | "Min" | "Sum" | "LayerNormalization" => &["x", "c"],
            _ => &["x"],
        };
        let attribute = if op == "Mod" { vec![int("fmod", 1)] } else { Vec::new() };
        let mut fixture = fixture.node(op, inputs, &["y"]).output("y");
        fixture.proto.graph.as_mut().unwrap().node[0].attribute = attribute;
        fixture
    };
    let rows = [
        ("Expand", 8),
        ("Sign", 9),
        ("Erf", 9),
        ("Mod", 10),
        ("ThresholdedRelu", 10),
        ("Round", 11),
        ("GreaterOrEqual", 12),
        ("HardSwish", 14),
        ("Mish", 18),
        ("Gelu", 20),
    ];
    for (op, since) in rows {
        let text = graph(op, since - 1).problems();
        let message = format!("the file uses opset {}, and {op} is an operator from opset {since} on", since - 1);
        assert_eq!(
            text,
            format!(
                "X008 at node \"y\" ({op}, opset {}): {message}; help: the file is not valid: export it with opset \
                 {since} or newer, or without {op}",
                since - 1
            )
        );
        graph(op, since).load();
    }
    for op in ["Min", "Sum", "Relu", "LayerNormalization"] {
        graph(op, 7).load();
    }
}

/// Behind an operator that is not supported others are still found, each once, with how often it stands in the file.
#[test]
fn operators_behind_one_another() {
    let graph = Fixture::new(17)
        .input("x", &[1, 4])
        .node("NonZero", &["x"], &["a"])
        .node("Det", &["a"], &["b"])
        .node("NonZero", &["b"], &["c"])
        .node("com.microsoft::FusedConv", &["c"], &["d"])
        .node("Relu", &["d"], &["e"])
        .node("NonZero", &["e"], &["y"])
        .output("y");
    let text = graph.problems();
    let lines: Vec<&str> = text.lines().map(|line| line.split("; help").next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            r#"X007 at node "a" (NonZero, opset 17) and 2 more: the operator NonZero of opset 17 is not supported"#,
            r#"X007 at node "b" (Det, opset 17): the operator Det of opset 17 is not supported"#,
            r#"X006 at node "d" (com.microsoft.FusedConv): FusedConv of the domain "com.microsoft" is made by onnxruntime's optimiser, and only it knows it"#,
        ]
    );
}

#[test]
fn operands_too_many() {
    let graph = |op: &str, n: usize| {
        let inputs = ["x", "s", "s", "s", "s"];
        Fixture::new(17).input("x", &[1, 4]).floats("s", &[], &[1.0]).node(op, &inputs[..n], &["y"]).output("y")
    };
    for (op, n) in [("Elu", 2), ("Add", 3), ("PRelu", 3), ("Clip", 4), ("Softmax", 2), ("Sign", 2), ("Flatten", 2)] {
        let text = graph(op, n).problems();
        let start =
            format!("X008 at node \"y\" ({op}, opset 17): it is given {n} operands, and {op} of opset 17 takes");
        assert!(text.starts_with(&start), "{text}");
    }
    // Absent ones at the end are none.
    let absent = Fixture::new(17).input("x", &[1, 4]).node("Relu", &["x", "", ""], &["y"]).output("y");
    assert_eq!(absent.load().graph.nodes.len(), 1);
}

#[test]
fn an_empty_input() {
    let graph = Fixture::new(17).input("x", &[2, 0, 4]).node("Relu", &["x"], &["y"]).output("y");
    assert_snapshot!(graph.problems(), @r#"X014 at input "x": it is empty: x[1] is 0; help: export with an input that holds something; if 0 stands for any extent, bind it with --dim x[1]=N"#);
    let options = Options { dims: vec![("x[1]".to_owned(), 3)], ..Options::default() };
    let bound = load(&graph.bytes(), &options).unwrap().graph;
    assert_eq!(bound.shape(bound.inputs[0]), [2, 3, 4]);
}

#[test]
fn problems_of_unused_nodes_do_not_matter() {
    let graph = relu().node("com.acme::Magic", &["x"], &["z"]);
    assert_eq!(graph.load().graph.nodes.len(), 1);
}

/// Of an RNN of so many steps.
fn recurrent<const N: usize>(steps: i64, attributes: [AttributeProto; N]) -> String {
    Fixture::new(17)
        .input("x", &[steps, 1, 2])
        .floats("w", &[1, 2, 2], &[1.0; 4])
        .node_with("RNN", &["x", "w", "w"], &["y"], attributes)
        .output("y")
        .problems()
}

#[test]
fn attributes() {
    let with = |op: &str, attribute| {
        Fixture::new(17).input("x", &[1, 3, 8, 8]).node_with(op, &["x"], &["y"], [attribute]).output("y").problems()
    };
    assert_snapshot!(with("MaxPool", int("ceil_mode", 1)), @r#"X008 at node "y" (MaxPool, opset 17): attribute "kernel_shape" is missing"#);
    assert_snapshot!(with("MaxPool", float("kernel_shape", 2.0)), @r#"X008 at node "y" (MaxPool, opset 17): attribute "kernel_shape" is not of type ints"#);
    assert_snapshot!(with("MaxPool", ints("kernel_shape", &[2, 0])), @r#"X008 at node "y" (MaxPool, opset 17): kernel_shape [2, 0] must lie between 1 and 65536"#);
    assert_snapshot!(with("MaxPool", ints("kernel_shape", &[9, 9])), @r#"X009 at node "y" (MaxPool, opset 17): a window of [9, 9] (dilations [1, 1]) is larger than the image of 8x8 with padding [0, 0, 0, 0]"#);
    assert_snapshot!(with("Softmax", int("axis", 4)), @r#"X008 at node "y" (Softmax, opset 17): axis 4 of a value of 4 dimensions"#);
    assert_snapshot!(with("Cast", int("to", DataType::String as i64)), @r#"X007 at node "y" (Cast, opset 17): a cast to string is not supported"#);
    assert_snapshot!(with("Flatten", int("axis", 5)), @r#"X008 at node "y" (Flatten, opset 17): axis 5 of a value of 4 dimensions"#);
    assert_snapshot!(with("LeakyRelu", float("alpha", f32::NAN)), @r#"X008 at node "y" (LeakyRelu, opset 17): attribute "alpha" is not a number"#);
    assert_snapshot!(with("Concat", int("axes", 1)), @r#"X008 at node "y" (Concat, opset 17): attribute "axis" is missing"#);
    assert_snapshot!(recurrent(2, [text("direction", "up")]), @r#"X008 at node "y" (RNN, opset 17): the direction "up" is not known"#);
    assert_snapshot!(recurrent(2, [texts("activations", &["Tanh", "Relu"])]), @r#"X008 at node "y" (RNN, opset 17): 2 activations where 1 are needed"#);
    assert_snapshot!(recurrent(2, [texts("activations", &["Gelu"])]), @r#"X008 at node "y" (RNN, opset 17): the activation "Gelu" is not known"#);
    assert_snapshot!(recurrent(2, [int("hidden_size", 5)]), @r#"X008 at node "y" (RNN, opset 17): attribute "hidden_size" does not fit recurrent weights of shape [1, 2, 2]"#);
    assert_snapshot!(recurrent(2000, []), @r#"X014 at node "y" (RNN, opset 17): its 2000 steps are written out one by one, and no more than 1024 are; help: split the sequence, and carry the state from part to part"#);
    assert_snapshot!(with("Elu", text("alpha", "1")), @r#"X008 at node "y" (Elu, opset 17): attribute "alpha" is not of type float"#);
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
    assert_snapshot!(graph.problems(), @r#"
    X009 at node "a" (Conv, opset 17): weights of shape [4, 5, 1, 1] in 1 group(s) do not fit an input of 3 channels
    X009 at node "b1" (Add, opset 17): operands of shapes [1, 3, 8, 8] and [7] do not broadcast
    X009 at node "c" (Reshape, opset 17): a value of shape [1, 3, 8, 8] cannot take the shape [2, 100]
    X009 at node "d" (MatMul, opset 17): a matrix product of shapes [1, 3, 8, 8] and [7]
    "#);
}

#[test]
fn dimensions() {
    let dims = || vec![Dim::Named("batch"), Dim::Known(3), Dim::Named("height"), Dim::Known(-1)];
    let graph = || Fixture::new(17).typed_input("x", DataType::Float, dims()).node("Relu", &["x"], &["y"]).output("y");
    assert_snapshot!(graph().problems(), @r#"X010 at input "x": its dimension(s) height, x[3] are not known; help: bind them with --dim height=N --dim x[3]=N"#);
    let bound = |dims: &[(&str, usize)]| Options {
        dims: dims.iter().map(|&(name, extent)| (name.to_owned(), extent)).collect(),
        ..Options::default()
    };
    let options = bound(&[("height", 5), ("x[3]", 7)]);
    assert_snapshot!(load(&graph().bytes(), &options).unwrap().graph, @r#"
    graph "test"
    %x: f32[1,3,5,7] = input
    %y: f32[1,3,5,7] = Relu(%x)
    return %y
    note: dimension "batch" of input "x" was taken as 1
    "#);
    let options = bound(&[("height", 5), ("x[3]", 7), ("batch", 2)]);
    let loaded = load(&graph().bytes(), &options).unwrap();
    assert_eq!((loaded.graph.shape(loaded.graph.inputs[0]), loaded.graph.notes.len()), (&[2, 3, 5, 7][..], 0));
    assert_snapshot!(error(&graph().bytes(), &bound(&[("width", 3), ("height", 0)])), @r#"
    X015: the model has no dimension "width"; help: its dimensions are batch, height, x[3]
    X010: dimension "height" cannot be 0
    X010 at input "x": its dimension(s) x[3] are not known; help: bind them with --dim x[3]=N
    "#);
    assert_snapshot!(error(&relu().bytes(), &bound(&[("batch", 1)])), @r#"X015: the model has no dimension "batch"; help: every dimension of its inputs is fixed"#);
    let mut shapeless = relu();
    shapeless.proto.graph.as_mut().unwrap().input[0] = ValueInfoProto { name: "x".to_owned(), ..Default::default() };
    assert_snapshot!(shapeless.problems(), @r#"X014 at input "x": it is not a tensor"#);
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
    assert_snapshot!(norm(&["y", "m", "v"], 1).problems(), @r#"X011 at node "y" (BatchNormalization, opset 15): it normalises with the statistics of the batch; help: call model.eval() before the export, or export with training=False"#);
    assert_snapshot!(norm(&["y", "m", "v"], 0).output("m").problems(), @r#"X011 at node "y" (BatchNormalization, opset 15): the statistics that it updates are used; help: call model.eval() before the export, or export with training=False"#);
    assert_eq!(norm(&["y", "m", "v"], 0).load().graph.nodes.len(), 1);
    let old = |outputs: &[&str]| {
        Fixture::new(9)
            .input("x", &[1, 2])
            .floats("p", &[2], &[1.0, 2.0])
            .node("BatchNormalization", &["x", "p", "p", "p", "p"], outputs)
            .output("y")
    };
    assert_snapshot!(old(&["y", "m", "v", "sm", "sv"]).problems(), @r#"X011 at node "y" (BatchNormalization, opset 9): it declares the statistics that it updates, and so normalises with those of the batch; help: call model.eval() before the export, or export with training=False"#);
    assert_eq!(old(&["y", "", "", "", ""]).load().graph.nodes.len(), 1);
    let dropout = Fixture::new(15)
        .input("x", &[1, 2])
        .floats("ratio", &[], &[0.5])
        .tensor(TensorProto { int32_data: vec![1], ..tensor("on", DataType::Bool, &[]) })
        .node("Dropout", &["x", "ratio", "on"], &["y"])
        .output("y");
    assert_snapshot!(dropout.problems(), @r#"X011 at node "y" (Dropout, opset 15): it drops elements at random; help: call model.eval() before the export, or export with training=False"#);
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
    assert_snapshot!(norm(f32::NAN, 1.0), @r#"X004 at initializer "s": it holds NaN at [1]; help: such a number is left behind by a training that diverged: the file is of no use as it is"#);
    assert_snapshot!(norm(1.0, f32::INFINITY), @r#"X004 at node "y" (BatchNormalization, opset 15): its variance of channel 1 is inf"#);
    assert_snapshot!(norm(1.0, -1.0), @r#"X004 at node "y" (BatchNormalization, opset 15): the variance of channel 1, -1, is not positive"#);
    let bipolar = Fixture::new(17)
        .input("x", &[2])
        .floats("s", &[], &[f32::INFINITY])
        .node("qonnx.custom_op.general::BipolarQuant", &["x", "s"], &["y"])
        .output("y");
    assert_snapshot!(bipolar.problems(), @r#"X004 at node "y" (qonnx.custom_op.general.BipolarQuant): its scale holds inf"#);
}

#[test]
fn parameters_that_depend_on_the_input() {
    let graph = Fixture::new(17)
        .input("x", &[2, 2])
        .typed_input("s", DataType::Int64, vec![Dim::Known(2)])
        .node("Reshape", &["x", "s"], &["y"])
        .output("y");
    assert_snapshot!(graph.problems(), @r#"X013 at node "y" (Reshape, opset 17): its shape ("s") must be known at compile time; help: export with fixed shapes and constant folding"#);
}

#[test]
fn sizes_out_of_proportion() {
    let expand = |op: &str| {
        Fixture::new(17).floats("x", &[1, 1], &[1.0]).ints("s", &[1 << 20, 1 << 20]).node(op, &["x", "s"], &["y"])
    };
    assert_snapshot!(expand("Expand").output("y").problems(), @r#"X016 at node "y" (Expand, opset 17): a constant of 1099511627777 elements is computed, far more than a file of this size warrants"#);
    assert_snapshot!(expand("Tile").output("y").problems(), @r#"X016 at node "y" (Tile, opset 17): a constant of 1099511627777 elements is computed, far more than a file of this size warrants"#);
    let of_shape = expand("Tile").node("ConstantOfShape", &["s"], &["z"]).output("z");
    assert_snapshot!(of_shape.problems(), @r#"X016 at node "z" (ConstantOfShape, opset 17): a constant of 1099511627776 elements is computed, far more than a file of this size warrants"#);
    let range = Fixture::new(17)
        .tensor(TensorProto { int64_data: vec![0], ..tensor("a", DataType::Int64, &[]) })
        .tensor(TensorProto { int64_data: vec![i64::MAX], ..tensor("b", DataType::Int64, &[]) })
        .tensor(TensorProto { int64_data: vec![1], ..tensor("c", DataType::Int64, &[]) })
        .node("Range", &["a", "b", "c"], &["y"])
        .output("y");
    assert_snapshot!(range.problems(), @r#"X016 at node "y" (Range, opset 17): a constant of 9223372036854775808 elements is computed, far more than a file of this size warrants"#);
    let live = Fixture::new(17).input("x", &[1, 1]).ints("s", &[1 << 20, 1 << 20]).node("Expand", &["x", "s"], &["y"]);
    assert_snapshot!(live.output("y").problems(), @r#"X016 at node "y" (Expand, opset 17): the result, [1048576, 1048576], is too large"#);
    let input = Fixture::new(17).input("x", &[1 << 20, 1 << 20]).node("Relu", &["x"], &["y"]).output("y");
    assert_snapshot!(input.problems(), @r#"X016 at input "x": its shape [1048576, 1048576] is too large"#);
}
