//! One thin typed shell per instruction set.
//!
//! Each architecture gives the same four functions, `detected`, `level`, `set_level` and `enter`, and its `LEVELS`, from
//! the lowest; and for narrow numbers `enter_bf16` and `enter_int8`, where it does not take those of the module
//! `narrow`.

// What has the instruction in every level needs neither of them.
#[cfg(not(all(target_family = "wasm", target_feature = "simd128")))]
mod portable;

// One of four ways to multiply and add with one rounding. The build script says which; without it, by doubles.
#[cfg(xnorc_fma = "fmadd")]
mod fmadd;
#[cfg(not(any(xnorc_fma = "vfma", xnorc_fma = "fmadd", xnorc_fma = "integers")))]
mod fused;
#[cfg(xnorc_fma = "fmadd")]
use fmadd as fused;
#[cfg(any(test, xnorc_fma = "integers"))]
mod integers;
#[cfg(xnorc_fma = "integers")]
use integers as fused;
#[cfg(xnorc_fma = "vfma")]
mod vfma;
#[cfg(xnorc_fma = "vfma")]
use vfma as fused;

#[cfg(xnorc_planes = "neon")]
pub(crate) mod neon32;

// Where there are no vectors.
#[allow(dead_code)]
mod plane;
#[allow(unused_imports)] // What a network does not use is left out of its crate.
pub(crate) use {fused::lanes as fused_lanes, plane::spread};

use crate::simd::{Kernel, Simd};

/// Runs a kernel that needs no target feature in a function of its own. Inlined it would be there once per call, which is
/// once per block of a network; so it is there once per kernel, as those behind a target feature are.
#[inline(never)]
pub(crate) fn outlined<K: Kernel, S: Simd>(kernel: K, s: S) -> K::Output {
    kernel.run(s)
}

// Bare-metal targets without SSE (`x86_64-unknown-none`) pass floats differently: they get the portable kernels.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod x86_64;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
pub(crate) use x86_64::{LEVELS, detected, enter, enter_bf16, enter_int8, level, set_level};

#[cfg(not(any(
    all(target_arch = "x86_64", target_feature = "sse2"),
    all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"),
)))]
mod narrow;
#[cfg(not(any(
    all(target_arch = "x86_64", target_feature = "sse2"),
    all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"),
)))]
pub(crate) use narrow::{enter_bf16, enter_int8};

// Not where the system does without NEON, nor where the numbering of lanes does not follow memory.
#[cfg(all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"))]
mod aarch64;
#[cfg(all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"))]
pub(crate) use aarch64::{LEVELS, detected, enter, enter_bf16, enter_int8, level, set_level};

#[cfg(all(target_family = "wasm", target_feature = "simd128"))]
mod wasm;

// Where pixels are lanes of vectors.
#[cfg(any(
    all(target_arch = "x86_64", target_feature = "sse2"),
    all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"),
    all(target_family = "wasm", target_feature = "simd128"),
))]
mod turned;

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
