//! What blocks are made with: weights and their arithmetic, thresholds, activations, pools.

use std::sync::Arc;

use super::{Geometry, TensorId};
use crate::exact::Interval;
use crate::ir::Unary;

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
#[non_exhaustive]
pub enum Arithmetic {
    /// 32-bit floats: what the file says.
    #[default]
    F32,
    /// Inputs and weights rounded to bf16 (8 bits of mantissa), sums in f32.
    Bf16,
    /// Inputs and weights rounded to 8-bit integers, exact integer sums.
    Int8,
    /// Fixed point, of the whole network: integers of 16 bits in memory, of 32 on the way, and no floats between input and output.
    Fixed,
}

impl Arithmetic {
    /// All of them.
    pub const ALL: [Arithmetic; 4] = [Arithmetic::F32, Arithmetic::Bf16, Arithmetic::Int8, Arithmetic::Fixed];

    /// As a user would write it.
    pub const fn name(self) -> &'static str {
        match self {
            Arithmetic::F32 => "f32",
            Arithmetic::Bf16 => "bf16",
            Arithmetic::Int8 => "int8",
            Arithmetic::Fixed => "fixed",
        }
    }

    /// Bytes of a number.
    pub const fn size(self) -> usize {
        match self {
            Arithmetic::F32 => 4,
            Arithmetic::Bf16 | Arithmetic::Fixed => 2,
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
    /// in the block's first step. By the user's choice, or because they are such integers in the file.
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

    /// Whether it multiplies integers that the file has, which loses nothing.
    pub fn is_of_file(&self) -> bool {
        matches!(self, Products::Int8 { quantized, .. } if quantized.of_file)
    }

    /// Which arithmetic, where the user chose one that is looser than f32.
    pub fn looser(&self) -> Option<Arithmetic> {
        Some(self.arithmetic()).filter(|&arithmetic| arithmetic != Arithmetic::F32 && !self.is_of_file())
    }

    /// Where the rounded input lies while the block runs.
    pub fn narrow(&self) -> Option<TensorId> {
        match self {
            Products::F32 => None,
            Products::Bf16 { narrow } | Products::Int8 { narrow, .. } => Some(*narrow),
        }
    }
}

/// Most products of 8-bit numbers whose sum surely fits into 32 bits.
pub const MOST_INT8_PRODUCTS: usize = i32::MAX as usize / (255 * 128);

/// A layer in 8-bit integers: activations from 0 to 255 around a zero point, weights from -128 to 127.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantized {
    /// An input x is the integer nearest to `x * inverse_scale + zero_point`, ties to even, in f32; at least 0, at most 255.
    pub inverse_scale: f32,
    /// The integer that stands for zero, also in the padding.
    pub zero_point: u8,
    /// In the order `[O][kh][kw][I]`.
    pub weights: Vec<i8>,
    /// Whether input and weights are such integers by the file itself, so that nothing is lost.
    pub of_file: bool,
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

/// What a pool takes of a window, as [`super::Source::MaxPool`] and [`super::Source::AveragePool`] do.
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
