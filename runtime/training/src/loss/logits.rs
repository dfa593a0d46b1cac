//! Logit matching (Hinton, Vinyals, Dean 2015).

use burn::Tensor;
use burn::tensor::activation::{log_softmax, softmax};

/// T² · KL(softmax(teacher / T) ‖ softmax(student / T)), mean over the batch: logits [n, classes]; `[1]`.
///
/// T² keeps the gradient's size whatever the temperature, as Hinton et al. recommend.
pub fn match_logits(student: Tensor<2>, teacher: Tensor<2>, temperature: f32) -> Tensor<1> {
    let teacher = teacher.detach() / temperature;
    let entropy = softmax(teacher.clone(), 1) * (log_softmax(teacher, 1) - log_softmax(student / temperature, 1));
    entropy.sum_dim(1).mean() * (temperature * temperature)
}
