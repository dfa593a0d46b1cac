//! AVX-512 VNNI: four products of 8-bit integers per lane and instruction.

use core::arch::x86_64::*;

use super::avx512::Avx512;
use crate::narrow::{NarrowDot, NarrowKernel};
use crate::simd::sealed::Sealed;
use crate::weights::Le;

/// Proof that the instructions exist.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vnni(());

/// Runs the kernel with all of it compiled for AVX-512 with VNNI.
///
/// # Safety
/// [`Level::Avx512`](crate::Level::Avx512) must be available, and the processor must have AVX512_VNNI.
#[target_feature(enable = "popcnt,avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vpopcntdq,avx512vnni")]
pub(super) unsafe fn enter<K: NarrowKernel>(kernel: K) -> K::Output {
    // SAFETY: the caller's promise.
    kernel.run(unsafe { Avx512::<true>::token() }, Vnni(()))
}

/// The same for a processor without VPOPCNTDQ.
///
/// # Safety
/// [`Level::Avx512Bw`](crate::Level::Avx512Bw) must be available, and the processor must have AVX512_VNNI.
#[target_feature(enable = "popcnt,avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) unsafe fn enter_without_popcnt<K: NarrowKernel>(kernel: K) -> K::Output {
    // SAFETY: the caller's promise.
    kernel.run(unsafe { Avx512::<false>::token() }, Vnni(()))
}

impl Sealed for Vnni {}

impl<const P: bool> NarrowDot<Avx512<P>> for Vnni {
    const PARTS: usize = 4;
    const HEAD: usize = 2;
    const ZERO_WINS: bool = true;
    type Acc = __m512i;
    type X = __m512i;
    type W = __m512i;

    #[inline(always)]
    fn start(self, s: Avx512<P>, head: &[[Le<u32>; 16]]) -> __m512i {
        match head.first() {
            Some(head) => self.load(s, head),
            // SAFETY: the token proves the instructions.
            None => unsafe { _mm512_setzero_si512() },
        }
    }
    #[inline(always)]
    fn splat(self, _: Avx512<P>, x: u32) -> __m512i {
        // SAFETY: the token proves the instructions.
        unsafe { _mm512_set1_epi32(x as i32) }
    }
    #[inline(always)]
    fn load(self, _: Avx512<P>, w: &[Le<u32>; 16]) -> __m512i {
        // SAFETY: the token proves the instructions; `w` is 16 words, in this processor's own byte order.
        unsafe { _mm512_loadu_si512(w.as_ptr().cast()) }
    }
    #[inline(always)]
    fn dot(self, _: Avx512<P>, acc: __m512i, x: __m512i, w: __m512i) -> __m512i {
        // SAFETY: the token proves the instructions.
        unsafe { _mm512_dpbusd_epi32(acc, x, w) }
    }
    #[inline(always)]
    fn finish(self, _: Avx512<P>, acc: __m512i) -> __m512 {
        // SAFETY: the token proves the instructions.
        unsafe { _mm512_cvtepi32_ps(acc) }
    }
}
