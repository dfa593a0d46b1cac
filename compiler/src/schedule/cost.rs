//! What a block costs, counted as in Table 1 of Martinez et al., "Training Binary Neural Networks with Real-to-Binary
//! Convolutions" (ICLR 2020), so that figures can be set beside those of papers.
//!
//! - **Binary MACs** (BOPs): one per tap of a binary convolution's outputs, padded taps included; a xnor and its
//!   accumulation count one together.
//! - **Real MACs**: the same of real-valued convolutions, fully connected layers and gates.
//! - **FLOPs**: real MACs, one each, and the element-wise work of the compiled code: one per element for a scale, a
//!   shift, a gate, an activation, a skip or a sum; two for a threshold (the affine map it stands for takes a
//!   multiplication and an addition); one per tap of a pool. What moves data or works on bits counts nothing.
//! - **Weight bytes**: one bit per binary weight, with each tap's channels rounded up to 64-bit words; four bytes per
//!   real parameter, fewer where it is narrow by choice; eight per threshold.

use crate::ir::network::{
    Activation, Arithmetic, Block, Body, Dense, Geometry, Network, Pooled, Source, Step, TensorId, Tiled, Whole,
};
use crate::ops;

/// What a block costs for one inference of the whole batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Multiply-accumulates on sign bits.
    pub binary_macs: u64,
    /// Multiply-accumulates on real values.
    pub real_macs: u64,
    /// Real operations.
    pub flops: u64,
    /// Bytes of parameters.
    pub weight_bytes: u64,
}

impl Cost {
    /// Counts a block.
    pub fn of(network: &Network, block: &Block) -> Self {
        let mut cost = Self::default();
        match &block.body {
            Body::Tiled(tiled) => cost.tiled(network, tiled),
            Body::Gate(gate) => {
                let images = network.tensor(gate.sums).shape.first().copied().unwrap_or(1) as u64;
                for layer in [&gate.first, &gate.second] {
                    cost.real_macs += images * (layer.inputs * layer.outputs) as u64;
                    // The activation behind it.
                    cost.flops += images * layer.outputs as u64;
                    cost.weight_bytes += dense_bytes(layer);
                }
            }
            Body::Move(_) => {}
            Body::Whole(whole) => cost.whole(network, whole),
        }
        cost.flops += cost.real_macs;
        cost
    }

    fn tiled(&mut self, network: &Network, Tiled { source, steps, pooled }: &Tiled) {
        match source {
            Source::BinaryConv { geometry, .. } => {
                self.binary_macs = geometry.macs();
                let words = (geometry.input[2] / geometry.groups).div_ceil(64);
                self.weight_bytes = 8 * (geometry.output[2] * geometry.kernel[0] * geometry.kernel[1] * words) as u64;
            }
            Source::RealConv { geometry, weights, products, .. } => {
                self.real_macs = geometry.macs();
                self.weight_bytes = (products.arithmetic().size() * weights.len()) as u64;
                if products.arithmetic() == Arithmetic::Int8 {
                    // What each sum starts from.
                    self.weight_bytes += 4 * geometry.output[2] as u64;
                }
            }
            Source::MaxPool { geometry, .. } | Source::AveragePool { geometry, .. } => self.flops = taps(geometry),
            Source::Map { .. } | Source::Planes { .. } => {}
        }
        self.steps(steps, source.extents(network));
        if let Some(Pooled { pool, steps }) = pooled {
            self.flops += taps(&pool.geometry);
            self.steps(steps, pool.geometry.extents());
        }
    }

    fn steps(&mut self, steps: &[Step], extents: [usize; 4]) {
        for step in steps {
            self.flops += extents.iter().product::<usize>() as u64
                * match step {
                    Step::Scale(_) | Step::Shift(_) | Step::ScalePixels(_) | Step::ShiftPixels(_) => 1,
                    Step::Gate(_) | Step::Activation(_) => 1,
                    Step::Add(_) | Step::Mul(_) | Step::Sum(_) => 1,
                    Step::Sign { .. } => 2,
                    Step::Store(_) => 0,
                };
            self.weight_bytes += match step {
                Step::Scale(p) | Step::Shift(p) | Step::Activation(Activation::PRelu(p)) => 4 * p.len() as u64,
                Step::ScalePixels(p) | Step::ShiftPixels(p) => 4 * p.values.len() as u64,
                Step::Sign { intervals, .. } => 8 * intervals.len() as u64,
                _ => 0,
            };
        }
    }

    fn whole(&mut self, network: &Network, whole: &Whole) {
        let shape = |id: TensorId| &network.tensor(id).shape[..];
        let inputs: Vec<&[usize]> = whole.inputs.iter().map(|&id| shape(id)).collect();
        let operator = ops::of(&whole.op);
        let cost = operator.whole().map(|operator| operator.cost(&inputs, shape(whole.output))).unwrap_or_default();
        (self.binary_macs, self.real_macs, self.flops) = (cost.bops, cost.macs, cost.flops);
    }

    /// About how long it takes one thread of a machine with 10^12 binary multiply-accumulates and 4 * 10^10 real operations
    /// a second: what it is worth to divide it among threads.
    pub fn nanoseconds(&self) -> usize {
        (self.binary_macs / 1000 + self.flops / 40) as usize
    }

    /// Adds another block's.
    pub fn add(&mut self, other: &Self) {
        self.binary_macs += other.binary_macs;
        self.real_macs += other.real_macs;
        self.flops += other.flops;
        self.weight_bytes += other.weight_bytes;
    }
}

/// Taps read by a pool: each output looks at its own channel only.
fn taps(g: &Geometry) -> u64 {
    outputs(g) * (g.kernel[0] * g.kernel[1]) as u64
}

fn outputs(g: &Geometry) -> u64 {
    (g.n * g.output.iter().product::<usize>()) as u64
}

fn dense_bytes(layer: &Dense) -> u64 {
    4 * (layer.weights.len() + layer.bias.len()) as u64
}
