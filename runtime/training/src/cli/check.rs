//! `xnorc-training check`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use burn::tensor::Device;
use xnorc_training::config::Config;
use xnorc_training::import::with_weights;
use xnorc_training::problem::{Problems, Result};
use xnorc_training::train::{self, Pictures};

/// What to check.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The procedure.
    config: PathBuf,
    /// Do not train a few updates of every step to say how long all of it takes here, and how much memory.
    #[arg(long)]
    quick: bool,
}

pub(super) fn main(args: &Args) -> Result<ExitCode> {
    let (config, mut problems) = Config::read_partly(&args.config);
    let Some(config) = config else { return Err(problems.sorted()) };
    let mut add = |mut more: Problems| problems.0.append(&mut more.0);
    if let Err(more) = config.clone().checked_at(&args.config) {
        add(more);
    }
    let device = train::device(&config.device).map_err(&mut add).ok();
    if let Err(more) = train::same_settings(&config) {
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
    if let (Some(data), Some(device), true) = (&data, device, problems.0.is_empty()) {
        problems = weights_fit(&config, data, &device);
    }
    let Some(data) = data.filter(|_| problems.0.is_empty()) else { return Err(problems.sorted()) };
    let mut text = data.text() + "\n";
    if !args.quick {
        let estimates = train::estimate(&config, &data)?;
        let mut early = false;
        for (e, step) in estimates.iter().zip(&config.steps) {
            let _ = write!(
                text,
                "{}: {} parameters with the running statistics; {} updates in an epoch, {}; {} in all",
                e.step,
                e.parameters,
                e.updates,
                duration(e.epoch),
                duration(e.whole)
            );
            if step.early_stopping.is_some() {
                early = true;
                text += " at most";
            }
            if let Some(bytes) = e.memory {
                let _ = write!(text, "; {} of memory", indicatif::HumanBytes(bytes));
            }
            text.push('\n');
        }
        let whole = duration(estimates.iter().map(|e| e.whole).sum());
        let _ = writeln!(text, "all steps: {whole}{}", if early { " at most" } else { "" });
    }
    let _ = writeln!(std::io::stdout(), "{text}fine");
    Ok(ExitCode::SUCCESS)
}

/// What is wrong with the files of weights that steps begin with.
fn weights_fit(config: &Config, data: &Pictures, device: &Device) -> Problems {
    let mut problems = Problems::default();
    for step in &config.steps {
        let Some(file) = &step.initial else { continue };
        let network = train::network_of(config, step, data.task(), 1, device);
        if let Err(mut more) = network.and_then(|network| with_weights(network, file)) {
            problems.0.append(&mut more.0);
        }
    }
    problems
}

fn duration(seconds: f64) -> String {
    indicatif::HumanDuration(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)).to_string()
}
