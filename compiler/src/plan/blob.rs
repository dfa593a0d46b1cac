//! The weights file: one run of bytes, in which each parameter has a place, laid out as the kernels read it.

use std::collections::HashMap;
use std::ops::Range;

use super::CACHE_LINE;
use crate::ir::network::{BinaryWeights, Dense, Geometry, Quantized};

/// Parameters are padded to a multiple of it.
pub use xnorc_runtime::LANES;

/// A parameter's place in the weights file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Bytes from the start; a multiple of [`CACHE_LINE`].
    pub offset: usize,
    /// Elements (f32s or 64-bit words).
    pub len: usize,
}

/// The weights file under construction. Equal parameters share a place.
#[derive(Clone, Debug, Default)]
pub struct Blob {
    bytes: Vec<u8>,
    known: HashMap<Vec<u8>, usize>,
    /// Bytes that carry information: padding to cache lines left out.
    pub payload: usize,
}

impl Blob {
    fn add(&mut self, data: Vec<u8>) -> usize {
        if let Some(&offset) = self.known.get(&data) {
            return offset;
        }
        let offset = self.bytes.len().next_multiple_of(CACHE_LINE);
        self.bytes.resize(offset, 0);
        self.bytes.extend_from_slice(&data);
        self.payload += data.len();
        // Large parameters are never equal by accident; remembering them would hold the file twice.
        if data.len() <= 1 << 16 {
            self.known.insert(data, offset);
        }
        offset
    }

    /// Adds f32s, little-endian.
    pub fn floats(&mut self, values: &[f32]) -> Span {
        let data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Span { offset: self.add(data), len: values.len() }
    }

    /// Adds 64-bit words, little-endian.
    pub fn words(&mut self, values: &[u64]) -> Span {
        let data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Span { offset: self.add(data), len: values.len() }
    }

    /// Adds 32-bit words, little-endian.
    pub fn narrow(&mut self, values: &[u32]) -> Span {
        let data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Span { offset: self.add(data), len: values.len() }
    }

    /// Adds 16-bit integers, little-endian.
    pub fn halves(&mut self, values: &[i16]) -> Span {
        let data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Span { offset: self.add(data), len: values.len() }
    }

    /// Adds 16-bit numbers, little-endian.
    pub fn places(&mut self, values: &[u16]) -> Span {
        let data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        Span { offset: self.add(data), len: values.len() }
    }

    /// A value per channel, padded with zeros to whole tiles.
    pub fn per_channel(&mut self, values: &[f32]) -> Span {
        let mut padded = values.to_vec();
        padded.resize(values.len().next_multiple_of(LANES), 0.0);
        self.floats(&padded)
    }

    /// Whether the source mentions no parameter, not even one of no elements.
    pub fn is_unused(&self) -> bool {
        self.bytes.is_empty() && self.known.is_empty()
    }

    /// The file. Its length is a multiple of [`CACHE_LINE`].
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len().next_multiple_of(CACHE_LINE), 0);
        self.bytes
    }
}

/// Weights of a binary convolution as the kernels read them: `[group][block of 16 outputs][kh][kw][word][16]`, bit `i` of
/// word `j` being channel `64 * j + i`, 1 for +1; missing outputs and channels are 0.
pub fn binary_weights(weights: &BinaryWeights, geometry: &Geometry) -> Vec<u64> {
    let [kh, kw] = geometry.kernel;
    let (inputs, outputs) = (geometry.input[2] / geometry.groups, geometry.output[2] / geometry.groups);
    let (words, blocks, taps) = (inputs.div_ceil(64), outputs.div_ceil(LANES), kh * kw);
    let mut packed = vec![0_u64; geometry.groups * blocks * taps * words * LANES];
    for (row, signs) in weights.signs.chunks_exact(inputs).enumerate() {
        let (output, tap) = (row / taps, row % taps);
        let (group, within) = (output / outputs, output % outputs);
        let base = ((group * blocks + within / LANES) * taps + tap) * words * LANES + within % LANES;
        for (word, chunk) in signs.chunks(64).enumerate() {
            packed[base + word * LANES] =
                chunk.iter().enumerate().fold(0, |bits, (i, &sign)| bits | u64::from(sign) << i);
        }
    }
    packed
}

/// Weights of a binary convolution of one group as rows for counting down the lanes: `[kh][kw][channel][output / 32]`, bit `i` of a
/// word being output channel `32 * word + i`, 1 for +1; behind the channels of each tap a row of zeros, where there are `zeros`.
pub fn weight_rows(weights: &BinaryWeights, geometry: &Geometry, zeros: bool) -> Vec<u32> {
    let taps = geometry.kernel[0] * geometry.kernel[1];
    let (inputs, words) = (geometry.input[2], geometry.output[2].div_ceil(32));
    let of_tap = inputs + usize::from(zeros);
    let mut packed = vec![0_u32; taps * of_tap * words];
    for (row, signs) in weights.signs.chunks_exact(inputs).enumerate() {
        let (output, tap) = (row / taps, row % taps);
        for (channel, _) in signs.iter().enumerate().filter(|(_, sign)| **sign) {
            packed[(tap * of_tap + channel) * words + output / 32] |= 1 << (output % 32);
        }
    }
    packed
}

/// Where the inputs lie that outputs select, four outputs at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapsByParts {
    /// Eight by eight: `[four outputs][part]`. Part i, from 1 to 15, has the taps of which those outputs have a weight of +1 whose bits
    /// are in i, filled up with a place of zeros.
    pub places: Vec<u16>,
    /// `[four outputs][part]`: the eights in front of the end of a part, and at first those in front of part 1.
    pub ends: Vec<u32>,
    /// Bits that hold the sums of a part, of two and of four of them as they are added, and of an output.
    pub bits: [usize; 4],
}

/// Bits of a number.
fn bits_of(number: usize) -> usize {
    (usize::BITS - number.leading_zeros()) as usize
}

/// Weights of a binary convolution of one group as what they select of planes of pixels: `place` of a tap (row, column) and a channel,
/// and `none`, where there are zeros. Outputs are those of whole blocks of 16; the missing ones select nothing.
pub fn taps_by_parts(
    weights: &BinaryWeights,
    geometry: &Geometry,
    place: impl Fn([usize; 2], usize) -> usize,
    none: usize,
) -> TapsByParts {
    let [kh, kw] = geometry.kernel;
    let (inputs, outputs) = (geometry.input[2], geometry.output[2]);
    // In the order of memory.
    let taps = (0..kh).flat_map(|ky| (0..kw).map(move |kx| [ky, kx]));
    let places = taps.flat_map(|tap| (0..inputs).map(move |channel| (tap, channel)));
    let mut places: Vec<(usize, usize)> =
        places.enumerate().map(|(sign, (tap, channel))| (place(tap, channel), sign)).collect();
    places.sort_unstable();
    // As many bits as sums usually take, a part being a sixteenth of the taps, so that layers of one geometry share their loops
    // whatever their weights are; more only where these are so uneven that it must be.
    let usual = [16, 8, 4, 2].map(|share| {
        let mean = places.len() / share;
        bits_of(mean + 4 * mean.isqrt()).max(5)
    });
    let mut of = TapsByParts { places: Vec::new(), ends: Vec::new(), bits: usual };
    for four in 0..outputs.next_multiple_of(LANES) / 4 {
        let signs: Vec<&[bool]> = weights.signs.chunks_exact(places.len()).skip(4 * four).take(4).collect();
        let mut parts: [Vec<u16>; 16] = Default::default();
        for &(place, sign) in &places {
            let part = signs.iter().enumerate().fold(0, |part, (i, signs)| part | usize::from(signs[sign]) << i);
            parts[part].push(u16::try_from(place).expect("a place of 16 bits"));
        }
        let eights = |of: &TapsByParts| u32::try_from(of.places.len() / 8).expect("fewer than 2^32");
        let end = eights(&of);
        of.ends.push(end);
        let len = |parts_of: &[usize]| parts_of.iter().map(|&i| parts[i].len()).sum::<usize>();
        let mut most = [0; 4];
        let mut at_most = |bits: usize, len: usize| most[bits] = len.max(most[bits]);
        for i in 1..16 {
            at_most(0, len(&[i]));
        }
        for i in 1..4 {
            for two in [[i, 4 + i], [8 + i, 12 + i], [4 * i, 4 * i + 1], [4 * i + 2, 4 * i + 3]] {
                at_most(1, len(&two));
            }
            at_most(2, len(&[i, 4 + i, 8 + i, 12 + i]));
            at_most(2, len(&[4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3]));
        }
        signs.iter().for_each(|signs| at_most(3, signs.iter().filter(|sign| **sign).count()));
        for (bits, most) in of.bits.iter_mut().zip(most) {
            *bits = bits_of(most).max(*bits);
        }
        for part in &parts[1..] {
            of.places.extend(part);
            of.places.resize(of.places.len().next_multiple_of(8), u16::try_from(none).expect("a place of 16 bits"));
            let end = eights(&of);
            of.ends.push(end);
        }
    }
    // No sum has fewer bits than what it is of.
    for i in 1..4 {
        of.bits[i] = of.bits[i].max(of.bits[i - 1]);
    }
    of
}

/// What the dot products of a binary convolution start from that is counted down the lanes, `k - 2 popcount(w)` of the taps that
/// count, for some rows and columns of them: `[rows][columns][block of 16 outputs][16]`.
pub fn starts(
    weights: &BinaryWeights,
    geometry: &Geometry,
    rows: &[Range<usize>],
    columns: &[Range<usize>],
) -> Vec<i16> {
    let [kh, kw] = geometry.kernel;
    let (inputs, outputs) = (geometry.input[2], geometry.output[2]);
    let mut starts = Vec::new();
    for (rows, columns) in rows.iter().flat_map(|rows| columns.iter().map(move |columns| (rows, columns))) {
        for output in 0..outputs.next_multiple_of(LANES) {
            let taps = rows.clone().flat_map(|ky| columns.clone().map(move |kx| (output * kh + ky) * kw + kx));
            let signs = taps.filter(|_| output < outputs).flat_map(|tap| &weights.signs[tap * inputs..][..inputs]);
            starts.push(signs.map(|sign| if *sign { -1 } else { 1 }).sum());
        }
    }
    starts
}

/// What one group has in 16 output channels that may belong to several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MixedPart {
    /// Number of its weights.
    pub weights: usize,
    /// The group.
    pub group: usize,
    /// Its lanes, a bit each.
    pub lanes: u16,
}

/// For each block of 16 output channels, the groups that they belong to.
pub fn mixed_parts(geometry: &Geometry) -> Vec<Vec<MixedPart>> {
    let (channels, outputs) = (geometry.output[2], geometry.output[2] / geometry.groups);
    let mut weights = 0;
    (0..channels.div_ceil(LANES))
        .map(|block| {
            let here = block * LANES..channels.min((block + 1) * LANES);
            (here.start / outputs..=(here.end - 1) / outputs)
                .map(|group| {
                    let lanes = here.clone().filter(|c| c / outputs == group).fold(0, |l, c| l | 1 << (c - here.start));
                    weights += 1;
                    MixedPart { weights: weights - 1, group, lanes }
                })
                .collect()
        })
        .collect()
}

/// Weights of a binary convolution, 16 of whose output channels may belong to several groups:
/// `[part][kh][kw][word][16]` of the [`mixed_parts`] of all blocks, 0 in the lanes of other groups.
pub fn mixed_weights(weights: &BinaryWeights, geometry: &Geometry) -> Vec<u64> {
    let taps = geometry.kernel[0] * geometry.kernel[1];
    let inputs = geometry.input[2] / geometry.groups;
    let words = inputs.div_ceil(64);
    let mut packed = Vec::new();
    for (block, parts) in mixed_parts(geometry).iter().enumerate() {
        for part in parts {
            let base = packed.len();
            packed.resize(base + taps * words * LANES, 0_u64);
            for lane in (0..LANES).filter(|lane| part.lanes >> lane & 1 == 1) {
                let rows = weights.signs.chunks_exact(inputs).skip((block * LANES + lane) * taps).take(taps);
                for (tap, signs) in rows.enumerate() {
                    for (word, chunk) in signs.chunks(64).enumerate() {
                        packed[base + (tap * words + word) * LANES + lane] =
                            chunk.iter().enumerate().fold(0, |bits, (i, &sign)| bits | u64::from(sign) << i);
                    }
                }
            }
        }
    }
    packed
}

/// Weights of a real-valued convolution as the kernels read them: `[block of 16 outputs][kh][kw][input][16]`. Groups of sixteens of
/// outputs have blocks of their own; the others share theirs, with inputs of its own group in each lane.
pub fn real_weights(weights: &[f32], geometry: &Geometry) -> Vec<f32> {
    let [kh, kw] = geometry.kernel;
    let fan_in = kh * kw * (geometry.input[2] / geometry.groups);
    let mut packed = vec![0.0; geometry.output[2].div_ceil(LANES) * fan_in * LANES];
    for (output, row) in weights.chunks_exact(fan_in).enumerate() {
        let base = output / LANES * fan_in * LANES + output % LANES;
        for (i, &w) in row.iter().enumerate() {
            packed[base + i * LANES] = w;
        }
    }
    packed
}

/// Weights of a convolution on bf16 as the kernels read them: `[block of 16 outputs][kh][run][word][16]`, two values to a
/// 32-bit word.
pub fn bf16_weights(weights: &[f32], geometry: &Geometry) -> Vec<u32> {
    narrow_weights(geometry, 2, &[], |i| weights.get(i).map_or(0, |&w| u32::from(xnorc_runtime::to_bf16(w))))
}

/// Weights of a convolution on 8-bit integers as the kernels read them: for each block of 16 outputs what their sums start
/// from, `- zero point * sum of the weights`, then 128 times that sum, which is added where activations are taken less 128, then
/// `[kh][run][word][16]`, four values to a 32-bit word.
pub fn int8_weights(quantized: &Quantized, geometry: &Geometry) -> Vec<u32> {
    let weights = &quantized.weights;
    let fan_in = weights.len() / geometry.output[2].max(1);
    let sums = weights.chunks(fan_in.max(1)).map(|row| row.iter().map(|&w| i32::from(w)).sum::<i32>());
    let head = [-i32::from(quantized.zero_point), 128]
        .map(|times| sums.clone().map(|sum| times.wrapping_mul(sum) as u32).collect());
    narrow_weights(geometry, 4, &head, |i| weights.get(i).map_or(0, |&w| u32::from(w as u8)))
}

/// `bits(i)` are those of weight number `i`, of which `parts` fill a word; the rows of `head` come first, one word per output.
fn narrow_weights(geometry: &Geometry, parts: usize, head: &[Vec<u32>], bits: impl Fn(usize) -> u32) -> Vec<u32> {
    let (run, runs) = geometry.runs();
    let (runs, words) = (geometry.kernel[0] * runs, run.div_ceil(parts));
    let outputs = geometry.output[2];
    let mut packed = Vec::with_capacity(outputs.next_multiple_of(LANES) * (runs * words + head.len()));
    for block in (0..outputs).step_by(LANES) {
        let lanes = |of: &dyn Fn(usize) -> u32, packed: &mut Vec<u32>| {
            packed.extend((block..block + LANES).map(|output| if output < outputs { of(output) } else { 0 }));
        };
        for row in head {
            lanes(&|output| row.get(output).copied().unwrap_or(0), &mut packed);
        }
        for row in 0..runs {
            for word in 0..words {
                let of = |output: usize| {
                    let first = (output * runs + row) * run + word * parts;
                    let count = parts.min(run - word * parts);
                    (0..count).fold(0, |all, i| all | bits(first + i) << (32 / parts * i))
                };
                lanes(&of, &mut packed);
            }
        }
    }
    packed
}

/// Weights of a depthwise convolution as the kernels read them: `[block of 16 channels][kh][kw][16]`.
pub fn depthwise_weights(weights: &[f32], geometry: &Geometry) -> Vec<f32> {
    let taps = geometry.kernel[0] * geometry.kernel[1];
    let channels = geometry.output[2];
    let mut packed = vec![0.0; channels.div_ceil(LANES) * taps * LANES];
    for (channel, row) in weights.chunks_exact(taps).enumerate() {
        for (tap, &w) in row.iter().enumerate() {
            packed[(channel / LANES * taps + tap) * LANES + channel % LANES] = w;
        }
    }
    packed
}

/// Weights of a gate's layer as the kernels read them: `[block of 16 outputs][input][16]`.
pub fn dense_weights(layer: &Dense) -> Vec<f32> {
    let mut packed = vec![0.0; layer.outputs.div_ceil(LANES) * layer.inputs * LANES];
    for (output, row) in layer.weights.chunks_exact(layer.inputs).enumerate() {
        for (i, &w) in row.iter().enumerate() {
            packed[(output / LANES * layer.inputs + i) * LANES + output % LANES] = w;
        }
    }
    packed
}
