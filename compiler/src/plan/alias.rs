//! Tensors that share one place without a copy: reshapes, and results that replace an operand element by element.

use super::Place;
use crate::ir::network::{Block, Body, Move, Network, Source, Step, Storage, TensorId, Tiled};

/// Tensors at one place.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// In order of creation.
    pub(super) members: Vec<TensorId>,
    /// The caller's memory, if it lies there.
    pub(super) fixed: Option<Place>,
    /// Block that writes the first member.
    pub(super) first: usize,
    /// Block that reads the last member.
    pub(super) last: usize,
}

/// Partitions the tensors.
pub(super) fn groups(network: &Network) -> Vec<Group> {
    let mut groups: Vec<Option<Group>> = Vec::new();
    let mut of: Vec<usize> = (0..network.tensors.len()).collect();
    let (first, last) = lives(network);
    for index in 0..network.tensors.len() {
        let id = TensorId(index as u32);
        let fixed = match network.outputs.iter().position(|&o| o == id) {
            Some(i) => Some(Place::Output(i)),
            None => network.inputs.iter().position(|&o| o == id).map(Place::Input),
        };
        groups.push(Some(Group { members: vec![id], fixed, first: first[index], last: last[index] }));
    }
    for (position, block) in network.blocks.iter().enumerate() {
        let (kept, joined, whole) = match &block.body {
            Body::Move(Move::Reshape { input, output }) => (*input, *output, true),
            _ => match in_place(network, block) {
                Some((input, output)) => (input, output, false),
                None => continue,
            },
        };
        let (a, b) = (of[kept.0 as usize], of[joined.0 as usize]);
        if a == b {
            continue;
        }
        let (Some(left), Some(right)) = (&groups[a], &groups[b]) else { continue };
        // Another operand at the same place (a reshape of this one) would be overwritten while it is still needed.
        let readers = block.reads().iter().filter(|r| of[r.0 as usize] == a).count();
        if !whole && readers > 1 {
            continue;
        }
        // A result may replace its operand only when nobody reads the operand later; a reshape may share while both live.
        let dies_here = left.last <= position;
        // The caller's memory cannot move, and an input is read-only: only a reshape of an input may lie in it.
        let fixed = match (left.fixed, right.fixed) {
            (None, None) => None,
            (Some(Place::Input(i)), None) if whole => Some(Place::Input(i)),
            (None, Some(Place::Output(i))) if whole || dies_here => Some(Place::Output(i)),
            _ => continue,
        };
        if !(whole || dies_here) {
            continue;
        }
        let Some(right) = groups[b].take() else { continue };
        let Some(left) = &mut groups[a] else { continue };
        left.first = left.first.min(right.first);
        left.last = left.last.max(right.last);
        left.fixed = fixed;
        for &member in &right.members {
            of[member.0 as usize] = a;
        }
        left.members.extend(right.members);
    }
    groups.into_iter().flatten().collect()
}

/// First and last block that touches each tensor.
fn lives(network: &Network) -> (Vec<usize>, Vec<usize>) {
    let n = network.tensors.len();
    let (mut first, mut last) = (vec![usize::MAX; n], vec![0; n]);
    for (position, block) in network.blocks.iter().enumerate() {
        for id in block.reads().into_iter().chain(block.writes()).chain(block.workspace()) {
            let i = id.0 as usize;
            first[i] = first[i].min(position);
            last[i] = last[i].max(position);
        }
    }
    (first, last)
}

/// An operand that a block reads only tile by tile, before it stores the same tile of the result: the result may replace it.
pub(super) fn in_place(network: &Network, block: &Block) -> Option<(TensorId, TensorId)> {
    let Tiled { source, steps, pooled } = block.tiled()?;
    let mut candidates = Vec::new();
    if let Source::Map { input } = source {
        candidates.push(*input);
    }
    let size = |id: TensorId| network.tensor(id).storage_len();
    let dense = |id: TensorId| matches!(network.tensor(id).storage, Storage::Dense(_));
    for steps in std::iter::once(steps).chain(pooled.as_ref().map(|pooled| &pooled.steps)) {
        for step in steps {
            match step {
                Step::Add(t) | Step::Mul(t) => candidates.push(*t),
                Step::Store(result) => {
                    let replaced = candidates.iter().find(|&&c| dense(c) && size(c) == size(*result));
                    return replaced.map(|&c| (c, *result));
                }
                _ => {}
            }
        }
        // What was read for a row is behind it, and further rows of the same window are still to come.
        candidates.clear();
    }
    None
}
