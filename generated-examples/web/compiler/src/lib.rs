//! The compiler as WebAssembly: a model's bytes in, its report and its crate out. What goes over to JavaScript is text (JSON) and bytes.

use std::io::{Cursor, Write as _};

use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;
use xnorc::emit::krate::{self, Faces};
use xnorc::report::Glance;
use xnorc::{Config, Diagnostic, Diagnostics, Output, Report, Severity};
use xnorc_runtime::Level;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A model that was compiled.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Compiled {
    name: String,
    output: Output,
    file_bytes: u64,
}

/// A problem as the page shows it.
#[derive(Serialize)]
struct Problem {
    error: bool,
    code: &'static str,
    place: Option<String>,
    message: String,
    help: Option<String>,
}

impl From<&Diagnostic> for Problem {
    fn from(diagnostic: &Diagnostic) -> Self {
        Self {
            error: diagnostic.severity == Severity::Error,
            code: diagnostic.code.as_str(),
            place: diagnostic.place.clone(),
            message: diagnostic.message.clone(),
            help: diagnostic.help.clone(),
        }
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn problems(diagnostics: &Diagnostics) -> String {
    json(&diagnostics.0.iter().map(Problem::from).collect::<Vec<_>>())
}

/// Files beside a model, which hold its weights.
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct Beside {
    config: Config,
    bytes: u64,
}

#[wasm_bindgen]
impl Beside {
    /// None.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn add(&mut self, file: &str, bytes: Vec<u8>) {
        self.bytes += bytes.len() as u64;
        self.config.external_data(file, bytes);
    }
}

/// Compiles a model's file; throws its problems as JSON, a list of code, place, message and help.
///
/// # Errors
/// All problems of the model at once.
#[wasm_bindgen]
pub fn compile(model: &[u8], file: &str, beside: Beside) -> Result<Compiled, String> {
    let Beside { mut config, bytes } = beside;
    config.standalone(true);
    let name = name_for(&config, file);
    let output = xnorc::generate(model, None, &name, &config).map_err(|all| problems(&all))?;
    Ok(Compiled { name, output, file_bytes: model.len() as u64 + bytes })
}

/// The crate's name from the file's, as the command line makes it; one that C takes too.
fn name_for(config: &Config, file: &str) -> String {
    let name = config.name_for(file.as_ref());
    let good = xnorc::is_name(&name) && xnorc::emit::check_name(&name).is_ok();
    if good { name } else { "net".to_owned() }
}

/// The fault that stopped the compiler, as [`compile`] throws problems: a panic cannot be caught here.
#[wasm_bindgen]
pub fn fault() -> String {
    problems(&xnorc::internal::fault().into())
}

#[wasm_bindgen]
impl Compiled {
    /// Name of the crate.
    #[wasm_bindgen(getter)]
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// What `xnorc inspect --json` prints.
    pub fn report(&self) -> String {
        json(&Report::new(&self.output))
    }

    /// What `xnorc inspect` prints, with the time estimated for these instructions: `avx512`, `neon`...
    pub fn glance(&self, level: &str) -> String {
        let level = Level::ALL.iter().find(|known| known.name() == level).copied().unwrap_or(Level::Portable);
        Glance::new(&self.output, level, self.file_bytes).to_string()
    }

    /// Warnings, as [`compile`] throws problems.
    pub fn warnings(&self) -> String {
        problems(&self.output.warnings)
    }

    /// The crate as a zip file: what `xnorc compile` writes, for C and for the web too if asked, but for the recorded example.
    ///
    /// # Errors
    /// What the archive's writer says.
    pub fn archive(&self, c: bool, web: bool) -> Result<Vec<u8>, String> {
        let files = krate::faced_files(&self.output, &self.name, Faces { c, web }, None);
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let mut write = || -> zip::result::ZipResult<()> {
            for (path, bytes) in &files {
                zip.start_file(format!("{}/{path}", self.name), SimpleFileOptions::default())?;
                zip.write_all(bytes)?;
            }
            Ok(())
        };
        write().map_err(|e| e.to_string())?;
        Ok(zip.finish().map_err(|e| e.to_string())?.into_inner())
    }
}
