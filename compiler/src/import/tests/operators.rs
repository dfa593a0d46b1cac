//! Forms of the operators that exporters write, and what they become. (The element-wise functions and the arithmetic
//! of each operator are tested with the interpreter.)

use insta::assert_snapshot;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, TensorProto};

use super::fixture::{Fixture, float, floats, int, ints, tensor, text};
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

/// An operator that newer opsets no longer have: scales as an attribute and as an operand, and Resize as it began.
#[test]
fn upsample_and_the_first_resize() {
    let x = Tensor::f32([1, 1, 2, 2], vec![1.0, 2.0, 3.0, 4.0]);
    let attribute = Fixture::new(7)
        .input("x", &[1, 1, 2, 2])
        .node_with("Upsample", &["x"], &["y"], [floats("scales", &[1.0, 1.0, 1.0, 2.0]), text("mode", "nearest")])
        .output("y");
    let nearest = Tensor::f32([1, 1, 2, 4], vec![1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0]);
    assert_eq!(attribute.run(std::slice::from_ref(&x)), nearest);
    let operand = |opset: i64, op: &str, mode: &str, scales: &[f32; 4]| {
        Fixture::new(opset)
            .input("x", &[1, 1, 2, 2])
            .floats("scales", &[4], scales)
            .node_with(op, &["x", "scales"], &["y"], [text("mode", mode)])
            .output("y")
    };
    let wide = [1.0, 1.0, 1.0, 2.0];
    assert_eq!(operand(9, "Upsample", "nearest", &wide).run(std::slice::from_ref(&x)), nearest);
    assert_eq!(operand(10, "Resize", "nearest", &wide).run(std::slice::from_ref(&x)), nearest);
    let linear = Tensor::f32([1, 1, 2, 4], vec![1.0, 1.5, 2.0, 2.0, 3.0, 3.5, 4.0, 4.0]);
    assert_eq!(operand(10, "Resize", "linear", &wide).run(std::slice::from_ref(&x)), linear);
    assert_snapshot!(operand(9, "Upsample", "cubic", &wide).problems(), @r#"X008 at node "y" (Upsample, opset 9): the mode "cubic" is not known"#);
    assert_snapshot!(operand(10, "Resize", "nearest", &[1.0, 1.0, 0.25, 2.0]).problems(), @r#"X009 at node "y" (Resize, opset 10): axis 2 of [1, 1, 2, 2] cannot become 0 long"#);
    assert_snapshot!(operand(10, "Resize", "nearest", &[1.0, 1.0, -1.0, 2.0]).problems(), @r#"X008 at node "y" (Resize, opset 10): scales [1.0, 1.0, -1.0, 2.0] for 4 axes"#);
}

#[test]
fn what_resizing_does_not_take() {
    let resize = |kind| {
        Fixture::new(19)
            .input("x", &[1, 1, 2, 2])
            .ints("sizes", &[1, 1, 4, 4])
            .node_with("Resize", &["x", "", "", "sizes"], &["y"], [kind])
            .output("y")
            .problems()
    };
    let problems = [
        resize(text("mode", "lanczos")),
        resize(text("coordinate_transformation_mode", "half")),
        resize(text("coordinate_transformation_mode", "tf_crop_and_resize")),
        resize(text("nearest_mode", "up")),
        resize(text("keep_aspect_ratio_policy", "crop")),
        resize(ints("axes", &[2, 3])),
    ];
    assert_snapshot!(problems.join("\n"), @r#"
    X008 at node "y" (Resize, opset 19): the mode "lanczos" is not known
    X008 at node "y" (Resize, opset 19): the coordinate transformation mode "half" is not known
    X008 at node "y" (Resize, opset 19): its region of interest is missing
    X008 at node "y" (Resize, opset 19): the nearest mode "up" is not known
    X008 at node "y" (Resize, opset 19): the policy "crop" for the aspect ratio is not known
    X008 at node "y" (Resize, opset 19): sizes [1, 1, 4, 4] for 2 axes
    "#);
    let pad = Fixture::new(19)
        .input("x", &[2])
        .ints("pads", &[1, 1])
        .node_with("Pad", &["x", "pads"], &["y"], [text("mode", "mirror")])
        .output("y");
    assert_snapshot!(pad.problems(), @r#"X008 at node "y" (Pad, opset 19): the padding mode "mirror" is not known"#);
}

/// Signs through a transposed convolution whose stride divides its kernel: its weights stay two-valued.
#[test]
fn transposed_convolutions_of_signs() {
    let weights: Vec<f32> = (0..32).map(|i| if i % 3 == 0 { 0.5 } else { -0.5 }).collect();
    let graph = Fixture::new(17)
        .input("x", &[1, 2, 3, 3])
        .floats("w", &[2, 1, 4, 4], &weights)
        .node_with("ConvTranspose", &["x", "w"], &["y"], [ints("strides", &[2, 2]), ints("pads", &[1, 1, 1, 1])])
        .output("y");
    let graph = graph.load().graph;
    let weights = graph.nodes[0].inputs[1];
    assert_eq!(graph.shape(weights), [4, 2, 2, 2]);
    assert!(graph.constant(weights).unwrap().to_f32().iter().all(|w| w.abs() == 0.5), "{graph}");
}

#[test]
fn what_transposed_convolutions_do_not_take() {
    let problems = |attributes: AttributeProto, weights: &[i64]| {
        let count = weights.iter().product::<i64>() as usize;
        Fixture::new(17)
            .input("x", &[1, 2, 3, 3])
            .floats("w", weights, &vec![1.0; count])
            .node_with("ConvTranspose", &["x", "w"], &["y"], [attributes])
            .output("y")
            .problems()
    };
    let all = [
        problems(ints("strides", &[2]), &[2, 1, 4, 4]),
        problems(ints("pads", &[4, 4, 4, 4]), &[2, 1, 2, 2]),
        problems(text("auto_pad", "SAME"), &[2, 1, 2, 2]),
        problems(ints("kernel_shape", &[3, 3]), &[2, 1, 2, 2]),
        problems(ints("output_shape", &[0, 3]), &[2, 1, 2, 2]),
        problems(int("group", 3), &[2, 1, 2, 2]),
        problems(int("group", 1), &[3, 1, 2, 2]),
        problems(int("group", 1), &[2, 1, 2]),
    ];
    assert_snapshot!(all.join("\n"), @r#"
    X008 at node "y" (ConvTranspose, opset 17): strides [2] of 2 axes
    X009 at node "y" (ConvTranspose, opset 17): its pads leave nothing of a result for [3, 3]
    X008 at node "y" (ConvTranspose, opset 17): auto_pad "SAME" is not known
    X009 at node "y" (ConvTranspose, opset 17): a kernel of [3, 3] with weights of [2, 2]
    X008 at node "y" (ConvTranspose, opset 17): an output shape of [0, 3] of 2 axes
    X009 at node "y" (ConvTranspose, opset 17): weights of shape [2, 1, 2, 2] in 3 group(s) do not fit an input of 2 channels
    X009 at node "y" (ConvTranspose, opset 17): weights of shape [3, 1, 2, 2] in 1 group(s) do not fit an input of 2 channels
    X009 at node "y" (ConvTranspose, opset 17): weights of shape [2, 1, 2] for an input of shape [1, 2, 3, 3]
    "#);
}

/// What a scatter cannot do, and one that has nothing to do.
#[test]
fn scatter_says_what_does_not_fit() {
    let scatter = |index: i64, count: usize, reduction: &str| {
        let mut indices = tensor("i", DataType::Int64, &[count as i64]);
        indices.int64_data = vec![index; count];
        Fixture::new(18)
            .input("x", &[4])
            .tensor(indices)
            .floats("u", &[count as i64], &vec![1.0; count])
            .node_with("ScatterElements", &["x", "i", "u"], &["y"], [text("reduction", reduction)])
            .output("y")
    };
    let x = Tensor::f32([4], vec![1.0, 2.0, 3.0, 4.0]);
    assert_eq!(scatter(-1, 3, "add").run(std::slice::from_ref(&x)), Tensor::f32([4], vec![1.0, 2.0, 3.0, 7.0]));
    assert_eq!(scatter(0, 0, "none").run(std::slice::from_ref(&x)), x);
    let all = [scatter(0, 1025, "add"), scatter(4, 1, "none"), scatter(0, 1, "sub")].map(|fixture| fixture.problems());
    assert_snapshot!(all.join("\n"), @r#"
    X014 at node "y" (ScatterElements, opset 18): a place of it meets more than 1024 updates
    X009 at node "y" (ScatterElements, opset 18): index 4 is outside an axis of extent 4
    X008 at node "y" (ScatterElements, opset 18): the reduction "sub" is not known
    "#);
}
