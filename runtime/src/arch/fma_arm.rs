//! Fused multiply-add by the instruction of ARM's floating-point units, where the target does not say that there is one
//! (`build.rs`): whole functions of assembly, as a stable compiler does not let single instructions have the registers then.

use core::arch::naked_asm;

use crate::weights::Le;

/// a * b + c of 16 lanes.
#[inline(always)]
pub(crate) fn lanes(a: [f32; 16], b: [f32; 16], mut c: [f32; 16]) -> [f32; 16] {
    // SAFETY: the target has the instruction; 16 lanes each.
    unsafe { add_products(&mut c, &a, &b) }
    c
}

/// To 16 sums: of each row of weights its product with a value, in order.
#[inline(always)]
pub(crate) fn rows(mut sums: [f32; 16], x: &[f32], weights: &[[Le<f32>; 16]]) -> [f32; 16] {
    // SAFETY: the target has the instruction; there are as many values and rows as are asked for.
    unsafe { add_rows(&mut sums, x.as_ptr(), weights.as_ptr(), x.len().min(weights.len())) }
    sums
}

/// # Safety
/// The processor must have VFMA; the pointers must be good for 16 lanes.
#[unsafe(naked)]
unsafe extern "C" fn add_products(c: *mut [f32; 16], a: *const [f32; 16], b: *const [f32; 16]) {
    naked_asm!(
        "movs r3, #4",
        "1:",
        "vldmia r1!, {{s0-s3}}",
        "vldmia r2!, {{s4-s7}}",
        "vldmia r0, {{s8-s11}}",
        "vfma.f32 s8, s0, s4",
        "vfma.f32 s9, s1, s5",
        "vfma.f32 s10, s2, s6",
        "vfma.f32 s11, s3, s7",
        "vstmia r0!, {{s8-s11}}",
        "subs r3, #1",
        "bne 1b",
        "bx lr",
    )
}

/// The sums stay in registers, s0 to s15.
///
/// # Safety
/// The processor must have VFMA; there must be `count` values and rows.
#[unsafe(naked)]
unsafe extern "C" fn add_rows(sums: *mut [f32; 16], x: *const f32, weights: *const [Le<f32>; 16], count: usize) {
    naked_asm!(
        "cbz r3, 2f",
        "vpush {{s16-s24}}",
        "vldmia r0, {{s0-s15}}",
        "1:",
        "vldmia r1!, {{s16}}",
        "vldmia r2!, {{s17-s24}}",
        "vfma.f32 s0, s16, s17",
        "vfma.f32 s1, s16, s18",
        "vfma.f32 s2, s16, s19",
        "vfma.f32 s3, s16, s20",
        "vfma.f32 s4, s16, s21",
        "vfma.f32 s5, s16, s22",
        "vfma.f32 s6, s16, s23",
        "vfma.f32 s7, s16, s24",
        "vldmia r2!, {{s17-s24}}",
        "vfma.f32 s8, s16, s17",
        "vfma.f32 s9, s16, s18",
        "vfma.f32 s10, s16, s19",
        "vfma.f32 s11, s16, s20",
        "vfma.f32 s12, s16, s21",
        "vfma.f32 s13, s16, s22",
        "vfma.f32 s14, s16, s23",
        "vfma.f32 s15, s16, s24",
        "subs r3, #1",
        "bne 1b",
        "vstmia r0, {{s0-s15}}",
        "vpop {{s16-s24}}",
        "2:",
        "bx lr",
    )
}
