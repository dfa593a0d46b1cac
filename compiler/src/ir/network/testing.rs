//! For tests: a small network for each kind of loop nest.

use std::sync::Arc;

use crate::ir::network::*;
use crate::ir::{Binary, DType, Op, Reduction, Unary};

/// A network under construction; parameters are simple numbers, so that texts do not change by chance.
pub(crate) struct Build(pub(crate) Network);

impl Build {
    pub(crate) fn new() -> Self {
        Self(Network { name: "sample".into(), ..Network::default() })
    }

    pub(crate) fn tensor(&mut self, name: &str, shape: &[usize], storage: Storage) -> TensorId {
        self.0.add_tensor(NetTensor { name: name.into(), shape: shape.to_vec(), storage, origin: None })
    }

    pub(crate) fn dense(&mut self, name: &str, shape: &[usize]) -> TensorId {
        self.tensor(name, shape, Storage::Dense(DType::F32))
    }

    /// An input of the network.
    pub(crate) fn input(&mut self, name: &str, shape: &[usize]) -> TensorId {
        let id = self.dense(name, shape);
        self.0.inputs.push(id);
        id
    }

    /// An output of the network.
    pub(crate) fn output(&mut self, name: &str, shape: &[usize]) -> TensorId {
        let id = self.dense(name, shape);
        self.0.outputs.push(id);
        id
    }

    /// Bits, framed for a window that reaches so far beyond the image.
    pub(crate) fn bits(&mut self, name: &str, shape: [usize; 4], frame: [usize; 4]) -> TensorId {
        self.tensor(name, &shape, Storage::Bits(BitLayout { groups: 1, frame, frame_ones: false }))
    }

    pub(crate) fn block(&mut self, name: &str, source: Source, steps: Vec<Step>) {
        self.other(name, Tiled::new(source, steps));
    }

    pub(crate) fn other(&mut self, name: &str, body: impl Into<Body>) {
        self.0.blocks.push(Block { parts: vec!["Part".into()], ..Block::new(name, body) });
    }

    /// A binary layer of bits that a block before it packs, for the steps.
    pub(crate) fn binary(&mut self, geometry: Geometry, padding: BitPadding, steps: Vec<Step>) {
        let [h, w, c] = geometry.input;
        let x = self.input("x", &[geometry.n, h, w, c]);
        let frame_ones = padding == BitPadding::Plus;
        let layout = BitLayout { groups: geometry.groups, frame: geometry.reach(), frame_ones };
        let bits = self.tensor("bits", &[geometry.n, h, w, c], Storage::Bits(layout));
        self.block("pack", Source::Map { input: x }, vec![Step::Sign { bits, intervals: rising(c) }]);
        let weights = signs(geometry.output[2] * geometry.kernel[0] * geometry.kernel[1] * c / geometry.groups);
        self.block("block", Source::BinaryConv { input: bits, geometry, weights, padding }, steps);
    }

    /// A pool in the last block.
    pub(crate) fn pooled(&mut self, pool: Pool, steps: Vec<Step>) {
        let Some(Block { body: Body::Tiled(tiled), .. }) = self.0.blocks.last_mut() else { unreachable!("just made") };
        tiled.pooled = Some(Pooled { pool, steps });
    }
}

pub(crate) fn geometry(input: [usize; 3], output: [usize; 3], kernel: usize, stride: usize, pad: usize) -> Geometry {
    Geometry {
        n: 1,
        input,
        output,
        kernel: [kernel; 2],
        strides: [stride; 2],
        dilations: [1, 1],
        pads: [pad; 2],
        groups: 1,
    }
}

pub(crate) fn ramp(n: usize) -> Arc<Vec<f32>> {
    Arc::new((0..n).map(|i| i as f32 + 0.5).collect())
}

pub(crate) fn signs(n: usize) -> Arc<BinaryWeights> {
    Arc::new(BinaryWeights { signs: (0..n).map(|i| i % 3 == 0).collect(), zeros: 0, deviation: 0.0 })
}

pub(crate) fn rising(n: usize) -> Arc<Vec<Interval>> {
    Arc::new((0..n).map(|i| Interval { low: i as f32 - 4.0, high: f32::INFINITY }).collect())
}

fn real(input: TensorId, geometry: Geometry, planar: bool) -> Source {
    let weights = geometry.output[2] * geometry.kernel[0] * geometry.kernel[1] * geometry.input[2] / geometry.groups;
    Source::RealConv { input, planar, geometry, weights: ramp(weights), products: Products::F32 }
}

/// What it is called, and what makes it.
type Kind = (&'static str, fn(&mut Build));

/// A network for each kind of nest, with a block of that kind that is called "block".
pub(crate) fn kinds() -> Vec<(&'static str, Network)> {
    let kinds: &[Kind] = &[
        ("binary_conv", binary_conv),
        ("binary_conv_strided", binary_conv_strided),
        ("binary_conv_framed", binary_conv_framed),
        ("binary_conv_grouped", binary_conv_grouped),
        ("binary_conv_mixed_groups", binary_conv_mixed_groups),
        ("binary_linear", binary_linear),
        ("binary_conv_pooled", binary_conv_pooled),
        ("pixel_lanes", pixel_lanes),
        ("bit_pool", bit_pool),
        ("bit_join", bit_join),
        ("bit_product", bit_product),
        ("real_conv", real_conv),
        ("real_conv_mixed_groups", real_conv_mixed_groups),
        ("real_conv_pointwise", real_conv_pointwise),
        ("real_conv_pooled", real_conv_pooled),
        ("real_linear", real_linear),
        ("bf16_conv", bf16_conv),
        ("int8_linear", int8_linear),
        ("depthwise", depthwise),
        ("max_pool", max_pool),
        ("average_pool", average_pool),
        ("map_in_place", map_in_place),
        ("map_of_images", map_of_images),
        ("planes", planes),
        ("gate", gate),
        ("copy", copy),
        ("transposed", transposed),
        ("concat", concat),
        ("reduction", reduction),
        ("reduction_side_by_side", reduction_side_by_side),
        ("product", product),
        ("product_of_signs", product_of_signs),
        ("broadcast", broadcast),
        ("choice", choice),
        ("softmax", softmax),
        ("arg_max", arg_max),
    ];
    let build = |&(name, make): &Kind| {
        let mut b = Build::new();
        make(&mut b);
        (name, b.0)
    };
    kinds.iter().map(build).collect()
}

/// All of a half-block: scale, gate, PReLU, skip; signs and sums for the next.
fn binary_conv(b: &mut Build) {
    let (skip, gate) = (b.input("skip", &[1, 8, 8, 32]), b.input("gate", &[1, 1, 1, 32]));
    let (y, sums) = (b.output("y", &[1, 8, 8, 32]), b.output("sums", &[1, 1, 1, 32]));
    let bits = b.bits("next", [1, 8, 8, 32], [1; 4]);
    let steps = vec![
        Step::Scale(ramp(32)),
        Step::Gate(gate),
        Step::Activation(Activation::PRelu(ramp(32))),
        Step::Add(skip),
        Step::Store(y),
        Step::Sign { bits, intervals: rising(32) },
        Step::Sum(sums),
    ];
    b.binary(geometry([8, 8, 64], [8, 8, 32], 3, 1, 1), BitPadding::Zero, steps);
}

/// Four words a tap: taps in a loop, counters widened behind each row of them; tiles that do not divide the row.
fn binary_conv_strided(b: &mut Build) {
    let y = b.output("y", &[1, 9, 9, 16]);
    b.binary(geometry([18, 18, 256], [9, 9, 16], 3, 2, 1), BitPadding::Zero, vec![Step::Store(y)]);
}

/// Padding of +1 counts.
fn binary_conv_framed(b: &mut Build) {
    let y = b.output("y", &[1, 8, 8, 16]);
    b.binary(geometry([8, 8, 16], [8, 8, 16], 3, 1, 1), BitPadding::Plus, vec![Step::Store(y)]);
}

fn binary_conv_grouped(b: &mut Build) {
    let y = b.output("y", &[1, 4, 4, 64]);
    let g = Geometry { groups: 2, ..geometry([4, 4, 64], [4, 4, 64], 1, 1, 0) };
    b.binary(g, BitPadding::Zero, vec![Step::Store(y)]);
}

/// Three groups of eight outputs each.
fn binary_conv_mixed_groups(b: &mut Build) {
    let y = b.output("y", &[1, 4, 4, 24]);
    let g = Geometry { groups: 3, ..geometry([4, 4, 12], [4, 4, 24], 1, 1, 0) };
    b.binary(g, BitPadding::Zero, vec![Step::Store(y)]);
}

/// More words than counters have room for.
fn binary_linear(b: &mut Build) {
    let y = b.output("y", &[1, 10]);
    b.binary(
        geometry([1, 1, 2500], [1, 1, 10], 1, 1, 0),
        BitPadding::Zero,
        vec![Step::Shift(ramp(10)), Step::Store(y)],
    );
}

fn binary_conv_pooled(b: &mut Build) {
    let y = b.output("y", &[1, 2, 2, 16]);
    b.binary(geometry([4, 4, 16], [4, 4, 16], 3, 1, 1), BitPadding::Zero, vec![Step::Scale(ramp(16))]);
    let kind = PoolKind::Average { count_include_pad: None };
    b.pooled(Pool { kind, geometry: pool([4, 4, 16], [2, 2], 2, 2, 0) }, vec![Step::Store(y)]);
}

/// A picture large enough, and enough of its channels, for pixels to be lanes; the pool's windows end with a strip.
fn pixel_lanes(b: &mut Build) {
    let y = b.output("y", &[1, 8, 8, 64]);
    b.binary(geometry([16, 16, 64], [16, 16, 64], 3, 1, 1), BitPadding::Zero, vec![Step::Scale(ramp(64))]);
    let kind = PoolKind::Average { count_include_pad: None };
    b.pooled(Pool { kind, geometry: pool([16, 16, 64], [8, 8], 2, 2, 0) }, vec![Step::Store(y)]);
}

fn pool([h, w, c]: [usize; 3], [oh, ow]: [usize; 2], kernel: usize, stride: usize, pad: usize) -> Geometry {
    Geometry { groups: c, ..geometry([h, w, c], [oh, ow, c], kernel, stride, pad) }
}

fn bit_join(b: &mut Build) {
    let x = b.input("x", &[1, 4, 4, 80]);
    let (first, all) = (b.bits("bits", [1, 4, 4, 80], [0; 4]), b.bits("all", [1, 4, 4, 160], [1; 4]));
    b.block("pack", Source::Map { input: x }, vec![Step::Sign { bits: first, intervals: rising(80) }]);
    b.other("block", Move::BitJoin { inputs: vec![first, first], output: all });
}

fn bit_product(b: &mut Build) {
    let x = b.input("x", &[1, 4, 4, 80]);
    let [first, second] = ["first", "second"].map(|name| b.bits(name, [1, 4, 4, 80], [0; 4]));
    let product = b.bits("product", [1, 4, 4, 80], [1; 4]);
    let steps = [first, second].map(|bits| Step::Sign { bits, intervals: rising(80) });
    b.block("pack", Source::Map { input: x }, steps.to_vec());
    b.other("block", Move::BitProduct { inputs: vec![first, second], output: product });
}

fn bit_pool(b: &mut Build) {
    let x = b.input("x", &[1, 4, 4, 16]);
    let (bits, pooled) = (b.bits("bits", [1, 4, 4, 16], [0; 4]), b.bits("pooled", [1, 2, 2, 16], [0; 4]));
    b.block("pack", Source::Map { input: x }, vec![Step::Sign { bits, intervals: rising(16) }]);
    b.other("block", Move::BitMaxPool { input: bits, output: pooled, geometry: pool([4, 4, 16], [2, 2], 2, 2, 0) });
}

/// A stem that reads its channels as the caller has them.
fn real_conv(b: &mut Build) {
    let (x, y) = (b.input("x", &[1, 3, 8, 8]), b.output("y", &[1, 8, 8, 32]));
    let steps = vec![Step::Shift(ramp(32)), Step::Activation(Activation::Unary(Unary::Relu)), Step::Store(y)];
    b.block("block", real(x, geometry([8, 8, 3], [8, 8, 32], 3, 1, 1), true), steps);
}

/// Three groups of eight outputs each.
fn real_conv_mixed_groups(b: &mut Build) {
    let (x, y) = (b.input("x", &[1, 8, 8, 12]), b.output("y", &[1, 8, 8, 24]));
    let g = Geometry { groups: 3, ..geometry([8, 8, 12], [8, 8, 24], 3, 1, 1) };
    b.block("block", real(x, g, false), vec![Step::Shift(ramp(24)), Step::Store(y)]);
}

/// One tap: written out.
fn real_conv_pointwise(b: &mut Build) {
    let (x, y) = (b.input("x", &[1, 8, 8, 16]), b.output("y", &[1, 8, 8, 32]));
    let steps = vec![Step::Shift(ramp(32)), Step::Store(y)];
    b.block("block", real(x, geometry([8, 8, 16], [8, 8, 32], 1, 1, 0), false), steps);
}

/// Windows of the pool overlap: a part has rows of its neighbour.
fn real_conv_pooled(b: &mut Build) {
    let (x, y, sums) = (b.input("x", &[1, 8, 8, 3]), b.output("y", &[1, 4, 4, 32]), b.output("sums", &[1, 32]));
    b.block("block", real(x, geometry([8, 8, 3], [8, 8, 32], 3, 1, 1), false), vec![Step::Shift(ramp(32))]);
    let pool = Pool { kind: PoolKind::Max, geometry: pool([8, 8, 32], [4, 4], 3, 2, 1) };
    b.pooled(pool, vec![Step::Store(y), Step::Sum(sums)]);
}

fn real_linear(b: &mut Build) {
    let (x, y) = (b.input("x", &[1, 64]), b.output("y", &[1, 10]));
    let steps = vec![Step::Shift(ramp(10)), Step::Store(y)];
    b.block("block", real(x, geometry([1, 1, 64], [1, 1, 10], 1, 1, 0), false), steps);
}

/// In bf16: the input is rounded first, then the kernel reads it.
fn bf16_conv(b: &mut Build) {
    let g = geometry([8, 8, 3], [4, 4, 32], 3, 2, 1);
    let (x, y, narrow) =
        (b.input("x", &[1, 8, 8, 3]), b.output("y", &[1, 4, 4, 32]), b.dense("n", &[g.narrow_words(2)]));
    let products = Products::Bf16 { narrow };
    b.block(
        "block",
        Source::RealConv { input: x, geometry: g, weights: ramp(27 * 32), products, planar: false },
        vec![Step::Activation(Activation::Unary(Unary::Relu)), Step::Store(y)],
    );
}

fn int8_linear(b: &mut Build) {
    let g = geometry([1, 1, 64], [1, 1, 10], 1, 1, 0);
    let (x, y, narrow) = (b.input("x", &[1, 64]), b.output("y", &[1, 10]), b.dense("n", &[g.narrow_words(1)]));
    let quantized = Arc::new(Quantized { inverse_scale: 12.5, zero_point: 3, weights: vec![1; 640], of_file: false });
    let products = Products::Int8 { narrow, quantized };
    b.block(
        "block",
        Source::RealConv { input: x, geometry: g, weights: ramp(640), products, planar: false },
        vec![Step::Scale(ramp(10)), Step::Store(y)],
    );
}

fn depthwise(b: &mut Build) {
    let (x, y) = (b.input("x", &[1, 4, 4, 32]), b.output("y", &[1, 4, 4, 32]));
    let each = Geometry { groups: 32, ..geometry([4, 4, 32], [4, 4, 32], 3, 1, 1) };
    let steps = vec![Step::Activation(Activation::Unary(Unary::Clip(0.0, 6.0))), Step::Mul(x), Step::Store(y)];
    b.block("block", real(x, each, false), steps);
}

fn max_pool(b: &mut Build) {
    let (x, y) = (b.input("x", &[1, 7, 7, 16]), b.output("y", &[1, 4, 4, 16]));
    let geometry = pool([7, 7, 16], [4, 4], 3, 2, 1);
    b.block("block", Source::MaxPool { input: x, geometry }, vec![Step::Store(y)]);
}

/// Padding at the top and left counts, that at the bottom and right does not.
fn average_pool(b: &mut Build) {
    let (x, y) = (b.input("x", &[1, 7, 7, 16]), b.output("y", &[1, 4, 4, 16]));
    let source =
        Source::AveragePool { input: x, geometry: pool([7, 7, 16], [4, 4], 3, 2, 1), count_include_pad: Some([1, 1]) };
    b.block("block", source, vec![Step::Store(y)]);
}

/// What it stores lies where its operand lay.
fn map_in_place(b: &mut Build) {
    let (x, between, y) =
        (b.input("x", &[1, 4, 4, 16]), b.dense("between", &[1, 4, 4, 16]), b.dense("y", &[1, 4, 4, 16]));
    let last = b.output("last", &[1, 4, 4, 16]);
    b.block("first", Source::Map { input: x }, vec![Step::Shift(ramp(16)), Step::Store(between)]);
    let steps = vec![Step::Scale(ramp(16)), Step::Activation(Activation::PRelu(ramp(16))), Step::Store(y)];
    b.block("block", Source::Map { input: between }, steps);
    b.block("last", Source::Map { input: y }, vec![Step::Mul(x), Step::Store(last)]);
}

/// Images each with a gate of its own.
fn map_of_images(b: &mut Build) {
    let (x, gate) = (b.input("x", &[2, 4, 4, 16]), b.input("gate", &[2, 1, 1, 16]));
    let y = b.output("y", &[2, 4, 4, 16]);
    b.block("block", Source::Map { input: x }, vec![Step::Gate(gate), Step::Store(y)]);
}

/// What lies channel by channel.
fn planes(b: &mut Build) {
    let (x, y) = (b.input("x", &[1, 16, 4, 4]), b.output("y", &[1, 4, 4, 16]));
    b.block("block", Source::Planes { input: x }, vec![Step::Shift(ramp(16)), Step::Store(y)]);
}

fn gate(b: &mut Build) {
    let (sums, output) = (b.input("sums", &[1, 1, 1, 16]), b.output("gate", &[1, 1, 1, 16]));
    let layer = |inputs, outputs| Dense { inputs, outputs, weights: ramp(64), bias: ramp(outputs) };
    let (first, second) = (layer(16, 4), layer(4, 16));
    b.other("block", Gate { sums, first, hidden: Unary::Relu, second, squash: Unary::Sigmoid, output });
}

/// A slice, backwards, into a frame of -1.
fn copy(b: &mut Build) {
    let (x, y) = (b.input("x", &[2, 3]), b.output("y", &[3, 3]));
    let piece = Piece {
        input: x,
        input_offset: 5,
        input_strides: vec![-3, -1],
        output_offset: 3,
        output_strides: vec![3, 1],
        extents: vec![2, 3],
    };
    b.other("block", Move::Copy { fill: Some(-1.0), pieces: vec![piece], output: y });
}

fn reduction(b: &mut Build) {
    let (x, y) = (b.input("x", &[2, 3]), b.output("y", &[2]));
    let op = Op::Reduce { kind: Reduction::Mean, axes: vec![1], keepdims: false };
    b.other("block", Whole { op, inputs: vec![x], output: y });
}

/// Channels last to channels first.
fn transposed(b: &mut Build) {
    let (x, y) = (b.input("x", &[1, 49, 16]), b.output("y", &[1, 16, 49]));
    let piece = Piece {
        input: x,
        input_offset: 0,
        input_strides: vec![0, 1, 16],
        output_offset: 0,
        output_strides: vec![784, 49, 1],
        extents: vec![1, 16, 49],
    };
    b.other("block", Move::Copy { fill: None, pieces: vec![piece], output: y });
}

/// The channels of two tensors.
fn concat(b: &mut Build) {
    let (first, second, y) = (b.input("a", &[9, 16]), b.input("b", &[9, 32]), b.output("y", &[9, 48]));
    let piece = |input, at, width: usize| Piece {
        input,
        input_offset: 0,
        input_strides: vec![width as isize, 1],
        output_offset: at,
        output_strides: vec![48, 1],
        extents: vec![9, width],
    };
    b.other("block", Move::Copy { fill: None, pieces: vec![piece(first, 0, 16), piece(second, 16, 32)], output: y });
}

/// Over rows and columns, as a mean of a picture is.
fn reduction_side_by_side(b: &mut Build) {
    let (x, y) = (b.input("x", &[1, 7, 7, 40]), b.output("y", &[1, 40]));
    let op = Op::Reduce { kind: Reduction::Max, axes: vec![1, 2], keepdims: false };
    b.other("block", Whole { op, inputs: vec![x], output: y });
}

fn product(b: &mut Build) {
    let (x, w, y) = (b.input("x", &[3, 5, 8]), b.input("w", &[8, 20]), b.output("y", &[3, 5, 20]));
    b.other("block", Whole { op: Op::MatMul, inputs: vec![x, w], output: y });
}

fn product_of_signs(b: &mut Build) {
    let (x, w, y) = (b.input("x", &[3, 5, 70]), b.input("w", &[3, 20, 70]), b.output("y", &[3, 5, 20]));
    b.other("block", Whole { op: Op::SignProduct { zero_one: [true, false] }, inputs: vec![x, w], output: y });
}

fn broadcast(b: &mut Build) {
    let (x, w, y) = (b.input("x", &[4, 3, 5]), b.input("w", &[3, 1]), b.output("y", &[4, 3, 5]));
    b.other("block", Whole { op: Op::Binary(Binary::Sub), inputs: vec![x, w], output: y });
}

fn choice(b: &mut Build) {
    let (which, x, y) = (b.input("which", &[4, 1]), b.input("x", &[4, 6]), b.output("y", &[4, 6]));
    let other = b.input("other", &[1]);
    b.other("block", Whole { op: Op::Where, inputs: vec![which, x, other], output: y });
}

fn softmax(b: &mut Build) {
    let (x, y) = (b.input("x", &[2, 10]), b.output("y", &[2, 10]));
    b.other("block", Whole { op: Op::Softmax { axis: 1, log: false }, inputs: vec![x], output: y });
}

fn arg_max(b: &mut Build) {
    let x = b.input("x", &[1, 10]);
    let y = b.tensor("y", &[1], Storage::Dense(DType::I64));
    b.0.outputs.push(y);
    b.other("block", Whole { op: Op::ArgMax { axis: 1, last: false, keepdims: false }, inputs: vec![x], output: y });
}
