//! Where everything lies: tensors in the scratch memory, parameters in the weights file.

use crate::block::{Network, TensorId};

/// Where a tensor lies while the network runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The caller's input with this index, from element 0.
    Input(usize),
    /// The caller's output with this index, from element 0.
    Output(usize),
    /// `offset` and length in the f32 part of the scratch memory, in elements.
    Real(usize, usize),
    /// `offset` and length in the 64-bit part of the scratch memory, in words.
    Bits(usize, usize),
}

/// The memory plan of a network.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// By [`TensorId`].
    pub places: Vec<Place>,
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

/// Plans the scratch memory.
pub fn run(_network: &Network) -> Plan {
    Plan::default()
}
