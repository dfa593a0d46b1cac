//! Everything else: the portable kernels.

use super::portable::Portable;
use crate::level::Level;
use crate::simd::Kernel;

/// The only level there is.
pub(crate) const LEVELS: &[Level] = &[Level::Portable];

#[inline(always)]
pub(crate) fn detected() -> Level {
    Level::Portable
}

#[inline(always)]
pub(crate) fn level() -> Level {
    Level::Portable
}

#[inline(always)]
pub(crate) fn set_level(_: Level) {}

#[inline(always)]
pub(crate) fn enter<K: Kernel>(_: Level, kernel: K) -> K::Output {
    super::outlined(kernel, Portable {})
}
