//! Functions of the file's own, and control flow.

use insta::assert_snapshot;
use prost::Message as _;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, TensorProto};

use super::fixture::{Fixture, float, int, ints, referring, tensor};
use crate::import::{Options, load};
use crate::ir::Tensor;

/// A function with an attribute of its node, one of its own with a default, an operand that may be left out, and one within.
fn functions() -> Fixture {
    let fixture = Fixture::new(17)
        .node_with("LeakyRelu", &["a"], &["b"], [referring("slope", float("alpha", 0.0))])
        .function("own::Leak", &["a"], &["b"], &["slope"])
        .node_with("own::Leak", &["a"], &["t"], [referring("s", float("slope", 0.0))])
        .node("Clip", &["t", "low"], &["c"])
        .node_with("Elu", &["c"], &["out"], [referring("alpha", float("alpha", 0.0))])
        .function("own::Outer", &["a", "low"], &["out"], &["s", "alpha"]);
    fixture.input("x", &[4])
}

#[test]
fn functions_are_inlined() {
    let graph = functions()
        .floats("low", &[], &[-0.25])
        .node_with("own::Outer", &["x", "low"], &["t"], [float("s", 0.5)])
        .node_with("own::Outer", &["t"], &["y"], [float("s", 4.0), float("alpha", 2.0)])
        .output("y");
    assert_snapshot!(graph.text(), @r#"
    graph "test"
    %x: f32[4] = input
    %b.LeakyRelu: f32[4] = LeakyRelu(%x) {alpha 0.5}
    %c.Clip: f32[4] = Clip(%b.LeakyRelu) {min -0.25, max inf}
    %t: f32[4] = Elu(%c.Clip) {alpha 1.0}
    %b.LeakyRelu.2: f32[4] = LeakyRelu(%t) {alpha 4.0}
    %y: f32[4] = Elu(%b.LeakyRelu.2) {alpha 2.0}
    return %y
    "#);
    // The second call has no lower bound.
    let y = graph.run(&[Tensor::f32([4], vec![1.0, -0.2, -8.0, 0.0])]);
    let elu = |x: f32, alpha: f32| if x < 0.0 { alpha * x.exp_m1() } else { x };
    let first = [1.0, elu(-0.1, 1.0), elu(-0.25, 1.0), 0.0];
    let second = first.map(|x| elu(if x < 0.0 { 4.0 * x } else { x }, 2.0));
    let near = y.to_f32().iter().zip(second).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(near, "{y:?} is not {second:?}");
}

fn text_of(bytes: &[u8]) -> String {
    load(bytes, &Options::default()).unwrap_or_else(|problems| panic!("{problems}")).graph.to_string()
}

#[test]
fn a_default_of_a_function() {
    let mut graph = functions().node_with("own::Outer", &["x"], &["y"], [float("s", 0.5)]).output("y");
    graph.proto.functions[1].attribute.retain(|name| name != "alpha");
    let default = float("alpha", 3.0).encode_to_vec();
    let bytes = graph.bytes_with(&[&[11 << 3 | 2, default.len() as u8][..], &default].concat(), &[]);
    assert_snapshot!(text_of(&bytes), @r#"
    graph "test"
    %x: f32[4] = input
    %b.LeakyRelu: f32[4] = LeakyRelu(%x) {alpha 0.5}
    %y: f32[4] = Elu(%b.LeakyRelu) {alpha 3.0}
    return %y
    "#);
}

#[test]
fn the_function_of_the_overload() {
    let graph = Fixture::new(17)
        .node("Neg", &["a"], &["b"])
        .function("own::F", &["a"], &["b"], &[])
        .node("Abs", &["a"], &["b"])
        .function("own::F", &["a"], &["b"], &[])
        .input("x", &[2])
        .output("y")
        .node("own::F", &["x"], &["y"]);
    let (other, of_function, of_node) = (b"other", [13 << 3 | 2, 5], [8 << 3 | 2, 5]);
    let function = [&of_function[..], other].concat();
    let text = text_of(&graph.clone().bytes_with(&function, &[&of_node[..], other].concat()));
    assert!(text.contains("Abs"), "{text}");
    let text = text_of(&graph.bytes_with(&function, &[]));
    assert!(text.contains("Neg"), "{text}");
}

#[test]
fn what_is_wrong_with_functions() {
    let call = |fixture: Fixture| fixture.node("own::F", &["x"], &["y"]).output("y").problems();
    let recursive = || Fixture::new(17).node("own::G", &["a"], &["b"]).function("own::F", &["a"], &["b"], &[]);
    let both = recursive().node("own::F", &["a"], &["b"]).function("own::G", &["a"], &["b"], &[]).input("x", &[2]);
    assert_snapshot!(call(both), @r#"X005 at node "F/y/G/b/b" (own.F, opset 1): the function "F" calls itself; help: an ONNX function must not call itself, not through others either"#);
    let unknown = Fixture::new(17).node("Det", &["a"], &["b"]).function("own::F", &["a"], &["b"], &[]).input("x", &[2]);
    assert_snapshot!(call(unknown), @r#"X007 at node "F/y/b" (Det, opset 17): the operator Det of opset 17 is not supported; help: write that part of the model in other operators, or leave it out of the export and compute it outside"#);
    let undefined =
        Fixture::new(17).node("Relu", &["x"], &["b"]).function("own::F", &["a"], &["b"], &[]).input("x", &[2]);
    assert_snapshot!(call(undefined), @r#"X005 at node "F/y/b" (Relu): it uses "x", which nothing produces"#);
    let old = || {
        let mut fixture =
            Fixture::new(17).node("Relu", &["a"], &["b"]).function("own::F", &["a"], &["b"], &[]).input("x", &[2]);
        fixture.proto.functions[0].opset_import[0].version = 6;
        fixture
    };
    assert_snapshot!(call(old()), @r#"X007 at node "y" (own.F, opset 1): the model uses opset 6; help: convert it to opset 7 or newer with onnx.version_converter"#);
    let few = functions().node("own::Leak", &["x", "x"], &["y"]).output("y");
    assert_snapshot!(few.problems(), @r#"X008 at node "y" (own.Leak, opset 1): it has 2 operands, and the function "Leak" 1; help: the file is not valid: onnx.checker.check_model tells more"#);
    let attribute = Fixture::new(17)
        .node_with("Elu", &["a"], &["b"], [referring("slope", float("alpha", 0.0))])
        .function("own::F", &["a"], &["b"], &[])
        .input("x", &[2]);
    assert_snapshot!(call(attribute), @r#"X008 at node "F/y/b" (Elu, opset 17): attribute "alpha" refers to "slope", which the function does not have"#);
}

/// Calls that double at every level are bounded.
#[test]
fn functions_that_explode() {
    let mut fixture = Fixture::new(17).node("Relu", &["a"], &["b"]).function("own::F0", &["a"], &["b"], &[]);
    for level in 1..30 {
        let inner = format!("own::F{}", level - 1);
        fixture = fixture.node(&inner, &["a"], &["t"]).node(&inner, &["t"], &["b"]).function(
            &format!("own::F{level}"),
            &["a"],
            &["b"],
            &[],
        );
    }
    let graph = fixture.input("x", &[2]).node("own::F29", &["x"], &["y"]).output("y");
    let problems = graph.problems();
    assert!(problems.contains("X016") && problems.contains("65536 nodes"), "{problems}");
}

fn branches(then: &Fixture, otherwise: &Fixture) -> [AttributeProto; 2] {
    [then.as_attribute("then_branch"), otherwise.as_attribute("else_branch")]
}

#[test]
fn the_branch_of_a_known_condition() {
    // The branches take x from around them, and one of them holds what is not supported.
    let then = Fixture::new(13).floats("two", &[], &[2.0]).node("Mul", &["x", "two"], &["t"]).output("t");
    let otherwise = Fixture::new(13).node("Det", &["x"], &["t"]).output("t");
    let graph = Fixture::new(13)
        .input("x", &[1, 4])
        .ints("four", &[4])
        .ints("last", &[1])
        .node("Shape", &["x"], &["shape"])
        .node("Gather", &["shape", "last"], &["extent"])
        .node("Equal", &["extent", "four"], &["is_four"])
        .node_with("If", &["is_four"], &["y"], branches(&then, &otherwise))
        .output("y");
    assert_snapshot!(graph.text(), @r#"
    graph "test"
    %x: f32[1,4] = input
    %y: f32[1,4] = Mul(%x, 2.0)
    return %y
    "#);
}

#[test]
fn a_condition_of_the_run() {
    let then = Fixture::new(13).node("Log", &["x"], &["t"]).output("t");
    let otherwise = Fixture::new(13).output("x");
    let graph = |otherwise: &Fixture| {
        Fixture::new(13)
            .input("x", &[4])
            .floats("zero", &[], &[0.0])
            .node_with("ReduceMin", &["x"], &["least"], [int("keepdims", 1)])
            .node("Greater", &["least", "zero"], &["positive"])
            .node_with("If", &["positive"], &["y"], branches(&then, otherwise))
            .output("y")
    };
    assert_snapshot!(graph(&otherwise).text(), @r#"
    graph "test"
    %x: f32[4] = input
    %least: f32[1] = ReduceMin(%x) {axes 0, keepdims}
    %positive: bool[1] = Greater(%least, 0.0)
    %y.Reshape: bool[] = Reshape(%positive)
    %t.Log: f32[4] = Log(%x)
    %y: f32[4] = Where(%y.Reshape, %t.Log, %x)
    return %y
    "#);
    let x = Tensor::f32([4], vec![-1.0, 2.0, 3.0, 4.0]);
    assert_eq!(graph(&otherwise).run(std::slice::from_ref(&x)), x);
    let other_shape =
        Fixture::new(13).node_with("Unsqueeze", &["x", "axis"], &["t"], []).ints("axis", &[0]).output("t");
    assert_snapshot!(graph(&other_shape).problems(), @r#"X014 at node "y" (If, opset 13): its condition is known only at run time, and its branches give F32 of shape [4] and F32 of shape [1, 4]; help: let both branches give results of one shape, or export the model for one value of the condition"#);
}

fn loops(turns: i64, condition: &str) -> Fixture {
    let body = Fixture::new(13)
        .input("i", &[])
        .input("c", &[])
        .input("a", &[2])
        .node("Add", &["a", "x"], &["next"])
        .node_with("Cast", &["i"], &["number"], [int("to", DataType::Float as i64)])
        .node("Mul", &["next", "number"], &["row"])
        .node("Less", &["i", "one"], &["again"])
        .output(condition)
        .output("next")
        .output("row");
    Fixture::new(13)
        .input("x", &[2])
        .tensor(TensorProto { int64_data: vec![turns], ..tensor("turns", DataType::Int64, &[]) })
        .tensor(TensorProto { int64_data: vec![1], ..tensor("one", DataType::Int64, &[]) })
        .node_with("Loop", &["turns", "", "x"], &["y", "rows"], [body.as_attribute("body")])
        .output("rows")
        .output("y")
}

#[test]
fn loops_are_unrolled() {
    let rows = |fixture: &Fixture| fixture.run(&[Tensor::f32([2], vec![1.0, 10.0])]);
    assert_eq!(rows(&loops(3, "c")), Tensor::f32([3, 2], vec![0.0, 0.0, 3.0, 30.0, 8.0, 80.0]));
    // Ended by its condition, which the turn before gives.
    assert_eq!(rows(&loops(9, "again")), Tensor::f32([2, 2], vec![0.0, 0.0, 3.0, 30.0]));
    assert_snapshot!(loops(2000, "c").problems(), @r#"X016 at node "y" (Loop, opset 13): its turns are written out one by one, and it takes more than 1024; help: write that part of the model without a loop, or leave it out of the export and compute it outside"#);
    assert_snapshot!(loops(0, "c").problems(), @r#"X014 at node "y" (Loop, opset 13): it takes no turn, so that its result 1 is empty"#);
}

#[test]
fn a_loop_that_nobody_knows_the_end_of() {
    let body = Fixture::new(13)
        .input("i", &[])
        .input("c", &[])
        .input("a", &[1])
        .node("Add", &["a", "a"], &["next"])
        .node("Less", &["next", "hundred"], &["again"])
        .output("again")
        .output("next");
    let graph = Fixture::new(13)
        .input("x", &[1])
        .floats("hundred", &[1], &[100.0])
        .node_with("Loop", &["", "", "x"], &["y"], [body.as_attribute("body")])
        .output("y");
    assert_snapshot!(graph.problems(), @r#"X013 at node "y" (Loop, opset 13): its condition, as its body gives it, must be known at compile time; help: export with fixed shapes and constant folding, or trace the model with the value that it has"#);
}

#[test]
fn scans_are_unrolled() {
    let body = Fixture::new(13)
        .input("sum", &[2])
        .input("row", &[2])
        .node("Add", &["sum", "row"], &["next"])
        .node("Identity", &["next"], &["out"])
        .output("next")
        .output("out");
    let attributes = |axis: i64, direction: i64| {
        [
            body.as_attribute("body"),
            int("num_scan_inputs", 1),
            ints("scan_input_axes", &[axis]),
            ints("scan_input_directions", &[direction]),
            ints("scan_output_axes", &[axis]),
            ints("scan_output_directions", &[direction]),
        ]
    };
    let run = |axis: i64, direction: i64, shape: [usize; 2]| {
        Fixture::new(13)
            .input("x", &shape.map(|n| n as i64))
            .floats("zero", &[2], &[0.0, 0.0])
            .node_with("Scan", &["zero", "x"], &["last", "sums"], attributes(axis, direction))
            .output("sums")
            .output("last")
            .run(&[Tensor::f32(shape, (1..=6).map(|x| x as f32).collect())])
    };
    assert_eq!(run(0, 0, [3, 2]), Tensor::f32([3, 2], vec![1.0, 2.0, 4.0, 6.0, 9.0, 12.0]));
    assert_eq!(run(1, 1, [2, 3]), Tensor::f32([2, 3], vec![6.0, 5.0, 3.0, 15.0, 11.0, 6.0]));
}

/// Graphs that stand in each other without end are a broken file, not a full stack.
#[test]
fn graphs_too_deep() {
    let mut inner = Fixture::new(13).node("Relu", &["x"], &["t"]).output("t");
    for _ in 0..60 {
        inner = Fixture::new(13).node_with("If", &["c"], &["t"], [inner.as_attribute("then_branch")]).output("t");
    }
    let graph = inner.input("x", &[2]);
    assert_snapshot!(graph.problems(), @"X001: it is not an ONNX model, or a truncated one: messages that stand too deep in each other; help: give a file written by an ONNX exporter");
}
