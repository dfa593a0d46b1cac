//! `xnorc verify`: the emitted program against an independent engine, on the original file.
//!
//! For each sample:
//!
//! 1. **Every block on its own.** The tensors a block reads are set to the engine's values (sign bits to the signs of the
//!    engine's values), the block runs, and what it writes is compared. So an error stays where it is made.
//! 2. **`infer`**, from input to output, as a user would call it, and **all blocks in sequence** on the program's own
//!    values, which must give the same to the bit.
//! 3. **The expected outputs**, where there are any, are held against what the engine computes: the program is not
//!    the judge of them.
//!
//! # The rule
//!
//! *Values agree to rounding; a sign may differ only where it is in question; and what differs by more than rounding must be
//! what comes out when signs in question are turned, and the network is run again.*
//!
//! - **To rounding**: within [`TOLERANCE`] of the largest magnitude of the tensor (or [`ROUNDING`] of that of what a block
//!   reads, where it is the small difference of large numbers). NaN equals NaN, and an infinity itself. An index from an
//!   ArgMax may be another one whose score is equal to rounding.
//! - **In question**: the value is nearer to the sign's threshold than two engines round. How far that is follows from what is
//!   computed, for every single value ([`rounding`]). The compiled thresholds are those of exact arithmetic, while an engine
//!   rounds its BatchNormalization, so that signs in question do differ now and then. Any other sign that differs is wrong.
//! - **A value that is rounded to a whole number** (QuantizeLinear, Round...) may be another one where two engines round it
//!   across the middle between them, by the same bounds; it is in question as a sign is.
//! - **Run again**: one sign that differs changes everything behind it. So the program's outputs are judged with its signs
//!   (and whole numbers) set to the engine's, block after block, where these are in question; then they must be the
//!   engine's to rounding. Expected outputs were decided by an engine of which nothing is known but them: they are right if
//!   they are the engine's or the program's to rounding, or if signs in question are found that give them, or if they are as near
//!   as deciding by chance makes networks of roundings in question ([`explain`]).
//! - **Zero**: where one bit takes ONNX's 0 for +1, the engine is made to do so, too ([`zeros`]); what it makes of the
//!   file as it stands is accepted as an expectation besides. Where zeros are exact, nothing is changed, and nothing excused.
//! - **NaN**: what an engine makes of an operand that is NaN is no reference, as engines drop it where ONNX does not. Where
//!   the interpreter, given the same inputs, makes NaN of it, NaN is wanted, and where it makes a number, no NaN ([`nan`]).
//! - **16-bit floats**: the engine computes in f32 ([`half`]), as the program does. Expected outputs may be off by
//!   [`HALF_STEPS`] roundings to 16 bits, and signs are in question as far as those reach.
//! - **Loose multiply-add**: two roundings of f32 where there could be one are rounding, as engines do it: the bounds are
//!   the same. What it brings is in the errors and flips, which are those of a level that rounds twice.
//! - **A layer that is looser by the user's choice** (bf16, 8-bit integers) is not expected to be near the engine: its errors
//!   and flips are noted. Instead it must compute, on the engine's inputs, what our interpreter computes by the same
//!   definition, to the bit (to rounding, where a function like the sigmoid is among its steps). All other blocks are judged
//!   as ever; the outputs end to end, and all signs behind the first such layer, are only noted; expected outputs are judged
//!   by the engine and the interpreter in f32.
//! - **Fixed point** ([`fixed`]): the program must give the outputs that the interpreter of its integers gives, to the bit. The errors of
//!   values and the signs that differ are those end to end, and only noted.

mod blocks;
mod compare;
mod explain;
mod fixed;
mod half;
mod known;
mod nan;
mod oracle;
mod report;
mod rounding;
mod samples;
mod zeros;

use std::collections::BTreeSet;
use std::path::Path;

pub use blocks::outputs;
pub use report::{BlockReport, ExpectReport, Verification};
pub use samples::{Generator, Sample, range};

use crate::packing::Packing;
use crate::toolchain::Program;
use blocks::{Pinned, Seen};
use compare::{identical, within};
use explain::{Decisions, Engine, Explanation, Explorer, Wanted};
use oracle::{Oracle, Reference};
use report::Expected;
use xnorc::diagnostics::{Code, Diagnostic, Diagnostics};
use xnorc::ir::Graph;
use xnorc::ir::network::Network;
use xnorc::{MultiplyAdds, Output};

/// How far a value may be off, relative to the largest magnitude of its tensor.
pub const TOLERANCE: f64 = 1e-4;

/// Rounding of the values a block reads, relative to their largest magnitude.
pub const ROUNDING: f64 = 1e-6;

/// How many roundings to 16 bits expected outputs may be off by, where a file is computed in them.
pub const HALF_STEPS: f64 = 4.0;

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

/// The instructions to run on where none were asked for: the highest, or, with multiply-add loose by choice, ones that have no
/// instruction for it, or nothing would be seen of that. What the processor lacks is the highest before it.
pub fn level(output: &Output) -> Option<&'static str> {
    (output.multiply_add == MultiplyAdds::Loose).then_some("popcnt")
}

/// Verifies a built program.
///
/// # Errors
/// When the engine cannot run the model, or the program ends. That something is *wrong* is no error, but
/// `ok: false` in the result.
pub fn verify(subject: &Subject<'_>, program: &mut Program, samples: &[Sample]) -> Result<Verification, Diagnostics> {
    verify_telling(subject, program, samples, &mut |_| {})
}

/// [`verify`], and `progress` is told how many samples are done.
///
/// # Errors
/// Those of [`verify`].
pub fn verify_telling(
    subject: &Subject<'_>,
    program: &mut Program,
    samples: &[Sample],
    progress: &mut dyn FnMut(usize),
) -> Result<Verification, Diagnostics> {
    let mut judge = Judge::new(subject);
    let mut verification = Verification::new(&subject.output.network);
    if subject.output.fixed.is_some() {
        verification.is_in_fixed_point();
    }
    for (index, sample) in samples.iter().enumerate() {
        judge.sample(program, sample, &mut verification)?;
        progress(index + 1);
    }
    let multiply_add = subject.output.multiply_add;
    verification.multiply_add = (multiply_add == MultiplyAdds::Loose).then_some(multiply_add.name());
    verification.oracle = judge.oracle.name();
    verification.oracle_note = judge.oracle.why_not_tract().map(str::to_owned);
    Ok(verification)
}

struct Judge<'a> {
    subject: &'a Subject<'a>,
    wanted: BTreeSet<String>,
    /// The file as it stands.
    oracle: Oracle<'a>,
    /// `Sign`s that take 0 for +1 in the program, as far as any was seen, and the engine that does so, too.
    plus: BTreeSet<String>,
    taking_plus: Option<Oracle<'a>>,
    looser: bool,
}

/// The engine's values, and every block on them.
struct Alone {
    reference: Reference,
    seen: Vec<Seen>,
    /// By block: signs of zero that are taken for +1.
    zeros: Vec<usize>,
    /// The outputs of the file as it stands, where they are others.
    as_it_stands: Option<Vec<xnorc::ir::Tensor>>,
}

impl<'a> Judge<'a> {
    fn new(subject: &'a Subject<'a>) -> Self {
        let network = &subject.output.network;
        let wanted: BTreeSet<String> =
            network.tensors.iter().filter_map(|t| t.origin.as_ref()).map(|o| o.name.clone()).collect();
        let oracle = Oracle::new(subject.model, subject.folder, subject.graph, &wanted, &BTreeSet::new());
        let looser = subject.output.fixed.is_some() || network.blocks.iter().any(|b| b.looser().is_some());
        Self { subject, wanted, oracle, plus: BTreeSet::new(), taking_plus: None, looser }
    }

    fn sample(
        &mut self,
        program: &mut Program,
        sample: &Sample,
        verification: &mut Verification,
    ) -> Result<(), Diagnostics> {
        if let Some(fixed) = &self.subject.output.fixed {
            return self.in_fixed_point(fixed, program, sample, verification);
        }
        let Output { network, plan, .. } = self.subject.output;
        let Alone { reference, seen, zeros, as_it_stands } = self.alone(program, sample)?;
        let ties = blocks::ties(network, &reference);
        let mut run = blocks::Run::new(network, plan, program, &reference, sample);
        let (sequence, stepped) = run.sequence()?;
        let outputs = run.infer()?;
        let flips: usize = sequence.iter().filter_map(|s| s.signs).map(|s| s.flips).sum();
        let near = within(&outputs, &reference.outputs, TOLERANCE, &ties);
        let pinned = match flips > 0 || !near {
            true if !self.looser => Some(run.pinned()?),
            _ => None,
        };
        verification.add_blocks(&seen, &zeros);
        verification.add_sequence(&sequence, pinned.as_ref());
        if !identical(&stepped, &outputs) {
            verification.fail("`infer` and the blocks run one by one give different outputs".to_owned());
        }
        let decisions = pinned.as_ref().map(|p| p.decisions.clone()).unwrap_or_default();
        let explained = self.looser
            || match &pinned {
                None => near,
                Some(Pinned { outputs, .. }) if within(outputs, &reference.outputs, TOLERANCE, &ties) => true,
                // Some signs may be unknown to the engine, and so be left as they were.
                Some(_) if seen.iter().any(|s| s.unknown_signs) => {
                    let wanted = Wanted { outputs: &reference.outputs, tolerance: TOLERANCE, ties: &ties };
                    let engine = Engine::Program(&mut *program, plan);
                    let mut explorer = Explorer { network, engine, inputs: &sample.inputs, unit: rounding::F32 };
                    explorer.explain(&wanted, vec![decisions.clone()])?.found
                }
                Some(_) => false,
            };
        verification.add_outputs(&outputs, &reference.outputs, explained);
        if !sample.expected.is_empty() {
            let right = explained && !seen.iter().any(report::is_wrong) && pinned.is_none_or(|p| p.wrong.is_empty());
            let tolerance = self.oracle.coarser.map_or(TOLERANCE, |unit| HALF_STEPS * unit);
            let wanted = Wanted { outputs: &sample.expected, tolerance, ties: &ties };
            let expected = if within(&reference.outputs, wanted.outputs, tolerance, &ties) {
                Expected::Computed
            } else if as_it_stands.is_some_and(|outputs| within(&outputs, wanted.outputs, tolerance, &ties)) {
                Expected::WithZeros
            } else {
                Expected::Searched(self.search(program, sample, &wanted, right, decisions)?)
            };
            verification.add_expected(&outputs, &reference.outputs, &sample.expected, expected);
        }
        Ok(())
    }

    /// Every block on the engine's values. A block that reads signs of zero, and is wrong by them, is tried again with an engine
    /// that takes them as the program does.
    fn alone(&mut self, program: &mut Program, sample: &Sample) -> Result<Alone, Diagnostics> {
        let Output { network, plan, .. } = self.subject.output;
        let refused = |e| -> Diagnostics {
            Diagnostic::error(Code::Unsupported, None, format!("no reference engine can run this model: {e}")).into()
        };
        let mut zeros: Option<Vec<usize>> = None;
        loop {
            let oracle = self.taking_plus.as_mut().unwrap_or(&mut self.oracle);
            let reference = oracle.run(&sample.inputs).map_err(refused)?;
            let seen = blocks::Run::new(network, plan, program, &reference, sample).alone()?;
            let count = || seen.iter().map(|s| s.signs.map_or(0, |s| s.zeros)).collect();
            let first: &Vec<usize> = zeros.get_or_insert_with(count);
            let names = seen.iter().filter(|s| report::is_wrong(s)).flat_map(|s| &s.read_zeros);
            let more: Vec<String> = names.filter_map(|name| zeros::sign_behind(self.subject.graph, name)).collect();
            let known = self.plus.len();
            self.plus.extend(more);
            if self.plus.len() == known && seen.iter().any(report::is_wrong) {
                // A sign inside a block, or behind what the engine does not know, is one that the compiler has warned of.
                self.plus.extend(zeros::warned_of(self.subject.graph, &self.subject.output.warnings));
            }
            if self.plus.len() == known {
                // Other signs of zero are exact.
                let taken: Vec<usize> =
                    network.blocks.iter().zip(first).map(|(b, &n)| if self.takes_plus(b) { n } else { 0 }).collect();
                let as_it_stands = match self.taking_plus {
                    Some(_) => Some(self.oracle.run(&sample.inputs).map_err(refused)?.outputs),
                    None => None,
                };
                return Ok(Alone { reference, seen, zeros: taken, as_it_stands });
            }
            let Subject { model, folder, graph, .. } = *self.subject;
            self.taking_plus = Some(Oracle::new(model, folder, graph, &self.wanted, &self.plus));
        }
    }

    /// Whether a block takes signs whose zero is +1.
    fn takes_plus(&self, block: &xnorc::ir::network::Block) -> bool {
        let network = &self.subject.output.network;
        let signs = block.writes().into_iter().map(|id| network.tensor(id)).filter(|t| Packing::of(t).is_some());
        let mut names = signs.filter_map(|t| zeros::sign_behind(self.subject.graph, &t.origin.as_ref()?.name));
        !self.plus.is_empty() && names.any(|name| self.plus.contains(&name))
    }

    /// Whether turning signs in question gives these outputs.
    fn search(
        &self,
        program: &mut Program,
        sample: &Sample,
        wanted: &Wanted<'_>,
        right: bool,
        decisions: Decisions,
    ) -> Result<Explanation, Diagnostics> {
        let Output { network, plan, .. } = self.subject.output;
        let unit = self.oracle.coarser.unwrap_or(rounding::F32);
        let inputs = &sample.inputs;
        // A program that is wrong explains nothing.
        if !right || !explain::decides(network) {
            return Ok(Explanation::default());
        }
        if !self.looser {
            let engine = Engine::Program(program, plan);
            let starts = vec![Decisions::new(), decisions];
            return Explorer { network, engine, inputs, unit }.explain(wanted, starts);
        }
        let network: Network = xnorc::passes::run(&mut self.subject.graph.clone(), |_, _| {})?;
        let mut explorer = Explorer { network: &network, engine: Engine::Interpreter, inputs, unit };
        explorer.explain(wanted, vec![Decisions::new()])
    }
}
