//! Real-valued activation functions as modules.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, activation};

use super::{Init, prelu};
use crate::config::Activation;

/// PReLU with one slope per channel, ReLU, or nothing.
#[derive(Module, Debug)]
pub struct Act {
    /// [channels], of a PReLU.
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

    /// Element by element.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match (&self.slope, self.kind) {
            (Some(slope), _) => prelu(x, slope.val()),
            (None, Activation::Relu) => activation::relu(x),
            (None, _) => x,
        }
    }
}
