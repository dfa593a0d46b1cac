//! Levels and random operands.

use xnorc_runtime::{Le, Level};

/// What no kernel computes: marks what was not written.
pub(crate) const UNTOUCHED: f32 = -7.25e33;

/// The levels to test.
pub(crate) fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|level| level.is_available())
}

/// A small generator with a fixed sequence per seed (xorshift64*): the operands of a case follow from one number.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn word(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// In -2..2, with a full mantissa, so that every rounding shows.
    pub(crate) fn float(&mut self) -> f32 {
        ((self.word() >> 11) as f64 / (1u64 << 51) as f64 - 2.0) as f32
    }

    pub(crate) fn floats(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.float()).collect()
    }
}

/// As the emitted code stores weights.
pub(crate) fn le(x: &[f32]) -> Vec<Le<f32>> {
    x.iter().map(|&x| Le::<f32>::new(x)).collect()
}

/// The bits of floats, so that a comparison sees the sign of zero.
pub(crate) fn to_bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}
