//! `xnorc run`.

use serde::Serialize;
use xnorc_cli::verify::outputs;

use super::{Failure, Result, args, arrays, program, report, say, say_json};

/// The keys of `run --json`.
#[derive(Serialize)]
struct Measurement {
    median_ms: f64,
    min_ms: f64,
    repeat: u32,
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
    for (given, wanted, word) in
        [(args.inputs.len(), network.inputs.len(), "input"), (args.outputs.len(), network.outputs.len(), "output")]
    {
        if given != wanted && (word == "input" || given != 0) {
            return Err(Failure::Usage(format!("the model has {wanted} {word}s, but --{word} is given {given} times")));
        }
    }
    let inputs = arrays::read_sets(&args.inputs, network, &network.inputs)?.into_iter().flatten();
    let mut started = program::start(&args.model, &output, &args.machine, args.engine)?;
    let program = &mut started.program;
    for (i, tensor) in inputs.enumerate() {
        program.write_f32(xnorc_cli::toolchain::Space::Input(i), 0, &tensor.to_f32())?;
    }
    // Enough for caches and for the clock of a processor that was asleep.
    let warm = if args.repeat > 1 { (args.repeat / 10).clamp(3, 50) } else { 0 };
    let timing = program.time(warm as usize, args.repeat as usize)?;
    for (path, tensor) in args.outputs.iter().zip(outputs(network, program)?) {
        arrays::write(path, &tensor)?;
    }
    let milliseconds = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    let result = Measurement {
        median_ms: milliseconds(timing.median()),
        min_ms: milliseconds(timing.min()),
        repeat: args.repeat,
        threads: args.machine.threads,
        level: started.level,
        rustc_seconds: started.obtained.as_ref().map(|o| o.built.rustc_time.as_secs_f64()),
        kept: started.obtained.is_some_and(|o| o.kept),
        outputs: args.outputs.iter().map(|p| p.display().to_string()).collect(),
    };
    if args.json {
        return say_json(&result);
    }
    if args.repeat > 1 {
        say(&format!(
            "per inference: minimum {:.4} ms, median {:.4} ms ({} runs, {}, {})",
            result.min_ms,
            result.median_ms,
            result.repeat,
            result.level,
            xnorc_cli::bench::threads(result.threads as usize)
        ));
    }
    for path in &result.outputs {
        say(&format!("written: {path}"));
    }
    Ok(())
}
