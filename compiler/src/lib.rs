//! An ahead-of-time compiler for binary neural networks: a trained ONNX file in, specialised `no_std` Rust out.
//!
//! From a build script, one call per model does it all ([`compile`], or [`Config`] for the rest):
//!
//! ```no_run
//! // build.rs
//! xnorc::compile("models/net.onnx");
//! ```
//!
//! and `xnorc_runtime::include_model!("net")` brings in the module. [`generate`] is the pure core behind it, bytes in and
//! source out, for those who want the pieces: the [`Network`] of fused blocks, the memory [`plan`], the [`report`].
//!
//! How it works is told by [`passes`]; what can be wrong with a file by [`diagnostics`].

pub mod cargo;
mod config;
pub mod diagnostics;
pub mod emit;
pub mod exact;
#[doc(hidden)]
pub mod half;
pub mod import;
#[doc(hidden)]
pub mod internal;
pub mod interpret;
pub mod ir;
pub mod npy;
pub mod ops;
pub mod passes;
pub mod plan;
mod printable;
pub mod report;
mod unique;

use std::path::PathBuf;

pub use cargo::{compile, write_if_changed};
pub use config::{NAME_RULE, is_name, load, load_graph};

use diagnostics::{Diagnostics, Severity};
pub use ir::network::Arithmetic;
use ir::network::Network;
use sha2::{Digest as _, Sha256};

/// How to compile a model.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Symbolic dimensions by name.
    pub dims: Vec<(String, usize)>,
    /// Name of the module or crate; from the file's name when `None`.
    pub name: Option<String>,
    /// The runtime's source goes inside the crate: it then depends on nothing at all.
    pub standalone: bool,
    /// Warnings are errors: a model is refused rather than compiled to something other engines may answer differently.
    pub strict: bool,
    /// What a sign that is 0 at zero, as ONNX's own, becomes in front of a binary layer.
    pub zero: Zeros,
    /// Adds the `probe` module, by which `verify` runs block by block.
    pub probe: bool,
    /// Blocks that take one thread at least so many nanoseconds (of a fast machine) can be divided among threads; 2000 when
    /// `None`. Below, handing out the work takes longer than doing it.
    pub share_from: Option<usize>,
    /// Where `compile` writes; cargo's `OUT_DIR` when `None`.
    pub out_dir: Option<PathBuf>,
    /// The arithmetic of real-valued layers that [`real_layers_by_name`](Config::real_layers_by_name) does not name.
    pub real_layers: Arithmetic,
    /// The arithmetic of single layers, by the names of their blocks in the report; the last one of a name counts.
    pub real_layers_by_name: Vec<(String, Arithmetic)>,
    /// Example inputs, from which the ranges of 8-bit activations are learned: one tensor per input of the model after the
    /// other, or stacks of them along the first axis.
    pub calibration: Vec<Vec<ir::Tensor>>,
}

/// What binary layers make of `sign(0) = 0`. Signs that are numbers (outputs, terms, factors) are 0 there in any case, and
/// signs of what cannot be negative are exact in one bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Zeros {
    /// One bit takes 0 for +1. The report names these signs; where zeros are likely, it warns.
    #[default]
    Plus,
    /// 0, in two planes of bits: layers that read such signs take twice the time.
    Exact,
}

/// A compiled model.
#[derive(Debug)]
pub struct Output {
    /// The fused blocks.
    pub network: Network,
    /// The memory plan.
    pub plan: plan::Plan,
    /// Source and weights.
    pub emitted: emit::Emitted,
    /// Files read beside the model.
    pub files: Vec<PathBuf>,
    /// Warnings.
    pub warnings: Diagnostics,
}

/// The pure core: bytes in, source out; touches no file but the model's external data.
///
/// # Errors
/// All problems of the model at once.
pub fn generate(
    model: &[u8],
    folder: Option<&std::path::Path>,
    name: &str,
    config: &Config,
) -> Result<Output, Diagnostics> {
    internal::caught(|| {
        let options = import::Options { dims: config.dims.clone(), folder: folder.map(Into::into) };
        let imported = import::load(model, &options)?;
        build(imported, digest(model), name, config)
    })
}

/// SHA-256, in hexadecimal.
fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// What follows import, which needs the file no more.
fn build(imported: import::Imported, model_hash: String, name: &str, config: &Config) -> Result<Output, Diagnostics> {
    let mut graph = imported.graph;
    graph.exact_zeros = config.zero == Zeros::Exact;
    let mut network = passes::run(&mut graph, |_, _| {})?;
    passes::narrow::run(&mut network, config)?;
    ir::check::network(&network, "in narrowing")?;
    let mut warnings = imported.warnings;
    warnings.0.append(&mut graph.warnings.0);
    // The network has its own of what it keeps.
    drop(graph);
    if config.strict && !warnings.0.is_empty() {
        warnings.0.iter_mut().for_each(|warning| warning.severity = Severity::Error);
        return Err(warnings);
    }
    let output = of_network(network, model_hash, name, config)?;
    Ok(Output { files: imported.files, warnings, ..output })
}

/// What follows lowering, also for a network that no file says.
///
/// # Errors
/// A plan that does not hold, which is a fault of xnorc.
#[doc(hidden)]
pub fn of_network(network: Network, model_hash: String, name: &str, config: &Config) -> Result<Output, Diagnostics> {
    internal::at("the memory plan");
    let plan = plan::run(&network);
    plan::check::run(&network, &plan)?;
    let emitted = emit::run(
        &network,
        &plan,
        &emit::Options {
            name: name.to_owned(),
            model_hash,
            probe: config.probe,
            runtime: if config.standalone { "crate::runtime" } else { "::xnorc_runtime" }.to_owned(),
            share_from: config.share_from.unwrap_or(2000),
        },
    );
    Ok(Output { network, plan, emitted, files: Vec::new(), warnings: Diagnostics::default() })
}
