//! From the normalised graph to fused blocks.
//!
//! 1. A sign that may be 0 has two values where it ends in bits ([`zero`]). A max-pool between a value and its sign moves
//!    behind the sign ([`commute`]).
//! 2. Every value of ±1 that binary layers read gets its packed tensors, framed for those who read them ([`bits`]).
//! 3. Gates are recognised as a whole ([`gate`]), and products that wait for them ([`products`]).
//! 4. Every other operator that is no element-wise one starts a block; the block then takes in the element-wise
//!    operators behind it, one after the other, as steps ([`steps`]). Binary layers choose first, so that a skip is
//!    added where the half-block ends and not where its shortcut does. No block takes in what depends on itself.
//!    One pool may be among them: its windows slide over the block's rows as they come.
//! 5. What element-wise operators are left start blocks of their own, with the reason.
//! 6. Only now is it known which values are needed in memory, as bits, or as sums: each is written where it is
//!    computed, and the blocks are put in order ([`finish`]).

mod bits;
mod commute;
mod facts;
mod finish;
mod gate;
mod generic;
mod geometry;
mod integers;
mod parts;
mod products;
mod sources;
mod steps;
#[cfg(test)]
mod tests;
mod thresholds;
mod zero;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::ir::network::{Block, Interval, Move, NetTensor, Network, Pool, Products, Source, Step, Storage, TensorId};
use crate::ir::{DType, Graph, Op, Origin, Shape, Tensor, ValueId, Zero};

use facts::Facts;

/// The pass.
///
/// # Errors
/// Operators without a compiled form, all of them.
pub fn run(graph: &Graph) -> Result<Network, Diagnostics> {
    let graph = commute::sign_before_pool(&zero::settle(graph));
    let mut builder = Builder::new(Facts::new(&graph));
    builder.check_types();
    if builder.graph.values.iter().any(|value| value.shape.contains(&0)) && builder.diagnostics.has_errors() {
        // Nothing below divides by an extent that is zero.
        return Err(builder.diagnostics);
    }
    builder.declare();
    builder.plan_bits();
    builder.gates();
    builder.late_products();
    builder.blocks();
    builder.copy_outputs();
    builder.finish()
}

/// What happens to a tile, before it is known which of its values are needed.
enum Item {
    Step(Step),
    /// What follows sees windows of the pixels before.
    Pool(Pool),
    /// Here the tile holds this value: it is stored, packed and summed here if anybody needs that.
    Value(ValueId),
}

/// A block being built.
struct Draft {
    /// Without steps.
    block: Block,
    /// What becomes its steps; none unless it works tile by tile.
    items: Vec<Item>,
    /// The nodes it computes.
    nodes: Vec<usize>,
}

/// Bits that are packed where a value is computed.
struct Pack {
    intervals: Arc<Vec<Interval>>,
    bits: TensorId,
}

struct Builder<'g> {
    graph: &'g Graph,
    facts: Facts<'g>,
    network: Network,
    names: HashSet<String>,
    drafts: Vec<Draft>,
    /// The draft that computes each node; `None` for nodes that vanish (signs, folded affine maps) or still wait.
    owner: Vec<Option<usize>>,
    /// Values in memory, as far as anybody has asked.
    dense: HashMap<ValueId, TensorId>,
    /// Sums over the pixels of values.
    sums: BTreeMap<ValueId, TensorId>,
    /// Signs of values.
    packs: BTreeMap<ValueId, Vec<Pack>>,
    /// The bits each binary layer reads as this operand, and each pool or join of bits writes.
    bits_read: HashMap<(usize, usize), TensorId>,
    bits_moved: HashMap<usize, Vec<TensorId>>,
    /// The bits each sign becomes.
    sign_bits: HashMap<usize, Vec<TensorId>>,
    /// A tensor that holds a single 1, once somebody needs it.
    one: Option<TensorId>,
    /// Single numbers, by their shapes and bits.
    numbers: HashMap<(Shape, u32), TensorId>,
    /// Products that are computed with both of their operands, and the nodes that wait for it.
    late: HashMap<usize, products::Late>,
    waiting: HashSet<usize>,
    /// Why a node could not join the block before it.
    refused: HashMap<usize, String>,
    diagnostics: Diagnostics,
}

impl<'g> Builder<'g> {
    fn new(facts: Facts<'g>) -> Self {
        let graph = facts.graph;
        Self {
            graph,
            owner: vec![None; graph.nodes.len()],
            network: Network { name: graph.name.clone(), notes: graph.notes.clone(), ..Network::default() },
            facts,
            names: HashSet::new(),
            drafts: Vec::new(),
            dense: HashMap::new(),
            sums: BTreeMap::new(),
            packs: BTreeMap::new(),
            bits_read: HashMap::new(),
            bits_moved: HashMap::new(),
            sign_bits: HashMap::new(),
            one: None,
            numbers: HashMap::new(),
            late: HashMap::new(),
            waiting: HashSet::new(),
            refused: HashMap::new(),
            diagnostics: Diagnostics::default(),
        }
    }

    /// What a value's elements are in memory: booleans are 0 and 1, and integers that are not the caller's floats that hold them.
    fn stored(&self, v: ValueId) -> DType {
        match self.graph.value(v).dtype {
            DType::Bool => DType::F32,
            dtype if dtype.is_integer() && !self.is_callers(v) => DType::F32,
            dtype => dtype,
        }
    }

    fn is_callers(&self, v: ValueId) -> bool {
        self.graph.inputs.contains(&v) || self.graph.outputs.contains(&v)
    }

    /// Integers are the answer of an ArgMax, or the caller's, to be converted; and nothing is empty.
    fn check_types(&mut self) {
        for i in self.facts.live() {
            let node = self.facts.node(i);
            let integer = |&v: &ValueId| self.graph.value(v).dtype.is_integer() && !self.facts.is_constant(v);
            let (makes, takes) = (integer(&node.output), node.inputs.iter().any(integer));
            let kept = matches!(node.op, Op::Reshape | Op::Cast(_));
            // In the middle integers are floats that hold them, which a cast to integers would not make of others.
            let cuts = makes && !takes && matches!(node.op, Op::Cast(_)) && !self.is_callers(node.output);
            if makes && !kept && !matches!(node.op, Op::ArgMax { .. }) || takes && !kept || cuts {
                self.refuse(i, "integers computed at run time are not supported");
            }
            if self.graph.shape(node.output).contains(&0)
                || node.inputs.iter().any(|&v| self.graph.shape(v).contains(&0))
            {
                self.refuse(i, "tensors without elements are not supported");
            }
        }
    }

    /// Declares inputs and outputs first, so that they have the file's names.
    fn declare(&mut self) {
        for &input in &self.graph.inputs {
            let id = self.dense(input);
            if self.graph.value(input).dtype == DType::Bool {
                self.network.booleans.push(self.network.inputs.len());
            }
            self.network.inputs.push(id);
        }
        for &output in &self.graph.outputs {
            // A value the caller already has, or gets twice, is copied.
            let id = if self.dense.contains_key(&output) || self.facts.is_constant(output) {
                let value = self.graph.value(output);
                let storage = Storage::Dense(self.stored(output));
                self.new_tensor(&value.name, value.shape.clone(), storage, value.origin.clone())
            } else {
                self.dense(output)
            };
            self.network.outputs.push(id);
        }
    }

    fn copy_outputs(&mut self) {
        for (k, &output) in self.graph.outputs.iter().enumerate() {
            let (source, target) = (self.dense(output), self.network.outputs[k]);
            if source != target {
                let tensors = [source, target].map(|id| self.network.tensor(id));
                let body = if tensors.iter().any(|tensor| tensor.integer().is_some()) {
                    Move::Convert { input: source, output: target }.into()
                } else {
                    let piece = generic::whole(&tensors[0].shape, source);
                    Move::Copy { fill: None, pieces: vec![piece], output: target }.into()
                };
                let name = self.network.tensor(target).name.clone();
                self.add_draft(Block { name, body, parts: vec!["Identity".into()], reason: None }, &[]);
            }
        }
    }

    /// One block after the other, in the order that decides who takes in what.
    fn blocks(&mut self) {
        let stages: [fn(&Op) -> bool; 4] = [
            |op| matches!(op, Op::BinaryConv { .. } | Op::BinaryMatMul { .. }),
            |op| matches!(op, Op::Conv { .. } | Op::MatMul),
            |op| matches!(op, Op::MaxPool { .. } | Op::AveragePool { .. } | Op::Reduce { .. }),
            |_| true,
        ];
        for stage in stages {
            for i in self.facts.live() {
                if self.owner[i].is_none() && stage(&self.facts.node(i).op) && !self.vanishes(i) {
                    self.start_block(i);
                }
            }
        }
    }

    /// Nodes that are no block's: what they compute is written, in another form, where their operand is computed, or it is computed
    /// where it is needed.
    fn vanishes(&self, i: usize) -> bool {
        let node = self.facts.node(i);
        match &node.op {
            Op::Sign(_) | Op::Reshape | Op::Transpose(_) if !self.facts.users(node.output).is_empty() => {
                self.facts.is_bits_only(node.output) && self.bit_source(node.output).is_some()
            }
            Op::Affine { .. } => self.facts.is_folded_affine(i),
            Op::Binary(_) if self.facts.is_part_of_product(i) => true,
            _ => self.waiting.contains(&i),
        }
    }

    fn add_draft(&mut self, block: Block, nodes: &[usize]) -> usize {
        let d = self.drafts.len();
        for &i in nodes {
            self.owner[i] = Some(d);
        }
        self.drafts.push(Draft { block, items: Vec::new(), nodes: nodes.to_vec() });
        d
    }

    /// The tensor of a value. Whoever computes the value will write it there.
    fn dense(&mut self, v: ValueId) -> TensorId {
        if let Some(&id) = self.dense.get(&v) {
            return id;
        }
        let value = self.graph.value(v);
        let id = match &value.constant {
            Some(tensor) => match tensor.as_f32() {
                Some(&[number]) => self.number(number, tensor),
                _ => self.constant_tensor(&value.name, tensor),
            },
            None => {
                let storage = Storage::Dense(self.stored(v));
                self.new_tensor(&value.name, value.shape.clone(), storage, value.origin.clone())
            }
        };
        self.dense.insert(v, id);
        id
    }

    /// Sums of a value over the pixels of each image.
    fn sums(&mut self, v: ValueId) -> TensorId {
        if let Some(&id) = self.sums.get(&v) {
            return id;
        }
        let [n, _, _, c] = self.facts.view(v);
        let name = format!("{}.sums", self.graph.value(v).name);
        let id = self.new_tensor(&name, vec![n, 1, 1, c], Storage::Dense(DType::F32), None);
        self.sums.insert(v, id);
        id
    }

    /// A single number, one tensor for all that read it in that shape.
    fn number(&mut self, number: f32, tensor: &Tensor) -> TensorId {
        let key = (tensor.shape.clone(), number.to_bits());
        if let Some(&id) = self.numbers.get(&key) {
            return id;
        }
        let id = self.constant_tensor(&format!("constant {number:?}"), tensor);
        self.numbers.insert(key, id);
        id
    }

    /// A tensor known at compile time. Blocks read nothing but tensors, and weights: so it is the result of a fully
    /// connected layer whose one input is 1.
    fn constant_tensor(&mut self, name: &str, tensor: &Tensor) -> TensorId {
        if tensor.dtype() == DType::I64 {
            self.diagnostics.push(unsupported(
                format!("value \"{name}\""),
                "a constant of integers is used as a tensor at run time",
            ));
        }
        let one = match self.one {
            Some(one) => one,
            None => {
                let one = self.new_tensor("one", vec![1, 1, 1, 1], Storage::Dense(DType::F32), None);
                let body = Move::Copy { fill: Some(1.0), pieces: vec![], output: one }.into();
                self.add_draft(Block { name: "one".into(), body, parts: vec!["Constant".into()], reason: None }, &[]);
                *self.one.insert(one)
            }
        };
        let data = tensor.to_f32();
        let id = self.new_tensor(name, tensor.shape.clone(), Storage::Dense(DType::F32), None);
        let geometry = geometry::pointwise(&[1, 1, 1, 1], data.len());
        let (planar, weights, products) = (false, Arc::new(data), Products::F32);
        let body = Source::RealConv { input: one, planar, geometry, weights, products }.into();
        let reason = Some("a constant".to_owned());
        let parts = vec!["Constant".into()];
        let d = self.add_draft(Block { name: name.to_owned(), body, parts, reason }, &[]);
        self.drafts[d].items.push(Item::Step(Step::Store(id)));
        id
    }

    fn new_tensor(&mut self, name: &str, shape: Shape, storage: Storage, origin: Option<Origin>) -> TensorId {
        let mut unique = name.to_owned();
        let mut k = 1;
        while !self.names.insert(unique.clone()) {
            k += 1;
            unique = format!("{name}.{k}");
        }
        self.network.add_tensor(NetTensor { name: unique, shape, storage, origin })
    }

    /// Records that a node has no compiled form.
    fn refuse(&mut self, i: usize, why: &str) {
        let node = self.facts.node(i);
        let place = format!("node \"{}\" ({})", node.name, parts::operator(&node.op));
        // One reason per node is enough.
        if !self.diagnostics.0.iter().any(|d| d.place.as_ref() == Some(&place)) {
            self.diagnostics.push(unsupported(place, why));
        }
    }

    /// The value a sign is decided on: that before the affine map, if there is one.
    fn decided_on(&self, sign: usize) -> ValueId {
        let before = self.facts.node(sign).inputs[0];
        match self.facts.producer(before) {
            Some(p) if self.facts.is_pixelwise_affine(p) => self.facts.node(p).inputs[0],
            _ => before,
        }
    }

    /// The thresholds of a sign on the value it is decided on.
    fn thresholds(&self, sign: usize) -> Arc<Vec<Interval>> {
        let node = self.facts.node(sign);
        let Op::Sign(zero) = node.op else { unreachable!("only signs have thresholds") };
        let before = node.inputs[0];
        let affine = self.facts.producer(before).filter(|&p| self.facts.is_pixelwise_affine(p));
        Arc::new(match affine.map(|p| &self.facts.node(p).op) {
            Some(Op::Affine { maps, .. }) => maps.iter().map(|map| map.interval(zero)).collect(),
            _ => vec![sign_of(zero); self.facts.view(before)[3]],
        })
    }
}

/// The interval of a sign with nothing before it.
fn sign_of(zero: Zero) -> Interval {
    crate::exact::Affine::identity().interval(zero)
}

fn unsupported(place: String, why: &str) -> Diagnostic {
    Diagnostic::error(Code::Unsupported, place, why)
}
