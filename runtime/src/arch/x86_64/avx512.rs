//! AVX-512 with VPOPCNTDQ: a tile is one vector, its counters two vectors of 64-bit lanes.

use core::arch::x86_64::*;

use crate::arch::plane;
use crate::level::Level;
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
    // Not used: there is a population count of words.
    type Plane = plane::Plane;
    #[inline(always)]
    fn and(self, a: Self::Plane, b: Self::Plane) -> Self::Plane {
        plane::and(a, b)
    }
    #[inline(always)]
    fn xor(self, a: Self::Plane, b: Self::Plane) -> Self::Plane {
        plane::xor(a, b)
    }
    #[inline(always)]
    fn spread<const N: usize>(self, planes: &[Self::Plane; N], put: impl FnMut(usize, [u16; 16])) {
        plane::spread(planes, put);
    }
}
