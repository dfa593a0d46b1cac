//! AVX-512, with VPOPCNTDQ and without: a tile is one vector, its counters two vectors of 64-bit lanes. Without, layers that count down
//! the lanes do it in vectors of 256 bits, as on AVX2, whose full adders are two instructions here.

use core::arch::x86_64::*;

use super::avx2;
use crate::arch::turned;
use crate::level::Level;
use crate::simd::Kernel;
use crate::simd::{Simd, sealed::Sealed};
use crate::weights::Le;

/// Proof that the instructions exist, those of VPOPCNTDQ if `POPCNT`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx512<const POPCNT: bool>(());

impl<const POPCNT: bool> Avx512<POPCNT> {
    /// # Safety
    /// [`Level::Avx512`] must be available, or without VPOPCNTDQ [`Level::Avx512Bw`].
    #[inline(always)]
    pub(super) unsafe fn token() -> Self {
        Self(())
    }
}

/// Runs the kernel with all of it compiled for this level.
///
/// # Safety
/// [`Level::Avx512`] must be available.
#[target_feature(enable = "popcnt,avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq")]
pub(super) unsafe fn enter<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512::<true>(()))
}

/// Runs the kernel with all of it compiled for the level without VPOPCNTDQ.
///
/// # Safety
/// [`Level::Avx512Bw`] must be available.
#[target_feature(enable = "popcnt,avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn enter_without_popcnt<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512::<false>(()))
}

/// Set bits of each word: each nibble's count comes from a table, as on AVX2.
///
/// # Safety
/// AVX-512 BW must be available.
#[inline(always)]
unsafe fn popcnt_by_table(x: __m512i) -> __m512i {
    // SAFETY: the caller's promise.
    unsafe {
        let table = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
        let nibble = _mm512_set1_epi8(15);
        let low = _mm512_shuffle_epi8(table, _mm512_and_si512(x, nibble));
        let high = _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16::<4>(x), nibble));
        _mm512_sad_epu8(_mm512_add_epi8(low, high), _mm512_setzero_si512())
    }
}

/// Operations on all lanes.
macro_rules! lanewise {
    ($name:ident $instruction:ident) => {
        #[inline(always)]
        fn $name(self, a: Self::F, b: Self::F) -> Self::F {
            // SAFETY: the token proves the instructions.
            unsafe { $instruction(a, b) }
        }
    };
}

/// Comparisons of all lanes.
macro_rules! compared {
    ($name:ident $predicate:ident) => {
        #[inline(always)]
        fn $name(self, a: Self::F, b: Self::F) -> u16 {
            // SAFETY: the token proves the instructions.
            unsafe { _mm512_cmp_ps_mask::<$predicate>(a, b) }
        }
    };
}

impl<const POPCNT: bool> Sealed for Avx512<POPCNT> {}

impl<const POPCNT: bool> Simd for Avx512<POPCNT> {
    const LEVEL: Level = if POPCNT { Level::Avx512 } else { Level::Avx512Bw };
    const TILES: usize = 28;
    const PICKS: bool = true;
    type F = __m512;
    type Acc = [__m512i; 2];

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        // SAFETY: the token proves the instructions.
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    fn splat_quads(self, [a, b, c, d]: [f32; 4]) -> Self::F {
        // SAFETY: the token proves the instructions.
        unsafe {
            let v = _mm512_mask_mov_ps(_mm512_set1_ps(a), 0x00f0, _mm512_set1_ps(b));
            let v = _mm512_mask_mov_ps(v, 0x0f00, _mm512_set1_ps(c));
            _mm512_mask_mov_ps(v, 0xf000, _mm512_set1_ps(d))
        }
    }
    #[inline(always)]
    fn load(self, x: &[f32; 16]) -> Self::F {
        // SAFETY: the token proves the instructions; `x` is 16 floats.
        unsafe { _mm512_loadu_ps(x.as_ptr()) }
    }
    #[inline(always)]
    fn pick(self, x: &[f32; 16], which: &[u32; 16], behind: u32) -> Self::F {
        // SAFETY: the token proves the instructions; both are 16 words of 32 bits.
        unsafe {
            let which = _mm512_loadu_si512(which.as_ptr().cast());
            let which = _mm512_add_epi32(which, _mm512_set1_epi32(behind as i32));
            _mm512_permutexvar_ps(which, _mm512_loadu_ps(x.as_ptr()))
        }
    }
    #[inline(always)]
    fn store(self, y: &mut [f32; 16], v: Self::F) {
        // SAFETY: the token proves the instructions; `y` is 16 floats.
        unsafe { _mm512_storeu_ps(y.as_mut_ptr(), v) }
    }
    #[inline(always)]
    fn load_le(self, x: &[Le<f32>; 16]) -> Self::F {
        // SAFETY: the token proves the instructions; `x` is 16 floats, in this processor's own byte order.
        unsafe { _mm512_loadu_ps(x.as_ptr().cast::<f32>()) }
    }
    lanewise!(add _mm512_add_ps);
    lanewise!(sub _mm512_sub_ps);
    lanewise!(mul _mm512_mul_ps);
    lanewise!(div _mm512_div_ps);
    lanewise!(min _mm512_min_ps);
    lanewise!(max _mm512_max_ps);
    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        // SAFETY: the token proves the instructions.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    compared!(ge _CMP_GE_OQ);
    compared!(le _CMP_LE_OQ);
    compared!(lt _CMP_LT_OQ);
    #[inline(always)]
    fn within(self, a: Self::F, low: Self::F, high: Self::F) -> u16 {
        // SAFETY: the token proves the instructions.
        unsafe {
            // The second comparison only where the first holds: an AND of masks would take a vector pipe once more.
            let above = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(a, low);
            _mm512_mask_cmp_ps_mask::<_CMP_LE_OQ>(above, a, high)
        }
    }
    #[inline(always)]
    fn select(self, mask: u16, a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: the token proves the instructions.
        unsafe { _mm512_mask_blend_ps(mask, b, a) }
    }
    #[inline(always)]
    fn prefetch<T>(self, x: &[T; 16]) {
        super::prefetch(x);
    }
    #[inline(always)]
    fn acc_zero(self) -> Self::Acc {
        // SAFETY: the token proves the instructions.
        unsafe { [_mm512_setzero_si512(); 2] }
    }
    #[inline(always)]
    fn xor_popcnt(self, acc: Self::Acc, x: u64, w: &[Le<u64>; 16]) -> Self::Acc {
        let w = w.as_ptr().cast::<__m512i>();
        // SAFETY: the token proves the instructions; `w` is 16 words, which is two vectors.
        unsafe {
            let x = _mm512_set1_epi64(x as i64);
            let low = _mm512_xor_si512(x, _mm512_loadu_si512(w));
            let high = _mm512_xor_si512(x, _mm512_loadu_si512(w.add(1)));
            let [low, high] = if POPCNT {
                [_mm512_popcnt_epi64(low), _mm512_popcnt_epi64(high)]
            } else {
                [popcnt_by_table(low), popcnt_by_table(high)]
            };
            [_mm512_add_epi64(acc[0], low), _mm512_add_epi64(acc[1], high)]
        }
    }
    #[inline(always)]
    fn rolled<T>(self, x: &[T]) -> &[T] {
        let hidden = core::hint::black_box(x);
        // SAFETY: it is the same slice. Indices that come of it are known to be no larger than they were.
        unsafe { core::hint::assert_unchecked(hidden.len() <= x.len()) };
        hidden
    }
    #[inline(always)]
    fn dot(self, acc: Self::Acc, k: Self::F) -> Self::F {
        // SAFETY: the token proves the instructions.
        unsafe {
            // The low halves of the 64-bit lanes: one instruction, where narrowing each vector would take five.
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let count = _mm512_permutex2var_epi32(acc[0], even, acc[1]);
            _mm512_fnmadd_ps(_mm512_cvtepi32_ps(count), _mm512_set1_ps(2.0), k)
        }
    }
    // With a population count of words they are not used.
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
    #[inline(always)]
    fn full_adder(self, a: Self::Plane, b: Self::Plane, c: Self::Plane) -> (Self::Plane, Self::Plane) {
        // SAFETY: the token proves the instructions. The tables: at least two of three bits, and an odd number of them.
        unsafe { (_mm256_ternarylogic_epi64::<0xe8>(a, b, c), _mm256_ternarylogic_epi64::<0x96>(a, b, c)) }
    }
    #[inline(always)]
    fn spread<const N: usize>(self, planes: &[Self::Plane; N], put: impl FnMut(usize, [u16; 16])) {
        // SAFETY: the token proves the instructions.
        unsafe { avx2::spread(planes, put) }
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
        // SAFETY: the token proves the instructions; 16 numbers of 16 bits are a vector of 256.
        unsafe {
            let counts = _mm256_loadu_si256(counts.as_ptr().cast());
            let start = _mm256_loadu_si256(start.as_ptr().cast());
            let start = _mm512_sub_epi32(_mm512_cvtepi16_epi32(start), _mm512_set1_epi32(2 * ones as i32));
            _mm512_cvtepi32_ps(_mm512_add_epi32(start, _mm512_slli_epi32::<2>(_mm512_cvtepu16_epi32(counts))))
        }
    }
}
