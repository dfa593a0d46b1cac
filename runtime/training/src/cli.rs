//! `xnorc-training run`, `ablation`, `plot`, `check`, `evaluate`, `predict`, `export`.
//!
//! Results go to the standard output, everything else to the standard error. Exit codes: 0 fine, 1 something is wrong
//! with a file or the training, 2 the command was not understood, 130 interrupted.

mod ablation;
mod check;
mod evaluate;
mod plot;
mod predict;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Parser, Subcommand};
use xnorc_training::config::{Config, DataFormat};
use xnorc_training::export::{Options, SignOperator, WeightForm, onnx};
use xnorc_training::nn::Task;
use xnorc_training::problem::{Problems, Result};
use xnorc_training::together::{self, Together};
use xnorc_training::train::{self, Outcome, Progress, Quiet, Terminal};

/// Trains binary neural networks as Real-to-Binary does, and exports them as ONNX.
#[derive(Parser, Debug)]
#[command(version)]
struct Invocation {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Train everything a configuration says, step by step. After an interruption the same command goes on.
    ///
    /// Several processes train together when MPI's launcher starts them (`mpirun -n 2 xnorc-training run net.toml`) and
    /// the program is built with the feature `mpi`.
    Run {
        /// The procedure.
        config: PathBuf,
    },
    /// Train the method with parts left out in turn (table 3 of the paper). After an interruption the same command goes
    /// on.
    ///
    /// The configuration is the whole method's: a real teacher, a tanh step, binary activations, binary weights, with
    /// gates. Two processes can share the work: give them different seeds.
    Ablation(ablation::Args),
    /// Draw how training went, where the networks look, and how values in them are distributed: curves.svg in the folder
    /// of results, attention.svg, activations.svg and weights.svg in that of each step.
    Plot(plot::Args),
    /// Read a configuration, look for its data and its device, and say everything that is wrong, or that all is fine.
    Check(check::Args),
    /// Say how good the network of a step is on the test pictures, or another part: top-1, top-5, confusion matrix.
    Evaluate(evaluate::Args),
    /// Say what the network of a step makes of your own pictures: the likeliest classes of each file.
    ///
    /// Pictures of any size are prepared as those of the evaluation are. Files that are no pictures are told at the end,
    /// and make the exit code 1.
    Predict(predict::Args),
    /// Write the network of a step as ONNX.
    Export(Export),
}

#[derive(clap::Args, Debug)]
struct Export {
    /// The procedure.
    #[arg(long)]
    config: PathBuf,
    /// The step; the last one where it is left out.
    #[arg(long)]
    step: Option<String>,
    /// An untrained network with weights of this seed, for benchmarks.
    #[arg(long)]
    seed: Option<u64>,
    /// After the last epoch rather than the best one on the validation pictures.
    #[arg(long, conflicts_with = "seed")]
    last: bool,
    /// Rows and columns of the pictures of an untrained network.
    #[arg(long, requires = "seed")]
    size: Option<usize>,
    /// How many classes an untrained network tells apart.
    #[arg(long, requires = "seed")]
    classes: Option<usize>,
    /// The batch; of any size where it is left out.
    #[arg(long)]
    batch: Option<usize>,
    /// The operator for the sign of activations.
    #[arg(long, value_enum, default_value_t)]
    sign: SignOperator,
    /// What binary weights look like.
    #[arg(long, value_enum, default_value_t)]
    weights: WeightForm,
    /// The file takes values in [0, 1]: mean and standard deviation of the data go into it.
    #[arg(long)]
    normalise: bool,
    /// The file.
    #[arg(long)]
    out: PathBuf,
}

/// How results are written.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For spreadsheets.
    Csv,
}

/// Runs the command line.
pub(crate) fn main() -> ExitCode {
    let command = Invocation::parse().command;
    // Left at the very end: who leaves first may end the others before they have said what is wrong.
    let session = together::join();
    let result = match session.as_ref().map_err(Clone::clone).and_then(|_| may_be_several(&command)) {
        Ok(()) => perform(command),
        Err(problems) => Err(problems),
    };
    result.unwrap_or_else(|problems| {
        if together::speaks() {
            for problem in problems.0 {
                let _ = writeln!(std::io::stderr(), "error: {problem}");
            }
        } else if session.is_err() {
            // The launcher ends all processes when one fails; that which speaks may not have spoken yet.
            return ExitCode::SUCCESS;
        }
        ExitCode::FAILURE
    })
}

/// Several processes train together; nothing else is divided among them.
fn may_be_several(command: &Command) -> Result {
    let size = Together::current().size();
    if size == 1 || matches!(command, Command::Run { .. }) {
        return Ok(());
    }
    let what = format_args!("{size} processes were started, but only `run` can be divided among them: start one");
    Err(Problems::one("MPI", what))
}

fn perform(command: Command) -> Result<ExitCode> {
    match command {
        Command::Run { config } => run(&config),
        Command::Ablation(args) => ablation::main(args),
        Command::Plot(args) => plot::main(&args),
        Command::Check(args) => check::main(&args),
        Command::Evaluate(args) => evaluate::main(args),
        Command::Predict(args) => predict::main(args),
        Command::Export(args) => export(&args),
    }
}

fn run(config: &Path) -> Result<ExitCode> {
    let together = Together::current();
    let config = together.agree(Config::load(config))?;
    let stop = together.agree(interruptible())?;
    let mut progress: Box<dyn Progress> = match together.rank() {
        0 => Box::new(Terminal::default()),
        _ => Box::new(Quiet),
    };
    Ok(code(train::run(&config, &stop, &mut *progress)?))
}

/// A flag that Ctrl-C sets.
fn interruptible() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || {
        // Whoever asks twice means it.
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        let _ = writeln!(std::io::stderr(), "stopping; the same command goes on from the last whole epoch");
    })
    .map_err(|e| Problems::one("Ctrl-C", format_args!("cannot be listened to: {e}")))?;
    Ok(stop)
}

fn code(outcome: Outcome) -> ExitCode {
    match outcome {
        Outcome::Done => ExitCode::SUCCESS,
        Outcome::Interrupted => ExitCode::from(130),
    }
}

/// The step asked for, or the last one.
fn step_name(config: &Config, step: Option<String>) -> String {
    step.or_else(|| config.steps.last().map(|step| step.name.clone())).unwrap_or_default()
}

fn export(args: &Export) -> Result<ExitCode> {
    let config = Config::load(&args.config)?;
    let device = train::device("cpu")?;
    let name = step_name(&config, args.step.clone());
    let (network, task) = match args.seed {
        Some(seed) => {
            let task = untrained_task(&config, args);
            let Some(step) = config.steps.iter().find(|step| step.name == name) else {
                return Err(Problems::one("--step", format_args!("there is no step `{name}`")));
            };
            (train::network_of(&config, step, task, seed, &device)?, task)
        }
        None => (train::trained(&config, &name, !args.last, &device)?, train::trained_task(&config)?),
    };
    let options = Options {
        batch: args.batch,
        sign: args.sign,
        weights: args.weights,
        normalise: args.normalise.then(|| (config.data.mean.clone(), config.data.std.clone())),
        doc: format!("step {name}{}", if args.seed.is_some() { ", untrained" } else { "" }),
    };
    train::write_file(&args.out, &onnx(&network, task, &options))?;
    let _ = writeln!(
        std::io::stderr(),
        "{}: step {name}, {} parameters with the running statistics",
        args.out.display(),
        network.parameters()
    );
    Ok(ExitCode::SUCCESS)
}

/// What an untrained network takes and gives: as asked for, else as the form of data says.
fn untrained_task(config: &Config, args: &Export) -> Task {
    let (channels, side, classes) = match config.data.format {
        DataFormat::Idx => (1, 28, 10),
        DataFormat::Cifar10 => (3, 32, 10),
        DataFormat::Cifar100 => (3, 32, 100),
        DataFormat::Folders | DataFormat::Shards => (3, 224, 1000),
    };
    let side = args.size.or(config.data.size).unwrap_or(side);
    Task { channels, size: [side; 2], classes: args.classes.unwrap_or(classes) }
}
