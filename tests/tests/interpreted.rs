//! Every fixture through import and all passes, run by the interpreter: what the blocks compute is what the recorded
//! outputs say. Nothing is built here, so this is the quick look before `end_to_end`; a folder of other models with
//! inputs and outputs beside them, named as the fixtures are, can be given in `XNORC_INTERPRET`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use xnorc::ir::Tensor;
use xnorc_tests::{fixtures, recorded};

/// Rounding before a sign may flip it in one engine and not in the other; none of the fixtures does that.
const TOLERANCE: f32 = 1e-4;

/// A file that computes in 16-bit floats: what is recorded was rounded, to 11 bits, at every step.
const HALF: &str = "r2b_fp16_ts17";
const HALF_TOLERANCE: f32 = 1.0 / 2048.0;

fn models(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut models: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "onnx"))
        .collect();
    models.sort();
    models
}

/// The largest difference, relative to the largest value.
fn distance(wanted: &Tensor, got: &Tensor) -> f32 {
    if wanted.len() != got.len() {
        return f32::INFINITY;
    }
    let (wanted, got) = (wanted.to_f32(), got.to_f32());
    let size = wanted.iter().fold(1.0_f32, |m, v| m.max(v.abs()));
    let worst = wanted.iter().zip(&got).map(|(w, g)| if w == g { 0.0 } else { (w - g).abs() });
    worst.fold(0.0, |m, d| if d <= m { m } else { d }) / size
}

fn check(path: &Path) -> Result<(), String> {
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    let options = xnorc::import::Options { folder: path.parent().map(Into::into), ..Default::default() };
    let mut graph = xnorc::import::load(&bytes, &options).map_err(|e| e.to_string())?.graph;
    let sample = recorded(path);
    let tolerance = if path.file_stem().is_some_and(|stem| stem == HALF) { HALF_TOLERANCE } else { TOLERANCE };
    let imported = xnorc::interpret::graph(&graph, &sample.inputs)?;
    let mut wrong = Vec::new();
    for (k, (id, wanted)) in graph.outputs.iter().zip(&sample.expected).enumerate() {
        let far = distance(wanted, &imported[id]);
        if far.is_nan() || far > tolerance {
            wrong.push(format!("import, output {k}: {far}"));
        }
    }
    let network = xnorc::passes::run(&mut graph, |_, _| {}).map_err(|e| e.to_string())?;
    if sample.expected.is_empty() || network.outputs.len() != sample.expected.len() {
        return Err(format!("{} outputs, {} recorded", network.outputs.len(), sample.expected.len()));
    }
    let values = xnorc::interpret::network::run(&network, &sample.inputs)?;
    for (k, (id, wanted)) in network.outputs.iter().zip(&sample.expected).enumerate() {
        let far = distance(wanted, &values[id]);
        if far.is_nan() || far > tolerance {
            wrong.push(format!("blocks, output {k}: {far}"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

fn check_all(models: &[PathBuf]) {
    let mut wrong = Vec::new();
    for path in models {
        let outcome = catch_unwind(AssertUnwindSafe(|| check(path))).unwrap_or_else(|_| Err("panicked".to_owned()));
        if let Err(message) = outcome {
            wrong.push(format!("{}: {message}", path.file_stem().unwrap_or_default().to_string_lossy()));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), models.len(), wrong.join("\n"));
}

#[test]
fn fixtures_give_their_recorded_outputs() {
    // Refused, as it must be.
    let refused = "training_bn_ts17";
    let models = models(&fixtures());
    let models: Vec<PathBuf> =
        models.into_iter().filter(|path| path.file_stem().is_some_and(|stem| stem != refused)).collect();
    assert!(models.len() > 70, "{}", models.len());
    check_all(&models);
}

/// The scratch memory of the Real-to-Binary networks, of whatever exporter, is hardly more than what every order of their
/// blocks needs.
#[test]
fn scratch_memory_is_near_its_bound() {
    let models = models(&fixtures());
    let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let chosen: Vec<&PathBuf> = models
        .iter()
        .filter(|path| ["r2b_", "larq_r2b", "stem_", "strong_"].iter().any(|prefix| stem(path).starts_with(prefix)))
        .collect();
    assert!(chosen.len() > 20, "{}", chosen.len());
    for path in chosen {
        let bytes = std::fs::read(path).unwrap();
        let output = xnorc::generate(&bytes, path.parent(), "model", &xnorc::Config::default()).unwrap();
        let (bytes, bound) =
            (output.plan.scratch_bytes(), xnorc::plan::order::orders(&output.network, &output.schedule).bound);
        assert!(bytes >= bound && bytes * 10 <= bound * 11, "{}: {bytes} bytes, bound {bound}", stem(path));
    }
}

#[test]
fn models_of_another_folder() {
    if let Some(folder) = std::env::var_os("XNORC_INTERPRET") {
        let models = models(Path::new(&folder));
        assert!(!models.is_empty(), "{} holds no model", Path::new(&folder).display());
        check_all(&models);
    }
}
