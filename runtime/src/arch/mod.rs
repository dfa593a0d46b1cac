//! One thin typed shell per instruction set.
//!
//! Each architecture gives the same four functions: `detected`, `level`, `set_level` and `enter`.

pub(crate) mod portable;

// Bare-metal targets without SSE (`x86_64-unknown-none`) pass floats differently: they get the portable kernels.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod x86_64;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
pub(crate) use x86_64::{detected, enter, level, set_level};

#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
pub(crate) use portable::{detected, enter, level, set_level};
