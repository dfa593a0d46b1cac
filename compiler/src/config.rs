//! The builder face of [`Config`], and the step from a path to the pure core.

use std::path::{Path, PathBuf};

use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::emit::names::is_keyword;
use crate::ir::{Graph, Tensor};
use crate::{Arithmetic, Config, Output, Zeros, build, digest, import, internal};

/// Setters take and give `&mut`, so that they chain in one expression and also stand in an `if`:
///
/// ```no_run
/// xnorc::Config::new().dim("batch", 1).name("net").compile("model.onnx");
/// ```
impl Config {
    /// The defaults: dimensions bound as the file says, named after the file, with `xnorc-runtime` as a dependency.
    pub fn new() -> Self {
        Self::default()
    }

    /// Binds a symbolic dimension of the model's inputs.
    pub fn dim(&mut self, name: impl Into<String>, extent: usize) -> &mut Self {
        self.dims.push((name.into(), extent));
        self
    }

    /// Names the module or crate: a Rust identifier in snake_case.
    pub fn name(&mut self, name: impl Into<String>) -> &mut Self {
        self.name = Some(name.into());
        self
    }

    /// Whether the runtime's source goes inside what is emitted.
    pub fn standalone(&mut self, standalone: bool) -> &mut Self {
        self.standalone = standalone;
        self
    }

    /// Whether a model with warnings is refused.
    pub fn strict(&mut self, strict: bool) -> &mut Self {
        self.strict = strict;
        self
    }

    /// What a sign of exactly zero becomes in front of a binary layer.
    pub fn zero(&mut self, zero: Zeros) -> &mut Self {
        self.zero = zero;
        self
    }

    /// Whether the `probe` module is emitted.
    pub fn probe(&mut self, probe: bool) -> &mut Self {
        self.probe = probe;
        self
    }

    /// From how many nanoseconds on a block can be divided among threads.
    pub fn share_from(&mut self, nanoseconds: usize) -> &mut Self {
        self.share_from = Some(nanoseconds);
        self
    }

    /// The arithmetic of the real-valued layers: f32, or something faster and looser, which the report then names.
    pub fn real_layers(&mut self, arithmetic: Arithmetic) -> &mut Self {
        self.real_layers = arithmetic;
        self
    }

    /// The arithmetic of one real-valued layer, by the name of its block in the report.
    pub fn real_layer(&mut self, name: impl Into<String>, arithmetic: Arithmetic) -> &mut Self {
        self.real_layers_by_name.push((name.into(), arithmetic));
        self
    }

    /// Adds example inputs, one tensor per input of the model after the other (or stacks of them along the first axis): from
    /// these the ranges of 8-bit activations are learned.
    pub fn calibrate(&mut self, inputs: Vec<Tensor>) -> &mut Self {
        self.calibration.push(inputs);
        self
    }

    /// Writes there instead of into cargo's `OUT_DIR`.
    pub fn out_dir(&mut self, folder: impl Into<PathBuf>) -> &mut Self {
        self.out_dir = Some(folder.into());
        self
    }

    /// The name to emit under: the one set, or one made of the file's.
    pub fn name_for(&self, model: &Path) -> String {
        self.name.clone().unwrap_or_else(|| name_of(model))
    }
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
        let options = import::Options { dims: config.dims.clone(), folder: Some(folder_of(model).to_owned()) };
        let imported = import::load(&bytes, &options)?;
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
    let options = import::Options { dims: config.dims.clone(), folder: Some(folder_of(model).to_owned()) };
    internal::caught(|| import::load(&bytes, &options).map(|imported| imported.graph))
}

/// The bytes of a model file.
///
/// # Errors
/// [`Code::Io`], with the path and the operating system's words.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Diagnostics> {
    std::fs::read(path).map_err(|e| {
        let place = format!("file \"{}\"", path.display());
        Diagnostic::error(Code::Io, place, format!("cannot be read: {e}")).into()
    })
}

/// The folder a model's external data may lie in.
pub(crate) fn folder_of(model: &Path) -> &Path {
    match model.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Names that mean something else in the crate or beside it: Rust's own crates, the runtime, the types and tools that
/// every file knows by one word.
const TAKEN: &[&str] = &[
    "alloc",
    "core",
    "proc_macro",
    "std",
    "test",
    "xnorc_runtime",
    "bool",
    "char",
    "f16",
    "f32",
    "f64",
    "f128",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "isize",
    "str",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "usize",
    "clippy",
    "diagnostic",
    "miri",
    "rust_analyzer",
    "rustdoc",
    "rustfmt",
];

/// Whether a text can name a module and a crate, without a warning of rustc about its style.
pub fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.contains("__")
        && !is_keyword(name)
        && !TAKEN.contains(&name)
}

/// What [`is_name`] asks for, in words.
pub const NAME_RULE: &str = "lower-case letters, digits and single underscores, a letter first, \
     not a keyword nor the name of a crate, type or tool of Rust's own";

/// `my-net.v2.onnx` to `my_net_v2`.
fn name_of(model: &Path) -> String {
    let stem = model.file_stem().map(|s| s.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let words: Vec<&str> = stem.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let name = words.join("_");
    if is_name(&name) { name } else { format!("model_{name}").trim_end_matches('_').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_name_gives_a_module_name() {
        let names = [
            "a/my-net.v2.onnx",
            "18.onnx",
            "match.onnx",
            "élan.onnx",
            "_.onnx",
            "Net.onnx",
            "gen.onnx",
            "core.onnx",
            "Test.onnx",
            "a--b__c.onnx",
            "u8.onnx",
        ];
        let named: Vec<String> = names.iter().map(|n| name_of(Path::new(n))).collect();
        assert_eq!(
            named,
            [
                "my_net_v2",
                "model_18",
                "model_match",
                "lan",
                "model",
                "net",
                "model_gen",
                "model_core",
                "model_test",
                "a_b_c",
                "model_u8",
            ]
        );
        assert!(named.iter().all(|n| is_name(n)));
    }

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
