//! The processes that train one network together, each on its share of every batch (data parallelism, over MPI).
//!
//! ```text
//!  process 0: share of the batch ─ forward ─ backward ─┐                  ┌─ step of the optimiser ─ writes, tells
//!                             BatchNorm's sums ↕       ├─ sum of gradients ┤
//!  process 1: share of the batch ─ forward ─ backward ─┘                  └─ the same step
//! ```
//!
//! A process that is alone is a group of one: nothing is sent, and the rest of the trainer needs to know nothing of it.
//! Without the feature `mpi` every process is.
//!
//! All processes have to call the same operations of [`Together`] in the same order, else they wait for each other for
//! ever. Therefore nothing that only one of them finds out may end it: what can go wrong on one is told to all
//! ([`Together::agree`], `Together::first`), and they end together.

#[cfg(not(feature = "mpi"))]
mod alone;
#[cfg(feature = "mpi")]
mod by_mpi;
mod gradients;
#[cfg(test)]
mod tests;
mod weights;

use std::sync::OnceLock;

use burn::tensor::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(not(feature = "mpi"))]
use self::alone as transport;
#[cfg(feature = "mpi")]
use self::by_mpi as transport;
pub(crate) use gradients::summed;
pub(crate) use weights::digest;

use crate::config::Config;
use crate::data::Share;
use crate::problem::{Problem, Problems, Result};

/// This process's place among those that train together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Together {
    rank: usize,
    size: usize,
}

/// Known from [`join`] on; MPI's group is the process's as well.
static GROUP: OnceLock<Together> = OnceLock::new();

/// Leaves the other processes when it is dropped, and waits for them to do so too.
#[derive(Debug)]
pub struct Session {
    _transport: transport::Session,
}

/// Joins the processes that MPI's launcher started beside this one; to be called once, before anything else, and kept
/// until the end. A process without such a launcher is alone.
///
/// # Errors
/// An MPI that cannot be used; a launcher with several processes and a program without the feature `mpi`.
pub fn join() -> Result<Session> {
    let (session, group) = transport::join()?;
    let _ = GROUP.set(group);
    Ok(Session { _transport: session })
}

/// How many processes MPI's launcher says that it has started, and which of them this is; nothing without a launcher.
/// Open MPI's variables, and those of MPICH, Intel MPI and Slurm.
fn launched() -> Option<(usize, usize)> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<usize>().ok();
    [("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"), ("PMI_SIZE", "PMI_RANK")]
        .into_iter()
        .find_map(|(size, rank)| Some((number(size)?, number(rank).unwrap_or(0))))
}

/// Whether this process is the one that speaks for all the launcher's, before or after they have joined.
pub fn speaks() -> bool {
    GROUP.get().map_or_else(|| launched().is_none_or(|(_, rank)| rank == 0), |group| group.rank == 0)
}

impl Together {
    /// A process on its own.
    pub(crate) const ALONE: Self = Self { rank: 0, size: 1 };

    /// Those that this process has joined.
    pub fn current() -> Self {
        GROUP.get().copied().unwrap_or(Self::ALONE)
    }

    /// The number of this process, from 0. Process 0 writes all files and is the only one to tell anything.
    pub fn rank(self) -> usize {
        self.rank
    }

    /// How many there are.
    pub fn size(self) -> usize {
        self.size
    }

    /// Whether there is no other.
    pub(crate) fn alone(self) -> bool {
        self.size == 1
    }

    /// What this process does of each batch.
    pub(crate) fn share(self) -> Share {
        Share { rank: self.rank, of: self.size }
    }

    /// Each value becomes the sum of all processes' values.
    pub(crate) fn sum(self, values: &mut [f32]) {
        if !self.alone() {
            transport::sum(values);
        }
    }

    /// As [`Self::sum`], of statistics, which lose nothing by it.
    pub(crate) fn sum_f64(self, values: &mut [f64]) {
        if !self.alone() {
            transport::sum_f64(values);
        }
    }

    /// Whether any process says so.
    pub(crate) fn any(self, own: bool) -> bool {
        let mut count = [f32::from(u8::from(own))];
        self.sum(&mut count);
        count[0] > 0.0
    }

    /// The bytes of process `root`, on all of them.
    pub(crate) fn broadcast(self, root: usize, mut bytes: Vec<u8>) -> Vec<u8> {
        if !self.alone() {
            let mut len = (bytes.len() as u64).to_le_bytes();
            transport::broadcast(&mut len, root);
            bytes.resize(u64::from_le_bytes(len) as usize, 0);
            transport::broadcast(&mut bytes, root);
        }
        bytes
    }

    /// Every process's bytes, in the order of their ranks.
    pub(crate) fn everyones(self, own: &[u8]) -> Vec<Vec<u8>> {
        let of = |root| if root == self.rank { own.to_vec() } else { Vec::new() };
        (0..self.size).map(|root| self.broadcast(root, of(root))).collect()
    }

    /// What process 0 finds or decides, on all of them; `work` is not run on the others.
    ///
    /// # Errors
    /// What `work` said on process 0, on all of them.
    pub(crate) fn first<T: Serialize + DeserializeOwned>(self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.alone() {
            return work();
        }
        let lost = |e: serde_json::Error| Problems::one("process 0", format_args!("its result cannot be sent: {e}"));
        if self.rank == 0 {
            let result = work();
            let (result, text) = match serde_json::to_vec(&result) {
                Ok(text) => (result, text),
                // Nothing, which no process can read.
                Err(e) => (Err(lost(e)), Vec::new()),
            };
            self.broadcast(0, text);
            return result;
        }
        serde_json::from_slice::<Result<T>>(&self.broadcast(0, Vec::new())).map_err(lost)?
    }

    /// As [`Self::first`], of bytes, which may be many.
    pub(crate) fn first_bytes(self, work: impl FnOnce() -> Result<Bytes>) -> Result<Bytes> {
        if self.alone() {
            return work();
        }
        let mut own = Vec::new();
        self.first(|| {
            own = work()?.to_vec();
            Ok(())
        })?;
        Ok(Bytes::from_bytes_vec(self.broadcast(0, own)))
    }

    /// What went well on all processes.
    ///
    /// # Errors
    /// What went wrong on any of them, on all of them.
    pub fn agree<T>(self, own: Result<T>) -> Result<T> {
        if self.alone() {
            return own;
        }
        let problems = own.as_ref().err().map_or(&[][..], |problems| &problems.0);
        let all = self.told(problems);
        if all.iter().all(Vec::is_empty) {
            return own;
        }
        Err(merged(&all))
    }

    /// What every process has to tell, in the order of their ranks.
    pub(crate) fn told(self, own: &[Problem]) -> Vec<Vec<Problem>> {
        if self.alone() {
            return vec![own.to_vec()];
        }
        let all = self.everyones(&serde_json::to_vec(own).unwrap_or_default());
        all.iter().map(|text| serde_json::from_slice(text).unwrap_or_default()).collect()
    }

    /// Nothing, if `digest` is the same on all processes.
    ///
    /// # Errors
    /// `what`, where it is not.
    pub(crate) fn same(self, digest: u32, place: &str, what: &str) -> Result {
        let all = self.everyones(&digest.to_le_bytes());
        match all.iter().position(|other| *other != all[0]) {
            Some(rank) => {
                Err(Problems::one(place, format_args!("process {rank} has another one than process 0: {what}")))
            }
            None => Ok(()),
        }
    }

    /// Whether these processes can train this configuration together.
    ///
    /// # Errors
    /// A batch that does not divide evenly, a device that has no synchronised BatchNorm.
    pub(crate) fn check(self, config: &Config) -> Result {
        let mut problems = Problems::default();
        let size = self.size;
        if self.alone() {
            return Ok(());
        }
        for (i, step) in config.steps.iter().enumerate().filter(|(_, step)| step.epochs > 0) {
            let below = step.batch / size * size;
            let near = if below == 0 { size.to_string() } else { format!("{below} or {}", below + size) };
            problems.check(
                step.batch.is_multiple_of(size),
                format_args!("steps[{i}].batch"),
                format_args!(
                    "{} pictures do not divide evenly among {size} processes: take {near}, or another number of processes",
                    step.batch
                ),
            );
        }
        problems.check(
            config.device == "cpu",
            "device",
            format_args!(
                "`{}`: several processes train on `cpu` only, for the BatchNorm of cards has the statistics of one \
                 process's share",
                config.device
            ),
        );
        problems.or(())
    }
}

/// What went wrong on all processes once, as it is; else with the number of the process.
fn merged(all: &[Vec<Problem>]) -> Problems {
    let mut problems = Problems::default();
    for (rank, own) in all.iter().enumerate() {
        for problem in own {
            if all.iter().all(|other| other.contains(problem)) {
                if rank == 0 {
                    problems.0.push(problem.clone());
                }
            } else {
                problems.add(format_args!("process {rank}: {}", problem.place), &problem.what);
            }
        }
    }
    problems
}
