//! AVX2 and FMA: a tile is two vectors. Differing bits are counted in bytes, and these are added up after up to 31
//! words.

use core::arch::x86_64::*;

use super::sse2;
use crate::arch::turned;
use crate::level::Level;
use crate::place::Plain;
use crate::simd::Kernel;
use crate::simd::{Simd, sealed::Sealed};
use crate::weights::Le;

/// Proof that the instructions exist.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx2(());

impl Avx2 {
    /// # Safety
    /// [`Level::Avx2`] must be available.
    #[inline(always)]
    pub(super) unsafe fn token() -> Self {
        Self(())
    }
}

/// Runs the kernel with all of it compiled for this level.
///
/// # Safety
/// [`Level::Avx2`] must be available.
#[target_feature(enable = "popcnt,avx2,fma")]
pub(super) unsafe fn enter<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx2(()))
}

/// The sign bits of two vectors.
///
/// # Safety
/// AVX2 must be available.
#[inline(always)]
unsafe fn mask(low: __m256, high: __m256) -> u16 {
    // SAFETY: the caller's promise.
    unsafe { (_mm256_movemask_ps(low) | _mm256_movemask_ps(high) << 8) as u16 }
}

/// 16 counters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counters {
    /// Four lanes per vector, a counter for each of the eight bytes of their words.
    bytes: [__m256i; 4],
    /// What was counted before, four lanes per vector.
    sums: [__m256i; 4],
}

impl Counters {
    /// The sums, with what the bytes have counted.
    ///
    /// # Safety
    /// AVX2 must be available.
    #[inline(always)]
    unsafe fn sums(&self) -> [__m256i; 4] {
        let mut sums = self.sums;
        for (sum, bytes) in sums.iter_mut().zip(self.bytes) {
            // SAFETY: the caller's promise.
            *sum = unsafe { _mm256_add_epi64(*sum, _mm256_sad_epu8(bytes, _mm256_setzero_si256())) };
        }
        sums
    }

    /// Counts a word, for which there must be room. Each nibble's count comes from a
    /// table. (Mula, Kurz, Lemire, Faster population counts using AVX2 instructions, 2018.)
    ///
    /// # Safety
    /// AVX2 must be available.
    #[inline(always)]
    unsafe fn count(&mut self, x: u64, w: &[Le<u64>; 16]) {
        let w = w.as_ptr().cast::<__m256i>();
        // SAFETY: the caller's promise; `w` is 16 words, which is four vectors.
        unsafe {
            let table = _mm256_setr_epi8(
                0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
            );
            let nibble = _mm256_set1_epi8(15);
            let x = _mm256_set1_epi64x(x as i64);
            for (i, bytes) in self.bytes.iter_mut().enumerate() {
                let differing = _mm256_xor_si256(x, _mm256_loadu_si256(w.add(i)));
                let low = _mm256_shuffle_epi8(table, _mm256_and_si256(differing, nibble));
                let high = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16::<4>(differing), nibble));
                *bytes = _mm256_add_epi8(*bytes, _mm256_add_epi8(low, high));
            }
        }
    }
}

/// k - 2 * counter of eight counters.
///
/// # Safety
/// AVX2 must be available.
#[inline(always)]
unsafe fn dot(low: __m256i, high: __m256i, k: __m256) -> __m256 {
    // SAFETY: the caller's promise.
    unsafe {
        // The low halves of the 64-bit lanes, in order: [l0 l1 h0 h1 | l2 l3 h2 h3], then the middle pairs swapped.
        let even = _mm256_shuffle_ps::<0b10_00_10_00>(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high));
        let count = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_castps_si256(even));
        _mm256_fnmadd_ps(_mm256_cvtepi32_ps(count), _mm256_set1_ps(2.0), k)
    }
}

/// Gives the numbers whose bits are in the planes, of 16 channels at a time.
///
/// # Safety
/// AVX2 must be available.
#[inline(always)]
pub(super) unsafe fn spread<const N: usize>(planes: &[__m256i; N], mut put: impl FnMut(usize, [u16; 16])) {
    // SAFETY: the caller's promise.
    let mut halves = unsafe { [[_mm_setzero_si128(); N]; 2] };
    for (k, plane) in planes.iter().enumerate() {
        // SAFETY: as above.
        halves[0][k] = unsafe { _mm256_castsi256_si128(*plane) };
        // SAFETY: as above.
        halves[1][k] = unsafe { _mm256_extracti128_si256::<1>(*plane) };
    }
    sse2::spread(&halves[0], &mut put);
    sse2::spread(&halves[1], |block, counts| put(8 + block, counts));
}

/// Operations on both vectors.
macro_rules! lanewise {
    ($name:ident $instruction:ident) => {
        #[inline(always)]
        fn $name(self, a: Self::F, b: Self::F) -> Self::F {
            // SAFETY: the token proves the instructions.
            unsafe { [$instruction(a[0], b[0]), $instruction(a[1], b[1])] }
        }
    };
}

/// Comparisons of both vectors.
macro_rules! compared {
    ($name:ident $predicate:ident) => {
        #[inline(always)]
        fn $name(self, a: Self::F, b: Self::F) -> u16 {
            // SAFETY: the token proves the instructions.
            unsafe { mask(_mm256_cmp_ps::<$predicate>(a[0], b[0]), _mm256_cmp_ps::<$predicate>(a[1], b[1])) }
        }
    };
}

// SAFETY: bits.
unsafe impl Plain for __m256i {}

impl Sealed for Avx2 {}

impl Simd for Avx2 {
    const LEVEL: Level = Level::Avx2;
    const TILES: usize = 6;
    type F = [__m256; 2];
    type Acc = Counters;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        // SAFETY: the token proves the instructions.
        unsafe { [_mm256_set1_ps(x); 2] }
    }
    #[inline(always)]
    fn splat_quads(self, [a, b, c, d]: [f32; 4]) -> Self::F {
        // SAFETY: the token proves the instructions.
        unsafe { [_mm256_set_m128(_mm_set1_ps(b), _mm_set1_ps(a)), _mm256_set_m128(_mm_set1_ps(d), _mm_set1_ps(c))] }
    }
    #[inline(always)]
    fn load(self, x: &[f32; 16]) -> Self::F {
        // SAFETY: the token proves the instructions; `x` is 16 floats, which is two vectors.
        unsafe { [_mm256_loadu_ps(x.as_ptr()), _mm256_loadu_ps(x.as_ptr().add(8))] }
    }
    #[inline(always)]
    fn store(self, y: &mut [f32; 16], v: Self::F) {
        // SAFETY: the token proves the instructions; `y` is 16 floats, which is two vectors.
        unsafe {
            _mm256_storeu_ps(y.as_mut_ptr(), v[0]);
            _mm256_storeu_ps(y.as_mut_ptr().add(8), v[1]);
        }
    }
    #[inline(always)]
    fn load_le(self, x: &[Le<f32>; 16]) -> Self::F {
        let x = x.as_ptr().cast::<f32>();
        // SAFETY: the token proves the instructions; `x` is 16 floats, in this processor's own byte order.
        unsafe { [_mm256_loadu_ps(x), _mm256_loadu_ps(x.add(8))] }
    }
    lanewise!(add _mm256_add_ps);
    lanewise!(sub _mm256_sub_ps);
    lanewise!(mul _mm256_mul_ps);
    lanewise!(div _mm256_div_ps);
    lanewise!(min _mm256_min_ps);
    lanewise!(max _mm256_max_ps);
    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        // SAFETY: the token proves the instructions.
        unsafe { [_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])] }
    }
    compared!(ge _CMP_GE_OQ);
    compared!(le _CMP_LE_OQ);
    compared!(lt _CMP_LT_OQ);
    #[inline(always)]
    fn select(self, mask: u16, a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: the token proves the instructions.
        unsafe {
            // Bit i of the mask, moved to the sign of lane i.
            let mask = _mm256_set1_epi32(i32::from(mask));
            let low = _mm256_sllv_epi32(mask, _mm256_setr_epi32(31, 30, 29, 28, 27, 26, 25, 24));
            let high = _mm256_sllv_epi32(mask, _mm256_setr_epi32(23, 22, 21, 20, 19, 18, 17, 16));
            [
                _mm256_blendv_ps(b[0], a[0], _mm256_castsi256_ps(low)),
                _mm256_blendv_ps(b[1], a[1], _mm256_castsi256_ps(high)),
            ]
        }
    }
    #[inline(always)]
    fn select_negative(self, x: Self::F, a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: the token proves the instructions.
        unsafe {
            let zero = _mm256_setzero_ps();
            [
                _mm256_blendv_ps(b[0], a[0], _mm256_cmp_ps::<_CMP_LT_OQ>(x[0], zero)),
                _mm256_blendv_ps(b[1], a[1], _mm256_cmp_ps::<_CMP_LT_OQ>(x[1], zero)),
            ]
        }
    }
    #[inline(always)]
    fn prefetch<T>(self, x: &[T; 16]) {
        super::prefetch(x);
    }
    #[inline(always)]
    fn acc_zero(self) -> Self::Acc {
        // SAFETY: the token proves the instructions.
        unsafe { Counters { bytes: [_mm256_setzero_si256(); 4], sums: [_mm256_setzero_si256(); 4] } }
    }
    #[inline(always)]
    fn xor_popcnt(self, mut acc: Self::Acc, x: u64, w: &[Le<u64>; 16]) -> Self::Acc {
        // SAFETY: the token proves the instructions.
        unsafe { acc.count(x, w) };
        acc
    }
    #[inline(always)]
    fn widen(self, acc: Self::Acc) -> Self::Acc {
        // SAFETY: the token proves the instructions.
        unsafe { Counters { bytes: [_mm256_setzero_si256(); 4], sums: acc.sums() } }
    }
    #[inline(always)]
    fn dot(self, acc: Self::Acc, k: Self::F) -> Self::F {
        // SAFETY: the token proves the instructions.
        unsafe {
            let sums = acc.sums();
            [dot(sums[0], sums[1], k[0]), dot(sums[2], sums[3], k[1])]
        }
    }
    type Plane = __m256i;
    #[inline(always)]
    fn and(self, a: Self::Plane, b: Self::Plane) -> Self::Plane {
        // SAFETY: the token proves the instructions.
        unsafe { _mm256_and_si256(a, b) }
    }
    #[inline(always)]
    fn xor(self, a: Self::Plane, b: Self::Plane) -> Self::Plane {
        // SAFETY: the token proves the instructions.
        unsafe { _mm256_xor_si256(a, b) }
    }
    // Their sum, for the reason that `sse2::or` gives.
    #[inline(always)]
    fn or(self, a: Self::Plane, b: Self::Plane) -> Self::Plane {
        // SAFETY: the token proves the instructions.
        unsafe { _mm256_add_epi64(a, b) }
    }
    #[inline(always)]
    fn spread<const N: usize>(self, planes: &[Self::Plane; N], put: impl FnMut(usize, [u16; 16])) {
        // SAFETY: the token proves the instructions.
        unsafe { spread(planes, put) }
    }
    #[inline(always)]
    fn turned(self, words: &[u64; 32]) -> [u32; 64] {
        // SAFETY: the token proves the instructions.
        unsafe { turned::turned::<__m256i>(words) }
    }
    #[inline(always)]
    fn columns<const N: usize>(self, sums: &[[[Self::Plane; N]; 4]; 4], put: impl FnMut(usize, [u16; 16])) {
        // SAFETY: the token proves the instructions.
        unsafe { turned::columns(sums, put) }
    }
    #[inline(always)]
    fn dot_counts(self, counts: &[u16; 16], start: &[Le<i16>; 16], ones: usize) -> Self::F {
        // SAFETY: the token proves the instructions; 16 numbers of 16 bits are a vector.
        unsafe {
            let (counts, start) = (counts.as_ptr().cast::<__m256i>(), start.as_ptr().cast::<__m256i>());
            // A dot product has 16 bits, so what is beyond them on the way to it does not matter.
            let count = _mm256_slli_epi16::<2>(_mm256_loadu_si256(counts));
            let sum = _mm256_add_epi16(_mm256_loadu_si256(start), count);
            let dots = _mm256_sub_epi16(sum, _mm256_set1_epi16((2 * ones) as i16));
            let [low, high] = [_mm256_castsi256_si128(dots), _mm256_extracti128_si256::<1>(dots)];
            [_mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(low)), _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(high))]
        }
    }
}
