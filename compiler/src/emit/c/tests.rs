//! The texts for C, of one tensor on each side and of several; what they cannot be called.

use super::{View, check_name, face, header, list};
use crate::diagnostics::Diagnostics;
use crate::emit::{self, Output};
use crate::ir::network::testing::{Build, ramp};
use crate::ir::network::*;
use crate::ir::{DType, Op};
use crate::plan;
use crate::schedule::Schedule;

fn output(network: Network) -> Output {
    let (plan, schedule) = (plan::run(&network), Schedule::of(&network, 1));
    let options = emit::Options { name: "sample".into(), runtime: "crate::runtime".into(), ..Default::default() };
    let emitted = emit::run(&network, &schedule, &plan, &options);
    Output { network, schedule, plan, target: None, emitted, files: Vec::new(), warnings: Diagnostics::default() }
}

fn both(network: Network) -> String {
    let output = output(network);
    let view = View::of(&output, "sample");
    format!("{}\n{}", header::text(&view), face::text(&view))
}

#[test]
fn one_input_and_one_output() {
    let mut b = Build::new();
    let (x, y) = (b.input("x", &[1, 4, 4, 8]), b.output("y", &[1, 4, 4, 8]));
    b.block("store", Source::Map { input: x }, vec![Step::Shift(ramp(8)), Step::Store(y)]);
    insta::assert_snapshot!(both(b.0));
}

/// A name of theirs may mean anything in C; an output of ArgMax holds integers.
#[test]
fn several_inputs_and_outputs() {
    let mut b = Build::new();
    let (x, _) = (b.input("int", &[1, 5]), b.input("a*/\"??/", &[2, 3]));
    let y = b.output("y", &[1, 5]);
    b.block("store", Source::Map { input: x }, vec![Step::Shift(ramp(5)), Step::Store(y)]);
    let best = b.tensor("best", &[1], Storage::Dense(DType::I64));
    b.0.outputs.push(best);
    let op = Op::ArgMax { axis: 1, last: false, keepdims: false };
    b.other("best", Whole { op, inputs: vec![x], output: best });
    insta::assert_snapshot!(both(b.0));
}

#[test]
fn shapes() {
    assert_eq!((list(&[]), list(&[7]), list(&[1, 28, 28])), (String::new(), "7".to_owned(), "1, 28, 28".to_owned()));
}

#[test]
fn names() {
    for good in ["net", "fashion_net", "r2b18"] {
        assert_eq!(check_name(good), Ok(()));
    }
    for (bad, reason) in [
        ("", "no identifier"),
        ("2b", "no identifier"),
        ("_net", "no identifier"),
        ("a__b", "no identifier"),
        ("a-b", "no identifier"),
        ("é", "no identifier"),
        ("int", "keyword"),
        ("namespace", "keyword"),
        ("xor_eq", "keyword"),
        ("math", "<math.h>"),
    ] {
        assert!(check_name(bad).is_err_and(|text| text.contains(reason)), "{bad}");
    }
}
