//! Fused multiply-add by RISC-V's instruction, which all processors with the extension F have.

use core::arch::asm;

/// a * b + c of 16 lanes.
#[inline(always)]
pub(crate) fn lanes(a: [f32; 16], b: [f32; 16], mut c: [f32; 16]) -> [f32; 16] {
    for ((c, a), b) in c.iter_mut().zip(&a).zip(&b) {
        *c = fma(*a, *b, *c);
    }
    c
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
