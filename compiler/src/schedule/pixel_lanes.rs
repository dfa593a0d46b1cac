//! Counting down the lanes with pixels as lanes: which binary layers do, and how many rows at a time.
//!
//! A plane is a bit of the sign of one input channel under one tap, for the pixels of some rows of the output, a *strip*: its weights
//! select which of them an output adds (see the runtime's `pixel_planes.rs`). As [`crate::schedule::Down`], without its need of as many
//! output channels as a vector has bits; what it needs instead is pixels. Where both can be, and where words are counted, the fewest
//! cycles decide ([`Cycles`]).

use super::{Axis, Levels, down, windows_apart};
use crate::ir::network::{BitLayout, Geometry};
use crate::target::{Family, Target};

/// Pixels of a strip: bits of the longest vector of the instruction sets that count so. (Not AVX-512 with a population count of vectors:
/// with one, words are as fast or faster, also where strips have 512 pixels: 3 % at 28x28x128, 25 % at 56x56x64 on an Intel of the fourth
/// generation.)
pub(super) const LANES: usize = 256;

/// Bytes behind the planes, for additions that read beyond the last of them, and for taps that are none: their bits are zeros.
const BEHIND: usize = 64;

/// Bytes of a line of the nearest cache.
const LINE: usize = 64;

/// Bytes of planes that the nearest cache has room for.
const NEAR: usize = 32 << 10;

/// How binary layers are counted with pixels as lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelLanes {
    /// Where.
    pub levels: Levels,
    /// Rows of the output in a strip.
    pub rows: usize,
    /// Bytes of such a row in a plane: eight pixels each.
    pub eights: usize,
    /// Rows of a plane below those of the strip, for the rows of taps further down.
    pub below: usize,
    /// Bytes of a plane.
    pub bytes: usize,
    /// Planes with bits: of each input channel, by column of taps, by what the rows of taps leave of the stride ([`Self::phases`]).
    pub planes: usize,
    /// Cycles that a strip of one output channel takes, about: on the first of the instruction sets.
    pub takes: usize,
    /// Those that it would take the other way.
    pub instead_of: usize,
}

impl PixelLanes {
    /// Of a binary layer that counts down the lanes on some instruction sets; nothing where another way is faster on all, or this one
    /// cannot be.
    pub fn of(g: &Geometry, layout: &BitLayout, framed: bool, target: Option<&Target>, down: Levels) -> Option<Self> {
        let family = target.map(Target::family);
        let may = |wanted| family.is_none_or(|family| family == wanted);
        let none = family == Some(Family::Portable);
        let signs = g.input[2] * g.kernel[0] * g.kernel[1];
        // As where output channels are lanes: what the dot products start from has 16 bits, and a frame of ones would be counted.
        if none || g.groups != 1 || !framed && layout.frame_ones || signs > i16::MAX as usize {
            return None;
        }
        if Self::phases(g, 1).into_iter().any(|phase| Self::furthest(g, phase) >= 32) {
            return None;
        }
        let eights = g.output[1].div_ceil(8);
        let rows = (LANES / 8).checked_div(eights)?.min(g.output[0]);
        if rows == 0 {
            return None;
        }
        let below = (g.kernel[0] - 1) * g.dilations[0] / g.strides[0];
        let planes = Self::phases(g, 0).len() * g.kernel[1] * g.input[2];
        let bytes = match (rows + below - 1) * eights + Self::written(g) {
            bytes if bytes <= LINE && planes * LINE <= NEAR => LINE,
            bytes => bytes,
        };
        let levels = Levels::default();
        let by = Self { levels, rows, eights, below, bytes, planes, takes: 0, instead_of: 0 };
        // A tap's place has 16 bits.
        if by.bytes * by.all_planes() > 1 << 16 {
            return None;
        }
        // The lists of taps take memory: for less than a tenth of the time they are not worth it.
        let of = |on: Machine, down: bool| {
            let takes = Cycles { g, by: &by, on };
            let others = if down { takes.down() } else { takes.words() };
            Some([takes.pixel_lanes(), others]).filter(|[takes, others]| 10 * takes < 9 * others)
        };
        let avx2 = of(Machine::Avx2, down.avx2).filter(|_| may(Family::X86_64));
        let neon = of(Machine::Neon, false).filter(|_| may(Family::Aarch64));
        let simd128 = of(Machine::Simd128, down.simd128).filter(|_| may(Family::Wasm));
        let popcnt = of(Machine::Popcnt, down.popcnt).filter(|_| may(Family::X86_64));
        let [a, b, c, d] = [avx2, neon, simd128, popcnt].map(|on| on.is_some());
        let levels = Levels { avx2: a, neon: b, simd128: c, popcnt: d, portable: false };
        avx2.or(neon).or(simd128).or(popcnt).map(|[takes, instead_of]| Self { levels, takes, instead_of, ..by })
    }

    /// Whether they may lie under a pool: its rows can be kept for all channels, and each of its windows has some of them, so that it is
    /// whole when they are there.
    pub fn can_be_under(pool: &Geometry) -> bool {
        let rows = Axis::of(pool, 0, false);
        down::keeps(pool) && (0..rows.output).all(|output| !rows.taps(output).is_empty())
    }

    /// Whether no window of a pool has rows of two strips, so that one block of channels is done with its rows before the next begins.
    pub fn ends_with_windows(&self, pool: &Geometry) -> bool {
        windows_apart(pool) && self.rows.is_multiple_of(pool.strides[0])
    }

    /// What the rows of taps (axis 0), or the columns, leave of the stride, each once: rows of the input of the same phase are neighbours
    /// in a plane.
    pub fn phases(g: &Geometry, axis: usize) -> Vec<usize> {
        let mut phases = Vec::new();
        for tap in 0..g.kernel[axis] {
            let phase = tap * g.dilations[axis] % g.strides[axis];
            if !phases.contains(&phase) {
                phases.push(phase);
            }
        }
        phases
    }

    /// Pixels that the last column of taps of a phase is further on than the first, up to 31: the bits of all of them are made together.
    pub fn furthest(g: &Geometry, phase: usize) -> usize {
        let columns = (0..g.kernel[1]).map(|kx| kx * g.dilations[1]).filter(|at| at % g.strides[1] == phase);
        columns.map(|at| at / g.strides[1]).max().unwrap_or(0)
    }

    /// Bytes that are written for a row, which are those of its pixels and some of what is behind them: see the runtime's `put`.
    pub fn written(g: &Geometry) -> usize {
        let of = |phase| {
            let step = (64 - Self::furthest(g, phase)) / 8;
            (g.output[1] - 1) / (8 * step) * step + 8
        };
        Self::phases(g, 1).into_iter().map(of).max().unwrap_or(0)
    }

    /// Pixels of a strip, those beside the picture included that fill its rows up.
    pub fn lanes(&self) -> usize {
        8 * self.rows * self.eights
    }

    /// Planes, and zeros behind them.
    pub fn all_planes(&self) -> usize {
        self.planes + BEHIND.div_ceil(self.bytes)
    }

    /// Where a tap of an input channel begins, in bytes.
    pub fn place(&self, g: &Geometry, [ky, kx]: [usize; 2], channel: usize) -> usize {
        let at = ky * g.dilations[0];
        let phase = Self::phases(g, 0).iter().position(|phase| *phase == at % g.strides[0]).unwrap_or(0);
        let plane = (phase * g.kernel[1] + kx) * g.input[2] + channel;
        plane * self.bytes + at / g.strides[0] * self.eights
    }

    /// Where there is a tap that is none.
    pub fn no_tap(&self) -> usize {
        self.planes * self.bytes
    }

    /// Rows of the input under a strip.
    pub fn span(&self, g: &Geometry) -> usize {
        (self.rows - 1) * g.strides[0] + (g.kernel[0] - 1) * g.dilations[0] + 1
    }
}

/// What is counted with.
#[derive(Clone, Copy, PartialEq)]
enum Machine {
    /// AVX-512 without a population count of vectors, too, which has fewer instructions for either way of counting in planes.
    Avx2,
    Neon,
    Simd128,
    Popcnt,
}

/// What a strip of one output channel takes, in cycles: the instructions of each loop, at a rate between those at which they went by in
/// Real-to-Binary ResNet-18 with AVX2 on a Zen 3 and on a Golden Cove (loads, lists and branches are in the rate). These processors do
/// not agree: for an instruction of the sums of pixels the one takes 3/4 of a cycle, the other 0.54.
struct Cycles<'a> {
    g: &'a Geometry,
    by: &'a PixelLanes,
    on: Machine,
}

impl Cycles<'_> {
    /// Products of an output.
    fn signs(&self) -> usize {
        self.g.input[2] * self.g.kernel[0] * self.g.kernel[1]
    }

    /// Outputs of a channel.
    fn pixels(&self) -> usize {
        self.by.rows * self.g.output[1]
    }

    /// Five instructions in three cycles, as each plane of bits waits for the one below it; six where a strip is two planes.
    fn pixel_lanes(&self) -> usize {
        let outputs = self.g.output[2];
        // Fifteen parts of the taps, each filled up to eights, and 22 sums of parts of about eight bits, for four outputs: five
        // operations for each bit. Then bits become numbers, 16 at a time.
        let adders = (15 * (self.signs() / 16 + 4) + 22 * 8) * outputs.div_ceil(16) * 4;
        // NEON selects bits in one instruction, of which two go at a time.
        let adder = if self.on == Machine::Neon { 3 } else { 5 };
        let counts = (adder * adders + LANES * outputs.next_multiple_of(16)) * self.by.lanes().div_ceil(self.plane());
        // 64 channels of 32 pixels take about 300, as their words come from as many places, for each phase of the columns; what is written
        // for each column takes as much again.
        let [rows, columns] = [0, 1].map(|axis| PixelLanes::phases(self.g, axis).len());
        let words = self.g.input[2].div_ceil(64) * (columns * self.g.output[1].div_ceil(32) + self.g.kernel[1]);
        let packed = rows * (self.by.rows + self.by.below) * words * 300;
        // The last strip may have fewer rows.
        let strips = self.g.output[0].div_ceil(self.by.rows) * self.by.rows;
        let rate = match self.on {
            Machine::Avx2 => [3, 5],
            // More than it takes: of pictures of 7x7 the lists, four times as long as words, would come from further away than what they
            // save, and where memory is strict about alignment, planes are written byte by byte.
            Machine::Neon => [3, 4],
            Machine::Simd128 | Machine::Popcnt => [1, 2],
        };
        (counts + packed) * strips * rate[0] / (rate[1] * self.g.output[0] * outputs)
    }

    /// With AVX2 eight instructions for four words, and what counters are added up by: ten in three cycles. With SIMD128 it is eleven for
    /// two, as most processors count the bits of bytes in many steps; a population count of a register is one in a cycle.
    fn words(&self) -> usize {
        let words = self.g.input[2].div_ceil(64) * self.g.kernel[0] * self.g.kernel[1];
        let cycles = match self.on {
            Machine::Avx2 => (2 * words + 3) * 3,
            // Three instructions for two words, two at a time, and sums of 16 counters.
            Machine::Neon => (3 * words + 4) * 5 / 2,
            Machine::Simd128 => (11 * words + 6) * 3 / 2,
            Machine::Popcnt => (words + 2) * 10,
        };
        self.pixels() * cycles / 10
    }

    /// Bits of a plane.
    fn plane(&self) -> usize {
        if self.on == Machine::Avx2 { 256 } else { 128 }
    }

    /// Half of the rows of weights, five instructions for the channels of a plane, and bits become numbers: three in a cycle. For each tap
    /// of a pixel 20 cycles more, and a list of set bits takes one for each channel.
    fn down(&self) -> usize {
        let added = (self.pixels() * (self.signs() * 5 / 2 + self.signs()) / self.plane() + self.pixels()) / 3;
        let taps = self.pixels() * self.g.kernel[0] * self.g.kernel[1] * 20 / self.plane();
        let lists = self.by.span(self.g) * self.g.input[1] * (self.g.input[2] + 20) / self.g.output[2];
        added + taps + lists
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(edge: usize, channels: [usize; 2], kernel: usize, stride: usize, down: bool) -> Option<PixelLanes> {
        let down = Levels { avx2: down, neon: false, simd128: down, popcnt: down, portable: down };
        let output = (edge - 1) / stride + 1;
        let g = Geometry {
            n: 1,
            input: [edge, edge, channels[0]],
            output: [output, output, channels[1]],
            kernel: [kernel; 2],
            strides: [stride; 2],
            dilations: [1, 1],
            pads: [kernel / 2; 2],
            groups: 1,
        };
        let layout = BitLayout { groups: 1, frame: [kernel / 2; 4], frame_ones: false };
        PixelLanes::of(&g, &layout, false, None, down)
    }

    /// The layers of a ResNet-18 and of a ReActNet, as they were measured: pictures that fill strips, and not those of 49 pixels.
    #[test]
    fn large_pictures_have_pixels_as_lanes() {
        let rows = |by: Option<PixelLanes>| by.map(|by| by.rows);
        assert_eq!(rows(of(56, [64, 64], 3, 1, false)), Some(4));
        assert_eq!(rows(of(28, [128, 128], 3, 1, false)), Some(8));
        assert_eq!(rows(of(28, [128, 256], 3, 2, false)), Some(14));
        assert_eq!(rows(of(56, [64, 128], 3, 2, false)), Some(8));
        assert_eq!(rows(of(14, [256, 256], 3, 1, true)), Some(14));
        assert_eq!(rows(of(14, [512, 512], 3, 1, true)), Some(14));
        assert_eq!(rows(of(7, [512, 512], 3, 1, true)), None);
        // Wider than a strip, and a list that 16 bits cannot say.
        assert_eq!(rows(of(257, [64, 64], 3, 1, false)), None);
        assert_eq!(rows(of(28, [1024, 64], 3, 1, false)), None);
    }

    /// No place is that of two taps, and what rows write is where no other row's bits are read.
    #[test]
    fn taps_have_places_of_their_own() {
        for (kernel, stride, dilation) in [(3, 1, 1), (3, 2, 1), (5, 2, 1), (3, 3, 2), (3, 1, 2), (2, 2, 1)] {
            let output = 40;
            let input = (output - 1) * stride + (kernel - 1) * dilation + 1;
            let g = Geometry {
                n: 1,
                input: [input, input, 20],
                output: [output, output, 256],
                kernel: [kernel; 2],
                strides: [stride; 2],
                dilations: [dilation; 2],
                pads: [0, 0],
                groups: 1,
            };
            let layout = BitLayout { groups: 1, frame: [0; 4], frame_ones: false };
            let Some(by) = PixelLanes::of(&g, &layout, true, None, Levels::default()) else { panic!("{g:?}") };
            // The bit of a pixel of the strip under a tap is that of the row and column of the input that the tap reaches.
            let mut of = std::collections::HashMap::new();
            for (ky, kx) in (0..kernel).flat_map(|ky| (0..kernel).map(move |kx| (ky, kx))) {
                for (row, channel) in (0..by.rows).flat_map(|row| (0..20).map(move |channel| (row, channel))) {
                    let byte = by.place(&g, [ky, kx], channel) + row * by.eights;
                    let under = (row * stride + ky * dilation, kx, channel);
                    assert_eq!(*of.entry(byte).or_insert(under), under, "{g:?}");
                }
            }
        }
    }
}
