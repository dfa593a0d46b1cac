//! AArch64's dot products: four products of bytes per 32-bit lane and instruction.
//!
//! SDOT multiplies signed bytes by signed ones, but activations are unsigned: of each 128 is taken away, by turning its highest
//! bit, and what that makes too little, 128 times the sum of the weights, stands in the head. (The instruction that takes one of
//! each, USDOT, came six years later.)

use core::arch::aarch64::*;
use core::arch::asm;

use super::neon::Neon;
use crate::narrow::{NarrowDot, NarrowKernel};
use crate::simd::sealed::Sealed;
use crate::weights::Le;

/// Proof that the instructions exist.
#[derive(Clone, Copy, Debug)]
pub(super) struct DotProd(());

/// Runs the kernel with all of it compiled for dot products.
///
/// # Safety
/// The processor must have them (FEAT_DotProd).
#[target_feature(enable = "dotprod")]
pub(super) unsafe fn enter<K: NarrowKernel>(kernel: K) -> K::Output {
    kernel.run(Neon::new(), DotProd(()))
}

/// Applies a function to each of the four vectors.
macro_rules! each {
    ($i:ident => $body:expr) => {{
        let f = |$i: usize| $body;
        [f(0), f(1), f(2), f(3)]
    }};
}

/// 16 words from memory.
#[inline(always)]
fn words(w: &[Le<u32>; 16]) -> [uint32x4_t; 4] {
    let w = w.as_ptr().cast::<u32>();
    // SAFETY: NEON is part of every target this is compiled for; `w` is 16 words, in this processor's own byte order.
    unsafe { each!(i => vld1q_u32(w.add(4 * i))) }
}

impl Sealed for DotProd {}

impl NarrowDot<Neon> for DotProd {
    const PARTS: usize = 4;
    const HEAD: usize = 2;
    const ZERO_WINS: bool = true;
    type Acc = [uint32x4_t; 4];
    type X = uint32x4_t;
    type W = [uint32x4_t; 4];

    #[inline(always)]
    fn start(self, _: Neon, head: &[[Le<u32>; 16]]) -> [uint32x4_t; 4] {
        let [start, lacking] = head else {
            // SAFETY: NEON is part of every target this is compiled for.
            return unsafe { [vdupq_n_u32(0); 4] };
        };
        let (start, lacking) = (words(start), words(lacking));
        // SAFETY: NEON is part of every target this is compiled for.
        unsafe { each!(i => vaddq_u32(start[i], lacking[i])) }
    }
    #[inline(always)]
    fn splat(self, _: Neon, x: u32) -> uint32x4_t {
        // SAFETY: NEON is part of every target this is compiled for.
        unsafe { vdupq_n_u32(x ^ 0x8080_8080) }
    }
    #[inline(always)]
    fn load(self, _: Neon, w: &[Le<u32>; 16]) -> [uint32x4_t; 4] {
        words(w)
    }
    #[inline(always)]
    fn dot(self, _: Neon, mut acc: [uint32x4_t; 4], x: uint32x4_t, w: [uint32x4_t; 4]) -> [uint32x4_t; 4] {
        for (sum, w) in acc.iter_mut().zip(w) {
            // SAFETY: the token proves the instruction; nothing changes but the operands named. (Its intrinsic is not stable.)
            unsafe {
                asm!(
                    ".arch_extension dotprod",
                    "sdot {sum:v}.4s, {w:v}.16b, {x:v}.16b",
                    sum = inout(vreg) *sum, w = in(vreg) w, x = in(vreg) x,
                    options(pure, nomem, nostack, preserves_flags),
                );
            }
        }
        acc
    }
    #[inline(always)]
    fn finish(self, _: Neon, acc: [uint32x4_t; 4]) -> [float32x4_t; 4] {
        // SAFETY: NEON is part of every target this is compiled for.
        unsafe { each!(i => vcvtq_f32_s32(vreinterpretq_s32_u32(acc[i]))) }
    }
}
