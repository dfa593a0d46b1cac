//! (being written)

use crate::block::Network;
use crate::diagnostics::Diagnostics;
use crate::ir::Graph;

/// The pass.
///
/// # Errors
/// Operators without a compiled form.
pub fn run(_graph: &Graph) -> Result<Network, Diagnostics> {
    Ok(Network::default())
}
