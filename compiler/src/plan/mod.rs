//! Where everything lies: tensors in the scratch memory, parameters in the weights file.

mod alias;
pub mod blob;
pub(crate) mod check;
pub mod order;
mod pack;

pub use blob::{Blob, LANES};

use crate::ir::network::{Network, Storage, TensorId};
use crate::schedule::workspace;
use crate::target::Target;

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

    /// Bytes of scratch memory.
    pub fn scratch_bytes(&self) -> usize {
        4 * self.real_len + 8 * self.bits_len
    }
}

/// Plans the scratch memory: tensors that can share a place without a copy are joined ([`alias`]), then groups whose lives
/// do not overlap share memory ([`pack`]).
pub fn run(network: &Network, target: Option<&Target>) -> Plan {
    let groups = alias::groups(network);
    let mut real = Vec::new();
    let mut bits = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        if group.fixed.is_some() {
            continue;
        }
        let tensor = network.tensor(group.members[0]);
        let item = pack::Item { index, len: tensor.storage_len(), first: group.first, last: group.last };
        match &tensor.storage {
            Storage::Dense(_) => real.push(item),
            Storage::Bits(_) => bits.push(item),
        }
    }
    let tensors = real.len();
    for (position, block) in network.blocks.iter().enumerate() {
        let len = workspace(network, block, target);
        if len > 0 {
            real.push(pack::Item { index: position, len, first: position, last: position });
        }
    }
    let (real_offsets, real_len) = pack::pack(&real, CACHE_LINE / size_of::<f32>());
    let (bits_offsets, bits_len) = pack::pack(&bits, CACHE_LINE / size_of::<u64>());

    let mut places = vec![Place::Real(0, 0); network.tensors.len()];
    let mut assign = |group: &alias::Group, place: Place| {
        for member in &group.members {
            places[member.0 as usize] = place;
        }
    };
    for group in &groups {
        if let Some(place) = group.fixed {
            assign(group, place);
        }
    }
    let mut windows = vec![(0, 0); network.blocks.len()];
    for (i, (item, offset)) in real.iter().zip(real_offsets).enumerate() {
        if i < tensors {
            assign(&groups[item.index], Place::Real(offset, item.len));
        } else {
            windows[item.index] = (offset, item.len);
        }
    }
    for (item, offset) in bits.iter().zip(bits_offsets) {
        assign(&groups[item.index], Place::Bits(offset, item.len));
    }
    Plan { places, windows, real_len, bits_len }
}
