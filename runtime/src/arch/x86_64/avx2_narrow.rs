//! Narrow numbers on AVX2: bf16 widened to f32, 8-bit integers to 16 bits.

use core::arch::x86_64::*;

use super::avx2::Avx2;
use crate::narrow::{NarrowDot, NarrowKernel};
use crate::simd::{Simd, sealed::Sealed};
use crate::weights::Le;

/// bf16 as the upper half of an f32.
#[derive(Clone, Copy, Debug)]
struct Bf16;

/// 8-bit integers in 16-bit lanes. (VPMADDUBSW would take them as they are, but saturates.)
#[derive(Clone, Copy, Debug)]
struct Int8;

/// # Safety
/// [`Level::Avx2`](crate::Level::Avx2) must be available.
#[target_feature(enable = "popcnt,avx2,fma")]
pub(super) unsafe fn enter_bf16<K: NarrowKernel>(kernel: K) -> K::Output {
    // SAFETY: the caller's promise.
    kernel.run(unsafe { Avx2::token() }, Bf16)
}

/// # Safety
/// [`Level::Avx2`](crate::Level::Avx2) must be available.
#[target_feature(enable = "popcnt,avx2,fma")]
pub(super) unsafe fn enter_int8<K: NarrowKernel>(kernel: K) -> K::Output {
    // SAFETY: the caller's promise.
    kernel.run(unsafe { Avx2::token() }, Int8)
}

/// Two vectors of words.
///
/// # Safety
/// AVX2 must be available.
#[inline(always)]
unsafe fn load(w: &[Le<u32>; 16]) -> [__m256i; 2] {
    let w = w.as_ptr().cast::<__m256i>();
    // SAFETY: the caller's promise; `w` is 16 words, which is two vectors, in this processor's own byte order.
    unsafe { [_mm256_loadu_si256(w), _mm256_loadu_si256(w.add(1))] }
}

impl Sealed for Bf16 {}

impl NarrowDot<Avx2> for Bf16 {
    const PARTS: usize = 2;
    const HEAD: usize = 0;
    const ZERO_WINS: bool = false;
    type Acc = [__m256; 2];
    /// First part, second part.
    type X = [__m256; 2];
    type W = [[__m256; 2]; 2];

    #[inline(always)]
    fn start(self, s: Avx2, _: &[[Le<u32>; 16]]) -> [__m256; 2] {
        s.splat(0.0)
    }
    #[inline(always)]
    fn splat(self, _: Avx2, x: u32) -> [__m256; 2] {
        // SAFETY: the token of the vectors proves the instructions.
        unsafe { [_mm256_set1_ps(f32::from_bits(x << 16)), _mm256_set1_ps(f32::from_bits(x & 0xffff_0000))] }
    }
    #[inline(always)]
    fn load(self, _: Avx2, w: &[Le<u32>; 16]) -> [[__m256; 2]; 2] {
        // SAFETY: the token of the vectors proves the instructions.
        unsafe {
            let w = load(w);
            let upper = _mm256_set1_epi32(0xffff_0000_u32 as i32);
            [
                w.map(|w| _mm256_castsi256_ps(_mm256_slli_epi32::<16>(w))),
                w.map(|w| _mm256_castsi256_ps(_mm256_and_si256(w, upper))),
            ]
        }
    }
    #[inline(always)]
    fn dot(self, s: Avx2, acc: [__m256; 2], x: [__m256; 2], w: [[__m256; 2]; 2]) -> [__m256; 2] {
        s.fma([x[0]; 2], w[0], s.fma([x[1]; 2], w[1], acc))
    }
    #[inline(always)]
    fn finish(self, _: Avx2, acc: [__m256; 2]) -> [__m256; 2] {
        acc
    }
}

/// The bytes at even places of each 16 bits, and those at odd places, as 16-bit integers.
///
/// # Safety
/// AVX2 must be available.
#[inline(always)]
unsafe fn signed_halves(w: __m256i) -> [__m256i; 2] {
    // SAFETY: the caller's promise.
    unsafe { [_mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(w)), _mm256_srai_epi16::<8>(w)] }
}

impl Sealed for Int8 {}

impl NarrowDot<Avx2> for Int8 {
    const PARTS: usize = 4;
    const HEAD: usize = 2;
    const ZERO_WINS: bool = true;
    type Acc = [__m256i; 2];
    /// Bytes 0 and 2, bytes 1 and 3.
    type X = [__m256i; 2];
    /// The same of each half of the channels.
    type W = [[__m256i; 2]; 2];

    #[inline(always)]
    fn start(self, _: Avx2, head: &[[Le<u32>; 16]]) -> [__m256i; 2] {
        // SAFETY: the token of the vectors proves the instructions.
        unsafe { head.first().map_or([_mm256_setzero_si256(); 2], |head| load(head)) }
    }
    #[inline(always)]
    fn splat(self, _: Avx2, x: u32) -> [__m256i; 2] {
        // SAFETY: the token of the vectors proves the instructions.
        unsafe { [_mm256_set1_epi32((x & 0x00ff_00ff) as i32), _mm256_set1_epi32((x >> 8 & 0x00ff_00ff) as i32)] }
    }
    #[inline(always)]
    fn load(self, _: Avx2, w: &[Le<u32>; 16]) -> [[__m256i; 2]; 2] {
        // SAFETY: the token of the vectors proves the instructions.
        unsafe { load(w).map(|w| signed_halves(w)) }
    }
    #[inline(always)]
    fn dot(self, _: Avx2, acc: [__m256i; 2], x: [__m256i; 2], w: [[__m256i; 2]; 2]) -> [__m256i; 2] {
        let mut sums = acc;
        for (sum, w) in sums.iter_mut().zip(w) {
            for (x, w) in x.into_iter().zip(w) {
                // SAFETY: the token of the vectors proves the instructions.
                *sum = unsafe { _mm256_add_epi32(*sum, _mm256_madd_epi16(x, w)) };
            }
        }
        sums
    }
    #[inline(always)]
    fn finish(self, _: Avx2, acc: [__m256i; 2]) -> [__m256; 2] {
        // SAFETY: the token of the vectors proves the instructions.
        unsafe { acc.map(|acc| _mm256_cvtepi32_ps(acc)) }
    }
}
