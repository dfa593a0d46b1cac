//! One thin typed shell per instruction set.
//!
//! Each architecture gives the same four functions, `detected`, `level`, `set_level` and `enter`, and its `LEVELS`, from
//! the lowest.

pub(crate) mod portable;

// Bare-metal targets without SSE (`x86_64-unknown-none`) pass floats differently: they get the portable kernels.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod x86_64;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
pub(crate) use x86_64::{LEVELS, detected, enter, level, set_level};

// Not where the system does without NEON, nor where the numbering of lanes does not follow memory.
#[cfg(all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"))]
mod aarch64;
#[cfg(all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"))]
pub(crate) use aarch64::{LEVELS, detected, enter, level, set_level};

#[cfg(all(target_family = "wasm", target_feature = "simd128"))]
mod wasm;
#[cfg(all(target_family = "wasm", target_feature = "simd128"))]
pub(crate) use wasm::{LEVELS, detected, enter, level, set_level};

#[cfg(not(any(
    all(target_arch = "x86_64", target_feature = "sse2"),
    all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"),
    all(target_family = "wasm", target_feature = "simd128"),
)))]
mod other;
#[cfg(not(any(
    all(target_arch = "x86_64", target_feature = "sse2"),
    all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"),
    all(target_family = "wasm", target_feature = "simd128"),
)))]
pub(crate) use other::{LEVELS, detected, enter, level, set_level};
