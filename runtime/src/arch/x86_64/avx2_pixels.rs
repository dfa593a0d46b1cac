//! Pixels and channels change places in vectors of 256 bits: what counting with pixels as lanes begins and ends with.

use core::arch::x86_64::*;

/// Vectors interleaved byte by byte, the first with the one half of them further on: of the bits of a byte's place (its vector's number,
/// then its own within 128 bits), the first becomes the last.
macro_rules! shuffled {
    ($x:expr, $half:literal) => {{
        let from = $x;
        let mut to = from;
        for i in 0..$half {
            to[2 * i] = _mm256_unpacklo_epi8(from[i], from[$half + i]);
            to[2 * i + 1] = _mm256_unpackhi_epi8(from[i], from[$half + i]);
        }
        to
    }};
}

/// Bit p of number c is bit c of word p.
///
/// # Safety
/// AVX2 must be available.
#[inline(always)]
pub(super) unsafe fn turned(words: &[u64; 32]) -> [u32; 64] {
    let mut bits = [0; 64];
    // SAFETY: the caller's promise; 32 words are 16 vectors of 128 bits.
    unsafe {
        let words = words.as_ptr().cast::<__m128i>();
        let mut pairs = [_mm256_setzero_si256(); 8];
        for (i, pair) in pairs.iter_mut().enumerate() {
            *pair = _mm256_loadu2_m128i(words.add(8 + i), words.add(i));
        }
        // Vector i, byte p: byte i of word p.
        let bytes = shuffled!(shuffled!(shuffled!(shuffled!(pairs, 4), 4), 4), 4);
        for (bits, mut byte) in bits.as_chunks_mut::<8>().0.iter_mut().zip(bytes) {
            for bits in bits.iter_mut().rev() {
                *bits = _mm256_movemask_epi8(byte) as u32;
                byte = _mm256_add_epi8(byte, byte);
            }
        }
    }
    bits
}

/// Gives the 16 numbers of each lane, whose bits are in that lane of their planes.
///
/// # Safety
/// AVX2 must be available.
#[inline(always)]
pub(super) unsafe fn columns<const N: usize>(sums: &[[[__m256i; N]; 4]; 4], mut put: impl FnMut(usize, [u16; 16])) {
    // SAFETY: the caller's promise.
    let mut groups = [[[unsafe { _mm256_setzero_si256() }; 8]; 2]; 16];
    for k in 0..if N < 16 { N } else { 16 } {
        // SAFETY: as above.
        let mut plane = [unsafe { _mm256_setzero_si256() }; 16];
        for (plane, sum) in plane.iter_mut().zip(sums.as_flattened()) {
            *plane = sum[k];
        }
        // SAFETY: as above.
        let bytes = unsafe { shuffled!(shuffled!(shuffled!(shuffled!(plane, 8), 8), 8), 8) };
        // Eight lanes of the 16 numbers in each half: bytes i and 16 + i.
        for (group, bytes) in groups.iter_mut().zip(bytes) {
            group.as_flattened_mut()[k] = bytes;
        }
    }
    for (group, [low, high]) in groups.into_iter().enumerate() {
        // SAFETY: as above.
        let low = unsafe { bits_turned(low) };
        // SAFETY: as above.
        let high = if N > 8 { unsafe { bits_turned(high) } } else { high };
        for (lane, (low, high)) in low.into_iter().zip(high).enumerate() {
            let mut numbers = [[0; 16]; 2];
            // SAFETY: as above; 16 numbers are two vectors of 128 bits.
            unsafe {
                let (first, second) = (_mm256_unpacklo_epi8(low, high), _mm256_unpackhi_epi8(low, high));
                let to = numbers.as_mut_ptr().cast::<__m256i>();
                _mm256_storeu_si256(to, _mm256_permute2x128_si256::<0x20>(first, second));
                _mm256_storeu_si256(to.add(1), _mm256_permute2x128_si256::<0x31>(first, second));
            }
            put(8 * group + lane, numbers[0]);
            put(128 + 8 * group + lane, numbers[1]);
        }
    }
}

/// Bit j of each byte of vector k becomes bit k of that of vector j. (Warren, Hacker's Delight, 7-3.)
///
/// # Safety
/// AVX2 must be available.
#[inline(always)]
unsafe fn bits_turned(mut x: [__m256i; 8]) -> [__m256i; 8] {
    macro_rules! swapped {
        ($shift:literal, $mask:literal: $($i:literal)*) => {
            $(
                let mask = _mm256_set1_epi8($mask);
                let differ = _mm256_xor_si256(_mm256_srli_epi16::<$shift>(x[$i]), x[$i + $shift]);
                let differ = _mm256_and_si256(differ, mask);
                x[$i + $shift] = _mm256_xor_si256(x[$i + $shift], differ);
                x[$i] = _mm256_xor_si256(x[$i], _mm256_slli_epi16::<$shift>(differ));
            )*
        };
    }
    // SAFETY: the caller's promise.
    unsafe {
        swapped!(4, 0x0f: 0 1 2 3);
        swapped!(2, 0x33: 0 1 4 5);
        swapped!(1, 0x55: 0 2 4 6);
    }
    x
}
