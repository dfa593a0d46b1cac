//! The numbers of an ablation: what every run reached, and means with their spread.

use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::rows::{Run, Steps, of_seed, shortcut};
use crate::config::{Config, Downsample, Row, StepConfig};
use crate::problem::Result;
use crate::train::{self, Checkpoint, write_file};

/// Shares of test pictures after the last epoch of a step. Not the best epoch's: where validation pictures are the test
/// pictures, that would be chosen by looking at them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Whose class is right.
    pub top1: f64,
    /// Whose class is among the five most likely.
    pub top5: f64,
}

/// Several measurements of one thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// How many.
    pub runs: usize,
    /// Their mean.
    pub mean: f64,
    /// Sample standard deviation (by n - 1); of one measurement there is none.
    pub deviation: Option<f64>,
}

impl Cell {
    /// Of measurements; of none there is nothing to say.
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let deviation = (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt());
        (!values.is_empty()).then_some(Self { runs: values.len(), mean, deviation })
    }

    /// In per cent: `72.6 ± 0.4`.
    fn percent(&self) -> String {
        let mean = 100.0 * self.mean;
        match self.deviation {
            Some(deviation) => format!("{mean:.2} ± {:.2}", 100.0 * deviation),
            None => format!("{mean:.2}"),
        }
    }
}

/// Every run of an ablation with what it reached, as far as it is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The rows of the table.
    pub rows: Vec<Row>,
    /// The shortcuts.
    pub downsample: Vec<Downsample>,
    /// First and second stage of each run.
    pub runs: Vec<(Row, Downsample, u64, [Option<Accuracy>; 2])>,
    /// The real network of each seed that has one.
    pub real: Vec<(u64, Accuracy)>,
}

impl Table {
    /// Reads what the runs have reached so far.
    ///
    /// # Errors
    /// What [`super::runs`] says, and files that are damaged.
    pub fn read(config: &Config, runs: &[Run]) -> Result<Self> {
        let steps = Steps::of(config)?;
        let mut table = Self { rows: Vec::new(), downsample: Vec::new(), runs: Vec::new(), real: Vec::new() };
        let reached = |checkpoint: Checkpoint, step: &StepConfig| -> Result<Option<Accuracy>> {
            let state = checkpoint.state()?;
            let last = state.test.filter(|_| state.done(step)).map(|test| test.last);
            Ok(last.map(|shares| Accuracy { top1: shares.top1, top5: shares.top5 }))
        };
        for run in runs {
            let mut stages = [None; 2];
            for (stage, step) in stages.iter_mut().zip([steps.first, steps.second]) {
                *stage = reached(train::checkpoint(&run.config, step), step)?;
            }
            table.runs.push((run.row, run.downsample, run.seed, stages));
            if table.real.iter().all(|(seed, _)| *seed != run.seed) {
                let folder = of_seed(&config.output, run.seed);
                let real = reached(Checkpoint::new(&folder, &steps.teacher.name), steps.teacher)?;
                table.real.extend(real.map(|accuracy| (run.seed, accuracy)));
            }
            if !table.rows.contains(&run.row) {
                table.rows.push(run.row);
            }
            if !table.downsample.contains(&run.downsample) {
                table.downsample.push(run.downsample);
            }
        }
        table.rows.sort_unstable();
        Ok(table)
    }

    /// What a run reached: first and second stage.
    pub fn accuracy(&self, run: &Run) -> [Option<Accuracy>; 2] {
        let found =
            self.runs.iter().find(|(row, down, seed, _)| (*row, *down, *seed) == (run.row, run.downsample, run.seed));
        found.map_or([None; 2], |(.., stages)| *stages)
    }

    /// The accuracies of a row with their seeds; `stage` 0 is the first one.
    fn of(&self, row: Row, downsample: Downsample, stage: usize) -> Vec<(u64, Accuracy)> {
        let of_row = self.runs.iter().filter(|run| (run.0, run.1) == (row, downsample));
        of_row.filter_map(|(.., seed, stages)| stages[stage].map(|accuracy| (*seed, accuracy))).collect()
    }

    /// Mean and spread of top-1 and top-5 of a row.
    pub fn cell(&self, row: Row, downsample: Downsample, stage: usize) -> [Option<Cell>; 2] {
        let all = self.of(row, downsample, stage);
        [|a: &Accuracy| a.top1, |a: &Accuracy| a.top5]
            .map(|of| Cell::of(&all.iter().map(|(_, accuracy)| of(accuracy)).collect::<Vec<_>>()))
    }

    /// How much more a row reaches in its second stage than the strong baseline with the same seed.
    pub fn gain(&self, row: Row, downsample: Downsample) -> Option<Cell> {
        let base = self.of(Row::Baseline, downsample, 1);
        let pairs = self.of(row, downsample, 1).into_iter().filter_map(|(seed, accuracy)| {
            base.iter().find(|(other, _)| *other == seed).map(|(_, base)| accuracy.top1 - base.top1)
        });
        Cell::of(&pairs.collect::<Vec<_>>()).filter(|_| row != Row::Baseline)
    }

    /// The real networks, top-1 and top-5.
    pub fn real(&self) -> [Option<Cell>; 2] {
        let of = |of: fn(&Accuracy) -> f64| Cell::of(&self.real.iter().map(|(_, a)| of(a)).collect::<Vec<_>>());
        [of(|a| a.top1), of(|a| a.top5)]
    }

    /// As in the paper, for people.
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "Test accuracy in per cent after the last epoch: mean ± sample standard deviation over the seeds. The last \
             column but one is the mean of the differences between runs of the same seed.\n\n\
             | downsample | | stage 1 (binary activations) | top 5 | stage 2 (binary weights too) | top 5 | over the \
             baseline | seeds |\n|---|---|--:|--:|--:|--:|--:|--:|\n",
        );
        let show = |cell: Option<Cell>| cell.map_or("–".to_owned(), |cell| cell.percent());
        for &downsample in &self.downsample {
            for &row in &self.rows {
                let [first, first5] = self.cell(row, downsample, 0);
                let [second, second5] = self.cell(row, downsample, 1);
                let gain = self.gain(row, downsample).map_or(String::new(), |gain| {
                    let sign = if gain.mean >= 0.0 { "+" } else { "" };
                    format!("{sign}{}", gain.percent())
                });
                let _ = writeln!(
                    text,
                    "| {} | {} | {} | {} | {} | {} | {gain} | {} |",
                    shortcut(downsample),
                    row.title(),
                    show(first),
                    show(first5),
                    show(second),
                    show(second5),
                    second.map_or(0, |cell| cell.runs),
                );
            }
        }
        let [top1, top5] = self.real();
        let _ = writeln!(
            text,
            "| | real network | {} | {} | | | | {} |",
            show(top1),
            show(top5),
            top1.map_or(0, |cell| cell.runs)
        );
        text
    }

    /// As [`Self::markdown`], for programs: shares, not per cent.
    pub fn csv(&self) -> String {
        let mut text = String::from("row,downsample,stage,runs,top1-mean,top1-deviation,top5-mean,top5-deviation\n");
        let mut line = |row: &str, downsample: &str, stage: &str, cells: [Option<Cell>; 2]| {
            if let [Some(top1), Some(top5)] = cells {
                let deviation = |cell: Cell| cell.deviation.map_or(String::new(), |d| d.to_string());
                let _ = writeln!(
                    text,
                    "{row},{downsample},{stage},{},{},{},{},{}",
                    top1.runs,
                    top1.mean,
                    deviation(top1),
                    top5.mean,
                    deviation(top5)
                );
            }
        };
        for &downsample in &self.downsample {
            for &row in &self.rows {
                for (stage, name) in ["1", "2"].into_iter().enumerate() {
                    line(row.key(), shortcut(downsample), name, self.cell(row, downsample, stage));
                }
            }
        }
        line("real", "", "", self.real());
        text
    }

    /// Every run by itself, for programs.
    pub fn runs_csv(&self) -> String {
        let mut text = String::from("row,downsample,seed,stage,top1,top5\n");
        let mut line = |row: &str, downsample: &str, seed: u64, stage: &str, accuracy: Accuracy| {
            let _ = writeln!(text, "{row},{downsample},{seed},{stage},{},{}", accuracy.top1, accuracy.top5);
        };
        for (row, downsample, seed, stages) in &self.runs {
            for (stage, name) in stages.iter().zip(["1", "2"]) {
                if let Some(accuracy) = stage {
                    line(row.key(), shortcut(*downsample), *seed, name, *accuracy);
                }
            }
        }
        for (seed, accuracy) in &self.real {
            line("real", "", *seed, "", *accuracy);
        }
        text
    }

    /// Writes all of it into a folder.
    ///
    /// # Errors
    /// What cannot be written.
    pub fn write(&self, folder: &Path) -> Result {
        let make = |e| crate::problem::Problems::file(folder, format_args!("cannot be made: {e}"));
        std::fs::create_dir_all(folder).map_err(make)?;
        write_file(&folder.join("ablation.md"), self.markdown().as_bytes())?;
        write_file(&folder.join("ablation.csv"), self.csv().as_bytes())?;
        write_file(&folder.join("runs.csv"), self.runs_csv().as_bytes())?;
        write_file(&folder.join("ablation.svg"), crate::plot::ablation(self)?.as_bytes())
    }
}
