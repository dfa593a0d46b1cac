//! x86-64: what the processor has, and the functions compiled for it.

mod avx2;
mod avx2_narrow;
mod avx2_pixels;
mod avx512;
mod bf16;
mod cpuid;
mod narrow;
pub(super) mod sse2;
mod vnni;

use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
use core::sync::atomic::{AtomicU8, Ordering};

use super::portable::{Portable, Scalar};
use crate::level::Level;
use crate::parts::Count;
use crate::simd::Kernel;
pub(crate) use narrow::{enter_bf16, enter_int8};

/// What there are kernels for.
pub(crate) const LEVELS: &[Level] = &[Level::Portable, Level::Popcnt, Level::Avx2, Level::Avx512Bw, Level::Avx512];

/// The level in use, as a number; 0 while nobody has asked.
static LEVEL: AtomicU8 = AtomicU8::new(0);

/// What the processor can do.
pub(crate) fn detected() -> Level {
    cpuid::Registers::read().level()
}

/// The level in use.
#[inline]
pub(crate) fn level() -> Level {
    // Relaxed is enough: nothing else depends on the value, and every thread that races here finds the same one.
    match LEVEL.load(Ordering::Relaxed) {
        1 => Level::Portable,
        2 => Level::Popcnt,
        3 => Level::Avx2,
        4 => Level::Avx512Bw,
        5 => Level::Avx512,
        _ => first_level(),
    }
}

#[cold]
fn first_level() -> Level {
    let level = detected();
    LEVEL.store(level as u8, Ordering::Relaxed);
    level
}

/// Changes the level in use. Only [`crate::force_level`] calls it, with a level that is available.
pub(crate) fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// Runs the kernel inside a function compiled for the level, which must be available: every caller takes it from
/// [`level`] or caps it by [`detected`].
#[inline(always)]
pub(crate) fn enter<K: Kernel>(level: Level, kernel: K) -> K::Output {
    match level {
        // The levels of other architectures are never in use.
        Level::Portable | Level::Neon | Level::Simd128 => super::outlined(kernel, Portable {}),
        // SAFETY: the level is available, so the processor has POPCNT.
        Level::Popcnt => unsafe { popcnt(kernel) },
        // SAFETY: the level is available, so processor and system have all that the function is compiled for.
        Level::Avx2 => unsafe { avx2::enter(kernel) },
        // SAFETY: as above.
        Level::Avx512Bw => unsafe { avx512::enter_without_popcnt(kernel) },
        // SAFETY: as above.
        Level::Avx512 => unsafe { avx512::enter(kernel) },
    }
}

/// # Safety
/// The processor must have POPCNT.
#[target_feature(enable = "popcnt")]
unsafe fn popcnt<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Scalar::<true> {})
}

/// Asks for the cache lines of an array.
#[inline(always)]
fn prefetch<T>(x: &[T; 16]) {
    for line in 0..size_of_val(x).ceil_over(64) {
        // SAFETY: a hint, which may be given for any address, by an instruction that every x86-64 has.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(x.as_ptr().cast::<i8>().wrapping_add(64 * line)) }
    }
}
