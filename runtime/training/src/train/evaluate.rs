//! How good a network is on pictures it has not seen.

use std::fmt::Write as _;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use serde::Serialize;

use crate::data::{Batches, Part, Plan};
use crate::nn::{Network, Task};
use crate::problem::Problems;

/// Over all pictures of a part.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Evaluation {
    /// Cross-entropy with the labels, mean.
    pub loss: f64,
    /// Share of pictures whose class is right.
    pub top1: f64,
    /// Share of pictures whose class is among the five most likely.
    pub top5: f64,
    /// `confusion[true][said]`: how many pictures.
    pub confusion: Vec<Vec<usize>>,
    /// Pictures that were not read.
    #[serde(skip)]
    pub skipped: Problems,
}

impl Evaluation {
    /// For people: the shares, and the confusion matrix as a table, with the names of
    /// `classes`, cut off where they are long.
    pub fn text(&self, classes: &[String]) -> String {
        let pictures: usize = self.confusion.iter().flatten().sum();
        let mut text = format!(
            "top-1 {:.2} %, top-5 {:.2} %, cross-entropy {:.4}; {pictures} pictures",
            100.0 * self.top1,
            100.0 * self.top5,
            self.loss
        );
        if !self.skipped.0.is_empty() {
            let _ = write!(text, ", {} could not be read", self.skipped.0.len());
        }
        text.push_str("\n\nrows: the true class, columns: what the network says, last: right in per cent\n");
        let names: Vec<String> = classes.iter().map(|name| name.chars().take(12).collect()).collect();
        let largest = self.confusion.iter().flatten().max().copied().unwrap_or(0).to_string();
        let width = names.iter().map(|name| name.chars().count()).chain([largest.len()]).max().unwrap_or(1);
        let _ = write!(text, "{:width$}", "");
        names.iter().for_each(|name| {
            let _ = write!(text, " {name:>width$}");
        });
        text.push('\n');
        for (own, (name, row)) in names.iter().zip(&self.confusion).enumerate() {
            let _ = write!(text, "{name:width$}");
            row.iter().for_each(|count| {
                let _ = write!(text, " {count:>width$}");
            });
            let all: usize = row.iter().sum();
            let right = row.get(own).copied().unwrap_or(0);
            match all {
                0 => text.push_str("      –\n"),
                all => {
                    let _ = writeln!(text, "  {:5.1}", 100.0 * right as f64 / all as f64);
                }
            }
        }
        text
    }

    /// The confusion matrix for programs: a header of the classes, a row per true class.
    pub fn csv(&self, classes: &[String]) -> String {
        let names: Vec<String> = classes.iter().map(|name| quoted(name)).collect();
        let mut text = format!("true,{}\n", names.join(","));
        for (name, row) in names.iter().zip(&self.confusion) {
            let row: Vec<String> = row.iter().map(usize::to_string).collect();
            let _ = writeln!(text, "{name},{}", row.join(","));
        }
        text
    }
}

/// A field of a line of CSV.
pub(super) fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

/// Runs `network`, which is on `device` and not trained while it is evaluated, over the pictures of `part`.
pub fn evaluate(network: &Network, part: &Arc<Part>, plan: Plan, task: Task, device: &Device) -> Evaluation {
    let mut result = Evaluation { confusion: vec![vec![0; task.classes]; task.classes], ..Evaluation::default() };
    let (mut pictures, mut loss, mut top1, mut top5) = (0usize, 0.0, 0usize, 0usize);
    for mut batch in Batches::new(part, plan) {
        result.skipped.0.append(&mut batch.skipped.0);
        let n = batch.labels.len();
        if n == 0 {
            continue;
        }
        let logits = network.forward(tensor(batch.pictures, n, task, device));
        let logits: Vec<f32> = logits.into_data().convert::<f32>().try_into_vec().unwrap_or_default();
        for (logits, &label) in logits.chunks(task.classes).zip(&batch.labels) {
            let label = label as usize;
            let own = logits[label];
            let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f64 = logits.iter().map(|&v| f64::from(v - largest).exp()).sum();
            loss += sum.ln() - f64::from(own - largest);
            // The first of equal ones counts, as in an argmax.
            let before = logits.iter().enumerate().filter(|&(i, &v)| v > own || (v == own && i < label)).count();
            top1 += usize::from(before == 0);
            top5 += usize::from(before < 5);
            let said = logits.iter().position(|&v| v == largest).unwrap_or(0);
            result.confusion[label][said] += 1;
        }
        pictures += n;
    }
    let all = pictures.max(1) as f64;
    (result.loss, result.top1, result.top5) = (loss / all, top1 as f64 / all, top5 as f64 / all);
    result
}

/// A batch's pictures on a device.
pub(super) fn tensor(pictures: Vec<f32>, n: usize, task: Task, device: &Device) -> Tensor<4> {
    let [rows, columns] = task.size;
    Tensor::from_data(TensorData::new(pictures, [n, task.channels, rows, columns]), device)
}
