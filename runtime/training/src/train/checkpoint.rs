//! What is kept of a step, so that it can be taken up again and used by later steps.
//!
//! Files are written under another name and renamed when they are whole and on the disk, `state.json` last of all: at
//! every moment it names whole files that belong together. A full disk leaves the checkpoint before.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use burn::module::Module as _;
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use serde::{Deserialize, Serialize};

use super::metrics::{Epoch, csv, json_lines};
use crate::config::StepConfig;
use crate::nn::Network;
use crate::problem::{Problems, Result};
use crate::together::Together;

/// How far a step is: the content of `state.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct State {
    /// Every epoch done.
    pub epochs: Vec<Epoch>,
    /// The epoch (from 1) with the best accuracy on the validation pictures, the first of equal ones; 0 before any.
    pub best: usize,
    /// Of a step at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Tested>,
}

/// What the networks of a step say of the test pictures, which are looked at when it has ended, not before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Tested {
    /// After the best epoch on the validation pictures.
    pub best: Shares,
    /// After the last epoch.
    pub last: Shares,
}

/// How well a network does on a part.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Shares {
    /// Cross-entropy with the labels, mean.
    pub loss: f64,
    /// Share of pictures whose class is right.
    pub top1: f64,
    /// Share of pictures whose class is among the five most likely.
    pub top5: f64,
}

impl State {
    /// Whether nothing is left to do of the step.
    pub fn done(&self, step: &StepConfig) -> bool {
        (self.epochs.len() >= step.epochs || self.gave_up(step)) && self.test.is_some()
    }

    /// Whether the step gets no better, and ends before its last epoch.
    pub fn gave_up(&self, step: &StepConfig) -> bool {
        let since = self.best.max(step.schedule.warm_up);
        step.early_stopping.is_some_and(|early| self.epochs.len() >= since.saturating_add(early.patience))
    }
}

/// The folder of a step.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    folder: PathBuf,
}

impl Checkpoint {
    /// The folder of a step in the folder of results; an ordinary step's is called as the step is.
    pub fn new(output: &Path, folder: impl AsRef<Path>) -> Self {
        Self { folder: output.join(folder) }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How far the step is; the default before the first epoch is done.
    ///
    /// # Errors
    /// A state that cannot be read or understood.
    pub fn state(&self) -> Result<State> {
        let path = self.folder.join("state.json");
        if !path.exists() {
            return Ok(State::default());
        }
        let text = fs::read_to_string(&path).map_err(|e| Problems::file(&path, format_args!("cannot be read: {e}")))?;
        serde_json::from_str(&text).map_err(|e| {
            Problems::file(&path, format_args!("is no state of this program ({e}): remove the folder to start anew"))
        })
    }

    /// The network after the last epoch done, or after the best one.
    pub fn network(&self, state: &State, best: bool) -> PathBuf {
        let (name, epoch) = if best { ("best", state.best) } else { ("last", state.epochs.len()) };
        self.folder.join(format!("{name}-{epoch}.network"))
    }

    fn optimiser(&self, state: &State) -> PathBuf {
        self.folder.join(format!("last-{}.optimiser", state.epochs.len()))
    }

    /// Saves everything after an epoch, the last of `state.epochs`.
    ///
    /// # Errors
    /// What cannot be written; the checkpoint before is then still whole.
    pub fn save(&self, state: &State, network: &Network, optimiser: &ModuleOptimizer) -> Result {
        fs::create_dir_all(&self.folder)
            .map_err(|e| Problems::file(&self.folder, format_args!("cannot be made: {e}")))?;
        // The running statistics of BNs may lag behind until somebody looks at them.
        let _ = network.valid();
        let bytes = network.clone().into_record().into_bytes().map_err(|e| self.problem(&format!("{e:?}")))?;
        if state.best == state.epochs.len() {
            write(&self.network(state, true), &bytes)?;
        }
        write(&self.network(state, false), &bytes)?;
        let bytes = optimiser.into_bytes().map_err(|e| self.problem(&format!("{e:?}")))?;
        write(&self.optimiser(state), &bytes)?;
        write(&self.folder.join("metrics.csv"), csv(&state.epochs).as_bytes())?;
        write(&self.folder.join("metrics.jsonl"), json_lines(&state.epochs).as_bytes())?;
        self.save_state(state)?;
        self.tidy(state);
        Ok(())
    }

    /// Saves what is known of a step whose files are there.
    ///
    /// # Errors
    /// As [`Self::save`].
    pub fn save_state(&self, state: &State) -> Result {
        let text = serde_json::to_string(state).map_err(|e| self.problem(&e.to_string()))?;
        write(&self.folder.join("state.json"), text.as_bytes())
    }

    /// Removes the files of earlier epochs; one that stays does no harm.
    fn tidy(&self, state: &State) {
        let keep = [self.network(state, false), self.network(state, true), self.optimiser(state)];
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let of_epoch = path.extension().is_some_and(|e| e == "network" || e == "optimiser" || e == "new");
            if of_epoch && !keep.contains(&path) {
                let _ = fs::remove_file(path);
            }
        }
    }

    /// The optimiser with the state it was saved with.
    ///
    /// # Errors
    /// A file that cannot be read or understood.
    pub fn load_optimiser(&self, state: &State, optimiser: ModuleOptimizer) -> Result<ModuleOptimizer> {
        #[cfg(any(feature = "cuda", feature = "wgpu"))]
        super::device::default_is_there()?;
        let path = self.optimiser(state);
        // The results need not be where the other processes can read them.
        let bytes = Together::current().first_bytes(|| read(&path))?;
        let record = OptimizerRecord::from_bytes(bytes)
            .map_err(|e| Problems::file(&path, format_args!("is no optimiser's state: {e:?}")))?;
        Ok(optimiser.load_record(record))
    }

    fn problem(&self, what: &str) -> Problems {
        Problems::file(&self.folder, format_args!("the state cannot be saved: {what}"))
    }
}

/// `network` with the weights of a file.
///
/// # Errors
/// A file that cannot be read, is damaged, or belongs to another network.
pub fn restore(network: Network, path: &Path) -> Result<Network> {
    let wrong = |e: burn::store::RecordError| {
        Problems::file(path, format_args!("does not hold the weights of this network: {e:?}"))
    };
    let record = ModuleRecord::from_bytes(read(path)?).map_err(wrong)?;
    network.try_load_record(record).map_err(wrong)
}

/// The network that process 0 makes of `network`, on all that train together: only there its files have to be.
///
/// # Errors
/// What `work` says there.
pub(super) fn spread(network: Network, work: impl FnOnce(Network) -> Result<Network>) -> Result<Network> {
    let together = Together::current();
    if together.alone() {
        return work(network);
    }
    let blank = network.clone();
    let bytes = together.first_bytes(|| {
        work(network)?.into_record().into_bytes().map_err(|e| Problems::one("the network", format_args!("{e:?}")))
    })?;
    let wrong = |e: burn::store::RecordError| Problems::one("the network of process 0", format_args!("{e:?}"));
    blank.try_load_record(ModuleRecord::from_bytes(bytes).map_err(wrong)?).map_err(wrong)
}

/// As [`restore`], of a step's checkpoint.
///
/// # Errors
/// A step without a checkpoint, and what [`restore`] says.
pub fn load_network(checkpoint: &Checkpoint, network: Network, best: bool) -> Result<Network> {
    let state = checkpoint.state()?;
    if state.epochs.is_empty() && state.test.is_none() {
        return Err(Problems::file(&checkpoint.folder, "holds no finished epoch: train this step first"));
    }
    restore(network, &checkpoint.network(&state, best))
}

fn read(path: &Path) -> Result<Bytes> {
    let bytes = fs::read(path).map_err(|e| Problems::file(path, format_args!("cannot be read: {e}")))?;
    Ok(Bytes::from_bytes_vec(bytes))
}

/// Writes a whole file or leaves the old one.
///
/// # Errors
/// A file that cannot be written, a full disk.
pub fn write(path: &Path, bytes: &[u8]) -> Result {
    let new = path.with_extension("new");
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&new, path)).map_err(|e| {
        let _ = fs::remove_file(&new);
        Problems::file(path, format_args!("cannot be written: {e}"))
    })
}
