//! From a model to a running program.

use crate::toolchain::{self, Cache, Obtained, Program};
use xnorc::Output;

use super::args::{Engine, LEVELS, Machine, Model};
use super::progress::Waiting;
use super::{Failure, Result, arrays, complain};

/// A model, built and started.
pub(super) struct Started {
    pub(super) program: Program,
    /// The instructions in use.
    pub(super) level: String,
    /// The files, as long as the program runs; none of the interpreter.
    pub(super) obtained: Option<Obtained>,
}

/// Compiles a model for [`start`].
pub(super) fn load(model: &Model) -> Result<Output> {
    let _waiting = Waiting::new("compiling the model");
    let mut config = arrays::config(model)?;
    Ok(xnorc::load(&model.path, config.standalone(true).probe(true))?)
}

/// Builds and starts a model, at the level asked for.
pub(super) fn start(model: &Model, output: &Output, machine: &Machine, engine: Engine) -> Result<Started> {
    if output.fixed.is_some() && (machine.threads > 1 || machine.level.is_some()) {
        let option = if machine.threads > 1 { "--threads" } else { "--level" };
        let message = format!("{option} has no meaning in fixed point, which is plain code on one thread");
        return Err(Failure::Usage(message));
    }
    let wanted = if output.fixed.is_some() { Some("portable".to_owned()) } else { level(machine)? };
    if engine == Engine::Interpreter {
        return interpreted(output, machine);
    }
    let cache = if machine.no_cache { None } else { Cache::of_user() };
    let name = model.config().name_for(&model.path);
    let waiting = match cache {
        Some(_) => Waiting::new("building the program, which is kept for the next time"),
        None => Waiting::new("building the program"),
    };
    let obtained = toolchain::obtain(output, &name, cache.as_ref())?;
    drop(waiting);
    let mut program = Program::start(&obtained.built)?;
    let level = program.level(wanted.as_deref())?;
    program.threads(machine.threads as usize, None)?;
    if let Some(wanted) = wanted.filter(|w| *w != level) {
        complain(&format!("warning: this processor cannot run {wanted}; using {level}"));
    }
    Ok(Started { program, level, obtained: Some(obtained) })
}

fn interpreted(output: &Output, machine: &Machine) -> Result<Started> {
    if machine.threads > 1 || machine.level.is_some() {
        let option = if machine.threads > 1 { "--threads" } else { "--level" };
        return Err(Failure::Usage(format!("{option} is of built programs, and --engine interpreter builds none")));
    }
    let mut program = Program::interpreted(output);
    let level = program.level(None)?;
    Ok(Started { program, level, obtained: None })
}

/// The level asked for.
pub(super) fn level(machine: &Machine) -> Result<Option<String>> {
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
