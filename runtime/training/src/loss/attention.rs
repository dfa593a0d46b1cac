//! Attention matching (Zagoruyko and Komodakis 2017; equation 2 of the paper).

use burn::Tensor;

use crate::config::{AttentionForm, AttentionLoss, AttentionNorm};

/// Below these a map, or a difference of maps, counts as zero, and no gradient goes through.
const NO_MAP: f32 = 1e-12;
const NO_SQUARE: f32 = 1e-24;

/// Where a network looks: squares summed over channels, normalised per picture: [n, c, h, w] to [n, h · w].
pub fn attention_map(features: Tensor<4>, norm: AttentionNorm) -> Tensor<2> {
    let [n, _, h, w] = features.dims();
    let map = features.powi_scalar(2).sum_dim(1).reshape([n, h * w]);
    let size = match norm {
        AttentionNorm::L2 => map.clone().powi_scalar(2).sum_dim(1).clamp_min(NO_SQUARE).sqrt(),
        AttentionNorm::Max => map.clone().max_dim(1).clamp_min(NO_MAP),
    };
    map / size
}

/// The distance of the student's maps to the teacher's at the same points, without the loss's weight; `[1]`.
pub fn attention(config: &AttentionLoss, student: &[Tensor<4>], teacher: &[Tensor<4>]) -> Tensor<1> {
    let weight = |point: usize| config.point_weights.as_ref().map_or(1.0, |weights| weights[point]);
    let distances = student.iter().zip(teacher).enumerate().filter(|(point, _)| weight(*point) > 0.0);
    let total = distances
        .map(|(point, (student, teacher))| {
            let taught = attention_map(teacher.clone().detach(), config.norm);
            let square = (attention_map(student.clone(), config.norm) - taught).powi_scalar(2);
            let distance = match config.form {
                AttentionForm::Norm => square.sum_dim(1).clamp_min(NO_SQUARE).sqrt().mean(),
                AttentionForm::SquaredMean => square.mean(),
            };
            distance * weight(point)
        })
        .reduce(|a, b| a + b);
    total.unwrap_or_else(|| Tensor::zeros([1], &student.first().map(Tensor::device).unwrap_or_default()))
}
