//! The network of fused blocks: the lowered IR, exactly what will be emitted.
//!
//! A [`Block`] is one of four things ([`Body`]):
//!
//! - [`Tiled`]: a *source* produces values tile by tile (16 channels of a few pixels at a time), and each tile goes through
//!   *steps* while it is still in registers: scale, gate, activation, skip, store, the sign bits of the next block, the sums
//!   its gate will need. The half-block of a Real-to-Binary network,
//!
//!   ```text
//!   bits ─> binary conv ─> ×α ─> ×gate ─> PReLU ─> +skip ─┬─> store
//!                                                         ├─> sign bits of the next block
//!                                                         └─> sums for the next block's gate
//!   ```
//!
//!   is one such block; so are a stem convolution with its activation and max-pool, whose full-sized result is never in
//!   memory, a max-pool that also writes sign bits, and a BatchNormalization that stands alone ([`Source::Map`]).
//! - [`Gate`]: two small fully connected layers on the sums of a block's input.
//! - [`Move`]: elements that only change their place.
//! - [`Whole`]: an operator of the graph as it is, on whole tensors.

mod geometry;
mod parameters;
#[cfg(test)]
pub(crate) mod testing;

use std::fmt;
use std::sync::Arc;

use crate::ir::{DType, Op, Origin, Part, Shape, Unary};

pub use geometry::{Geometry, image};
pub use parameters::*;

pub use super::binary_weights::BinaryWeights;
pub use crate::exact::Interval;

/// A handle on a tensor of one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TensorId(pub u32);

/// How a tensor lies in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Row-major, channels last, dense: f32, or, where they are the caller's, integers.
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

    /// The type of its elements, where it holds integers.
    pub fn integer(&self) -> Option<DType> {
        match self.storage {
            Storage::Dense(dtype) if dtype.is_integer() => Some(dtype),
            _ => None,
        }
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

/// What produces the values of a [`Tiled`] block.
#[derive(Clone, Debug)]
pub enum Source {
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
    /// The elements of a tensor that lies channel by channel: [`Source::Map`] without the transposed copy.
    Planes {
        /// Dense `[n, c, h, w]`; the block's values are `[n, h, w, c]`.
        input: TensorId,
    },
}

/// A data-driven gate: two fully connected layers on the channel sums of a block's input,
/// `squash(W2 · hidden(W1 · sums + b1) + b2)`; mean, BatchNormalization and shift are folded into W1 and b1.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Dense `[n, 1, 1, c]`: sums over the pixels.
    pub sums: TensorId,
    /// First layer.
    pub first: Dense,
    /// Between the layers.
    pub hidden: Unary,
    /// Second layer.
    pub second: Dense,
    /// At the end.
    pub squash: Unary,
    /// Dense: one vector per image.
    pub output: TensorId,
}

/// Elements that change their place and nothing else.
#[derive(Clone, Debug)]
pub enum Move {
    /// Rearranges elements: transpose, slice, concatenation, padding, broadcast.
    Copy {
        /// Written first, where no piece covers the output.
        fill: Option<f32>,
        /// One strided copy each.
        pieces: Vec<Piece>,
        /// Dense.
        output: TensorId,
    },
    /// The same elements under another shape: costs nothing, unless both are the caller's own.
    Reshape {
        /// Dense.
        input: TensorId,
        /// Dense, at the same place in memory where that is possible.
        output: TensorId,
    },
    /// The same numbers as elements of another type: those of the caller's integers as floats that hold them, and back, towards
    /// zero and within the range of the type.
    Convert {
        /// Dense.
        input: TensorId,
        /// Dense, of as many elements.
        output: TensorId,
    },
    /// Rows of a constant table, by number: an embedding. Numbers below zero count from the end, and one that is beyond either end
    /// is that end.
    Lookup {
        /// Dense: whole numbers.
        rows: TensorId,
        /// `[outer][row][inner]`.
        table: Arc<Vec<f32>>,
        /// Of the table.
        extents: [usize; 3],
        /// Dense: `[outer][...rows][inner]`.
        output: TensorId,
    },
    /// Maximum over a window of ±1: the OR of the bits.
    BitMaxPool {
        /// Bits.
        input: TensorId,
        /// Bits.
        output: TensorId,
        /// Geometry; `groups` is the number of channels.
        geometry: Geometry,
    },
    /// The products of several tensors of ±1, element by element: +1 where an even number of them is -1.
    BitProduct {
        /// Bits of the same shape, in one group each; two at least.
        inputs: Vec<TensorId>,
        /// Bits, in one group.
        output: TensorId,
    },
    /// The channels of several tensors of ±1, one behind the other.
    BitJoin {
        /// Bits of the same pixels, in one group each.
        inputs: Vec<TensorId>,
        /// Bits, in one group.
        output: TensorId,
    },
}

/// An operator of the graph on whole tensors, that needs more of them at once than a tile: reductions, softmax, products of two
/// tensors known only at run time, functions of tensors whose shapes broadcast. Shapes are those of the tensors, booleans are
/// 0 and 1.
#[derive(Clone, Debug)]
pub struct Whole {
    /// The operator, on channels-last tensors.
    pub op: Op,
    /// Dense.
    pub inputs: Vec<TensorId>,
    /// Dense.
    pub output: TensorId,
}

/// One strided copy of [`Move::Copy`].
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

/// A source and what each of its tiles goes through.
#[derive(Clone, Debug)]
pub struct Tiled {
    /// What produces the values.
    pub source: Source,
    /// Up to the pool, if there is one.
    pub steps: Vec<Step>,
    /// A pool among the steps, of a source that gives its rows one after the other.
    pub pooled: Option<Pooled>,
}

/// A pool in a block, and the steps behind it, which see windows of the pixels before it: only the rows of a window are ever
/// in memory.
#[derive(Clone, Debug)]
pub struct Pooled {
    /// The pool.
    pub pool: Pool,
    /// Behind it.
    pub steps: Vec<Step>,
}

/// What a block does.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "most blocks are the largest")]
pub enum Body {
    /// Tile by tile.
    Tiled(Tiled),
    /// One vector per image.
    Gate(Gate),
    /// Elements to other places.
    Move(Move),
    /// One operator.
    Whole(Whole),
}

/// A block: emitted as one piece of fused code.
#[derive(Clone, Debug)]
pub struct Block {
    /// From the ONNX node of its source.
    pub name: String,
    /// What it does.
    pub body: Body,
    /// The ONNX operators it stands for, in the field's words: `BatchNormalization`, `Sign`, `Conv`, `scale`, `gate`,
    /// `PRelu`, `skip`...
    pub parts: Vec<Part>,
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
    /// Which inputs are booleans in the file, by their place: floats that are 0 or 1.
    pub booleans: Vec<usize>,
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

impl Source {
    /// The tensor it reads.
    pub fn input(&self) -> TensorId {
        match self {
            Source::BinaryConv { input, .. }
            | Source::RealConv { input, .. }
            | Source::MaxPool { input, .. }
            | Source::AveragePool { input, .. }
            | Source::Map { input }
            | Source::Planes { input } => *input,
        }
    }

    /// What it slides over its input, if it does.
    pub fn geometry(&self) -> Option<&Geometry> {
        match self {
            Source::BinaryConv { geometry, .. }
            | Source::RealConv { geometry, .. }
            | Source::MaxPool { geometry, .. }
            | Source::AveragePool { geometry, .. } => Some(geometry),
            Source::Map { .. } | Source::Planes { .. } => None,
        }
    }

    /// Whether a pool may follow in the same block: those of other sources come for all channels at once, which would take far
    /// more memory.
    pub fn gives_rows(&self) -> bool {
        matches!(self, Source::BinaryConv { .. } | Source::RealConv { .. } | Source::Map { .. })
    }

    /// `[n, h, w, c]` of its values.
    pub fn extents(&self, network: &Network) -> [usize; 4] {
        match self {
            Source::Planes { input } => {
                let [n, c, h, w] = image(&network.tensor(*input).shape);
                [n, h, w, c]
            }
            Source::Map { input } => image(&network.tensor(*input).shape),
            Source::BinaryConv { geometry, .. }
            | Source::RealConv { geometry, .. }
            | Source::MaxPool { geometry, .. }
            | Source::AveragePool { geometry, .. } => geometry.extents(),
        }
    }
}

impl Step {
    /// Multiplies by the scales first, in one step with a scale that is there.
    pub fn scale_first(steps: &mut Vec<Step>, scales: &[f64]) {
        if let Some(Step::Scale(first)) = steps.first_mut() {
            *first = Arc::new(first.iter().zip(scales).map(|(&f, s)| (f64::from(f) * s) as f32).collect());
        } else {
            steps.insert(0, Step::Scale(Arc::new(scales.iter().map(|&s| s as f32).collect())));
        }
    }

    /// The tensor it reads.
    pub fn read(&self) -> Option<TensorId> {
        match self {
            Step::Gate(t) | Step::Add(t) | Step::Mul(t) => Some(*t),
            _ => None,
        }
    }

    /// The tensor it writes.
    pub fn write(&self) -> Option<TensorId> {
        match self {
            Step::Store(t) | Step::Sum(t) | Step::Sign { bits: t, .. } => Some(*t),
            _ => None,
        }
    }
}

impl Tiled {
    /// Without a pool.
    pub fn new(source: Source, steps: Vec<Step>) -> Self {
        Self { source, steps, pooled: None }
    }

    /// All steps, those behind the pool last.
    pub fn all_steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().chain(self.pooled.iter().flat_map(|pooled| &pooled.steps))
    }

    /// The two lists of steps.
    pub fn lists_mut(&mut self) -> impl Iterator<Item = &mut Vec<Step>> {
        std::iter::once(&mut self.steps).chain(self.pooled.as_mut().map(|pooled| &mut pooled.steps))
    }
}

impl Move {
    /// The tensor it writes.
    pub fn output(&self) -> TensorId {
        match self {
            Move::Copy { output, .. }
            | Move::Reshape { output, .. }
            | Move::Convert { output, .. }
            | Move::Lookup { output, .. }
            | Move::BitMaxPool { output, .. }
            | Move::BitProduct { output, .. }
            | Move::BitJoin { output, .. } => *output,
        }
    }
}

impl From<Tiled> for Body {
    fn from(tiled: Tiled) -> Self {
        Body::Tiled(tiled)
    }
}

/// A source with no steps yet.
impl From<Source> for Body {
    fn from(source: Source) -> Self {
        Body::Tiled(Tiled::new(source, Vec::new()))
    }
}

impl From<Gate> for Body {
    fn from(gate: Gate) -> Self {
        Body::Gate(gate)
    }
}

impl From<Move> for Body {
    fn from(moved: Move) -> Self {
        Body::Move(moved)
    }
}

impl From<Whole> for Body {
    fn from(whole: Whole) -> Self {
        Body::Whole(whole)
    }
}

impl Block {
    /// A block that stands for nothing in particular.
    pub fn new(name: impl Into<String>, body: impl Into<Body>) -> Self {
        Self { name: name.into(), body: body.into(), parts: Vec::new(), reason: None }
    }

    /// Tensors it reads, in order of first use.
    pub fn reads(&self) -> Vec<TensorId> {
        match &self.body {
            Body::Tiled(tiled) => {
                std::iter::once(tiled.source.input()).chain(tiled.all_steps().filter_map(Step::read)).collect()
            }
            Body::Gate(gate) => vec![gate.sums],
            Body::Move(Move::Lookup { rows, .. }) => vec![*rows],
            Body::Move(Move::Copy { pieces, .. }) => pieces.iter().map(|p| p.input).collect(),
            Body::Move(Move::BitJoin { inputs, .. } | Move::BitProduct { inputs, .. }) => inputs.clone(),
            Body::Move(Move::Reshape { input, .. } | Move::Convert { input, .. } | Move::BitMaxPool { input, .. }) => {
                vec![*input]
            }
            Body::Whole(whole) => whole.inputs.clone(),
        }
    }

    /// Tensors it writes.
    pub fn writes(&self) -> Vec<TensorId> {
        match &self.body {
            Body::Tiled(tiled) => tiled.all_steps().filter_map(Step::write).collect(),
            Body::Gate(gate) => vec![gate.output],
            Body::Move(moved) => vec![moved.output()],
            Body::Whole(whole) => vec![whole.output],
        }
    }

    /// The tensor it needs only while it runs.
    pub fn workspace(&self) -> Option<TensorId> {
        match self.source() {
            Some(Source::RealConv { products, .. }) => products.narrow(),
            _ => None,
        }
    }

    /// Calls `f` with every tensor it names.
    pub fn for_each_tensor(&mut self, mut f: impl FnMut(&mut TensorId)) {
        match &mut self.body {
            Body::Tiled(tiled) => {
                match &mut tiled.source {
                    Source::RealConv { input, products, .. } => {
                        f(input);
                        match products {
                            Products::F32 => {}
                            Products::Bf16 { narrow } | Products::Int8 { narrow, .. } => f(narrow),
                        }
                    }
                    Source::BinaryConv { input, .. }
                    | Source::MaxPool { input, .. }
                    | Source::AveragePool { input, .. }
                    | Source::Map { input }
                    | Source::Planes { input } => f(input),
                }
                for step in tiled.lists_mut().flatten() {
                    match step {
                        Step::Gate(t)
                        | Step::Add(t)
                        | Step::Mul(t)
                        | Step::Store(t)
                        | Step::Sum(t)
                        | Step::Sign { bits: t, .. } => f(t),
                        Step::Scale(_)
                        | Step::Shift(_)
                        | Step::ScalePixels(_)
                        | Step::ShiftPixels(_)
                        | Step::Activation(_) => {}
                    }
                }
            }
            Body::Gate(gate) => [&mut gate.sums, &mut gate.output].into_iter().for_each(f),
            Body::Move(Move::Lookup { rows, output, .. }) => [rows, output].into_iter().for_each(f),
            Body::Move(Move::Copy { pieces, output, .. }) => {
                f(output);
                pieces.iter_mut().for_each(|piece| f(&mut piece.input));
            }
            Body::Move(Move::BitJoin { inputs, output } | Move::BitProduct { inputs, output }) => {
                inputs.iter_mut().chain([output]).for_each(f)
            }
            Body::Move(
                Move::Reshape { input, output }
                | Move::Convert { input, output }
                | Move::BitMaxPool { input, output, .. },
            ) => {
                [input, output].into_iter().for_each(f);
            }
            Body::Whole(whole) => whole.inputs.iter_mut().chain([&mut whole.output]).for_each(f),
        }
    }

    /// Its source and steps, if it works tile by tile.
    pub fn tiled(&self) -> Option<&Tiled> {
        match &self.body {
            Body::Tiled(tiled) => Some(tiled),
            _ => None,
        }
    }

    /// What produces its tiles, if it works tile by tile.
    pub fn source(&self) -> Option<&Source> {
        self.tiled().map(|tiled| &tiled.source)
    }

    /// All its steps, those behind a pool last; none unless it works tile by tile.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.tiled().into_iter().flat_map(Tiled::all_steps)
    }

    /// The arithmetic of its real-valued products, if it is a convolution or fully connected layer of them.
    pub fn arithmetic(&self) -> Option<Arithmetic> {
        match self.source() {
            Some(Source::RealConv { products, .. }) => Some(products.arithmetic()),
            _ => None,
        }
    }

    /// How [`arithmetic`](Self::arithmetic) is called where that is shown: "int8 of the file" where nothing is lost by it.
    pub fn arithmetic_name(&self) -> Option<&'static str> {
        let name = self.arithmetic()?.name();
        Some(if self.is_of_file() { "int8 of the file" } else { name })
    }

    /// Whether it multiplies integers that the file has.
    pub fn is_of_file(&self) -> bool {
        matches!(self.source(), Some(Source::RealConv { products, .. }) if products.is_of_file())
    }

    /// The arithmetic of its products, where the user chose one that is looser than f32.
    pub fn looser(&self) -> Option<Arithmetic> {
        match self.source() {
            Some(Source::RealConv { products, .. }) => products.looser(),
            _ => None,
        }
    }

    /// The pool among its steps, if there is one.
    pub fn pool(&self) -> Option<&Pool> {
        Some(&self.tiled()?.pooled.as_ref()?.pool)
    }

    /// What it slides over its input, if it does.
    pub fn geometry(&self) -> Option<&Geometry> {
        match &self.body {
            Body::Tiled(tiled) => tiled.source.geometry(),
            Body::Move(Move::BitMaxPool { geometry, .. }) => Some(geometry),
            _ => None,
        }
    }

    /// True when it works on sign bits.
    pub fn is_binary(&self) -> bool {
        match &self.body {
            Body::Whole(whole) => matches!(whole.op, Op::SignProduct { .. }),
            _ => matches!(self.source(), Some(Source::BinaryConv { .. })),
        }
    }
}

impl fmt::Display for TensorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}
