//! Real-valued activation functions as modules.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, activation};

use super::{Init, prelu, scaled_prelu};
use crate::config::Activation;

/// PReLU with one slope per channel, ReLU, or nothing.
#[derive(Module, Debug)]
pub struct Act {
    /// `[channels]`, of a PReLU.
    pub slope: Option<Param<Tensor<1>>>,
    /// Which.
    #[module(skip)]
    pub kind: Activation,
}

impl Act {
    /// For `channels` channels; `slope` is a PReLU's at the start.
    pub fn new(kind: Activation, channels: usize, slope: f32, init: &mut Init<'_>) -> Self {
        Self { slope: (kind == Activation::Prelu).then(|| init.constant([channels], slope)), kind }
    }

    /// As `forward(x * factor)` for a factor of each channel, [n or 1, channels, 1, 1], or of each place.
    pub fn forward_scaled(&self, x: Tensor<4>, factor: Tensor<4>) -> Tensor<4> {
        match &self.slope {
            Some(slope) if factor.dims()[2..] == [1, 1] => scaled_prelu(x, factor, slope.val()),
            _ => self.forward(x * factor),
        }
    }

    /// Element by element.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match (&self.slope, self.kind) {
            (Some(slope), _) => prelu(x, slope.val()),
            (None, Activation::Relu) => activation::relu(x),
            (None, _) => x,
        }
    }
}
