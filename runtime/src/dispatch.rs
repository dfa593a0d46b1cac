//! Which instructions the processor has, and the one door to them.

use crate::arch;
use crate::level::Level;
use crate::loose::Loosely;
use crate::narrow::NarrowKernel;
use crate::simd::Kernel;

impl Level {
    /// Whether this program, on this processor and operating system, can run it.
    pub fn is_available(self) -> bool {
        arch::LEVELS.contains(&self) && self <= arch::detected()
    }

    /// The highest available level that does not come behind it in [`Level::ALL`], or the lowest there is.
    fn capped(self) -> Level {
        let mut capped = arch::LEVELS[0];
        for &level in arch::LEVELS {
            if level <= self && level.is_available() {
                capped = level;
            }
        }
        capped
    }
}

/// The level in use: the highest available, or what [`force_level`] chose.
#[inline]
pub fn level() -> Level {
    arch::level()
}

/// Chooses a lower level for every later call, in all threads; `None` goes back to the highest. What is not available
/// is replaced by the highest available one before it in [`Level::ALL`]. Returns the level now in use. The results are the same on each; only the time differs.
pub fn force_level(level: Option<Level>) -> Level {
    let chosen = level.map_or_else(arch::detected, Level::capped);
    arch::set_level(chosen);
    chosen
}

/// Runs the kernel on the level in use.
#[inline(always)]
pub fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    arch::enter(level(), kernel)
}

/// Runs the kernel on that level, or on what [`force_level`] would choose for it.
#[inline(always)]
pub fn dispatch_at<K: Kernel>(level: Level, kernel: K) -> K::Output {
    arch::enter(level.capped(), kernel)
}

/// Runs the kernel on the level in use; where multiply-add would be emulated in f64, it rounds twice.
#[inline(always)]
pub fn dispatch_loose<K: Kernel>(kernel: K) -> K::Output {
    dispatch(Loosely(kernel))
}

/// The same on that level, as [`dispatch_at`].
#[inline(always)]
pub fn dispatch_loose_at<K: Kernel>(level: Level, kernel: K) -> K::Output {
    dispatch_at(level, Loosely(kernel))
}

/// Runs a kernel on bf16 on the level in use.
#[inline(always)]
pub fn dispatch_bf16<K: NarrowKernel>(kernel: K) -> K::Output {
    arch::enter_bf16(level(), kernel)
}

/// Runs a kernel on 8-bit integers on the level in use.
#[inline(always)]
pub fn dispatch_int8<K: NarrowKernel>(kernel: K) -> K::Output {
    arch::enter_int8(level(), kernel)
}

/// Runs a kernel on bf16 on that level, or the highest available one below it.
#[inline(always)]
pub fn dispatch_bf16_at<K: NarrowKernel>(level: Level, kernel: K) -> K::Output {
    arch::enter_bf16(level.min(arch::detected()), kernel)
}

/// Runs a kernel on 8-bit integers on that level, or the highest available one below it.
#[inline(always)]
pub fn dispatch_int8_at<K: NarrowKernel>(level: Level, kernel: K) -> K::Output {
    arch::enter_int8(level.min(arch::detected()), kernel)
}
