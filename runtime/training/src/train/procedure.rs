//! The whole procedure: every step in order, those done already skipped.

use std::fs;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;

use super::checkpoint::write;
use super::step::{End, Step, parts};
use super::{Checkpoint, Progress, device, load_network, restore};
use crate::config::{Config, NetworkConfig, StepConfig, Weights};
use crate::data::Dataset;
use crate::nn::{Form, Network, Task};
use crate::optim::optimiser;
use crate::problem::{Problems, Result};

/// Where it is written what the networks of a folder of results take and give.
const TASK: &str = "task.json";

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every step is done.
    Done,
    /// `stop` was set; the same call goes on from the last whole epoch.
    Interrupted,
}

/// Trains everything that is not trained yet. `stop` is looked at between batches.
///
/// # Errors
/// Data that cannot be read, a device that is not there, files that cannot be written, a loss that is no number.
pub fn run(config: &Config, stop: &AtomicBool, progress: &mut dyn Progress) -> Result<Outcome> {
    let device = device(&config.device)?;
    remember(config)?;
    let data = Dataset::load(&config.data)?;
    let task = data.task(&config.data);
    let path = config.output.join(TASK);
    write(&path, serde_json::to_string(&task).map_err(|e| Problems::file(&path, e))?.as_bytes())?;
    let (train, test) = parts(data);
    for (index, step) in config.steps.iter().enumerate() {
        let checkpoint = Checkpoint::new(&config.output, &step.name);
        let state = checkpoint.state()?;
        if state.epochs.len() >= step.epochs {
            progress.note(&format!("{}: done already, {} epochs", step.name, state.epochs.len()));
            continue;
        }
        let block = config.networks.get(&step.network).map(NetworkConfig::block).unwrap_or_default();
        let training = device.clone().autodiff();
        let mut optimiser = optimiser(&step.optimiser)?;
        // Steps differ in what is random, and one step is the same whatever comes before.
        let seed = config.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(index as u64);
        let mut network = network_of(config, step, task, seed, &training)?;
        if !state.epochs.is_empty() {
            progress.note(&format!("{}: goes on after epoch {}", step.name, state.epochs.len()));
            network = restore(network, &checkpoint.network(&state, false))?;
            optimiser = checkpoint.load_optimiser(&state, optimiser)?;
        } else if let Some(start) = &step.start_from {
            network = load_network(&Checkpoint::new(&config.output, start), network, false)?;
            let real = |name: &str| config.steps.iter().any(|s| s.name == name && s.weights == Weights::Real);
            if real(start) && step.weights == Weights::Sign && block.scale_from_weights {
                network = network.with_scales_from_weights();
            }
        }
        let teacher = match config.steps.iter().find(|other| Some(&other.name) == step.teacher.as_ref()) {
            Some(other) => {
                let network = network_of(config, other, task, seed, &device)?;
                Some(load_network(&Checkpoint::new(&config.output, &other.name), network, true)?)
            }
            None => None,
        };
        let mut step = Step {
            config,
            step,
            seed,
            task,
            train: train.clone(),
            test: test.clone(),
            device: &device,
            teacher,
            clip_latent_weights: block.clip_latent_weights,
            checkpoint,
            stop,
            progress: &mut *progress,
        };
        if step.run(network, optimiser, state)? == End::Interrupted {
            return Ok(Outcome::Interrupted);
        }
    }
    Ok(Outcome::Done)
}

/// What the networks in the folder of results take and give.
///
/// # Errors
/// A folder in which nothing was trained.
pub fn trained_task(config: &Config) -> Result<Task> {
    let path = config.output.join(TASK);
    let text = fs::read_to_string(&path)
        .map_err(|e| Problems::file(&path, format_args!("cannot be read ({e}): nothing is trained here yet")))?;
    serde_json::from_str(&text).map_err(|e| Problems::file(&path, e))
}

/// The trained network of a step, its best one or its last, to be used without gradients.
///
/// # Errors
/// A step that is not there, or not trained.
pub fn trained(config: &Config, step: &str, best: bool, device: &Device) -> Result<Network> {
    let Some(found) = config.steps.iter().find(|s| s.name == step) else {
        let names = config.steps.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join("`, `");
        return Err(Problems::one("step", format_args!("there is no step `{step}`, but `{names}`")));
    };
    let network = network_of(config, found, trained_task(config)?, config.seed, device)?;
    load_network(&Checkpoint::new(&config.output, step), network, best)
}

/// The network of a step, with seeded random weights.
///
/// # Errors
/// A name of no network, which a checked configuration does not have.
pub fn network_of(config: &Config, step: &StepConfig, task: Task, seed: u64, device: &Device) -> Result<Network> {
    let Some(network) = config.networks.get(&step.network) else {
        return Err(Problems::one(format_args!("step `{}`", step.name), "its network is not there"));
    };
    Ok(Network::new(network, task, Form { inputs: step.inputs, weights: step.weights }, seed, device))
}

/// Writes down the configuration, or compares it with the one the folder of results was begun with: what another one
/// began is not gone on with.
fn remember(config: &Config) -> Result {
    let path = config.output.join("config.toml");
    // Where it runs, and from where it is called, does not change what comes out.
    let mut same = config.clone();
    (same.device, same.data.workers, same.output) = ("cpu".to_owned(), 0, ".".into());
    if let Ok(folder) = fs::canonicalize(&config.data.folder) {
        same.data.folder = folder;
    }
    let text = toml::to_string(&same).map_err(|e| Problems::file(&path, e))?;
    match fs::read_to_string(&path) {
        Ok(before) if before == text => Ok(()),
        Ok(_) => Err(Problems::file(
            &path,
            "these results were begun with other settings: choose another `output`, or remove this folder",
        )),
        Err(_) => {
            fs::create_dir_all(&config.output)
                .map_err(|e| Problems::file(&config.output, format_args!("cannot be made: {e}")))?;
            write(&path, text.as_bytes())
        }
    }
}
