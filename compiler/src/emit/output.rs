//! What the compiler gives.

use std::path::PathBuf;

use super::Emitted;
use crate::config::MultiplyAdds;
use crate::diagnostics::Diagnostics;
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

    /// The bytes of `NAME.weights`.
    pub fn weights(&self) -> &[u8] {
        &self.emitted.weights
    }
}
