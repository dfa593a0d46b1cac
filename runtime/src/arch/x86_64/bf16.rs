//! AVX-512 BF16: two products of bf16 per lane and instruction.

use core::arch::x86_64::*;

use super::avx512::Avx512;
use crate::narrow::{NarrowDot, NarrowKernel};
use crate::simd::{Simd, sealed::Sealed};
use crate::weights::Le;

/// Proof that the instructions exist.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bf16(());

/// Runs the kernel with all of it compiled for AVX-512 with BF16.
///
/// # Safety
/// [`Level::Avx512`](crate::Level::Avx512) must be available, and the processor must have AVX512_BF16.
#[target_feature(enable = "popcnt,avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq,avx512bf16")]
pub(super) unsafe fn enter<K: NarrowKernel>(kernel: K) -> K::Output {
    // SAFETY: the caller's promise.
    kernel.run(unsafe { Avx512::<true>::token() }, Bf16(()))
}

impl Sealed for Bf16 {}

impl NarrowDot<Avx512<true>> for Bf16 {
    const PARTS: usize = 2;
    const HEAD: usize = 0;
    const ZERO_WINS: bool = false;
    type Acc = __m512;
    type X = __m512i;
    type W = __m512i;

    #[inline(always)]
    fn start(self, s: Avx512<true>, _: &[[Le<u32>; 16]]) -> __m512 {
        s.splat(0.0)
    }
    #[inline(always)]
    fn splat(self, _: Avx512<true>, x: u32) -> __m512i {
        // SAFETY: the token proves the instructions.
        unsafe { _mm512_set1_epi32(x as i32) }
    }
    #[inline(always)]
    fn load(self, _: Avx512<true>, w: &[Le<u32>; 16]) -> __m512i {
        // SAFETY: the token proves the instructions; `w` is 16 words, in this processor's own byte order.
        unsafe { _mm512_loadu_si512(w.as_ptr().cast()) }
    }
    #[inline(always)]
    fn dot(self, _: Avx512<true>, acc: __m512, x: __m512i, w: __m512i) -> __m512 {
        // SAFETY: the token proves the instructions; the three types are the same 512 bits.
        unsafe {
            _mm512_dpbf16_ps(
                acc,
                core::mem::transmute::<__m512i, __m512bh>(w),
                core::mem::transmute::<__m512i, __m512bh>(x),
            )
        }
    }
    #[inline(always)]
    fn finish(self, _: Avx512<true>, acc: __m512) -> __m512 {
        acc
    }
}
