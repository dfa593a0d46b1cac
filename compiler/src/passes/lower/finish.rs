//! Now it is known what is needed: stores, signs and sums find their places, and the blocks their order.

use std::collections::{HashMap, HashSet};

use super::geometry::as_row;
use super::{Builder, Draft, Item};
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::ir::ValueId;
use crate::ir::network::{Block, Core, Network, Step, Storage, TensorId};

impl Builder<'_> {
    /// The network, or everything that is wrong.
    pub(super) fn finish(mut self) -> Result<crate::ir::network::Network, Diagnostics> {
        if self.diagnostics.has_errors() {
            return Err(self.diagnostics);
        }
        self.host_side_results();
        let drafts = std::mem::take(&mut self.drafts);
        let mut blocks: Vec<(usize, Block)> = Vec::with_capacity(drafts.len());
        for Draft { mut block, items, nodes } in drafts {
            for item in items {
                match item {
                    Item::Step(step) => block.steps.push(step),
                    Item::Value(v) => block.steps.extend(self.side_steps(v, true)),
                }
            }
            self.lay_out_as_row(&mut block);
            // Blocks without nodes of their own come when somebody needs them.
            blocks.push((nodes.into_iter().min().unwrap_or(usize::MAX), block));
        }
        let mut network = self.network;
        network.blocks = in_order(&network, blocks)?;
        drop_unused_tensors(&mut network);
        Ok(network)
    }

    /// What happens where a tile holds `v`.
    fn side_steps(&self, v: ValueId, store: bool) -> Vec<Step> {
        let mut steps = Vec::new();
        if let Some(&t) = self.dense.get(&v).filter(|_| store) {
            steps.push(Step::Store(t));
        }
        for pack in self.packs.get(&v).into_iter().flatten() {
            steps.push(Step::Sign { bits: pack.bits, intervals: pack.intervals.clone() });
        }
        if let Some(&t) = self.sums.get(&v) {
            steps.push(Step::Sum(t));
        }
        steps
    }

    /// Signs and sums of values that no tile holds (inputs, results of copies) need a pass of their own.
    fn host_side_results(&mut self) {
        let mut homes = HashSet::new();
        for item in self.drafts.iter().flat_map(|draft| &draft.items) {
            if let Item::Value(v) = item {
                homes.insert(*v);
            }
        }
        let mut guests: Vec<ValueId> =
            self.packs.iter().filter(|(_, list)| !list.is_empty()).map(|(&v, _)| v).collect();
        guests.extend(self.sums.keys());
        guests.retain(|v| !homes.contains(v));
        guests.sort();
        guests.dedup();
        for v in guests {
            let core = self.map(v);
            let name = self.graph.value(v).name.clone();
            let reason = match self.facts.producer(v) {
                None => format!("\"{name}\" is an input of the model"),
                Some(p) => format!("\"{name}\" comes from an operator ({}) that works on no tile", {
                    super::parts::operator(&self.facts.node(p).op)
                }),
            };
            let mut parts = Vec::new();
            if self.packs.contains_key(&v) {
                parts.push("pack".to_owned());
            }
            if self.sums.contains_key(&v) {
                parts.push("sum".to_owned());
            }
            let steps = self.side_steps(v, false);
            let draft = self.add_draft(Block { name, core, steps: vec![], parts, reason: Some(reason) }, &[]);
            self.drafts[draft].items.extend(steps.into_iter().map(Item::Step));
        }
    }

    fn lay_out_as_row(&self, block: &mut Block) {
        let by_image = block.steps.iter().any(|step| match step {
            Step::Gate(_) | Step::Sum(_) | Step::Pool(_) | Step::ScalePixels(_) | Step::ShiftPixels(_) => true,
            Step::Sign { bits, .. } => {
                matches!(&self.network.tensor(*bits).storage, Storage::Bits(layout) if layout.frame != [0; 4])
            }
            _ => false,
        });
        if let (Core::RealConv { geometry, .. }, false) = (&mut block.core, by_image)
            && let Some(row) = as_row(geometry)
        {
            *geometry = row;
        }
    }
}

/// Blocks that somebody needs, each behind those it reads from, otherwise in the order of the file.
fn in_order(network: &Network, mut blocks: Vec<(usize, Block)>) -> Result<Vec<Block>, Diagnostics> {
    blocks.sort_by_key(|(place, _)| *place);
    let mut writer: HashMap<TensorId, Vec<usize>> = HashMap::new();
    for (b, (_, block)) in blocks.iter().enumerate() {
        for t in block.writes() {
            writer.entry(t).or_default().push(b);
        }
    }
    let needed = needed_blocks(network, &blocks, &writer);
    let inconsistent = |block: &Block, t: TensorId, what: &str| {
        let message = format!("\"{}\" {what}", network.tensor(t).name);
        Diagnostics::from(Diagnostic::error(Code::Unsupported, format!("block \"{}\"", block.name), message))
    };
    let mut order = Vec::with_capacity(blocks.len());
    let mut state = vec![0_u8; blocks.len()];
    for (start, (place, _)) in blocks.iter().enumerate() {
        if !needed[start] || *place == usize::MAX && state[start] == 0 && !writes_output(network, &blocks[start].1) {
            continue;
        }
        // An explicit stack: networks are deep chains.
        let mut stack = vec![(start, false)];
        while let Some((b, expanded)) = stack.pop() {
            if expanded {
                state[b] = 2;
                order.push(b);
                continue;
            }
            if state[b] != 0 {
                continue;
            }
            state[b] = 1;
            stack.push((b, true));
            for t in blocks[b].1.reads().into_iter().rev() {
                if network.inputs.contains(&t) {
                    continue;
                }
                let Some(writers) = writer.get(&t) else {
                    return Err(inconsistent(&blocks[b].1, t, "is read, but nothing computes it"));
                };
                for &w in writers {
                    match state[w] {
                        0 => stack.push((w, false)),
                        1 => return Err(inconsistent(&blocks[b].1, t, "depends on itself")),
                        _ => {}
                    }
                }
            }
        }
    }
    let mut blocks: Vec<Option<Block>> = blocks.into_iter().map(|(_, block)| Some(block)).collect();
    Ok(order.into_iter().filter_map(|b| blocks[b].take()).collect())
}

fn writes_output(network: &Network, block: &Block) -> bool {
    block.writes().iter().any(|t| network.outputs.contains(t))
}

fn needed_blocks(network: &Network, blocks: &[(usize, Block)], writer: &HashMap<TensorId, Vec<usize>>) -> Vec<bool> {
    let mut needed = vec![false; blocks.len()];
    let mut stack = network.outputs.clone();
    while let Some(t) = stack.pop() {
        for &b in writer.get(&t).into_iter().flatten() {
            if !needed[b] {
                needed[b] = true;
                stack.extend(blocks[b].1.reads());
            }
        }
    }
    needed
}

/// Forgets tensors that only blocks nobody needs would have used.
fn drop_unused_tensors(network: &mut Network) {
    let mut used: HashSet<TensorId> = network.inputs.iter().chain(&network.outputs).copied().collect();
    let read: HashSet<TensorId> =
        network.blocks.iter().flat_map(Block::reads).chain(network.outputs.iter().copied()).collect();
    for block in &mut network.blocks {
        block.steps.retain(|step| match step {
            Step::Store(t) | Step::Sum(t) | Step::Sign { bits: t, .. } => read.contains(t),
            _ => true,
        });
        used.extend(block.reads());
        used.extend(block.writes());
    }
    let mut renamed = HashMap::new();
    let mut tensors = Vec::with_capacity(used.len());
    for (k, tensor) in std::mem::take(&mut network.tensors).into_iter().enumerate() {
        let old = TensorId(k as u32);
        if used.contains(&old) {
            renamed.insert(old, TensorId(tensors.len() as u32));
            tensors.push(tensor);
        }
    }
    network.tensors = tensors;
    let rename = |t: &mut TensorId| {
        if let Some(&new) = renamed.get(t) {
            *t = new;
        }
    };
    network.inputs.iter_mut().chain(&mut network.outputs).for_each(rename);
    for block in &mut network.blocks {
        for_each_tensor(block, rename);
    }
}

fn for_each_tensor(block: &mut Block, f: impl Fn(&mut TensorId) + Copy) {
    match &mut block.core {
        Core::BinaryConv { input, .. }
        | Core::RealConv { input, .. }
        | Core::MaxPool { input, .. }
        | Core::AveragePool { input, .. }
        | Core::Map { input }
        | Core::Planes { input }
        | Core::Gate { sums: input, .. } => f(input),
        Core::BitMaxPool { input, output, .. }
        | Core::Reshape { input, output }
        | Core::Reduce { input, output, .. }
        | Core::Softmax { input, output, .. }
        | Core::ArgMax { input, output, .. } => [input, output].into_iter().for_each(f),
        Core::Copy { pieces, output, .. } => {
            f(output);
            pieces.iter_mut().for_each(|piece| f(&mut piece.input));
        }
        Core::Broadcast { a, b, output, .. } => [&mut a.0, &mut b.0, output].into_iter().for_each(f),
        Core::MatMul { a, b, output, .. } => [a, b, output].into_iter().for_each(f),
    }
    for step in &mut block.steps {
        match step {
            Step::Gate(t)
            | Step::Add(t)
            | Step::Mul(t)
            | Step::Store(t)
            | Step::Sum(t)
            | Step::Sign { bits: t, .. } => {
                f(t);
            }
            Step::Scale(_)
            | Step::Shift(_)
            | Step::ScalePixels(_)
            | Step::ShiftPixels(_)
            | Step::Activation(_)
            | Step::Pool(_) => {}
        }
    }
}
