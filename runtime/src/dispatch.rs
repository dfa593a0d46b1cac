//! Which instructions the processor has, and the one door to them.

use crate::arch;
use crate::simd::Simd;

/// The instruction sets there are kernels for. Those of one architecture are in order: each includes those before it.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Plain Rust: any processor.
    Portable = 1,
    /// x86-64 with POPCNT.
    Popcnt,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ, VL and VPOPCNTDQ.
    Avx512,
    /// AArch64 with NEON, which all but bare-metal programs without floating point have.
    Neon,
    /// WebAssembly compiled with SIMD128: a module that uses it is refused by engines that lack it, so there is nothing to
    /// choose when it runs, and no other level beside it.
    Simd128,
}

impl Level {
    /// Those of every architecture; those of one are in order, from the lowest to the highest.
    pub const ALL: [Level; 6] =
        [Level::Portable, Level::Popcnt, Level::Avx2, Level::Avx512, Level::Neon, Level::Simd128];

    /// As a user would write it.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Popcnt => "popcnt",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
            Level::Neon => "neon",
            Level::Simd128 => "simd128",
        }
    }

    /// The level of that [`name`](Level::name).
    pub fn from_name(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.name() == name)
    }

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

/// Code that wants to be compiled once per level.
pub trait Kernel {
    /// What it returns.
    type Output;
    /// The code. Mark it, and all it calls, `#[inline(always)]`: only what is inlined is compiled for the level.
    fn run<S: Simd>(self, s: S) -> Self::Output;
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
