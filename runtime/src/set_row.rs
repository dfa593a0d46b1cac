//! The set bits of a row of pixels, for counting down the lanes where memory is all alike: see [`crate::set_bits`].
//!
//! Pixels that are neighbours have their lists one behind the other, and each set bit's number is that of its weights in rows that
//! go on from tap to tap. So what a window has of a row of pixels is one list, a [`Run`], whichever pixel it begins at.

use core::marker::PhantomData;
use core::mem::MaybeUninit;

use crate::set_bits::{Rows, append};
use crate::simd::{Simd, part_of_row};
use crate::weights::Le;

/// The set bits of a row of less than E pixels of C channels: L, if all are set, each as the number of its weights times STEP.
#[derive(Clone, Copy, Debug)]
pub struct SetRow<const C: usize, const E: usize, const L: usize, const STEP: usize> {
    /// From pixel to pixel: channel c of pixel x is `STEP * (C * x + c)`.
    numbers: [MaybeUninit<u16>; L],
    /// Where those of a pixel begin, which of the first is 0; behind the last, where they end.
    ends: [u16; E],
    /// Pixels there are. Only their numbers are of use.
    pixels: usize,
}

impl<const C: usize, const E: usize, const L: usize, const STEP: usize> SetRow<C, E, L, STEP> {
    /// Of no pixels.
    pub const NONE: Self = Self { numbers: [MaybeUninit::uninit(); L], ends: [0; E], pixels: 0 };

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
        let Some(end) = self.ends.get(pixel) else { return };
        // Behind the last there is no room.
        if pixel + 1 >= E {
            return;
        }
        let len = usize::from(*end);
        // SAFETY: the pixels in front have at most C numbers each.
        let len = unsafe { append_to(&mut self.numbers, len, [C * pixel, C, STEP], words) };
        self.pixels = pixel + 1;
        if let Some(end) = self.ends.get_mut(pixel + 1) {
            *end = len as u16;
        }
    }

    /// Those of K pixels from `pixel` on, and the weights of the taps that lie over them, tap by tap; none where there are not so many.
    /// BYTES: whether STEP is the bytes of a row of weights, or 1.
    #[inline(always)]
    pub fn run<'a, const K: usize, const W: usize, const R: usize, const BYTES: bool>(
        &'a self,
        pixel: usize,
        weights: &'a Rows<W, R>,
    ) -> Run<'a, BYTES> {
        const {
            assert!(K * C == R, "weights for all channels of all taps");
            assert!(if BYTES { STEP == 4 * W } else { STEP == 1 }, "rows begin at their numbers");
        };
        let mut numbers: &[u16] = &[];
        if let (Some(start), Some(end), true) =
            (self.ends.get(pixel), self.ends.get(pixel + K), pixel + K <= self.pixels)
            && let Some(there) = self.numbers.get(usize::from(*start)..usize::from(*end))
        {
            // SAFETY: those of the pixels that are there have been written.
            numbers = unsafe { &*(core::ptr::from_ref(there) as *const [u16]) };
        }
        Run {
            numbers,
            start: weights.0.as_ptr().cast::<Le<u32>>().wrapping_sub(W * C * pixel),
            words: W,
            weights: PhantomData,
        }
    }
}

/// [`append`], once for all layers.
///
/// # Safety
/// As there.
#[inline(never)]
unsafe fn append_to(numbers: &mut [MaybeUninit<u16>], len: usize, what: [usize; 3], words: &[u64]) -> usize {
    // SAFETY: the caller's promise.
    unsafe { append(numbers.as_mut_ptr().cast(), len, what, words) }
}

/// What a window has of a row of pixels: set bits, and the rows of weights that they meet, some words of 32 output channels each.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a, const BYTES: bool> {
    /// Numbers of rows, or the bytes in front of them; all of them are there.
    numbers: &'a [u16],
    /// Where row 0 would lie.
    start: *const Le<u32>,
    /// Words of a row.
    words: usize,
    weights: PhantomData<&'a [Le<u32>]>,
}

impl<'a, const BYTES: bool> Run<'a, BYTES> {
    /// Of no set bit.
    pub const NONE: Self = Self { numbers: &[], start: core::ptr::null(), words: 0, weights: PhantomData };

    /// Set bits.
    #[inline(always)]
    #[expect(clippy::len_without_is_empty, reason = "a number among others")]
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// What [`Run::plane`] takes.
    #[inline(always)]
    pub(crate) fn numbers(&self) -> &'a [u16] {
        self.numbers
    }

    /// Channels `PLANE * part..` of the row of weights of a number; zeros where there are no more.
    ///
    /// # Safety
    /// It is one of [`Run::numbers`], and the part begins within [`Run::words`].
    #[inline(always)]
    pub(crate) unsafe fn plane<S: Simd>(&self, s: S, number: u16, part: usize) -> S::Plane {
        let number = usize::from(number);
        let row = match BYTES {
            true => self.start.wrapping_byte_add(number),
            false => self.start.wrapping_add(self.words * number),
        };
        // Where a plane is a word, each part is a whole one, which nothing has to look at.
        if size_of::<S::Plane>() == size_of::<Le<u32>>() {
            // SAFETY: there are such a row and such a part of it, as the caller says; words are aligned.
            return unsafe { row.cast::<S::Plane>().wrapping_add(part).read() };
        }
        // SAFETY: there is such a row, as the caller says.
        unsafe { part_of_row(s, row, self.words, part) }
    }

    /// Where the rows begin at their numbers: where that of number 0 would, from its word `part` on.
    #[cfg(xnorc_planes = "neon")]
    #[inline(always)]
    pub(crate) fn start(&self, part: usize) -> *const u8 {
        const { assert!(BYTES, "numbers of bytes") };
        self.start.wrapping_add(part).cast()
    }

    /// Words that all their rows have.
    #[inline(always)]
    pub(crate) fn words(runs: &[Self]) -> usize {
        match runs {
            [first, others @ ..] => {
                others.iter().fold(first.words, |words, run| if run.words < words { run.words } else { words })
            }
            [] => 0,
        }
    }
}
