//! The network of fused blocks: the lowered IR, exactly what will be emitted.
//!
//! A [`Block`] is a *core*, which produces values tile by tile (16 channels of a few pixels at a time), and the
//! *steps* each tile goes through while it is still in registers: scale, gate, activation, skip, store, the sign
//! bits of the next block, the sums its gate will need. The half-block of a Real-to-Binary network,
//!
//! ```text
//! bits ─> binary conv ─> ×α ─> ×gate ─> PReLU ─> +skip ─┬─> store
//!                                                       ├─> sign bits of the next block
//!                                                       └─> sums for the next block's gate
//! ```
//!
//! is one block; so are a stem convolution with its activation and max-pool, whose full-sized result is never in memory,
//! a max-pool that also writes sign bits, and a BatchNormalization that stands alone ([`Core::Map`]).

use std::fmt;
use std::sync::Arc;

use crate::ir::{Binary, DType, Origin, Reduction, Shape, Unary};

/// A handle on a tensor of one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TensorId(pub u32);

/// How a tensor lies in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// f32 (or, for an output of ArgMax, i64), row-major, channels last, dense.
    Dense(DType),
    /// Sign bits, one per element, 1 for +1.
    Bits(BitLayout),
}

/// Layout of packed sign bits: `[n][top + h + bottom][left + w + right][group][word]` of 64-bit words; bit `i` of
/// word `j` is channel `64 * j + i` of its group, and the bits behind the last channel are 0.
///
/// The frame holds the padding of the convolution that reads the bits, so that its loops need no test at the
/// border. With padding +1 or -1 the frame's bits are those values. With padding 0, which one bit cannot hold,
/// they are 0, and the convolution takes back, per border pixel, what the padded taps counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BitLayout {
    /// Channels are split into this many groups, each starting on a word.
    pub groups: usize,
    /// Top, left, bottom, right.
    pub frame: [usize; 4],
    /// What the bits in the frame are.
    pub frame_ones: bool,
}

/// A tensor of the network.
#[derive(Clone, Debug)]
pub struct NetTensor {
    /// Unique; from the ONNX value where there is one.
    pub name: String,
    /// Logical extents, channels last. Bits: always `[n, h, w, c]`, without the frame.
    pub shape: Shape,
    /// Layout in memory.
    pub storage: Storage,
    /// The ONNX value it equals, if any; for bits, the ONNX value that is their sign.
    pub origin: Option<Origin>,
}

impl NetTensor {
    /// 64-bit words per group of a pixel. Panics on a dense tensor.
    pub fn words_per_group(&self) -> usize {
        let Storage::Bits(bits) = &self.storage else { panic!("{} is not bits", self.name) };
        (self.shape[3] / bits.groups).div_ceil(64)
    }

    /// Elements in memory: f32s (i64s) of a dense tensor, 64-bit words of bits, frame included.
    pub fn storage_len(&self) -> usize {
        match &self.storage {
            Storage::Dense(_) => self.shape.iter().product(),
            Storage::Bits(b) => {
                let [t, l, bo, r] = b.frame;
                self.shape[0] * (self.shape[1] + t + bo) * (self.shape[2] + l + r) * b.groups * self.words_per_group()
            }
        }
    }
}

/// `[n, h, w, c]` of a dense tensor of any rank: the first axis holds images, the last one channels, and those between are
/// one row of pixels, unless there are two.
pub fn image(shape: &[usize]) -> [usize; 4] {
    match *shape {
        [] => [1, 1, 1, 1],
        [c] => [1, 1, 1, c],
        [n, c] => [n, 1, 1, c],
        [n, w, c] => [n, 1, w, c],
        [n, h, w, c] => [n, h, w, c],
        [n, ref middle @ .., c] => [n, 1, middle.iter().product(), c],
    }
}

/// Geometry of a convolution. A fully connected layer is one with a 1x1 kernel over `w` rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// Images.
    pub n: usize,
    /// Input height, width, channels (all groups), without padding.
    pub input: [usize; 3],
    /// Output height, width, channels (all groups).
    pub output: [usize; 3],
    /// Height, width.
    pub kernel: [usize; 2],
    /// Vertical, horizontal.
    pub strides: [usize; 2],
    /// Vertical, horizontal.
    pub dilations: [usize; 2],
    /// Top, left. (Bottom and right follow from the extents.)
    pub pads: [usize; 2],
    /// Groups.
    pub groups: usize,
}

impl Geometry {
    /// Values of the input that are neighbours in memory and in the kernel, and how many such runs a kernel row has: all of
    /// it is one, unless dilation comes between the taps. (Of the first group.)
    pub fn runs(&self) -> (usize, usize) {
        let inputs = self.input[2] / self.groups;
        if self.dilations[1] == 1 { (self.kernel[1] * inputs, 1) } else { (inputs, self.kernel[1]) }
    }

    /// 32-bit words of the input in numbers of that many bytes, framed by its padding: rows of whole words, and one more
    /// behind the last.
    pub fn narrow_words(&self, size: usize) -> usize {
        let extent = |i: usize| {
            let reach = (self.kernel[i] - 1) * self.dilations[i] + 1;
            ((self.output[i] - 1) * self.strides[i] + reach).max(self.pads[i] + self.input[i])
        };
        self.n * extent(0) * (extent(1) * self.input[2] * size).div_ceil(4) + 1
    }

    /// Multiply-accumulates, counted as in the paper's Table 1: every tap of every output, padded ones included.
    pub fn macs(&self) -> u64 {
        let [oh, ow, oc] = self.output;
        (self.n * oh * ow * oc * self.kernel[0] * self.kernel[1] * (self.input[2] / self.groups)) as u64
    }
}

/// Weights of a binary convolution: a bit (true for +1) per `[O][kh][kw][I / groups]`.
#[derive(Clone, Debug, PartialEq)]
pub struct BinaryWeights {
    /// In the order `[O][kh][kw][I / groups]`.
    pub signs: Vec<bool>,
    /// How many latent weights were exactly zero (and became +1).
    pub zeros: usize,
    /// Largest relative deviation of a weight's magnitude from its channel's.
    pub deviation: f32,
}

/// What the padded taps of a binary convolution hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BitPadding {
    /// Nothing: the sum leaves them out.
    Zero,
    /// +1
    Plus,
    /// -1
    Minus,
}

/// The arithmetic of a real-valued layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// 32-bit floats: what the file says.
    #[default]
    F32,
    /// Inputs and weights rounded to bf16 (8 bits of mantissa), sums in f32.
    Bf16,
    /// Inputs and weights rounded to 8-bit integers, exact integer sums.
    Int8,
}

impl Arithmetic {
    /// All of them.
    pub const ALL: [Arithmetic; 3] = [Arithmetic::F32, Arithmetic::Bf16, Arithmetic::Int8];

    /// As a user would write it.
    pub const fn name(self) -> &'static str {
        match self {
            Arithmetic::F32 => "f32",
            Arithmetic::Bf16 => "bf16",
            Arithmetic::Int8 => "int8",
        }
    }

    /// Bytes of a number.
    pub const fn size(self) -> usize {
        match self {
            Arithmetic::F32 => 4,
            Arithmetic::Bf16 => 2,
            Arithmetic::Int8 => 1,
        }
    }
}

/// How a real-valued convolution multiplies and adds. What is not [`Products::F32`] is so by the user's choice
/// ([`crate::passes::narrow`]).
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Products {
    /// Fused multiply-add in the order ky, kx, channel, starting from zero; padded taps take no part.
    #[default]
    F32,
    /// Inputs and weights are rounded to the nearest bf16, ties to even, magnitudes below 2^-56 to zero. The values of a kernel
    /// row (of a tap, where dilation comes between the taps) are taken in pairs, padded taps as zeros: first the product of
    /// the second of a pair, then that of the first, each with fused multiply-add; starting from zero.
    Bf16 {
        /// Where the rounded input lies while the block runs.
        narrow: TensorId,
    },
    /// Inputs and weights are rounded to integers, whose exact sum of products is rounded once to f32. The scales of both are
    /// in the block's first step.
    Int8 {
        /// Where the rounded input lies while the block runs.
        narrow: TensorId,
        /// The integers.
        quantized: Arc<Quantized>,
    },
}

impl Products {
    /// Which arithmetic.
    pub fn arithmetic(&self) -> Arithmetic {
        match self {
            Products::F32 => Arithmetic::F32,
            Products::Bf16 { .. } => Arithmetic::Bf16,
            Products::Int8 { .. } => Arithmetic::Int8,
        }
    }

    /// Where the rounded input lies while the block runs.
    pub fn narrow(&self) -> Option<TensorId> {
        match self {
            Products::F32 => None,
            Products::Bf16 { narrow } | Products::Int8 { narrow, .. } => Some(*narrow),
        }
    }
}

/// A layer in 8-bit integers: activations from 0 to 255 around a zero point, weights from -127 to 127.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantized {
    /// An input x is the integer nearest to `x * inverse_scale + zero_point`, ties to even, in f32; at least 0, at most 255.
    pub inverse_scale: f32,
    /// The integer that stands for zero, also in the padding.
    pub zero_point: u8,
    /// In the order `[O][kh][kw][I]`.
    pub weights: Vec<i8>,
}

/// What produces a block's values.
#[derive(Clone, Debug)]
pub enum Core {
    /// Exact integer dot products of sign bits.
    BinaryConv {
        /// Bits, framed for this convolution.
        input: TensorId,
        /// Geometry.
        geometry: Geometry,
        /// Weights.
        weights: Arc<BinaryWeights>,
        /// Padding.
        padding: BitPadding,
    },
    /// Real-valued convolution or fully connected layer; zero padding.
    RealConv {
        /// Dense `[n, h, w, c]`, or, where it is `planar`, `[n, c, h, w]`.
        input: TensorId,
        /// Channel by channel, as the caller has it: a stem that reads its few channels so needs no transposed copy.
        planar: bool,
        /// Geometry.
        geometry: Geometry,
        /// `[O][kh][kw][I / groups]`.
        weights: Arc<Vec<f32>>,
        /// How the products are computed and added up.
        products: Products,
    },
    /// Maximum over a window; padded taps take no part.
    MaxPool {
        /// Dense `[n, h, w, c]`.
        input: TensorId,
        /// Geometry; `groups` is the number of channels.
        geometry: Geometry,
    },
    /// Mean over a window.
    AveragePool {
        /// Dense `[n, h, w, c]`.
        input: TensorId,
        /// Geometry; `groups` is the number of channels.
        geometry: Geometry,
        /// Bottom and right padding that counts, when `count_include_pad`.
        count_include_pad: Option<[usize; 2]>,
    },
    /// The elements of a tensor, unchanged: a block of steps alone.
    Map {
        /// Dense.
        input: TensorId,
    },
    /// The elements of a tensor that lies channel by channel: [`Core::Map`] without the transposed copy.
    Planes {
        /// Dense `[n, c, h, w]`; the block's values are `[n, h, w, c]`.
        input: TensorId,
    },
    /// A data-driven gate: two fully connected layers on the channel sums of a block's input,
    /// `squash(W2 · hidden(W1 · sums + b1) + b2)`; mean, BatchNormalization and shift are folded into W1 and b1.
    /// Its values are one vector per image.
    Gate {
        /// Dense `[n, 1, 1, c]`: sums over the pixels.
        sums: TensorId,
        /// First layer.
        first: Dense,
        /// Between the layers.
        hidden: Activation,
        /// Second layer.
        second: Dense,
        /// At the end.
        squash: Activation,
    },
    /// Maximum over a window of ±1: the OR of the bits. No steps; writes `output`.
    BitMaxPool {
        /// Bits.
        input: TensorId,
        /// Bits.
        output: TensorId,
        /// Geometry.
        geometry: Geometry,
    },
    /// Rearranges elements: transpose, slice, concatenation, padding, broadcast. No steps; writes `output`.
    Copy {
        /// Written first, where no piece covers the output.
        fill: Option<f32>,
        /// One strided copy each.
        pieces: Vec<Piece>,
        /// Dense.
        output: TensorId,
    },
    /// The same elements under another shape: costs nothing, unless both are the caller's own. No steps.
    Reshape {
        /// Dense.
        input: TensorId,
        /// Dense, at the same place in memory where that is possible.
        output: TensorId,
    },
    /// Element-wise function of two tensors whose shapes need broadcasting. No steps; writes `output`.
    Broadcast {
        /// Function.
        function: Binary,
        /// First operand; its strides over the output's axes (0 where broadcast).
        a: (TensorId, Vec<usize>),
        /// Second operand.
        b: (TensorId, Vec<usize>),
        /// Dense.
        output: TensorId,
    },
    /// Reduction over axes. No steps; writes `output`.
    Reduce {
        /// Function.
        kind: Reduction,
        /// Dense.
        input: TensorId,
        /// Axes of the input.
        axes: Vec<usize>,
        /// Dense.
        output: TensorId,
    },
    /// Softmax along an axis. No steps; writes `output`.
    Softmax {
        /// Dense.
        input: TensorId,
        /// Axis that sums to 1.
        axis: usize,
        /// Logarithm of it.
        log: bool,
        /// Dense.
        output: TensorId,
    },
    /// Index of the maximum along an axis. No steps; writes `output`.
    ArgMax {
        /// Dense.
        input: TensorId,
        /// Axis.
        axis: usize,
        /// Last of equal maxima.
        last: bool,
        /// Dense I64.
        output: TensorId,
    },
    /// Product of two tensors known only at run time, `[batch, m, k] x [batch, k, n]`. No steps; writes `output`.
    MatMul {
        /// Dense.
        a: TensorId,
        /// Dense.
        b: TensorId,
        /// batch, m, k, n; a batch stride of 0 where an operand has no batch.
        extents: [usize; 4],
        /// Batch strides of a and b.
        batch_strides: [usize; 2],
        /// Dense.
        output: TensorId,
    },
}

/// One strided copy of [`Core::Copy`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Dense.
    pub input: TensorId,
    /// First element read.
    pub input_offset: usize,
    /// May be negative (reversed slices) or 0 (broadcast).
    pub input_strides: Vec<isize>,
    /// First element written.
    pub output_offset: usize,
    /// Strides of the output.
    pub output_strides: Vec<usize>,
    /// Extents of the copy.
    pub extents: Vec<usize>,
}

/// A small fully connected layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// Inputs.
    pub inputs: usize,
    /// Outputs.
    pub outputs: usize,
    /// `[outputs][inputs]`.
    pub weights: Arc<Vec<f32>>,
    /// `[outputs]`; all zero where the file has none.
    pub bias: Arc<Vec<f32>>,
}

/// A value per channel.
pub type PerChannel = Arc<Vec<f32>>;

/// Element-wise functions a tile can go through.
#[derive(Clone, Debug, PartialEq)]
pub enum Activation {
    /// x < 0 ? slope of the channel * x : x
    PRelu(PerChannel),
    /// Any function of one argument.
    Unary(Unary),
    /// +1 inside the interval of the channel, -1 outside: a sign that somebody needs as a number.
    Sign(Arc<Vec<Interval>>),
}

/// When an activation becomes the bit 1 (+1): `low <= x && x <= high`. A falling affine map has `low` -inf, a rising one
/// `high` +inf, an empty interval is `low` +inf and `high` -inf.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Smallest f32 with sign +1.
    pub low: f32,
    /// Largest f32 with sign +1.
    pub high: f32,
}

impl Interval {
    /// The sign of a value; false for NaN.
    pub fn contains(&self, x: f32) -> bool {
        self.low <= x && x <= self.high
    }
}

/// A value per pixel and channel, the same for every image.
#[derive(Clone, Debug, PartialEq)]
pub struct PerPixel {
    /// Height, width, channels; 1 where all have the same.
    pub extents: [usize; 3],
    /// In the order `[h][w][c]`.
    pub values: Arc<Vec<f32>>,
}

/// A pool among the steps of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// What it takes of a window.
    pub kind: PoolKind,
    /// Geometry; `groups` is the number of channels.
    pub geometry: Geometry,
}

/// What a pool takes of a window, as [`Core::MaxPool`] and [`Core::AveragePool`] do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// Maximum; padded taps take no part.
    Max,
    /// Mean.
    Average {
        /// Bottom and right padding that counts, when `count_include_pad`.
        count_include_pad: Option<[usize; 2]>,
    },
}

/// One step of a tile through the registers, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// v *= p\[channel\]
    Scale(PerChannel),
    /// v += p\[channel\]
    Shift(PerChannel),
    /// v *= p\[y\]\[x\]\[channel\]: the factorised scale of XNOR-Net++
    ScalePixels(PerPixel),
    /// v += p\[y\]\[x\]\[channel\]
    ShiftPixels(PerPixel),
    /// v *= t\[image\]\[channel\]: a gate, known only at run time. Right behind a scale the two are one factor, their rounded
    /// product: it is the same for all pixels of an image.
    Gate(TensorId),
    /// v = f(v)
    Activation(Activation),
    /// v += t\[pixel\]\[channel\]: the skip.
    Add(TensorId),
    /// v *= t\[pixel\]\[channel\]
    Mul(TensorId),
    /// t\[pixel\]\[channel\] = v
    Store(TensorId),
    /// The steps behind it see windows of the pixels before it. At most once in a block, whose core is a convolution or
    /// [`Core::Map`]: only the rows of a window are ever in memory.
    Pool(Pool),
    /// t\[image\]\[channel\] += v, row by row: each row of pixels is summed from zero in order, then added.
    Sum(TensorId),
    /// Packs the sign of v (v itself stays).
    Sign {
        /// Bits.
        bits: TensorId,
        /// One per channel: the exact threshold of the affine map before the sign.
        intervals: Arc<Vec<Interval>>,
    },
}

/// A block: emitted as one piece of fused code.
#[derive(Clone, Debug)]
pub struct Block {
    /// From the ONNX node of its core.
    pub name: String,
    /// What produces the values.
    pub core: Core,
    /// What each tile then goes through. Empty for the cores that say so.
    pub steps: Vec<Step>,
    /// The ONNX operators it stands for, in the field's words: `BatchNormalization`, `Sign`, `Conv`, `scale`, `gate`,
    /// `PRelu`, `skip`...
    pub parts: Vec<String>,
    /// Why it is not binary, or not fused; `None` when there is nothing to explain.
    pub reason: Option<String>,
}

/// The whole network, in the order of execution.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// The model's name.
    pub name: String,
    /// By [`TensorId`].
    pub tensors: Vec<NetTensor>,
    /// In order of execution.
    pub blocks: Vec<Block>,
    /// What the caller gives: dense tensors, in the layout and with the names of the file.
    pub inputs: Vec<TensorId>,
    /// What the caller gets.
    pub outputs: Vec<TensorId>,
    /// Remarks for the report.
    pub notes: Vec<String>,
}

impl Network {
    /// The tensor behind a handle.
    pub fn tensor(&self, id: TensorId) -> &NetTensor {
        &self.tensors[id.0 as usize]
    }

    /// Adds a tensor.
    pub fn add_tensor(&mut self, tensor: NetTensor) -> TensorId {
        let id = TensorId(u32::try_from(self.tensors.len()).expect("fewer than 2^32 tensors"));
        self.tensors.push(tensor);
        id
    }
}

impl Block {
    /// Tensors it reads, in order of first use.
    pub fn reads(&self) -> Vec<TensorId> {
        let mut reads = match &self.core {
            Core::BinaryConv { input, .. }
            | Core::RealConv { input, .. }
            | Core::MaxPool { input, .. }
            | Core::AveragePool { input, .. }
            | Core::Map { input }
            | Core::Planes { input }
            | Core::Gate { sums: input, .. }
            | Core::BitMaxPool { input, .. }
            | Core::Reshape { input, .. }
            | Core::Reduce { input, .. }
            | Core::Softmax { input, .. }
            | Core::ArgMax { input, .. } => vec![*input],
            Core::Copy { pieces, .. } => pieces.iter().map(|p| p.input).collect(),
            Core::Broadcast { a, b, .. } => vec![a.0, b.0],
            Core::MatMul { a, b, .. } => vec![*a, *b],
        };
        reads.extend(self.steps.iter().filter_map(|step| match step {
            Step::Gate(t) | Step::Add(t) | Step::Mul(t) => Some(*t),
            _ => None,
        }));
        reads
    }

    /// Tensors it writes.
    pub fn writes(&self) -> Vec<TensorId> {
        let mut writes: Vec<TensorId> = match &self.core {
            Core::BitMaxPool { output, .. }
            | Core::Copy { output, .. }
            | Core::Reshape { output, .. }
            | Core::Broadcast { output, .. }
            | Core::Reduce { output, .. }
            | Core::Softmax { output, .. }
            | Core::ArgMax { output, .. }
            | Core::MatMul { output, .. } => vec![*output],
            _ => Vec::new(),
        };
        writes.extend(self.steps.iter().filter_map(|step| match step {
            Step::Store(t) | Step::Sum(t) | Step::Sign { bits: t, .. } => Some(*t),
            _ => None,
        }));
        writes
    }

    /// The tensor it needs only while it runs.
    pub fn workspace(&self) -> Option<TensorId> {
        match &self.core {
            Core::RealConv { products, .. } => products.narrow(),
            _ => None,
        }
    }

    /// The arithmetic of its real-valued products, if it is a convolution or fully connected layer of them.
    pub fn arithmetic(&self) -> Option<Arithmetic> {
        match &self.core {
            Core::RealConv { products, .. } => Some(products.arithmetic()),
            _ => None,
        }
    }

    /// The pool among its steps, if there is one.
    pub fn pool(&self) -> Option<&Pool> {
        self.steps.iter().find_map(|step| match step {
            Step::Pool(pool) => Some(pool),
            _ => None,
        })
    }

    /// True when its core works on sign bits.
    pub fn is_binary(&self) -> bool {
        matches!(self.core, Core::BinaryConv { .. })
    }
}

impl fmt::Display for TensorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}
