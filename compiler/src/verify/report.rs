//! What `verify` found, and its verdict.
//!
//! The field names of [`Verification`] are the keys of `verify --json`, which is a contract.

use std::fmt;

use serde::Serialize;

use super::blocks::Seen;
use super::compare::{Deviation, top1};
use super::oracle::Reference;
use super::samples::Sample;
use super::{ROUNDING, TOLERANCE};
use crate::ir::network::{Arithmetic, Network};
use crate::ir::{DType, Tensor};
use crate::report::{columns, explain};

/// The result for all samples.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verification {
    /// Nothing is wrong.
    pub ok: bool,
    /// How many were run.
    pub samples: usize,
    /// `tract`, or `interpreter` when tract cannot run the file.
    pub oracle: &'static str,
    /// Why it is not tract.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oracle_note: Option<String>,
    /// Seed of the random pictures, if they were random.
    pub seed: Option<u64>,
    /// The instructions used.
    pub level: String,
    /// Largest error of an output, end to end.
    pub max_abs_error: f64,
    /// Mean error of the outputs, end to end.
    pub mean_abs_error: f64,
    /// Signs that differ from the oracle's, block by block.
    pub sign_flips: usize,
    /// Those of them that rounding does not explain.
    pub wrong_signs: usize,
    /// Signs that differ end to end, where each flip causes others behind it.
    pub end_to_end_flips: usize,
    /// Signs of exactly zero that became +1.
    pub zeros: usize,
    /// Share of the rows of the outputs whose largest value stands where the oracle has it.
    pub top1_agreement: f64,
    /// Against the outputs given, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<ExpectReport>,
    /// In order of execution.
    pub blocks: Vec<BlockReport>,
    /// What is wrong, a sentence each.
    pub failures: Vec<String>,
    #[serde(skip)]
    rows: (usize, usize),
    /// Sum and number of the outputs' errors.
    #[serde(skip)]
    errors: (f64, usize),
}

/// A block over all samples.
#[derive(Clone, Debug, Default, Serialize)]
pub struct BlockReport {
    /// As in `inspect`.
    pub name: String,
    /// As in `inspect`.
    pub kind: String,
    /// Of a real-valued convolution or fully connected layer: `f32`, or by choice `bf16` or `int8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arithmetic: Option<&'static str>,
    /// Where that is looser: whether the program computed exactly what the definition says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_defined: Option<bool>,
    /// Whether everything it writes was compared.
    pub compared: bool,
    /// Tensors the oracle has no value for: they exist only in the compiled form.
    pub not_compared: Vec<String>,
    /// Blocks that read those and are compared: a mistake would show there.
    pub compared_through: Vec<String>,
    /// Largest error of its real values, on the oracle's inputs. Sums over pixels count as means.
    pub max_abs_error: f64,
    /// The same relative to the largest magnitude of the tensor.
    pub max_relative_error: f64,
    /// The same in units in the last place, over values of at least a thousandth of the largest.
    pub max_ulp: u64,
    /// Signs that differ from the oracle's.
    pub sign_flips: usize,
    /// Those of them that rounding does not explain.
    pub wrong_signs: usize,
    /// Signs that differ end to end.
    pub end_to_end_flips: usize,
    /// Of the flipped sign farthest from its threshold: that distance, relative to the largest magnitude there.
    pub flip_distance: f64,
    /// Values within rounding of their threshold: signs another engine may see otherwise.
    pub near_threshold: usize,
    /// Signs of exactly zero.
    pub zeros: usize,
    /// Nothing is wrong.
    pub ok: bool,
}

/// Against expected outputs.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ExpectReport {
    /// Samples that had any.
    pub samples: usize,
    /// Every value is the same.
    pub exact: bool,
    /// Largest error.
    pub max_abs_error: f64,
    /// Share of rows with the largest value at the same place.
    pub top1_agreement: f64,
    /// Samples that are off by more than rounding, but where a sign flipped, was zero, or is so near its threshold that
    /// the other engine may have seen it otherwise.
    pub explained_by_signs: usize,
    #[serde(skip)]
    rows: (usize, usize),
}

/// All that was seen of one sample.
pub(super) struct Evidence<'a> {
    pub(super) network: &'a Network,
    pub(super) reference: &'a Reference,
    pub(super) sample: &'a Sample,
    /// Blocks on the oracle's values.
    pub(super) alone: &'a [Seen],
    /// Blocks on the program's own.
    pub(super) sequence: &'a [Seen],
    /// Outputs of those.
    pub(super) stepped: &'a [Tensor],
    /// Outputs of `infer`.
    pub(super) outputs: &'a [Tensor],
    /// The oracle is not our own interpreter.
    pub(super) independent: bool,
}

/// Outputs against other outputs.
struct Outputs {
    /// Largest error, and whether it is within the bound everywhere. Integers (of an ArgMax) are left to `rows`: between
    /// two values that are nearly equal, rounding decides.
    error: f64,
    within: bool,
    exact: bool,
    rows: (usize, usize),
    /// Sum and number of the errors of real values.
    errors: (f64, usize),
}

impl Outputs {
    fn compare(ours: &[Tensor], theirs: &[Tensor]) -> Self {
        let mut all =
            Self { error: 0.0, within: ours.len() == theirs.len(), exact: true, rows: (0, 0), errors: (0.0, 0) };
        for (a, b) in ours.iter().zip(theirs) {
            let integers = a.dtype() == DType::I64;
            let (x, y) = (a.to_f32(), b.to_f32());
            if x.len() != y.len() {
                all.within = false;
                continue;
            }
            let deviation = Deviation::of(&x, &y);
            all.exact &= deviation.error == 0.0;
            if !integers {
                all.error = all.error.max(deviation.error);
                let sum: f64 = x.iter().zip(&y).map(|(x, y)| (f64::from(*x) - f64::from(*y)).abs()).sum();
                all.errors = (all.errors.0 + sum, all.errors.1 + x.len());
                all.within &= deviation.error <= TOLERANCE * deviation.scale;
            }
            let (agree, rows) = top1(&x, &y, &a.shape, integers);
            all.rows = (all.rows.0 + agree, all.rows.1 + rows);
        }
        all.exact &= all.within;
        all
    }
}

fn share((agree, rows): (usize, usize)) -> f64 {
    if rows == 0 { 1.0 } else { agree as f64 / rows as f64 }
}

impl Verification {
    pub(super) fn new(network: &Network) -> Self {
        let block = |b: &crate::ir::network::Block| BlockReport {
            name: b.name.clone(),
            kind: explain::kind(b),
            arithmetic: b.arithmetic().map(Arithmetic::name),
            compared: true,
            ok: true,
            ..BlockReport::default()
        };
        Self { ok: true, blocks: network.blocks.iter().map(block).collect(), ..Self::default() }
    }

    /// Whether any layer is looser by choice.
    fn is_looser(&self) -> bool {
        self.blocks.iter().any(|b| b.arithmetic.is_some_and(|a| a != Arithmetic::F32.name()))
    }

    fn fail(&mut self, message: String) {
        self.ok = false;
        // One sentence per cause is enough, however many samples show it.
        if self.failures.len() < 50 && !self.failures.contains(&message) {
            self.failures.push(message);
        }
    }

    /// Judges a sample.
    pub(super) fn add(&mut self, evidence: Evidence<'_>) {
        self.samples += 1;
        for (index, seen) in evidence.alone.iter().enumerate() {
            self.add_block(index, seen);
        }
        let zeros = evidence.alone.iter().any(|s| s.signs.is_some_and(|s| s.zeros > 0));
        let near = evidence.alone.iter().any(|s| s.signs.is_some_and(|s| s.near > 0));
        let unseen = evidence.alone.iter().any(|s| s.unknown_signs);
        let flips = self.add_sequence(&evidence);
        if evidence.stepped != evidence.outputs {
            self.fail("`infer` and the blocks run one by one give different outputs".to_owned());
        }

        // A looser layer changes everything behind it; that the blocks do what they are to do has been judged one by one.
        let excused = flips > 0 || zeros || unseen || self.is_looser();
        let outputs = Outputs::compare(evidence.outputs, &evidence.reference.outputs);
        self.max_abs_error = self.max_abs_error.max(outputs.error);
        self.rows = (self.rows.0 + outputs.rows.0, self.rows.1 + outputs.rows.1);
        self.top1_agreement = share(self.rows);
        self.errors = (self.errors.0 + outputs.errors.0, self.errors.1 + outputs.errors.1);
        self.mean_abs_error = if self.errors.1 == 0 { 0.0 } else { self.errors.0 / self.errors.1 as f64 };
        if !outputs.within && !excused {
            self.fail(format!("the outputs are off by up to {:.3e}, and no flipped sign explains it", outputs.error));
        }

        if !evidence.sample.expected.is_empty() {
            let outputs = Outputs::compare(evidence.outputs, &evidence.sample.expected);
            let first = ExpectReport { exact: true, ..ExpectReport::default() };
            let expected = self.expected.get_or_insert(first);
            expected.samples += 1;
            expected.exact &= outputs.exact;
            expected.max_abs_error = expected.max_abs_error.max(outputs.error);
            expected.rows = (expected.rows.0 + outputs.rows.0, expected.rows.1 + outputs.rows.1);
            expected.top1_agreement = share(expected.rows);
            let explained = excused || evidence.independent && near;
            expected.explained_by_signs += usize::from(!outputs.within && explained);
            if !outputs.within && !explained {
                self.fail(format!(
                    "the outputs differ from the expected ones by up to {:.3e}, and no sign near its threshold explains it",
                    outputs.error
                ));
            }
        }
    }

    fn add_block(&mut self, index: usize, seen: &Seen) {
        let block = &mut self.blocks[index];
        let mut failures = Vec::new();
        for deviation in &seen.real {
            let bound = (TOLERANCE * deviation.scale).max(ROUNDING * seen.read_scale);
            block.max_abs_error = block.max_abs_error.max(deviation.error);
            block.max_ulp = block.max_ulp.max(deviation.ulp);
            if deviation.error > 0.0 {
                block.max_relative_error = block.max_relative_error.max(deviation.error / deviation.scale);
            }
            if deviation.error > bound && !seen.read_zeros && seen.as_defined.is_none() {
                failures.push(format!("block \"{}\": values are off by more than rounding", block.name));
            }
        }
        if let Some(signs) = seen.signs {
            // What a looser layer decides otherwise is its price, not an error.
            let wrong = if seen.as_defined.is_some() { 0 } else { signs.wrong };
            block.sign_flips += signs.flips;
            block.wrong_signs += wrong;
            block.flip_distance = block.flip_distance.max(signs.farthest);
            block.near_threshold += signs.near;
            block.zeros += signs.zeros;
            self.sign_flips += signs.flips;
            self.wrong_signs += wrong;
            self.zeros += signs.zeros;
            if wrong > 0 && !seen.read_zeros {
                failures.push(format!("block \"{}\": wrong signs, far from their thresholds", block.name));
            }
        }
        if let Some(as_defined) = seen.as_defined {
            block.as_defined = Some(block.as_defined.unwrap_or(true) && as_defined);
            if !as_defined {
                failures.push(format!(
                    "block \"{}\": it does not compute what its arithmetic is defined to be",
                    block.name
                ));
            }
        }
        if seen.stray > 0 {
            failures.push(format!("block \"{}\": bits are set behind the last channel", block.name));
        }
        for name in &seen.unknown {
            block.compared = false;
            if !block.not_compared.contains(name) {
                block.not_compared.push(name.clone());
            }
        }
        for name in &seen.readers {
            if !block.compared_through.contains(name) {
                block.compared_through.push(name.clone());
            }
        }
        block.ok &= failures.is_empty();
        for failure in failures {
            self.fail(failure);
        }
    }

    /// Counts flips end to end, and judges the first block that shows any: up to there nothing else differs.
    fn add_sequence(&mut self, evidence: &Evidence<'_>) -> usize {
        let mut flips = 0;
        let mut excused = false;
        for (index, (seen, block)) in evidence.sequence.iter().zip(&evidence.network.blocks).enumerate() {
            excused |= block.arithmetic().is_some_and(|a| a != Arithmetic::F32);
            let Some(signs) = seen.signs else {
                excused |= seen.unknown_signs;
                continue;
            };
            if flips == 0 && signs.wrong > 0 && !excused {
                self.fail(format!("block \"{}\": wrong signs, end to end, before any other sign flipped", block.name));
            }
            flips += signs.flips;
            self.blocks[index].end_to_end_flips += signs.flips;
            excused |= signs.zeros > 0 || seen.unknown_signs;
        }
        self.end_to_end_flips += flips;
        flips
    }
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut head = vec!["block", "kind", "max error", "relative", "ULP", "flips", "farthest", "zeros"];
        let looser = self.is_looser();
        if looser {
            head.push("end to end");
        }
        head.push("");
        let mut rows = vec![head.into_iter().map(str::to_owned).collect::<Vec<_>>()];
        let number = |x: f64| if x == 0.0 { "0".to_owned() } else { format!("{x:.2e}") };
        for b in &self.blocks {
            let verdict = match (b.ok, b.compared) {
                (false, _) => "WRONG".to_owned(),
                (true, true) if b.as_defined.is_some() => match b.arithmetic {
                    Some(looser) if looser != Arithmetic::F32.name() => format!("{looser} by choice, as defined"),
                    _ => "as defined".to_owned(),
                },
                (true, true) => "ok".to_owned(),
                (true, false) if !b.compared_through.is_empty() => {
                    format!("compared through {}", b.compared_through.join(", "))
                }
                (true, false) => format!("not compared: {}", b.not_compared.join(", ")),
            };
            let mut row = vec![
                b.name.clone(),
                b.kind.clone(),
                number(b.max_abs_error),
                number(b.max_relative_error),
                // Units in the last place say nothing of errors that are meant.
                if b.as_defined.is_some() { "-".to_owned() } else { b.max_ulp.to_string() },
                b.sign_flips.to_string(),
                number(b.flip_distance),
                b.zeros.to_string(),
            ];
            if looser {
                row.push(b.end_to_end_flips.to_string());
            }
            row.push(verdict);
            rows.push(row);
        }
        f.write_str(&columns(&rows, if looser { &[2, 3, 4, 5, 6, 7, 8] } else { &[2, 3, 4, 5, 6, 7] }))?;
        writeln!(f)?;
        match &self.oracle_note {
            None => writeln!(f, "oracle            {}, on the original file", self.oracle)?,
            Some(note) => writeln!(f, "oracle            our own {}; tract cannot run this file: {note}", self.oracle)?,
        }
        writeln!(f, "instructions      {}", self.level)?;
        match self.seed {
            Some(seed) => writeln!(f, "samples           {} (random, seed {seed})", self.samples)?,
            None => writeln!(f, "samples           {}", self.samples)?,
        }
        let missing = self.blocks.iter().filter(|b| !b.compared && b.compared_through.is_empty()).count();
        if missing > 0 {
            writeln!(f, "not compared      {missing} blocks write tensors that the reference does not have")?;
        }
        if looser {
            let mut by_choice: Vec<String> = Vec::new();
            for arithmetic in [Arithmetic::Bf16, Arithmetic::Int8] {
                match self.blocks.iter().filter(|b| b.arithmetic == Some(arithmetic.name())).count() {
                    0 => {}
                    1 => by_choice.push(format!("1 layer in {}", arithmetic.name())),
                    count => by_choice.push(format!("{count} layers in {}", arithmetic.name())),
                }
            }
            writeln!(f, "looser by choice  {}; the errors below are theirs", by_choice.join(", "))?;
        }
        writeln!(
            f,
            "largest error     {} (outputs, end to end; mean {})",
            number(self.max_abs_error),
            number(self.mean_abs_error)
        )?;
        writeln!(
            f,
            "flipped signs     {} block by block ({} wrong), {} end to end",
            self.sign_flips, self.wrong_signs, self.end_to_end_flips
        )?;
        writeln!(f, "signs of zero     {} (taken as +1)", self.zeros)?;
        writeln!(f, "top-1 agreement   {:.1} %", 100.0 * self.top1_agreement)?;
        if let Some(e) = &self.expected {
            let exact = if e.exact { "exact".to_owned() } else { format!("largest error {}", number(e.max_abs_error)) };
            let (samples, agreement) = (e.samples, 100.0 * e.top1_agreement);
            writeln!(f, "expected outputs  {exact}, top-1 agreement {agreement:.1} %, {samples} samples")?;
            if e.explained_by_signs > 0 {
                writeln!(
                    f,
                    "                  {} of them with a sign too near its threshold to call",
                    e.explained_by_signs
                )?;
            }
        }
        for failure in &self.failures {
            writeln!(f, "wrong: {failure}")?;
        }
        write!(f, "{}", if self.ok { "ok" } else { "NOT ok" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::network::{Block, Source, TensorId};
    use crate::verify::compare::Signs;

    fn network() -> Network {
        let block = |name: &str| Block::new(name, Source::Map { input: TensorId(0) });
        Network { blocks: vec![block("a"), block("b")], ..Network::default() }
    }

    fn seen(error: f64, signs: Option<Signs>) -> Seen {
        Seen { real: vec![Deviation { error, scale: 2.0, ulp: 1 }], signs, ..Seen::default() }
    }

    fn judge(alone: &[Seen], sequence: &[Seen], output: f32, expected: Option<f32>) -> Verification {
        let network = network();
        let outputs = [Tensor::f32([1], vec![output])];
        let mut verification = Verification::new(&network);
        verification.add(Evidence {
            network: &network,
            reference: &Reference { outputs: vec![Tensor::f32([1], vec![1.0])], ..Reference::default() },
            sample: &Sample {
                inputs: Vec::new(),
                expected: expected.into_iter().map(|x| Tensor::f32([1], vec![x])).collect(),
            },
            alone,
            sequence,
            stepped: &outputs,
            outputs: &outputs,
            independent: true,
        });
        verification
    }

    #[test]
    fn errors_within_rounding_pass_and_others_fail() {
        let fine = [seen(1e-4, None), seen(0.0, None)];
        assert!(judge(&fine, &fine, 1.00005, None).ok);
        assert!(!judge(&fine, &fine, 1.001, None).ok, "end to end, with no flip to explain it");
        let bad = [seen(0.0, None), seen(3e-4, None)];
        let verification = judge(&bad, &fine, 1.0, None);
        assert_eq!(verification.failures, ["block \"b\": values are off by more than rounding"]);
        assert!(verification.blocks[0].ok && !verification.blocks[1].ok);
    }

    #[test]
    fn a_flip_near_the_threshold_excuses_what_follows_and_a_far_one_does_not() {
        let flips = |wrong| Some(Signs { flips: 1, wrong, farthest: 1e-5, ..Signs::default() });
        let alone = [seen(0.0, None), seen(0.0, None)];
        let near = judge(&alone, &[seen(0.0, flips(0)), seen(9.0, flips(1))], 7.0, Some(3.0));
        assert!(near.ok, "{:?}", near.failures);
        assert_eq!((near.end_to_end_flips, near.sign_flips), (2, 0));
        assert!(!judge(&alone, &[seen(0.0, flips(1)), seen(0.0, None)], 7.0, None).ok);
        assert!(!judge(&[seen(0.0, flips(1)), seen(0.0, None)], &alone, 1.0, None).ok);
    }

    #[test]
    fn zeros_excuse_the_blocks_that_read_them() {
        let zeros = Some(Signs { zeros: 1, ..Signs::default() });
        let behind = Seen { read_zeros: true, ..seen(5.0, None) };
        let verification = judge(&[seen(0.0, zeros), behind.clone()], &[seen(0.0, zeros), behind], 5.0, None);
        assert!(verification.ok, "{:?}", verification.failures);
        assert_eq!(verification.zeros, 1);
    }

    #[test]
    fn expected_outputs_are_judged() {
        let fine = [seen(0.0, None), seen(0.0, None)];
        let same = judge(&fine, &fine, 1.0, Some(1.0));
        assert!(same.ok && same.expected.unwrap().exact);
        let off = judge(&fine, &fine, 1.0, Some(2.0));
        assert!(!off.ok && !off.expected.unwrap().exact);
    }

    #[test]
    fn a_nan_is_never_fine() {
        let fine = [seen(0.0, None), seen(0.0, None)];
        assert!(!judge(&fine, &fine, f32::NAN, None).ok);
    }

    #[test]
    fn the_keys_of_the_contract_are_there() {
        let fine = [seen(0.0, None), seen(0.0, None)];
        let json = serde_json::to_value(judge(&fine, &fine, 1.0, None)).unwrap();
        for key in ["ok", "samples", "max_abs_error", "sign_flips", "top1_agreement", "blocks", "oracle", "zeros"] {
            assert!(json.get(key).is_some(), "{key}");
        }
        assert_eq!(json["blocks"][0]["name"], "a");
    }
}
