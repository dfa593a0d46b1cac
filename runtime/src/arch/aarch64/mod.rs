//! AArch64: NEON is part of every target this is compiled for, so there is nothing to detect.

mod dotprod;
mod narrow;
mod neon;
mod neon_planes;

use core::sync::atomic::{AtomicU8, Ordering};

use super::portable::Portable;
use crate::level::Level;
use crate::simd::Kernel;
pub(crate) use narrow::{enter_bf16, enter_int8};
use neon::Neon;

/// What there are kernels for.
pub(crate) const LEVELS: &[Level] = &[Level::Portable, Level::Neon];

/// The level in use, as a number.
static LEVEL: AtomicU8 = AtomicU8::new(Level::Neon as u8);

/// What the processor can do.
#[inline(always)]
pub(crate) fn detected() -> Level {
    Level::Neon
}

/// The level in use.
#[inline]
pub(crate) fn level() -> Level {
    // Relaxed is enough: nothing else depends on the value.
    if LEVEL.load(Ordering::Relaxed) == Level::Portable as u8 { Level::Portable } else { Level::Neon }
}

/// Changes the level in use. Only [`crate::force_level`] calls it, with a level that is available.
pub(crate) fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// Runs the kernel on that level.
#[inline(always)]
pub(crate) fn enter<K: Kernel>(level: Level, kernel: K) -> K::Output {
    if level == Level::Neon { super::outlined(kernel, Neon::new()) } else { super::outlined(kernel, Portable {}) }
}
