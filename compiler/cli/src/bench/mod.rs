//! How near to the limit of the machine a network runs.
//!
//! The limit of a block is its binary multiply-accumulates at the machine's highest rate plus its real ones at the highest rate
//! of fused multiply-add (of dot products in bf16 or 8-bit integers, for a layer that is so by choice), all measured in the same
//! process at the same level, on as many threads. Binary ones take the fastest way of counting, whichever the layer uses:
//! population counts of words; additions of rows of weights ([`xnorc::schedule::Down`]; for whole planes of output channels, half
//! of the input's bits being set, and not under padding); where planes are vectors, additions of planes of pixels
//! ([`xnorc::schedule::PixelLanes`]).
//! It knows nothing of memory: a block without multiplications has the limit 0.

mod plot;
mod table;

pub use plot::plot;
pub use table::table;

use std::time::Duration;

use serde::Serialize;

use crate::toolchain::{Counted, Peaks, Program, Space};
use xnorc::diagnostics::Diagnostics;
use xnorc::ir::network::{Arithmetic, BitPadding, Block, Network, Source, Storage, TensorId};
use xnorc::schedule::Axis;
use xnorc::schedule::cost::Cost;

/// What was measured.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Bench {
    /// Of whole inferences, in milliseconds.
    pub median_ms: f64,
    /// Of whole inferences, in milliseconds.
    pub min_ms: f64,
    /// Sum of the blocks' limits, in milliseconds.
    pub limit_ms: f64,
    /// The machine's highest rate of counting bits of words, in 10^9 binary multiply-accumulates a second.
    pub peak_binary_gmacs: f64,
    /// The same of adding rows of weights.
    pub peak_rows_gmacs: f64,
    /// The same of adding planes of pixels, of the layer for which it is highest, where that is a way to count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_pixels_gmacs: Option<f64>,
    /// The machine's highest rate, in 10^9 real multiply-accumulates a second.
    pub peak_real_gmacs: f64,
    /// The same in bf16, if any layer is computed so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_bf16_gmacs: Option<f64>,
    /// The same in 8-bit integers, if any layer is computed so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_int8_gmacs: Option<f64>,
    /// Threads of one inference.
    pub threads: usize,
    /// Instructions in use.
    pub level: String,
    /// Inferences measured.
    pub repeat: usize,
    /// In the order of execution.
    pub blocks: Vec<BlockTime>,
}

/// A block's share.
#[derive(Clone, Debug, Serialize)]
pub struct BlockTime {
    /// From the ONNX node of its source.
    pub name: String,
    /// In milliseconds.
    pub median_ms: f64,
    /// In milliseconds.
    pub min_ms: f64,
    /// In milliseconds; 0 without multiplications.
    pub limit_ms: f64,
    /// Binary multiply-accumulates.
    pub binary_macs: u64,
    /// Real multiply-accumulates.
    pub real_macs: u64,
    /// Bytes of parameters and tensors that it reads and writes, each once.
    pub bytes: u64,
    /// Of a real-valued convolution or fully connected layer: `f32`, or by choice `bf16` or `int8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arithmetic: Option<&'static str>,
}

impl Bench {
    /// The rates that make the limit, in words.
    pub(super) fn rates(&self) -> String {
        let binary = self.peak_binary_gmacs.max(self.peak_rows_gmacs).max(self.peak_pixels_gmacs.unwrap_or(0.0));
        let mut rates = format!("{binary:.0} G binary and {:.1} G real", self.peak_real_gmacs);
        for (name, peak) in [("bf16", self.peak_bf16_gmacs), ("int8", self.peak_int8_gmacs)] {
            if let Some(peak) = peak {
                rates += &format!(" and {peak:.1} G {name}");
            }
        }
        rates
    }
}

/// Measures a started program, which runs at that level on so many threads.
///
/// # Errors
/// When the program has ended.
pub fn run(
    network: &Network,
    program: &mut Program,
    level: &str,
    threads: usize,
    repeat: usize,
) -> Result<Bench, Diagnostics> {
    // Noise rather than zeros, which later layers could turn into denormal or constant values.
    let mut state = 1_u32;
    for (i, &id) in network.inputs.iter().enumerate() {
        let tensor = network.tensor(id);
        let values: Vec<f32> = (0..tensor.storage_len())
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            })
            .collect();
        let values = match crate::verify::range(network, i) {
            // From -1..1 to whole numbers.
            Some((low, high)) => {
                values.iter().map(|v| (low + (v + 1.0) / 2.0 * (high - low + 1.0)).floor().clamp(low, high)).collect()
            }
            None => values,
        };
        program.write_f32(Space::Input(i), 0, &values)?;
    }
    let warm = (repeat / 10).clamp(3, 50);
    // The peaks before and after: the higher is nearer to what the machine can do.
    let before = program.peaks()?;
    let whole = program.time(warm, repeat)?;
    let times = program.time_blocks(network.blocks.len(), warm, repeat)?;
    let after = program.peaks()?;
    let peaks = before.max(after);
    let blocks: Vec<BlockTime> = network
        .blocks
        .iter()
        .zip(&times)
        .map(|(block, time)| {
            let cost = Cost::of(network, block);
            let real = match block.arithmetic() {
                Some(Arithmetic::Bf16) => peaks.bf16,
                Some(Arithmetic::Int8) => peaks.int8,
                _ => peaks.real,
            };
            BlockTime {
                name: block.name.clone(),
                median_ms: milliseconds(time.median()),
                min_ms: milliseconds(time.min()),
                limit_ms: (binary_seconds(&peaks, block, cost.binary_macs) + cost.real_macs as f64 / real) * 1e3,
                binary_macs: cost.binary_macs,
                real_macs: cost.real_macs,
                bytes: cost.weight_bytes + tensor_bytes(network, block),
                arithmetic: block.arithmetic_name(),
            }
        })
        .collect();
    let layers = network.blocks.iter().filter_map(|block| counted(block, Cost::of(network, block).binary_macs));
    let pixels = layers.filter_map(|layer| peaks.pixel_lanes(layer.signs)).reduce(f64::max);
    let uses = |arithmetic| network.blocks.iter().any(|b| b.arithmetic() == Some(arithmetic));
    Ok(Bench {
        median_ms: milliseconds(whole.median()),
        min_ms: milliseconds(whole.min()),
        limit_ms: blocks.iter().map(|b| b.limit_ms).sum(),
        peak_binary_gmacs: peaks.words / 1e9,
        peak_rows_gmacs: peaks.rows / 1e9,
        peak_pixels_gmacs: pixels.map(|peak| peak / 1e9),
        peak_real_gmacs: peaks.real / 1e9,
        peak_bf16_gmacs: uses(Arithmetic::Bf16).then_some(peaks.bf16 / 1e9),
        peak_int8_gmacs: uses(Arithmetic::Int8).then_some(peaks.int8 / 1e9),
        threads,
        level: level.to_owned(),
        repeat,
        blocks,
    })
}

/// A binary layer that counts bits of pixels and channels.
fn counted(block: &Block, macs: u64) -> Option<Counted> {
    let Source::BinaryConv { geometry: g, padding, .. } = &block.tiled()?.source else { return None };
    let share = |axis| Axis::of(g, axis, *padding != BitPadding::Zero).share();
    let signs = g.kernel[0] * g.kernel[1] * g.input[2] / g.groups;
    Some(Counted { macs, outputs: g.output[2] / g.groups, signs, inside: share(0) * share(1) })
}

/// The least seconds of a block's binary multiply-accumulates.
fn binary_seconds(peaks: &Peaks, block: &Block, macs: u64) -> f64 {
    counted(block, macs).map_or(macs as f64 / peaks.words, |layer| peaks.binary_seconds(&layer))
}

/// Bytes of the tensors that a block reads and writes.
fn tensor_bytes(network: &Network, block: &Block) -> u64 {
    let mut tensors = block.reads();
    tensors.extend(block.writes());
    let bytes = |&id: &TensorId| {
        let tensor = network.tensor(id);
        let element = match tensor.storage {
            Storage::Bits(_) => 8,
            Storage::Dense(dtype) => dtype.bytes(),
        };
        (element * tensor.storage_len()) as u64
    };
    tensors.iter().map(bytes).sum()
}

/// A number of threads, in words.
pub fn threads(count: usize) -> String {
    if count == 1 { "one thread".to_owned() } else { format!("{count} threads") }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
