//! The memory that a network in fixed point works in.

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(feature = "alloc")]
use alloc::boxed::Box;

/// What one inference in fixed point works in: numbers of 16 bits, sums of 32, and words of signs. What it holds before does not matter.
#[repr(C, align(64))]
#[derive(Clone, Debug)]
pub struct Integers<const SHORTS: usize, const SUMS: usize, const WORDS: usize> {
    /// Numbers.
    pub shorts: [i16; SHORTS],
    /// Sums over images.
    pub sums: [i32; SUMS],
    /// Sign bits.
    pub words: [u32; WORDS],
}

impl<const SHORTS: usize, const SUMS: usize, const WORDS: usize> Integers<SHORTS, SUMS, WORDS> {
    /// Zeros; fit for a `static`.
    pub const fn new() -> Self {
        Self { shorts: [0; SHORTS], sums: [0; SUMS], words: [0; WORDS] }
    }

    /// Zeros, on the heap, without a way over the stack.
    #[cfg(feature = "alloc")]
    pub fn boxed() -> Box<Self> {
        // SAFETY: numbers whose bits are all zero, and padding.
        unsafe { crate::workspace::zeroed() }
    }
}

impl<const SHORTS: usize, const SUMS: usize, const WORDS: usize> Default for Integers<SHORTS, SUMS, WORDS> {
    fn default() -> Self {
        Self::new()
    }
}
