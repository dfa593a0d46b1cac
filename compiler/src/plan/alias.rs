//! Tensors that share one place without a copy: reshapes, and results that replace an operand element by element.

use super::{Place, Within};
use crate::ir::network::{Block, Body, Move, Network, Source, Step, Storage, TensorId, Tiled};
use crate::schedule::Schedule;

/// Tensors that lie together.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// In order of creation.
    pub(super) members: Vec<Member>,
    /// The caller's memory, if it lies there.
    pub(super) fixed: Option<Place>,
    /// Whether some lie within others ([`Within`]).
    nests: bool,
}

/// A tensor of a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) id: TensorId,
    /// Elements from the start of the group.
    pub(super) at: usize,
    /// Block that writes it.
    pub(super) first: usize,
    /// Block that reads it last.
    pub(super) last: usize,
}

impl Group {
    fn at(&self, id: TensorId) -> usize {
        self.members.iter().find(|member| member.id == id).map_or(0, |member| member.at)
    }
}

/// Partitions the tensors.
pub(super) fn groups(network: &Network, schedule: &Schedule) -> Vec<Group> {
    let mut groups: Vec<Option<Group>> = Vec::new();
    let mut of: Vec<usize> = (0..network.tensors.len()).collect();
    let (first, last) = lives(network);
    for index in 0..network.tensors.len() {
        let id = TensorId(index as u32);
        let fixed = match network.outputs.iter().position(|&o| o == id) {
            Some(i) => Some(Place::Output(i)),
            None => network.inputs.iter().position(|&o| o == id).map(Place::Input),
        };
        let member = Member { id, at: 0, first: first[index], last: last[index] };
        groups.push(Some(Group { members: vec![member], fixed, nests: false }));
    }
    for (position, block) in network.blocks.iter().enumerate() {
        let (kept, joined, whole, ahead) = match (&block.body, within(network, schedule, position)) {
            (Body::Move(Move::Reshape { input, output }), _) => (*input, *output, true, None),
            (_, Some(Within { operand, result, ahead })) => (operand, result, false, Some(ahead)),
            _ => match in_place(network, block) {
                Some((input, output)) => (input, output, false, None),
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
        let dies_here = left.members.iter().all(|member| member.last <= position);
        // The caller's memory cannot move, and an input is read-only: only a reshape of an input may lie in it. It has room for what is
        // as large as the caller's tensor, which those within others need not be.
        let nests = left.nests || right.nests || ahead.is_some();
        let fixed = match (left.fixed, right.fixed) {
            (None, None) => None,
            _ if nests => continue,
            (Some(Place::Input(i)), None) if whole => Some(Place::Input(i)),
            (None, Some(Place::Output(i))) if whole || dies_here => Some(Place::Output(i)),
            _ => continue,
        };
        if !(whole || dies_here) {
            continue;
        }
        let Some(right) = groups[b].take() else { continue };
        let Some(left) = &mut groups[a] else { continue };
        (left.fixed, left.nests) = (fixed, nests);
        for member in &right.members {
            of[member.id.0 as usize] = a;
        }
        // Where those of the one begin among those of the other.
        let (of_left, of_right) = (left.at(kept), right.at(joined) + ahead.unwrap_or(0));
        left.members.iter_mut().for_each(|member| member.at += of_right.saturating_sub(of_left));
        let moved = |member: &Member| Member { at: member.at + of_left.saturating_sub(of_right), ..*member };
        left.members.extend(right.members.iter().map(moved));
    }
    groups.into_iter().flatten().collect()
}

/// [`Within`] of the block with this number.
pub(super) fn within(network: &Network, schedule: &Schedule, block: usize) -> Option<Within> {
    let nest = schedule.nests.get(block)?.as_ref()?;
    Within::of(network, network.blocks[block].tiled()?, nest)
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
