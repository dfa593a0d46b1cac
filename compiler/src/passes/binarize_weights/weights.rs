//! Weights as signs and a scale per output channel, judged by value: whatever chain of operators the exporter wrote has
//! been evaluated by now.

use crate::ir::network::BinaryWeights;
use crate::ir::{Node, Op, Tensor};
use crate::passes::rewrite::{Rewriter, transpose};

/// How far a weight's magnitude may be from its channel's: what f32 straight-through chains leave behind.
const TOLERANCE: f64 = 1e-6;

/// Weights that are ±scale per channel.
pub(super) struct Binarized {
    pub(super) bits: BinaryWeights,
    /// One per output channel, not negative.
    pub(super) scales: Vec<f32>,
    /// Weights of one output channel.
    pub(super) per_channel: usize,
}

impl Binarized {
    /// Sum of a channel's signs.
    pub(super) fn sum(&self, channel: usize) -> i64 {
        let signs = &self.bits.signs[channel * self.per_channel..(channel + 1) * self.per_channel];
        2 * signs.iter().filter(|&&plus| plus).count() as i64 - self.per_channel as i64
    }
}

/// The weights of a Conv or MatMul, or why they are not binary.
pub(super) fn of(rewriter: &Rewriter<'_>, node: &Node) -> Result<Binarized, String> {
    let tensor = rewriter.graph.constant(node.inputs[1]);
    let Some(tensor) = tensor.filter(|t| t.as_f32().is_some()) else {
        return Err("weights are computed at run time".to_owned());
    };
    let by_channel = match (&node.op, tensor.shape.len()) {
        (Op::Conv { .. }, 4) => transpose(tensor, &[0, 2, 3, 1]),
        (Op::MatMul, 2) => transpose(tensor, &[1, 0]),
        _ => return Err(format!("weights have {} axes", tensor.shape.len())),
    };
    classify(&by_channel)
}

/// Weights `[O, ...]`, contiguous per output channel.
fn classify(tensor: &Tensor) -> Result<Binarized, String> {
    let values = tensor.as_f32().unwrap_or_default();
    let channels = tensor.shape[0];
    if values.is_empty() {
        return Err("there are no weights".to_owned());
    }
    if let Some(x) = values.iter().find(|x| !x.is_finite()) {
        return Err(format!("weights are real: one is {x}"));
    }
    let per_channel = values.len() / channels;
    let mut scales = Vec::with_capacity(channels);
    let mut zeros = 0;
    let mut largest = 0.0;
    let mut worst = None;
    for (channel, row) in values.chunks(per_channel).enumerate() {
        let magnitudes = || row.iter().map(|x| x.abs()).filter(|&m| m != 0.0);
        let (low, high) = magnitudes().fold((f32::INFINITY, 0.0_f32), |(low, high), m| (low.min(m), high.max(m)));
        if high == 0.0 {
            // Whatever the signs are, the scale makes it 0.
            scales.push(0.0);
            continue;
        }
        zeros += per_channel - magnitudes().count();
        let scale = if low == high { low } else { median(magnitudes().collect()) };
        scales.push(scale);
        for m in [low, high] {
            let deviation = (f64::from(m) - f64::from(scale)).abs() / f64::from(scale);
            if deviation > largest {
                largest = deviation;
                worst = Some((channel, scale, m));
            }
        }
    }
    if let Some((channel, scale, m)) = worst.filter(|_| largest > TOLERANCE) {
        return Err(format!(
            "weights are real: channel {channel} holds {scale} and {m} (largest relative deviation {largest:.2})"
        ));
    }
    // About one latent weight in 2^24 is exactly zero; many zeros are a third level.
    if zeros > (values.len() / 1000).max(4) {
        return Err(format!("weights are ternary: {zeros} of {} are zero", values.len()));
    }
    let signs = values.iter().map(|&x| x >= 0.0).collect();
    let bits = BinaryWeights { signs, zeros, deviation: largest as f32 };
    Ok(Binarized { bits, scales, per_channel })
}

fn median(mut values: Vec<f32>) -> f32 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classified(shape: [usize; 2], values: &[f32]) -> Result<Binarized, String> {
        classify(&Tensor::f32(shape, values.to_vec()))
    }

    #[test]
    fn a_scale_per_channel() {
        let w = classified([3, 3], &[0.5, -0.5, 0.5, -3.0, -3.0, -3.0, 0.0, 0.0, 0.0]).unwrap();
        assert_eq!(w.scales, [0.5, 3.0, 0.0]);
        assert_eq!(w.bits.signs[..6], [true, false, true, false, false, false]);
        assert_eq!((w.bits.zeros, w.bits.deviation), (0, 0.0));
        assert_eq!((w.sum(0), w.sum(1)), (1, -3));
    }

    #[test]
    fn rounding_of_estimators_is_forgiven_and_no_more() {
        let w = classified([1, 3], &[1.0, -1.0, 1.000_000_5]).unwrap();
        assert!(w.bits.deviation > 4e-7 && w.bits.deviation < 6e-7);
        let reason = classified([1, 3], &[1.0, -1.0, 1.000_002]).err().unwrap();
        assert!(reason.starts_with("weights are real: channel 0 holds 1 and 1.000002"), "{reason}");
    }

    #[test]
    fn few_zeros_are_plus_one_and_many_are_a_third_level() {
        let mut values = vec![1.0; 100];
        values[..4].fill(0.0);
        let w = classified([1, 100], &values).unwrap();
        assert_eq!((w.bits.zeros, w.sum(0)), (4, 100));
        values[4] = 0.0;
        assert_eq!(classified([1, 100], &values).err().unwrap(), "weights are ternary: 5 of 100 are zero");
    }
}
