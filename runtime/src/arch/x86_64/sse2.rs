//! Planes of bits in the 128-bit vectors that every x86-64 has, and how pixels and channels change places in them.

use core::arch::x86_64::*;

use crate::arch::turned::{self, Bytes, masks};
use crate::place::Plain;

/// A plane.
pub(crate) type Plane = __m128i;

// SAFETY: bits.
unsafe impl Plain for __m128i {}

/// Bits of both.
#[inline(always)]
pub(crate) fn and(a: Plane, b: Plane) -> Plane {
    // SAFETY: every x86-64 for which this module is compiled has SSE2.
    unsafe { _mm_and_si128(a, b) }
}

/// Bits of one of them.
#[inline(always)]
pub(crate) fn xor(a: Plane, b: Plane) -> Plane {
    // SAFETY: as above.
    unsafe { _mm_xor_si128(a, b) }
}

/// Bits of either, of which none is in both. Their sum, so that these vectors are integers to rustc: it knows logical operations
/// for floats as well, of which older processors do one at a time instead of three.
#[inline(always)]
pub(crate) fn or(a: Plane, b: Plane) -> Plane {
    // SAFETY: as above.
    unsafe { _mm_add_epi64(a, b) }
}

/// Gives the numbers whose bits are in the planes, 16 at a time.
#[inline(always)]
pub(crate) fn spread<const N: usize>(planes: &[Plane; N], mut put: impl FnMut(usize, [u16; 16])) {
    // SAFETY: as above.
    let mut bytes = unsafe { [[_mm_setzero_si128(); 8]; 2] };
    for (byte, plane) in bytes.as_flattened_mut().iter_mut().zip(planes) {
        *byte = *plane;
    }
    let (low, high) = (transposed(bytes[0]), if N > 8 { transposed(bytes[1]) } else { bytes[1] });
    for (half, (low, high)) in low.into_iter().zip(high).enumerate() {
        let mut counts = [0; 16];
        // SAFETY: as above; 16 counts are two vectors.
        unsafe {
            let to = counts.as_mut_ptr().cast::<__m128i>();
            _mm_storeu_si128(to, _mm_unpacklo_epi8(low, high));
            _mm_storeu_si128(to.add(1), _mm_unpackhi_epi8(low, high));
        }
        put(half, counts);
    }
}

/// Pairs of vectors interleaved by an instruction for the low and one for the high halves.
macro_rules! interleaved {
    ($low:ident, $high:ident, $x:expr) => {{
        let [a, b, c, d, e, f, g, h] = $x;
        [$low(a, b), $low(c, d), $low(e, f), $low(g, h), $high(a, b), $high(c, d), $high(e, f), $high(g, h)]
    }};
}

/// Eight planes of bits become numbers, a byte each, in order.
#[inline(always)]
fn transposed(planes: [Plane; 8]) -> [Plane; 8] {
    // SAFETY: as above.
    unsafe {
        // The eight bytes of eight neighbouring channels side by side.
        let pairs = interleaved!(_mm_unpacklo_epi8, _mm_unpackhi_epi8, planes);
        let fours = interleaved!(_mm_unpacklo_epi16, _mm_unpackhi_epi16, pairs);
        let [a, b, c, d, e, f, g, h] = interleaved!(_mm_unpacklo_epi32, _mm_unpackhi_epi32, fours);
        // Squares of eight bits by eight, transposed: single bits, squares of two, and of four. (Warren, Hacker's Delight, 7-3.)
        let mut squares = [a, e, c, g, b, f, d, h];
        for x in &mut squares {
            *x = swapped::<7>(*x, 0x00aa_00aa_00aa_00aa);
            *x = swapped::<14>(*x, 0x0000_cccc_0000_cccc);
            *x = swapped::<28>(*x, 0x0000_0000_f0f0_f0f0);
        }
        squares
    }
}

/// The bits of a mask and those so far to the left change places.
///
/// # Safety
/// SSE2 must be available.
#[inline(always)]
unsafe fn swapped<const SHIFT: i32>(x: Plane, mask: i64) -> Plane {
    // SAFETY: the caller's promise.
    unsafe {
        let differ = _mm_and_si128(_mm_xor_si128(x, _mm_srli_epi64::<SHIFT>(x)), _mm_set1_epi64x(mask));
        _mm_xor_si128(x, _mm_xor_si128(differ, _mm_slli_epi64::<SHIFT>(differ)))
    }
}

/// Bit p of number c is bit c of word p.
#[inline(always)]
pub(crate) fn turned(words: &[u64; 32]) -> [u32; 64] {
    // SAFETY: every x86-64 for which this module is compiled has SSE2.
    unsafe { turned::turned::<Plane>(words) }
}

/// Gives the 16 numbers of each lane, whose bits are in that lane of their planes.
#[inline(always)]
pub(crate) fn columns<const N: usize>(sums: &[[[Plane; N]; 4]; 4], put: impl FnMut(usize, [u16; 16])) {
    // SAFETY: as above.
    unsafe { turned::columns(sums, put) }
}

impl Bytes for Plane {
    const PARTS: usize = 1;
    #[inline(always)]
    unsafe fn none() -> Self {
        // SAFETY: as above.
        unsafe { _mm_setzero_si128() }
    }
    #[inline(always)]
    unsafe fn pairs(words: &[u64; 32], first: usize, i: usize) -> Self {
        // SAFETY: as above; by the caller's promise the two words are there.
        unsafe { _mm_loadu_si128(words.as_ptr().add(first + 2 * i).cast()) }
    }
    #[inline(always)]
    unsafe fn low(self, other: Self) -> Self {
        // SAFETY: as above.
        unsafe { _mm_unpacklo_epi8(self, other) }
    }
    #[inline(always)]
    unsafe fn high(self, other: Self) -> Self {
        // SAFETY: as above.
        unsafe { _mm_unpackhi_epi8(self, other) }
    }
    #[inline(always)]
    unsafe fn masks(self) -> [u32; 8] {
        // SAFETY: the caller's promise.
        unsafe { masks!(self, _mm_movemask_epi8, _mm_add_epi8) }
    }
    #[inline(always)]
    unsafe fn swapped<const SHIFT: i32>(x: Self, y: Self, mask: u8) -> (Self, Self) {
        // SAFETY: as above.
        unsafe {
            let mask = _mm_set1_epi8(mask as i8);
            let differ = _mm_and_si128(_mm_xor_si128(_mm_srli_epi16::<SHIFT>(x), y), mask);
            (_mm_xor_si128(x, _mm_slli_epi16::<SHIFT>(differ)), _mm_xor_si128(y, differ))
        }
    }
    #[inline(always)]
    unsafe fn numbers(first: Self, second: Self) -> [[u16; 16]; 2] {
        let mut numbers = [[0; 16]; 2];
        let to = numbers.as_mut_ptr().cast::<Self>();
        // SAFETY: as above; 16 numbers are two vectors.
        unsafe {
            _mm_storeu_si128(to, first);
            _mm_storeu_si128(to.add(1), second);
        }
        numbers
    }
}
