//! Forms of the operators that exporters write, and what they become. (The element-wise functions and the arithmetic
//! of each operator are tested with the interpreter.)

use insta::assert_snapshot;
use tract_onnx::pb::TensorProto;
use tract_onnx::pb::tensor_proto::DataType;

use super::fixture::{Fixture, float, int, ints, tensor, text};
use crate::ir::Tensor;

#[test]
fn gemm_folds_its_factors_and_transposes() {
    let graph = Fixture::new(13)
        .input("x", &[1, 2])
        .floats("w", &[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
        .floats("c", &[3], &[1.0, 1.0, 2.0])
        .node_with("Gemm", &["x", "w", "c"], &["y"], [int("transB", 1), float("alpha", 0.5), float("beta", 2.0)])
        .output("y");
    assert_snapshot!(graph.text(), @r#"
    graph "test"
    %x: f32[1,2] = input
    %y.MatMul: f32[1,3] = MatMul(%x, f32[2,3] #a10b4a50)
    %y: f32[1,3] = Add(%y.MatMul, f32[3] {2.0,2.0,4.0})
    return %y
    "#);
    let y = graph.run(&[Tensor::f32([1, 2], vec![1.0, 10.0])]);
    assert_eq!(y, Tensor::f32([1, 3], vec![12.5, 23.5, 36.5]));
}

#[test]
fn clip_in_every_form() {
    let attributes = Fixture::new(9)
        .input("x", &[2])
        .node_with("Clip", &["x"], &["y"], [float("min", -1.0), float("max", 1.5)])
        .output("y");
    assert_snapshot!(attributes.text(), @r#"
    graph "test"
    %x: f32[2] = input
    %y: f32[2] = Clip(%x) {min -1.0, max 1.5}
    return %y
    "#);
    let operands = |inputs: &[&str]| {
        Fixture::new(13).input("x", &[2]).floats("low", &[], &[-1.5]).floats("high", &[], &[6.0]).node(
            "Clip",
            inputs,
            &["y"],
        )
    };
    assert_snapshot!(operands(&["x", "low", "high"]).output("y").text(), @r#"
    graph "test"
    %x: f32[2] = input
    %y: f32[2] = Clip(%x) {min -1.5, max 6.0}
    return %y
    "#);
    assert_snapshot!(operands(&["x", "low", ""]).output("y").text(), @r#"
    graph "test"
    %x: f32[2] = input
    %y: f32[2] = Clip(%x) {min -1.5, max inf}
    return %y
    "#);
    assert_snapshot!(operands(&["x", "", "high"]).output("y").text(), @r#"
    graph "test"
    %x: f32[2] = input
    %y: f32[2] = Clip(%x) {min -inf, max 6.0}
    return %y
    "#);
    assert_snapshot!(operands(&["x"]).output("y").text(), @r#"
    graph "test"
    %x: f32[2] = input
    %y: f32[2] = Reshape(%x)
    return %y
    "#);
}

#[test]
fn axes_as_attribute_and_operand() {
    let attribute = Fixture::new(11)
        .input("x", &[2, 3])
        .node_with("ReduceMean", &["x"], &["m"], [ints("axes", &[-1]), int("keepdims", 0)])
        .node_with("Unsqueeze", &["m"], &["u"], [ints("axes", &[0, 2])])
        .node_with("Squeeze", &["u"], &["y"], [ints("axes", &[2])])
        .output("y");
    let operand = Fixture::new(18)
        .input("x", &[2, 3])
        .ints("last", &[-1])
        .ints("outer", &[0, 2])
        .ints("second", &[2])
        .node_with("ReduceMean", &["x", "last"], &["m"], [int("keepdims", 0)])
        .node("Unsqueeze", &["m", "outer"], &["u"])
        .node("Squeeze", &["u", "second"], &["y"])
        .output("y");
    assert_eq!(attribute.text(), operand.text());
    assert_snapshot!(operand.text(), @r#"
    graph "test"
    %x: f32[2,3] = input
    %m: f32[2] = ReduceMean(%x) {axes 1}
    %u: f32[1,2,1] = Reshape(%m)
    %y: f32[1,2] = Reshape(%u)
    return %y
    "#);
}

#[test]
fn shapes_computed_in_the_graph() {
    let graph = Fixture::new(13)
        .input("x", &[1, 8, 1, 1])
        .tensor(TensorProto { int64_data: vec![0], ..tensor("zero", DataType::Int64, &[]) })
        .ints("axis", &[0])
        .ints("rest", &[-1])
        .node("Shape", &["x"], &["shape"])
        .node("Gather", &["shape", "zero"], &["batch"])
        .node("Unsqueeze", &["batch", "axis"], &["batch1"])
        .node_with("Concat", &["batch1", "rest"], &["target"], [int("axis", 0)])
        .node("Reshape", &["x", "target"], &["y"])
        .output("y");
    assert_snapshot!(graph.text(), @r#"
    graph "test"
    %x: f32[1,8,1,1] = input
    %y: f32[1,8] = Reshape(%x)
    return %y
    "#);
}

#[test]
fn padding_resolved_to_numbers() {
    let conv = |size: i64, side: &str| {
        Fixture::new(13)
            .input("x", &[1, 1, size, size])
            .floats("w", &[1, 1, 3, 3], &[1.0; 9])
            .node_with("Conv", &["x", "w"], &["y"], [text("auto_pad", side), ints("strides", &[2, 2])])
            .output("y")
            .text()
    };
    assert!(conv(6, "SAME_UPPER").contains("f32[1,1,3,3] = Conv") && conv(6, "SAME_UPPER").contains("pads 0,0,1,1"));
    assert!(conv(6, "SAME_LOWER").contains("f32[1,1,3,3] = Conv") && conv(6, "SAME_LOWER").contains("pads 1,1,0,0"));
    assert!(conv(7, "VALID").contains("f32[1,1,3,3] = Conv") && conv(7, "VALID").contains("pads 0,0,0,0"));
    let pool = |size: i64, pads: &[i64]| {
        Fixture::new(13)
            .input("x", &[1, 1, size, size])
            .node_with(
                "AveragePool",
                &["x"],
                &["y"],
                [
                    ints("kernel_shape", &[2, 2]),
                    ints("strides", &[2, 2]),
                    ints("pads", pads),
                    int("ceil_mode", 1),
                    int("count_include_pad", 1),
                ],
            )
            .output("y")
            .text()
    };
    assert_snapshot!(pool(5, &[0; 4]), @r#"
    graph "test"
    %x: f32[1,1,5,5] = input
    %y: f32[1,1,3,3] = AveragePool(%x) {kernel 2x2, strides 2x2, pads 0,0,1,1, counting pads, ceil 1,1}
    return %y
    "#);
    // A fourth window would start behind the image.
    assert_snapshot!(pool(5, &[1; 4]), @r#"
    graph "test"
    %x: f32[1,1,5,5] = input
    %y: f32[1,1,3,3] = AveragePool(%x) {kernel 2x2, strides 2x2, pads 1,1,1,1, counting pads}
    return %y
    "#);
}

#[test]
fn one_dimensional_convolution() {
    let graph = Fixture::new(13)
        .input("x", &[1, 1, 4])
        .floats("w", &[1, 1, 2], &[1.0, -1.0])
        .node_with("Conv", &["x", "w"], &["y"], [ints("pads", &[1, 0])])
        .output("y");
    assert_snapshot!(graph.text(), @r#"
    graph "test"
    %x: f32[1,1,4] = input
    %y.Reshape: f32[1,1,1,4] = Reshape(%x)
    %y.Conv: f32[1,1,1,4] = Conv(%y.Reshape, f32[1,1,1,2] {1.0,-1.0}) {kernel 1x2, strides 1x1, pads 0,1,0,0}
    %y: f32[1,1,4] = Reshape(%y.Conv)
    return %y
    "#);
    let y = graph.run(&[Tensor::f32([1, 1, 4], vec![1.0, 2.0, 4.0, 8.0])]);
    assert_eq!(y, Tensor::f32([1, 1, 4], vec![-1.0, -1.0, -2.0, -4.0]));
}

#[test]
fn softmax_of_old_opsets_takes_the_axes_behind_as_one() {
    let graph = |opset| {
        Fixture::new(opset).input("x", &[1, 2, 2]).node_with("Softmax", &["x"], &["y"], [int("axis", 1)]).output("y")
    };
    let x = Tensor::f32([1, 2, 2], vec![0.0; 4]);
    assert_eq!(graph(11).run(std::slice::from_ref(&x)).to_f32(), [0.25; 4]);
    assert_eq!(graph(13).run(&[x]).to_f32(), [0.5; 4]);
}

#[test]
fn latent_weights_are_evaluated() {
    // Brevitas: a scale per channel, and +1 at zero.
    let graph = Fixture::new(18)
        .input("x", &[1, 2])
        .floats("w", &[2, 2], &[0.3, -0.2, 0.0, -0.7])
        .floats("s", &[2, 1], &[0.5, 2.0])
        .node("qonnx.custom_op.general::BipolarQuant", &["w", "s"], &["q"])
        .node("MatMul", &["x", "q"], &["y"])
        .output("y");
    assert_snapshot!(graph.text(), @r#"
    graph "test"
    %x: f32[1,2] = input
    %y: f32[1,2] = MatMul(%x, f32[2,2] {0.5,-0.5,2.0,-2.0})
    return %y
    "#);
}

#[test]
fn quantized_activations() {
    let graph = |op: &str, inputs: &[&str]| {
        Fixture::new(18)
            .input("x", &[1, 2])
            .floats("one", &[], &[1.0])
            .floats("zero", &[], &[0.0])
            .floats("quarter", &[], &[0.25])
            .floats("bits", &[], &[4.0])
            .floats("t", &[2, 1], &[0.5, -0.5])
            .node_with(op, inputs, &["y"], [float("out_scale", 2.0), float("out_bias", -1.0), int("signed", 1)])
            .output("y")
    };
    assert_snapshot!(graph("qonnx.custom_op.general::BipolarQuant", &["x", "one"]).text(), @r#"
    graph "test"
    %x: f32[1,2] = input
    %y: f32[1,2] = Sign(%x) {zero plus}
    return %y
    "#);
    assert_snapshot!(graph("finn.custom_op.general::MultiThreshold", &["x", "t"]).text(), @r#"
    graph "test"
    %x: f32[1,2] = input
    %y.Sub: f32[1,2] = Sub(%x, f32[1,2] {0.5,-0.5})
    %y: f32[1,2] = Sign(%y.Sub) {zero plus}
    return %y
    "#);
    let quant = graph("onnx.brevitas::Quant", &["x", "quarter", "zero", "bits"]);
    assert_snapshot!(quant.text(), @r#"
    graph "test"
    %x: f32[1,2] = input
    %y.Div: f32[1,2] = Div(%x, 0.25)
    %y.Clip: f32[1,2] = Clip(%y.Div) {min -8.0, max 7.0}
    %y.Round: f32[1,2] = Round(%y.Clip)
    %y: f32[1,2] = Mul(%y.Round, 0.25)
    return %y
    "#);
    let y = quant.run(&[Tensor::f32([1, 2], vec![0.375, 9.0])]);
    assert_eq!(y.to_f32(), [0.5, 1.75]);
    assert_snapshot!(graph("onnx.brevitas::Quant", &["x", "quarter", "zero", "one"]).text(), @r#"
    graph "test"
    %x: f32[1,2] = input
    %y.Div: f32[1,2] = Div(%x, 0.25)
    %y.Sign: f32[1,2] = Sign(%y.Div) {zero plus}
    %y: f32[1,2] = Mul(%y.Sign, 0.25)
    return %y
    "#);
}

#[test]
fn split_slice_and_gather_become_slices() {
    let graph = Fixture::new(13)
        .input("x", &[1, 6])
        .ints("parts", &[2, 4])
        .ints("index", &[3])
        .tensor(TensorProto { int64_data: vec![-1], ..tensor("last", DataType::Int64, &[]) })
        .ints("start", &[i64::MAX])
        .ints("end", &[i64::MIN])
        .ints("axis", &[1])
        .ints("step", &[-2])
        .node_with("Split", &["x", "parts"], &["a", "b"], [int("axis", 1)])
        .node("Slice", &["b", "start", "end", "axis", "step"], &["back"])
        .node_with("Gather", &["x", "last"], &["picked"], [int("axis", 1)])
        .output("a")
        .output("back")
        .output("picked");
    assert_snapshot!(graph.text(), @r#"
    graph "test"
    %x: f32[1,6] = input
    %a: f32[1,2] = Slice(%x) {starts 0,0}
    %b: f32[1,4] = Slice(%x) {starts 0,2}
    %back: f32[1,2] = Slice(%b) {starts 0,3, steps 1,-2}
    %picked.Slice: f32[1,1] = Slice(%x) {starts 0,5}
    %picked: f32[1] = Reshape(%picked.Slice)
    return %a, %back, %picked
    "#);
}

#[test]
fn pad_crops_where_negative() {
    let graph = Fixture::new(13)
        .input("x", &[1, 4])
        .ints("pads", &[0, -1, 0, 2])
        .floats("value", &[], &[1.0])
        .node("Pad", &["x", "pads", "value"], &["y"])
        .output("y");
    assert_snapshot!(graph.text(), @r#"
    graph "test"
    %x: f32[1,4] = input
    %y.Slice: f32[1,3] = Slice(%x) {starts 0,1}
    %y: f32[1,5] = Pad(%y.Slice) {before 0,0, after 0,2, value 1.0}
    return %y
    "#);
}

#[test]
fn outputs_keep_their_names() {
    let graph = Fixture::new(13)
        .input("x", &[2])
        .node("Relu", &["x"], &["a"])
        .node("Identity", &["a"], &["y"])
        .node("Dropout", &["a"], &["z"])
        .node("Identity", &["x"], &["same"])
        .output("y")
        .output("z")
        .output("same");
    assert_snapshot!(graph.text(), @r#"
    graph "test"
    %x: f32[2] = input
    %y: f32[2] = Relu(%x)
    %z: f32[2] = Reshape(%y)
    %same: f32[2] = Reshape(%x)
    return %y, %z, %same
    "#);
    let loaded = graph.load().graph;
    let origin = |i: usize| loaded.value(loaded.outputs[i]).origin.as_ref().unwrap().name.clone();
    assert_eq!([origin(0), origin(1), origin(2)], ["y", "z", "same"]);
}

#[test]
fn initializers_listed_as_inputs_are_none() {
    let graph = Fixture::new(13)
        .input("x", &[2])
        .input("w", &[2])
        .floats("w", &[2], &[1.0, 2.0])
        .node("Add", &["x", "w"], &["y"])
        .output("y");
    assert_eq!(graph.load().graph.inputs.len(), 1);
}

#[test]
fn half_precision() {
    let graph = Fixture::new(13)
        .typed_input("x", DataType::Float16, vec![super::fixture::Dim::Known(2)])
        .tensor(TensorProto { int32_data: vec![0x3c00, 0xc000], ..tensor("a", DataType::Float16, &[2]) })
        .tensor(TensorProto { raw_data: vec![0xc0, 0x3f, 0, 0x40], ..tensor("b", DataType::Bfloat16, &[2]) })
        .node("Mul", &["x", "a"], &["m"])
        .node("Add", &["m", "b"], &["y"])
        .output("y");
    assert_snapshot!(graph.text(), @r#"
    graph "test"
    %x: f32[2] = input
    %m: f32[2] = Mul(%x, f32[2] {1.0,-2.0})
    %y: f32[2] = Add(%m, f32[2] {1.5,2.0})
    return %y
    note: input "x" is float16 in the file, and f32 in the compiled model
    "#);
}

#[test]
fn top_one_is_a_maximum() {
    let graph = Fixture::new(13)
        .input("x", &[1, 3])
        .ints("k", &[1])
        .node_with("TopK", &["x", "k"], &["v", "i"], [int("largest", 0)])
        .output("v")
        .output("i");
    assert_snapshot!(graph.text(), @r#"
    graph "test"
    %x: f32[1,3] = input
    %v: f32[1,1] = ReduceMin(%x) {axes 1, keepdims}
    %v.Neg: f32[1,3] = Neg(%x)
    %i: i64[1,1] = ArgMax(%v.Neg) {axis 1, keepdims}
    return %v, %i
    "#);
}

#[test]
fn variadic_operators_are_chains() {
    let graph = Fixture::new(13)
        .input("x", &[2])
        .input("z", &[2])
        .node("Mean", &["x", "z", "x"], &["m"])
        .node("Max", &["m", "x"], &["y"])
        .output("y");
    assert_snapshot!(graph.text(), @r#"
    graph "test"
    %x: f32[2] = input
    %z: f32[2] = input
    %m.Add: f32[2] = Add(%x, %z)
    %m.Add.2: f32[2] = Add(%m.Add, %x)
    %m: f32[2] = Div(%m.Add.2, 3.0)
    %y: f32[2] = Max(%m, %x)
    return %y
    "#);
}

/// Rounded up, a picture that is smaller than the window has one window, of which only the picture counts; unless a stride or
/// more is missing.
#[test]
fn windows_larger_than_the_picture() {
    let pool = |op: &str, kernel: i64, stride: i64, ceil: i64| {
        let attributes =
            [ints("kernel_shape", &[kernel, kernel]), ints("strides", &[stride; 2]), int("ceil_mode", ceil)];
        Fixture::new(19).input("x", &[1, 1, 1, 2]).node_with(op, &["x"], &["y"], attributes).output("y")
    };
    for op in ["AveragePool", "MaxPool"] {
        let y = pool(op, 3, 3, 1).run(&[Tensor::f32([1, 1, 1, 2], vec![3.0, 3.0])]);
        assert_eq!(y, Tensor::f32([1, 1, 1, 1], vec![3.0]), "{op}");
        assert!(pool(op, 3, 3, 0).problems().contains("larger than the image"), "{op}");
        assert!(pool(op, 3, 2, 1).problems().contains("larger than the image"), "{op}");
    }
}

#[test]
fn the_sign_of_a_remainder() {
    let remainder = |fmod: i64| {
        let graph = Fixture::new(13).input("x", &[2]).floats("c", &[], &[2.0]);
        graph.node_with("Mod", &["x", "c"], &["y"], [int("fmod", fmod)]).output("y")
    };
    let x = [Tensor::f32([2], vec![-5.5, 5.5])];
    assert_eq!(remainder(1).run(&x).to_f32(), [-1.5, 1.5]);
    assert_eq!(remainder(0).run(&x).to_f32(), [0.5, 1.5]);
}

/// An input under two names, one of which is used up before the other: their uses are counted together.
#[test]
fn an_input_behind_an_identity() {
    let fixture = Fixture::new(17)
        .input("x", &[2])
        .node("Identity", &["x"], &["same"])
        .node("Relu", &["x"], &["a"])
        .node("Neg", &["x"], &["b"])
        .node("Add", &["same", "a"], &["c"])
        .node("Add", &["b", "c"], &["y"])
        .output("y");
    assert_eq!(fixture.run(&[Tensor::f32([2], vec![2.0, -3.0])]), Tensor::f32([2], vec![2.0, 0.0]));
}

/// What is given back as it came, and what is given twice, is a copy with a name of its own.
#[test]
fn outputs_that_are_inputs_or_stand_twice() {
    let fixture = Fixture::new(17).input("x", &[2]).node("Relu", &["x"], &["y"]);
    let graph = fixture.output("x").output("y").output("y").load().graph;
    let names: Vec<&str> = graph.outputs.iter().map(|&output| graph.value(output).name.as_str()).collect();
    assert_eq!(names, ["x.2", "y", "y.2"]);
    assert!(crate::check::graph(&graph, "import", &[]).is_ok());
}
