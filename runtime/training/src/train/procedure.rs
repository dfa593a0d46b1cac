//! The whole procedure: every step in order, those done already skipped.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;

use super::checkpoint::{spread, write};
use super::step::{End, Step};
use super::{Checkpoint, Epoch, Progress, State, device, load_network, restore, settings, tensorboard};
use crate::config::{Config, DataConfig, NetworkConfig, StepConfig, Weights};
use crate::data::{Dataset, Part};
use crate::import::with_weights;
use crate::nn::{Form, Network, Task};
use crate::optim::optimiser;
use crate::plot;
use crate::problem::{Problems, Result};
use crate::together::Together;

/// Where it is written what the networks of a folder of results take and give.
const TASK: &str = "task.json";

/// Where the names of the classes are, in the order of their labels.
const CLASSES: &str = "classes.json";

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every step is done.
    Done,
    /// `stop` was set; the same call goes on from the last whole epoch.
    Interrupted,
}

/// Pictures, read once and shared by the threads that make batches of them.
#[derive(Clone, Debug)]
pub struct Pictures {
    pub(super) task: Task,
    pub(super) train: Arc<Part>,
    pub(super) validation: Arc<Part>,
    pub(super) test: Arc<Part>,
    /// Their names.
    classes: Vec<String>,
}

impl Pictures {
    /// Reads the data of a configuration.
    ///
    /// # Errors
    /// What [`Dataset::load`] says.
    pub fn load(config: &DataConfig) -> Result<Self> {
        let data = Dataset::load(config)?;
        let (task, test) = (data.task(config), Arc::new(data.test));
        let validation = data.validation.map_or_else(|| test.clone(), Arc::new);
        Ok(Self { task, train: Arc::new(data.train), validation, test, classes: data.classes })
    }

    /// What a network for them takes and gives.
    pub fn task(&self) -> Task {
        self.task
    }

    /// A number that differs where two processes would not train the same pictures.
    fn digest(&self) -> Result<u32> {
        let text = serde_json::to_vec(&(self.task, &self.train.labels, &self.classes));
        Ok(crc32c::crc32c(&text.map_err(|e| Problems::one("data", e))?))
    }

    /// Whether there are enough for so many processes: none of them may have an empty share.
    fn enough(&self, config: &Config, processes: usize) -> Result {
        let train = self.train.len();
        let trains = config.steps.iter().any(|step| step.epochs > 0);
        let mut problems = Problems::default();
        let what = format_args!("{train} pictures to train cannot be divided among {processes} processes: take fewer");
        problems.check(train == 0 || !trains || train >= processes, "data", what);
        problems.or(())
    }

    /// How many there are of each part, and of a class, for people.
    pub fn text(&self) -> String {
        let count = |part: &Arc<Part>| part.len();
        let Task { channels, size: [rows, columns], classes } = self.task;
        let mut text = format!(
            "{classes} classes, pictures of {rows}x{columns} with {channels} channels: {} to train, ",
            count(&self.train)
        );
        if !Arc::ptr_eq(&self.validation, &self.test) {
            let _ = write!(text, "{} to choose the best epochs on, ", count(&self.validation));
        }
        let _ = write!(text, "{} to test", count(&self.test));
        let mut of_class = vec![0usize; classes];
        self.train.labels.iter().for_each(|&label| of_class[label as usize] += 1);
        let [least, most] = [of_class.iter().min(), of_class.iter().max()].map(|n| n.copied().unwrap_or(0));
        let _ = match least == most {
            true => write!(text, "\nof each class {least} to train"),
            false => write!(text, "\nof a class between {least} and {most} to train"),
        };
        text
    }
}

/// Trains everything that is not trained yet, together with the processes that [`join`](crate::together::join) found: all of
/// them have to call this. `stop` is looked at between batches; one process that is stopped stops all.
///
/// # Errors
/// Data that cannot be read, a device that is not there, files that cannot be written, a loss that is no number.
pub fn run(config: &Config, stop: &AtomicBool, progress: &mut dyn Progress) -> Result<Outcome> {
    let together = Together::current();
    // Whatever is cheap to find out comes before the pictures are read.
    together.agree(device(&config.device))?;
    together.check(config)?;
    together.first(|| settings::same(config))?;
    run_on(config, &together.agree(Pictures::load(&config.data))?, stop, progress)
}

/// As [`run`], with pictures that several procedures share.
///
/// # Errors
/// As [`run`].
pub fn run_on(config: &Config, data: &Pictures, stop: &AtomicBool, progress: &mut dyn Progress) -> Result<Outcome> {
    let together = Together::current();
    let device = together.agree(device(&config.device))?;
    together.check(config)?;
    together.same(settings::digest(config)?, "configuration", "give all of them the same file")?;
    together.same(data.digest()?, "data", "give all of them the same pictures")?;
    together.agree(data.enough(config, together.size()))?;
    let task = data.task;
    together.first(|| {
        settings::remember(config)?;
        let put = |name: &str, text: serde_json::Result<String>| {
            let path = config.output.join(name);
            write(&path, text.map_err(|e| Problems::file(&path, e))?.as_bytes())
        };
        put(TASK, serde_json::to_string(&task))?;
        put(CLASSES, serde_json::to_string(&data.classes))
    })?;
    for (index, step) in config.steps.iter().enumerate() {
        let checkpoint = checkpoint(config, step);
        let state = together.first(|| checkpoint.state())?;
        if state.done(step) {
            together.first(|| {
                settings::same_of_shared(config, index)?;
                tell_tensorboard(config, step, &state)
            })?;
            progress.note(&format!("{}: done already, {} epochs", step.name, state.epochs.len()));
            continue;
        }
        let mut _lock = None;
        together.first(|| {
            _lock = settings::begin(config, index)?;
            Ok(())
        })?;
        let block = config.networks.get(&step.network).map(NetworkConfig::block).unwrap_or_default();
        let training = device.clone().autodiff();
        let mut optimiser = optimiser(&step.optimiser)?;
        let seed = settings::seed(config, index);
        let network = spread(network_of(config, step, task, seed, &training)?, |network| {
            if !state.epochs.is_empty() {
                return restore(network, &checkpoint.network(&state, false));
            }
            if let Some(file) = &step.initial {
                return with_weights(network, file);
            }
            let Some(start) = earlier(config, step.start_from.as_ref()) else { return Ok(network) };
            let network = load_network(&self::checkpoint(config, start), network, false)?;
            let scaled = start.weights == Weights::Real && step.weights == Weights::Sign && block.scale_from_weights;
            Ok(if scaled { network.with_scales_from_weights() } else { network })
        })?;
        if !state.epochs.is_empty() {
            progress.note(&format!("{}: goes on after epoch {}", step.name, state.epochs.len()));
            optimiser = checkpoint.load_optimiser(&state, optimiser)?;
        }
        let teacher = match earlier(config, step.teacher.as_ref()) {
            Some(other) => {
                let network = network_of(config, other, task, seed, &device)?;
                Some(spread(network, |network| load_network(&self::checkpoint(config, other), network, true))?)
            }
            None => None,
        };
        let mut step = Step {
            config,
            step,
            seed,
            task,
            train: data.train.clone(),
            validation: data.validation.clone(),
            test: data.test.clone(),
            device: &device,
            teacher,
            clip_latent_weights: block.clip_latent_weights,
            checkpoint,
            stop,
            progress: &mut *progress,
            together,
        };
        if step.run(network, optimiser, state)? == End::Interrupted {
            return Ok(Outcome::Interrupted);
        }
    }
    Ok(Outcome::Done)
}

/// Brings the event files of a step up to date, where they are asked for.
pub(super) fn tell_tensorboard(config: &Config, step: &StepConfig, state: &State) -> Result {
    match config.tensorboard.folder(&config.output) {
        Some(folder) => tensorboard::write(&folder.join(&step.name), state),
        None => Ok(()),
    }
}

/// Every step with its epochs so far.
///
/// # Errors
/// A state that cannot be read or understood.
pub fn history(config: &Config) -> Result<Vec<(String, Vec<Epoch>)>> {
    config.steps.iter().map(|step| Ok((step.name.clone(), checkpoint(config, step).state()?.epochs))).collect()
}

/// Draws `curves.svg` in the folder of results, and says where it is.
///
/// # Errors
/// A state that cannot be read, a file that cannot be written.
pub fn write_curves(config: &Config) -> Result<PathBuf> {
    let path = config.output.join("curves.svg");
    write(&path, plot::curves(&history(config)?)?.as_bytes())?;
    Ok(path)
}

/// What is kept of a step.
pub fn checkpoint(config: &Config, step: &StepConfig) -> Checkpoint {
    Checkpoint::new(&config.output, step.folder())
}

/// A step by its name.
pub(super) fn earlier<'a>(config: &'a Config, name: Option<&String>) -> Option<&'a StepConfig> {
    config.steps.iter().find(|step| Some(&step.name) == name)
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

/// The names of the classes that the networks in the folder of results tell apart; from the data where the folder is older
/// than this file.
///
/// # Errors
/// A file that cannot be understood; where there is none, what [`Dataset::load`] says.
pub fn trained_classes(config: &Config) -> Result<Vec<String>> {
    let path = config.output.join(CLASSES);
    match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).map_err(|e| Problems::file(&path, e)),
        Err(_) => Ok(Dataset::load(&config.data)?.classes),
    }
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
    load_network(&checkpoint(config, found), network, best)
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
