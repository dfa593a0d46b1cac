//! Losses: the labels', and those by which a student is held to its teacher (section 4.2 of the paper).
//!
//! Each is a mean over the batch, so that its weight means the same for every batch size. A teacher's tensors are
//! taken as constants.

mod attention;
mod labels;
mod logits;
#[cfg(test)]
mod tests;

pub use attention::{attention, attention_map};
pub use labels::cross_entropy;
pub use logits::match_logits;

use burn::Tensor;

use crate::config::Losses;
use crate::nn::Output;

/// The losses of a batch: those asked for, without their weights, and the weighed sum.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What is minimised, `[1]`.
    pub total: Tensor<1>,
    /// Cross-entropy with the labels.
    pub labels: Option<Tensor<1>>,
    /// Logit matching.
    pub logits: Option<Tensor<1>>,
    /// Attention matching.
    pub attention: Option<Tensor<1>>,
}

/// All losses of a batch: the student's output, the teacher's on the same pictures (where something is matched),
/// and the labels as shares of each class, [n, classes].
pub fn terms(config: &Losses, student: &Output, teacher: Option<&Output>, targets: Tensor<2>) -> Terms {
    let labels = (config.labels > 0.0).then(|| cross_entropy(student.logits.clone(), targets));
    let logits = config
        .logits
        .zip(teacher)
        .map(|(matching, teacher)| match_logits(student.logits.clone(), teacher.logits.clone(), matching.temperature));
    let attention = config
        .attention
        .as_ref()
        .zip(teacher)
        .map(|(config, teacher)| attention(config, &student.points, &teacher.points));
    let weights =
        [config.labels, config.logits.map_or(0.0, |l| l.weight), config.attention.as_ref().map_or(0.0, |a| a.weight)];
    let total = [&labels, &logits, &attention]
        .into_iter()
        .zip(weights)
        .filter_map(|(term, weight)| Some(term.clone()? * weight))
        .reduce(|a, b| a + b)
        .unwrap_or_else(|| Tensor::zeros([1], &student.logits.device()));
    Terms { total, labels, logits, attention }
}
