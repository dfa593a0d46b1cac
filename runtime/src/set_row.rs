//! The set bits of a row of pixels, for counting down the lanes where memory is all alike: see [`crate::set_bits`].
//!
//! Pixels that are neighbours have their lists one behind the other, and each set bit's number is that of its weights in rows that
//! go on from tap to tap. So what a window has of a row of pixels is one list, a [`Run`], whichever pixel it begins at.

use crate::set_bits::{Rows, append};
use crate::weights::Le;

/// The set bits of a row of less than E pixels of C channels: L, if all are set, each as the number of its weights times STEP.
#[derive(Clone, Copy, Debug)]
pub struct SetRow<const C: usize, const E: usize, const L: usize, const STEP: usize> {
    /// From pixel to pixel: channel c of pixel x is `STEP * (C * x + c)`.
    numbers: [u16; L],
    /// Where those of a pixel begin; behind the last, where they end.
    ends: [u16; E],
    /// Pixels there are. Only their numbers are of use.
    pixels: usize,
}

impl<const C: usize, const E: usize, const L: usize, const STEP: usize> SetRow<C, E, L, STEP> {
    /// Of no pixels.
    pub const NONE: Self = Self { numbers: [0; L], ends: [0; E], pixels: 0 };

    /// Begins another row.
    #[inline(always)]
    pub fn clear(&mut self) {
        self.pixels = 0;
    }

    /// The next pixel's words; nothing where there is no room for it.
    #[inline(always)]
    pub fn push(&mut self, words: &[u64]) {
        const { assert!(L == C * (E - 1) && STEP > 0 && L * STEP <= 1 << 16, "room for all, and for their numbers") };
        let pixel = self.pixels;
        let [Some(end), Some(_)] = [pixel, pixel + 1].map(|i| self.ends.get(i).map(|end| usize::from(*end))) else {
            return;
        };
        let len = if pixel == 0 { 0 } else { end };
        // SAFETY: the pixels in front have at most C numbers each.
        let len = unsafe { append::<C, STEP>(&mut self.numbers, len, C * pixel, words) };
        self.pixels = pixel + 1;
        if let Some(end) = self.ends.get_mut(pixel + 1) {
            *end = len as u16;
        }
    }

    /// Those of K pixels from `pixel` on, and the weights of the taps that lie over them, tap by tap; none where there are not so many.
    #[inline(always)]
    pub fn run<'a, const K: usize, const W: usize, const R: usize>(
        &'a self,
        pixel: usize,
        weights: &'a Rows<W, R>,
    ) -> Run<'a, W, STEP> {
        const { assert!(K * C == R, "weights for all channels of all taps") };
        let end = pixel + K;
        let ends = [pixel, end].map(|i| self.ends.get(i).map_or(0, |end| usize::from(*end)));
        let start = if pixel == 0 { 0 } else { ends[0] };
        let numbers = self.numbers.get(start..ends[1]).unwrap_or_default();
        Run { numbers: if end <= self.pixels { numbers } else { &[] }, first: C * pixel, weights: &weights.0 }
    }
}

/// What a window has of a row of pixels: set bits, and the rows of weights that they meet, W words of 32 output channels each.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a, const W: usize, const STEP: usize> {
    /// STEP times numbers of rows, the first of the weights being number `first`; all of them are there.
    numbers: &'a [u16],
    first: usize,
    weights: &'a [[Le<u32>; W]],
}

impl<'a, const W: usize, const STEP: usize> Run<'a, W, STEP> {
    /// Of no set bit.
    pub const NONE: Self = Self { numbers: &[], first: 0, weights: &[] };

    /// Set bits.
    #[inline(always)]
    #[expect(clippy::len_without_is_empty, reason = "a number among others")]
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// What [`Run::row`] takes.
    #[inline(always)]
    pub(crate) fn numbers(&self) -> &'a [u16] {
        self.numbers
    }

    /// The row of weights of a number.
    ///
    /// # Safety
    /// It is one of [`Run::numbers`].
    #[inline(always)]
    pub(crate) unsafe fn row(&self, number: u16) -> &'a [Le<u32>; W] {
        // In bytes: numbers that are times those of a row need no product.
        let of_row = size_of::<[Le<u32>; W]>();
        const { assert!(size_of::<[Le<u32>; W]>().is_multiple_of(STEP), "rows begin at their numbers") };
        let start = self.weights.as_ptr().cast::<u8>().wrapping_sub(of_row * self.first);
        let row = start.wrapping_add(of_row / STEP * usize::from(number));
        // SAFETY: there is such a row, as the caller says.
        unsafe { &*row.cast() }
    }
}
