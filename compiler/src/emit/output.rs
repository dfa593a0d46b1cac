//! What the compiler gives.

use std::path::PathBuf;

use super::Emitted;
use crate::diagnostics::Diagnostics;
use crate::ir::network::Network;
use crate::plan::Plan;

/// A compiled model.
#[derive(Debug)]
pub struct Output {
    /// The fused blocks.
    pub network: Network,
    /// The memory plan.
    pub plan: Plan,
    /// Source and weights.
    pub emitted: Emitted,
    /// Files read beside the model.
    pub files: Vec<PathBuf>,
    /// Warnings.
    pub warnings: Diagnostics,
}
