//! Weights of one bit.

/// Weights of a binary convolution: a bit (true for +1) per `[O][kh][kw][I / groups]`.
#[derive(Clone, Debug, PartialEq)]
pub struct BinaryWeights {
    /// In the order `[O][kh][kw][I / groups]`.
    pub signs: Vec<bool>,
    /// How many weights of the file's layer are exactly zero: they have +1 in one plane of bits, and -1 in another.
    pub zeros: usize,
    /// Largest relative deviation of a weight's magnitude from its channel's.
    pub deviation: f32,
}
