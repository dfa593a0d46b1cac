//! Now it is known what is needed: stores, signs and sums find their places, and the blocks their order.

use std::collections::{HashMap, HashSet};

use super::geometry::as_row;
use super::{Builder, Draft, Item};
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::ir::Part;
use crate::ir::ValueId;
use crate::ir::network::{Block, Body, Network, Pooled, Source, Step, Storage, TensorId, Tiled};

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
            if let Body::Tiled(tiled) = &mut block.body {
                self.put_steps(tiled, items);
                self.lay_out_as_row(tiled);
            }
            if let Some(&layer) = nodes.first() {
                self.in_integers(&mut block, layer);
            }
            // Blocks without nodes of their own come when somebody needs them.
            blocks.push((nodes.into_iter().min().unwrap_or(usize::MAX), block));
        }
        let mut network = self.network;
        network.blocks = in_order(&network, blocks)?;
        drop_unused_tensors(&mut network);
        Ok(network)
    }

    /// The steps of a block.
    fn put_steps(&self, tiled: &mut Tiled, items: Vec<Item>) {
        for item in items {
            let steps = match item {
                Item::Pool(pool) => {
                    tiled.pooled = Some(Pooled { pool, steps: Vec::new() });
                    continue;
                }
                Item::Step(step) => vec![step],
                Item::Value(v) => self.side_steps(v, true),
            };
            tiled.pooled.as_mut().map_or(&mut tiled.steps, |pooled| &mut pooled.steps).extend(steps);
        }
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
            let body = self.map(v).into();
            let name = self.graph.value(v).name.clone();
            let reason = match self.facts.producer(v) {
                None => format!("\"{name}\" is an input of the model"),
                Some(p) => format!("\"{name}\" comes from an operator ({}) that works on no tile", {
                    super::parts::operator(&self.facts.node(p).op)
                }),
            };
            let mut parts = Vec::new();
            if self.packs.contains_key(&v) {
                parts.push(Part::Pack);
            }
            if self.sums.contains_key(&v) {
                parts.push(Part::Sum);
            }
            let steps = self.side_steps(v, false);
            let draft = self.add_draft(Block { name, body, parts, reason: Some(reason) }, &[]);
            self.drafts[draft].items.extend(steps.into_iter().map(Item::Step));
        }
    }

    fn lay_out_as_row(&self, tiled: &mut Tiled) {
        let by_image = tiled.all_steps().any(|step| match step {
            Step::Gate(_) | Step::Sum(_) | Step::ScalePixels(_) | Step::ShiftPixels(_) => true,
            Step::Sign { bits, .. } => {
                matches!(&self.network.tensor(*bits).storage, Storage::Bits(layout) if layout.frame != [0; 4])
            }
            _ => false,
        });
        if let (Source::RealConv { geometry, .. }, false) = (&mut tiled.source, by_image || tiled.pooled.is_some())
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
        if let Body::Tiled(tiled) = &mut block.body {
            tiled.lists_mut().for_each(|steps| steps.retain(|step| step.write().is_none_or(|t| read.contains(&t))));
        }
        used.extend(block.reads());
        used.extend(block.writes().into_iter().chain(block.workspace()));
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
        block.for_each_tensor(rename);
    }
}
