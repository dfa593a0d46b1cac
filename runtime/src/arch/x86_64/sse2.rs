//! Planes of bits in the 128-bit vectors that every x86-64 has.

use core::arch::x86_64::*;

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
