//! NaN and infinity in every place of a file where a constant can stand.

use super::fixture::{Fixture, float, int, ints, tensor, value};
use crate::Config;
use crate::diagnostics::Diagnostics;
use crate::import::Options;
use crate::interpret;
use crate::ir::network::Network;
use crate::ir::{Op, Tensor};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, TensorProto};

const SHAPE: [i64; 4] = [1, 4, 4, 4];

/// The operands of a node besides `x`: the one that holds the number in question, a good one, or none.
#[derive(Clone, Copy)]
enum Operand {
    X,
    /// Of this shape, with the number at its end.
    Odd(&'static [i64]),
    /// Of this shape, 0.5 everywhere.
    Good(&'static [i64]),
    Ints(&'static [i64]),
    /// One good number.
    Scalar(f32),
    Flag,
    Absent,
    /// Known at run time only: `x` as a matrix, and where it is positive.
    Matrix,
    Mask,
}
use Operand::*;

/// What becomes of an infinity; NaN is refused everywhere.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Infinity {
    Refused,
    Kept,
}
use Infinity::*;

fn model(op: &str, operands: &[Operand], attributes: Vec<AttributeProto>, then: &[&str], number: f32) -> Vec<u8> {
    let mut fixture = Fixture::new(17).input("x", &SHAPE);
    let names: Vec<String> = (0..operands.len()).map(|i| format!("c{i}")).collect();
    let mut inputs = Vec::new();
    for (operand, name) in operands.iter().zip(&names) {
        let constant = |shape: &[i64], last: f32| {
            let n = shape.iter().product::<i64>() as usize;
            let mut data = vec![0.5; n];
            data[n - 1] = last;
            data
        };
        let name = name.as_str();
        inputs.push(match operand {
            X => "x",
            Absent => "",
            Matrix => "matrix",
            Mask => "mask",
            _ => name,
        });
        fixture = match operand {
            X | Absent | Matrix | Mask => fixture,
            Scalar(number) => fixture.floats(name, &[], &[*number]),
            Odd(shape) => fixture.floats(name, shape, &constant(shape, number)),
            Good(shape) => fixture.floats(name, shape, &constant(shape, 0.5)),
            Ints(ints) => fixture.ints(name, ints),
            Flag => {
                let data: Vec<i32> = (0..64).map(|i| i % 2).collect();
                fixture.tensor(TensorProto { int32_data: data, ..tensor(name, DataType::Bool, &SHAPE) })
            }
        };
    }
    let mut fixture = fixture.node(op, &inputs, &["y0"]);
    fixture.proto.graph.as_mut().unwrap().node[0].attribute = attributes;
    let mut y = "y0".to_owned();
    for (i, op) in then.iter().enumerate() {
        let next = format!("y{}", i + 1);
        fixture = match *op {
            "MaxPool" => fixture.node_with(op, &[&y], &[&next], [ints("kernel_shape", &[2, 2])]),
            "Cast" => fixture.node_with(op, &[&y], &[&next], [int("to", 1)]),
            "Add x" | "Mul x" => fixture.node(&op[..3], &[&y, "x"], &[&next]),
            "Signs" => fixture.node("Where", &[&y, "one", "minus"], &[&next]),
            op => fixture.node(op, &[&y], &[&next]),
        };
        y = next;
    }
    // Nodes that nothing uses are dropped, and the others put in order.
    let fixture = fixture.floats("zero", &[], &[0.0]).floats("one", &[], &[1.0]).floats("minus", &[], &[-1.0]);
    let fixture = fixture.ints("sixteen", &[4, 16]).node("Reshape", &["x", "sixteen"], &["matrix"]);
    fixture.node("Greater", &["x", "zero"], &["mask"]).output(&y).bytes()
}

#[test]
fn every_place_of_a_constant() {
    const BIPOLAR: &str = "qonnx.custom_op.general::BipolarQuant";
    const QUANT: &str = "qonnx.custom_op.general::Quant";
    const THRESHOLDS: &str = "qonnx.custom_op.general::MultiThreshold";
    const PADS: &[i64] = &[0, 0, 1, 1, 0, 0, 1, 1];
    let attribute = |name: &'static str| move |number| vec![float(name, number)];
    /// Operator, operands, attributes, the operators behind, and what an infinity is.
    type Row<'a> = (&'a str, &'a [Operand], Attributes, &'a [&'a str], Infinity);
    type Attributes = Box<dyn Fn(f32) -> Vec<AttributeProto>>;
    let none = || -> Attributes { Box::new(|_| Vec::new()) };
    let with = |name| -> Attributes { Box::new(attribute(name)) };
    let fmod = || -> Attributes { Box::new(|_| vec![int("fmod", 1)]) };
    let constant = || -> Attributes {
        Box::new(|number| {
            vec![value("value", TensorProto { float_data: vec![number], ..tensor("", DataType::Float, &[1]) })]
        })
    };
    let rows: Vec<Row<'_>> = vec![
        ("Conv", &[X, Odd(&[2, 4, 1, 1])], none(), &[], Refused),
        ("Conv", &[X, Good(&[2, 4, 1, 1]), Odd(&[2])], none(), &[], Refused),
        ("MatMul", &[X, Odd(&[4, 3])], none(), &[], Refused),
        ("MatMul", &[Odd(&[1, 4, 2, 4]), X], none(), &[], Refused),
        ("Add", &[X, Odd(&[4, 1, 1])], none(), &[], Refused),
        ("Add", &[X, Odd(&[4])], none(), &["Relu"], Refused),
        ("Add", &[X, Odd(&[4])], none(), &["Softmax"], Kept),
        ("Sub", &[X, Odd(&[4, 1, 1])], none(), &[], Refused),
        ("Sub", &[Odd(&[4, 1, 1]), X], none(), &[], Refused),
        ("Mul", &[X, Odd(&[4, 1, 1])], none(), &[], Refused),
        ("Mul", &[X, Odd(&[])], none(), &["Softmax"], Refused),
        ("Div", &[X, Odd(&[4, 1, 1])], none(), &[], Kept),
        ("Div", &[Odd(&[4, 1, 1]), X], none(), &[], Refused),
        ("Pow", &[X, Odd(&[])], none(), &[], Refused),
        ("Pow", &[Odd(&[4, 1, 1]), X], none(), &[], Refused),
        ("Mod", &[X, Odd(&[4, 1, 1])], fmod(), &[], Refused),
        ("Mod", &[Odd(&[4, 1, 1]), X], fmod(), &[], Refused),
        ("Gemm", &[Matrix, Odd(&[16, 3])], none(), &[], Refused),
        ("Gemm", &[Odd(&[3, 4]), Matrix], none(), &[], Refused),
        ("Gemm", &[Matrix, Good(&[16, 3]), Odd(&[3])], none(), &[], Refused),
        ("Gemm", &[Matrix, Good(&[16, 3]), Odd(&[3])], none(), &["Softmax"], Kept),
        ("Gemm", &[Matrix, Good(&[16, 3])], with("alpha"), &[], Refused),
        ("Gemm", &[Matrix, Good(&[16, 3]), Good(&[3])], with("beta"), &[], Refused),
        ("Gemm", &[Matrix, Good(&[16, 3])], with("beta"), &[], Refused),
        ("Gather", &[Odd(&[4]), Ints(&[3, 2, 1, 3])], none(), &["Sign"], Refused),
        ("Gather", &[Odd(&[4]), Ints(&[3, 2, 1, 3])], none(), &["Mul x"], Refused),
        ("Gather", &[Odd(&[4]), Ints(&[3, 2, 1, 3])], none(), &["Add x", "Softmax"], Kept),
        ("ScatterND", &[Good(&[4]), Ints(&[2]), Odd(&[])], none(), &["Add x"], Refused),
        ("ScatterND", &[Good(&[4]), Ints(&[2]), Odd(&[])], none(), &["Add x", "Softmax"], Kept),
        ("ScatterND", &[Odd(&[4]), Ints(&[2]), Scalar(0.0)], none(), &["Mul x"], Refused),
        ("Tanh", &[Odd(&[4])], none(), &["Mul x"], Refused),
        ("Sigmoid", &[Odd(&[4])], none(), &["Mul x"], Refused),
        ("Greater", &[X, Odd(&[4, 1, 1])], none(), &["Signs"], Kept),
        ("Greater", &[Odd(&[4, 1, 1]), X], none(), &["Cast"], Kept),
        ("GreaterOrEqual", &[X, Odd(&[4, 1, 1])], none(), &["Signs"], Kept),
        ("Less", &[X, Odd(&[])], none(), &["Signs"], Kept),
        ("LessOrEqual", &[Odd(&[4, 1, 1]), X], none(), &["Signs"], Kept),
        ("Equal", &[X, Odd(&[4, 1, 1])], none(), &["Cast"], Kept),
        ("Equal", &[Odd(&[]), X], none(), &["Signs"], Kept),
        ("PRelu", &[X, Odd(&[4, 1, 1])], none(), &[], Refused),
        ("BatchNormalization", &[X, Odd(&[4]), Good(&[4]), Good(&[4]), Good(&[4])], none(), &[], Refused),
        ("BatchNormalization", &[X, Good(&[4]), Odd(&[4]), Good(&[4]), Good(&[4])], none(), &[], Refused),
        ("BatchNormalization", &[X, Good(&[4]), Good(&[4]), Odd(&[4]), Good(&[4])], none(), &[], Refused),
        ("BatchNormalization", &[X, Good(&[4]), Good(&[4]), Good(&[4]), Odd(&[4])], none(), &[], Refused),
        ("BatchNormalization", &[X, Good(&[4]), Good(&[4]), Good(&[4]), Good(&[4])], with("epsilon"), &[], Refused),
        ("LayerNormalization", &[X, Odd(&[4]), Good(&[4])], none(), &[], Refused),
        ("LayerNormalization", &[X, Good(&[4]), Odd(&[4])], none(), &[], Refused),
        ("Min", &[X, Odd(&[4, 1, 1])], none(), &[], Kept),
        ("Max", &[X, Odd(&[])], none(), &[], Kept),
        ("Clip", &[X, Odd(&[])], none(), &[], Kept),
        ("Clip", &[X, Absent, Odd(&[])], none(), &[], Kept),
        ("Where", &[Flag, Odd(&[]), X], none(), &["Softmax"], Kept),
        ("Where", &[Flag, X, Odd(&[])], none(), &["Softmax"], Kept),
        ("Where", &[Mask, Odd(&[4]), X], none(), &[], Kept),
        ("Where", &[Mask, X, Odd(&[4, 1, 1])], none(), &[], Kept),
        ("Where", &[Mask, Odd(&[]), Scalar(0.0)], none(), &[], Kept),
        ("Pad", &[X, Ints(PADS), Odd(&[])], none(), &[], Refused),
        ("Pad", &[X, Ints(PADS), Odd(&[])], none(), &["MaxPool"], Kept),
        ("Concat", &[X, Odd(&SHAPE)], Box::new(|_| vec![int("axis", 1)]), &[], Refused),
        ("Elu", &[X], with("alpha"), &[], Refused),
        ("LeakyRelu", &[X], with("alpha"), &[], Refused),
        ("HardSigmoid", &[X], with("alpha"), &[], Refused),
        ("HardSigmoid", &[X], with("beta"), &[], Refused),
        ("Selu", &[X], with("alpha"), &[], Refused),
        ("Selu", &[X], with("gamma"), &[], Refused),
        ("ThresholdedRelu", &[X], with("alpha"), &[], Refused),
        ("LayerNormalization", &[X, Good(&[4])], with("epsilon"), &[], Refused),
        (BIPOLAR, &[X, Odd(&[])], none(), &[], Refused),
        (BIPOLAR, &[X, Odd(&[4, 1, 1])], none(), &[], Refused),
        (BIPOLAR, &[Odd(&[4]), Scalar(1.0)], none(), &[], Refused),
        (QUANT, &[X, Odd(&[4, 1, 1]), Scalar(0.0), Scalar(4.0)], none(), &[], Refused),
        (QUANT, &[X, Scalar(0.5), Odd(&[4, 1, 1]), Scalar(4.0)], none(), &[], Refused),
        (QUANT, &[X, Scalar(0.5), Scalar(0.0), Odd(&[])], none(), &[], Refused),
        (QUANT, &[Odd(&[4]), Scalar(0.5), Scalar(0.0), Scalar(4.0)], none(), &[], Refused),
        (THRESHOLDS, &[X, Odd(&[4, 1])], none(), &[], Refused),
        (THRESHOLDS, &[X, Good(&[4, 1])], with("out_scale"), &[], Refused),
        (THRESHOLDS, &[X, Good(&[4, 1])], with("out_bias"), &[], Refused),
        ("Sign", &[Odd(&[4])], none(), &[], Refused),
        ("ReduceMean", &[Odd(&[4])], none(), &[], Refused),
        ("Constant", &[], constant(), &["Sign"], Refused),
        ("Constant", &[], with("value_float"), &["Sign"], Refused),
        ("ConstantOfShape", &[Ints(&[2])], constant(), &["Sign"], Refused),
    ];
    let mut wrong = Vec::new();
    for (op, operands, attributes, then, infinity) in &rows {
        for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.25] {
            let bytes = model(op, operands, attributes(number), then, number);
            let refused = number.is_nan() || number.is_infinite() && *infinity == Refused;
            let judged = match crate::generate(&bytes, None, "net", &Config::default()) {
                Ok(_) if refused => Err("it compiled".to_owned()),
                Ok(output) => as_imported(&bytes, &output.network),
                // Nothing but constants: there is no network, which is a problem of another kind.
                Err(problems) if refused || number == 0.25 => as_refused(&problems, refused),
                Err(problems) => Err(problems.to_string()),
            };
            wrong.extend(judged.err().map(|why| format!("{op} of {} {then:?} {number}: {why}", operands.len())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether the problems are, or are not, such a number.
fn as_refused(problems: &Diagnostics, number: bool) -> Result<(), String> {
    let text = problems.to_string();
    let named = text.contains("NaN") || text.contains("inf") || text.contains("not a number");
    let code = |codes: &[&str]| problems.0.iter().any(|p| codes.contains(&p.code.as_str()));
    let right = if number { named && code(&["X004", "X008"]) } else { !code(&["X004"]) };
    if right { Ok(()) } else { Err(text) }
}

/// Whether the blocks compute what the file says.
fn as_imported(bytes: &[u8], network: &Network) -> Result<(), String> {
    let graph = crate::import::load(bytes, &Options::default()).unwrap().graph;
    let compared = graph.nodes.iter().any(|node| matches!(node.op, Op::Binary(f) if f.row().truth));
    let special = if compared { [f32::INFINITY, f32::NEG_INFINITY] } else { [0.0, -1.0] };
    let x = (0..64).map(|i| special.get(i).copied().unwrap_or((i * 37 % 64) as f32 / 8.0 - 4.0));
    let x = [Tensor::f32(SHAPE.map(|n| n as usize), x.collect())];
    let wanted = interpret::graph(&graph, &x)?[&graph.outputs[0]].to_f32();
    let got = interpret::network::run(network, &x)?[&network.outputs[0]].to_f32();
    let near = |(a, b): (&f32, &f32)| a == b || a.is_nan() && b.is_nan() || (a - b).abs() < 1e-5;
    if wanted.iter().zip(&got).all(near) { Ok(()) } else { Err(format!("{got:?}, not {wanted:?}")) }
}

#[test]
fn a_constant_is_named() {
    let bytes = model("Conv", &[X, Good(&[2, 4, 1, 1]), Odd(&[2])], Vec::new(), &[], f32::NAN);
    let text = crate::generate(&bytes, None, "net", &Config::default()).unwrap_err().to_string();
    assert!(text.starts_with("X004 at initializer \"c2\": it holds NaN at [1]; help: "), "{text}");
    let bytes = model("Mul", &[X, Odd(&[])], Vec::new(), &[], f32::NAN);
    let text = crate::generate(&bytes, None, "net", &Config::default()).unwrap_err().to_string();
    assert!(text.starts_with("X004 at initializer \"c1\": it is NaN; help: "), "{text}");
    let bytes = model("Conv", &[X, Odd(&[2, 4, 1, 1])], Vec::new(), &[], f32::INFINITY);
    let text = crate::generate(&bytes, None, "net", &Config::default()).unwrap_err().to_string();
    assert!(
        text.starts_with("X004 at node \"y0\" (Conv): its operand \"c1\" holds inf at [1,3,0,0]; help: "),
        "{text}"
    );
}

/// What is computed of integers holds integers, node behind node: beside constants of either type, divided towards zero, and cast.
/// What has a type of its own says so, whatever its first operand holds.
#[test]
fn computed_integers_stay_integers() {
    let x = Tensor::f32([1, 6], vec![0.0, 1.0, 2.0, 9.0, 4.0, 5.0]);
    let of = |fixture: Fixture, name: &str| fixture.node_with("Cast", &[name], &["y"], [int("to", 1)]).output("y");
    let largest = Fixture::new(17)
        .input("x", &[1, 6])
        .ints("k", &[5])
        .ints("minus", &[-1])
        .floats("two", &[], &[2.0])
        .node_with("ArgMax", &["x"], &["i"], [int("axis", 1)]);

    let chain = largest
        .clone()
        .node("Mul", &["i", "k"], &["times"])
        .node("Sub", &["minus", "times"], &["below"])
        .node("Abs", &["below"], &["size"])
        .node_with("Concat", &["size", "i"], &["both"], [int("axis", 1)])
        .node("Add", &["both", "k"], &["more"])
        .node("Div", &["more", "k"], &["whole"]);
    // 16 and 3, five more, over five.
    assert_eq!(of(chain, "whole").run(std::slice::from_ref(&x)).to_f32(), [4.0, 1.0]);

    // Of integers a choice between floats, halved.
    let hot = largest
        .clone()
        .ints("depth", &[4])
        .floats("values", &[2], &[0.0, 3.0])
        .node("OneHot", &["i", "depth", "values"], &["hot"])
        .node("Div", &["hot", "two"], &["half"]);
    assert_eq!(of(hot, "half").run(std::slice::from_ref(&x)).to_f32(), [0.0, 0.0, 0.0, 1.5]);

    // The matrix of a type of its own, and what a function and a branch make of integers.
    let eye = largest.node_with("EyeLike", &["i"], &["eye"], [int("dtype", 1)]).node("Div", &["eye", "two"], &["half"]);
    assert_eq!(of(eye, "half").run(std::slice::from_ref(&x)).to_f32(), [0.5]);

    let call = Fixture::new(17)
        .node_with("Cast", &["a"], &["float"], [int("to", 1)])
        .node("Neg", &["float"], &["b"])
        .function("own::Negative", &["a"], &["b"], &[])
        .input("x", &[1, 6])
        .node_with("ArgMax", &["x"], &["i"], [int("axis", 1)])
        .node("own::Negative", &["i"], &["negative"])
        .floats("two", &[], &[2.0])
        .node("Div", &["negative", "two"], &["half"]);
    assert_eq!(of(call, "half").run(&[x]).to_f32(), [-1.5]);
}
