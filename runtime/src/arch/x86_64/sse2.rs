//! Planes of bits in the 128-bit vectors that every x86-64 has.

use core::arch::x86_64::*;

use crate::arch::plane::spread_words;
use crate::weights::Le;

/// Bits of a plane.
pub(crate) const PLANE: usize = 128;

/// A plane.
pub(crate) type Plane = __m128i;

/// No bit.
#[inline(always)]
pub(crate) fn none() -> Plane {
    // SAFETY: every x86-64 for which this module is compiled has SSE2.
    unsafe { _mm_setzero_si128() }
}

/// Channels `PLANE * part..` of a row; zeros behind its end.
#[inline(always)]
pub(crate) fn plane<const W: usize>(row: &[Le<u32>; W], part: usize) -> Plane {
    if part < W / 4 {
        // SAFETY: as above; words 4 * part.. of the row, four of them.
        unsafe { _mm_loadu_si128(row.as_ptr().cast::<__m128i>().add(part)) }
    } else {
        none()
    }
}

/// Carry and sum of three.
#[inline(always)]
pub(crate) fn full_adder(a: Plane, b: Plane, c: Plane) -> (Plane, Plane) {
    // SAFETY: as above.
    unsafe {
        let differ = _mm_xor_si128(a, b);
        (_mm_or_si128(_mm_and_si128(a, b), _mm_and_si128(differ, c)), _mm_xor_si128(differ, c))
    }
}

/// Carry and sum of two.
#[inline(always)]
pub(crate) fn half_adder(a: Plane, b: Plane) -> (Plane, Plane) {
    // SAFETY: as above.
    unsafe { (_mm_and_si128(a, b), _mm_xor_si128(a, b)) }
}

/// Gives the numbers whose bits are in the planes, 16 at a time.
#[inline(always)]
pub(crate) fn spread<const N: usize>(planes: &[Plane; N], put: impl FnMut(usize, [u16; 16])) {
    let mut words = [[0_u32; 4]; N];
    for (words, plane) in words.iter_mut().zip(planes) {
        // SAFETY: as above; four words are a vector.
        unsafe { _mm_storeu_si128(words.as_mut_ptr().cast(), *plane) }
    }
    spread_words(&words, put);
}
