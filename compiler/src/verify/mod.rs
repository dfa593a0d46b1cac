//! `xnorc verify`: the emitted program against an independent engine, on the original file.
//!
//! For each sample three things run:
//!
//! 1. **Every block on its own.** The tensors a block reads are set to the oracle's values (sign bits to the signs of the
//!    oracle's values), the block runs, and what it writes is compared. So an error stays where it is made.
//! 2. **`infer`**, from input to output, as a user would call it.
//! 3. **All blocks in sequence on the program's own values.** They must give the outputs of `infer` to the bit, and show
//!    which signs differ from the oracle's end to end.
//!
//! What is wrong, and what is only noted:
//!
//! - A real value is wrong when it is off by more than [`TOLERANCE`] times the largest magnitude of its tensor (or
//!   [`ROUNDING`] times that of what the block reads, where it is the small difference of large numbers).
//! - A sign is *flipped* when it differs from the oracle's. The compiled thresholds are those of exact arithmetic, while
//!   the oracle rounds its BatchNormalization, so a flip is expected where the value before the sign is within rounding
//!   of zero: those are counted. A flip is *wrong* when that value is farther from zero than [`TOLERANCE`] times the
//!   largest magnitude in its tensor, or is not known.
//! - A sign of exactly zero (ONNX's `Sign` gives 0, the compiled code takes +1) is counted as a zero, and excuses the real
//!   values of the blocks that read it.
//! - End to end one flip changes everything behind it. So the outputs are judged by the first rule only while no sign
//!   flipped and none was zero; otherwise their error is noted, and only the first block with flips is judged: its flips
//!   must be near zero, for up to there nothing else differs.
//! - A layer that is looser by the user's choice (bf16, 8-bit integers) is not expected to be near the oracle: its errors and
//!   flips are noted. Instead it must compute, on the oracle's inputs, what our interpreter computes by the same definition,
//!   to the bit (to rounding, where a function like the sigmoid is among its steps). All other blocks are judged as ever; the
//!   outputs end to end, and all signs behind the first such layer, are only noted.
//! - Expected outputs (`--expect`) come from yet another engine, which rounds in its own way: they may also differ when
//!   some value before a sign is within [`REACH`] of zero. When the oracle is only our own interpreter nothing but a flip
//!   or a zero excuses them.

mod blocks;
mod compare;
mod oracle;
mod packing;
mod presign;
mod report;
mod samples;

use std::collections::BTreeSet;
use std::path::Path;

pub use blocks::outputs;
pub use report::{BlockReport, ExpectReport, Verification};
pub use samples::{Generator, Sample};

use crate::Output;
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::ir::Graph;
use crate::ir::network::{Network, Storage};
use crate::toolchain::Program;
use oracle::Oracle;
use presign::Finder;

/// How far a value may be off, relative to the largest magnitude of its tensor.
pub const TOLERANCE: f64 = 1e-4;

/// Rounding of the values a block reads, relative to their largest magnitude.
pub const ROUNDING: f64 = 1e-6;

/// How near zero, relative to the largest magnitude of its tensor, another engine may see the other sign.
pub const REACH: f64 = 1e-5;

/// A model on its way through `verify`.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The file.
    pub model: &'a [u8],
    /// Its folder, for external data.
    pub folder: &'a Path,
    /// The graph as imported from it.
    pub graph: &'a Graph,
    /// What it was compiled to.
    pub output: &'a Output,
}

/// Verifies a built program.
///
/// # Errors
/// When the oracle cannot run the model, or the program ends. That something is *wrong* is no error, but
/// `ok: false` in the result.
pub fn verify(subject: &Subject<'_>, program: &mut Program, samples: &[Sample]) -> Result<Verification, Diagnostics> {
    let network = &subject.output.network;
    let finder = Finder::new(subject.graph);
    let wanted = wanted(network, &finder);
    let mut oracle = Oracle::new(subject.model, subject.folder, subject.graph, &wanted);
    let mut verification = Verification::new(network);
    for sample in samples {
        let reference = oracle.run(&sample.inputs).map_err(|e| -> Diagnostics {
            Diagnostic::error(Code::Unsupported, None, format!("no reference engine can run this model: {e}")).into()
        })?;
        let mut run = blocks::Run::new(network, &subject.output.plan, program, &finder, &reference, sample);
        let alone = run.alone()?;
        let (sequence, stepped) = run.sequence()?;
        let outputs = run.infer()?;
        verification.add(report::Evidence {
            network,
            reference: &reference,
            sample,
            alone: &alone,
            sequence: &sequence,
            stepped: &stepped,
            outputs: &outputs,
            independent: oracle.why_not_tract().is_none(),
        });
    }
    verification.oracle = oracle.name();
    verification.oracle_note = oracle.why_not_tract().map(str::to_owned);
    Ok(verification)
}

/// Names of all ONNX values that something is compared with.
fn wanted(network: &Network, finder: &Finder<'_>) -> BTreeSet<String> {
    let mut wanted = BTreeSet::new();
    for tensor in &network.tensors {
        let Some(origin) = &tensor.origin else { continue };
        wanted.insert(origin.name.clone());
        if let (Storage::Bits(_), Some(before)) = (&tensor.storage, finder.find(&origin.name)) {
            wanted.insert(before.value);
        }
    }
    wanted
}
