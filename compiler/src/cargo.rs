//! The thin face for `build.rs`: rerun lines, files written only when they change, problems in cargo's own words.
//!
//! A problem of the model is no panic of the build script. `cargo::error=` lines followed by a normal return are what
//! cargo shows best: one line each, without a wrapper, a location or a backtrace.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use sha2::{Digest as _, Sha256};

use crate::config::Config;
use crate::diagnostics::{Code, Diagnostic, Diagnostics, Severity};
use crate::emit::{self, Output};
use crate::target::Target;
use crate::{driver, report};

/// Compiles a model from a build script: writes `NAME.rs` and `NAME.weights` into `OUT_DIR`, named after the file.
///
/// ```no_run
/// xnorc::compile("models/digits.onnx");
/// ```
///
/// in `build.rs`, and `include!(concat!(env!("OUT_DIR"), "/digits.rs"));` in the crate give it the module `digits`.
///
/// Call it once per model. Tells cargo to run the script again when the model or its external data change. Problems
/// become `cargo::error=` lines, which fail the build when the script returns; warnings become `cargo::warning=` lines.
/// `NAME.report.txt`, beside the source, is what `xnorc inspect` prints.
pub fn compile(model: impl AsRef<Path>) {
    Config::new().compile(model);
}

impl Config {
    /// As [`compile`], with this configuration.
    pub fn compile(&self, model: impl AsRef<Path>) {
        let mut config = Cow::Borrowed(self);
        if let (None, Ok(triple)) = (&self.target, std::env::var("TARGET"))
            // A target of somebody's own may have any name: then the code is for everywhere.
            && Target::named(&triple).is_ok()
        {
            config.to_mut().target(triple);
        }
        // Cargo reads the standard output; if that is gone there is nobody left to tell.
        let _ = script(&config, model.as_ref(), std::env::var_os("OUT_DIR").map(PathBuf::from), &mut io::stdout());
        // Once per build script, however many models it compiles.
        static TOLD: AtomicBool = AtomicBool::new(false);
        let variable = |name: &str| std::env::var(name).ok();
        if let Some(advice) = slow(variable("OPT_LEVEL").as_deref(), variable("CARGO_PKG_NAME").as_deref())
            && !TOLD.swap(true, Ordering::Relaxed)
        {
            println!("cargo::warning={advice}");
        }
    }
}

/// What to say where nothing is optimised: loops over vectors are calls of functions there, and a network takes about a hundred
/// times as long.
fn slow(opt_level: Option<&str>, package: Option<&str>) -> Option<String> {
    let package = package.filter(|_| opt_level == Some("0"))?;
    Some(format!(
        "networks are about 100 times slower in this build, which is not optimised; these lines in Cargo.toml (of the workspace) \
         make them fast in every profile: [profile.dev.package.{package}] opt-level = 3 [profile.dev.package.xnorc-runtime] \
         opt-level = 3"
    ))
}

/// What [`Config::compile`] does, with cargo's two ends as arguments.
fn script(config: &Config, model: &Path, out_dir: Option<PathBuf>, cargo: &mut dyn Write) -> io::Result<()> {
    writeln!(cargo, "cargo::rerun-if-changed={}", model.display())?;
    let problems = match crate::internal::caught(|| build(config, model, out_dir, cargo)) {
        Ok(warnings) => warnings,
        Err(problems) if problems.has_errors() => problems,
        // Without an error line cargo would take the build for a success.
        Err(mut problems) => {
            problems.push(Diagnostic::error(Code::Unsupported, None, "the model cannot be compiled"));
            problems
        }
    };
    for diagnostic in &problems.0 {
        let level = match diagnostic.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        writeln!(cargo, "cargo::{level}={}: {}", model.display(), one_line(&diagnostic.to_string()))?;
    }
    Ok(())
}

fn build(
    config: &Config,
    model: &Path,
    out_dir: Option<PathBuf>,
    cargo: &mut dyn Write,
) -> Result<Diagnostics, Diagnostics> {
    let Some(out_dir) = config.out_dir.clone().or(out_dir) else {
        return Err(Diagnostic::error(Code::Io, None, "OUT_DIR is not set: there is no place to write to")
            .help("call this from a build script, or set `out_dir`")
            .into());
    };
    let output = driver::load(model, config)?;
    for file in &output.files {
        writeln!(cargo, "cargo::rerun-if-changed={}", file.display()).map_err(|e| cannot_write(Path::new("-"), &e))?;
    }
    let name = config.name_for(model);
    claim(&out_dir, &name, model, &output)?;
    let inspection = report::Report::new(&output).to_string();
    let source = emit::krate::module(&output, &name);
    write_together(&out_dir, &name, &inspection, &output.emitted.weights, &source)?;
    Ok(output.warnings)
}

/// Writes what belongs to a model, under a lock: of two scripts that write into one folder (outside of cargo) one comes after
/// the other.
fn write_together(
    out_dir: &Path,
    name: &str,
    inspection: &str,
    weights: &[u8],
    source: &str,
) -> Result<(), Diagnostics> {
    let path = |ending: &str| out_dir.join(format!("{name}.{ending}"));
    let written = |path: PathBuf, bytes: &[u8]| write_if_changed(&path, bytes).map_err(|e| cannot_write(&path, &e));
    // Where there are no locks, each file is still whole.
    let lock = if cfg!(unix) { std::fs::File::open(out_dir).ok() } else { None };
    let locked = lock.as_ref().is_some_and(|lock| lock.lock().is_ok());
    if locked {
        remove_temporary(out_dir, name);
    }
    written(path("report.txt"), inspection.as_bytes())?;
    // While the weights change there is no source that would include others than its own: a script that is killed here leaves
    // a build that fails, and is run again.
    if std::fs::read(path("weights")).map_or(true, |old| old != weights) && path("rs").exists() {
        std::fs::remove_file(path("rs")).map_err(|e| cannot_write(&path("rs"), &e))?;
    }
    written(path("weights"), weights)?;
    written(path("rs"), source.as_bytes())
}

/// Removes what scripts that were killed had begun to write for this model.
fn remove_temporary(out_dir: &Path, name: &str) {
    for entry in std::fs::read_dir(out_dir).into_iter().flatten().flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let ours = |ending: &str| {
            let rest = file.strip_prefix(&format!("{name}.{ending}.")).and_then(|rest| rest.strip_suffix(".tmp"));
            rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit() || c == '-'))
        };
        if ["report.txt", "weights", "rs"].into_iter().any(ours) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// What was written, by folder and name: the model and what became of it.
static WRITTEN: Mutex<Option<HashMap<(PathBuf, String), Written>>> = Mutex::new(None);

#[derive(Clone, PartialEq)]
struct Written {
    model: PathBuf,
    model_bytes: Option<[u8; 32]>,
    emitted: [u8; 32],
}

/// Refuses what would replace another model of the same build script: it would silently be the only one of that name. A model
/// that was edited may be compiled again.
fn claim(out_dir: &Path, name: &str, model: &Path, output: &Output) -> Result<(), Diagnostics> {
    let hash = |parts: &[&[u8]]| -> [u8; 32] {
        let mut hash = Sha256::new();
        parts.iter().for_each(|part| hash.update(part));
        hash.finalize().into()
    };
    let written = Written {
        model: std::fs::canonicalize(model).unwrap_or_else(|_| model.to_owned()),
        model_bytes: std::fs::read(model).ok().map(|bytes| hash(&[&bytes])),
        emitted: hash(&[output.emitted.source.as_bytes(), &output.emitted.weights]),
    };
    let place = (std::fs::canonicalize(out_dir).unwrap_or_else(|_| out_dir.to_owned()), name.to_owned());
    let mut all = WRITTEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let all = all.get_or_insert_default();
    if let Some(old) = all.get(&place)
        && old.emitted != written.emitted
        && (old.model != written.model || old.model_bytes == written.model_bytes)
    {
        let what = if old.model == written.model {
            "this model was compiled before, differently, under the same name".to_owned()
        } else {
            format!("\"{}\" was compiled before under the same name", old.model.display())
        };
        let help = "give each a name of its own with `name`: Config::new().name(\"...\").compile(...)";
        let message = format!("{what}, {name:?}: one would replace the other");
        return Err(Diagnostic::error(Code::BadAttribute, None, message).help(help).into());
    }
    all.insert(place, written);
    Ok(())
}

fn cannot_write(path: &Path, error: &io::Error) -> Diagnostics {
    Diagnostic::error(Code::Io, format!("file \"{}\"", path.display()), format!("cannot be written: {error}")).into()
}

/// Writes a file as a whole or not at all, and leaves it (and its time stamp) alone when it holds these bytes already.
///
/// # Errors
/// Whatever the file system reports.
pub fn write_if_changed(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|m| m.len() == bytes.len() as u64)
        && std::fs::read(path).is_ok_and(|old| old == bytes)
    {
        return Ok(());
    }
    // Of this call alone: two threads of a process may write the same file.
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}-{}.tmp", std::process::id(), CALLS.fetch_add(1, Ordering::Relaxed)));
    let temporary = PathBuf::from(temporary);
    let written = std::fs::write(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

/// Cargo's instructions end at the line's end.
fn one_line(text: &str) -> String {
    text.split(['\n', '\r']).map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("xnorc-cargo-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn problems_are_lines_for_cargo_and_nothing_is_written() {
        let folder = folder("problems");
        let model = folder.join("bad.onnx");
        std::fs::write(&model, b"this is not a model").unwrap();
        let out = folder.join("out");
        std::fs::create_dir_all(&out).unwrap();
        for (model, code) in [(model.as_path(), "X001"), (Path::new("no/such.onnx"), "X002")] {
            let mut text = Vec::new();
            script(&Config::new(), model, Some(out.clone()), &mut text).unwrap();
            let text = String::from_utf8(text).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines[0], format!("cargo::rerun-if-changed={}", model.display()));
            assert!(lines[1].starts_with(&format!("cargo::error={}: {code}", model.display())), "{text}");
            assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0);
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn without_a_place_to_write_there_is_an_error_line() {
        let mut text = Vec::new();
        script(&Config::new(), Path::new("a.onnx"), None, &mut text).unwrap();
        assert!(String::from_utf8(text).unwrap().contains("cargo::error=a.onnx: X002: OUT_DIR is not set"));
    }

    #[test]
    fn two_models_of_one_name_are_an_error() {
        let folder = folder("two");
        let fixture = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name);
        for (from, to) in [("clip_ste_ts17.onnx", "a/net.onnx"), ("sign_plain_ts17.onnx", "b/net.onnx")] {
            std::fs::create_dir_all(folder.join(to).parent().unwrap()).unwrap();
            std::fs::copy(fixture(from), folder.join(to)).unwrap();
        }
        let run = |config: &Config, model: &str| {
            let mut text = Vec::new();
            script(config, &folder.join(model), Some(folder.clone()), &mut text).unwrap();
            String::from_utf8(text).unwrap()
        };
        let plain = Config::new();
        assert!(!run(&plain, "a/net.onnx").contains("cargo::error"));
        let first = std::fs::read(folder.join("net.rs")).unwrap();
        let refused = run(&plain, "b/net.onnx");
        assert!(
            refused.contains("cargo::error")
                && refused.contains("a/net.onnx")
                && refused.contains("Config::new().name(")
        );
        assert_eq!(std::fs::read(folder.join("net.rs")).unwrap(), first);
        // The same once more is no harm; the same file otherwise is; with a name of its own all is well.
        assert!(!run(&plain, "a/net.onnx").contains("cargo::error"));
        assert!(run(Config::new().probe(true), "a/net.onnx").contains("this model was compiled before"));
        assert!(!run(Config::new().name("other"), "b/net.onnx").contains("cargo::error"));
        // What was edited may be compiled again.
        std::fs::copy(folder.join("b/net.onnx"), folder.join("a/net.onnx")).unwrap();
        assert!(!run(&plain, "a/net.onnx").contains("cargo::error"));
        assert_ne!(std::fs::read(folder.join("net.rs")).unwrap(), first);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    /// Of several scripts at once none leaves a source beside another's weights; what a killed one had begun is removed.
    #[test]
    fn source_and_weights_belong_together() {
        let folder = folder("together");
        std::fs::write(folder.join("net.weights.12-0.tmp"), "half").unwrap();
        std::fs::write(folder.join("net.weights.mine.tmp"), "mine").unwrap();
        write_together(&folder, "net", "r", b"1", "source 1").unwrap();
        let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["net.report.txt", "net.rs", "net.weights", "net.weights.mine.tmp"]);
        std::thread::scope(|scope| {
            for writer in 0..3 {
                let folder = &folder;
                scope.spawn(move || {
                    for round in 0..50 {
                        let number = (3 * round + writer) % 10;
                        let source = format!("source {number}");
                        write_together(folder, "net", "r", number.to_string().as_bytes(), &source).unwrap();
                    }
                });
            }
        });
        let (source, weights) = (folder.join("net.rs"), folder.join("net.weights"));
        let (source, weights) = (std::fs::read_to_string(source).unwrap(), std::fs::read_to_string(weights).unwrap());
        assert_eq!(source, format!("source {weights}"));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn an_unchanged_file_is_left_alone() {
        let folder = folder("unchanged");
        let path = folder.join("a.rs");
        write_if_changed(&path, b"one").unwrap();
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        write_if_changed(&path, b"one").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), old);
        write_if_changed(&path, b"two").unwrap();
        assert_ne!(std::fs::metadata(&path).unwrap().modified().unwrap(), old);
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "no temporary file stays");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_build_without_optimisation_is_told_once_how_to_be_fast() {
        let advice = slow(Some("0"), Some("my-app")).unwrap();
        assert!(advice.contains("[profile.dev.package.my-app] opt-level = 3") && !advice.contains('\n'), "{advice}");
        for optimised in ["1", "2", "3", "s", "z"] {
            assert_eq!(slow(Some(optimised), Some("my-app")), None);
        }
        // Not in a build script.
        assert_eq!((slow(None, None), slow(Some("0"), None)), (None, None));
    }

    #[test]
    fn messages_are_one_line() {
        assert_eq!(one_line("a\n  b\r\n\nc"), "a b c");
    }
}
