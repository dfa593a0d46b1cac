//! Fused multiply-add by the instruction of RISC-V, where the target does not say that there is one (`build.rs`).

use core::arch::asm;

use crate::weights::Le;

/// a * b + c of 16 lanes.
#[inline(always)]
pub(crate) fn lanes(a: [f32; 16], b: [f32; 16], mut c: [f32; 16]) -> [f32; 16] {
    for ((c, a), b) in c.iter_mut().zip(a).zip(b) {
        *c = fma(a, b, *c);
    }
    c
}

/// To 16 sums: of each row of weights its product with a value, in order.
#[inline(always)]
pub(crate) fn rows(mut sums: [f32; 16], x: &[f32], weights: &[[Le<f32>; 16]]) -> [f32; 16] {
    for (x, weights) in x.iter().zip(weights) {
        for (sum, w) in sums.iter_mut().zip(weights) {
            *sum = fma(*x, w.get(), *sum);
        }
    }
    sums
}

/// a * b + c with one rounding.
#[inline(always)]
fn fma(a: f32, b: f32, c: f32) -> f32 {
    let sum: f32;
    // SAFETY: the target has the instruction, which reads and writes nothing else.
    unsafe {
        asm!(
            "fmadd.s {sum}, {a}, {b}, {c}",
            sum = lateout(freg) sum, a = in(freg) a, b = in(freg) b, c = in(freg) c,
            options(pure, nomem, nostack),
        );
    }
    sum
}
