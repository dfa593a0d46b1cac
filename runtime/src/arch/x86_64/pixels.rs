//! Pixels and channels change places: what counting with pixels as lanes begins and ends with.

use core::arch::x86_64::*;

/// Vectors interleaved byte by byte, the first with the one half of them further on: of the bits of a byte's place (its vector's number,
/// then its own within 128 bits), the first becomes the last.
macro_rules! shuffled {
    ($x:expr, $half:literal, $low:ident $high:ident) => {{
        let from = $x;
        let mut to = from;
        for i in 0..$half {
            to[2 * i] = $low(from[i], from[$half + i]);
            to[2 * i + 1] = $high(from[i], from[$half + i]);
        }
        to
    }};
}

/// Four times that.
macro_rules! transposed {
    ($x:expr, $half:literal, $low:ident $high:ident) => {
        shuffled!(
            shuffled!(shuffled!(shuffled!($x, $half, $low $high), $half, $low $high), $half, $low $high),
            $half, $low $high
        )
    };
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
        let bytes = transposed!(pairs, 4, _mm256_unpacklo_epi8 _mm256_unpackhi_epi8);
        for (bits, mut byte) in bits.as_chunks_mut::<8>().0.iter_mut().zip(bytes) {
            for bits in bits.iter_mut().rev() {
                *bits = _mm256_movemask_epi8(byte) as u32;
                byte = _mm256_add_epi8(byte, byte);
            }
        }
    }
    bits
}

/// What gives the numbers of each lane, in vectors of so many times 128 bits.
macro_rules! columns {
    (
        $columns:ident $bits_turned:ident $vector:ident $zero:ident $low:ident $high:ident
        $set:ident $xor:ident $and:ident $left:ident $right:ident
        $parts:literal, |$first:ident, $second:ident| $numbers:expr
    ) => {
        /// Gives the 16 numbers of each lane, whose bits are in that lane of their planes.
        ///
        /// # Safety
        /// The instructions must be available.
        #[inline(always)]
        pub(super) unsafe fn $columns<const N: usize>(
            sums: &[[[$vector; N]; 4]; 4],
            mut put: impl FnMut(usize, [u16; 16]),
        ) {
            // SAFETY: the caller's promise.
            let mut groups = [[[unsafe { $zero() }; 8]; 2]; 16];
            for k in 0..if N < 16 { N } else { 16 } {
                // SAFETY: as above.
                let mut plane = [unsafe { $zero() }; 16];
                for (plane, sum) in plane.iter_mut().zip(sums.as_flattened()) {
                    *plane = sum[k];
                }
                // SAFETY: as above.
                let bytes = unsafe { transposed!(plane, 8, $low $high) };
                // Eight lanes of the 16 numbers in each part of 128 bits: bytes i, 16 + i, and so on.
                for (group, bytes) in groups.iter_mut().zip(bytes) {
                    group.as_flattened_mut()[k] = bytes;
                }
            }
            for (group, [low, high]) in groups.into_iter().enumerate() {
                // SAFETY: as above.
                let low = unsafe { $bits_turned(low) };
                // SAFETY: as above.
                let high = if N > 8 { unsafe { $bits_turned(high) } } else { high };
                for (lane, (low, high)) in low.into_iter().zip(high).enumerate() {
                    // SAFETY: as above.
                    let numbers: [[u16; 16]; $parts] = unsafe {
                        let ($first, $second) = ($low(low, high), $high(low, high));
                        // Arrays of as many bits.
                        core::mem::transmute($numbers)
                    };
                    for (part, numbers) in numbers.into_iter().enumerate() {
                        put(128 * part + 8 * group + lane, numbers);
                    }
                }
            }
        }

        /// Bit j of each byte of vector k becomes bit k of that of vector j. (Warren, Hacker's Delight, 7-3.)
        ///
        /// # Safety
        /// The instructions must be available.
        #[inline(always)]
        unsafe fn $bits_turned(mut x: [$vector; 8]) -> [$vector; 8] {
            macro_rules! swapped {
                ($shift:literal, $mask:literal: $i0:literal $i1:literal $i2:literal $i3:literal) => {
                    for i in [$i0, $i1, $i2, $i3] {
                        let differ = $and($xor($right::<$shift>(x[i]), x[i + $shift]), $set($mask));
                        x[i + $shift] = $xor(x[i + $shift], differ);
                        x[i] = $xor(x[i], $left::<$shift>(differ));
                    }
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
    };
}

columns! {
    columns_256 bits_turned_256
    __m256i _mm256_setzero_si256 _mm256_unpacklo_epi8 _mm256_unpackhi_epi8
    _mm256_set1_epi8 _mm256_xor_si256 _mm256_and_si256 _mm256_slli_epi16 _mm256_srli_epi16
    2, |first, second| [
        _mm256_permute2x128_si256::<0x20>(first, second),
        _mm256_permute2x128_si256::<0x31>(first, second),
    ]
}

columns! {
    columns_512 bits_turned_512
    __m512i _mm512_setzero_si512 _mm512_unpacklo_epi8 _mm512_unpackhi_epi8
    _mm512_set1_epi8 _mm512_xor_si512 _mm512_and_si512 _mm512_slli_epi16 _mm512_srli_epi16
    4, |first, second| [
        _mm512_permutex2var_epi64(first, _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), second),
        _mm512_permutex2var_epi64(first, _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15), second),
    ]
}
