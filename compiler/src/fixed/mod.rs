//! Fixed point: the blocks of a network in integers, for cores that have no floating-point unit.
//!
//! A number in memory is 16 bits wide (sums over an image: 32), in a tile 32; the value is the integer times `2^-exponent`, and
//! the exponent is a constant of the tensor's channel, or of the tensor where channels mix. Nothing needs 64 bits:
//!
//! | what | why it fits into 32 bits |
//! |---|---|
//! | product of a tile with a constant or a gate | 15 bits and a sign each: the tile is shifted down as far as its bound demands |
//! | sum of products with weights | the weights of an output are rounded so that their magnitudes sum to less than 2^15 |
//! | skip | the tile is shifted so that it and the skip stay below 2^30 |
//! | sum over an image | the summands are shifted by its number of pixels |
//!
//! [`choose`] finds the integers: bounds of tiles follow from what precedes them, bounds of what is stored from example inputs;
//! what lies beyond is cut off when it is stored. [`run`] computes what the integers say.

pub mod choose;
pub mod emit;
pub mod helpers;
pub mod places;
pub mod run;
mod windows;

use std::collections::BTreeMap;

use crate::ir::network::{Geometry, TensorId};

/// Numbers of a tensor: the value is the integer times `2^-exponent`.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaled {
    /// By channel (the last axis).
    pub exponents: Vec<i32>,
    /// Largest magnitude, by channel.
    pub bounds: Vec<i64>,
}

/// What produces the values of a tile.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// Counters of a binary convolution, as the network says.
    Counters,
    /// Sums of products, in `[O][kh][kw][I]`.
    Products(Vec<i16>),
    /// Sums over a window.
    Window(Geometry),
    /// The elements.
    Elements,
    /// The elements of planes.
    Planes,
}

/// One step of a tile, all parameters by channel. Shifts to the right are arithmetic, those by a negative number to the left.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// `v >>= by`
    Narrow(Vec<i32>),
    /// `v *= p`
    Multiply(Vec<i32>),
    /// `v *= (p * gate) >> 15`
    Gate(TensorId, Vec<i32>),
    /// `v += p`
    Shift(Vec<i32>),
    /// `v < 0: v = ((v >> before) * slope) >> after`
    PRelu(Vec<[i32; 3]>),
    /// `v = max(v, 0)`
    Relu,
    /// `v += t << left`
    Add(TensorId, Vec<i32>),
    /// `t = (v + half) >> by`, cut off at 16 bits
    Store(TensorId, Vec<i32>),
    /// `t = v * 2^-exponent`, in f32: what the caller gets
    Give(TensorId, Vec<i32>),
    /// `t += (v + half) >> by` over all pixels of an image, in 32 bits
    Sum(TensorId, Vec<i32>),
    /// `low <= v <= high`
    Sign(TensorId, Vec<[i32; 2]>),
    /// Sums over a window
    Window(Geometry),
}

/// A fully connected layer of a gate: `bias + sum of weights * x`, shifted down.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// `[outputs][inputs]`
    pub weights: Vec<i16>,
    /// At the exponent of the sums.
    pub bias: Vec<i32>,
    /// The exponents of the sums.
    pub exponents: Vec<i32>,
}

/// What a block computes.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Tile by tile.
    Tiled(Source, Vec<Step>),
    /// A gate: inputs are shifted to one exponent and cut off at 16 bits; so is what is hidden.
    Gate {
        /// By input.
        shifts: Vec<i32>,
        /// To the hidden values.
        first: Dense,
        /// By hidden value.
        between: Vec<i32>,
        /// To the arguments of the sigmoid.
        second: Dense,
    },
    /// The same elements.
    Reshape,
    /// Strided copies, as the network says, of tensors that have one exponent each.
    Copy {
        /// By piece: to the right, rounded, cut off at 16 bits.
        shifts: Vec<i32>,
        /// What stands where no piece is.
        fill: i32,
        /// Where the caller gets it: its exponent.
        give: Option<i32>,
    },
}

/// A network in fixed point.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fixed {
    /// What is no bits and no output, by tensor.
    pub tensors: BTreeMap<TensorId, Scaled>,
    /// As the network has them.
    pub blocks: Vec<Block>,
}

/// Pieces of the sigmoid's table between 0 and 8.
pub const PIECES: usize = 64;

/// `round(2^15 * sigmoid(8 i / PIECES))`, at most 32767.
pub fn sigmoid_table() -> Vec<i32> {
    let value = |i: usize| 1.0 / (1.0 + (-8.0 * i as f64 / PIECES as f64).exp());
    (0..=PIECES).map(|i| ((32768.0 * value(i)).round() as i32).min(32767)).collect()
}

#[cfg(test)]
mod tests;
