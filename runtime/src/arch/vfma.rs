//! Fused multiply-add by the instruction of Cortex-M4F, M7, M33 and the like.
//!
//! Their targets always have it, but `asm!` takes no register of floats there before rustc says so in `target_feature`. A
//! function written in assembly as a whole can use them; so that a call is worth while, it does many at a time. It names the unit
//! itself, as the assembly is read once more, by the triple alone, where codegen units are optimised together.

use core::arch::naked_asm;

use crate::weights::Le;

/// a * b + c of 16 lanes.
#[inline(always)]
pub(crate) fn lanes(a: [f32; 16], b: [f32; 16], mut c: [f32; 16]) -> [f32; 16] {
    // SAFETY: each has 16 numbers; only the last is written to.
    unsafe { multiply_add(&a, &b, &mut c) }
    c
}

/// The sums, with x\[0\] * w\[0\] added, then x\[step\] * w\[1\], and so on, while there is both.
#[inline(always)]
pub(crate) fn run(mut sums: [f32; 16], x: &[f32], step: usize, w: &[[Le<f32>; 16]]) -> [f32; 16] {
    let step = step.max(1);
    let values = if step == 1 { x.len() } else { x.len().div_ceil(step) };
    let taps = w.len().min(values);
    if taps > 0 {
        // SAFETY: there are so many values, `step` apart, and so many rows of weights; only the sums are written to.
        unsafe { multiply_add_run(&mut sums, x.as_ptr(), step.wrapping_mul(4), w.as_ptr(), taps) }
    }
    sums
}

/// c = a * b + c
#[unsafe(naked)]
unsafe extern "C" fn multiply_add(a: &[f32; 16], b: &[f32; 16], c: &mut [f32; 16]) {
    // Eight lanes at a time.
    naked_asm!(
        ".fpu fpv4-sp-d16",
        "vpush {{s16-s23}}",
        "mov r3, #2",
        "1:",
        "vldmia r0!, {{s0-s7}}",
        "vldmia r1!, {{s8-s15}}",
        "vldmia r2, {{s16-s23}}",
        "vfma.f32 s16, s0, s8",
        "vfma.f32 s17, s1, s9",
        "vfma.f32 s18, s2, s10",
        "vfma.f32 s19, s3, s11",
        "vfma.f32 s20, s4, s12",
        "vfma.f32 s21, s5, s13",
        "vfma.f32 s22, s6, s14",
        "vfma.f32 s23, s7, s15",
        "vstmia r2!, {{s16-s23}}",
        "subs r3, #1",
        "bne 1b",
        "vpop {{s16-s23}}",
        "bx lr",
    )
}

/// [`run`] of at least one tap; `step` in bytes.
#[unsafe(naked)]
unsafe extern "C" fn multiply_add_run(
    sums: &mut [f32; 16],
    x: *const f32,
    step: usize,
    w: *const [Le<f32>; 16],
    taps: usize,
) {
    // The sums in s0 to s15, half of a row of weights in s16 to s23, the value in s24. The fifth argument is on the stack.
    naked_asm!(
        ".fpu fpv4-sp-d16",
        "ldr r12, [sp]",
        "vpush {{s16-s25}}",
        "vldmia r0, {{s0-s15}}",
        "1:",
        "vldr s24, [r1]",
        "add r1, r1, r2",
        "vldmia r3!, {{s16-s23}}",
        "vfma.f32 s0, s24, s16",
        "vfma.f32 s1, s24, s17",
        "vfma.f32 s2, s24, s18",
        "vfma.f32 s3, s24, s19",
        "vfma.f32 s4, s24, s20",
        "vfma.f32 s5, s24, s21",
        "vfma.f32 s6, s24, s22",
        "vfma.f32 s7, s24, s23",
        "vldmia r3!, {{s16-s23}}",
        "vfma.f32 s8, s24, s16",
        "vfma.f32 s9, s24, s17",
        "vfma.f32 s10, s24, s18",
        "vfma.f32 s11, s24, s19",
        "vfma.f32 s12, s24, s20",
        "vfma.f32 s13, s24, s21",
        "vfma.f32 s14, s24, s22",
        "vfma.f32 s15, s24, s23",
        "subs r12, #1",
        "bne 1b",
        "vstmia r0, {{s0-s15}}",
        "vpop {{s16-s25}}",
        "bx lr",
    )
}
