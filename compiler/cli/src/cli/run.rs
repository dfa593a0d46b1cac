//! `xnorc run`.

use std::time::Duration;

use crate::arrays::{self as files, Collected};
use crate::toolchain::{Space, Timing};
use crate::verify::outputs;
use serde::Serialize;

use super::progress::Progress;
use super::{Failure, Result, args, arrays, has_folder, program, report, say, say_json};

/// The keys of `run --json`.
#[derive(Serialize)]
struct Measurement {
    median_ms: f64,
    min_ms: f64,
    /// Inferences measured.
    repeat: usize,
    /// Pictures of the stack.
    pictures: usize,
    threads: u32,
    level: String,
    /// What rustc took for the crate, be it in an earlier run; none of the interpreter.
    rustc_seconds: Option<f64>,
    /// The program was there already.
    kept: bool,
    outputs: Vec<String>,
}

pub(super) fn run(args: &args::Run) -> Result {
    let output = program::load(&args.model)?;
    report(&output.warnings);
    let network = &output.network;
    let (given, wanted) = (args.outputs.len(), network.outputs.len());
    if given != wanted && given != 0 {
        return Err(Failure::Usage(format!("the model has {wanted} outputs, but --output is given {given} times")));
    }
    args.outputs.iter().try_for_each(|path| has_folder(path))?;
    let stacks = arrays::read(&args.inputs, network, &network.inputs, "--input")?;
    let [stack] = &stacks[..] else {
        let (wanted, given) = (network.inputs.len(), args.inputs.len());
        let message = format!("the model has {wanted} inputs, but --input is given {given} times; stack the pictures");
        return Err(Failure::Usage(message));
    };
    let mut started = program::start(&args.model, &output, &args.machine, args.engine)?;
    let program = &mut started.program;
    let mut collected = vec![Collected::new(); wanted];
    let mut times: Vec<Duration> = Vec::new();
    let mut progress = Progress::new("inferences", stack.samples());
    for index in 0..stack.samples() {
        for (i, tensor) in stack.sample(index).iter().enumerate() {
            program.write_f32(Space::Input(i), 0, &tensor.to_f32())?;
        }
        times.push(program.time(0, 1)?.min());
        for (collected, tensor) in collected.iter_mut().zip(outputs(network, program)?) {
            collected.add(&tensor, stack.own(index), stack.batch());
        }
        progress.done(index + 1);
    }
    drop(progress);
    // Enough for caches and for the clock of a processor that was asleep.
    let timing = match args.repeat {
        1 => Timing::new(times),
        repeat => program.time((repeat / 10).clamp(3, 50) as usize, repeat as usize)?,
    };
    for (path, collected) in args.outputs.iter().zip(collected) {
        if let Some(tensor) = collected.tensor() {
            files::write(path, &tensor)?;
        }
    }
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let result = Measurement {
        median_ms: milliseconds(timing.median()),
        min_ms: milliseconds(timing.min()),
        repeat: if args.repeat == 1 { stack.samples() } else { args.repeat as usize },
        pictures: stack.count(),
        threads: args.machine.threads,
        level: started.level,
        rustc_seconds: started.obtained.as_ref().map(|o| o.built.rustc_time.as_secs_f64()),
        kept: started.obtained.is_some_and(|o| o.kept),
        outputs: args.outputs.iter().map(|p| p.display().to_string()).collect(),
    };
    if args.json {
        return say_json(&result);
    }
    if result.repeat > 1 {
        say(&format!(
            "per inference: minimum {:.4} ms, median {:.4} ms ({} runs, {}, {})",
            result.min_ms,
            result.median_ms,
            result.repeat,
            result.level,
            crate::bench::threads(result.threads as usize)
        ));
    }
    for path in &result.outputs {
        say(&format!("written: {path}"));
    }
    Ok(())
}
