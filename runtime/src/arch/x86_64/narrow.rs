//! Narrow numbers: instructions for their products where the processor has them.

use core::sync::atomic::{AtomicU8, Ordering};

use super::{avx2_narrow, bf16, cpuid, enter, vnni};
use crate::level::Level;
use crate::narrow::{NarrowKernel, PlainBf16Kernel, PlainInt8Kernel};

/// What narrow products the processor has instructions for: [`KNOWN`] and the bits below; 0 while nobody has asked.
static NARROW: AtomicU8 = AtomicU8::new(0);

const KNOWN: u8 = 1;
const BF16: u8 = 2;
const VNNI: u8 = 4;

/// Whether the level has instructions for products of bf16, and of 8-bit integers.
#[inline]
fn has_narrow(level: Level) -> [bool; 2] {
    let mut bits = NARROW.load(Ordering::Relaxed);
    if bits == 0 {
        bits = first_narrow();
    }
    [bits & BF16 != 0 && level == Level::Avx512, bits & VNNI != 0 && level >= Level::Avx512Bw]
}

#[cold]
fn first_narrow() -> u8 {
    let [bf16, vnni] = cpuid::Registers::read().narrow(cpuid::leaf7_1_eax());
    let bits = KNOWN | if bf16 { BF16 } else { 0 } | if vnni { VNNI } else { 0 };
    NARROW.store(bits, Ordering::Relaxed);
    bits
}

/// Runs the kernel on bf16 inside a function compiled for the level, which must be available.
#[inline(always)]
pub(crate) fn enter_bf16<K: NarrowKernel>(level: Level, kernel: K) -> K::Output {
    match level {
        // SAFETY: the level is available, and CPUID reports the instructions.
        Level::Avx512 if has_narrow(level)[0] => unsafe { bf16::enter(kernel) },
        // SAFETY: the level is available.
        Level::Avx2 | Level::Avx512Bw => unsafe { avx2_narrow::enter_bf16(kernel) },
        _ => enter(level, PlainBf16Kernel(kernel)),
    }
}

/// Runs the kernel on 8-bit integers inside a function compiled for the level, which must be available.
#[inline(always)]
pub(crate) fn enter_int8<K: NarrowKernel>(level: Level, kernel: K) -> K::Output {
    match level {
        // SAFETY: the level is available, and CPUID reports the instructions.
        Level::Avx512 if has_narrow(level)[1] => unsafe { vnni::enter(kernel) },
        // SAFETY: as above.
        Level::Avx512Bw if has_narrow(level)[1] => unsafe { vnni::enter_without_popcnt(kernel) },
        // SAFETY: the level is available.
        Level::Avx2 | Level::Avx512Bw => unsafe { avx2_narrow::enter_int8(kernel) },
        _ => enter(level, PlainInt8Kernel(kernel)),
    }
}
