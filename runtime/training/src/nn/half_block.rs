//! The half-block: one binary convolution with everything around it.

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::module::avg_pool2d;
use burn::tensor::ops::AvgPoolOptions;
use burn::tensor::{Tensor, activation};

use super::conv::Geometry;
use super::norm::normalised;
use super::{Act, BinaryConv, Conv, Gate, Init, sign};
use crate::config::{BlockConfig, Downsample, Inputs, Order, Surrogate, Weights};

/// What a step of training makes of a binary network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// What stands before a binary convolution.
    pub inputs: Inputs,
    /// Its weights.
    pub weights: Weights,
}

/// `x → BN → sign → binary conv → × α · gate → activation → + skip`, or with BN after the convolution.
#[derive(Module, Debug)]
pub struct HalfBlock {
    /// Of the input, or of the convolution's output.
    pub norm: BatchNorm,
    /// The binary convolution with its scale.
    pub conv: BinaryConv,
    /// The data-driven channel scale.
    pub gate: Option<Gate>,
    /// After the scales.
    pub act: Act,
    /// What makes the skip fit, where the block halves the picture.
    pub shortcut: Option<Shortcut>,
    /// Whether the half-block has a skip of its own.
    pub skip: bool,
    /// Where BN is.
    #[module(skip)]
    pub order: Order,
    /// What stands before the convolution.
    #[module(skip)]
    pub inputs: Inputs,
    /// The gradient of the sign.
    #[module(skip)]
    pub gradient: Surrogate,
}

impl HalfBlock {
    /// A 3x3 half-block; `skip` says whether it has one of its own.
    pub fn new(config: &BlockConfig, geometry: Geometry, form: Form, skip: bool, init: &mut Init<'_>) -> Self {
        let [inputs, outputs] = geometry.channels;
        let normed = match config.order {
            Order::NormFirst => inputs,
            Order::NormLast => outputs,
        };
        Self {
            norm: BatchNormConfig::new(normed).init(init.device),
            conv: BinaryConv::new(geometry, config.scale, config.padding, form.weights, config.weight_gradient, init),
            gate: config.gate.map(|gate| Gate::new(gate, inputs, outputs, init)),
            act: Act::new(config.activation, outputs, config.prelu_init, init),
            shortcut: (skip && geometry.stride > 1).then(|| Shortcut::new(config, geometry, form, init)),
            skip,
            order: config.order,
            inputs: form.inputs,
            gradient: config.activation_gradient,
        }
    }

    /// What the sign (or tanh) is taken of, for an input [n, in, h, w]; of the same shape.
    pub fn before_sign(&self, x: Tensor<4>) -> Tensor<4> {
        match self.order {
            Order::NormFirst => normalised(&self.norm, x),
            Order::NormLast => x,
        }
    }

    /// [n, in, h, w] to [n, out, h / stride, w / stride], rounded up.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let seen = self.before_sign(x.clone());
        let gate = self.gate.as_ref().map(|gate| gate.forward(seen.clone()));
        let mut y = self.conv.forward(binarise(seen, self.inputs, self.gradient));
        let mut scale = self.conv.scale();
        if self.order == Order::NormLast {
            if let Some(scale) = scale.take() {
                y = y * scale;
            }
            y = normalised(&self.norm, y);
        }
        // One product over the whole picture rather than two.
        let factor = match (scale, gate) {
            (Some(scale), Some(gate)) => Some(scale * gate),
            (one, other) => one.or(other),
        };
        let y = match factor {
            Some(factor) => self.act.forward_scaled(y, factor),
            None => self.act.forward(y),
        };
        match (&self.shortcut, self.skip) {
            (Some(shortcut), _) => y + shortcut.forward(x),
            (None, true) => y + x,
            (None, false) => y,
        }
    }
}

fn binarise(x: Tensor<4>, inputs: Inputs, gradient: Surrogate) -> Tensor<4> {
    match inputs {
        // tanh x = 2σ(2x) - 1, which costs the CPU's backend a third of its tanh.
        Inputs::Tanh => activation::sigmoid(x * 2.0) * 2.0 - 1.0,
        Inputs::Sign => sign(x, gradient),
    }
}

/// The shortcut of a half-block that halves the picture: 2x2 average pool → 1x1 convolution → BN, or, with a binary
/// convolution, pool → BN → sign → 1x1 convolution.
#[derive(Module, Debug)]
pub struct Shortcut {
    /// The convolution, if it is real.
    pub real: Option<Conv>,
    /// The convolution, if it is binary.
    pub binary: Option<BinaryConv>,
    /// Behind a real convolution, before the sign of a binary one.
    pub norm: BatchNorm,
    /// Pool and stride.
    pub stride: usize,
    /// What stands before a binary convolution.
    #[module(skip)]
    pub inputs: Inputs,
    /// The gradient of the sign.
    #[module(skip)]
    pub gradient: Surrogate,
}

impl Shortcut {
    /// For a block of this geometry.
    pub fn new(config: &BlockConfig, geometry: Geometry, form: Form, init: &mut Init<'_>) -> Self {
        let [inputs, outputs] = geometry.channels;
        let (real, binary) = match config.downsample {
            Downsample::Real => (Some(Conv::new([inputs, outputs], 1, 1, init)), None),
            Downsample::Binary => {
                let geometry = Geometry { kernel: 1, stride: 1, ..geometry };
                let (pad, gradient) = (config.padding, config.weight_gradient);
                (None, Some(BinaryConv::new(geometry, config.scale, pad, form.weights, gradient, init)))
            }
        };
        Self {
            norm: BatchNormConfig::new(if real.is_some() { outputs } else { inputs }).init(init.device),
            real,
            binary,
            stride: geometry.stride,
            inputs: form.inputs,
            gradient: config.activation_gradient,
        }
    }

    /// [n, in, h, w] to [n, out, h / stride, w / stride], rounded up.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let k = [self.stride; 2];
        let x = avg_pool2d(x, AvgPoolOptions::new(k).with_count_include_pad(false).with_ceil_mode(true));
        if let Some(conv) = &self.real {
            return normalised(&self.norm, conv.forward(x));
        }
        let x = binarise(normalised(&self.norm, x), self.inputs, self.gradient);
        let Some(conv) = &self.binary else { return x };
        let y = conv.forward(x);
        match conv.scale() {
            Some(scale) => y * scale,
            None => y,
        }
    }
}
