//! From a file, or its bytes, to what is emitted: the stages one after the other.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::config::{Config, MultiplyAdds, NAME_RULE, Zeros, is_name};
use crate::diagnostics::{Code, Diagnostic, Diagnostics, Severity};
use crate::emit::{self, Output};
use crate::ir::Graph;
use crate::ir::network::{Arithmetic, Network};
use crate::schedule::Schedule;
use crate::target::Target;
use crate::{check, fixed, import, internal, passes, plan, schedule};

/// The pure core: bytes in, source out; touches no file but the model's external data.
///
/// # Errors
/// All problems of the model at once.
pub fn generate(model: &[u8], folder: Option<&Path>, name: &str, config: &Config) -> Result<Output, Diagnostics> {
    internal::caught(|| {
        let options = options(config, folder);
        let imported = import::load(model, &options)?;
        build(imported, digest(model), name, config)
    })
}

fn options(config: &Config, folder: Option<&Path>) -> import::Options {
    let given = config.external_data.clone();
    import::Options { dims: config.dims.clone(), folder: folder.map(Into::into), given }
}

/// SHA-256, in hexadecimal.
fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// What follows import, which needs the file no more.
fn build(imported: import::Imported, model_hash: String, name: &str, config: &Config) -> Result<Output, Diagnostics> {
    let mut graph = imported.graph;
    graph.exact_zeros = config.zero == Zeros::Exact;
    let mut network = passes::run(&mut graph, |_, _| {})?;
    passes::narrow::run(&mut network, config)?;
    check::network(&network, "in narrowing")?;
    let mut warnings = imported.warnings;
    warnings.0.append(&mut graph.warnings.0);
    // The network has its own of what it keeps.
    drop(graph);
    if config.strict && !warnings.0.is_empty() {
        warnings.0.iter_mut().for_each(|warning| warning.severity = Severity::Error);
        return Err(warnings);
    }
    let output = of_network(network, model_hash, name, config)?;
    Ok(Output { files: imported.files, warnings, ..output })
}

/// The price of loose multiply-add.
const LOOSE: &str = "multiply-add is loose by choice: where the processor has no instruction for it (WebAssembly without relaxed \
    SIMD, x86-64 before AVX2), f32 is rounded twice, and the bits are others than where it has; `xnorc verify --multiply-add loose` measures it";

/// The price of fixed point.
const FIXED: &str = "the whole network is in fixed point by choice: 16 bits in memory, 32 on the way, scales by channel from the examples; what \
    is beyond their range by more than a quarter is cut off; `xnorc verify --real fixed` measures the error and the signs that flip";

/// What follows lowering, also for a network that no file says.
///
/// # Errors
/// A plan that does not hold, which is a fault of xnorc.
pub fn of_network(
    mut network: Network,
    model_hash: String,
    name: &str,
    config: &Config,
) -> Result<Output, Diagnostics> {
    let target = config.target.as_deref().map(Target::named).transpose()?;
    // Fixed point adds no products of floats.
    let in_fixed_point = config.real_layers == Arithmetic::Fixed;
    let multiply_add = if in_fixed_point { MultiplyAdds::Once } else { config.multiply_add };
    if multiply_add == MultiplyAdds::Loose {
        network.notes.push(LOOSE.to_owned());
    }
    internal::at("the schedule");
    let is_micro = target.as_ref().is_some_and(Target::is_micro);
    let share_from = config.share_from.unwrap_or(if is_micro { usize::MAX } else { 2000 });
    let mut schedule = Schedule::of(&network, share_from, target.as_ref());
    schedule::check::run(&network, &schedule)?;
    internal::at("the order of the blocks");
    // From here on the blocks run in the order that needs the least memory, the file's among equals.
    plan::order::run(&mut network, &mut schedule);
    check::network(&network, "in ordering")?;
    let mut fixed = None;
    if in_fixed_point {
        internal::at("fixed point");
        fixed = Some(fixed::choose::run(&network, &config.calibration)?);
        network.notes.push(FIXED.to_owned());
    }
    internal::at("the memory plan");
    let plan = plan::run(&network, &schedule);
    plan::check::run(&network, &plan, &schedule)?;
    let options = emit::Options {
        name: name.to_owned(),
        model_hash,
        probe: config.probe,
        multiply_add,
        runtime: if config.standalone { "crate::runtime" } else { "::xnorc_runtime" }.to_owned(),
    };
    let emitted = match &fixed {
        Some(fixed) => emit::in_fixed_point(&network, fixed, target.as_ref(), &options),
        None => emit::run(&network, &schedule, &plan, &options),
    };
    let (files, warnings) = (Vec::new(), Diagnostics::default());
    Ok(Output { network, schedule, plan, target, multiply_add, fixed, emitted, files, warnings })
}

/// Reads and compiles a model file: the pure core with the file around it.
///
/// # Errors
/// All problems of the model at once; [`Code::Io`] when the file itself cannot be read.
pub fn load(model: &Path, config: &Config) -> Result<Output, Diagnostics> {
    let bytes = read(model)?;
    let name = config.name_for(model);
    if !is_name(&name) {
        return Err(Diagnostic::error(
            Code::BadAttribute,
            None,
            format!("{name:?} cannot be the name of a Rust module"),
        )
        .help(format!("give another with `name`: {NAME_RULE}"))
        .into());
    }
    internal::caught(|| {
        let options = options(config, Some(folder_of(model)));
        let imported = import::load(&bytes, &options).map_err(|problems| at(model, problems))?;
        let hash = digest(&bytes);
        // A file can be as large as all that is made of it.
        drop(bytes);
        build(imported, hash, &name, config)
    })
}

/// Imports a model file: the first level of the IR, as the file says it.
///
/// # Errors
/// All problems of the file at once.
pub fn load_graph(model: &Path, config: &Config) -> Result<Graph, Diagnostics> {
    let bytes = read(model)?;
    let options = options(config, Some(folder_of(model)));
    let imported = internal::caught(|| import::load(&bytes, &options));
    imported.map(|imported| imported.graph).map_err(|problems| at(model, problems))
}

/// What is no model has no place in it: the place is the file.
fn at(model: &Path, mut problems: Diagnostics) -> Diagnostics {
    for problem in &mut problems.0 {
        if problem.code == Code::NotOnnx && problem.place.is_none() {
            problem.place = Some(place(model));
        }
    }
    problems
}

fn place(file: &Path) -> String {
    format!("file \"{}\"", file.display())
}

/// The bytes of a model file.
///
/// # Errors
/// [`Code::Io`], with the path and the operating system's words.
fn read(path: &Path) -> Result<Vec<u8>, Diagnostics> {
    std::fs::read(path).map_err(|e| Diagnostic::error(Code::Io, place(path), format!("cannot be read: {e}")).into())
}

/// The folder a model's external data may lie in.
fn folder_of(model: &Path) -> &Path {
    match model.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_one_line() {
        let error = load(Path::new("no/such/file.onnx"), &Config::new()).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("X002 at file \"no/such/file.onnx\": cannot be read"), "{text}");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn a_bad_name_is_refused_before_the_model_is_looked_at() {
        let file = std::env::temp_dir().join(format!("xnorc-name-{}.onnx", std::process::id()));
        std::fs::write(&file, b"x").unwrap();
        for name in
            ["fn", "gen", "self", "core", "std", "test", "f32", "Net", "a__b", "1a", "_a", "é", "", "a b", "rustfmt"]
        {
            let error = load(&file, Config::new().name(name)).unwrap_err();
            assert!(error.to_string().contains(&format!("{name:?} cannot be the name")), "{error}");
        }
        std::fs::remove_file(&file).unwrap();
    }
}
