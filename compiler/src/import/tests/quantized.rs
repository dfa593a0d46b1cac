//! Integers around a binary middle: what the quantisers of ONNX and QONNX write, folded where it is constant, exact where not.

use tract_onnx::pb::TensorProto;
use tract_onnx::pb::tensor_proto::DataType;

use super::fixture::{Dim, Fixture, int, tensor, text};
use crate::ir::Tensor;

fn bytes(name: &str, kind: DataType, dims: &[i64], data: &[i32]) -> TensorProto {
    TensorProto { int32_data: data.to_vec(), ..tensor(name, kind, dims) }
}

/// Constants are folded: per tensor, per axis, by blocks, of every width, with scales of half precision.
#[test]
fn constants_are_dequantised() {
    let fixture = |weights: TensorProto| {
        let zeros = vec![0.0; weights.dims.iter().product::<i64>() as usize];
        let dims = weights.dims.clone();
        Fixture::new(21).floats("zeros", &dims, &zeros).tensor(weights)
    };
    let run = |fixture: Fixture, operands: &[&str], attributes: [_; 2]| {
        let fixture = fixture
            .input("x", &[1])
            .node_with("DequantizeLinear", operands, &["w"], attributes)
            .node("Add", &["x", "w"], &["y"])
            .output("y");
        fixture.run(&[Tensor::f32([1], vec![0.0])]).to_f32()
    };
    let along = |axis: i64, block: i64| [int("axis", axis), int("block_size", block)];

    let one = fixture(bytes("q", DataType::Int8, &[3], &[-94, 0, 75])).floats("s", &[], &[0.01]).tensor(bytes(
        "z",
        DataType::Int8,
        &[],
        &[6],
    ));
    assert_eq!(run(one, &["q", "s", "z"], along(1, 0)), [-100.0 * 0.01, -6.0 * 0.01_f32, 69.0 * 0.01]);

    let axis = fixture(bytes("q", DataType::Uint8, &[2, 2], &[255, 0, 3, 4]))
        .tensor(bytes("s", DataType::Float16, &[2], &[0x3800, 0x4000]))
        .tensor(bytes("z", DataType::Uint8, &[2], &[128, 0]));
    assert_eq!(run(axis.clone(), &["q", "s", "z"], along(0, 0)), [63.5, -64.0, 6.0, 8.0]);
    assert_eq!(run(axis, &["q", "s", "z"], along(-1, 0)), [63.5, 0.0, -62.5, 8.0]);

    // The first number is in the low bits; a last one may be alone in its byte.
    let raw = TensorProto { raw_data: vec![0x8f, 0x07, 0x05], ..tensor("q", DataType::Int4, &[5]) };
    let blocks = fixture(raw).floats("s", &[3], &[1.0, 10.0, 100.0]);
    assert_eq!(run(blocks, &["q", "s"], along(0, 2)), [-1.0, -8.0, 70.0, 0.0, 500.0]);
    let unsigned = fixture(bytes("q", DataType::Uint4, &[2], &[0x8f])).floats("s", &[1], &[1.0]);
    assert_eq!(run(unsigned, &["q", "s"], along(1, 0)), [15.0, 8.0]);

    // A bias of 32 bits is subtracted from as the integer it is, and rounded once.
    let bias = fixture(bytes("q", DataType::Int32, &[1], &[16_777_217])).floats("s", &[], &[0.5]).tensor(bytes(
        "z",
        DataType::Int32,
        &[],
        &[1],
    ));
    assert_eq!(run(bias, &["q", "s", "z"], along(1, 0)), [8_388_608.0]);
}

/// Ties go to the even code, what does not fit to the last one; the division is one of floats, as in every engine.
#[test]
fn values_are_quantised() {
    let quantize = |kind: DataType, zero: i32, scale: f32, x: &[f32]| {
        let fixture = Fixture::new(13)
            .input("x", &[x.len() as i64])
            .floats("s", &[], &[scale])
            .tensor(bytes("z", kind, &[], &[zero]))
            .node("QuantizeLinear", &["x", "s", "z"], &["q"])
            .node_with("Cast", &["q"], &["y"], [int("to", 1)])
            .output("y");
        fixture.run(&[Tensor::f32([x.len()], x.to_vec())]).to_f32()
    };
    assert_eq!(quantize(DataType::Int8, 0, 0.5, &[0.25, 0.75, -0.75, 80.0, -80.0]), [0.0, 2.0, -2.0, 127.0, -128.0]);
    assert_eq!(quantize(DataType::Uint8, 100, 1.0, &[-101.0, 2.5, 3.5, 155.5]), [0.0, 102.0, 104.0, 255.0]);
    assert_eq!(quantize(DataType::Uint16, 0, 1e-3, &[0.0125, 70.0]), [12.0, 65535.0]);
    // 0.075 / 0.05 is 1.5 in floats, not in real numbers; and 3 * 0.1 less than 1.5 times 0.2.
    assert_eq!(quantize(DataType::Int8, 0, 0.05, &[0.075]), [2.0]);
    assert_eq!(quantize(DataType::Int8, 0, 0.2, &[3.0 * 0.1, 0.1, 0.5]), [2.0, 0.0, 2.0]);
}

/// The zero point of a pair is never added: codes around zero, times the scale.
#[test]
fn a_pair_stays_in_floats() {
    let pair = Fixture::new(13)
        .input("x", &[2])
        .floats("s", &[], &[0.25])
        .tensor(bytes("z", DataType::Int8, &[], &[-100]))
        .node("QuantizeLinear", &["x", "s", "z"], &["q"])
        .node("DequantizeLinear", &["q", "s", "z"], &["y"])
        .output("y");
    insta::assert_snapshot!(pair.text(), @r#"
    graph "test"
    %x: f32[2] = input
    %q.Quantize: f32[2] = Quantize(%x) {step 0.25}
    %q.Clip: f32[2] = Clip(%q.Quantize) {min -28.0, max 227.0}
    %y: f32[2] = Mul(%q.Clip, 0.25)
    return %y
    "#);
}

/// Sums that no float holds are as exact as those of 32-bit integers, rounded once.
#[test]
fn long_integer_products() {
    for (depth, products) in [(100, 1), (2001, 2)] {
        let weights: Vec<i32> = (0..depth).map(|k| if k % 7 == 3 { -127 } else { 126 - (k % 5) as i32 }).collect();
        let x: Vec<i32> = (0..depth).map(|k| 255 - (k % 11) as i32).collect();
        let wanted: i32 = x.iter().zip(&weights).map(|(x, w)| (x - 1) * w).sum();
        let product = Fixture::new(13)
            .input("x", &[1, depth as i64])
            .floats("s", &[], &[1.0])
            .tensor(bytes("z", DataType::Uint8, &[], &[1]))
            .tensor(bytes("none", DataType::Uint8, &[], &[0]))
            .tensor(bytes("w", DataType::Int8, &[depth as i64, 1], &weights))
            .node("QuantizeLinear", &["x", "s", "none"], &["q"])
            .node("MatMulInteger", &["q", "w", "z"], &["sum"])
            .node_with("Cast", &["sum"], &["y"], [int("to", 1)])
            .output("y");
        let graph = product.load().graph;
        let digits: Vec<&Tensor> = (graph.nodes.iter())
            .filter(|node| node.op == crate::ir::Op::MatMul)
            .map(|node| &**graph.constant(node.inputs[1]).unwrap())
            .collect();
        assert_eq!(digits.len(), products, "{depth}");
        for digit in digits {
            let most: f32 = digit.to_f32().iter().map(|w| 255.0 * w.abs()).sum();
            assert!(most < 16_777_216.0, "{most}");
        }
        let y = product.run(&[Tensor::f32([1, depth], x.iter().map(|&x| x as f32).collect())]);
        assert_eq!(y.to_f32(), [wanted as f32]);
    }
}

/// QONNX: each rounding mode, the name of each version, several thresholds, truncation.
#[test]
fn quantisers_of_qonnx() {
    const X: [f32; 6] = [-1.5, -0.75, -0.25, 0.25, 0.5, 1.5];
    let run = |op: &str, inputs: &[&str], attributes: [_; 2]| {
        let fixture = Fixture::new(17)
            .input("x", &[1, 1, 6])
            .floats("one", &[], &[1.0])
            .floats("half", &[], &[0.5])
            .floats("zero", &[], &[0.0])
            .floats("two", &[], &[2.0])
            .floats("four", &[], &[4.0])
            .floats("t", &[1, 3], &[-0.75, 0.25, 1.0])
            .node_with(&format!("qonnx.custom_op.general::{op}"), inputs, &["y"], attributes)
            .output("y");
        fixture.run(&[Tensor::f32([1, 1, 6], X.to_vec())]).to_f32()
    };
    let quant = ["x", "one", "zero", "four"];
    for (mode, wanted) in [
        ("ROUND", [-2.0, -1.0, 0.0, 0.0, 0.0, 2.0]),
        ("CEIL", [-1.0, 0.0, 0.0, 1.0, 1.0, 2.0]),
        ("FLOOR", [-2.0, -1.0, -1.0, 0.0, 0.0, 1.0]),
        ("UP", [-2.0, -1.0, -1.0, 1.0, 1.0, 2.0]),
        ("DOWN", [-1.0, 0.0, 0.0, 0.0, 0.0, 1.0]),
        ("HALF_UP", [-2.0, -1.0, 0.0, 0.0, 1.0, 2.0]),
        ("half_down", [-1.0, -1.0, 0.0, 0.0, 0.0, 1.0]),
    ] {
        for op in ["Quant", "IntQuant"] {
            assert_eq!(run(op, &quant, [text("rounding_mode", mode), int("signed", 1)]), wanted, "{op} {mode}");
        }
    }
    let bipolar = run("IntQuant", &["x", "half", "zero", "one"], [int("signed", 1), int("narrow", 0)]);
    assert_eq!(bipolar, [-0.5, -0.5, -0.5, 0.5, 0.5, 0.5]);
    let steps = run("MultiThreshold", &["x", "t"], [int("signed", 1), int("narrow", 0)]);
    assert_eq!(steps, [0.0, 1.0, 1.0, 2.0, 2.0, 3.0]);
    // Codes of 4 bits in steps of a half; the upper two are kept, that is, steps of two.
    let trunc = run("Trunc", &["x", "half", "zero", "four", "two"], [text("rounding_mode", "FLOOR"), int("signed", 1)]);
    assert_eq!(trunc, [-0.5, -0.5, 0.0, 0.0, 0.0, 0.0], "x / 0.5: -3, -2, 0, 0, 1, 3");
}

/// Integers of the caller's are floats that hold them behind the first node, and integers again where the file says so.
#[test]
fn inputs_and_outputs_of_integers() {
    let model = |op: &str, inputs: &[&str], kind: DataType| {
        Fixture::new(17)
            .typed_input("x", DataType::Uint8, vec![Dim::Known(3)])
            .tensor(bytes("two", DataType::Uint8, &[1], &[2]))
            .node(op, inputs, &["y"])
            .typed_output("y", kind)
    };
    insta::assert_snapshot!(model("Mul", &["x", "two"], DataType::Uint8).text(), @r#"
    graph "test"
    %x: u8[3] = input
    %x.held: f32[3] = Cast(%x) {to f32}
    %y.held: f32[3] = Mul(%x.held, f32[1] {2.0})
    %y: u8[3] = Cast(%y.held) {to u8}
    return %y
    "#);
    // What is given back as it is keeps its type.
    insta::assert_snapshot!(model("Identity", &["x"], DataType::Uint8).text(), @r#"
    graph "test"
    %x: u8[3] = input
    %y: u8[3] = Reshape(%x)
    return %y
    "#);
    let x = Tensor::i64([3], vec![0, 7, 255]);
    let run = |op: &str| model(op, &["x", "two"], DataType::Uint8).run(std::slice::from_ref(&x));
    assert_eq!(run("Div"), Tensor::i64([3], vec![0, 3, 127]));
    assert_eq!(run("Max"), Tensor::i64([3], vec![2, 7, 255]));
    assert_eq!(run("Mod"), Tensor::i64([3], vec![0, 1, 1]));
}

/// To a narrower integer the low bits, from a float the whole part, to a boolean whether it is zero.
#[test]
fn casts() {
    let cast = |from: DataType, to: &[DataType], x: Tensor, constant: bool| {
        let len = x.len() as i64;
        let mut model = Fixture::new(17);
        model = if !constant {
            model.typed_input("x", from, vec![Dim::Known(len)])
        } else if from == DataType::Float {
            model.floats("x", &[len], &x.to_f32())
        } else {
            model.tensor(TensorProto {
                int64_data: x.as_i64().unwrap().to_vec(),
                ..tensor("x", DataType::Int64, &[len])
            })
        };
        model = model.input("zero", &[1]);
        let mut name = "x".to_owned();
        for (k, &kind) in to.iter().chain([&DataType::Float]).enumerate() {
            let next = format!("x{k}");
            model = model.node_with("Cast", &[&name], &[&next], [int("to", kind as i64)]);
            name = next;
        }
        let zero = Tensor::f32([1], vec![0.0]);
        let inputs = if constant { vec![zero] } else { vec![x, zero] };
        model.node("Add", &[&name, "zero"], &["y"]).output("y").run(&inputs).to_f32()
    };
    use DataType::{Bool, Float, Int8, Int32, Int64, Uint8};
    let floats = || Tensor::f32([4], vec![-1.75, -0.5, 0.5, 200.25]);
    let whole = || Tensor::i64([4], vec![-1, 0, 200, 300]);
    for constant in [false, true] {
        assert_eq!(cast(Float, &[Int32], floats(), constant), [-1.0, 0.0, 0.0, 200.0], "{constant}");
        assert_eq!(cast(Float, &[Int32, Int8], floats(), constant), [-1.0, 0.0, 0.0, -56.0], "{constant}");
        assert_eq!(cast(Float, &[Bool], floats(), constant), [1.0; 4], "{constant}");
        assert_eq!(cast(Int64, &[Uint8], whole(), constant), [255.0, 0.0, 200.0, 44.0], "{constant}");
        assert_eq!(cast(Int64, &[Bool, Int64], whole(), constant), [1.0, 0.0, 1.0, 1.0], "{constant}");
    }
}

/// Ids of the caller's pick rows of a table: from its end where they are below zero, and its last or first where they are beyond.
#[test]
fn rows_by_ids() {
    let model = |axis: i64| {
        Fixture::new(17)
            .typed_input("ids", DataType::Int64, vec![Dim::Known(2), Dim::Known(3)])
            .floats("table", &[2, 2], &[0.0, 1.0, 10.0, 11.0])
            .node_with("Gather", &["table", "ids"], &["y"], [int("axis", axis)])
            .output("y")
    };
    insta::assert_snapshot!(model(0).text(), @r#"
    graph "test"
    %ids: i64[2,3] = input
    %ids.held: f32[2,3] = Cast(%ids) {to f32}
    %y: f32[2,3,2] = Gather(f32[2,2] {0.0,1.0,10.0,11.0}, %ids.held) {axis 0}
    return %y
    "#);
    let ids = Tensor::i64([2, 3], vec![0, 1, -1, -2, 7, -7]);
    let rows = |low: [f32; 2], high: [f32; 2]| [low, high, high, low, high, low].concat();
    let y = model(0).run(std::slice::from_ref(&ids));
    assert_eq!(y, Tensor::f32([2, 3, 2], rows([0.0, 1.0], [10.0, 11.0])));
    let columns = [0.0, 1.0, 1.0, 0.0, 1.0, 0.0];
    let y = model(1).run(&[ids]);
    assert_eq!(y, Tensor::f32([2, 2, 3], [columns, columns.map(|x| x + 10.0)].concat()));
}

/// Operators that onnxruntime's quantiser writes, of its own domain, and ONNX's under its domain for types that older opsets lack.
#[test]
fn operators_of_onnxruntimes_quantiser() {
    let scalar = |name: &str, kind: DataType, value: i32| bytes(name, kind, &[], &[value]);
    let choice = Fixture::new(13)
        .input("x", &[3])
        .floats("zero", &[], &[0.0])
        .floats("half", &[], &[0.5])
        .floats("two", &[], &[2.0])
        .tensor(scalar("none", DataType::Uint8, 0))
        .tensor(scalar("ten", DataType::Uint8, 10))
        .tensor(bytes("a", DataType::Uint8, &[3], &[1, 2, 3]))
        .tensor(bytes("b", DataType::Uint8, &[3], &[11, 12, 14]))
        .node("Greater", &["x", "zero"], &["condition"])
        // a / 2, or 2 (b - 10), in steps of a half above 10.
        .node(
            "com.microsoft::QLinearWhere",
            &["condition", "a", "half", "none", "b", "two", "ten", "half", "ten"],
            &["codes"],
        )
        .node_with("Cast", &["codes"], &["y"], [int("to", 1)])
        .output("y");
    assert_eq!(choice.run(&[Tensor::f32([3], vec![1.0, -1.0, -2.0])]).to_f32(), [11.0, 18.0, 26.0]);

    // 16 bits, which ONNX's own takes from opset 21 on.
    let wide = Fixture::new(13)
        .input("x", &[2])
        .floats("s", &[], &[0.25])
        .tensor(scalar("z", DataType::Int16, -3))
        .node("com.microsoft::QuantizeLinear", &["x", "s", "z"], &["q"])
        .node("com.microsoft::DequantizeLinear", &["q", "s", "z"], &["y"])
        .output("y");
    assert_eq!(wide.run(&[Tensor::f32([2], vec![1000.1, -90000.0])]).to_f32(), [1000.0, -8191.25]);
}
