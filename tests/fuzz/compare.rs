//! A network computed in every way: the file's graph, the graph after each pass, the blocks, the emitted code at each instruction
//! set by one to four threads, and by another engine where there is one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use xnorc::ir::{Data, Graph, Tensor};
use xnorc::{Output, Zeros};
use xnorc_tests::many::{self, Many};

use crate::network::{Sample, network};
use crate::{count, first_seed, text};

const ALL_BLOCKS: usize = usize::MAX;
/// Of the largest value: what sums of real numbers in another order may differ by.
const TOLERANCE: f32 = 1e-4;
/// Networks in one run of rustc.
const PER_PROGRAM: usize = 100;

fn outputs(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, String> {
    let values = xnorc::interpret::graph(graph, inputs)?;
    Ok(graph.outputs.iter().map(|id| values[id].clone()).collect())
}

/// Whether all values are small multiples of a power of two, so that no engine rounds anything.
fn on_grid(graph: &Graph, inputs: &[Tensor]) -> bool {
    let Ok(values) = xnorc::interpret::graph(graph, inputs) else { return false };
    values.values().all(|tensor| match &tensor.data {
        Data::F32(v) => v.iter().all(|x| x.abs() <= 1024.0 && (x * 8192.0).fract() == 0.0),
        _ => true,
    })
}

fn same(wanted: &[Tensor], got: &[Tensor], exact: bool) -> Result<(), String> {
    for (k, (wanted, got)) in wanted.iter().zip(got).enumerate() {
        if wanted.shape != got.shape {
            return Err(format!("output {k} has shape {:?}, not {:?}", got.shape, wanted.shape));
        }
        let (wanted, got) = (wanted.to_f32(), got.to_f32());
        let largest = wanted.iter().fold(1.0_f32, |m, x| m.max(x.abs()));
        let bound = if exact { 0.0 } else { TOLERANCE * largest };
        let far = wanted.iter().zip(&got).position(|(w, g)| !(w == g || (w - g).abs() <= bound));
        if let Some(i) = far {
            let count = wanted.iter().zip(&got).filter(|(w, g)| !(w == g || (*w - *g).abs() <= bound)).count();
            return Err(format!(
                "output {k}, element {i} is {}, not {} ({count} of {} differ)",
                got[i],
                wanted[i],
                wanted.len()
            ));
        }
    }
    Ok(())
}

/// A network that compiled and was the same at every level.
struct Checked {
    output: Output,
    /// What the file's graph gives, per sample.
    wanted: Vec<Vec<Tensor>>,
    /// Whether that is exact, per sample.
    exact: Vec<bool>,
}

/// Compares all levels that need no rustc.
fn check(sample: &Sample, name: &str) -> Result<Checked, String> {
    let imported = xnorc::import::load(&sample.model, &xnorc::import::Options::default()).map_err(|e| e.to_string())?;
    let mut graph = imported.graph;
    graph.exact_zeros = sample.zeros;
    let wanted: Vec<Vec<Tensor>> =
        sample.inputs.iter().map(|inputs| outputs(&graph, inputs)).collect::<Result<_, _>>()?;
    let exact: Vec<bool> = sample.inputs.iter().map(|inputs| on_grid(&graph, inputs)).collect();
    let mut wrong = None;
    let network = xnorc::passes::run(&mut graph.clone(), |pass, graph| {
        for ((inputs, wanted), &exact) in sample.inputs.iter().zip(&wanted).zip(&exact) {
            let found = outputs(graph, inputs).and_then(|got| same(wanted, &got, exact));
            if let (Err(message), None) = (found, &wrong) {
                wrong = Some(format!("after {pass}: {message}"));
            }
        }
    })
    .map_err(|e| format!("refused: {e}"))?;
    if let Some(message) = wrong {
        return Err(message);
    }
    for ((inputs, wanted), &exact) in sample.inputs.iter().zip(&wanted).zip(&exact) {
        let values = xnorc::interpret::network::run(&network, inputs)?;
        let got: Vec<Tensor> = network.outputs.iter().map(|id| values[id].clone()).collect();
        same(wanted, &got, exact).map_err(|message| format!("blocks: {message}"))?;
    }
    let zero = if sample.zeros { Zeros::Exact } else { Zeros::Plus };
    let output = xnorc::generate(&sample.model, None, name, many::config().zero(zero)).map_err(|e| e.to_string())?;
    Ok(Checked { output, wanted, exact })
}

fn guarded(sample: &Sample, name: &str) -> Result<Checked, String> {
    catch_unwind(AssertUnwindSafe(|| check(sample, name)))
        .unwrap_or_else(|panic| Err(format!("panic: {}", text(&*panic))))
}

/// The smallest network of that seed that fails, and how.
fn smallest(seed: u64) -> String {
    let failing = (0..8).find_map(|blocks| {
        let sample = network(seed, blocks);
        guarded(&sample, "network").err().map(|message| (blocks, sample, message))
    });
    let Some((blocks, sample, message)) = failing else { return String::new() };
    let path = std::env::temp_dir().join(format!("fuzz-{seed}-{blocks}.onnx"));
    let graph = xnorc::import::load(&sample.model, &xnorc::import::Options::default())
        .map_or_else(|e| e.to_string(), |imported| imported.graph.to_string());
    let _ = std::fs::write(&path, &sample.model);
    format!("with {blocks} blocks: {message}\n{}\n{graph}", path.display())
}

fn complain(failures: &[(u64, String)], all: usize) {
    let list: Vec<String> = failures.iter().map(|(seed, message)| format!("seed {seed}: {message}")).collect();
    let first = failures.first().map(|(seed, _)| smallest(*seed)).unwrap_or_default();
    assert!(failures.is_empty(), "{} of {all} networks:\n{}\n{first}", list.len(), list.join("\n"));
}

#[test]
fn all_levels_compute_the_same() {
    let all = count(150);
    let (mut failures, mut exact, mut binary) = (Vec::new(), 0, 0);
    for seed in (first_seed()..).take(all) {
        match guarded(&network(seed, ALL_BLOCKS), "network") {
            Ok(checked) => {
                exact += usize::from(checked.exact.iter().all(|&e| e));
                binary += checked.output.network.blocks.iter().filter(|b| b.is_binary()).count();
            }
            Err(message) => failures.push((seed, message)),
        }
    }
    println!("{all} networks, {exact} without any rounding, {binary} binary blocks");
    complain(&failures, all);
    // The half that is to be exact nearly always is, and the networks are binary ones.
    assert!(4 * exact > all && binary > all, "{exact} exact, {binary} binary blocks of {all} networks");
}

#[test]
fn emitted_code_computes_the_same_everywhere() {
    let all = count(240).div_ceil(10);
    // Others than those above, when only a few are tried.
    let mut seeds = (first_seed() + 1_000_000..).take(all);
    let mut failures = Vec::new();
    let mut emitted = 0;
    loop {
        let chunk: Vec<u64> = seeds.by_ref().take(PER_PROGRAM).collect();
        if chunk.is_empty() {
            break;
        }
        let mut ready = Vec::new();
        for seed in chunk {
            let sample = network(seed, ALL_BLOCKS);
            match guarded(&sample, &many::name(ready.len())) {
                Ok(checked) => ready.push((seed, sample, checked)),
                Err(message) => failures.push((seed, message)),
            }
        }
        emitted += ready.len();
        let (outputs, rest): (Vec<Output>, Vec<_>) = ready
            .into_iter()
            .map(|(seed, sample, Checked { output, wanted, exact })| (output, (seed, sample, wanted, exact)))
            .unzip();
        let mut many = Many::start(&outputs).unwrap_or_else(|e| panic!("{e}"));
        for (i, (seed, sample, wanted, exact)) in rest.into_iter().enumerate() {
            if let Err(message) = everywhere(&mut many, i, &sample, &wanted, &exact) {
                failures.push((seed, message));
            }
        }
    }
    println!("{emitted} emitted networks");
    complain(&failures, all);
}

/// One network in the emitted program: right, and to the bit the same at each instruction set and number of threads.
fn everywhere(
    many: &mut Many,
    index: usize,
    sample: &Sample,
    wanted: &[Vec<Tensor>],
    exact: &[bool],
) -> Result<(), String> {
    for ((inputs, wanted), &exact) in sample.inputs.iter().zip(wanted).zip(exact) {
        let portable = many.bits(index, inputs, Some("portable"), 1)?;
        let got: Vec<Tensor> = portable
            .iter()
            .zip(wanted)
            .map(|(bits, wanted)| {
                Tensor::f32(wanted.shape.clone(), bits.iter().map(|&b| f32::from_bits(b as u32)).collect())
            })
            .collect();
        same(wanted, &got, exact).map_err(|message| format!("emitted: {message}"))?;
        for level in [Some("popcnt"), Some("avx2"), Some("avx512bw"), Some("neon"), None] {
            for threads in 1..=4 {
                // A level the machine lacks is answered with the best below it.
                if many.bits(index, inputs, level, threads)? != portable {
                    let level = level.unwrap_or("the best level");
                    return Err(format!("{level} on {threads} thread(s) gives other bits than portable"));
                }
            }
        }
    }
    Ok(())
}

/// Networks that must be right in every way.
pub(crate) fn everywhere_at_once(samples: &[Sample]) {
    let ready: Vec<Checked> = (samples.iter().enumerate())
        .map(|(i, sample)| guarded(sample, &many::name(i)).unwrap_or_else(|message| panic!("number {i}: {message}")))
        .collect();
    let (outputs, rest): (Vec<Output>, Vec<_>) =
        ready.into_iter().map(|Checked { output, wanted, exact }| (output, (wanted, exact))).unzip();
    let mut many = Many::start(&outputs).unwrap_or_else(|e| panic!("{e}"));
    for (i, ((wanted, exact), sample)) in rest.iter().zip(samples).enumerate() {
        everywhere(&mut many, i, sample, wanted, exact).unwrap_or_else(|message| panic!("number {i}: {message}"));
    }
}

/// All networks at once through onnxruntime, its optimiser off.
#[test]
#[ignore = "needs a Python with onnxruntime and numpy, named by XNORC_PYTHON"]
fn onnxruntime_computes_the_same() {
    let python = std::env::var_os("XNORC_PYTHON").expect("XNORC_PYTHON names a Python with onnxruntime");
    let all = count(200);
    let folder = tempfile::tempdir().unwrap();
    let samples: Vec<(u64, Sample)> =
        (first_seed()..).take(all).map(|seed| (seed, network(seed, ALL_BLOCKS))).collect();
    for (seed, sample) in &samples {
        std::fs::write(folder.path().join(format!("{seed}.onnx")), &sample.model).unwrap();
        for (i, inputs) in sample.inputs.iter().enumerate() {
            for (k, input) in inputs.iter().enumerate() {
                let path = folder.path().join(format!("{seed}.{i}.in{k}.npy"));
                std::fs::write(path, xnorc::npy::write(input)).unwrap();
            }
        }
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/onnxruntime_answers.py");
    let status = std::process::Command::new(python).arg(script).arg(folder.path()).status().unwrap();
    assert!(status.success(), "{status}");
    let mut failures = Vec::new();
    for (seed, sample) in &samples {
        let graph = xnorc::import::load(&sample.model, &xnorc::import::Options::default()).unwrap().graph;
        for (i, inputs) in sample.inputs.iter().enumerate() {
            let exact = on_grid(&graph, inputs);
            let wanted: Vec<Tensor> = (0..graph.outputs.len())
                .map(|k| xnorc_tests::read_npy(&folder.path().join(format!("{seed}.{i}.out{k}.npy"))))
                .collect();
            let found = outputs(&graph, inputs).and_then(|got| same(&wanted, &got, exact));
            if let Err(message) = found {
                // The model and its inputs outlive the test.
                let path = std::env::temp_dir().join(format!("fuzz-{seed}.onnx"));
                let _ = std::fs::write(&path, &sample.model);
                for (k, input) in inputs.iter().enumerate() {
                    let _ = std::fs::write(path.with_extension(format!("in{k}.npy")), xnorc::npy::write(input));
                }
                failures.push((*seed, format!("{}: {message}", path.display())));
            }
        }
    }
    println!("{all} networks");
    complain(&failures, all);
}

/// One file, level by level: where a failure begins.
#[test]
#[ignore = "looks at the model that XNORC_FUZZ_FILE names"]
fn one_file() {
    let path = std::env::var_os("XNORC_FUZZ_FILE").expect("XNORC_FUZZ_FILE names a model");
    let model = std::fs::read(path).unwrap();
    let mut graph = xnorc::import::load(&model, &xnorc::import::Options::default()).unwrap().graph;
    println!("{graph}");
    let mut r = xnorc_tests::random::Random::new(1);
    let inputs: Vec<Tensor> = (graph.inputs.iter())
        .map(|&id| {
            let shape = graph.shape(id).to_vec();
            let len = shape.iter().product();
            Tensor::f32(shape, (0..len).map(|_| r.real()).collect())
        })
        .collect();
    let wanted = outputs(&graph, &inputs).unwrap();
    let network = xnorc::passes::run(&mut graph, |pass, graph| {
        let found = outputs(graph, &inputs).and_then(|got| same(&wanted, &got, false));
        println!("after {pass}: {found:?}\n{graph}");
    })
    .unwrap_or_else(|e| panic!("{e}"));
    println!("{network}");
    let values = xnorc::interpret::network::run(&network, &inputs).unwrap();
    let got: Vec<Tensor> = network.outputs.iter().map(|id| values[id].clone()).collect();
    same(&wanted, &got, false).unwrap();
}
