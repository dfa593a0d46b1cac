//! Planes of bits in the 128-bit vectors that every x86-64 has.

use core::arch::x86_64::*;

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
pub(crate) fn spread<const N: usize>(planes: &[Plane; N], mut put: impl FnMut(usize, [u16; 16])) {
    let (mut low, mut high) = ([none(); 8], [none(); 8]);
    for (k, plane) in planes.iter().enumerate() {
        if k < 8 {
            low[k] = *plane
        } else if k < 16 {
            high[k - 8] = *plane
        }
    }
    let low = transposed(low);
    let high = if N > 8 { transposed(high) } else { high };
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

/// Eight planes of bits become numbers, a byte each, in order.
#[inline(always)]
fn transposed([a, b, c, d, e, f, g, h]: [Plane; 8]) -> [Plane; 8] {
    // SAFETY: as above.
    unsafe {
        // The eight bytes of eight neighbouring channels side by side: pairs of planes, fours, eights.
        let pairs = [
            [_mm_unpacklo_epi8(a, b), _mm_unpacklo_epi8(c, d), _mm_unpacklo_epi8(e, f), _mm_unpacklo_epi8(g, h)],
            [_mm_unpackhi_epi8(a, b), _mm_unpackhi_epi8(c, d), _mm_unpackhi_epi8(e, f), _mm_unpackhi_epi8(g, h)],
        ];
        let mut squares = [none(); 8];
        for (squares, [a, b, c, d]) in squares.chunks_exact_mut(4).zip(pairs) {
            let (low, high) = (
                [_mm_unpacklo_epi16(a, b), _mm_unpacklo_epi16(c, d)],
                [_mm_unpackhi_epi16(a, b), _mm_unpackhi_epi16(c, d)],
            );
            squares[0] = _mm_unpacklo_epi32(low[0], low[1]);
            squares[1] = _mm_unpackhi_epi32(low[0], low[1]);
            squares[2] = _mm_unpacklo_epi32(high[0], high[1]);
            squares[3] = _mm_unpackhi_epi32(high[0], high[1]);
        }
        // Squares of eight bits by eight, transposed: single bits, then squares of two, then of four. (Warren, Hacker's Delight,
        // section 7-3.)
        for x in &mut squares {
            let t = _mm_and_si128(_mm_xor_si128(*x, _mm_srli_epi64::<7>(*x)), _mm_set1_epi64x(0x00aa_00aa_00aa_00aa));
            *x = _mm_xor_si128(*x, _mm_xor_si128(t, _mm_slli_epi64::<7>(t)));
            let t = _mm_and_si128(_mm_xor_si128(*x, _mm_srli_epi64::<14>(*x)), _mm_set1_epi64x(0x0000_cccc_0000_cccc));
            *x = _mm_xor_si128(*x, _mm_xor_si128(t, _mm_slli_epi64::<14>(t)));
            let t = _mm_and_si128(_mm_xor_si128(*x, _mm_srli_epi64::<28>(*x)), _mm_set1_epi64x(0x0000_0000_f0f0_f0f0));
            *x = _mm_xor_si128(*x, _mm_xor_si128(t, _mm_slli_epi64::<28>(t)));
        }
        squares
    }
}
