//! Files, rustc, program.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{guard, problem};
use xnorc::Output;
use xnorc::diagnostics::Diagnostics;
use xnorc::emit::krate::{self, Runtime};
use xnorc::ir::DType;
use xnorc::ir::network::{NetTensor, Network, Storage, TensorId};

const HARNESS: &str = include_str!("harness.rs");
const LIBRARY: &str = include_str!("library.rs");

/// A program ready to run.
#[derive(Clone, Debug)]
pub struct Built {
    /// The executable, or the shared library.
    pub program: PathBuf,
    /// Time rustc took for the crate, without the harness.
    pub rustc_time: Duration,
}

/// Writes the crate of a model into an empty folder and builds it with the harness.
///
/// The model must have been compiled with `standalone` and `probe` under that name. `RUSTC` names another compiler.
///
/// # Errors
/// [`Code::Toolchain`](xnorc::diagnostics::Code::Toolchain): no rustc, or its first errors; a folder that cannot be
/// written.
pub fn build(output: &Output, name: &str, folder: &Path) -> Result<Built, Diagnostics> {
    Plans::new(output, name).build(folder)
}

/// The name of the executable. A library has it too: what loads it is told the path.
pub(super) const PROGRAM: &str = if cfg!(windows) { "harness.exe" } else { "harness" };

/// What a program is built from.
pub(super) struct Plans {
    name: String,
    /// What is built around the crate: a file, and rustc's word for what it becomes.
    around: (&'static str, &'static str),
    /// The crate, and that file.
    pub(super) files: Vec<krate::File>,
}

impl Plans {
    /// Of a program that takes commands.
    pub(super) fn new(output: &Output, name: &str) -> Self {
        Self::around(output, name, ("harness.rs", "bin"), harness(&output.network))
    }

    /// Of a shared library.
    pub(super) fn library(output: &Output, name: &str) -> Self {
        Self::around(output, name, ("library.rs", "cdylib"), library(&output.network))
    }

    fn around(output: &Output, name: &str, around: (&'static str, &'static str), text: String) -> Self {
        let mut files = krate::files(output, name, &Runtime::Inside, None);
        // Of the runtime also what the text takes from it.
        files.retain(|(path, _)| !path.starts_with("src/runtime/"));
        files.extend(krate::runtime_files(&[output.source(), &text], output.target.as_ref()));
        files.push((around.0.to_owned(), text.into_bytes()));
        Self { name: name.to_owned(), around, files }
    }

    /// Writes it all into an empty folder, and builds it there.
    pub(super) fn build(&self, folder: &Path) -> Result<Built, Diagnostics> {
        for (path, bytes) in &self.files {
            let path = folder.join(path);
            path.parent()
                .map_or(Ok(()), std::fs::create_dir_all)
                .and_then(|()| std::fs::write(&path, bytes))
                .map_err(|e| problem(format!("\"{}\" cannot be written: {e}", path.display())))?;
        }
        let library = folder.join("libnetwork.rlib");
        let program = folder.join(PROGRAM);
        let start = Instant::now();
        rustc(&[
            "--crate-name".into(),
            self.name.clone().into(),
            "--crate-type=rlib".into(),
            "--cfg=feature=\"std\"".into(),
            "-o".into(),
            library.clone().into(),
            folder.join("src/lib.rs").into(),
        ])?;
        let rustc_time = start.elapsed();
        let mut dependency = OsString::from("network=");
        dependency.push(&library);
        let (source, kind) = self.around;
        rustc(&[
            "--crate-name=harness".into(),
            format!("--crate-type={kind}").into(),
            "--extern".into(),
            dependency,
            "-o".into(),
            program.clone().into(),
            folder.join(source).into(),
        ])?;
        Ok(Built { program, rustc_time })
    }
}

/// What cargo's release profile would do, without cargo: no manifest search, no lock, no second process tree.
pub(super) const OPTIONS: [&str; 7] = [
    "--edition=2024",
    "-Copt-level=3",
    "-Ccodegen-units=16",
    "-Cpanic=abort",
    "-Cembed-bitcode=no",
    "--cap-lints=allow",
    "--error-format=short",
];

/// rustc's own words about its version, its host and what it is made of.
pub(super) fn version() -> Result<String, Diagnostics> {
    let result = start(&["-vV".into()])?;
    Ok(String::from_utf8_lossy(&result.stdout).into_owned())
}

fn start(arguments: &[OsString]) -> Result<std::process::Output, Diagnostics> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    guard::output(&rustc, arguments).map_err(|e| {
        let rustc = Path::new(&rustc).display();
        let mut missing = problem(format!("the Rust compiler `{rustc}` cannot be started: {e}"));
        missing.0[0].help = Some(
            "install Rust (https://rustup.rs) or name a rustc in the variable RUSTC; `--engine interpreter` of run, \
             verify and evaluate works without one, slowly"
                .into(),
        );
        missing
    })
}

fn rustc(arguments: &[OsString]) -> Result<(), Diagnostics> {
    let arguments: Vec<OsString> = OPTIONS.iter().map(OsString::from).chain(arguments.iter().cloned()).collect();
    let result = start(&arguments)?;
    if result.status.success() {
        return Ok(());
    }
    // The first errors are enough to see what it is; the rest usually follows from them.
    let text = String::from_utf8_lossy(&result.stderr);
    let lines: Vec<&str> = text.lines().filter(|l| l.contains("error")).take(5).collect();
    let lines = if lines.is_empty() { text.lines().take(5).collect() } else { lines };
    Err(problem(format!("rustc refused the emitted crate ({}): {}", result.status, lines.join(" | "))))
}

fn harness(network: &Network) -> String {
    HARNESS
        .replace("input: INPUT", &format!("input: {}", zero(network, &network.inputs, "Input")))
        .replace("output: OUTPUT", &format!("output: {}", zero(network, &network.outputs, "Output")))
}

/// A tensor alone is where the caller has it; several are fields of a struct, and are copied into it and from it.
fn library(network: &Network) -> String {
    let lens = |ids: &[TensorId]| -> Vec<usize> { ids.iter().map(|&id| network.tensor(id).storage_len()).collect() };
    let input = match lens(&network.inputs)[..] {
        [_] => "unsafe { &*inputs.read().cast() }".to_owned(),
        ref lens => {
            let copy = |(i, len): (usize, &usize)| {
                format!("unsafe {{ give(inputs.add({i}).read(), probe::input(&mut state.input, {i}), {len}) }}; ")
            };
            format!("{{ {}&state.input }}", lens.iter().enumerate().map(copy).collect::<String>())
        }
    };
    let (output, after) = match network.outputs[..] {
        [_] => ("unsafe { &mut *outputs.read().cast() }", String::new()),
        ref ids => {
            let copy = |(i, &id): (usize, &TensorId)| {
                let word = if is_integer(network.tensor(id)) { "i64" } else { "f32" };
                format!("unsafe {{ take(probe::output_{word}(&state.output, {i}), outputs.add({i}).read()) }};\n")
            };
            ("&mut state.output", ids.iter().enumerate().map(copy).collect())
        }
    };
    LIBRARY
        .replace("= INPUT;", &format!("= {input};"))
        .replace("= OUTPUT;", &format!("= {output};"))
        .replace("/* AFTER */", &after)
}

/// The zero of the emitted `Input` or `Output`: an array when there is one tensor, else a struct.
fn zero(network: &Network, ids: &[TensorId], name: &str) -> String {
    match ids {
        [id] => {
            let zero = if is_integer(network.tensor(*id)) { "0" } else { "0.0" };
            format!("[{zero}; {}]", network.tensor(*id).storage_len())
        }
        _ => format!("network::{name}::new()"),
    }
}

/// Whether a tensor holds i64s.
pub(crate) fn is_integer(tensor: &NetTensor) -> bool {
    tensor.storage == Storage::Dense(DType::I64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_harness_holds_the_networks_own_types() {
        let mut network = Network::default();
        let mut add = |name: &str, dtype| {
            network.add_tensor(NetTensor {
                name: name.into(),
                shape: vec![1, 6],
                storage: Storage::Dense(dtype),
                origin: None,
            })
        };
        let (x, class, y) = (add("x", DType::F32), add("class", DType::I64), add("y", DType::F32));
        network.inputs = vec![x];
        network.outputs = vec![class];
        let text = harness(&network);
        assert!(text.contains("input: [0.0; 6], output: [0; 6],"), "{text}");
        network.outputs.push(y);
        assert!(harness(&network).contains("output: network::Output::new(),"));
    }

    #[test]
    fn a_library_copies_what_is_not_alone() {
        let mut network = Network::default();
        let mut add = |name: &str, dtype| {
            network.add_tensor(NetTensor {
                name: name.into(),
                shape: vec![1, 6],
                storage: Storage::Dense(dtype),
                origin: None,
            })
        };
        let (x, class) = (add("x", DType::F32), add("class", DType::I64));
        (network.inputs, network.outputs) = (vec![x], vec![class]);
        let alone = library(&network);
        assert!(alone.contains("Input = unsafe { &*inputs.read().cast() };"), "{alone}");
        (network.inputs, network.outputs) = (vec![x, x], vec![x, class]);
        let several = library(&network);
        let given = "give(inputs.add(1).read(), probe::input(&mut state.input, 1), 6)";
        let taken = "take(probe::output_i64(&state.output, 1), outputs.add(1).read())";
        for part in [given, "= &mut state.output;", "probe::output_f32(&state.output, 0)", taken] {
            assert!(several.contains(part), "{part}: {several}");
        }
        for text in [alone, several] {
            syn::parse_file(&text).unwrap();
        }
    }

    #[test]
    fn the_harness_is_rust() {
        syn::parse_file(HARNESS).unwrap();
    }
}
