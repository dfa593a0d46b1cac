//! How long a procedure takes, and how much memory, before it is begun.

use std::sync::atomic::AtomicBool;

use super::procedure::{checkpoint, earlier, network_of};
use super::step::Step;
use super::{Pictures, Quiet, device, memory, settings};
use crate::config::{Config, NetworkConfig};
use crate::optim::optimiser;
use crate::problem::Result;
use crate::together::Together;

/// A step, measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Its name.
    pub step: String,
    /// Numbers its network holds.
    pub parameters: usize,
    /// Updates in an epoch.
    pub updates: usize,
    /// Seconds of an epoch, with its look at the validation pictures.
    pub epoch: f64,
    /// Epochs times that, and the look at the test pictures at the end.
    pub whole: f64,
    /// The most memory that the process had meanwhile, in bytes, the pictures that are kept in it among it; without that
    /// of a graphics card. Nothing where the system does not say it.
    pub memory: Option<u64>,
}

/// Measures a few updates of every step, on random weights; nothing is written.
///
/// # Errors
/// A device that is not there.
pub fn estimate(config: &Config, data: &Pictures) -> Result<Vec<Estimate>> {
    let device = device(&config.device)?;
    let mut all = Vec::new();
    for (index, step) in config.steps.iter().enumerate() {
        let seed = settings::seed(config, index);
        memory::count_anew();
        let network = network_of(config, step, data.task, seed, &device.clone().autodiff())?;
        let parameters = network.parameters();
        let teacher = earlier(config, step.teacher.as_ref());
        let teacher = teacher.map(|other| network_of(config, other, data.task, seed, &device)).transpose()?;
        let block = config.networks.get(&step.network).map(NetworkConfig::block).unwrap_or_default();
        let measured = Step {
            config,
            step,
            seed,
            task: data.task,
            train: data.train.clone(),
            validation: data.validation.clone(),
            test: data.test.clone(),
            device: &device,
            teacher,
            clip_latent_weights: block.clip_latent_weights,
            checkpoint: checkpoint(config, step),
            stop: &AtomicBool::new(false),
            progress: &mut Quiet,
            together: Together::ALONE,
        };
        let speed = measured.speed(network, optimiser(&step.optimiser)?);
        let epoch = data.train.len() as f64 * speed.learning + data.validation.len() as f64 * speed.looking;
        all.push(Estimate {
            step: step.name.clone(),
            parameters,
            updates: (data.train.len() / step.batch).max(1).div_ceil(step.accumulate),
            epoch,
            whole: step.epochs as f64 * epoch + data.test.len() as f64 * speed.looking,
            memory: memory::most(),
        });
    }
    Ok(all)
}
