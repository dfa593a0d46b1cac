//! Convolutions without bias: real-valued ones, and those whose weights may be binary.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::ops::PadMode;

use super::{Init, convolve, sign};
use crate::config::{Padding, Scale, Surrogate, Weights};

/// A real-valued convolution: weights [out, in, k, k], padding k / 2.
#[derive(Module, Debug)]
pub struct Conv {
    /// [out, in, k, k].
    pub weight: Param<Tensor<4>>,
    /// In both directions.
    pub stride: usize,
}

impl Conv {
    /// He-normal weights.
    pub fn new(channels: [usize; 2], kernel: usize, stride: usize, init: &mut Init<'_>) -> Self {
        Self { weight: init.he_normal([channels[1], channels[0], kernel, kernel]), stride }
    }

    /// [n, in, h, w] to [n, out, h / stride, w / stride], rounded up.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let weight = self.weight.val();
        let pad = weight.dims()[2] / 2;
        convolve(x, weight, self.stride, pad)
    }
}

/// A convolution with latent weights, used as they are or by their signs, and a scale of its output.
#[derive(Module, Debug)]
pub struct BinaryConv {
    /// Latent weights, [out, in, k, k].
    pub latent: Param<Tensor<4>>,
    /// α over output channels, `[out]`.
    pub alpha: Option<Param<Tensor<1>>>,
    /// α over rows, `[h]`; of a factorised scale.
    pub alpha_rows: Option<Param<Tensor<1>>>,
    /// α over columns, `[w]`; of a factorised scale.
    pub alpha_columns: Option<Param<Tensor<1>>>,
    /// In both directions.
    pub stride: usize,
    /// Beyond the border.
    #[module(skip)]
    pub padding: Padding,
    /// What the weights are.
    #[module(skip)]
    pub weights: Weights,
    /// The gradient of their sign.
    #[module(skip)]
    pub gradient: Surrogate,
    /// Which scale.
    #[module(skip)]
    pub scale: Scale,
}

/// What distinguishes a [`BinaryConv`] from another one of the same network.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    /// In, out.
    pub channels: [usize; 2],
    /// Side of the kernel.
    pub kernel: usize,
    /// In both directions.
    pub stride: usize,
    /// Rows and columns of the output.
    pub output: [usize; 2],
}

impl BinaryConv {
    /// He-normal latent weights, a scale of ones.
    pub fn new(
        geometry: Geometry,
        scale: Scale,
        padding: Padding,
        weights: Weights,
        gradient: Surrogate,
        init: &mut Init<'_>,
    ) -> Self {
        let Geometry { channels: [inputs, outputs], kernel, stride, output: [rows, columns] } = geometry;
        let learned = matches!(scale, Scale::Channel | Scale::Factorised);
        let factorised = scale == Scale::Factorised;
        Self {
            latent: init.he_normal([outputs, inputs, kernel, kernel]),
            alpha: learned.then(|| init.constant([outputs], 1.0)),
            alpha_rows: factorised.then(|| init.constant([rows], 1.0)),
            alpha_columns: factorised.then(|| init.constant([columns], 1.0)),
            stride,
            padding,
            weights,
            gradient,
            scale,
        }
    }

    /// The convolution without its learned scale: [n, in, h, w] to [n, out, h / stride, w / stride], rounded up.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let weight = self.weight();
        let pad = weight.dims()[2] / 2;
        match self.padding {
            Padding::One if pad > 0 => {
                let x = x.pad((pad, pad, pad, pad), PadMode::Constant(1.0));
                convolve(x, weight, self.stride, 0)
            }
            _ => convolve(x, weight, self.stride, pad),
        }
    }

    /// The weights that the convolution uses, [out, in, k, k]; XNOR-Net's scale is in them, and no gradient goes
    /// through it.
    pub fn weight(&self) -> Tensor<4> {
        let latent = self.latent.val();
        match (self.weights, self.scale) {
            (Weights::Real, _) => latent,
            (Weights::Sign, Scale::Mean) => {
                let mean = mean_size(latent.clone().detach());
                sign(latent, self.gradient) * mean
            }
            (Weights::Sign, _) => sign(latent, self.gradient),
        }
    }

    /// The learned scale, to multiply the output with: [1, out, 1, 1] or [1, out, h, w].
    pub fn scale(&self) -> Option<Tensor<4>> {
        let shaped = |param: &Param<Tensor<1>>, axis: usize| {
            let value = param.val();
            let mut shape = [1; 4];
            shape[axis] = value.dims()[0];
            value.reshape(shape)
        };
        let mut scale = shaped(self.alpha.as_ref()?, 1);
        if let (Some(rows), Some(columns)) = (&self.alpha_rows, &self.alpha_columns) {
            scale = scale * shaped(rows, 2) * shaped(columns, 3);
        }
        Some(scale)
    }

    /// A learned scale takes over the mean size of each output channel's latent weights, which is lost when their signs
    /// are taken: the nearest to the convolution with real weights (XNOR-Net, equation 6).
    #[must_use]
    pub fn scaled_by_weights(mut self) -> Self {
        let mean = mean_size(self.latent.val().inner()).flatten::<1>(0, 3);
        self.alpha = self.alpha.map(|alpha| alpha.map(|a| Tensor::from_inner(a.inner() * mean).require_grad()));
        self
    }

    /// Holds binary weights' latent ones within [-1, 1], where the surrogate lets gradients through.
    #[must_use]
    pub fn clipped(mut self) -> Self {
        if self.weights == Weights::Sign {
            self.latent = self.latent.map(|w| Tensor::from_inner(w.inner().clamp(-1.0, 1.0)).require_grad());
        }
        self
    }
}

/// The mean size of each output channel's weights: [out, in, k, k] to [out, 1, 1, 1].
pub(crate) fn mean_size(latent: Tensor<4>) -> Tensor<4> {
    let outputs = latent.dims()[0];
    latent.abs().reshape([outputs as i32, -1]).mean_dim(1).reshape([outputs, 1, 1, 1])
}
