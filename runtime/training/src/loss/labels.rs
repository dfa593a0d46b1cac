//! Cross-entropy with labels, hard or mixed.

use burn::Tensor;
use burn::tensor::activation::log_softmax;

/// The mean over the batch of -Σ target · log softmax(logit): logits and targets [n, classes]; `[1]`.
///
/// The targets of a picture are shares that add up to 1: all on one class, or, after mix-up, on two.
pub fn cross_entropy(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    -(log_softmax(logits, 1) * targets).sum_dim(1).mean()
}
