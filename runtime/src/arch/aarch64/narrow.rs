//! Narrow numbers: dot products of bytes where the processor has instructions for them.

use core::sync::atomic::{AtomicU8, Ordering};

use super::{dotprod, enter};
use crate::level::Level;
use crate::narrow::{NarrowKernel, PlainBf16Kernel, PlainInt8Kernel};

/// Whether the processor has dot products of bytes: 0 while nobody has asked, 1 if not, 2 if so.
static DOT: AtomicU8 = AtomicU8::new(0);

/// Whether the level has dot products of bytes.
#[inline]
fn has_dot(level: Level) -> bool {
    if cfg!(target_feature = "dotprod") {
        return level == Level::Neon;
    }
    let dot = match DOT.load(Ordering::Relaxed) {
        0 => first_dot(),
        dot => dot,
    };
    level == Level::Neon && dot == 2
}

#[cold]
fn first_dot() -> u8 {
    // Only the system says it, and only the standard library asks the system.
    #[cfg(feature = "std")]
    let found = std::arch::is_aarch64_feature_detected!("dotprod");
    #[cfg(not(feature = "std"))]
    let found = false;
    let dot = if found { 2 } else { 1 };
    DOT.store(dot, Ordering::Relaxed);
    dot
}

/// Runs the kernel on bf16 inside a function compiled for the level, which must be available.
#[inline(always)]
pub(crate) fn enter_bf16<K: NarrowKernel>(level: Level, kernel: K) -> K::Output {
    enter(level, PlainBf16Kernel(kernel))
}

/// Runs the kernel on 8-bit integers inside a function compiled for the level, which must be available.
#[inline(always)]
pub(crate) fn enter_int8<K: NarrowKernel>(level: Level, kernel: K) -> K::Output {
    if has_dot(level) {
        // SAFETY: the processor has the instructions.
        unsafe { dotprod::enter(kernel) }
    } else {
        enter(level, PlainInt8Kernel(kernel))
    }
}
