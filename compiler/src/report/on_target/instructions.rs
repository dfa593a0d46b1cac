//! About how many instructions a block takes on processors without vectors: its cost times what was counted under an emulator.

use crate::ir::network::{Block, Network};
use crate::schedule::Nest;
use crate::schedule::cost::Cost;
use crate::target::{Floats, Target};

/// Instructions for each of these.
struct Rates {
    /// Binary multiply-accumulate, counted down the lanes.
    down: f64,
    /// The same, by words.
    words: f64,
    /// Real multiply-accumulate.
    real: f64,
    /// Other real operations.
    element: f64,
}

/// Fitted to counts of three networks (a small classifier with a real-valued first and last layer, integer blocks, half-blocks), which they
/// give to ten per cent, as a test says; by words from single blocks. Other networks may be off by a third.
fn rates(target: &Target) -> Option<Rates> {
    let rates = |[down, words, real, element]: [f64; 4]| Some(Rates { down, words, real, element });
    let processor = target.triple().split('-').next().unwrap_or_default();
    let soft = target.floats() == Floats::None;
    match processor {
        "thumbv6m" | "thumbv8m.base" => rates(M0),
        "thumbv7m" => rates(M3),
        "thumbv7em" | "thumbv8m.main" => rates(if soft { M3 } else { M4F }),
        riscv if riscv.starts_with("riscv32") => rates(if soft { RV32 } else { RV32F }),
        "aarch64" => rates(AARCH64),
        _ => None,
    }
}

const M0: [f64; 4] = [0.27, 0.65, 223.0, 108.0];
const M3: [f64; 4] = [0.16, 0.42, 138.0, 60.0];
const M4F: [f64; 4] = [0.188, 0.36, 0.8, 6.8];
const RV32: [f64; 4] = [0.18, 0.65, 142.0, 61.0];
const RV32F: [f64; 4] = [0.188, 0.57, 4.0, 6.0];
const AARCH64: [f64; 4] = [0.051, 0.051, 1.3, 0.3];

/// Of a block; `None` where such a processor was never counted on.
pub(super) fn of(network: &Network, block: &Block, nest: Option<&Nest>, target: &Target) -> Option<u64> {
    let rates = rates(target)?;
    let cost = Cost::of(network, block);
    let binary = match nest {
        // Sums that are compared in their planes never become numbers.
        Some(Nest { down: Some(_), thresholds: Some(_), .. }) => 0.8 * rates.down,
        Some(Nest { down: Some(_), .. }) => rates.down,
        _ => {
            // Words are filled up.
            let filled = nest.and_then(|nest| nest.counting).zip(block.tiled().and_then(|t| t.source.geometry()));
            let wide =
                filled.map_or(1.0, |(counting, g)| 64.0 * counting.words as f64 * g.groups as f64 / g.input[2] as f64);
            rates.words * wide
        }
    };
    // Signs that integers decide are among the binary ones.
    let compared = nest.is_some_and(|nest| nest.thresholds.is_some());
    let others = if compared { 0 } else { cost.flops - cost.real_macs };
    let sum = binary * cost.binary_macs as f64 + rates.real * cost.real_macs as f64 + rates.element * others as f64;
    Some(sum.round() as u64)
}
