//! Whole networks: stem, stages of blocks, head.

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor};

use serde::{Deserialize, Serialize};

use super::block::{BinaryBlock, RealBlock};
use super::conv::Geometry;
use super::half_block::Shortcut;
use super::mean::global_mean;
use super::norm::normalised;
use super::{Act, BinaryConv, Block, Conv, Dense, Form, Init};
use crate::config::{Activation, Architecture, NetworkConfig, Points};

/// What pictures a network is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Task {
    /// Channels of a picture.
    pub channels: usize,
    /// Its rows and columns.
    pub size: [usize; 2],
    /// How many logits.
    pub classes: usize,
}

/// conv → BN → activation → (max-pool).
#[derive(Module, Debug)]
pub struct Stem {
    /// Real-valued.
    pub conv: Conv,
    /// Behind it.
    pub norm: BatchNorm,
    /// Behind that.
    pub act: Act,
    /// 3x3, stride 2.
    pub pool: bool,
}

/// Blocks at one size of the picture.
#[derive(Module, Debug)]
pub struct Stage {
    /// The first one halves the picture, except in the first stage.
    pub blocks: Vec<Block>,
}

/// (BN → PReLU) → global average pool → fully connected.
#[derive(Module, Debug)]
pub struct Head {
    /// Optional.
    pub norm: Option<BatchNorm>,
    /// Behind it.
    pub act: Option<Act>,
    /// To the logits, with bias.
    pub dense: Dense,
}

/// A network of either architecture.
#[derive(Module, Debug)]
pub struct Network {
    /// Real-valued.
    pub stem: Stem,
    /// Blocks of two convolutions.
    pub stages: Vec<Stage>,
    /// Real-valued.
    pub head: Head,
}

/// What a network says about a batch.
#[derive(Clone, Debug)]
pub struct Output {
    /// [n, classes].
    pub logits: Tensor<2>,
    /// The features at the points asked for, [n, c, h, w] each.
    pub points: Vec<Tensor<4>>,
}

impl Network {
    /// A network with seeded random weights; `form` matters for the binary architecture only.
    pub fn new(config: &NetworkConfig, task: Task, form: Form, seed: u64, device: &Device) -> Self {
        let init = &mut Init::new(seed, device);
        let real = config.architecture == Architecture::Resnet;
        let (block, stem) = (config.block(), config.stem);
        let first = config.widths.first().copied().unwrap_or(1);
        let act = if real { Activation::Relu } else { stem.activation };
        let halved = |size: [usize; 2], stride: usize| size.map(|n| n.div_ceil(stride));
        let stem = Stem {
            conv: Conv::new([task.channels, first], stem.kernel, stem.stride, init),
            norm: BatchNormConfig::new(first).init(device),
            act: Act::new(act, first, block.prelu_init, init),
            pool: stem.pool,
        };
        let mut size = halved(task.size, config.stem.stride);
        if stem.pool {
            size = halved(size, 2);
        }
        let mut width = first;
        let mut stages = Vec::new();
        for (s, (&outputs, &depth)) in config.widths.iter().zip(&config.depths).enumerate() {
            let mut blocks = Vec::new();
            for b in 0..depth {
                let stride = if s > 0 && b == 0 { 2 } else { 1 };
                size = halved(size, stride);
                let geometry = Geometry { channels: [width, outputs], kernel: 3, stride, output: size };
                width = outputs;
                blocks.push(match config.architecture {
                    Architecture::Resnet => Block::Real(RealBlock::new(geometry, init)),
                    Architecture::Binary => Block::Binary(BinaryBlock::new(&block, geometry, form, init)),
                });
            }
            stages.push(Stage { blocks });
        }
        let head = Head {
            norm: config.head_norm.then(|| BatchNormConfig::new(width).init(device)),
            act: config.head_norm.then(|| Act::new(act, width, block.prelu_init, init)),
            dense: Dense::new(width, task.classes, true, init),
        };
        Self { stem, stages, head }
    }

    /// The logits [n, classes] of pictures [n, channels, h, w], normalised.
    pub fn forward(&self, pictures: Tensor<4>) -> Tensor<2> {
        self.run(pictures, None).logits
    }

    /// The logits, and the features at `points`.
    pub fn run(&self, pictures: Tensor<4>, points: Option<Points>) -> Output {
        let mut x = self.stem.forward(pictures);
        let mut taken = Vec::new();
        for stage in &self.stages {
            for block in &stage.blocks {
                x = block.forward(x);
                if points == Some(Points::Blocks) {
                    taken.push(x.clone());
                }
            }
            if points == Some(Points::Stages) {
                taken.push(x.clone());
            }
        }
        Output { logits: self.head.forward(x), points: taken }
    }

    /// After a step of the optimiser: latent weights of binary convolutions are held within [-1, 1].
    #[must_use]
    pub fn with_latent_weights_clipped(self) -> Self {
        self.with_binary_convs(BinaryConv::clipped)
    }

    /// Before the first step with binary weights: learned scales take over the size of the latent ones.
    #[must_use]
    pub fn with_scales_from_weights(self) -> Self {
        self.with_binary_convs(BinaryConv::scaled_by_weights)
    }

    /// Every binary convolution, those of shortcuts too, replaced by what `change` makes of it.
    fn with_binary_convs(mut self, change: impl Fn(BinaryConv) -> BinaryConv) -> Self {
        let shortcut = |shortcut: &mut Option<Shortcut>| {
            if let Some(conv) = shortcut.as_mut().and_then(|s| s.binary.as_mut()) {
                *conv = change(conv.clone());
            }
        };
        for block in self.stages.iter_mut().flat_map(|stage| &mut stage.blocks) {
            if let Block::Binary(block) = block {
                for half in [&mut block.first, &mut block.second] {
                    half.conv = change(half.conv.clone());
                    shortcut(&mut half.shortcut);
                }
                shortcut(&mut block.shortcut);
            }
        }
        self
    }

    /// How many numbers the network holds, the running statistics of its BNs among them.
    pub fn parameters(&self) -> usize {
        struct Count(usize);
        impl ModuleVisitor for Count {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                self.0 += param.val().shape().num_elements();
            }
        }
        let mut count = Count(0);
        self.visit(&mut count);
        count.0
    }
}

impl Stem {
    /// [n, channels, h, w] to [n, width, h / stride, w / stride], rounded up, and half of that with a pool.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.act.forward(normalised(&self.norm, self.conv.forward(x)));
        if self.pool { max_pool2d(x, MaxPoolOptions::new([3, 3]).with_stride([2, 2]).with_padding([1, 1])) } else { x }
    }
}

impl Head {
    fn forward(&self, mut x: Tensor<4>) -> Tensor<2> {
        if let (Some(norm), Some(act)) = (&self.norm, &self.act) {
            x = act.forward(normalised(norm, x));
        }
        self.dense.forward(global_mean(x))
    }
}
