//! `xnorc-training check`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use xnorc_training::config::Config;
use xnorc_training::problem::{Problems, Result};
use xnorc_training::train::{self, Pictures};

/// What to check.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The procedure.
    config: PathBuf,
    /// Train a few updates of every step, and say how long all of it takes here.
    #[arg(long)]
    time: bool,
}

pub(super) fn main(args: &Args) -> Result<ExitCode> {
    let config = Config::read(&args.config)?;
    let mut problems = Problems::default();
    let mut add = |mut more: Problems| problems.0.append(&mut more.0);
    if let Err(more) = config.clone().checked_at(&args.config) {
        add(more);
    }
    if let Err(more) = train::device(&config.device) {
        add(more);
    }
    for file in config.steps.iter().filter_map(|step| step.initial.as_ref()).filter(|file| !file.is_file()) {
        add(Problems::file(file, "is not there"));
    }
    // Of data whose description makes no sense there is no more to say.
    let data = match config.data.checked() {
        true => Pictures::load(&config.data).map_err(&mut add).ok(),
        false => None,
    };
    let Some(data) = data.filter(|_| problems.0.is_empty()) else { return Err(problems) };
    let mut text = data.text() + "\n";
    if args.time {
        let estimates = train::estimate(&config, &data)?;
        for e in &estimates {
            let _ = writeln!(
                text,
                "{}: {} parameters with the running statistics; {} updates in an epoch, {}; {} in all",
                e.step,
                e.parameters,
                e.updates,
                duration(e.epoch),
                duration(e.whole)
            );
        }
        let _ = writeln!(text, "all steps: {}", duration(estimates.iter().map(|e| e.whole).sum()));
    }
    let _ = writeln!(std::io::stdout(), "{text}fine");
    Ok(ExitCode::SUCCESS)
}

fn duration(seconds: f64) -> String {
    indicatif::HumanDuration(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)).to_string()
}
