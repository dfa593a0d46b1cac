//! The ablation of the paper (table 3): the strong baseline, and what each part of the method adds to it.
//!
//! It starts from the configuration of the whole method, a procedure of four steps, and leaves parts out: every row,
//! shortcut and seed becomes an ordinary procedure in a folder of its own ([`runs`]). The real teacher of a seed is a
//! step that the procedures of that seed share.
//!
//! | row | network | first stage (binary activations) | second stage (binary weights too) |
//! |---|---|---|---|
//! | strong baseline | no gates | labels | labels |
//! | + attention | no gates | labels, attention of the real network | the same |
//! | + attention, logits | no gates | labels, attention and logits of the real network | the same |
//! | + gates | gates | labels | labels |
//! | + progressive | no gates | after the tanh step, from it, taught by it: as configured | as configured |
//! | Real-to-Binary | gates | the same | the same |
//!
//! In the folder of results: `seed-N/teacher`, `seed-N/ROW-SHORTCUT-downsample/` with the steps of that run, and
//! `ablation.md`, `ablation.csv`, `ablation.svg` and `runs.csv`, written anew after every run.

mod plan;
mod rows;
mod table;
#[cfg(test)]
mod tests;

use std::sync::atomic::AtomicBool;

pub use plan::plan;
pub use rows::{Run, runs};
pub use table::{Accuracy, Cell, Table};

use crate::config::{AblationConfig, Config};
use crate::problem::{Problems, Result};
use crate::train::{self, Outcome, Pictures, Progress};

/// Trains every run of `chosen` that is not trained yet, one after the other, and writes the table of these and of all
/// that the configuration names after each. A run that fails, by a loss that is no number any more, does not keep the
/// others from being trained; it is tried again by the next call.
///
/// # Errors
/// A configuration that is not the whole method's, and, after the other runs, everything that [`train::run`] said of
/// those that failed.
pub fn run(
    config: &Config,
    chosen: &AblationConfig,
    stop: &AtomicBool,
    progress: &mut dyn Progress,
) -> Result<Outcome> {
    let of = |ablation| runs(&Config { ablation: Some(ablation), ..config.clone() });
    let all = of(config.ablation.clone().unwrap_or_default().and(chosen))?;
    let chosen = of(chosen.clone())?;
    // A folder begun with other settings is told before hours are spent on others.
    all.iter().try_for_each(|run| train::same_settings(&run.config))?;
    let table = Table::read(config, &all)?;
    table.write(&config.output)?;
    let missing: Vec<&Run> = chosen.iter().filter(|run| table.accuracy(run).contains(&None)).collect();
    if missing.is_empty() {
        return Ok(Outcome::Done);
    }
    let data = Pictures::load(&config.data)?;
    let mut failed = Problems::default();
    for (i, run) in missing.iter().enumerate() {
        progress.note(&format!("run {} of {}: {run}", i + 1, missing.len()));
        match train::run_on(&run.config, &data, stop, progress) {
            Ok(Outcome::Done) => {}
            Ok(Outcome::Interrupted) => return failed.or(Outcome::Interrupted),
            Err(problems) => {
                progress.note(&format!("{problems}; going on with the other runs"));
                problems.0.iter().for_each(|told| failed.add(format_args!("{run}: {}", told.place), &told.what));
            }
        }
        // Where nothing can be written, the rest is not begun.
        Table::read(config, &all)?.write(&config.output)?;
    }
    failed.or(Outcome::Done)
}
