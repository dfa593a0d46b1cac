//! `xnorc-training predict`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use xnorc_training::config::Config;
use xnorc_training::data::pictures;
use xnorc_training::problem::{Problems, Result};
use xnorc_training::train::{self, Prediction};

use super::{Format, step_name};

/// Which network, of which pictures.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The procedure.
    config: PathBuf,
    /// Picture files (JPEG, PNG), or folders of them.
    #[arg(required = true)]
    pictures: Vec<PathBuf>,
    /// The step; the last one where it is left out.
    #[arg(long)]
    step: Option<String>,
    /// After the last epoch rather than the best one.
    #[arg(long)]
    last: bool,
    /// How many classes are told, the likeliest first.
    #[arg(long, default_value_t = 5, value_name = "CLASSES")]
    top: usize,
    /// How it is said.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn main(args: Args) -> Result<ExitCode> {
    let config = Config::load(&args.config)?;
    let device = train::device(&config.device)?;
    let network = train::trained(&config, &step_name(&config, args.step), !args.last, &device)?;
    let (task, classes) = (train::trained_task(&config)?, train::trained_classes(&config)?);
    let (files, mut problems) = pictures(&args.pictures);
    let (all, mut more) = train::predict(&network, &files, (&config.data, &classes), args.top.max(1), task, &device);
    problems.0.append(&mut more.0);
    let text = match args.format {
        Format::Text => all.iter().map(Prediction::text).collect(),
        Format::Json => serde_json::to_string(&all).map_err(|e| Problems::one("the predictions", e))? + "\n",
        Format::Csv => Prediction::csv(&all),
    };
    let _ = write!(std::io::stdout(), "{text}");
    problems.or(ExitCode::SUCCESS)
}
