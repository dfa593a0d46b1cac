//! AVX-512 with VPOPCNTDQ: a tile is one vector, its counters two vectors of 64-bit lanes.

use core::arch::x86_64::*;

use super::{pixels, sse2};
use crate::level::Level;
use crate::place::Plain;
use crate::simd::Kernel;
use crate::simd::{Simd, sealed::Sealed};
use crate::weights::Le;

/// Proof that the instructions exist.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx512(());

impl Avx512 {
    /// # Safety
    /// [`Level::Avx512`] must be available.
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
    kernel.run(Avx512(()))
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

// SAFETY: bits.
unsafe impl Plain for __m512i {}

impl Sealed for Avx512 {}

impl Simd for Avx512 {
    const LEVEL: Level = Level::Avx512;
    const TILES: usize = 28;
    type F = __m512;
    type Acc = [__m512i; 2];

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        // SAFETY: the token proves the instructions.
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    fn load(self, x: &[f32; 16]) -> Self::F {
        // SAFETY: the token proves the instructions; `x` is 16 floats.
        unsafe { _mm512_loadu_ps(x.as_ptr()) }
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
            let low = _mm512_popcnt_epi64(_mm512_xor_si512(x, _mm512_loadu_si512(w)));
            let high = _mm512_popcnt_epi64(_mm512_xor_si512(x, _mm512_loadu_si512(w.add(1))));
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
    type Plane = __m512i;
    #[inline(always)]
    fn and(self, a: Self::Plane, b: Self::Plane) -> Self::Plane {
        // SAFETY: the token proves the instructions.
        unsafe { _mm512_and_si512(a, b) }
    }
    #[inline(always)]
    fn xor(self, a: Self::Plane, b: Self::Plane) -> Self::Plane {
        // SAFETY: the token proves the instructions.
        unsafe { _mm512_xor_si512(a, b) }
    }
    #[inline(always)]
    fn full_adder(self, a: Self::Plane, b: Self::Plane, c: Self::Plane) -> (Self::Plane, Self::Plane) {
        // SAFETY: the token proves the instructions. The tables: at least two of three bits, and an odd number of them.
        unsafe { (_mm512_ternarylogic_epi64::<0xe8>(a, b, c), _mm512_ternarylogic_epi64::<0x96>(a, b, c)) }
    }
    #[inline(always)]
    fn spread<const N: usize>(self, planes: &[Self::Plane; N], mut put: impl FnMut(usize, [u16; 16])) {
        for quarter in 0..4 {
            // SAFETY: zeros are a pattern of bits.
            let mut parts = unsafe { [core::mem::zeroed(); N] };
            for (part, plane) in parts.iter_mut().zip(planes) {
                // SAFETY: a plane is four such parts.
                *part = unsafe { (&raw const *plane).cast::<__m128i>().add(quarter).read() };
            }
            sse2::spread(&parts, |block, counts| put(8 * quarter + block, counts));
        }
    }
    #[inline(always)]
    fn turned(self, words: &[u64; 32]) -> [u32; 64] {
        // SAFETY: the token proves the instructions.
        unsafe { pixels::turned(words) }
    }
    #[inline(always)]
    fn columns<const N: usize>(self, sums: &[[[Self::Plane; N]; 4]; 4], put: impl FnMut(usize, [u16; 16])) {
        // SAFETY: the token proves the instructions.
        unsafe { pixels::columns_512(sums, put) }
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
