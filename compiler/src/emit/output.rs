//! What the compiler gives.

use std::path::PathBuf;

use super::Emitted;
use crate::config::MultiplyAdds;
use crate::diagnostics::Diagnostics;
use crate::fixed::{self, Fixed};
use crate::interpret;
use crate::ir::Tensor;
use crate::ir::network::Network;
use crate::plan::Plan;
use crate::schedule::Schedule;
use crate::target::Target;

/// A compiled model.
#[derive(Debug)]
#[cfg_attr(test, derive(Default))]
#[non_exhaustive]
pub struct Output {
    /// The fused blocks.
    #[doc(hidden)]
    pub network: Network,
    /// How the blocks are computed.
    #[doc(hidden)]
    pub schedule: Schedule,
    /// The memory plan.
    #[doc(hidden)]
    pub plan: Plan,
    /// Where it will run, if that is known.
    #[doc(hidden)]
    pub target: Option<Target>,
    /// How it multiplies and adds where that is no instruction.
    #[doc(hidden)]
    pub multiply_add: MultiplyAdds,
    /// Its integers, where it is in fixed point by choice: the schedule and the plan are then those of the network in f32.
    #[doc(hidden)]
    pub fixed: Option<Fixed>,
    /// Source and weights.
    #[doc(hidden)]
    pub emitted: Emitted,
    /// Files read beside the model.
    pub files: Vec<PathBuf>,
    /// Warnings.
    pub warnings: Diagnostics,
}

impl Output {
    /// The items of the network's module: Rust without `unsafe`. It includes its parameters from the file `NAME.weights` beside
    /// it.
    pub fn source(&self) -> &str {
        &self.emitted.source
    }

    /// What it computes, by the interpreter of its arithmetic.
    ///
    /// # Errors
    /// The first block that cannot be run.
    #[doc(hidden)]
    pub fn interpreted(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, String> {
        match &self.fixed {
            Some(fixed) => fixed::run::outputs(&self.network, fixed, inputs),
            None => interpret::network::outputs(&self.network, inputs),
        }
    }

    /// Bytes of scratch memory.
    #[doc(hidden)]
    pub fn scratch_bytes(&self) -> usize {
        match &self.fixed {
            Some(fixed) => fixed::places::run(&self.network, fixed).bytes(),
            None => self.plan.scratch_bytes(),
        }
    }

    /// Bytes of parameters as they lie in the program: of the weights file, or of the tables in the source.
    #[doc(hidden)]
    pub fn parameter_bytes(&self) -> usize {
        if self.fixed.is_some() { self.emitted.weight_bytes } else { self.emitted.weights.len() }
    }

    /// The bytes of `NAME.weights`.
    pub fn weights(&self) -> &[u8] {
        &self.emitted.weights
    }
}
