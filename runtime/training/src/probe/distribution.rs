//! How values are distributed: what signs are taken of, and latent weights. Where a sign's surrogate gradient is zero
//! beyond ±1, values out there learn nothing.

use burn::tensor::Tensor;

use super::values;
use crate::nn::{BinaryBlock, BinaryConv, Block, Network};

/// Bins of a histogram; odd, so that zero has one of its own.
const BINS: usize = 61;

/// How often values of which size occur in a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// The layer's place: `stage 1, block 2, conv 1`.
    pub name: String,
    /// The bins lie between -limit and limit; the outermost hold what lies beyond, too.
    pub limit: f32,
    /// How many values in each bin.
    pub bins: Vec<u64>,
    /// How many values in [-1, 1].
    pub within: u64,
}

impl Histogram {
    /// Of values, between ±`limit`, or ±the largest value where there is no limit.
    pub fn of(name: String, values: &[f32], limit: Option<f32>) -> Self {
        let largest = || values.iter().fold(0f32, |m, v| m.max(v.abs()));
        let limit = limit.unwrap_or_else(largest).max(f32::MIN_POSITIVE);
        let mut bins = vec![0; BINS];
        for value in values {
            let place = (value / limit + 1.0) / 2.0 * BINS as f32;
            bins[(place.max(0.0) as usize).min(BINS - 1)] += 1;
        }
        let within = values.iter().filter(|v| v.abs() <= 1.0).count() as u64;
        Self { name, limit, bins, within }
    }

    /// How many values.
    pub fn count(&self) -> u64 {
        self.bins.iter().sum()
    }
}

/// What the signs (or tanh) of every binary 3x3 convolution are taken of, for pictures [n, channels, rows, columns] on
/// the network's device: between ±4. A real-valued network has none.
pub fn activations(network: &Network, pictures: Tensor<4>) -> Vec<Histogram> {
    let mut found = Vec::new();
    let mut x = network.stem.forward(pictures);
    for (place, block) in blocks(network) {
        let y = block.forward(x.clone());
        if let Block::Binary(block) = block {
            let mut x = x;
            for (i, half) in [&block.first, &block.second].into_iter().enumerate() {
                let seen = values(half.before_sign(x.clone()));
                found.push(Histogram::of(format!("{place}, conv {}", i + 1), &seen, Some(4.0)));
                x = half.forward(x);
            }
        }
        x = y;
    }
    found
}

/// The latent weights of every binary convolution. A real-valued network has none.
pub fn latent_weights(network: &Network) -> Vec<Histogram> {
    let mut found = Vec::new();
    for (place, block) in blocks(network) {
        let Block::Binary(block) = block else { continue };
        for (name, conv) in convolutions(block) {
            found.push(Histogram::of(format!("{place}, {name}"), &values(conv.latent.val()), None));
        }
    }
    found
}

fn convolutions(block: &BinaryBlock) -> Vec<(&'static str, &BinaryConv)> {
    let shortcuts = [&block.first.shortcut, &block.second.shortcut, &block.shortcut];
    let shortcuts = shortcuts.into_iter().flatten().filter_map(|shortcut| shortcut.binary.as_ref());
    let halves = [("conv 1", &block.first.conv), ("conv 2", &block.second.conv)];
    halves.into_iter().chain(shortcuts.map(|conv| ("shortcut", conv))).collect()
}

fn blocks(network: &Network) -> impl Iterator<Item = (String, &Block)> {
    network.stages.iter().enumerate().flat_map(|(s, stage)| {
        stage.blocks.iter().enumerate().map(move |(b, block)| (format!("stage {}, block {}", s + 1, b + 1), block))
    })
}
