//! About how many instructions a block takes on processors without vectors: its cost times what was counted under an emulator.

use crate::ir::network::{Block, Geometry, Network};
use crate::schedule::Nest;
use crate::schedule::cost::Cost;
use crate::target::{Floats, Target};

/// Instructions for each of these.
struct Rates {
    /// Binary multiply-accumulate inside the picture, counted down the lanes.
    down: f64,
    /// Channel of a window's row of pixels, whose set bits are listed there.
    listed: f64,
    /// Count that becomes a number.
    value: f64,
    /// Binary multiply-accumulate by words.
    words: f64,
    /// Real multiply-accumulate.
    real: f64,
    /// Other real operations.
    element: f64,
}

/// Fitted to counts of six networks (a small classifier with a real-valued first and last layer, integer blocks, half-blocks, a wide one),
/// which they give to ten per cent, as a test says; by words from single blocks. Other networks may be off by a third.
fn rates(target: &Target) -> Option<Rates> {
    let rates = |[down, listed, value, words, real, element]: [f64; 6]| {
        Some(Rates { down, listed, value, words, real, element })
    };
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

const M0: [f64; 6] = [0.229, 0.0, 0.0, 0.65, 230.0, 107.0];
const M3: [f64; 6] = [0.144, 0.0, 0.0, 0.42, 142.0, 60.0];
const M4F: [f64; 6] = [0.1425, 4.4, 35.0, 0.36, 2.7, 1.8];
const RV32: [f64; 6] = [0.142, 2.9, 0.0, 0.65, 142.0, 62.0];
const RV32F: [f64; 6] = [0.14, 3.6, 46.0, 0.57, 5.0, 0.3];
const AARCH64: [f64; 6] = [0.051, 0.0, 0.0, 0.051, 1.3, 0.3];

/// The share of a convolution's products that are with pixels of the picture, not with what is around it.
fn inside(g: &Geometry) -> f64 {
    let axis = |i: usize| {
        let taps = |at| (0..g.kernel[i]).map(move |tap| at * g.strides[i] + tap * g.dilations[i]);
        let picture = g.pads[i]..g.pads[i] + g.input[i];
        let there = (0..g.output[i]).flat_map(taps).filter(|place| picture.contains(place)).count();
        there as f64 / (g.output[i] * g.kernel[i]).max(1) as f64
    };
    axis(0) * axis(1)
}

/// Of a block; `None` where such a processor was never counted on.
pub(super) fn of(network: &Network, block: &Block, nest: Option<&Nest>, target: &Target) -> Option<u64> {
    let rates = rates(target)?;
    let cost = Cost::of(network, block);
    let geometry = block.tiled().and_then(|tiled| tiled.source.geometry());
    let macs = cost.binary_macs as f64;
    let binary = match (nest, geometry) {
        (Some(Nest { down: Some(_), thresholds, .. }), Some(g)) => {
            let places = (g.output[0] * g.output[1]) as f64;
            let listed = rates.listed * places * (g.kernel[0] * g.input[2]) as f64;
            // Sums that are compared in their planes never become numbers.
            let values = if thresholds.is_some() { 0.0 } else { places * g.output[2] as f64 };
            rates.down * inside(g) * macs + listed + rates.value * values
        }
        _ => {
            // Words are filled up.
            let filled = nest.and_then(|nest| nest.counting).zip(geometry);
            let wide =
                filled.map_or(1.0, |(counting, g)| 64.0 * counting.words as f64 * g.groups as f64 / g.input[2] as f64);
            rates.words * wide * macs
        }
    };
    // Signs that integers decide are among the binary ones.
    let compared = nest.is_some_and(|nest| nest.thresholds.is_some());
    let others = if compared { 0 } else { cost.flops - cost.real_macs };
    let sum = binary + rates.real * cost.real_macs as f64 + rates.element * others as f64;
    Some(sum.round() as u64)
}
