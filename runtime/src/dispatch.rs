//! Which instructions the processor has, and the one door to them.

use crate::arch;
use crate::simd::Simd;

/// The instruction sets there are kernels for, each including those before it.
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
}

impl Level {
    /// From the lowest to the highest.
    pub const ALL: [Level; 4] = [Level::Portable, Level::Popcnt, Level::Avx2, Level::Avx512];

    /// As a user would write it.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Popcnt => "popcnt",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }

    /// The level of that [`name`](Level::name).
    pub fn from_name(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.name() == name)
    }

    /// Whether this processor, and its operating system, can run it.
    pub fn is_available(self) -> bool {
        self <= arch::detected()
    }
}

/// The level in use: the highest available, or what [`force_level`] chose.
#[inline]
pub fn level() -> Level {
    arch::level()
}

/// Chooses a lower level for every later call, in all threads; `None` goes back to the highest. What is not available
/// is capped. Returns the level now in use. The results are the same on each; only the time differs.
pub fn force_level(level: Option<Level>) -> Level {
    let available = arch::detected();
    let chosen = level.map_or(available, |level| level.min(available));
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

/// Runs the kernel on that level, or the highest available one below it.
#[inline(always)]
pub fn dispatch_at<K: Kernel>(level: Level, kernel: K) -> K::Output {
    arch::enter(level.min(arch::detected()), kernel)
}
