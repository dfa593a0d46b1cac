//! One thin typed shell per instruction set.
//!
//! Each architecture gives the same functions: `detected`, `level`, `set_level` and `enter`; and for narrow numbers
//! `has_narrow`, `enter_bf16` and `enter_int8`.

pub(crate) mod portable;

// Bare-metal targets without SSE (`x86_64-unknown-none`) pass floats differently: they get the portable kernels.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod x86_64;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
pub(crate) use x86_64::{detected, enter, enter_bf16, enter_int8, has_narrow, level, set_level};

#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
pub(crate) use portable::{detected, enter, enter_bf16, enter_int8, has_narrow, level, set_level};
