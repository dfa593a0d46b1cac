//! `xnorc inspect`.

use std::fmt::Display;

use serde::Serialize;
use xnorc::report::{Glance, Report, Threads};

use super::progress::Waiting;
use super::{Result, args, arrays, report, say, say_json};

pub(super) fn run(args: &args::Inspect) -> Result {
    let waiting = Waiting::new("compiling the model");
    let output = xnorc::load(&args.model.path, &arrays::config(&args.model)?)?;
    drop(waiting);
    match args.threads {
        Some(most) => show(&Threads::new(&output, most as usize), args.json)?,
        None if args.schedule => show(&output.schedule.text(&output.network), args.json)?,
        None if args.json || args.all => show(&Report::new(&output), args.json)?,
        None => {
            let files = std::iter::once(&args.model.path).chain(&output.files);
            let bytes = files.filter_map(|file| std::fs::metadata(file).ok()).map(|file| file.len()).sum();
            say(&Glance::new(&output, xnorc_runtime::level(), bytes).to_string());
        }
    }
    report(&output.warnings);
    Ok(())
}

fn show(inspection: &(impl Display + Serialize), json: bool) -> Result {
    if json {
        return say_json(inspection);
    }
    say(&inspection.to_string());
    Ok(())
}
