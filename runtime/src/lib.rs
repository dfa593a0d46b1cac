//! The kernels under the code that `xnorc` emits: binary and real-valued layers over packed sign bits and dense
//! floats, without `std`, without allocation, without dependencies, without a panic.
//!
//! # How it is built
//!
//! Every algorithm is written once ([`binary_conv`], [`real_conv`], ...) over the vector trait [`Simd`], whose unit
//! is a *tile*: the values of 16 neighbouring channels of one pixel. [`dispatch`] is the only door to the
//! instruction sets: it looks once at the processor and calls the [`Kernel`] inside a function compiled for the best
//! [`Level`]. Everything on the way is `#[inline(always)]`, so a kernel is compiled as one piece per level, with the
//! geometry (constants of the caller) folded in.
//!
//! What happens to a tile after it was computed is an [`Epilogue`]: scale, gate, activation, skip, store, sign bits
//! of the next layer, sums of the next gate, all while the tile is in registers.
//!
//! # What a caller can rely on
//!
//! - The same bits come out of every level, for every tile size: the order of each sum is fixed and documented, and
//!   fused multiply-add rounds once everywhere (emulated where the processor has none, as WebAssembly, which makes
//!   real-valued layers many times slower; with the target feature `relaxed-simd` the engine's own is used, which may
//!   round twice on processors without the instruction). Only the payload and sign of a NaN are open.
//! - No call panics and none is unsound: slices that are too short for a geometry give zeros, or nothing at all.
//!
//! # The policy for `unsafe`
//!
//! Two reasons only: calling an instruction of a level whose token proves that the processor has it, and dropping a
//! bounds check in an inner loop whose whole range was checked before it. Every block says which.

#![no_std]

mod arch;
mod bits;
mod dispatch;
mod generic;
mod level;
pub mod math;
mod narrow;
mod parts;
mod simd;
mod team;
#[cfg(feature = "std")]
mod threads;
mod weights;

pub use bits::{BitShape, BitsMut};
pub use dispatch::{
    dispatch, dispatch_at, dispatch_bf16, dispatch_bf16_at, dispatch_int8, dispatch_int8_at, force_level, level,
};
pub use generic::activation::{
    abs, clip, hard_sigmoid, hard_swish, leaky, map_lanes, map_lanes_with, neg, prelu, reciprocal, relu,
};
pub use generic::binary_conv::{binary_conv, binary_conv_with};
pub use generic::binary_shape::{BinaryShape, Taps};
pub use generic::bit_pool::bit_max_pool;
pub use generic::copy::{broadcast, choose, copy_strided, fill};
pub use generic::depthwise::depthwise_conv;
pub use generic::gate::{GateShape, gate, gate_with};
pub use generic::map::{map, pixels, planes};
pub use generic::matmul::{matmul, matmul_with};
pub use generic::narrow_conv::narrow_conv;
pub use generic::narrow_input::{input_to_bf16, input_to_int8};
pub use generic::pool::{PoolShape, average_pool, max_pool};
pub use generic::pooled::PoolRows;
pub use generic::real_conv::{planar_conv, real_conv};
pub use generic::real_shape::RealShape;
pub use generic::reduce::{Reduction, argmax, reduce, softmax};
pub use generic::regions::regions;
pub use generic::tile::{
    At, Epilogue, PerChannel, PerImage, RowSum, add_rows, load_channels, load_tile, load_vector, store_tile,
};
pub use level::Level;
pub use narrow::{NarrowDot, NarrowKernel, PlainBf16Kernel, PlainInt8Kernel, SMALLEST, to_bf16};
pub use simd::{Kernel, Simd};
pub use team::{Alone, Team, Work, batch, cut, cut_mut, cut_rows, share};
#[cfg(feature = "std")]
pub use threads::Pool;
pub use weights::{Le, Weights};

pub mod scalar;
#[cfg(feature = "sources")]
mod sources;
#[cfg(feature = "sources")]
pub use sources::SOURCES;

/// What an emitted file uses.
pub mod prelude {
    pub use crate::{
        Alone, At, BinaryShape, BitShape, BitsMut, Epilogue, Kernel, Le, Level, NarrowDot, NarrowKernel, PerChannel,
        PerImage, PoolRows, PoolShape, RealShape, Reduction, RowSum, Simd, Taps, Team, Weights, Work, abs, add_rows,
        argmax, average_pool, batch, binary_conv, bit_max_pool, broadcast, choose, clip, copy_strided, cut, cut_mut,
        cut_rows, depthwise_conv, dispatch, dispatch_bf16, dispatch_int8, fill, gate, hard_sigmoid, hard_swish,
        input_to_bf16, input_to_int8, leaky, load_channels, load_tile, load_vector, map, map_lanes_with, math, matmul,
        max_pool, narrow_conv, neg, pixels, planar_conv, planes, prelu, real_conv, reciprocal, reduce, regions, relu,
        scalar, share, softmax, store_tile,
    };
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
