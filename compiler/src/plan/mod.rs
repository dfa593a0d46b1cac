//! Where everything lies: tensors in the scratch memory, parameters in the weights file.

mod alias;
pub mod blob;
pub(crate) mod check;
pub mod order;
mod pack;
mod within;

pub use blob::{Blob, LANES};
pub use within::Within;

use crate::ir::network::{Network, Storage, TensorId, Tiled};
use crate::schedule::{Nest, Schedule};

/// Bytes to which tensors and parameters are aligned: no vector of a first tile straddles two cache lines.
pub const CACHE_LINE: usize = 64;

/// Where a tensor lies while the network runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The caller's input with this index, from element 0.
    Input(usize),
    /// The caller's output with this index, from element 0.
    Output(usize),
    /// Offset and length in the f32 part of the scratch memory, in elements.
    Real(usize, usize),
    /// Offset and length in the 64-bit part of the scratch memory, in words.
    Bits(usize, usize),
}

/// The memory plan of a network.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// By [`TensorId`].
    pub places: Vec<Place>,
    /// By block: offset and length of what it needs only while it runs, in the f32 part of the scratch memory.
    pub windows: Vec<(usize, usize)>,
    /// f32s of scratch memory.
    pub real_len: usize,
    /// 64-bit words of scratch memory.
    pub bits_len: usize,
}

impl Plan {
    /// Where a tensor lies.
    pub fn place(&self, id: TensorId) -> Place {
        self.places[id.0 as usize]
    }

    /// The tensors of a block one of which does lie within the other.
    pub fn within(&self, network: &Network, tiled: &Tiled, nest: &Nest) -> Option<Within> {
        Within::of(network, tiled, nest).filter(|within| {
            match (self.place(within.operand), self.place(within.result)) {
                (Place::Real(operand, _), Place::Real(result, _)) => operand == result + within.ahead,
                _ => false,
            }
        })
    }

    /// f32s that a block needs only while it runs.
    pub fn workspace(&self, network: &Network, tiled: &Tiled, nest: &Nest) -> usize {
        let in_operand = self.within(network, tiled, nest).is_some_and(|within| within.is_window());
        if in_operand { nest.row_sums } else { nest.workspace() }
    }

    /// Bytes of scratch memory.
    pub fn scratch_bytes(&self) -> usize {
        4 * self.real_len + 8 * self.bits_len
    }
}

/// Plans the scratch memory: tensors that can share a place without a copy are joined ([`alias`]), then groups whose lives
/// do not overlap share memory ([`pack`]).
pub fn run(network: &Network, schedule: &Schedule) -> Plan {
    let groups = alias::groups(network, schedule);
    let mut real = Vec::new();
    let mut bits = Vec::new();
    for (index, group) in groups.iter().enumerate().filter(|(_, group)| group.fixed.is_none()) {
        let span = |&alias::Member { id, at, first, last }: &alias::Member| pack::Span {
            at,
            len: network.tensor(id).storage_len(),
            first,
            last,
        };
        let item = pack::Item { index, spans: group.members.iter().map(span).collect() };
        match &network.tensor(group.members[0].id).storage {
            Storage::Dense(_) => real.push(item),
            Storage::Bits(_) => bits.push(item),
        }
    }
    let tensors = real.len();
    for (position, nest) in schedule.nests.iter().enumerate() {
        let in_operand = |within: Within| {
            let together = |group: &&alias::Group| group.members.iter().any(|member| member.id == within.operand);
            let group = groups.iter().find(together);
            within.is_window()
                && group.is_some_and(|group| group.members.iter().any(|member| member.id == within.result))
        };
        let window_in_operand = alias::within(network, schedule, position).is_some_and(in_operand);
        let len = nest.as_ref().map_or(0, |nest| if window_in_operand { nest.row_sums } else { nest.workspace() });
        if len > 0 {
            let span = pack::Span { at: 0, len, first: position, last: position };
            real.push(pack::Item { index: position, spans: vec![span] });
        }
    }
    let (real_offsets, real_len) = pack::pack(&real, CACHE_LINE / size_of::<f32>());
    let (bits_offsets, bits_len) = pack::pack(&bits, CACHE_LINE / size_of::<u64>());

    let mut places = vec![Place::Real(0, 0); network.tensors.len()];
    let mut assign = |group: &alias::Group, place: &dyn Fn(&alias::Member) -> Place| {
        for member in &group.members {
            places[member.id.0 as usize] = place(member);
        }
    };
    let len = |member: &alias::Member| network.tensor(member.id).storage_len();
    for group in &groups {
        if let Some(place) = group.fixed {
            assign(group, &|_| place);
        }
    }
    let mut windows = vec![(0, 0); network.blocks.len()];
    for (i, (item, offset)) in real.iter().zip(real_offsets).enumerate() {
        if i < tensors {
            assign(&groups[item.index], &|member| Place::Real(offset + member.at, len(member)));
        } else {
            windows[item.index] = (offset, item.spans[0].len);
        }
    }
    for (item, offset) in bits.iter().zip(bits_offsets) {
        assign(&groups[item.index], &|member| Place::Bits(offset + member.at, len(member)));
    }
    Plan { places, windows, real_len, bits_len }
}
