//! NaN and infinity in every place of a file where a constant can stand.

use super::fixture::{Fixture, float, ints, tensor, value};
use crate::Config;
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
    Flag,
    Absent,
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
        inputs.push(if matches!(operand, X) {
            "x"
        } else if matches!(operand, Absent) {
            ""
        } else {
            name
        });
        fixture = match operand {
            X | Absent => fixture,
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
            op => fixture.node(op, &[&y], &[&next]),
        };
        y = next;
    }
    fixture.output(&y).bytes()
}

#[test]
fn every_place_of_a_constant() {
    const PADS: &[i64] = &[0, 0, 1, 1, 0, 0, 1, 1];
    let attribute = |name: &'static str| move |number| vec![float(name, number)];
    /// Operator, operands, attributes, the operators behind, and what an infinity is.
    type Row<'a> = (&'a str, &'a [Operand], Attributes, &'a [&'a str], Infinity);
    type Attributes = Box<dyn Fn(f32) -> Vec<AttributeProto>>;
    let none = || -> Attributes { Box::new(|_| Vec::new()) };
    let with = |name| -> Attributes { Box::new(attribute(name)) };
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
        ("Pad", &[X, Ints(PADS), Odd(&[])], none(), &[], Refused),
        ("Pad", &[X, Ints(PADS), Odd(&[])], none(), &["MaxPool"], Kept),
        ("Concat", &[X, Odd(&SHAPE)], Box::new(|_| vec![super::fixture::int("axis", 1)]), &[], Refused),
        ("Elu", &[X], with("alpha"), &[], Refused),
        ("LeakyRelu", &[X], with("alpha"), &[], Refused),
        ("HardSigmoid", &[X], with("beta"), &[], Refused),
        ("Sign", &[Odd(&[4])], none(), &[], Refused),
        ("ReduceMean", &[Odd(&[4])], none(), &[], Refused),
        ("Constant", &[], constant(), &["Sign"], Refused),
        ("Constant", &[], with("value_float"), &["Sign"], Refused),
        ("ConstantOfShape", &[Ints(&[2])], constant(), &["Sign"], Refused),
    ];
    let compile = |bytes: &[u8]| crate::generate(bytes, None, "net", &Config::default());
    for (op, operands, attributes, then, infinity) in &rows {
        for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.25] {
            let case = format!("{op} {then:?} {number}");
            let bytes = model(op, operands, attributes(number), then, number);
            match compile(&bytes) {
                Ok(_) => assert!(number == 0.25 || number.is_infinite() && *infinity == Kept, "{case} compiled"),
                Err(problems) if number == 0.25 => {
                    // Nothing but constants: there is no network, which is a problem of another kind.
                    assert!(!problems.to_string().contains("X004"), "{case}: {problems}");
                }
                Err(problems) => {
                    assert!(number.is_nan() || *infinity == Refused, "{case}: {problems}");
                    let text = problems.to_string();
                    assert!(problems.0.iter().any(|p| ["X004", "X008"].contains(&p.code.as_str())), "{case}: {text}");
                    assert!(text.contains("NaN") || text.contains("inf") || text.contains("not a number"), "{text}");
                }
            }
        }
    }
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
