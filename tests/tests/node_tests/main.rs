//! ONNX's own node tests, through the interpreter and through emitted code.
//!
//! `cargo test` runs a recorded part of them (`recorded.bin`), for which neither Python nor the `onnx` package is needed, and
//! checks that `statuses.txt` and the table made of it, `SUPPORT.md`, say of each what it does. All of them:
//!
//! ```text
//! python tests/tests/node_tests/export.py cases.bin        # with the packages onnx and onnxruntime
//! XNORC_NODE_TESTS=cases.bin cargo test -p xnorc-tests --test node_tests -- --ignored
//! ```
//!
//! which writes `recorded.bin`, `statuses.txt` and `SUPPORT.md` anew (for some operators with `XNORC_OPERATOR=Conv,Gemm`). When the compiler has learned something, so that a recorded
//! case is no longer what these files say, `XNORC_UPDATE=1 cargo test -p xnorc-tests --test node_tests` corrects them for the
//! recorded cases alone.

mod pack;
mod support;
mod ways;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use pack::Case;
use support::{Status, Taken};
use ways::{Put, Way};
use xnorc::Output;
use xnorc::diagnostics::Code;
use xnorc::ir::{Data, Tensor};
use xnorc_tests::many::{self, Many};

/// What these must answer was written down with four digits.
const ROUNDED: [&str; 1] = ["test_averagepool_2d_ceil_last_window_starts_on_pad"];

/// Networks in one run of rustc.
const PER_PROGRAM: usize = 400;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/node_tests")
}

/// What differs, or nothing.
fn compare(wanted: &[Tensor], precisions: &[f64], got: &[Vec<f64>]) -> Result<(), String> {
    if wanted.len() != got.len() {
        return Err(format!("{} outputs, {} wanted", got.len(), wanted.len()));
    }
    for (k, ((wanted, got), &precision)) in wanted.iter().zip(got).zip(precisions).enumerate() {
        if wanted.len() != got.len() {
            return Err(format!("output {k}: {} elements, {} wanted", got.len(), wanted.len()));
        }
        let wanted: Vec<f64> = numbers(wanted);
        // The sums behind an element are as large as the largest, so that its rounding is.
        let largest = wanted.iter().filter(|w| w.is_finite()).fold(0.0_f64, |m, w| m.max(w.abs()));
        for (i, (&w, &g)) in wanted.iter().zip(got).enumerate() {
            let near = (w - g).abs() <= precision * w.abs() + 0.1 * precision * largest.min(1e3) + 1e-7;
            if !(w == g || w.is_nan() && g.is_nan() || near) {
                return Err(format!("output {k}, element {i}: {g}, {w} wanted"));
            }
        }
    }
    Ok(())
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    match &tensor.data {
        Data::F32(v) => v.iter().map(|&x| f64::from(x)).collect(),
        Data::I64(v) => v.iter().map(|&x| x as f64).collect(),
        Data::Bool(v) => v.iter().map(|&x| f64::from(u8::from(x))).collect(),
    }
}

/// What the interpreter computes: of the blocks, or of a graph that was folded altogether.
fn interpreted(output: &Output, inputs: &[Tensor]) -> Result<Vec<Vec<f64>>, String> {
    let values = xnorc::interpret::network::run(&output.network, inputs)?;
    Ok(output.network.outputs.iter().map(|id| numbers(&values[id])).collect())
}

fn folded(put: &Put) -> Result<Vec<Vec<f64>>, xnorc::diagnostics::Diagnostics> {
    let graph = xnorc::import::load(&put.model, &xnorc::import::Options::default())?.graph;
    let constant = |id: &xnorc::ir::ValueId| graph.constant(*id).map(|t| numbers(t)).unwrap_or_default();
    Ok(graph.outputs.iter().map(constant).collect())
}

/// A case that compiled.
struct Compiled {
    case: usize,
    way: Way,
    inputs: Vec<Tensor>,
}

/// The status of every case: each is put in the first way that the compiler takes. What it then answers must be right.
fn run(cases: &[Case], break_it: Option<fn(&mut Output)>) -> Vec<Status> {
    let mut statuses: Vec<Option<Status>> = Vec::new();
    let mut compiled = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let (status, output) = compile(index, case);
        statuses.push(status);
        compiled.extend(output);
    }
    let mut programs = 0;
    let mut rest = compiled.into_iter();
    loop {
        let chunk: Vec<Compiled> = rest.by_ref().take(PER_PROGRAM).collect();
        if chunk.is_empty() {
            break;
        }
        programs += 1;
        emitted(cases, chunk, break_it, &mut statuses);
    }
    println!("{} cases, {programs} programs", cases.len());
    statuses.into_iter().map(|status| status.expect("each case was put")).collect()
}

fn compile(index: usize, case: &Case) -> (Option<Status>, Option<Compiled>) {
    let mut refusals: Vec<Status> = Vec::new();
    let (mut wanted, precisions) = wanted(case);
    let wrong = |way: Way, message: String| Status::Wrong(format!("{}: {message}", way.name()));
    for way in Way::ALL {
        let Some(mut put) = ways::put(case, way) else { continue };
        let name = many::name(index % PER_PROGRAM);
        let attempt = catch_unwind(AssertUnwindSafe(|| {
            if way == Way::Folded {
                return folded(&put).map(|got| (got, None));
            }
            let output = xnorc::generate(&put.model, None, &name, &many::config())?;
            // CastLike's second operand counts for its type alone, and is given without elements.
            for (tensor, &id) in put.inputs.iter_mut().zip(&output.network.inputs).filter(|(t, _)| t.is_empty()) {
                let shape = output.network.tensor(id).shape.clone();
                *tensor = Tensor::f32(shape.clone(), vec![0.0; shape.iter().product()]);
            }
            let got = interpreted(&output, &put.inputs);
            Ok((got.unwrap_or_else(|e| panic!("the interpreter: {e}")), Some(output)))
        }));
        match attempt {
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
                return (Some(wrong(way, format!("panic: {}", text.unwrap_or_default()))), None);
            }
            Ok(Err(problems)) => {
                let problem = problems.0.into_iter().find(|d| d.severity == xnorc::diagnostics::Severity::Error);
                refusals.extend(problem.map(|d| Status::Refused(d.code, d.message)));
            }
            Ok(Ok((got, output))) => {
                if case.outputs.is_empty() {
                    return (Some(wrong(way, "taken, though its values are no tensors".into())), None);
                }
                wanted.truncate(way.results(wanted.len()));
                if let Err(message) = compare(&wanted, &precisions, &got) {
                    return (Some(wrong(way, format!("interpreter: {message}"))), None);
                }
                if output.is_none() {
                    return (Some(Status::Taken(Taken::Folded)), None);
                }
                return (None, Some(Compiled { case: index, way, inputs: put.inputs }));
            }
        }
    }
    // A parameter that must be constant is the reason only where nothing else is.
    let further = refusals.iter().find(|r| !matches!(r, Status::Refused(Code::NotConstant, _)));
    let reason = further.or(refusals.first()).cloned();
    (Some(reason.unwrap_or_else(|| Status::Wrong("refused without a reason".into()))), None)
}

fn wanted(case: &Case) -> (Vec<Tensor>, Vec<f64>) {
    let tensors = case.outputs.iter().map(|p| pack::tensor(p).unwrap_or_else(|| Tensor::f32([0], Vec::new())));
    // Half-precision operands are read as they are, but what they are compared with was rounded on the way.
    let least = if ROUNDED.contains(&case.name.as_str()) { 1e-3 } else { 0.0 };
    let least = case.inputs.iter().map(|p| pack::precision(p.data_type)).fold(least, f64::max);
    (tensors.collect(), case.outputs.iter().map(|p| pack::precision(p.data_type).max(least)).collect())
}

/// Builds the networks into one program, and judges each at the lowest and the highest instruction set.
fn emitted(
    cases: &[Case],
    mut chunk: Vec<Compiled>,
    break_it: Option<fn(&mut Output)>,
    statuses: &mut [Option<Status>],
) {
    let mut many = loop {
        let generate = |(i, Compiled { case, way, .. }): (usize, &Compiled)| {
            // Under the name that its place in the program wants.
            let put = ways::put(&cases[*case], *way).expect("as before");
            let mut output = xnorc::generate(&put.model, None, &many::name(i), &many::config()).expect("as before");
            if let Some(break_it) = break_it {
                break_it(&mut output);
            }
            output
        };
        let outputs: Vec<Output> = chunk.iter().enumerate().map(generate).collect();
        match Many::start(&outputs) {
            Ok(many) => break many,
            Err(message) => {
                let culprits = many::culprits(&message);
                assert!(!culprits.is_empty(), "{message}");
                for &i in culprits.iter().rev() {
                    let Compiled { case, .. } = chunk.remove(i);
                    statuses[case] = Some(Status::Wrong(message.clone()));
                }
            }
        }
    };
    for (i, Compiled { case, way, inputs }) in chunk.into_iter().enumerate() {
        let (mut wanted, precisions) = wanted(&cases[case]);
        wanted.truncate(way.results(wanted.len()));
        let judged = many.run(i, &inputs).and_then(|got| {
            compare(&wanted, &precisions, &got)?;
            let best = many.bits(i, &inputs, None, 1)?;
            let portable = many.bits(i, &inputs, Some("portable"), 2)?;
            if best == portable { Ok(()) } else { Err("portable gives other bits".to_owned()) }
        });
        statuses[case] = Some(match judged {
            Ok(()) => Status::Taken(match way.name() {
                "as is" => Taken::AsIs,
                "as initializers" => Taken::AsInitializers,
                "first result" => Taken::FirstResult,
                _ => Taken::Cast,
            }),
            Err(message) => Status::Wrong(format!("{}: emitted code: {message}", way.name())),
        });
    }
}

fn complain(cases: &[Case], statuses: &[Status]) {
    let wrong: Vec<String> = cases
        .iter()
        .zip(statuses)
        .filter_map(|(case, status)| match status {
            Status::Wrong(message) => Some(format!("{} ({} {}): {message}", case.name, case.operator, case.opset)),
            _ => None,
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn recorded_cases_are_what_the_table_says() {
    let cases = pack::read(&std::fs::read(folder().join("recorded.bin")).unwrap());
    let statuses = run(&cases, None);
    complain(&cases, &statuses);
    support::check(&cases, &statuses);
}

/// An operator that computes something else is found, and so are wrong weights in the emitted code.
#[test]
fn a_broken_operator_is_found() {
    let cases = pack::read(&std::fs::read(folder().join("recorded.bin")).unwrap());
    let pairs = [("Add", "Sub"), ("Floor", "Ceil"), ("ReduceMax", "ReduceMin"), ("Softmax", "LogSoftmax")];
    for (operator, other) in pairs {
        let taken = |case: &&Case| case.operator == operator && matches!(compile(0, case), (None, Some(_)));
        let mut case = cases.iter().find(taken).unwrap_or_else(|| panic!("no case of {operator}")).clone();
        case.model.graph.as_mut().unwrap().node[0].op_type = other.into();
        assert!(matches!(compile(0, &case), (Some(Status::Wrong(_)), None)), "{other} for {operator}");
    }
    let convolutions: Vec<Case> = cases.into_iter().filter(|case| case.operator == "Conv").take(2).collect();
    let statuses = run(&convolutions, Some(|output| output.emitted.weights.iter_mut().for_each(|byte| *byte ^= 0x80)));
    assert!(statuses.iter().all(|s| matches!(s, Status::Wrong(m) if m.contains("emitted"))), "{statuses:?}");
}

#[test]
#[ignore = "needs the file that export.py writes, named by XNORC_NODE_TESTS"]
fn all_cases() {
    let path = std::env::var_os("XNORC_NODE_TESTS").expect("XNORC_NODE_TESTS names the file that export.py wrote");
    let all = pack::read(&std::fs::read(path).unwrap());
    let mut cases = all.clone();
    if let Ok(operators) = std::env::var("XNORC_OPERATOR") {
        cases.retain(|case| operators.split(',').any(|operator| case.operator == operator));
    }
    let statuses = run(&cases, None);
    let recorded = support::write(&all, &cases, &statuses);
    std::fs::write(folder().join("recorded.bin"), pack::write(&recorded)).unwrap();
    complain(&cases, &statuses);
}
