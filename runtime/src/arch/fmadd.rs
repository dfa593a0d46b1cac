//! Fused multiply-add by RISC-V's instruction, which all processors with the extension F have.

use core::arch::asm;

/// a * b + c of 16 lanes. Written out, so that they can stay in registers whatever the compiler optimises for.
#[inline(always)]
pub(crate) fn lanes(a: [f32; 16], b: [f32; 16], c: [f32; 16]) -> [f32; 16] {
    macro_rules! each {
        ($($i:literal)*) => {
            [$(fma(a[$i], b[$i], c[$i])),*]
        };
    }
    each!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
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
