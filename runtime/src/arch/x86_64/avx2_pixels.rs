//! Vectors of 256 bits in which pixels and channels change places.

use core::arch::x86_64::*;

use crate::arch::turned::{Bytes, masks};

impl Bytes for __m256i {
    const PARTS: usize = 2;
    #[inline(always)]
    unsafe fn none() -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_setzero_si256() }
    }
    #[inline(always)]
    unsafe fn pairs(words: &[u64; 32], _: usize, i: usize) -> Self {
        let words = words.as_ptr().cast::<__m128i>();
        // SAFETY: the caller's promise; 32 words are 16 vectors of 128 bits.
        unsafe { _mm256_loadu2_m128i(words.add(8 + i), words.add(i)) }
    }
    #[inline(always)]
    unsafe fn low(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_unpacklo_epi8(self, other) }
    }
    #[inline(always)]
    unsafe fn high(self, other: Self) -> Self {
        // SAFETY: the caller's promise.
        unsafe { _mm256_unpackhi_epi8(self, other) }
    }
    #[inline(always)]
    unsafe fn masks(self) -> [u32; 8] {
        // SAFETY: the caller's promise.
        unsafe { masks!(self, _mm256_movemask_epi8, _mm256_add_epi8) }
    }
    #[inline(always)]
    unsafe fn swapped<const SHIFT: i32>(x: Self, y: Self, mask: u8) -> (Self, Self) {
        // SAFETY: the caller's promise.
        unsafe {
            let mask = _mm256_set1_epi8(mask as i8);
            let differ = _mm256_and_si256(_mm256_xor_si256(_mm256_srli_epi16::<SHIFT>(x), y), mask);
            (_mm256_xor_si256(x, _mm256_slli_epi16::<SHIFT>(differ)), _mm256_xor_si256(y, differ))
        }
    }
    #[inline(always)]
    unsafe fn numbers(first: Self, second: Self) -> [[u16; 16]; 2] {
        let mut numbers = [[0; 16]; 2];
        let to = numbers.as_mut_ptr().cast::<__m256i>();
        // SAFETY: the caller's promise; 16 numbers are a vector.
        unsafe {
            _mm256_storeu_si256(to, _mm256_permute2x128_si256::<0x20>(first, second));
            _mm256_storeu_si256(to.add(1), _mm256_permute2x128_si256::<0x31>(first, second));
        }
        numbers
    }
}
