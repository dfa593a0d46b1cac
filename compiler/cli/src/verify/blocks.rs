//! Runs the blocks of a built program and compares what each writes.

use std::collections::{HashMap, HashSet};

use super::TOLERANCE;
use super::compare::{Deviation, Scores, Signs, Ties, decided_otherwise};
use super::explain::Decisions;
use super::known::{self, Known, reference_of};
use super::oracle::Reference;
use super::rounding::{F32, Margins, Rounding, jumps};
use super::samples::Sample;
use crate::packing::Packing;
use crate::toolchain::{Program, Space, is_integer};
use xnorc::diagnostics::{Code, Diagnostic, Diagnostics};
use xnorc::interpret;
use xnorc::ir::network::{Activation, Block, Body, Move, NetTensor, Network, Step, Storage, TensorId, Whole};
use xnorc::ir::{Data, Op, Tensor};
use xnorc::plan::{Place, Plan};

/// What was seen of one block.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Real values, by tensor.
    pub(super) real: Vec<Deviation>,
    /// Signs.
    pub(super) signs: Option<Signs>,
    /// Values rounded to another whole number than the reference's, where that is in question.
    pub(super) rounded_otherwise: usize,
    /// Largest magnitude of the real values it read, sums aside.
    pub(super) read_scale: f64,
    /// ONNX values it read the signs of, some of which are zero in the reference; or what it read was computed from.
    pub(super) read_zeros: Vec<String>,
    /// Words with bits set behind the last channel.
    pub(super) stray: usize,
    /// Names of tensors it wrote that the oracle has no values for.
    pub(super) unknown: Vec<String>,
    /// Names of the blocks that read those, when everything these write is compared: in [`Run::alone`] they take what was
    /// computed here, so a mistake shows there.
    pub(super) readers: Vec<String>,
    /// Whether it computed what its definition says, as far as it is judged by that: its arithmetic is looser by choice, or
    /// it reads what only such a block has computed.
    pub(super) as_defined: Option<bool>,
    /// Whether one of the unknown tensors holds sign bits whose flips would go unseen, or values rounded to whole numbers.
    pub(super) unknown_signs: bool,
}

/// The network on its own values, except that the signs are the reference's.
#[derive(Debug, Default)]
pub(super) struct Pinned {
    pub(super) outputs: Vec<Tensor>,
    /// The signs that were not the reference's by themselves.
    pub(super) decisions: Decisions,
    /// Values that were rounded to another whole number than the reference's.
    pub(super) rounded: HashMap<TensorId, Vec<(usize, f32)>>,
    /// Blocks with signs that rounding does not explain.
    pub(super) wrong: Vec<String>,
}

/// One sample on one program.
pub(super) struct Run<'a> {
    network: &'a Network,
    plan: &'a Plan,
    program: &'a mut Program,
    sample: &'a Sample,
    known: HashMap<TensorId, Known>,
    /// What rounding to whole numbers can make of values that the reference does not know.
    bounds: HashMap<TensorId, Vec<f64>>,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        network: &'a Network,
        plan: &'a Plan,
        program: &'a mut Program,
        reference: &Reference,
        sample: &'a Sample,
    ) -> Self {
        let known = known::all(network, reference, sample);
        Self { network, plan, program, sample, known, bounds: HashMap::new() }
    }

    /// Every block on the oracle's values.
    pub(super) fn alone(&mut self) -> Result<Vec<Seen>, Diagnostics> {
        self.give_inputs()?;
        let network = self.network;
        let mut all = Vec::new();
        // Written by a looser block and not known to the oracle.
        let mut looser = HashSet::new();
        // Behind signs of zero, by way of what the oracle does not know.
        let mut zeros_behind: HashMap<TensorId, Vec<String>> = HashMap::new();
        for (index, block) in network.blocks.iter().enumerate() {
            let mut seen = Seen::default();
            let by_choice = block.looser().is_some();
            let by_definition = by_choice || block.reads().iter().any(|id| looser.contains(id));
            let mut given = HashMap::new();
            for id in block.reads() {
                let tensor = network.tensor(id);
                let Some(known) = self.known.get(&id) else {
                    seen.read_zeros.extend(zeros_behind.get(&id).into_iter().flatten().cloned());
                    given.insert(id, self.read(id)?);
                    continue;
                };
                match Packing::of(tensor) {
                    Some(packing) => {
                        if known.values.contains(&0.0) {
                            seen.read_zeros.extend(tensor.origin.as_ref().map(|o| o.name.clone()));
                        }
                        if let Place::Bits(offset, _) = self.plan.place(id) {
                            self.program.write_bits(offset, &packing.pack(&known.plus))?;
                        }
                        given.insert(id, known.plus.iter().map(|&plus| if plus { 1.0 } else { -1.0 }).collect());
                    }
                    None => {
                        if !is_sum(network, id) {
                            let scale = Deviation::of(&known.values, &known.values).scale;
                            seen.read_scale = seen.read_scale.max(scale);
                        }
                        // An index computed by the block before stays as it is: integers are read, never written.
                        let place = dense(self.plan.place(id)).filter(|_| !is_integer(tensor));
                        if let Some((space, offset)) = place {
                            self.program.write_f32(space, offset, &known.values)?;
                        }
                        given.insert(id, known.values.clone());
                    }
                }
            }
            let defined = if by_definition { Some(self.defined(block)?) } else { None };
            self.program.block(index)?;
            self.look(block, &mut seen, Some(&given))?;
            self.settle_zeros(block)?;
            let unknown = block.writes().into_iter().filter(|id| !self.known.contains_key(id));
            zeros_behind.extend(unknown.map(|id| (id, seen.read_zeros.clone())));
            if let Some(defined) = defined {
                seen.as_defined = Some(self.agrees(block, &defined)?);
                looser.extend(block.writes().into_iter().filter(|id| !self.known.contains_key(id)));
            }
            all.push(seen);
        }
        Ok(all)
    }

    /// What the interpreter makes of a block, on what the program has in memory now.
    fn defined(&mut self, block: &Block) -> Result<HashMap<TensorId, Tensor>, Diagnostics> {
        let mut values = HashMap::new();
        for id in block.reads() {
            let read = self.read(id)?;
            values.insert(id, Tensor::f32(self.network.tensor(id).shape.clone(), read));
        }
        interpret::network::block(self.network, block, &mut values).map_err(unsupported)?;
        Ok(values)
    }

    /// Whether a block has written these values: to the bit, unless a function of its own is only nearly exact.
    fn agrees(&mut self, block: &Block, defined: &HashMap<TensorId, Tensor>) -> Result<bool, Diagnostics> {
        let exact = block.steps().all(is_exact);
        for id in block.writes() {
            let tensor = self.network.tensor(id);
            let Some(defined) = defined.get(&id).map(Tensor::to_f32) else { return Ok(false) };
            let same = match (Packing::of(tensor), self.plan.place(id)) {
                (Some(packing), Place::Bits(offset, _)) => {
                    let words = self.program.read_bits(offset, tensor.storage_len())?;
                    let plus = packing.unpack(&words).0;
                    !exact || plus.iter().zip(&defined).all(|(&plus, &defined)| plus == (defined > 0.0))
                }
                (_, place) => {
                    let values = read_dense(self.program, tensor, place)?;
                    let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
                    let deviation = Deviation::of(&values, &defined);
                    values.len() == defined.len()
                        && (values.iter().zip(&defined).all(same)
                            || !exact && deviation.error <= TOLERANCE * deviation.scale)
                }
            };
            if !same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Every block on what the blocks before it computed. Also gives the outputs.
    pub(super) fn sequence(&mut self) -> Result<(Vec<Seen>, Vec<Tensor>), Diagnostics> {
        self.give_inputs()?;
        let network = self.network;
        let mut all = Vec::new();
        for (index, block) in network.blocks.iter().enumerate() {
            self.program.block(index)?;
            let mut seen = Seen::default();
            self.look(block, &mut seen, None)?;
            all.push(seen);
        }
        Ok((all, self.outputs()?))
    }

    /// Every block on what the blocks before it computed, but for the signs: those are the reference's. What differs must
    /// be in question on the way; then, with the same signs, the outputs are the reference's to rounding.
    pub(super) fn pinned(&mut self) -> Result<Pinned, Diagnostics> {
        self.give_inputs()?;
        let network = self.network;
        let mut pinned = Pinned::default();
        for (index, block) in network.blocks.iter().enumerate() {
            let mut given = HashMap::new();
            for id in block.reads() {
                given.insert(id, self.read(id)?);
            }
            self.program.block(index)?;
            self.pin_jumps(block, &given, &mut pinned)?;
            let mut all_margins = None;
            for id in block.writes() {
                let tensor = network.tensor(id);
                let (Some(packing), Place::Bits(offset, _)) = (Packing::of(tensor), self.plan.place(id)) else {
                    continue;
                };
                let Some(known) = self.known.get(&id) else { continue };
                let plus = packing.unpack(&self.program.read_bits(offset, tensor.storage_len())?).0;
                // A sign of zero is what the program makes of it.
                let differs =
                    |i: &usize| known.values[*i] != 0.0 && !known.values[*i].is_nan() && plus[*i] != known.plus[*i];
                let other: Vec<usize> = (0..plus.len()).filter(differs).collect();
                if other.is_empty() {
                    continue;
                }
                let known: HashMap<usize, bool> = other.iter().map(|&i| (i, known.plus[i])).collect();
                let mut plus = plus;
                other.iter().for_each(|&i| plus[i] = !plus[i]);
                self.program.write_bits(offset, &packing.pack(&plus))?;
                if all_margins.is_none() {
                    all_margins = Some(self.margins(block, &given, true)?);
                }
                let margins = all_margins.iter().flatten().find(|m| m.tensor == id);
                if !other.iter().all(|&i| margins.is_some_and(|m| m.in_question(i))) {
                    pinned.wrong.push(block.name.clone());
                }
                pinned.decisions.entry(id).or_default().extend(known);
            }
        }
        pinned.outputs = self.outputs()?;
        // Integers that the program gives are read, never written.
        for (id, output) in network.outputs.iter().zip(&mut pinned.outputs) {
            if let (Some(rounded), Data::I64(values)) = (pinned.rounded.get(id), &mut output.data) {
                rounded.iter().for_each(|&(i, value)| values[i] = value as i64);
            }
        }
        Ok(pinned)
    }

    /// Sets what a block has rounded to another whole number than the reference, where that is in question.
    fn pin_jumps(
        &mut self,
        block: &Block,
        given: &HashMap<TensorId, Vec<f32>>,
        pinned: &mut Pinned,
    ) -> Result<(), Diagnostics> {
        let mut rounding = None;
        for id in block.writes().into_iter().filter(|_| jumps(block).is_some()) {
            let tensor = self.network.tensor(id);
            if !matches!(tensor.storage, Storage::Dense(_)) || !self.known.contains_key(&id) {
                continue;
            }
            let mut values = self.read(id)?;
            let known = &self.known[&id].values;
            if !Deviation::of(&values, known).is_off() {
                continue;
            }
            if rounding.is_none() {
                rounding = Some(self.rounding(block, given, true)?.0);
            }
            let bounds = rounding.iter().find_map(|r| r.errors.get(&id)).map_or(&[][..], |bounds| bounds);
            for i in decided_otherwise(&values, known, bounds, TOLERANCE) {
                values[i] = known[i];
                pinned.rounded.entry(id).or_default().push((i, known[i]));
            }
            write(self.network, self.plan, self.program, id, &values)?;
        }
        Ok(())
    }

    /// The signs of a block on these inputs, and how near each is to turning.
    fn margins(
        &self,
        block: &Block,
        given: &HashMap<TensorId, Vec<f32>>,
        own: bool,
    ) -> Result<Vec<Margins>, Diagnostics> {
        Ok(self.rounding(block, given, own)?.1)
    }

    /// What rounding can do in a block on these inputs. On the program's `own` inputs, which differ from the reference's by
    /// what was rounded before, that difference counts.
    fn rounding(
        &self,
        block: &Block,
        given: &HashMap<TensorId, Vec<f32>>,
        own: bool,
    ) -> Result<(Rounding<'a>, Vec<Margins>), Diagnostics> {
        let mut rounding = Rounding::new(self.network, F32);
        for (&id, values) in given {
            let tensor = self.network.tensor(id);
            if let Storage::Dense(_) = tensor.storage {
                let known = self.known.get(&id);
                let off = |i: usize, v: f32| match known {
                    Some(known) if own => f64::from((v - known.values[i]).abs()),
                    Some(_) => 0.0,
                    // Computed by a block or two, on the way from what is known.
                    None => {
                        let jump = self.bounds.get(&id).and_then(|bounds| bounds.get(i)).copied().unwrap_or(0.0);
                        jump.max(64.0 * F32 * f64::from(v.abs()))
                    }
                };
                if own || known.is_none() {
                    rounding.errors.insert(id, values.iter().enumerate().map(|(i, &v)| off(i, v)).collect());
                }
            }
            rounding.values.insert(id, Tensor::f32(tensor.shape.clone(), values.clone()));
        }
        let margins = rounding.block(block).map_err(unsupported)?;
        Ok((rounding, margins))
    }

    /// What the program holds: sign bits as -1 and +1.
    fn read(&mut self, id: TensorId) -> Result<Vec<f32>, Diagnostics> {
        read(self.network, self.plan, self.program, id)
    }

    /// Readers of a sign of zero are given what the block that takes it has made of it.
    fn settle_zeros(&mut self, block: &Block) -> Result<(), Diagnostics> {
        for id in block.writes().into_iter().filter(|&id| matches!(self.network.tensor(id).storage, Storage::Bits(_))) {
            let undecided = |v: &f32| *v == 0.0 || v.is_nan();
            if !self.known.get(&id).is_some_and(|known| known.values.iter().any(undecided)) {
                continue;
            }
            let written = self.read(id)?;
            if let Some(known) = self.known.get_mut(&id) {
                for ((plus, value), written) in known.plus.iter_mut().zip(&known.values).zip(written) {
                    if undecided(value) {
                        *plus = written > 0.0;
                    }
                }
            }
        }
        Ok(())
    }

    /// The whole network at once.
    pub(super) fn infer(&mut self) -> Result<Vec<Tensor>, Diagnostics> {
        self.give_inputs()?;
        self.program.infer()?;
        self.outputs()
    }

    fn give_inputs(&mut self) -> Result<(), Diagnostics> {
        give_inputs(self.program, &self.sample.inputs)
    }

    fn outputs(&mut self) -> Result<Vec<Tensor>, Diagnostics> {
        outputs(self.network, self.program)
    }

    /// Blocks that read a tensor, if there are any and the oracle knows all that they write.
    fn judged_readers(&self, id: TensorId) -> Option<Vec<String>> {
        let readers: Vec<&Block> = self.network.blocks.iter().filter(|b| b.reads().contains(&id)).collect();
        let judged = |b: &&Block| b.writes().iter().all(|w| self.known.contains_key(w));
        (!readers.is_empty() && readers.iter().all(judged)).then(|| readers.iter().map(|b| b.name.clone()).collect())
    }

    /// True when bits go only into pools whose results are compared: a flip either shows there or has no effect.
    fn is_only_pooled(&self, id: TensorId) -> bool {
        let keeps = |body: &Body| {
            matches!(body, Body::Move(Move::BitMaxPool { .. } | Move::BitJoin { .. } | Move::BitProduct { .. }))
        };
        let pools = |b: &Block| !b.reads().contains(&id) || keeps(&b.body);
        self.judged_readers(id).is_some() && self.network.blocks.iter().all(pools)
    }

    /// How many values go into each of a block's sums of that name.
    fn pixels(&self, block: &Block, sums: TensorId) -> f64 {
        let Some(tiled) = block.tiled() else { return 1.0 };
        let behind =
            tiled.pooled.as_ref().filter(|p| p.steps.iter().any(|s| matches!(s, Step::Sum(id) if *id == sums)));
        let [_, h, w, _] =
            behind.map_or_else(|| tiled.source.extents(self.network), |pooled| pooled.pool.geometry.extents());
        (h * w).max(1) as f64
    }

    /// Reads and compares what a block has written. On `given` inputs flipped signs are judged; else all are wrong.
    fn look(
        &mut self,
        block: &Block,
        seen: &mut Seen,
        given: Option<&HashMap<TensorId, Vec<f32>>>,
    ) -> Result<(), Diagnostics> {
        let mut all_margins = None;
        // Its own jumps, or those of a block whose results the oracle does not know.
        let jumps = jumps(block).is_some() || block.reads().iter().any(|id| self.bounds.contains_key(id));
        for id in block.writes() {
            let tensor = self.network.tensor(id);
            let Some(known) = self.known.get(&id) else {
                if let Some(given) = given.filter(|_| jumps && !self.bounds.contains_key(&id)) {
                    let bounds = self.rounding(block, given, false)?.0.errors.remove(&id);
                    self.bounds.extend(bounds.map(|bounds| (id, bounds)));
                }
                seen.unknown.push(tensor.name.clone());
                seen.readers.extend(self.judged_readers(id).into_iter().flatten());
                seen.unknown_signs |= matches!(tensor.storage, Storage::Bits(_)) && !self.is_only_pooled(id);
                seen.unknown_signs |= jumps;
                continue;
            };
            match (Packing::of(tensor), self.plan.place(id)) {
                (Some(packing), Place::Bits(offset, _)) => {
                    let words = self.program.read_bits(offset, tensor.storage_len())?;
                    let (plus, stray) = packing.unpack(&words);
                    let mut signs = Signs::of(&plus, &known.values, None);
                    if let Some(given) = given.filter(|_| signs.flips > 0) {
                        if all_margins.is_none() {
                            all_margins = Some(self.margins(block, given, false)?);
                        }
                        let margins = all_margins.iter().flatten().find(|m| m.tensor == id);
                        signs = Signs::of(&plus, &known.values, margins);
                    }
                    seen.signs = Some(seen.signs.map_or(signs, |s| s.and(signs)));
                    seen.stray += stray;
                }
                (_, place) => {
                    let mut values = read_dense(self.program, tensor, place)?;
                    let mut deviation = Deviation::of(&values, &known.values);
                    if let Some(given) = given.filter(|_| deviation.is_off() && jumps) {
                        let rounding = self.rounding(block, given, false)?.0;
                        let bounds = rounding.errors.get(&id).map_or(&[][..], |bounds| bounds);
                        for i in decided_otherwise(&values, &known.values, bounds, TOLERANCE) {
                            values[i] = known.values[i];
                            seen.rounded_otherwise += 1;
                        }
                        deviation = Deviation::of(&values, &known.values);
                    }
                    // Sums are judged as the means they stand for, so that an error in a report is one of a value.
                    let count = if is_sum(self.network, id) { self.pixels(block, id) } else { 1.0 };
                    let (error, scale) = (deviation.error / count, deviation.scale / count);
                    seen.real.push(Deviation { error, scale, ..deviation });
                }
            }
        }
        Ok(())
    }
}

/// The outputs of a program that has just run, in the file's shapes.
///
/// # Errors
/// When the program has ended.
pub fn outputs(network: &Network, program: &mut Program) -> Result<Vec<Tensor>, Diagnostics> {
    let mut outputs = Vec::new();
    for (i, &id) in network.outputs.iter().enumerate() {
        let tensor = network.tensor(id);
        let len = tensor.shape.iter().product();
        outputs.push(match tensor.integer() {
            Some(_) => Tensor::i64(tensor.shape.clone(), program.read_i64(i, len)?),
            None => Tensor::f32(tensor.shape.clone(), program.read_f32(Space::Output(i), 0, len)?),
        });
    }
    Ok(outputs)
}

fn read_dense(program: &mut Program, tensor: &NetTensor, place: Place) -> Result<Vec<f32>, Diagnostics> {
    let len = tensor.storage_len();
    match (place, tensor.integer()) {
        (Place::Output(i), Some(_)) => Ok(program.read_i64(i, len)?.into_iter().map(|v| v as f32).collect()),
        (place, _) => match dense(place) {
            Some((space, offset)) => program.read_f32(space, offset, len),
            None => Ok(Vec::new()),
        },
    }
}

fn dense(place: Place) -> Option<(Space, usize)> {
    match place {
        Place::Input(i) => Some((Space::Input(i), 0)),
        Place::Output(i) => Some((Space::Output(i), 0)),
        Place::Real(offset, _) => Some((Space::Real, offset)),
        Place::Bits(..) => None,
    }
}

/// What the indices among the outputs were chosen from, as far as the engine knows.
pub(super) fn ties(network: &Network, reference: &Reference) -> Ties {
    let mut ties = Ties::default();
    for (index, &output) in network.outputs.iter().enumerate() {
        let mut of = output;
        // The same elements under another shape.
        while let Some(input) = network.blocks.iter().find_map(|b| match b.body {
            Body::Move(Move::Reshape { input, output }) if output == of => Some(input),
            _ => None,
        }) {
            of = input;
        }
        for block in &network.blocks {
            let Body::Whole(Whole { op: Op::ArgMax { axis, .. }, inputs, output }) = &block.body else { continue };
            let tensor = network.tensor(inputs[0]);
            if let Some(known) = reference_of(tensor, reference).filter(|_| *output == of) {
                let (extent, inner) = (tensor.shape[*axis], tensor.shape[axis + 1..].iter().product());
                ties.add(index, Scores { values: known.values, extent, inner });
            }
        }
    }
    ties
}

/// What the program holds of a tensor: sign bits as -1 and +1.
pub(super) fn read(
    network: &Network,
    plan: &Plan,
    program: &mut Program,
    id: TensorId,
) -> Result<Vec<f32>, Diagnostics> {
    let tensor = network.tensor(id);
    match (Packing::of(tensor), plan.place(id)) {
        (Some(packing), Place::Bits(offset, _)) => {
            let words = program.read_bits(offset, tensor.storage_len())?;
            Ok(packing.unpack(&words).0.into_iter().map(|plus| if plus { 1.0 } else { -1.0 }).collect())
        }
        (_, place) => read_dense(program, tensor, place),
    }
}

/// Makes the program hold these floats.
pub(super) fn write(
    network: &Network,
    plan: &Plan,
    program: &mut Program,
    id: TensorId,
    values: &[f32],
) -> Result<(), Diagnostics> {
    match dense(plan.place(id)).filter(|_| !is_integer(network.tensor(id))) {
        Some((space, offset)) => program.write_f32(space, offset, values),
        None => Ok(()),
    }
}

/// Gives a program its inputs.
pub(super) fn give_inputs(program: &mut Program, inputs: &[Tensor]) -> Result<(), Diagnostics> {
    inputs.iter().enumerate().try_for_each(|(i, tensor)| program.write_f32(Space::Input(i), 0, &tensor.to_f32()))
}

/// A block the interpreter cannot run.
pub(super) fn unsupported(message: String) -> Diagnostics {
    Diagnostic::error(Code::Unsupported, None, format!("the definition cannot be run: {message}")).into()
}

/// Whether the emitted code and the interpreter compute a step to the same bit.
fn is_exact(step: &Step) -> bool {
    let Step::Activation(Activation::Unary(function)) = step else { return true };
    function.is_exact()
}

fn is_sum(network: &Network, id: TensorId) -> bool {
    network.blocks.iter().any(|b| b.steps().any(|s| matches!(s, Step::Sum(t) if *t == id)))
}
