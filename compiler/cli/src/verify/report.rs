//! What `verify` found, and its verdict.
//!
//! The field names of [`Verification`] are the keys of `verify --json`, which is a contract.

use std::fmt;

use serde::Serialize;

use super::blocks::{Pinned, Seen};
use super::compare::{Deviation, top1};
use super::explain::Explanation;
use super::{ROUNDING, TOLERANCE};
use xnorc::ir::network::{Arithmetic, Network};
use xnorc::ir::{DType, Tensor};
use xnorc::report::{columns, explain};

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
    /// `loose`, where f32 is rounded twice by choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiply_add: Option<&'static str>,
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
    /// Values rounded to another whole number than the oracle's, block by block, each of which was in question.
    pub rounded_otherwise: usize,
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
    /// Of a real-valued convolution or fully connected layer: `f32`, by choice `bf16` or `int8`, or `int8 of the file`, which
    /// loses nothing; of every block `fixed`, where the network is in fixed point by choice: its errors are then those end to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arithmetic: Option<&'static str>,
    /// Whether that is looser than f32, by the user's choice.
    #[serde(skip)]
    looser: bool,
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
    /// Signs of exactly zero that became +1.
    pub zeros: usize,
    /// Values rounded to another whole number than the oracle's, each of which was in question.
    pub rounded_otherwise: usize,
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
    /// Largest error against the independent engine, which judges them.
    pub max_engine_error: f64,
    /// Samples that are off by more than rounding, but are what comes out with signs in question turned.
    pub explained_by_signs: usize,
    /// The signs turned for that, over all samples: those that the program has otherwise.
    pub turned_signs: usize,
    /// Of those samples, the ones with too many signs in question to find the very ones: they are as near as networks are
    /// to one another whose signs in question are decided by chance.
    pub explained_by_chance: usize,
    /// Samples that follow the file in taking the sign of 0 for 0, where the program takes +1.
    pub explained_by_zeros: usize,
    /// Signs in question, in the sample that has most, where they were looked for.
    pub signs_in_question: usize,
    /// Values in question that are rounded to whole numbers; of one sample, at most.
    pub rounded_in_question: usize,
    /// Samples that are wrong.
    pub wrong: usize,
    #[serde(skip)]
    rows: (usize, usize),
}

/// What was found of the outputs expected for a sample.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    /// The engine computes them.
    Computed,
    /// It does on the file as it stands, whose signs of zero the program takes for +1.
    WithZeros,
    /// Signs in question were turned.
    Searched(Explanation),
}

/// Outputs against other outputs.
struct Outputs {
    /// Largest error, and where: output and element. Integers (of an ArgMax) are left to `rows`.
    error: f64,
    place: (usize, usize),
    exact: bool,
    rows: (usize, usize),
    /// Sum and number of the errors of real values.
    errors: (f64, usize),
}

impl Outputs {
    fn compare(ours: &[Tensor], theirs: &[Tensor]) -> Self {
        let exact = ours.len() == theirs.len();
        let mut all = Self { error: 0.0, place: (0, 0), exact, rows: (0, 0), errors: (0.0, 0) };
        for (index, (a, b)) in ours.iter().zip(theirs).enumerate() {
            let integers = a.dtype() == DType::I64;
            let (x, y) = (a.to_f32(), b.to_f32());
            if x.len() != y.len() {
                all.exact = false;
                continue;
            }
            let errors: Vec<f64> = x.iter().zip(&y).map(|(x, y)| Deviation::of(&[*x], &[*y]).error).collect();
            let largest = errors.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            all.exact &= largest.is_none_or(|(_, &error)| error == 0.0);
            if let Some((element, &error)) = largest.filter(|_| !integers) {
                if error > all.error {
                    (all.error, all.place) = (error, (index, element));
                }
                all.errors = (all.errors.0 + errors.iter().sum::<f64>(), all.errors.1 + x.len());
            }
            let (agree, rows) = top1(&x, &y, &a.shape, integers);
            all.rows = (all.rows.0 + agree, all.rows.1 + rows);
        }
        all
    }
}

/// Whether a block is wrong in what it wrote, apart from what it was defined to be.
pub(super) fn is_wrong(seen: &Seen) -> bool {
    seen.as_defined.is_none()
        && (seen.real.iter().any(|d| is_off(d, seen)) || seen.signs.is_some_and(|signs| signs.wrong > 0))
}

/// By more than rounding.
fn is_off(deviation: &Deviation, seen: &Seen) -> bool {
    deviation.error > (TOLERANCE * deviation.scale).max(ROUNDING * seen.read_scale)
}

fn share((agree, rows): (usize, usize)) -> f64 {
    if rows == 0 { 1.0 } else { agree as f64 / rows as f64 }
}

impl Verification {
    pub(super) fn new(network: &Network) -> Self {
        let block = |b: &xnorc::ir::network::Block| BlockReport {
            name: b.name.clone(),
            kind: explain::kind(b),
            arithmetic: b.arithmetic_name(),
            looser: b.looser().is_some(),
            compared: true,
            ok: true,
            ..BlockReport::default()
        };
        Self { ok: true, blocks: network.blocks.iter().map(block).collect(), ..Self::default() }
    }

    /// Whether any layer is looser by choice.
    fn is_looser(&self) -> bool {
        self.blocks.iter().any(|b| b.looser)
    }

    /// All blocks are in fixed point.
    pub(super) fn is_in_fixed_point(&mut self) {
        for block in &mut self.blocks {
            (block.arithmetic, block.looser) = (Some(Arithmetic::Fixed.name()), true);
        }
    }

    /// A block in fixed point on what the blocks before it computed.
    pub(super) fn add_end_to_end(
        &mut self,
        index: usize,
        (real, flips): (&[Deviation], usize),
        as_defined: bool,
        unknown: Vec<String>,
    ) {
        let block = &mut self.blocks[index];
        for deviation in real {
            block.max_abs_error = block.max_abs_error.max(deviation.error);
            if deviation.error > 0.0 {
                block.max_relative_error = block.max_relative_error.max(deviation.error / deviation.scale);
            }
        }
        block.as_defined = Some(block.as_defined.unwrap_or(true) && as_defined);
        block.ok &= as_defined;
        block.compared &= unknown.is_empty();
        if block.not_compared.is_empty() {
            block.not_compared = unknown;
        }
        block.end_to_end_flips += flips;
        self.end_to_end_flips += flips;
    }

    pub(super) fn fail(&mut self, message: String) {
        self.ok = false;
        // One sentence per cause is enough, however many samples show it.
        if self.failures.len() < 50 && !self.failures.contains(&message) {
            self.failures.push(message);
        }
    }

    /// Every block on the engine's values, and how many signs of zero each takes for +1.
    pub(super) fn add_blocks(&mut self, alone: &[Seen], zeros: &[usize]) {
        self.samples += 1;
        for (index, (seen, zeros)) in alone.iter().zip(zeros).enumerate() {
            self.add_block(index, seen);
            self.blocks[index].zeros += zeros;
            self.zeros += zeros;
        }
    }

    /// The outputs, and whether what differs is explained.
    pub(super) fn add_outputs(&mut self, outputs: &[Tensor], reference: &[Tensor], explained: bool) {
        let outputs = Outputs::compare(outputs, reference);
        self.max_abs_error = self.max_abs_error.max(outputs.error);
        self.rows = (self.rows.0 + outputs.rows.0, self.rows.1 + outputs.rows.1);
        self.top1_agreement = share(self.rows);
        self.errors = (self.errors.0 + outputs.errors.0, self.errors.1 + outputs.errors.1);
        self.mean_abs_error = if self.errors.1 == 0 { 0.0 } else { self.errors.0 / self.errors.1 as f64 };
        if !explained {
            self.fail(format!(
                "the outputs are off by up to {:.3e}, and no sign in question explains it",
                outputs.error
            ));
        }
    }

    /// The outputs expected of the sample added last.
    pub(super) fn add_expected(
        &mut self,
        outputs: &[Tensor],
        reference: &[Tensor],
        wanted: &[Tensor],
        found: Expected,
    ) {
        let outputs = Outputs::compare(outputs, wanted);
        let engine = Outputs::compare(reference, wanted);
        let first = ExpectReport { exact: true, ..ExpectReport::default() };
        let expected = self.expected.get_or_insert(first);
        expected.samples += 1;
        expected.exact &= outputs.exact;
        expected.max_abs_error = expected.max_abs_error.max(outputs.error);
        expected.max_engine_error = expected.max_engine_error.max(engine.error);
        expected.rows = (expected.rows.0 + outputs.rows.0, expected.rows.1 + outputs.rows.1);
        expected.top1_agreement = share(expected.rows);
        match found {
            Expected::Computed => {}
            Expected::WithZeros => expected.explained_by_zeros += 1,
            Expected::Searched(e) => {
                expected.signs_in_question = expected.signs_in_question.max(e.questions);
                expected.rounded_in_question = expected.rounded_in_question.max(e.rounded);
                if e.found {
                    expected.explained_by_signs += 1;
                    expected.turned_signs += e.turned;
                    expected.explained_by_chance += usize::from(e.by_chance);
                    return;
                }
                expected.wrong += 1;
                let (output, element) = engine.place;
                let wrong = match engine.error {
                    0.0 => "other classes".to_owned(),
                    error => format!("off by up to {error:.3e} (output {output}, element {element})"),
                };
                let signs = match e.questions {
                    0 if e.rounded == 0 => "no sign is in question".to_owned(),
                    signs if e.rounded > 0 => format!(
                        "deciding by chance what is in question ({signs} signs, {} roundings to whole numbers) moves no output by \
                         more than {:.3e}",
                        e.rounded, e.most
                    ),
                    n => format!("turning the {n} signs in question moves no output by more than {:.3e}", e.most),
                };
                let sample = self.samples;
                self.fail(format!(
                    "the expected outputs of sample {sample} are not what the engine computes: {wrong}; {signs}"
                ));
            }
        }
    }

    fn add_block(&mut self, index: usize, seen: &Seen) {
        self.rounded_otherwise += seen.rounded_otherwise;
        let block = &mut self.blocks[index];
        block.rounded_otherwise += seen.rounded_otherwise;
        let mut failures = Vec::new();
        for deviation in &seen.real {
            block.max_abs_error = block.max_abs_error.max(deviation.error);
            block.max_ulp = block.max_ulp.max(deviation.ulp);
            if deviation.error > 0.0 {
                block.max_relative_error = block.max_relative_error.max(deviation.error / deviation.scale);
            }
            if is_off(deviation, seen) && seen.as_defined.is_none() {
                failures.push(format!("block \"{}\": values are off by more than rounding", block.name));
            }
        }
        if let Some(signs) = seen.signs {
            // What a looser layer decides otherwise is its price, not an error.
            let wrong = if seen.as_defined.is_some() { 0 } else { signs.wrong };
            block.sign_flips += signs.flips;
            block.wrong_signs += wrong;
            block.flip_distance = block.flip_distance.max(signs.farthest);
            self.sign_flips += signs.flips;
            self.wrong_signs += wrong;
            if wrong > 0 {
                failures.push(format!("block \"{}\": wrong signs, which rounding cannot turn", block.name));
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

    /// Counts flips end to end, and judges those that differ when all signs before them are the engine's.
    pub(super) fn add_sequence(&mut self, sequence: &[Seen], pinned: Option<&Pinned>) {
        for (block, seen) in self.blocks.iter_mut().zip(sequence) {
            let flips = seen.signs.map_or(0, |signs| signs.flips);
            block.end_to_end_flips += flips;
            self.end_to_end_flips += flips;
        }
        for block in pinned.iter().flat_map(|pinned| &pinned.wrong) {
            self.fail(format!("block \"{block}\": wrong signs end to end, which rounding cannot turn"));
        }
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
        if self.multiply_add.is_some() {
            let at = match self.level.as_str() {
                "portable" | "popcnt" | "simd128" => {
                    "f32 is rounded twice with these instructions, and the errors below are with that"
                }
                _ => "but these instructions round once: the errors below are without it",
            };
            writeln!(f, "multiply-add      loose by choice: {at}")?;
        }
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
            if self.blocks.iter().any(|b| b.arithmetic == Some(Arithmetic::Fixed.name())) {
                by_choice.push("the whole network in fixed point".to_owned());
            }
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
        let in_fixed_point = self.blocks.iter().any(|b| b.arithmetic == Some(Arithmetic::Fixed.name()));
        if in_fixed_point {
            writeln!(f, "flipped signs     {} end to end", self.end_to_end_flips)?;
        } else {
            writeln!(
                f,
                "flipped signs     {} block by block ({} wrong), {} end to end",
                self.sign_flips, self.wrong_signs, self.end_to_end_flips
            )?;
        }
        writeln!(f, "signs of zero     {} (taken as +1)", self.zeros)?;
        if self.rounded_otherwise > 0 {
            writeln!(f, "whole numbers     {} rounded the other way, each in question", self.rounded_otherwise)?;
        }
        writeln!(f, "top-1 agreement   {:.1} %", 100.0 * self.top1_agreement)?;
        if let Some(e) = &self.expected {
            let exact = if e.exact { "exact".to_owned() } else { format!("largest error {}", number(e.max_abs_error)) };
            let (samples, agreement) = (e.samples, 100.0 * e.top1_agreement);
            writeln!(f, "expected outputs  {exact}, top-1 agreement {agreement:.1} %, {samples} samples")?;
            let (found, chance) = (e.explained_by_signs - e.explained_by_chance, e.explained_by_chance);
            let indent = " ".repeat(18);
            if found > 0 {
                writeln!(f, "{indent}{found} of them with signs in question decided otherwise than by the engine")?;
            }
            if chance > 0 {
                let many = match (e.signs_in_question, e.rounded_in_question) {
                    (signs, 0) => format!("{signs} signs"),
                    (0, rounded) => format!("{rounded} roundings to whole numbers"),
                    (signs, rounded) => format!("{signs} signs and {rounded} roundings to whole numbers"),
                };
                writeln!(f, "{indent}{chance} of them as near as {many} in question, decided by chance, tell")?;
            }
            if e.explained_by_zeros > 0 {
                writeln!(f, "{indent}{} of them with the sign of 0 as the file has it, 0", e.explained_by_zeros)?;
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
    use crate::verify::compare::Signs;
    use xnorc::ir::network::{Block, Source, TensorId};

    fn network() -> Network {
        let block = |name: &str| Block::new(name, Source::Map { input: TensorId(0) });
        Network { blocks: vec![block("a"), block("b")], ..Network::default() }
    }

    fn seen(error: f64, signs: Option<Signs>) -> Seen {
        Seen { real: vec![Deviation { error, scale: 2.0, ulp: 1 }], signs, ..Seen::default() }
    }

    fn judge(alone: &[Seen], output: f32, expected: Option<(f32, Expected)>) -> Verification {
        let mut verification = Verification::new(&network());
        let tensor = |x| [Tensor::f32([1], vec![x])];
        verification.add_blocks(alone, &[0, 0]);
        verification.add_outputs(&tensor(output), &tensor(1.0), output == 1.0);
        if let Some((x, found)) = expected {
            verification.add_expected(&tensor(output), &tensor(1.0), &tensor(x), found);
        }
        verification
    }

    #[test]
    fn errors_within_rounding_pass_and_others_fail() {
        let fine = [seen(1e-4, None), seen(0.0, None)];
        assert!(judge(&fine, 1.0, None).ok);
        assert!(!judge(&fine, 2.0, None).ok, "end to end, with no sign to explain it");
        let verification = judge(&[seen(0.0, None), seen(3e-4, None)], 1.0, None);
        assert_eq!(verification.failures, ["block \"b\": values are off by more than rounding"]);
        assert!(verification.blocks[0].ok && !verification.blocks[1].ok);
    }

    #[test]
    fn flips_are_wrong_unless_in_question() {
        let flips = |wrong| Some(Signs { flips: 1, wrong, farthest: 1e-5, ..Signs::default() });
        assert!(judge(&[seen(0.0, flips(0)), seen(0.0, None)], 1.0, None).ok);
        assert!(!judge(&[seen(0.0, flips(1)), seen(0.0, None)], 1.0, None).ok);
        let mut verification = Verification::new(&network());
        let pinned = Pinned { wrong: vec!["b".to_owned()], ..Pinned::default() };
        verification.add_sequence(&[seen(0.0, flips(1)), seen(0.0, None)], Some(&pinned));
        assert!(!verification.ok && verification.end_to_end_flips == 1);
    }

    #[test]
    fn expected_outputs_are_judged() {
        let fine = [seen(0.0, None), seen(0.0, None)];
        let same = judge(&fine, 1.0, Some((1.0, Expected::Computed)));
        assert!(same.ok && same.expected.unwrap().exact);
        let turned = Explanation { found: true, turned: 2, questions: 5, rounded: 0, most: 3.0, by_chance: false };
        let found = judge(&fine, 1.0, Some((2.0, Expected::Searched(turned))));
        assert!(
            found.ok && found.to_string().contains("1 of them with signs in question decided otherwise"),
            "{found}"
        );
        let not_found = Explanation { found: false, ..turned };
        let off = judge(&fine, 1.0, Some((4.0, Expected::Searched(not_found))));
        let message = "the expected outputs of sample 1 are not what the engine computes: off by up to 3.000e0 (output 0, \
                       element 0); turning the 5 signs in question moves no output by more than 3.000e0";
        assert_eq!(off.failures, [message]);
    }

    #[test]
    fn the_keys_of_the_contract_are_there() {
        let fine = [seen(0.0, None), seen(0.0, None)];
        let json = serde_json::to_value(judge(&fine, 1.0, None)).unwrap();
        for key in ["ok", "samples", "max_abs_error", "sign_flips", "top1_agreement", "blocks", "oracle", "zeros"] {
            assert!(json.get(key).is_some(), "{key}");
        }
        assert_eq!(json["blocks"][0]["name"], "a");
    }
}
