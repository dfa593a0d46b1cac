//! `xnorc-training plot`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use xnorc_training::config::{Config, Points, StepConfig};
use xnorc_training::data::Dataset;
use xnorc_training::nn::Task;
use xnorc_training::probe::{self, Sample};
use xnorc_training::problem::{Problems, Result};
use xnorc_training::{plot, train};

/// What to draw.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The procedure, or a folder of results.
    config: PathBuf,
    /// This step only, instead of all that are trained.
    #[arg(long)]
    step: Option<String>,
    /// After the last epoch rather than the best one.
    #[arg(long)]
    last: bool,
    /// How many validation pictures attention maps are drawn of.
    #[arg(long, default_value_t = 6)]
    pictures: usize,
}

/// Pictures that the distribution of activations is taken over.
const MANY: usize = 128;

pub(super) fn main(args: &Args) -> Result<ExitCode> {
    let inside = args.config.join("config.toml");
    let config = Config::load(if args.config.is_dir() { &inside } else { &args.config })?;
    if let Some(name) = &args.step {
        let known = config.steps.iter().any(|step| step.name == *name);
        known.then_some(()).ok_or_else(|| Problems::one("--step", format_args!("there is no step `{name}`")))?;
    }
    // Says so where nothing is trained.
    let task = train::trained_task(&config)?;
    let history = train::history(&config)?;
    let mut written = vec![train::write_curves(&config)?];
    let data = Dataset::load(&config.data)?;
    for (step, (_, epochs)) in config.steps.iter().zip(&history) {
        if !epochs.is_empty() && args.step.as_ref().is_none_or(|name| *name == step.name) {
            written.append(&mut draw(&config, step, &data, task, args)?);
        }
    }
    for path in written {
        let _ = writeln!(std::io::stdout(), "{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn draw(config: &Config, step: &StepConfig, data: &Dataset, task: Task, args: &Args) -> Result<Vec<PathBuf>> {
    let device = train::device(&config.device)?;
    let network = train::trained(config, &step.name, !args.last, &device)?;
    let folder = train::checkpoint(config, step).folder().to_owned();
    let mut written = Vec::new();
    let mut write = |name: &str, svg: String| -> Result {
        let path = folder.join(name);
        train::write_file(&path, svg.as_bytes())?;
        written.push(path);
        Ok(())
    };
    let sample = Sample::new(data.watched(), &config.data, task, args.pictures, &device)?;
    let points = step.losses.attention.as_ref().map_or(Points::Stages, |attention| attention.points);
    let teacher = step.teacher.as_ref().map(|name| train::trained(config, name, true, &device)).transpose()?;
    let looks = match &teacher {
        Some(teacher) => probe::attention(&[teacher, &network], points, &sample),
        None => probe::attention(&[&network], points, &sample),
    };
    let names: &[&str] = if teacher.is_some() { &["teacher", "student"] } else { &["network"] };
    write("attention.svg", plot::attention(names, &looks)?)?;
    let sample = Sample::new(data.watched(), &config.data, task, MANY, &device)?;
    let activations = probe::activations(&network, sample.tensor);
    if !activations.is_empty() {
        let title = format!("{}: what the signs of activations are taken of", step.name);
        write("activations.svg", plot::histograms(&title, &activations)?)?;
        let title = format!("{}: latent weights", step.name);
        write("weights.svg", plot::histograms(&title, &probe::latent_weights(&network))?)?;
    }
    Ok(written)
}
