//! Weights as signs and a scale per output channel, judged by value: whatever chain of operators the exporter wrote has
//! been evaluated by now.

use crate::ir::BinaryWeights;
use crate::ir::{Node, Op, Tensor};
use crate::passes::rewrite::{Rewriter, transpose};

/// How far a weight's magnitude may be from its channel's: what f32 straight-through chains leave behind.
pub(super) const TOLERANCE: f64 = 1e-6;

/// Weights that are ±scale or 0, per channel.
pub(super) struct Binarized {
    /// True for what is not negative, in the order `[O][...]`.
    pub(super) signs: Vec<bool>,
    /// One per output channel, not negative; 0 where all of a channel's weights are.
    pub(super) scales: Vec<f32>,
    /// Weights of one output channel.
    pub(super) per_channel: usize,
    /// Where the weights are zero, ascending, other than in channels whose scale is.
    pub(super) zeros: Vec<usize>,
    /// Largest relative deviation of a weight's magnitude from its channel's.
    pub(super) deviation: f32,
}

impl Binarized {
    /// Sum of a channel's signs, without those of zeros.
    pub(super) fn sum(&self, channel: usize) -> i64 {
        let range = channel * self.per_channel..(channel + 1) * self.per_channel;
        let plus = self.signs[range.clone()].iter().filter(|&&plus| plus).count() as i64;
        // Zeros are among the true ones.
        let before = |end: usize| self.zeros.partition_point(|&at| at < end) as i64;
        let zeros = before(range.end) - before(range.start);
        2 * plus - zeros - self.per_channel as i64
    }

    /// About one latent weight in 2^24 is exactly zero; many zeros are a third level.
    pub(super) fn is_ternary(&self) -> bool {
        self.zeros.len() > (self.signs.len() / 1000).max(4)
    }

    /// The channels that hold zeros, ascending.
    pub(super) fn affected(&self) -> Vec<usize> {
        let mut channels: Vec<usize> = self.zeros.iter().map(|at| at / self.per_channel).collect();
        channels.dedup();
        channels
    }

    /// All channels, with +1 for the zeros.
    pub(super) fn plus(&self) -> BinaryWeights {
        BinaryWeights { signs: self.signs.clone(), zeros: self.zeros.len(), deviation: self.deviation }
    }

    /// Some channels, with -1 for the zeros: [`Binarized::plus`] and this, added, are twice the weights' signs.
    pub(super) fn minus(&self, channels: impl Iterator<Item = usize>) -> BinaryWeights {
        let mut signs = self.signs.clone();
        self.zeros.iter().for_each(|&at| signs[at] = false);
        let rows = channels.flat_map(|c| &signs[c * self.per_channel..(c + 1) * self.per_channel]);
        BinaryWeights { signs: rows.copied().collect(), zeros: self.zeros.len(), deviation: self.deviation }
    }
}

/// The weights of a Conv or MatMul, or why they are not binary.
pub(super) fn of(rewriter: &Rewriter<'_>, node: &Node) -> Result<Binarized, String> {
    classify(&by_channel(rewriter, node)?)
}

/// The weights `[O, ...]`, contiguous per output channel.
pub(super) fn by_channel(rewriter: &Rewriter<'_>, node: &Node) -> Result<Tensor, String> {
    let tensor = rewriter.graph.constant(node.inputs[1]);
    let Some(tensor) = tensor.filter(|t| t.as_f32().is_some()) else {
        return Err("weights are computed at run time".to_owned());
    };
    match (&node.op, tensor.shape.len()) {
        (Op::Conv { .. }, 4) => Ok(transpose(tensor, &[0, 2, 3, 1])),
        (Op::MatMul, 2) => Ok(transpose(tensor, &[1, 0])),
        _ => Err(format!("weights have {} axes", tensor.shape.len())),
    }
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
    let mut zeros = Vec::new();
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
        zeros.extend((0..per_channel).filter(|&i| row[i] == 0.0).map(|i| channel * per_channel + i));
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
    let signs = values.iter().map(|&x| x >= 0.0).collect();
    Ok(Binarized { signs, scales, per_channel, zeros, deviation: largest as f32 })
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
        assert_eq!(w.signs[..6], [true, false, true, false, false, false]);
        assert_eq!((w.zeros.len(), w.deviation), (0, 0.0));
        assert_eq!((w.sum(0), w.sum(1)), (1, -3));
    }

    #[test]
    fn rounding_of_estimators_is_forgiven_and_no_more() {
        let w = classified([1, 3], &[1.0, -1.0, 1.000_000_5]).unwrap();
        assert!(w.deviation > 4e-7 && w.deviation < 6e-7);
        let reason = classified([1, 3], &[1.0, -1.0, 1.000_002]).err().unwrap();
        assert!(reason.starts_with("weights are real: channel 0 holds 1 and 1.000002"), "{reason}");
    }

    #[test]
    fn zeros_are_the_mean_of_two_planes() {
        let w = classified([3, 4], &[0.5, 0.0, -0.5, 0.5, 0.0, 0.0, 0.0, 0.0, -2.0, 0.0, -0.0, 2.0]).unwrap();
        assert_eq!((&w.zeros[..], w.affected()), (&[1, 9, 10][..], vec![0, 2]));
        let signs = |weights: BinaryWeights| weights.signs.iter().map(|&b| if b { 1 } else { -1 }).collect::<Vec<_>>();
        let (plus, minus) = (signs(w.plus()), signs(w.minus(0..3)));
        let mean = |c: usize| (4 * c..4 * c + 4).map(|i| (plus[i] + minus[i]) / 2).collect::<Vec<i32>>();
        assert_eq!((mean(0), mean(2)), (vec![1, 0, -1, 1], vec![-1, 0, 0, 1]));
        assert_eq!(signs(w.minus([2].into_iter())), [-1, -1, -1, 1]);
        assert_eq!((w.sum(0), w.sum(2)), (1, 0));
    }

    #[test]
    fn many_zeros_are_a_third_level() {
        let mut values = vec![1.0; 100];
        values[..4].fill(0.0);
        assert!(!classified([1, 100], &values).unwrap().is_ternary());
        values[4] = 0.0;
        assert!(classified([1, 100], &values).unwrap().is_ternary());
    }
}
