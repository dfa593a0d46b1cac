//! What it takes to interpret a network, known before it is tried.

use crate::interpret::network::last_uses;
use crate::ir::network::{Block, Body, Network, TensorId};
use crate::printable::thousands;
use crate::schedule::cost::Cost;

/// What one run of [`outputs`](crate::interpret::network::outputs) takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Multiply-accumulates and other operations on elements: some of them in a nanosecond.
    pub operations: u64,
    /// Bytes of values that are in memory at the same time.
    pub bytes: u64,
}

impl Demand {
    /// Beyond these a run is no matter of seconds, and does not fit beside other work. They are the same on every
    /// machine, so that what is written does not depend on it.
    const MOST: Self = Self { operations: 10_000_000_000, bytes: 1 << 30 };

    /// Of a network.
    pub fn of(network: &Network) -> Self {
        let bytes = |id: TensorId| {
            let elements = network.tensor(id).shape.iter().map(|&extent| extent as u64);
            elements.fold(4, u64::saturating_mul)
        };
        let last = last_uses(network);
        let mut live: u64 = network.inputs.iter().map(|&id| bytes(id)).sum();
        let mut demand = Self { operations: 0, bytes: live };
        for (position, block) in network.blocks.iter().enumerate() {
            let cost = Cost::of(network, block);
            let written: u64 = block.writes().into_iter().map(bytes).fold(0, u64::saturating_add);
            live = live.saturating_add(written);
            // The values of the block itself, while its steps change them.
            demand.bytes = demand.bytes.max(live.saturating_add(tile_bytes(network, block)));
            for work in [cost.binary_macs, cost.real_macs, cost.flops, written / 4] {
                demand.operations = demand.operations.saturating_add(work);
            }
            let mut used = [block.reads(), block.writes()].concat();
            used.sort_unstable();
            used.dedup();
            let dead = used.into_iter().filter(|id| last[id.0 as usize] <= position);
            live = live.saturating_sub(dead.map(bytes).fold(0, u64::saturating_add));
        }
        demand
    }

    /// Whether a run is a matter of seconds.
    pub fn is_modest(&self) -> bool {
        self.operations <= Self::MOST.operations && self.bytes <= Self::MOST.bytes
    }

    /// Why it is not.
    pub fn excess(&self) -> String {
        let Self { operations, bytes } = Self::MOST;
        if self.operations > operations {
            let (here, most) = (thousands(self.operations), thousands(operations));
            format!("the interpreter would take {here} operations for it, more than {most}")
        } else {
            let (here, most) = (thousands(self.bytes >> 20), thousands(bytes >> 20));
            format!("the interpreter would take {here} MiB of memory for it, more than {most}")
        }
    }
}

fn tile_bytes(network: &Network, block: &Block) -> u64 {
    let tensors = [block.reads(), block.writes()].concat();
    let len =
        |id: &TensorId| network.tensor(*id).shape.iter().fold(4, |n: u64, &extent| n.saturating_mul(extent as u64));
    let grid = match &block.body {
        Body::Tiled(tiled) => {
            Some(tiled.source.extents(network).iter().fold(4, |n: u64, &x| n.saturating_mul(x as u64)))
        }
        _ => None,
    };
    tensors.iter().map(len).chain(grid).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, load};

    #[test]
    fn what_a_network_takes() {
        let model = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/dynamic_batch_ts17.onnx");
        let of = |batch| Demand::of(&load(&model, Config::new().dim("batch", batch)).unwrap().network);
        let (one, many) = (of(1), of(100));
        assert!(one.is_modest() && one.operations > 1000 && one.bytes > 1000, "{one:?}");
        assert_eq!((many.operations, many.bytes), (100 * one.operations, 100 * one.bytes));
        assert!(of(1000).excess().contains("operations") || of(1000).excess().contains("MiB"));
    }
}
