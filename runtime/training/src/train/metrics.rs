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
    /// Cross-entropy on the validation pictures.
    pub validation_loss: f64,
    /// Share of validation pictures whose class is right.
    pub validation_accuracy: f64,
    /// Share of validation pictures whose class is among the five most likely.
    pub validation_top5: f64,
    /// Training pictures that could not be read.
    pub skipped: usize,
    /// Training and evaluation.
    pub seconds: f64,
    /// Of these, those in which training had no pictures: what the threads that read them are late.
    #[serde(default)]
    pub waited: f64,
}

impl Epoch {
    /// With numbers that come back from `state.json` as they are, so that an interruption changes nothing that is told.
    #[must_use]
    pub(super) fn kept(mut self) -> Self {
        for value in [
            &mut self.rate,
            &mut self.loss,
            &mut self.labels,
            &mut self.logits,
            &mut self.attention,
            &mut self.accuracy,
            &mut self.validation_loss,
            &mut self.validation_accuracy,
            &mut self.validation_top5,
        ] {
            *value = kept(*value);
        }
        self
    }
}

/// `value`, or what is nearest to it with the most digits that survive: the reader of JSON may miss the last bit of a
/// number of sixteen or seventeen digits.
fn kept(value: f64) -> f64 {
    let survives = |v: &f64| {
        let read = serde_json::to_string(v).and_then(|text| serde_json::from_str::<f64>(&text));
        read.is_ok_and(|read| read == *v)
    };
    let rounded = (0..15).rev().filter_map(|digits| format!("{value:.digits$e}").parse().ok());
    std::iter::once(value).chain(rounded).find(survives).unwrap_or(value)
}

/// A header and a line per epoch.
pub(super) fn csv(epochs: &[Epoch]) -> String {
    let mut text =
        "epoch,rate,loss,labels,logits,attention,accuracy,validation-loss,validation-accuracy,validation-top5,skipped,seconds,waited\n"
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
            e.validation_loss,
            e.validation_accuracy,
            e.validation_top5,
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

#[cfg(test)]
mod tests {
    use super::kept;

    #[test]
    fn what_is_told_survives_the_file() {
        // The first is read back as ...208.
        for value in [0.998_911_937_800_320_7, 1.0 / 3.0, 14.0 / 15.0, 1.234_567_890_123_456_7e-9, 0.0, 1e-3, 5.0] {
            let kept = kept(value);
            assert!((kept - value).abs() <= 1e-12 * value, "{value} became {kept}");
            assert_eq!(serde_json::from_str::<f64>(&serde_json::to_string(&kept).unwrap()).unwrap(), kept);
        }
        assert_eq!([kept(1.0 / 3.0), kept(1e-3), kept(0.0)], [1.0 / 3.0, 1e-3, 0.0]);
    }
}
