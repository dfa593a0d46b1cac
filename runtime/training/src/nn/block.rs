//! Blocks of two convolutions: the unit that is matched between teacher and student.

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::{Tensor, activation};

use super::conv::Geometry;
use super::half_block::Shortcut;
use super::norm::normalised;
use super::{Conv, Form, HalfBlock, Init};
use crate::config::{BlockConfig, Skip};

/// A block of either architecture.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // a few dozen of them per network
pub enum Block {
    /// Two half-blocks.
    Binary(BinaryBlock),
    /// He et al.'s.
    Real(RealBlock),
}

impl Block {
    /// [n, in, h, w] to [n, out, h / stride, w / stride], rounded up.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Binary(block) => block.forward(x),
            Self::Real(block) => block.forward(x),
        }
    }
}

/// Two half-blocks, each with its own skip or one around both.
#[derive(Module, Debug)]
pub struct BinaryBlock {
    /// Halves the picture where the block does.
    pub first: HalfBlock,
    /// Keeps the shape.
    pub second: HalfBlock,
    /// The shortcut around both, of a block that halves the picture.
    pub shortcut: Option<Shortcut>,
    /// One skip around both.
    pub single: bool,
}

impl BinaryBlock {
    /// `geometry` is the first convolution's.
    pub fn new(config: &BlockConfig, geometry: Geometry, form: Form, init: &mut Init<'_>) -> Self {
        let single = config.skip == Skip::Single;
        let outputs = geometry.channels[1];
        let second = Geometry { channels: [outputs, outputs], stride: 1, ..geometry };
        Self {
            first: HalfBlock::new(config, geometry, form, !single, init),
            second: HalfBlock::new(config, second, form, !single, init),
            shortcut: (single && geometry.stride > 1).then(|| Shortcut::new(config, geometry, form, init)),
            single,
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = self.second.forward(self.first.forward(x.clone()));
        match (&self.shortcut, self.single) {
            (Some(shortcut), _) => y + shortcut.forward(x),
            (None, true) => y + x,
            (None, false) => y,
        }
    }
}

/// conv → BN → ReLU → conv → BN → + skip → ReLU.
#[derive(Module, Debug)]
pub struct RealBlock {
    /// Halves the picture where the block does.
    pub conv1: Conv,
    /// Behind it.
    pub norm1: BatchNorm,
    /// Keeps the shape.
    pub conv2: Conv,
    /// Behind it.
    pub norm2: BatchNorm,
    /// The 1x1 convolution of the skip, of a block that halves the picture.
    pub shortcut: Option<Conv>,
    /// Behind it.
    pub shortcut_norm: Option<BatchNorm>,
}

impl RealBlock {
    /// `geometry` is the first convolution's.
    pub fn new(geometry: Geometry, init: &mut Init<'_>) -> Self {
        let Geometry { channels: [inputs, outputs], kernel, stride, .. } = geometry;
        let norm = BatchNormConfig::new(outputs);
        let down = stride > 1;
        Self {
            conv1: Conv::new([inputs, outputs], kernel, stride, init),
            norm1: norm.init(init.device),
            conv2: Conv::new([outputs, outputs], kernel, 1, init),
            norm2: norm.init(init.device),
            shortcut: down.then(|| Conv::new([inputs, outputs], 1, stride, init)),
            shortcut_norm: down.then(|| norm.init(init.device)),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let y = activation::relu(normalised(&self.norm1, self.conv1.forward(x.clone())));
        let y = normalised(&self.norm2, self.conv2.forward(y));
        let skip = match (&self.shortcut, &self.shortcut_norm) {
            (Some(conv), Some(norm)) => normalised(norm, conv.forward(x)),
            _ => x,
        };
        activation::relu(y + skip)
    }
}
