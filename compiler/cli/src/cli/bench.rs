//! `xnorc bench`.

use crate::bench;

use super::progress::Waiting;
use super::{Failure, Result, args, file_problem, has_folder, program, report, say, say_json};

pub(super) fn run(args: &args::Bench) -> Result {
    let output = program::load(&args.model)?;
    report(&output.warnings);
    if output.fixed.is_some() {
        let message = "bench measures against this machine's limits in f32, and fixed point is for cores without floats: `xnorc run \
            --repeat` times it here";
        return Err(Failure::Usage(message.to_owned()));
    }
    args.plot.iter().try_for_each(|path| has_folder(path))?;
    let mut started = program::start(&args.model, &output, &args.machine, args::Engine::Program)?;
    let waiting = Waiting::new("measuring");
    let result = bench::run(
        &output.network,
        &mut started.program,
        &started.level,
        args.machine.threads as usize,
        args.repeat as usize,
    )?;
    drop(waiting);
    if let Some(path) = &args.plot {
        std::fs::write(path, bench::plot(&result)).map_err(|e| file_problem(path, "cannot be written", e))?;
    }
    if args.json {
        return say_json(&result);
    }
    say(&bench::table(&result));
    Ok(())
}
