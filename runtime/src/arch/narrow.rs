//! Narrow numbers where there are no instructions for their products.

use super::enter;
use crate::level::Level;
use crate::narrow::{NarrowKernel, PlainBf16Kernel, PlainInt8Kernel};

/// Runs the kernel on bf16 inside a function compiled for the level, which must be available.
#[inline(always)]
pub(crate) fn enter_bf16<K: NarrowKernel>(level: Level, kernel: K) -> K::Output {
    enter(level, PlainBf16Kernel(kernel))
}

/// Runs the kernel on 8-bit integers inside a function compiled for the level, which must be available.
#[inline(always)]
pub(crate) fn enter_int8<K: NarrowKernel>(level: Level, kernel: K) -> K::Output {
    enter(level, PlainInt8Kernel(kernel))
}
