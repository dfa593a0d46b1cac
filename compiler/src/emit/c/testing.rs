//! Networks whose faces are looked at as texts.

use crate::emit::{self, Output};
use crate::ir::network::testing::{Build, ramp};
use crate::ir::network::*;
use crate::ir::{DType, Op};
use crate::plan;
use crate::schedule::Schedule;

fn output(network: Network) -> Output {
    let schedule = Schedule::of(&network, 1, None);
    let plan = plan::run(&network, &schedule);
    let options = emit::Options { name: "sample".into(), runtime: "crate::runtime".into(), ..Default::default() };
    let emitted = emit::run(&network, &schedule, &plan, &options);
    Output { network, schedule, plan, emitted, ..Output::default() }
}

/// One input and one output.
pub(in crate::emit) fn single() -> Output {
    let mut b = Build::new();
    let (x, y) = (b.input("x", &[1, 4, 4, 8]), b.output("y", &[1, 4, 4, 8]));
    b.block("store", Source::Map { input: x }, vec![Step::Shift(ramp(8)), Step::Store(y)]);
    output(b.0)
}

/// Several of each. A name of theirs may mean anything in another language; some hold integers, as those of an ArgMax.
pub(in crate::emit) fn several() -> Output {
    let mut b = Build::new();
    let (x, _) = (b.input("int", &[1, 5]), b.input("a*/\"??/", &[2, 3]));
    let y = b.output("y", &[1, 5]);
    b.block("store", Source::Map { input: x }, vec![Step::Shift(ramp(5)), Step::Store(y)]);
    let bytes = b.tensor("bytes", &[3], Storage::Dense(DType::U8));
    b.0.inputs.push(bytes);
    let (held, words) =
        (b.tensor("held", &[3], Storage::Dense(DType::F32)), b.tensor("words", &[3], Storage::Dense(DType::I16)));
    b.0.outputs.push(words);
    b.other("hold", Move::Convert { input: bytes, output: held });
    b.other("give", Move::Convert { input: held, output: words });
    let best = b.tensor("best", &[1], Storage::Dense(DType::I64));
    b.0.outputs.push(best);
    let op = Op::ArgMax { axis: 1, last: false, keepdims: false };
    b.other("best", Whole { op, inputs: vec![x], output: best });
    output(b.0)
}
