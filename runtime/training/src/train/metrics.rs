//! What is told about each epoch, and the files it is told in.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// An epoch. Losses are means over its pictures, without their weights.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Epoch {
    /// Counted from 1.
    pub epoch: usize,
    /// Of the last update.
    pub rate: f64,
    /// The weighed sum of the losses.
    pub loss: f64,
    /// Cross-entropy with the labels; 0 where it is not used.
    pub labels: f64,
    /// Logit matching; 0 where it is not used.
    pub logits: f64,
    /// Attention matching; 0 where it is not used.
    pub attention: f64,
    /// Share of training pictures whose class is right, as they are seen (changed, and, with mix-up, mixed).
    pub accuracy: f64,
    /// Cross-entropy on the test pictures.
    pub test_loss: f64,
    /// Share of test pictures whose class is right.
    pub test_accuracy: f64,
    /// Share of test pictures whose class is among the five most likely.
    pub test_top5: f64,
    /// Training pictures that could not be read.
    pub skipped: usize,
    /// Training and evaluation.
    pub seconds: f64,
    /// Of these, those in which training had no pictures: what the threads that read them are late.
    #[serde(default)]
    pub waited: f64,
}

/// A header and a line per epoch.
pub(super) fn csv(epochs: &[Epoch]) -> String {
    let mut text =
        "epoch,rate,loss,labels,logits,attention,accuracy,test-loss,test-accuracy,test-top5,skipped,seconds,waited\n"
            .to_owned();
    for e in epochs {
        // A text in memory takes every line.
        let _ = writeln!(
            text,
            "{},{:e},{},{},{},{},{},{},{},{},{},{:.2},{:.2}",
            e.epoch,
            e.rate,
            e.loss,
            e.labels,
            e.logits,
            e.attention,
            e.accuracy,
            e.test_loss,
            e.test_accuracy,
            e.test_top5,
            e.skipped,
            e.seconds,
            e.waited
        );
    }
    text
}

/// An object per epoch and line.
pub(super) fn json_lines(epochs: &[Epoch]) -> String {
    epochs.iter().filter_map(|epoch| serde_json::to_string(epoch).ok()).map(|line| line + "\n").collect()
}
