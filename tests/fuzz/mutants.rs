//! Fixtures with a few things changed in their structure: still well-formed protobuf, and often still a valid model of something else.
//!
//! Each goes through the whole compiler. It is refused with a diagnostic, or it compiles, and then the blocks compute what the
//! graph does.

use std::panic::{AssertUnwindSafe, catch_unwind};

use prost::Message as _;
use tract_onnx::pb::{GraphProto, ModelProto};
use xnorc::diagnostics::Diagnostics;
use xnorc::ir::{DType, Tensor};

use crate::{count, first_seed, text};
use xnorc_tests::random::Random;

/// Fixtures of at most so many bytes, in a fixed order.
pub(crate) fn small_fixtures(most: usize) -> Vec<(String, Vec<u8>)> {
    let mut fixtures: Vec<(String, Vec<u8>)> = std::fs::read_dir(xnorc_tests::fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "onnx"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .filter(|(_, bytes)| bytes.len() <= most)
        .collect();
    fixtures.sort();
    assert!(fixtures.len() > 20, "{}", fixtures.len());
    fixtures
}

const OPERATORS: [&str; 40] = [
    "Relu",
    "Sign",
    "Neg",
    "Abs",
    "Tanh",
    "Sigmoid",
    "Floor",
    "Round",
    "Exp",
    "Log",
    "Sqrt",
    "Reciprocal",
    "Identity",
    "HardSwish",
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Pow",
    "Min",
    "Max",
    "Mod",
    "Greater",
    "Equal",
    "Where",
    "PRelu",
    "Conv",
    "MatMul",
    "Gemm",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "Flatten",
    "Concat",
    "Softmax",
    "ReduceMean",
    "ArgMax",
    "Transpose",
    "Cast",
    "Clip",
];
const NUMBERS: [i64; 14] = [0, 1, 2, 3, 4, 5, 7, 16, 255, -1, -2, 1 << 31, i64::MAX, i64::MIN];
const FLOATS: [f32; 10] = [0.0, -0.0, 1.0, -1.0, 0.5, 1e30, 1e-40, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];

/// Any name of a value.
fn any_value(graph: &GraphProto, r: &mut Random) -> String {
    let names: Vec<&String> = graph
        .node
        .iter()
        .flat_map(|n| &n.output)
        .chain(graph.initializer.iter().map(|t| &t.name))
        .chain(graph.input.iter().map(|i| &i.name))
        .collect();
    if names.is_empty() { String::new() } else { (*r.pick(&names)).clone() }
}

/// Changes one thing.
fn mutate(model: &mut ModelProto, r: &mut Random) {
    if r.once_in(40) {
        for opset in &mut model.opset_import {
            opset.version = r.pick(&[6, 7, 9, 10, 11, 12, 13, 14, 18, 22, 30]);
        }
        return;
    }
    let Some(graph) = &mut model.graph else { return };
    let value = any_value(graph, r);
    match r.below(10) {
        0 if !graph.initializer.is_empty() => {
            let at = r.below(graph.initializer.len());
            let tensor = &mut graph.initializer[at];
            match r.below(5) {
                0 if !tensor.dims.is_empty() => {
                    let axis = r.below(tensor.dims.len());
                    tensor.dims[axis] = r.pick(&NUMBERS);
                }
                1 if tensor.dims.len() > 1 => {
                    let (a, b) = (r.below(tensor.dims.len()), r.below(tensor.dims.len()));
                    tensor.dims.swap(a, b);
                }
                2 => tensor.data_type = r.pick(&[1, 6, 7, 9, 10, 11, 2, 3]),
                _ if tensor.data_type == 1 && tensor.raw_data.len() >= 4 => {
                    let at = 4 * r.below(tensor.raw_data.len() / 4);
                    tensor.raw_data[at..at + 4].copy_from_slice(&r.pick(&FLOATS).to_le_bytes());
                }
                _ if tensor.data_type == 7 && tensor.raw_data.len() >= 8 => {
                    let at = 8 * r.below(tensor.raw_data.len() / 8);
                    tensor.raw_data[at..at + 8].copy_from_slice(&r.pick(&NUMBERS).to_le_bytes());
                }
                _ => drop(tensor.dims.pop()),
            }
        }
        1 if !graph.input.is_empty() => {
            use tract_onnx::pb::{tensor_shape_proto::dimension, type_proto};
            let at = r.below(graph.input.len());
            let kind = graph.input[at].r#type.as_mut().and_then(|t| t.value.as_mut());
            let Some(type_proto::Value::TensorType(tensor)) = kind else { return };
            let Some(shape) = &mut tensor.shape else { return };
            if !shape.dim.is_empty() {
                let axis = r.below(shape.dim.len());
                // Small ones: what is large is slow to compute, not wrong.
                shape.dim[axis].value = Some(dimension::Value::DimValue(r.pick(&[0, 1, 2, 3, 5, 8, -1])));
            }
        }
        2 if !graph.output.is_empty() => graph.output[0].name = value,
        3 if !graph.node.is_empty() => {
            let at = r.below(graph.node.len());
            let node = graph.node.remove(at);
            // Those behind it see what it saw.
            if let (Some(from), Some(to)) = (node.output.first(), node.input.first()) {
                for name in graph.node.iter_mut().flat_map(|n| &mut n.input) {
                    if name == from {
                        name.clone_from(to);
                    }
                }
            }
        }
        _ if !graph.node.is_empty() => {
            let at = r.below(graph.node.len());
            let node = &mut graph.node[at];
            match r.below(8) {
                0 | 1 => node.op_type = r.pick(&OPERATORS).into(),
                2 if !node.input.is_empty() => {
                    let i = r.below(node.input.len());
                    node.input[i] = value;
                }
                3 if node.input.len() > 1 => node.input.swap(0, 1),
                4 => node.input.push(value),
                5 => drop(node.input.pop()),
                _ if !node.attribute.is_empty() => {
                    let a = r.below(node.attribute.len());
                    let attribute = &mut node.attribute[a];
                    match r.below(5) {
                        0 => drop(node.attribute.remove(a)),
                        1 if !attribute.ints.is_empty() => drop(attribute.ints.pop()),
                        _ if !attribute.ints.is_empty() => {
                            let i = r.below(attribute.ints.len());
                            attribute.ints[i] = r.pick(&NUMBERS);
                        }
                        _ => {
                            attribute.i = r.pick(&NUMBERS);
                            attribute.f = r.pick(&FLOATS);
                        }
                    }
                }
                _ => node.op_type = r.pick(&OPERATORS).into(),
            }
        }
        _ => {}
    }
}

fn mutant(seed: u64, fixtures: &[(String, Vec<u8>)]) -> (String, Vec<u8>) {
    let mut r = Random::new(seed);
    let (name, bytes) = r.pick(fixtures);
    let mut model = ModelProto::decode(&*bytes).unwrap();
    for _ in 0..1 + r.below(3) {
        mutate(&mut model, &mut r);
    }
    (name, model.encode_to_vec())
}

/// What the graph computes, and what the blocks do; `Ok(false)`: refused, with a diagnostic.
fn compile_and_compare(bytes: &[u8], seed: u64) -> Result<bool, String> {
    let judge = |problems: Diagnostics| {
        let said = !problems.0.is_empty() && problems.0.iter().all(|p| !p.message.is_empty());
        if problems.to_string().to_lowercase().contains("internal error") {
            return Err(problems.to_string());
        }
        if said { Ok(false) } else { Err("refused without a word".to_owned()) }
    };
    let config = xnorc::Config::default();
    let output = match xnorc::generate(bytes, None, "mutant", &config) {
        Ok(output) => output,
        Err(problems) => return judge(problems),
    };
    let graph = xnorc::import::load(bytes, &xnorc::import::Options::default()).map_err(|e| e.to_string())?.graph;
    if graph.inputs.iter().any(|&id| graph.value(id).dtype != DType::F32) {
        return Ok(true);
    }
    let mut r = Random::new(seed);
    let inputs: Vec<Tensor> = graph
        .inputs
        .iter()
        .map(|&id| {
            let shape = graph.shape(id).to_vec();
            let len = shape.iter().product();
            Tensor::f32(shape, (0..len).map(|_| r.real()).collect())
        })
        .collect();
    let wanted = xnorc::interpret::graph(&graph, &inputs)?;
    let got = xnorc::interpret::network::run(&output.network, &inputs)?;
    for (w, g) in graph.outputs.iter().zip(&output.network.outputs) {
        if wanted[w].shape != got[g].shape {
            return Err(format!("an output of shape {:?}, not {:?}", got[g].shape, wanted[w].shape));
        }
    }
    Ok(true)
}

/// Bytes of memory the process holds, and held at most since the last call; `None` where the system does not say.
fn memory() -> Option<[usize; 2]> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        Some(line.split_whitespace().nth(1)?.parse::<usize>().ok()? << 10)
    };
    let found = [field("VmRSS:")?, field("VmHWM:")?];
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    Some(found)
}

/// Bytes that one mutant of a fixture of some 10 kB may take.
const MEMORY: usize = 1 << 30;

#[test]
fn mutants_of_the_fixtures_are_answered() {
    let fixtures = small_fixtures(40_000);
    let all = 4 * count(150);
    let (mut failures, mut compiled, mut worst) = (Vec::new(), 0, 0);
    let mut held = memory();
    for seed in (first_seed()..).take(all) {
        let (name, bytes) = mutant(seed, &fixtures);
        let start = std::time::Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| compile_and_compare(&bytes, seed)));
        let outcome = outcome.unwrap_or_else(|panic| Err(format!("panic: {}", text(&*panic))));
        let now = memory();
        if let (Some([before, _]), Some([_, most])) = (held, now) {
            worst = worst.max(most.saturating_sub(before));
            if most > before + MEMORY {
                failures.push(format!("seed {seed} ({name}): {} MB", (most - before) >> 20));
            }
        }
        held = now;
        match outcome {
            Ok(taken) => compiled += usize::from(taken),
            Err(message) => {
                let path = std::env::temp_dir().join(format!("mutant-{seed}.onnx"));
                let _ = std::fs::write(&path, &bytes);
                failures.push(format!("seed {seed} ({name}, {}): {message}", path.display()));
            }
        }
        if start.elapsed().as_secs() > 30 {
            failures.push(format!("seed {seed} ({name}): took {:?}", start.elapsed()));
        }
    }
    println!("{all} mutants, {compiled} of them compile, at most {} MB", worst >> 20);
    assert!(failures.is_empty(), "{} of {all}:\n{}", failures.len(), failures.join("\n"));
    assert!(compiled * 20 > all, "only {compiled} of {all} compile");
}
