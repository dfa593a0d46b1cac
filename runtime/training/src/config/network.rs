//! The shape of a network, apart from what a step of training makes of it (tanh or sign, real or binary weights).

use serde::{Deserialize, Serialize};

use crate::problem::Problems;

/// A network: stem, stages of blocks of two convolutions, head.
///
/// ```toml
/// [networks.student]
/// architecture = "binary"
/// widths = [64, 128, 256, 512]
/// depths = [2, 2, 2, 2]
/// stem = { kernel = 7, stride = 2, pool = true }
/// block = { gate = { reduction = 8 } }
/// ```
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NetworkConfig {
    /// Which kind of blocks.
    pub architecture: Architecture,
    /// Channels of each stage. The first block of every stage but the first halves the picture.
    #[serde(default = "resnet_widths")]
    pub widths: Vec<usize>,
    /// Blocks (of two convolutions) of each stage; `[2, 2, 2, 2]` is ResNet-18, `[3, 4, 6, 3]` ResNet-34.
    #[serde(default = "resnet_depths")]
    pub depths: Vec<usize>,
    /// What comes before the first stage.
    #[serde(default)]
    pub stem: StemConfig,
    /// The half-blocks of the binary architecture; not for `resnet`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<BlockConfig>,
    /// BN and PReLU before the global average pool (as one reproduction of the paper has it).
    #[serde(default)]
    pub head_norm: bool,
}

fn resnet_widths() -> Vec<usize> {
    vec![64, 128, 256, 512]
}

fn resnet_depths() -> Vec<usize> {
    vec![2, 2, 2, 2]
}

/// The kinds of networks.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// The real-valued residual network of He et al. (2016): conv, BN, ReLU, conv, BN, add, ReLU; the shortcut of a
    /// down-sampling block is a 1x1 convolution of stride 2 and BN.
    Resnet,
    /// Half-blocks of one binary convolution each: see [`BlockConfig`].
    Binary,
}

/// conv → BN → activation → (max-pool), all real-valued. ImageNet's is `kernel = 7, stride = 2, pool = true`, CIFAR's
/// `kernel = 3`.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct StemConfig {
    /// Side of the kernel, odd; the padding is half of it.
    pub kernel: usize,
    /// Its stride.
    pub stride: usize,
    /// A 3x3 max-pool of stride 2 at the end.
    pub pool: bool,
    /// PReLU by default, as the published parameter count of the Larq form asks for; a `resnet` has ReLU always.
    pub activation: Activation,
}

impl Default for StemConfig {
    fn default() -> Self {
        Self { kernel: 3, stride: 1, pool: false, activation: Activation::Prelu }
    }
}

/// The half-block of a binary network: one binary convolution.
///
/// `x → BN → sign → binary conv → × α → × gate → activation → + skip` (paper, section 4 and figure 1). The gate looks
/// at the output of BN, before the sign (section 4.3).
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct BlockConfig {
    /// Where BN is.
    pub order: Order,
    /// What is added at the end.
    pub skip: Skip,
    /// After scale and gate.
    pub activation: Activation,
    /// Slope of every PReLU at the start: 0.25 in PyTorch, 0 in Larq.
    pub prelu_init: f32,
    /// The data-driven channel scale (equation 3); none by default, since the strong baseline has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateConfig>,
    /// The scale of the convolution's output.
    pub scale: Scale,
    /// A learned scale takes over the mean size of each output channel's weights (XNOR-Net's) where a step with binary
    /// weights starts from one with real ones, so that it begins near to where that one ended: ±1 is ten or twenty
    /// times the size of trained weights. Off in the authors' later code, which leaves the difference to training.
    pub scale_from_weights: bool,
    /// The convolution of the shortcut where a block halves the picture: real, as the rows marked ** in the paper's
    /// tables, or binary.
    pub downsample: Downsample,
    /// What the binary convolution sees beyond the border. Zeros in every published implementation of the paper.
    pub padding: Padding,
    /// The gradient of the sign of activations.
    pub activation_gradient: Surrogate,
    /// The gradient of the sign of weights.
    pub weight_gradient: Surrogate,
    /// Latent weights are held within [-1, 1] after each step of the optimiser, where weights are binary. Off in the
    /// authors' later code, on in Larq.
    pub clip_latent_weights: bool,
}

impl Default for BlockConfig {
    fn default() -> Self {
        Self {
            order: Order::NormFirst,
            skip: Skip::Double,
            activation: Activation::Prelu,
            prelu_init: 0.25,
            gate: None,
            scale: Scale::Channel,
            scale_from_weights: false,
            downsample: Downsample::Real,
            padding: Padding::Zero,
            activation_gradient: Surrogate::Clip,
            weight_gradient: Surrogate::Clip,
            clip_latent_weights: false,
        }
    }
}

/// Where BN stands in a half-block.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Before the sign: the paper's, and XNOR-Net's.
    NormFirst,
    /// After the convolution (and its scale): Bi-Real Net's.
    NormLast,
}

/// The skip connections.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Skip {
    /// Around every convolution ("double skip"): the paper's, and Bi-Real Net's.
    Double,
    /// Around every two convolutions, as in the real-valued network.
    Single,
}

/// Real-valued activation functions.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// One slope per channel.
    Prelu,
    /// max(x, 0).
    Relu,
    /// The identity.
    None,
}

/// `sigmoid(W2 · relu(W1 · mean over the picture))`, one factor per picture and output channel (section 4.3).
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GateConfig {
    /// r: 8 in all experiments of the paper (section 4.4).
    #[serde(default = "paper_reduction")]
    pub reduction: usize,
    /// Whether W1 and W2 have biases; the paper is silent, the authors' later code has none.
    #[serde(default)]
    pub bias: bool,
    /// What the hidden width is 1/r of; the paper says C, which differs where a block changes the width.
    #[serde(default)]
    pub hidden: GateHidden,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self { reduction: paper_reduction(), bias: false, hidden: GateHidden::default() }
    }
}

fn paper_reduction() -> usize {
    8
}

/// The channels that a gate's hidden width is a fraction of.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum GateHidden {
    /// Of the input, as Larq has it.
    Input,
    /// Of the output, as the authors' later code has it.
    #[default]
    Output,
}

/// The scale α of a binary convolution.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// None: what stands behind (gate, BN) has to do.
    None,
    /// Learned, one per output channel, 1 at the start (XNOR-Net++, case 1; the authors' later code).
    Channel,
    /// Learned, the product of one vector over channels, one over rows, one over columns (XNOR-Net++, case 4). Ties
    /// the network to one size of pictures.
    Factorised,
    /// The mean size of the latent weights of each output channel, not learned (XNOR-Net).
    Mean,
}

/// The shortcut of a half-block that halves the picture: 2x2 average pool, 1x1 convolution, BN.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Downsample {
    /// The 1x1 convolution is real-valued.
    Real,
    /// Pool → BN → sign → binary 1x1 convolution: the place is the paper's, the order is not told there.
    Binary,
}

/// What a binary convolution sees beyond the border of the picture.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Padding {
    /// Zeros after the sign: a third value.
    Zero,
    /// Ones: every tap is ±1.
    One,
}

/// The derivative that stands in for that of the sign (straight-through estimators).
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Surrogate {
    /// 1 on [-1, 1], 0 elsewhere (BNN, XNOR-Net, Larq, the authors' later code).
    Clip,
    /// 2 - 2|x| on [-1, 1], 0 elsewhere (Bi-Real Net).
    Polynomial,
    /// 1 everywhere.
    Identity,
}

impl NetworkConfig {
    /// Checks the values; `place` is the table's key. `classes` and channels come from the data.
    pub(super) fn check(&self, place: &str, problems: &mut Problems) {
        let at = |key: &str| format!("{place}.{key}");
        problems.check(!self.widths.is_empty(), at("widths"), "a network has one stage at least: [64, 128, 256, 512]");
        problems.check(
            self.widths.len() == self.depths.len(),
            at("depths"),
            format_args!("{} depths for {} widths: give one of each per stage", self.depths.len(), self.widths.len()),
        );
        for (key, list) in [("widths", &self.widths), ("depths", &self.depths)] {
            problems.check(!list.contains(&0), at(key), "every entry is 1 or more");
        }
        problems.check(self.stem.kernel % 2 == 1, at("stem.kernel"), "the kernel's side is odd: 3 or 7");
        problems.check(self.stem.stride >= 1, at("stem.stride"), "the stride is 1 or more");
        match (self.architecture, &self.block) {
            (Architecture::Resnet, Some(_)) => {
                problems.add(at("block"), "only `architecture = \"binary\"` has binary blocks; remove it");
            }
            (_, Some(block)) => {
                problems.check(block.prelu_init.is_finite(), at("block.prelu-init"), "a number: 0.25 or 0");
                problems.check(
                    !block.scale_from_weights || matches!(block.scale, Scale::Channel | Scale::Factorised),
                    at("block.scale-from-weights"),
                    "only a learned scale can take anything over: remove it, or take `scale = \"channel\"`",
                );
                if let Some(gate) = &block.gate {
                    problems.check(gate.reduction >= 1, at("block.gate.reduction"), "1 or more; the paper has 8");
                }
            }
            _ => {}
        }
    }

    /// The half-blocks' configuration, the default one where none is given.
    pub fn block(&self) -> BlockConfig {
        self.block.unwrap_or_default()
    }
}
