//! The data-driven channel scale of section 4.3: what a real-valued network of two small layers makes of the picture's
//! means decides how strong each output channel is.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, activation};

use super::Init;
use super::mean::global_mean;
use crate::config::{GateConfig, GateHidden};

/// A fully connected layer: x · weight + bias.
#[derive(Module, Debug)]
pub struct Dense {
    /// [in, out].
    pub weight: Param<Tensor<2>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
}

impl Dense {
    /// PyTorch's uniform values.
    pub fn new(inputs: usize, outputs: usize, bias: bool, init: &mut Init<'_>) -> Self {
        Self { weight: init.uniform([inputs, outputs], inputs), bias: bias.then(|| init.uniform([outputs], inputs)) }
    }

    /// [n, in] to [n, out].
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let y = x.matmul(self.weight.val());
        match &self.bias {
            Some(bias) => y + bias.val().unsqueeze(),
            None => y,
        }
    }
}

/// sigmoid(W2 · relu(W1 · mean over the picture)).
#[derive(Module, Debug)]
pub struct Gate {
    /// W1.
    pub down: Dense,
    /// W2.
    pub up: Dense,
}

impl Gate {
    /// Of a half-block from `inputs` to `outputs` channels.
    pub fn new(config: GateConfig, inputs: usize, outputs: usize, init: &mut Init<'_>) -> Self {
        let of = match config.hidden {
            GateHidden::Input => inputs,
            GateHidden::Output => outputs,
        };
        let hidden = (of / config.reduction).max(1);
        Self { down: Dense::new(inputs, hidden, config.bias, init), up: Dense::new(hidden, outputs, config.bias, init) }
    }

    /// [n, in, h, w] to factors [n, out, 1, 1].
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let hidden = activation::relu(self.down.forward(global_mean(x)));
        activation::sigmoid(self.up.forward(hidden)).unsqueeze_dims(&[2, 3])
    }
}
