//! Fused multiply-add by RISC-V's instruction, which all processors with the extension F have.

use core::arch::asm;

use crate::lanes::each;
use crate::weights::Le;

/// a * b + c of 16 lanes.
#[inline(always)]
pub(crate) fn lanes(a: [f32; 16], b: [f32; 16], c: [f32; 16]) -> [f32; 16] {
    each!(I => fma(a[I], b[I], c[I]))
}

/// sum + x\[0\] * w\[0\] + x\[step\] * w\[1\] + ..., while there are both: a factor is one register, and not 16 of the same.
#[inline(always)]
pub(crate) fn run(mut sum: [f32; 16], x: &[f32], step: usize, w: &[[Le<f32>; 16]]) -> [f32; 16] {
    let mut at = 0_usize;
    for w in w {
        let Some(x) = x.get(at) else { break };
        sum = each!(I => fma(*x, w[I].get(), sum[I]));
        at = at.saturating_add(step);
    }
    sum
}

#[inline(always)]
fn fma(a: f32, b: f32, c: f32) -> f32 {
    let sum;
    // SAFETY: the build script sets the condition of this module only for targets with the instruction, and it does nothing
    // but compute; flags that it raises are read by nobody.
    unsafe {
        asm!("fmadd.s {}, {}, {}, {}", out(freg) sum, in(freg) a, in(freg) b, in(freg) c, options(pure, nomem, nostack));
    }
    sum
}
