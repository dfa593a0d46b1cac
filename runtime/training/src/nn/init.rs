//! Seeded values for parameters: the same seed gives the same network on every device and machine.

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// Draws the values of parameters one after the other.
#[derive(Debug)]
pub struct Init<'a> {
    random: ChaCha8Rng,
    /// Where parameters live.
    pub device: &'a Device,
}

impl<'a> Init<'a> {
    /// A fresh generator.
    pub fn new(seed: u64, device: &'a Device) -> Self {
        Self { random: ChaCha8Rng::seed_from_u64(seed), device }
    }

    /// Normal values of standard deviation √(2 / fan-out) (He et al. 2015, as torchvision's ResNets have it), for a
    /// convolution's kernel [out, in, h, w].
    pub fn he_normal(&mut self, shape: [usize; 4]) -> Param<Tensor<4>> {
        let deviation = (2.0 / (shape[0] * shape[2] * shape[3]) as f32).sqrt();
        let values = draw_all(shape, || deviation * self.random.sample::<f32, _>(StandardNormal));
        self.param(shape, values)
    }

    /// Uniform values within ±1/√fan-in, as PyTorch's fully connected layers have them.
    pub fn uniform<const D: usize>(&mut self, shape: [usize; D], fan_in: usize) -> Param<Tensor<D>> {
        let bound = 1.0 / (fan_in.max(1) as f32).sqrt();
        let values = draw_all(shape, || bound * (2.0 * self.random.random::<f32>() - 1.0));
        self.param(shape, values)
    }

    /// The same value everywhere.
    pub fn constant<const D: usize>(&self, shape: [usize; D], value: f32) -> Param<Tensor<D>> {
        self.param(shape, draw_all(shape, || value))
    }

    fn param<const D: usize>(&self, shape: [usize; D], values: Vec<f32>) -> Param<Tensor<D>> {
        Param::from_data(TensorData::new(values, shape), self.device)
    }
}

fn draw_all<const D: usize>(shape: [usize; D], mut draw: impl FnMut() -> f32) -> Vec<f32> {
    (0..shape.iter().product()).map(|_| draw()).collect()
}
