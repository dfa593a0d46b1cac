//! What `xnorc inspect` says: a row per block, totals, and for everything that is not binary or not fused the reason.
//!
//! The field names of [`Report`] are the keys of `inspect --json`, which is a contract.

#[doc(hidden)]
pub mod demand;
#[doc(hidden)]
pub mod explain;
mod glance;
mod on_target;
mod table;
mod threads;

use crate::emit::Output;
#[cfg(test)]
use crate::ir::network::Storage;
use crate::ir::network::{Arithmetic, Block, NetTensor, TensorId};
use crate::ir::{DType, Part};
use crate::schedule::cost::Cost;

#[doc(hidden)]
pub use glance::Glance;
#[doc(hidden)]
pub use on_target::{Measured, OnTarget};
#[doc(hidden)]
pub use table::columns;
#[doc(hidden)]
pub use threads::{Threads, ThreadsRow};

/// Everything that is to be said about a compiled model.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Report {
    /// The model's name.
    pub model: String,
    /// What the caller gives.
    pub inputs: Vec<Port>,
    /// What the caller gets.
    pub outputs: Vec<Port>,
    /// In order of execution.
    pub blocks: Vec<Row>,
    /// Sums.
    pub totals: Totals,
    /// Sign of zero, zero weights, inexact scales, bound dimensions...
    pub notes: Vec<String>,
    /// Warnings of the compiler.
    pub warnings: Vec<String>,
}

/// An input or output.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Port {
    /// Name in the file.
    pub name: String,
    /// Extents in the file's layout.
    pub shape: Vec<usize>,
    /// `f32` or `i64`.
    #[cfg_attr(feature = "serde", serde(rename = "type"))]
    pub element: &'static str,
}

/// A block.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Row {
    /// From the ONNX node of its source.
    pub name: String,
    /// `binary conv`, `real conv`, `gate`, `max pool`, `map`, `copy`...
    pub kind: String,
    /// Kernel, stride and extents of what slides; layers of a gate; else the extents of what it writes.
    pub geometry: String,
    /// Whether it works on sign bits.
    pub binary: bool,
    /// Names of the parts that became this one piece of code.
    pub fused: Vec<String>,
    /// Why it is not binary, or not fused.
    pub reason: Option<String>,
    /// Of a real-valued convolution or fully connected layer: `f32`, by choice `bf16` or `int8`, or `int8 of the file`, which
    /// loses nothing; of every block `fixed`, where the network is in fixed point by choice.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub arithmetic: Option<&'static str>,
    /// Whether that is looser than f32, by the user's choice.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub looser: bool,
    /// Multiply-accumulates, binary or real.
    pub macs: u64,
    /// Multiply-accumulates on sign bits.
    pub binary_macs: u64,
    /// Multiply-accumulates on real values.
    pub real_macs: u64,
    /// Real operations.
    pub flops: u64,
    /// Bytes of parameters.
    pub weight_bytes: u64,
}

/// Sums over all blocks; [`cost`](crate::schedule::cost) says how they are counted.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Totals {
    /// Multiply-accumulates on sign bits.
    pub binary_macs: u64,
    /// Multiply-accumulates on real values.
    pub real_macs: u64,
    /// Real operations.
    pub flops: u64,
    /// Convolutions and fully connected layers.
    pub layers: usize,
    /// Those of them that are binary. A layer of several planes of bits is one.
    pub binary_operators: usize,
    /// Those of them that carry their scale, gate, activation, skip, threshold or the sums for a gate with them.
    pub fused_blocks: usize,
    /// Bytes of parameters in the weights file.
    pub weight_bytes: u64,
    /// Bytes of the weights file, with its parts aligned to cache lines.
    pub weights_file_bytes: u64,
    /// Bytes of scratch memory.
    pub scratch_bytes: u64,
    /// Bytes of scratch memory that every order of the blocks needs.
    pub scratch_bound_bytes: u64,
}

impl Output {
    /// What became of the network: rows, costs, reasons.
    pub fn report(&self) -> Report {
        Report::new(self)
    }
}

impl Report {
    /// Looks at a compiled model.
    pub fn new(output: &Output) -> Self {
        let network = &output.network;
        let mut sum = Cost::default();
        let blocks: Vec<Row> = network
            .blocks
            .iter()
            .map(|block| {
                let cost = Cost::of(network, block);
                sum.add(&cost);
                Row {
                    name: block.name.clone(),
                    kind: explain::kind(block),
                    geometry: explain::extents(network, block),
                    binary: block.is_binary(),
                    fused: explain::parts(block).iter().map(ToString::to_string).collect(),
                    reason: explain::reason(block),
                    arithmetic: match output.fixed {
                        Some(_) => Some(Arithmetic::Fixed.name()),
                        None => block.arithmetic_name(),
                    },
                    looser: output.fixed.is_some() || block.looser().is_some(),
                    macs: cost.binary_macs + cost.real_macs,
                    binary_macs: cost.binary_macs,
                    real_macs: cost.real_macs,
                    flops: cost.flops,
                    weight_bytes: cost.weight_bytes,
                }
            })
            .collect();
        let ports = |ids: &[TensorId]| ids.iter().map(|&id| port(network.tensor(id))).collect();
        // A layer of several planes of bits is one, and constants are none.
        let is_own = |block: &&Block| ![Part::Plane, "Constant".into()].iter().any(|part| block.parts.contains(part));
        let binary = || network.blocks.iter().filter(|b| b.is_binary()).filter(is_own);
        let real = network.blocks.iter().filter(|b| b.arithmetic().is_some()).filter(is_own);
        Self {
            model: network.name.clone(),
            inputs: ports(&network.inputs),
            outputs: ports(&network.outputs),
            totals: Totals {
                binary_macs: sum.binary_macs,
                real_macs: sum.real_macs,
                flops: sum.flops,
                layers: binary().count() + real.count(),
                binary_operators: binary().count(),
                fused_blocks: binary().filter(|b| explain::is_fused(b)).count(),
                // What the file holds, so that what two blocks share counts once.
                weight_bytes: output.emitted.weight_bytes as u64,
                weights_file_bytes: output.parameter_bytes() as u64,
                scratch_bytes: output.scratch_bytes() as u64,
                scratch_bound_bytes: match output.fixed {
                    // The order is that of the network in f32, which has bounds of its own.
                    Some(_) => output.scratch_bytes() as u64,
                    None => crate::plan::order::orders(&output.network, output.target.as_ref()).bound as u64,
                },
            },
            blocks,
            notes: network.notes.clone(),
            warnings: output.warnings.0.iter().map(ToString::to_string).collect(),
        }
    }
}

fn port(tensor: &NetTensor) -> Port {
    let element = tensor.integer().unwrap_or(DType::F32).name();
    Port { name: tensor.name.clone(), shape: tensor.shape.clone(), element }
}

#[cfg(test)]
mod tests;
