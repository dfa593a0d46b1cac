//! `xnorc inspect`.

use std::fmt::Display;
use std::path::Path;

use serde::Serialize;
use xnorc::Output;
use xnorc::diagnostics::{Code, Diagnostic};
use xnorc::report::{Glance, OnTarget, Report, Threads};
use xnorc::target::Target;

use super::progress::Waiting;
use super::{Failure, Result, args, arrays, file_problem, report, say, say_json};
use crate::memory::Memory;
use crate::toolchain;

pub(super) fn run(args: &args::Inspect) -> Result {
    let mut config = arrays::config(&args.model)?;
    config.target.clone_from(&args.target);
    // What is measured is a crate of its own.
    config.standalone(args.target.is_some());
    let memory = args.memory.as_deref().map(memory).transpose()?;
    let waiting = Waiting::new("compiling the model");
    let output = xnorc::load(&args.model.path, &config)?;
    drop(waiting);
    if output.fixed.is_some() && (args.threads.is_some() || args.schedule) {
        let message = "fixed point has one nest of loops for each block, on one thread: there is no schedule to show";
        return Err(Failure::Usage(message.to_owned()));
    }
    let mut fits = true;
    match (args.threads, &args.target) {
        (Some(most), _) => show(&Threads::new(&output, most as usize), args.json)?,
        _ if args.schedule => show(&output.schedule.text(&output.network), args.json)?,
        _ if args.all => show(&Report::new(&output), args.json)?,
        (None, Some(triple)) => {
            let on = on_target(&output, triple, memory.as_ref(), &config.name_for(&args.model.path))?;
            fits = on.memory.as_ref().is_none_or(|memory| memory.fits);
            if args.json {
                say_json(&on)?;
            } else {
                say(&format!("{}\n{on}", glance(args, &output)));
            }
        }
        (None, None) if args.json => show(&Report::new(&output), true)?,
        (None, None) => say(&glance(args, &output)),
    }
    report(&output.warnings);
    if fits { Ok(()) } else { Err(Failure::Wrong) }
}

fn glance(args: &args::Inspect, output: &Output) -> String {
    let files = std::iter::once(&args.model.path).chain(&output.files);
    let bytes = files.filter_map(|file| std::fs::metadata(file).ok()).map(|file| file.len()).sum();
    Glance::new(output, xnorc_runtime::level(), bytes).to_string()
}

/// What it is where it will run, and whether it fits there.
fn on_target(output: &Output, triple: &str, memory: Option<&Regions>, name: &str) -> Result<OnTarget> {
    let target = Target::named(triple)?;
    let waiting = Waiting::new("building it for the target");
    let mut on = OnTarget::new(output, &target, toolchain::measure(output, name, &target));
    drop(waiting);
    if let Some([flash, ram]) = memory {
        on.put(flash.clone(), ram.clone());
    }
    Ok(on)
}

/// Names and bytes of what is only read, and of what is written.
type Regions = [(String, u64); 2];

/// Of a linker's script.
fn memory(path: &Path) -> Result<Regions> {
    let text = std::fs::read_to_string(path).map_err(|e| file_problem(path, "cannot be read", e))?;
    let read = Memory::read(&text)
        .and_then(|memory| Ok([memory.flash()?, memory.ram()?].map(|region| (region.name.clone(), region.length))));
    read.map_err(|problem| {
        let help = "it is read as linkers do: MEMORY { FLASH : ORIGIN = 0x08000000, LENGTH = 256K  RAM : ORIGIN = ..., LENGTH = ... }";
        let place = format!("file \"{}\"", path.display());
        Failure::from(Diagnostic::error(Code::Io, place, problem).help(help))
    })
}

fn show(inspection: &(impl Display + Serialize), json: bool) -> Result {
    if json {
        return say_json(inspection);
    }
    say(&inspection.to_string());
    Ok(())
}
