//! `xnorc-training ablation`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use xnorc_training::ablation;
use xnorc_training::config::{Config, Downsample, Row};
use xnorc_training::problem::Result;
use xnorc_training::train::Terminal;

use super::{code, interruptible};

/// What to train.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The procedure.
    config: PathBuf,
    /// These rows only, instead of those of the configuration.
    #[arg(long, value_enum, value_delimiter = ',')]
    rows: Vec<Row>,
    /// These shortcuts only.
    #[arg(long, value_enum, value_delimiter = ',')]
    downsample: Vec<Downsample>,
    /// These seeds.
    #[arg(long, value_delimiter = ',')]
    seeds: Vec<u64>,
    /// Say which steps every row has and which runs are done, and train nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn main(args: Args) -> Result<ExitCode> {
    let config = Config::load(&args.config)?;
    let mut chosen = config.ablation.clone().unwrap_or_default();
    fn choose<T>(chosen: &mut Vec<T>, asked: Vec<T>) {
        if !asked.is_empty() {
            *chosen = asked;
        }
    }
    choose(&mut chosen.rows, args.rows);
    choose(&mut chosen.downsample, args.downsample);
    choose(&mut chosen.seeds, args.seeds);
    let whole = Config { ablation: Some(chosen.clone()), ..config.clone() }.checked()?;
    let runs = ablation::runs(&whole)?;
    if args.dry_run {
        let plan = ablation::plan(&runs, &ablation::Table::read(&whole, &runs)?);
        let _ = write!(std::io::stdout(), "{plan}");
        return Ok(ExitCode::SUCCESS);
    }
    let outcome = ablation::run(&config, &chosen, &*interruptible()?, &mut Terminal::default())?;
    let _ = write!(std::io::stdout(), "{}", ablation::Table::read(&whole, &runs)?.markdown());
    Ok(code(outcome))
}
