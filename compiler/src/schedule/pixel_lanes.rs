//! Counting down the lanes with pixels as lanes: which binary layers do, and how many rows at a time.
//!
//! A plane is a bit of the sign of one input channel under one tap, for the pixels of some rows of the output, a *strip*: its weights
//! select which of them an output adds (see the runtime's `pixel_planes.rs`). As [`crate::schedule::Down`], without its need of as many
//! output channels as a vector has bits; what it needs instead is pixels. Where both can be, and where words are counted, the fewest
//! cycles decide ([`Cycles`]).

use super::{Axis, down, windows_apart};
use crate::ir::network::{BitLayout, Geometry};
use crate::target::{Family, Target};

/// Bits of the vectors of AVX2 and AVX-512, the instruction sets that count so.
const AVX2: usize = 256;
const AVX512: usize = 512;

/// Bytes behind the planes, for additions that read beyond the last of them, and for taps that are none: their bits are zeros.
const BEHIND: usize = 64;

/// How binary layers are counted with pixels as lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelLanes {
    /// Pixels of a strip, at most: a vector of AVX-512, or of AVX2, which counts a longer one in parts.
    pub lanes: usize,
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
    /// Whether AVX2 counts so.
    pub avx2: Option<Gain>,
    /// Whether AVX-512 does.
    pub avx512: Option<Gain>,
}

/// What a strip of one output channel takes, in cycles, about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gain {
    /// So.
    pub takes: usize,
    /// The other way.
    pub instead_of: usize,
}

impl PixelLanes {
    /// Of a binary layer; nothing where another way is faster, or this one cannot be. `down`: whether AVX2 would count with output
    /// channels as lanes.
    pub fn of(g: &Geometry, layout: &BitLayout, framed: bool, target: Option<&Target>, down: bool) -> Option<Self> {
        let has_vectors = target.is_none_or(|target| target.family() == Family::X86_64);
        let signs = g.input[2] * g.kernel[0] * g.kernel[1];
        // As where output channels are lanes: what the dot products start from has 16 bits, and a frame of ones would be counted.
        if !has_vectors || g.groups != 1 || !framed && layout.frame_ones || signs > i16::MAX as usize {
            return None;
        }
        // Bits of a column of taps are those of another one, up to 31 pixels further on.
        if (g.kernel[1] - 1) * g.dilations[1] / g.strides[1] >= 32 {
            return None;
        }
        let wide = Self::strips(g, AVX512).map(|by| {
            let takes = Cycles { g, by: &by };
            let avx512 = gain(takes.pixel_lanes_512(), takes.words_512());
            Self { avx2: takes.gain_256(down), avx512, ..by }
        });
        let narrow = Self::strips(g, AVX2).map(|by| {
            let avx2 = Cycles { g, by: &by }.gain_256(down);
            Self { avx2, ..by }
        });
        wide.filter(|by| by.avx512.is_some()).or(narrow.filter(|by| by.avx2.is_some()))
    }

    /// The instruction sets that count so, as a user would write them.
    pub fn levels(&self) -> String {
        let levels = [(self.avx512.is_some(), "avx512"), (self.avx2.is_some(), "avx2")];
        levels.into_iter().filter_map(|(is, level)| is.then_some(level)).collect::<Vec<_>>().join("/")
    }

    /// Strips of so many pixels.
    fn strips(g: &Geometry, lanes: usize) -> Option<Self> {
        let eights = g.output[1].div_ceil(8);
        let rows = (lanes / 8).checked_div(eights)?.min(g.output[0]);
        let below = (g.kernel[0] - 1) * g.dilations[0] / g.strides[0];
        // Rows are written four bytes at a time.
        let bytes = (rows + below) * eights + 3;
        let planes = Self::phases(g, 0).len() * g.kernel[1] * g.input[2];
        let by = Self { lanes, rows, eights, below, bytes, planes, avx2: None, avx512: None };
        // A tap's place has 16 bits.
        (rows > 0 && by.bytes * by.all_planes() <= 1 << 16).then_some(by)
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

/// The lists of taps take memory: for less than a seventh of the time they are not worth it.
fn gain(takes: usize, instead_of: usize) -> Option<Gain> {
    (7 * takes < 6 * instead_of).then_some(Gain { takes, instead_of })
}

/// What a strip of one output channel takes, in cycles: the instructions of each loop, at the rate at which they went by in
/// Real-to-Binary ResNet-18, of AVX2 on a Zen 3 and of AVX-512 on a Zen 5 (loads, lists and branches are in the rate).
struct Cycles<'a> {
    g: &'a Geometry,
    by: &'a PixelLanes,
}

impl Cycles<'_> {
    /// On AVX2, instead of counting words, or with output channels as lanes.
    fn gain_256(&self, down: bool) -> Option<Gain> {
        gain(self.pixel_lanes_256(), if down { self.down() } else { self.words_256() })
    }

    /// Products of an output.
    fn signs(&self) -> usize {
        self.g.input[2] * self.g.kernel[0] * self.g.kernel[1]
    }

    /// Outputs of a channel.
    fn pixels(&self) -> usize {
        self.by.rows * self.g.output[1]
    }

    /// Additions of three planes, for all outputs. Fifteen parts of the taps, each filled up to eights, and 22 sums of parts of about
    /// eight bits, for four outputs.
    fn adders(&self) -> usize {
        (15 * (self.signs() / 16 + 4) + 22 * 8) * self.g.output[2].div_ceil(16) * 4
    }

    /// What it takes that bits of pixels become planes. 64 channels of 32 pixels take about 300, as their words come from as many places,
    /// and as much again for each column of taps that they are written to.
    fn packed(&self) -> usize {
        let words = self.g.input[2].div_ceil(64) * self.g.output[1].div_ceil(32);
        PixelLanes::phases(self.g, 0).len() * (self.g.kernel[1] + 1) * (self.by.rows + self.by.below) * words * 300
    }

    /// For one output. The last strip may have fewer rows.
    fn shared(&self, all: usize) -> usize {
        let strips = self.g.output[0].div_ceil(self.by.rows) * self.by.rows;
        all * strips / (self.g.output[0] * self.g.output[2])
    }

    /// Four instructions in three cycles: each plane of bits waits for the one below it. Five operations for an addition; then bits become
    /// numbers, 16 at a time.
    fn pixel_lanes_256(&self) -> usize {
        let vectors = self.by.lanes / AVX2;
        let counts = vectors * (5 * self.adders() + AVX2 * self.g.output[2].next_multiple_of(16));
        self.shared((counts + self.packed()) * 3 / 4)
    }

    /// Two operations for an addition.
    fn pixel_lanes_512(&self) -> usize {
        let counts = 2 * self.adders() + AVX2 * self.g.output[2].next_multiple_of(16);
        self.shared((counts + self.packed()) * 3 / 4)
    }

    /// Eight instructions for four words, and what counters are added up by: ten in three cycles.
    fn words_256(&self) -> usize {
        self.pixels() * (2 * self.words() + 3) * 3 / 10
    }

    /// Three instructions for eight words.
    fn words_512(&self) -> usize {
        self.pixels() * (3 * self.words() + 8) / 16
    }

    /// Words of an output.
    fn words(&self) -> usize {
        self.g.input[2].div_ceil(64) * self.g.kernel[0] * self.g.kernel[1]
    }

    /// Half of the rows of weights, five instructions for 256 channels; lists, and bits become numbers: fourteen in five cycles.
    fn down(&self) -> usize {
        (self.pixels() * (self.signs() * 5 / 2 + self.signs()) / 256 + self.pixels()) * 5 / 14
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(edge: usize, channels: [usize; 2], kernel: usize, stride: usize, down: bool) -> Option<PixelLanes> {
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

    /// The layers of a ResNet-18, as they were measured: pictures that fill strips, and not where 256 output channels are lanes.
    #[test]
    fn large_pictures_have_pixels_as_lanes() {
        let rows = |by: Option<PixelLanes>| by.map(|by| by.rows);
        assert_eq!(rows(of(56, [64, 64], 3, 1, false)), Some(4));
        assert_eq!(rows(of(28, [128, 128], 3, 1, false)), Some(8));
        assert_eq!(rows(of(28, [128, 256], 3, 2, false)), Some(14));
        assert_eq!(rows(of(14, [256, 256], 3, 1, true)), None);
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
            let Some(by) = PixelLanes::of(&g, &layout, true, None, false) else { panic!("{g:?}") };
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
