//! A program without MPI: every process is alone.

use super::{Together, launched};
use crate::problem::{Problems, Result};

/// Nothing to leave.
#[derive(Debug)]
pub(super) struct Session;

/// Several processes that do not know of each other would fight over the same files.
pub(super) fn join() -> Result<(Session, Together)> {
    match launched() {
        Some((size, _)) if size > 1 => {
            let what = format_args!(
                "{size} processes were started, but this program was built without the feature `mpi`, and they would \
                 not know of each other: build it with `cargo build --release -p xnorc-training --features mpi`, or \
                 start one process"
            );
            Err(Problems::one("MPI", what))
        }
        _ => Ok((Session, Together::ALONE)),
    }
}

pub(super) fn sum(_: &mut [f32]) {}

pub(super) fn sum_f64(_: &mut [f64]) {}

pub(super) fn broadcast(_: &mut [u8], _: usize) {}
