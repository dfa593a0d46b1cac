//! Files, rustc, program; or files, rustc, library.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{guard, problem};
use xnorc::Output;
use xnorc::diagnostics::Diagnostics;
use xnorc::emit::krate::{self, Runtime};
use xnorc::ir::network::{NetTensor, Network, TensorId};

const HARNESS: &str = include_str!("harness.rs");

/// A program ready to run, or a library ready to load.
#[derive(Clone, Debug)]
pub struct Built {
    /// The executable, or the shared library.
    pub program: PathBuf,
    /// Time rustc took for the crate, without the harness; of a library, for all of it.
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
    Plans::new(output, name).build(folder, &[])
}

/// The same, unoptimised and with every check that rustc can add: built in a third of the time, and slow.
///
/// # Errors
/// As [`build`].
pub fn build_unoptimised(output: &Output, name: &str, folder: &Path) -> Result<Built, Diagnostics> {
    Plans::new(output, name).build(folder, &["-Copt-level=0", "-Cdebug-assertions=on"])
}

/// The name of the executable, and of a library in its place: who loads it is told the path.
pub(super) const PROGRAM: &str = if cfg!(windows) { "harness.exe" } else { "harness" };

/// What a program or a library is built from.
pub(super) struct Plans {
    name: String,
    kind: Kind,
    /// The crate; of a program the harness, too.
    pub(super) files: Vec<krate::File>,
}

#[derive(Clone, Copy)]
enum Kind {
    Program,
    Library,
}

impl Plans {
    /// Of a program that takes commands.
    pub(super) fn new(output: &Output, name: &str) -> Self {
        let mut files = krate::files(output, name, &Runtime::Inside, None);
        // Of the runtime also what the harness takes from it.
        files.retain(|(path, _)| !path.starts_with("src/runtime/"));
        files.extend(krate::runtime_files(&[output.source(), HARNESS], output.target.as_ref()));
        files.push(("harness.rs".to_owned(), harness(&output.network).into_bytes()));
        Self { name: name.to_owned(), kind: Kind::Program, files }
    }

    /// Of the library that C calls, for this machine.
    pub(super) fn library(output: &Output, name: &str) -> Self {
        Self { name: name.to_owned(), kind: Kind::Library, files: krate::c_files(output, name, None) }
    }

    /// What rustc is told of the crate, beyond [`OPTIONS`].
    pub(super) fn options(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Program => &["--crate-type=rlib", "--cfg=feature=\"std\""],
            // Of the standard library's names none is of use to who loads it: without them it is an eighth as large.
            Kind::Library => {
                &["--crate-type=cdylib", "--cfg=feature=\"c\"", "--cfg=feature=\"std\"", "-Cstrip=symbols"]
            }
        }
    }

    /// Writes it all into an empty folder, and builds it there.
    ///
    /// `more` is for rustc, behind [`OPTIONS`].
    pub(super) fn build(&self, folder: &Path, more: &[&str]) -> Result<Built, Diagnostics> {
        for (path, bytes) in &self.files {
            let path = folder.join(path);
            path.parent()
                .map_or(Ok(()), std::fs::create_dir_all)
                .and_then(|()| std::fs::write(&path, bytes))
                .map_err(|e| problem(format!("\"{}\" cannot be written: {e}", path.display())))?;
        }
        let program = folder.join(PROGRAM);
        let library = match self.kind {
            Kind::Program => folder.join("libnetwork.rlib"),
            Kind::Library => program.clone(),
        };
        let mut arguments: Vec<OsString> = vec![
            "--crate-name".into(),
            self.name.clone().into(),
            "-o".into(),
            library.clone().into(),
            folder.join("src/lib.rs").into(),
        ];
        arguments.extend(self.options().iter().chain(more).map(OsString::from));
        let start = Instant::now();
        rustc(&arguments)?;
        let rustc_time = start.elapsed();
        if let Kind::Library = self.kind {
            return Ok(Built { program, rustc_time });
        }
        let mut dependency = OsString::from("network=");
        dependency.push(&library);
        let mut arguments: Vec<OsString> = vec![
            "--crate-name=harness".into(),
            "--crate-type=bin".into(),
            "--extern".into(),
            dependency,
            "-o".into(),
            program.clone().into(),
            folder.join("harness.rs").into(),
        ];
        arguments.extend(more.iter().map(OsString::from));
        rustc(&arguments)?;
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

/// The compiler's name: what `RUSTC` says, where it is not empty, as for cargo.
pub(super) fn compiler() -> OsString {
    std::env::var_os("RUSTC").filter(|rustc| !rustc.is_empty()).unwrap_or_else(|| "rustc".into())
}

fn start(arguments: &[OsString]) -> Result<std::process::Output, Diagnostics> {
    let rustc = compiler();
    guard::output(&rustc, arguments, &[]).map_err(|e| {
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

/// Whether a tensor holds integers.
pub(crate) fn is_integer(tensor: &NetTensor) -> bool {
    tensor.integer().is_some()
}

#[cfg(test)]
mod tests {
    use xnorc::ir::DType;
    use xnorc::ir::network::Storage;

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
    fn the_harness_is_rust() {
        syn::parse_file(HARNESS).unwrap();
    }
}
