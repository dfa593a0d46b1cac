//! `xnorc-training evaluate`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use xnorc_training::config::Config;
use xnorc_training::data::{Dataset, Order, Plan};
use xnorc_training::plot;
use xnorc_training::problem::{Problems, Result};
use xnorc_training::train;

use super::{Format, step_name};

/// What to evaluate, and on what.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The procedure.
    config: PathBuf,
    /// The step; the last one where it is left out.
    #[arg(long)]
    step: Option<String>,
    /// After the last epoch rather than the best one.
    #[arg(long)]
    last: bool,
    /// The pictures.
    #[arg(long, value_enum, default_value_t)]
    part: Part,
    /// How it is said; `csv` is the confusion matrix alone.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write the logits of every picture into this file, [pictures, classes], to compare other engines with.
    #[arg(long, value_name = "FILE.npy")]
    logits: Option<PathBuf>,
    /// Draw the confusion matrix into this file.
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
}

/// The parts of the data.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Part {
    /// What figures are told of.
    #[default]
    Test,
    /// What best epochs are chosen on.
    Validation,
    /// What is learned from, unchanged.
    Training,
}

pub(super) fn main(args: Args) -> Result<ExitCode> {
    let config = Config::load(&args.config)?;
    let device = train::device(&config.device)?;
    let network = train::trained(&config, &step_name(&config, args.step), !args.last, &device)?;
    let data = Dataset::load(&config.data)?;
    let task = data.task(&config.data);
    let batch = config.steps.iter().map(|step| step.batch).max().unwrap_or(1);
    let plan = Plan::new(&config.data, task.size, task.classes, batch, Order::Sequential);
    let part = Arc::new(match args.part {
        Part::Test => data.test,
        Part::Validation => data.validation.unwrap_or(data.test),
        Part::Training => data.train,
    });
    if let Some(path) = &args.logits {
        let values = train::logits(&network, &part, plan.clone(), task, &device)?;
        let file = xnorc::npy::write(&xnorc::ir::Tensor::f32([part.len(), task.classes], values));
        train::write_file(path, &file)?;
    }
    let result = train::evaluate(&network, &part, plan, task, &device);
    for problem in &result.skipped.0 {
        let _ = writeln!(std::io::stderr(), "skipped: {problem}");
    }
    if let Some(path) = &args.plot {
        train::write_file(path, plot::confusion(&result, &data.classes)?.as_bytes())?;
    }
    let text = match args.format {
        Format::Text => result.text(&data.classes),
        Format::Json => serde_json::to_string(&result).map_err(|e| Problems::one("the result", e))? + "\n",
        Format::Csv => result.csv(&data.classes),
    };
    let _ = write!(std::io::stdout(), "{text}");
    Ok(ExitCode::SUCCESS)
}
