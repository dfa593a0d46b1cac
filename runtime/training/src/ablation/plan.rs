//! What an ablation is going to train, for people.

use std::fmt::Write as _;

use super::rows::{Run, shortcut};
use super::table::Table;
use crate::config::{Inputs, Losses, StepConfig, Weights};

/// Every row with its steps, then every run with its folder and how much of it is done.
pub fn plan(runs: &[Run], table: &Table) -> String {
    let mut text = String::new();
    let mut rows = Vec::new();
    for run in runs {
        if rows.contains(&run.row) {
            continue;
        }
        rows.push(run.row);
        let gates = if run.row.gates() { "with gates" } else { "without gates" };
        let _ = writeln!(text, "{} (half-blocks {gates})", run.row.title());
        for step in &run.config.steps {
            let _ = writeln!(text, "  {}", describe(step));
        }
    }
    let _ = writeln!(text, "\n{} runs:", runs.len());
    for run in runs {
        let done = match table.accuracy(run) {
            [Some(_), Some(_)] => "done",
            [Some(_), None] => "first stage done",
            _ => "to do",
        };
        let _ = writeln!(
            text,
            "  {:<20} {:<6} downsample, seed {:<4} {done:<17} {}",
            run.row.title(),
            shortcut(run.downsample),
            run.seed,
            run.config.output.display()
        );
    }
    text
}

fn describe(step: &StepConfig) -> String {
    let inputs = match step.inputs {
        Inputs::Tanh => "tanh",
        Inputs::Sign => "sign",
    };
    let weights = match step.weights {
        Weights::Real => "real weights",
        Weights::Sign => "binary weights",
    };
    let mut text = format!("{}: {} epochs, network {}", step.name, step.epochs, step.network);
    if step.folder.is_some() {
        text += ", shared by the runs of a seed";
    } else {
        let _ = write!(text, " ({inputs}, {weights})");
    }
    if let Some(start) = &step.start_from {
        let _ = write!(text, ", starts from {start}");
    }
    let _ = write!(text, "; {}", losses(&step.losses));
    if let Some(teacher) = &step.teacher {
        let _ = write!(text, " of {teacher}");
    }
    text
}

fn losses(losses: &Losses) -> String {
    let mut parts = Vec::new();
    if losses.labels > 0.0 {
        parts.push(format!("labels × {}", losses.labels));
    }
    if let Some(logits) = losses.logits {
        parts.push(format!("logits × {} at T = {}", logits.weight, logits.temperature));
    }
    if let Some(attention) = &losses.attention {
        parts.push(format!("attention × {}", attention.weight));
    }
    parts.join(" + ")
}
