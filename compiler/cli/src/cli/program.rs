//! From a model to a running program.

use std::fs::File;
use std::path::Path;

use tempfile::TempDir;
use xnorc::Output;
use xnorc_cli::toolchain::{self, Built, Program};

use super::args::{LEVELS, Machine, Model};
use super::{Failure, Result, arrays, complain, file_problem};

/// A model, built and started.
pub(super) struct Started {
    pub(super) program: Program,
    pub(super) built: Built,
    /// The instructions in use.
    pub(super) level: String,
    /// Holds the files as long as the program runs.
    _workshop: Workshop,
}

/// Compiles a model for [`start`].
pub(super) fn load(model: &Model) -> Result<Output> {
    let mut config = arrays::config(model)?;
    Ok(xnorc::load(&model.path, config.standalone(true).probe(true))?)
}

/// Builds and starts a model, at the level asked for.
pub(super) fn start(model: &Model, output: &Output, machine: &Machine) -> Result<Started> {
    let wanted = level(machine)?;
    let workshop = Workshop::new().map_err(|e| file_problem(&std::env::temp_dir(), "cannot be written", e))?;
    let name = model.config().name_for(&model.path);
    let built = toolchain::build(output, &name, workshop.folder.path())?;
    let mut program = Program::start(&built)?;
    let level = program.level(wanted.as_deref())?;
    program.threads(machine.threads as usize, None)?;
    if let Some(wanted) = wanted.filter(|w| *w != level) {
        complain(&format!("warning: this processor cannot run {wanted}; using {level}"));
    }
    Ok(Started { program, built, level, _workshop: workshop })
}

/// A folder to build in, that is put away in the end: by the next run if this one is killed.
struct Workshop {
    folder: TempDir,
    /// Says to others that it is in use, as long as this process lives.
    _lock: File,
}

impl Workshop {
    const PREFIX: &str = "xnorc-";
    const LOCK: &str = ".xnorc-lock";

    fn new() -> std::io::Result<Self> {
        sweep(&std::env::temp_dir());
        let folder = tempfile::Builder::new().prefix(Self::PREFIX).tempdir()?;
        // Under the name that others look for only when it is locked.
        let fresh = folder.path().join("lock");
        let lock = File::create(&fresh)?;
        // Without locks the folder of a run that is killed stays.
        if lock.try_lock().is_ok() {
            std::fs::rename(&fresh, folder.path().join(Self::LOCK))?;
        }
        Ok(Self { folder, _lock: lock })
    }
}

/// Removes the workshops whose runs were killed.
fn sweep(temporary: &Path) {
    for entry in std::fs::read_dir(temporary).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(Workshop::PREFIX) {
            continue;
        }
        let lock = File::options().write(true).open(entry.path().join(Workshop::LOCK));
        if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn level(machine: &Machine) -> Result<Option<String>> {
    if machine.level.is_some() {
        return Ok(machine.level.clone());
    }
    match std::env::var("XNORC_LEVEL") {
        Ok(level) if level.is_empty() => Ok(None),
        Ok(level) if LEVELS.contains(&level.as_str()) => Ok(Some(level)),
        Ok(level) => Err(Failure::Usage(format!("XNORC_LEVEL is {level:?}, but must be one of {}", LEVELS.join(", ")))),
        Err(_) => Ok(None),
    }
}
