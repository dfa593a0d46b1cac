//! A look inside a trained network: where it looks, what its signs are taken of, what its latent weights have become.

mod attention;
mod distribution;
#[cfg(test)]
mod tests;

pub use attention::{Look, Map, attention};
pub use distribution::{Histogram, activations, latent_weights};

use burn::tensor::{Device, Tensor, TensorData};

use crate::config::DataConfig;
use crate::data::{Part, Raster, centred};
use crate::nn::Task;
use crate::problem::Result;

/// A few pictures of a part, at equal distances, as an evaluation shows them to a network.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The pictures, cut and scaled.
    pub pictures: Vec<Raster>,
    /// Their classes.
    pub labels: Vec<u32>,
    /// Normalised, [n, channels, rows, columns].
    pub tensor: Tensor<4>,
}

impl Sample {
    /// `count` pictures; fewer where there are not so many.
    ///
    /// # Errors
    /// A picture that cannot be read.
    pub fn new(part: &Part, config: &DataConfig, task: Task, count: usize, device: &Device) -> Result<Self> {
        let count = count.clamp(1, part.len().max(1));
        let (mut pictures, mut labels, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for i in (0..count).map(|i| i * part.len() / count) {
            let picture = centred(part.picture(i)?, config.resize, task.size);
            picture.normalised(&config.mean, &config.std, &mut values);
            pictures.push(picture);
            labels.push(part.labels[i]);
        }
        let shape = [pictures.len(), task.channels, task.size[0], task.size[1]];
        Ok(Self { pictures, labels, tensor: Tensor::from_data(TensorData::new(values, shape), device) })
    }
}

/// The numbers of a tensor, in order.
fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap_or_default()
}
