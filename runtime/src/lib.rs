//! What the code that `xnorc` emits stands on: vectors of every instruction set, typed views of memory, threads, elementary
//! functions; without `std`, without allocation, without dependencies, without a panic.
//!
#![doc = include_str!("use.md")]
//! # How it is built
//!
//! The loops of a network are in the emitted file, written once over the vector trait `Simd`, whose unit is 16 neighbouring
//! channels of one pixel. `dispatch()` is the only door to the instruction sets: it looks once at the processor and calls the
//! `Kernel` inside a function compiled for the best [`Level`]. Everything on the way is `#[inline(always)]`, so a kernel is
//! compiled as one piece per level.
//!
//! Loops reach tensors a *line* at a time, 16 channels of one row (`Tensor`, `TensorMut`, `SignsMut`), and arrays of
//! parameters by an index that cannot panic (`Table`). What could be wrong about a view, its place or its shape, is in its
//! type and a `const` assertion (`Memory`, `Weights::at`). `divide` gives the rows and blocks of channels of a block to a
//! [`Team`] of threads.
//!
//! Real-valued convolutions with more than one tap (`real_conv_row`, `grouped_conv_row`) are here, a row at a time.
//!
//! # What a caller can rely on
//!
//! - The same bits come out of every level, for every tile size: the order of each sum is fixed and documented, and
//!   fused multiply-add rounds once everywhere (emulated where the processor has none, as WebAssembly, which makes
//!   real-valued layers many times slower; with the target feature `relaxed-simd` the engine's own is used, which may
//!   round twice on processors without the instruction). Only the payload and sign of a NaN are open. A network compiled with
//!   `--multiply-add loose` has given this up: its multiply-add rounds twice wherever it would be emulated in f64.
//! - No call panics and none is unsound: slices that are too short for a geometry give zeros, or nothing at all.
//!
//! # The policy for `unsafe`
//!
//! Three reasons only: calling an instruction of a level whose token proves that the processor has it; seeing memory as an array
//! of another shape, of types of which every bit pattern is a value; and reaching an element whose index was compared before, in a
//! view that nobody else has. Every block says which.

#![no_std]

mod arch;
mod dispatch;
mod generic;
mod integers;
mod lanes;
mod level;
mod loose;
#[doc(hidden)]
pub mod math;
mod narrow;
mod parts;
mod pixel_planes;
mod place;
mod quarter;
mod set_bits;
mod set_row;
mod signs;
mod simd;
mod table;
mod team;
mod tensor;
#[cfg(test)]
mod testing;
#[cfg(feature = "std")]
mod threads;
mod weights;
mod window_counts;
mod workspace;

// For whoever calls a network.
pub use dispatch::{force_level, level};
pub use integers::Integers;
pub use level::Level;
pub use team::{Alone, Team};
#[cfg(feature = "std")]
pub use threads::Pool;
pub use workspace::Workspace;
#[cfg(feature = "alloc")]
pub use workspace::boxed;

// For the tests and examples of the house. What emitted code uses is in the prelude, and is no part of what is promised: a
// compiler and a runtime of one version belong together.
#[doc(hidden)]
pub use dispatch::{dispatch_at, dispatch_bf16_at, dispatch_int8_at, dispatch_loose_at};
#[doc(hidden)]
pub use lanes::LANES;
#[doc(hidden)]
pub use narrow::{PlainBf16Kernel, PlainInt8Kernel, SMALLEST, to_bf16};
#[doc(hidden)]
pub use prelude::*;
#[doc(hidden)]
pub use simd::ROOM;

#[doc(hidden)]
pub mod scalar;
#[cfg(feature = "sources")]
mod sources;
#[cfg(feature = "sources")]
pub use sources::{BUILD_SCRIPT, SOURCES};

#[cfg(feature = "sources")]
extern crate std;
#[cfg(feature = "sources")]
#[allow(dead_code, reason = "it is a program of its own, too")]
#[path = "../build.rs"]
mod build_script;

/// How a target has multiply-add with one rounding, as the build script tells the code.
#[cfg(feature = "sources")]
#[doc(hidden)]
pub fn multiply_add(target: &str) -> Option<&'static str> {
    build_script::multiply_add(target)
}

/// Whether it is 32-bit Arm of which flags for rustc tell the build script what it has.
#[cfg(feature = "sources")]
#[doc(hidden)]
pub fn may_have_vectors(target: &str) -> bool {
    build_script::may_have_vectors(target)
}

/// What emitted files and this runtime agree upon: the version of all that is in the prelude. A file of another version does not
/// compile.
#[doc(hidden)]
pub const CONTRACT: u32 = 14;

/// What an emitted file uses, listed here and nowhere else: the compiler reads this very list for the names that it must not
/// hand out.
#[doc(hidden)]
pub mod prelude {
    pub use crate::dispatch::{dispatch, dispatch_bf16, dispatch_int8, dispatch_loose};
    pub use crate::generic::activation::{
        abs, clip, hard_sigmoid, hard_swish, leaky, map_lanes_with, neg, prelu, prelu_max, quantize, reciprocal, relu,
    };
    pub use crate::generic::dense::dense_sums;
    pub use crate::generic::grouped_conv::grouped_conv_row;
    pub use crate::generic::narrow_conv::narrow_conv_row;
    pub use crate::generic::narrow_input::{input_to_bf16, input_to_int8};
    pub use crate::generic::real_conv::real_conv_row;
    pub use crate::generic::real_shape::RealShape;
    pub use crate::generic::sign_words::{pack_lanes, pack_signs};
    pub use crate::generic::vectors::add_row_sums;
    pub use crate::narrow::{NarrowDot, NarrowKernel};
    pub use crate::pixel_planes::{Pixel, PixelPlanes, Taps, add_taps, of_four};
    pub use crate::place::{Memory, Place};
    pub use crate::quarter::quarters;
    pub use crate::set_bits::{Rows, SetBits, add_rows, rows_of_words};
    pub use crate::set_row::{Run, SetRow};
    pub use crate::signs::{SignsMut, signs_of};
    pub use crate::simd::{Kernel, Simd};
    pub use crate::table::{Table, prefetch};
    pub use crate::team::{Area, Lent, Under, batch, divide};
    pub use crate::tensor::{Planes, Tensor, TensorMut};
    pub use crate::weights::{Le, Weights};
    pub use crate::window_counts::{count_window, window_counts, window_signs};
    pub use crate::{Alone, CONTRACT, Integers, Level, Team, Workspace, math, scalar};
    pub use core::ops::Range;
}

/// Brings in the module that `xnorc::compile` wrote for a model in the build script.
///
/// `include_model!("fashion")` gives the module `fashion`.
#[macro_export]
macro_rules! include_model {
    ($name:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $name, ".rs"));
    };
}
