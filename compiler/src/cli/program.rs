//! From a model to a running program.

use tempfile::TempDir;
use xnorc::Output;
use xnorc::toolchain::{self, Built, Program};

use super::args::{LEVELS, Machine, Model};
use super::{Failure, Result, arrays, complain, file_problem};

/// A model, built and started.
pub(super) struct Started {
    pub(super) program: Program,
    pub(super) built: Built,
    /// The instructions in use.
    pub(super) level: String,
    /// Holds the files as long as the program runs.
    _folder: TempDir,
}

/// Compiles a model for [`start`].
pub(super) fn load(model: &Model) -> Result<Output> {
    let config = xnorc::Config { standalone: true, probe: true, ..arrays::config(model)? };
    Ok(xnorc::load(&model.path, &config)?)
}

/// Builds and starts a model, at the level asked for.
pub(super) fn start(model: &Model, output: &Output, machine: &Machine) -> Result<Started> {
    let wanted = level(machine)?;
    let folder = tempfile::Builder::new()
        .prefix("xnorc-")
        .tempdir()
        .map_err(|e| file_problem(&std::env::temp_dir(), "cannot be written", e))?;
    let name = model.config().name_for(&model.path);
    let built = toolchain::build(output, &name, folder.path())?;
    let mut program = Program::start(&built)?;
    let level = program.level(wanted.as_deref())?;
    program.threads(machine.threads as usize, None)?;
    if let Some(wanted) = wanted.filter(|w| *w != level) {
        complain(&format!("warning: this processor cannot run {wanted}; using {level}"));
    }
    Ok(Started { program, built, level, _folder: folder })
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
