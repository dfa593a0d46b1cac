//! WebAssembly with SIMD128: an engine that lacks it refuses the whole module, so there is nothing to detect.

mod simd128;

use crate::level::Level;
use crate::simd::Kernel;
use simd128::Simd128;

/// The only level: a second one would only make the module larger. Without the feature, the module has the portable one.
pub(crate) const LEVELS: &[Level] = &[Level::Simd128];

#[inline(always)]
pub(crate) fn detected() -> Level {
    Level::Simd128
}

#[inline(always)]
pub(crate) fn level() -> Level {
    Level::Simd128
}

#[inline(always)]
pub(crate) fn set_level(_: Level) {}

#[inline(always)]
pub(crate) fn enter<K: Kernel>(_: Level, kernel: K) -> K::Output {
    super::outlined(kernel, Simd128::new())
}
