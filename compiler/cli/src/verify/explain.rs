//! Which signs, decided the other way, explain outputs that are not the program's own.
//!
//! Two engines may decide a sign otherwise when its value is nearer to the threshold than they round ([`super::rounding`]):
//! it is *in question*. One such sign changes others behind it, so that outputs are explained by nothing less than running
//! the network again with that sign turned. This looks for signs in question whose turning gives the wanted outputs, to
//! rounding. It is a best-first search: of all that was tried the nearest is looked at next, its signs in question are found
//! by walking through its blocks, and each is turned in turn; then all together that brought the outputs nearer. Values of one
//! channel that are equal to the bit are the same number to every engine, and are turned together; but for the counts of a binary
//! layer, which are whole numbers here, and in a file of scaled weights sums that each engine rounds in an order of its own.
//!
//! It ends when the outputs are found; when all signs in question together could not bridge what is missing, as for
//! any outputs that are simply wrong; or after [`RUNS`] runs and [`WALKS`] walks. More than [`MANY`] signs in question, as where
//! a file is computed in 16 bits, cannot be tried one by one; nor can more sums that cancel than there are walks, as where nothing
//! was trained, if they were tried in vain; nor values that are rounded to whole numbers, as quantised files do, of which a
//! thousandth is in question. Then each is decided by chance, as often as rounding would, a few times over, and the wanted outputs
//! may be as far away as these are from one another.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Generator;
use super::TOLERANCE;
use super::blocks::{self, unsupported};
use super::compare::{Deviation, Ties, gap, within};
use super::rounding::{Jump, Rounding, jumps};
use crate::packing::Packing;
use crate::toolchain::Program;
use xnorc::diagnostics::Diagnostics;
use xnorc::interpret;
use xnorc::ir::Tensor;
use xnorc::ir::network::{Network, Source, Storage, TensorId};
use xnorc::plan::{Place, Plan};

/// Inferences one search may take.
pub(super) const RUNS: usize = 400;

/// Walks through the blocks, to find the signs in question, that one search may take.
const WALKS: usize = 8;

/// How many signs in question are too many to be tried one by one.
pub(super) const MANY: usize = 200;

/// Networks decided by chance.
const DRAWS: usize = 6;

/// Signs that are what they are told to be: by tensor of bits, the elements.
pub(super) type Decisions = BTreeMap<TensorId, HashMap<usize, bool>>;

/// What runs the network.
pub(super) enum Engine<'a> {
    /// The emitted program: milliseconds.
    Program(&'a mut Program, &'a Plan),
    /// Where the program is looser by choice: the interpreter, in f32.
    Interpreter,
}

/// What was looked for.
pub(super) struct Wanted<'a> {
    pub(super) outputs: &'a [Tensor],
    /// How far they may be off, relative to the largest magnitude.
    pub(super) tolerance: f64,
    /// Where integers may differ.
    pub(super) ties: &'a Ties,
}

/// How a search ended.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Explanation {
    /// The outputs are explained.
    pub(super) found: bool,
    /// By so many signs, turned.
    pub(super) turned: usize,
    /// Only as likely as not: there were too many signs to find those.
    pub(super) by_chance: bool,
    /// Signs in question.
    pub(super) questions: usize,
    /// Values in question that are rounded to whole numbers.
    pub(super) rounded: usize,
    /// How far turning them moves an output at most, as far as was tried.
    pub(super) most: f64,
}

/// The network, to be run with signs turned.
pub(super) struct Explorer<'a> {
    pub(super) network: &'a Network,
    pub(super) engine: Engine<'a>,
    pub(super) inputs: &'a [Tensor],
    /// Distance of 1 to the next number of the coarser engine.
    pub(super) unit: f64,
}

/// Signs in question that are the same number.
struct Group {
    members: Vec<(TensorId, usize)>,
    /// Which way they are now.
    plus: bool,
    /// Distance from the threshold, relative to what rounding can do.
    closeness: f64,
}

impl Group {
    /// Decides them the other way.
    fn turn(&self, decisions: &mut Decisions) {
        for &(tensor, element) in &self.members {
            decisions.entry(tensor).or_default().insert(element, !self.plus);
        }
    }
}

/// The network under some decisions.
struct Look {
    outputs: Vec<Tensor>,
    /// Signs in question besides those decided.
    groups: Vec<Group>,
    /// All decisions are about signs in question.
    valid: bool,
    /// Values that could as well be rounded to another whole number.
    rounded: usize,
}

struct Node {
    decisions: Decisions,
    outputs: Vec<Tensor>,
    gap: f64,
    seen: bool,
}

impl Explorer<'_> {
    /// Looks for signs in question that explain the outputs, starting from sets of decisions.
    pub(super) fn explain(&mut self, wanted: &Wanted<'_>, starts: Vec<Decisions>) -> Result<Explanation, Diagnostics> {
        let runs = if matches!(self.engine, Engine::Interpreter) { RUNS / 8 } else { RUNS };
        let mut nodes: Vec<Node> = Vec::new();
        let mut tried: HashSet<Vec<(TensorId, usize, bool)>> = HashSet::new();
        let mut result = Explanation::default();
        for decisions in starts {
            if tried.insert(listed(&decisions)) {
                let outputs = self.run(&decisions)?;
                if decisions.is_empty() && within(&outputs, wanted.outputs, wanted.tolerance, wanted.ties) {
                    return Ok(Explanation { found: true, ..result });
                }
                nodes.push(Node { gap: gap(&outputs, wanted.outputs), decisions, outputs, seen: false });
            }
        }
        // Under no decisions, how many signs are of sums that cancel.
        let mut undecided: Option<(usize, Vec<Tensor>)> = None;
        let starts = nodes.len();
        let mut count = starts;
        for _ in 0..WALKS {
            if count >= runs {
                break;
            }
            // What is decided is not decided again, so that each start has its turn.
            let key = |i: usize, n: &Node| if i < starts { f64::NEG_INFINITY } else { n.gap };
            let unseen = nodes.iter().enumerate().filter(|(_, n)| !n.seen);
            let next = unseen.min_by(|&(i, a), &(j, b)| key(i, a).total_cmp(&key(j, b)));
            let Some((next, _)) = next else { break };
            nodes[next].seen = true;
            let decisions = nodes[next].decisions.clone();
            let Look { outputs, mut groups, valid, rounded } = self.look(&decisions, None)?;
            if !valid {
                continue;
            }
            if within(&outputs, wanted.outputs, wanted.tolerance, wanted.ties) {
                let turned = decisions.values().map(HashMap::len).sum();
                return Ok(Explanation { found: true, turned, ..result });
            }
            result.questions = result.questions.max(groups.iter().map(|g| g.members.len()).sum());
            result.rounded = result.rounded.max(rounded);
            if decisions.is_empty() {
                let cancelled = groups.iter().filter(|group| group.closeness == 0.0).count();
                undecided = Some((cancelled, outputs.clone()));
            }
            if groups.len() > MANY || rounded > 0 {
                return self.by_chance(wanted, &outputs, result);
            }
            groups.sort_by(|a, b| a.closeness.total_cmp(&b.closeness));
            let (mut effects, here, first) = (0.0, nodes[next].gap, nodes.len());
            let mut nearer = decisions.clone();
            for group in groups {
                let mut turned = decisions.clone();
                group.turn(&mut turned);
                if !tried.insert(listed(&turned)) {
                    continue;
                }
                let moved = self.run(&turned)?;
                count += 1;
                effects += gap(&moved, &outputs);
                result.most = result.most.max(largest(&moved, &outputs));
                if gap(&moved, wanted.outputs) < here {
                    group.turn(&mut nearer);
                }
                let found = within(&moved, wanted.outputs, wanted.tolerance, wanted.ties);
                nodes.push(Node { gap: gap(&moved, wanted.outputs), decisions: turned, outputs: moved, seen: false });
                if found || count >= runs {
                    break;
                }
            }
            if count < runs && tried.insert(listed(&nearer)) {
                let outputs = self.run(&nearer)?;
                count += 1;
                nodes.push(Node { gap: gap(&outputs, wanted.outputs), decisions: nearer, outputs, seen: false });
            }
            // All of them together would not do, by far. (What a sign moves depends on the others.)
            if here > 4.0 * effects {
                nodes[first..].iter_mut().for_each(|n| n.seen = true);
            }
        }
        // The run that gave the outputs need not have been looked at yet.
        let near = |n: &&Node| within(&n.outputs, wanted.outputs, wanted.tolerance, wanted.ties);
        let found: Vec<Decisions> = nodes.iter().filter(near).map(|n| n.decisions.clone()).collect();
        for decisions in found {
            if self.look(&decisions, None)?.valid {
                let turned = decisions.values().map(HashMap::len).sum();
                return Ok(Explanation { found: true, turned, ..result });
            }
        }
        // As many as it takes a walk each to turn, and as likely to be turned as not.
        match undecided {
            Some((cancelled, outputs)) if cancelled > WALKS => self.by_chance(wanted, &outputs, result),
            _ => Ok(result),
        }
    }

    /// Too many to be tried: as near as networks are to one another whose signs in question are decided by chance.
    fn by_chance(
        &mut self,
        wanted: &Wanted<'_>,
        own: &[Tensor],
        mut result: Explanation,
    ) -> Result<Explanation, Diagnostics> {
        let mut generator = Generator::new(1);
        let mut draws = vec![own.to_vec()];
        for _ in 0..DRAWS {
            draws.push(self.look(&Decisions::new(), Some(&mut generator))?.outputs);
        }
        let pairs = || draws.iter().enumerate().flat_map(|(i, a)| draws[..i].iter().map(move |b| (a, b)));
        let spread = pairs().map(|(a, b)| gap(a, b)).fold(0.0, f64::max);
        result.most = pairs().map(|(a, b)| largest(a, b)).fold(0.0, f64::max);
        let least = |f: fn(&[Tensor], &[Tensor]) -> f64| {
            draws.iter().map(|d| f(d, wanted.outputs)).fold(f64::INFINITY, f64::min)
        };
        result.by_chance = true;
        // The nearest of a few draws, and the farthest two: a wanted one of their kind lies within, as a whole and in the output
        // that differs most.
        let near = |output: f64| output <= result.most || least(gap) <= wanted.tolerance;
        result.found = least(gap) <= spread.max(wanted.tolerance) && near(least(largest));
        Ok(result)
    }

    /// The outputs under these decisions.
    fn run(&mut self, decisions: &Decisions) -> Result<Vec<Tensor>, Diagnostics> {
        let network = self.network;
        match &mut self.engine {
            Engine::Program(program, plan) => {
                blocks::give_inputs(program, self.inputs)?;
                for (index, block) in network.blocks.iter().enumerate() {
                    program.block(index)?;
                    for id in block.writes() {
                        if let Some(decided) = decisions.get(&id) {
                            decide(network, plan, program, id, decided)?;
                        }
                    }
                }
                blocks::outputs(network, program)
            }
            Engine::Interpreter => {
                let mut values = given(network, self.inputs);
                for block in &network.blocks {
                    interpret::network::block(network, block, &mut values).map_err(unsupported)?;
                    for id in block.writes() {
                        if let Some(decided) = decisions.get(&id) {
                            turn(&mut values, id, decided);
                        }
                    }
                }
                Ok(outputs(network, &values))
            }
        }
    }

    /// The network under these decisions. With a generator each sign in question is decided by chance, and so is each value
    /// that is rounded to a whole number.
    fn look(&mut self, decisions: &Decisions, mut chance: Option<&mut Generator>) -> Result<Look, Diagnostics> {
        let network = self.network;
        let mut rounding = Rounding::new(network, self.unit);
        rounding.values = given(network, self.inputs);
        if let Engine::Program(program, _) = &mut self.engine {
            blocks::give_inputs(program, self.inputs)?;
        }
        let (mut valid, mut rounded) = (true, 0);
        let mut groups = Vec::new();
        for (index, block) in network.blocks.iter().enumerate() {
            let all_margins = rounding.block(block).map_err(unsupported)?;
            if let Engine::Program(program, plan) = &mut self.engine {
                program.block(index)?;
                // What the program has computed goes on, not what it should have.
                for id in block.writes() {
                    let values = blocks::read(network, plan, program, id)?;
                    if let Some(tensor) = rounding.values.get_mut(&id).filter(|t| t.as_f32().is_some()) {
                        *tensor = Tensor::f32(tensor.shape.clone(), values);
                    }
                }
            }
            for (id, jump) in block.writes().into_iter().filter_map(|id| Some((id, jumps(block)?))) {
                let moved = round_otherwise(&mut rounding, id, jump, chance.as_deref_mut());
                rounded += moved;
                if let (Engine::Program(program, plan), Some(tensor), true) =
                    (&mut self.engine, rounding.values.get(&id), moved > 0 && chance.is_some())
                {
                    blocks::write(network, plan, program, id, &tensor.to_f32())?;
                }
            }
            let counts = matches!(block.source(), Some(Source::BinaryConv { .. }));
            let mut same: HashMap<(usize, u32), Group> = HashMap::new();
            let mut turned = Decisions::new();
            for margins in &all_margins {
                let decided = decisions.get(&margins.tensor);
                let plus = rounding.values.get(&margins.tensor).map(Tensor::to_f32).unwrap_or_default();
                for (element, value) in margins.values.iter().enumerate() {
                    let question = margins.in_question(element);
                    if let Some(&plus) = decided.and_then(|d| d.get(&element)) {
                        turned.entry(margins.tensor).or_default().insert(element, plus);
                        valid &= question;
                    } else if question {
                        let closeness = margins.distance[element] / margins.reach[element].max(f64::MIN_POSITIVE);
                        let plus = plus[element] > 0.0;
                        let first = || Group { members: Vec::new(), plus, closeness };
                        let alike = if counts { element } else { element % margins.channels };
                        let key = (alike, value.to_bits());
                        same.entry(key).or_insert_with(first).members.push((margins.tensor, element));
                    }
                }
            }
            if let Some(generator) = chance.as_deref_mut() {
                let mut same: Vec<Group> = same.drain().map(|(_, group)| group).collect();
                same.sort_by_key(|g| g.members[0]);
                for group in same {
                    // What a bound of three deviations leaves to chance.
                    if 3.0 * group.closeness < f64::from(generator.normal()) {
                        for (tensor, element) in group.members {
                            turned.entry(tensor).or_default().insert(element, !group.plus);
                        }
                    }
                }
            } else {
                groups.extend(same.into_values());
            }
            for (&id, decided) in &turned {
                turn(&mut rounding.values, id, decided);
                if let Engine::Program(program, plan) = &mut self.engine {
                    decide(network, plan, program, id, decided)?;
                }
            }
        }
        groups.sort_by_key(|g| g.members[0]);
        let outputs = match &mut self.engine {
            Engine::Program(program, _) => blocks::outputs(network, program)?,
            Engine::Interpreter => outputs(network, &rounding.values),
        };
        Ok(Look { outputs, groups, valid, rounded })
    }
}

/// Of the values just computed, those whose jump is in question: how many they are. With a generator some are moved by their
/// step, as many as rounding would; from there on all of them are certain.
fn round_otherwise(rounding: &mut Rounding<'_>, id: TensorId, jump: Jump, mut chance: Option<&mut Generator>) -> usize {
    let (Some(tensor), Some(bounds)) = (rounding.values.get_mut(&id), rounding.errors.get_mut(&id)) else { return 0 };
    let mut values = tensor.to_f32();
    let off = TOLERANCE * Deviation::of(&values, &values).scale;
    let (least, most) = values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)));
    let mut count = 0;
    for (value, bound) in values.iter_mut().zip(bounds).filter(|(_, bound)| **bound > off) {
        count += 1;
        if let Some(generator) = chance.as_deref_mut() {
            // Anywhere within a bound of three deviations, two in fifteen are moved beyond the middle, to either side.
            let by = generator.normal();
            if by.abs() > BEYOND {
                let side = match jump {
                    Jump::Whole => by,
                    Jump::Other => (least + most) / 2.0 - *value,
                };
                *value += bound.copysign(f64::from(side)) as f32;
            }
        }
        *bound = 0.0;
    }
    *tensor = Tensor::f32(tensor.shape.clone(), values);
    count
}

/// A normal number lies beyond it, to either side, two times in fifteen.
const BEYOND: f32 = 1.5;

fn listed(decisions: &Decisions) -> Vec<(TensorId, usize, bool)> {
    let mut all: Vec<_> =
        decisions.iter().flat_map(|(&id, decided)| decided.iter().map(move |(&i, &plus)| (id, i, plus))).collect();
    all.sort_unstable();
    all
}

/// Turns bits in the program's memory.
fn decide(
    network: &Network,
    plan: &Plan,
    program: &mut Program,
    id: TensorId,
    decided: &HashMap<usize, bool>,
) -> Result<(), Diagnostics> {
    let tensor = network.tensor(id);
    if let (Some(packing), Place::Bits(offset, _)) = (Packing::of(tensor), plan.place(id)) {
        let mut plus = packing.unpack(&program.read_bits(offset, tensor.storage_len())?).0;
        decided.iter().for_each(|(&i, &decided)| plus[i] = decided);
        program.write_bits(offset, &packing.pack(&plus))?;
    }
    Ok(())
}

fn turn(values: &mut HashMap<TensorId, Tensor>, id: TensorId, decided: &HashMap<usize, bool>) {
    if let Some(tensor) = values.get_mut(&id) {
        let mut signs = tensor.to_f32();
        decided.iter().for_each(|(&i, &plus)| signs[i] = if plus { 1.0 } else { -1.0 });
        *tensor = Tensor::f32(tensor.shape.clone(), signs);
    }
}

fn given(network: &Network, inputs: &[Tensor]) -> HashMap<TensorId, Tensor> {
    let floats = |t: &Tensor, id| Tensor::f32(network.tensor(id).shape.clone(), t.to_f32());
    network.inputs.iter().zip(inputs).map(|(&id, tensor)| (id, floats(tensor, id))).collect()
}

fn outputs(network: &Network, values: &HashMap<TensorId, Tensor>) -> Vec<Tensor> {
    network.outputs.iter().filter_map(|id| values.get(id).cloned()).collect()
}

/// Largest difference of two sets of outputs.
fn largest(a: &[Tensor], b: &[Tensor]) -> f64 {
    let of = |(a, b): (&Tensor, &Tensor)| Deviation::of(&a.to_f32(), &b.to_f32()).error;
    a.iter().zip(b).map(of).fold(0.0, f64::max)
}

/// Whether a network decides anything at all: takes signs, or rounds to whole numbers.
pub(super) fn decides(network: &Network) -> bool {
    network.tensors.iter().any(|t| matches!(t.storage, Storage::Bits(_)))
        || network.blocks.iter().any(|block| jumps(block).is_some())
}
