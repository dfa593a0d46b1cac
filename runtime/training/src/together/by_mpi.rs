//! The operations of a group of processes, by MPI. An error of MPI itself ends all processes, as MPI's default is; so does
//! the end of a process that did not say goodbye, by the launcher.

use mpi::Threading;
use mpi::collective::SystemOperation;
use mpi::datatype::Equivalence;
use mpi::environment::{Universe, initialize_with_threading};
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator as _, CommunicatorCollectives as _, Root as _};

use super::{Together, launched};
use crate::problem::{Problems, Result};

/// Values in one message: MPI counts them with 32 bits.
const MOST: usize = 1 << 28;

/// MPI ends when it is dropped.
pub(super) struct Session {
    _universe: Option<Universe>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

/// Without a launcher MPI is not even begun: nothing of it is needed, and it may not be there.
pub(super) fn join() -> Result<(Session, Together)> {
    if launched().is_none() {
        return Ok((Session { _universe: None }, Together::ALONE));
    }
    // One thread at a time calls, but it need not be the first: burn may compute in one of its own.
    let Some((universe, threading)) = initialize_with_threading(Threading::Serialized) else {
        return Err(Problems::one("MPI", "was begun before by somebody else"));
    };
    if threading < Threading::Serialized {
        return Err(Problems::one("MPI", "this one is not made for programs with threads: take one that is"));
    }
    let world = universe.world();
    let group = Together { rank: world.rank() as usize, size: world.size() as usize };
    Ok((Session { _universe: Some(universe) }, group))
}

fn sum_of<T: Equivalence + Copy>(values: &mut [T]) {
    let world = SimpleCommunicator::world();
    for values in values.chunks_mut(MOST) {
        let own = values.to_vec();
        world.all_reduce_into(&own[..], values, SystemOperation::sum());
    }
}

pub(super) fn sum(values: &mut [f32]) {
    sum_of(values);
}

pub(super) fn sum_f64(values: &mut [f64]) {
    sum_of(values);
}

pub(super) fn broadcast(bytes: &mut [u8], root: usize) {
    let world = SimpleCommunicator::world();
    for bytes in bytes.chunks_mut(MOST) {
        world.process_at_rank(root as i32).broadcast_into(bytes);
    }
}
