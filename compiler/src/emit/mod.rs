//! Blocks to Rust source, and parameters to bytes.

pub mod krate;

use crate::block::Network;
use crate::plan::Plan;

/// What is emitted for a network.
#[derive(Clone, Debug, Default)]
pub struct Emitted {
    /// The module: one Rust source file, without inner attributes, so that it can be `include!`d or be a `lib.rs` behind
    /// a header.
    pub source: String,
    /// `weights.bin`, which the source includes from its own folder under the name `NAME.weights`.
    pub weights: Vec<u8>,
}

/// How to emit.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Name of the module or crate: a Rust identifier.
    pub name: String,
    /// SHA-256 of the model file, in hexadecimal.
    pub model_hash: String,
    /// Adds the `probe` module, by which `verify` runs block by block.
    pub probe: bool,
    /// Path of the runtime in the emitted source: `::xnorc_runtime` or `crate::runtime`.
    pub runtime: String,
}

/// Emits a network.
pub fn run(_network: &Network, _plan: &Plan, _options: &Options) -> Emitted {
    Emitted::default()
}
