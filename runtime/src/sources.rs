//! The source of this crate as text, for the compiler to put into crates that depend on nothing.
//!
//! A test of the workspace checks that no file is missing.

/// Path below `src/`, and text.
pub const SOURCES: &[(&str, &str)] = &[
    ("arch/mod.rs", include_str!("arch/mod.rs")),
    ("arch/portable.rs", include_str!("arch/portable.rs")),
    ("arch/x86_64/avx2.rs", include_str!("arch/x86_64/avx2.rs")),
    ("arch/x86_64/avx512.rs", include_str!("arch/x86_64/avx512.rs")),
    ("arch/x86_64/cpuid.rs", include_str!("arch/x86_64/cpuid.rs")),
    ("arch/x86_64/mod.rs", include_str!("arch/x86_64/mod.rs")),
    ("bits.rs", include_str!("bits.rs")),
    ("dispatch.rs", include_str!("dispatch.rs")),
    ("generic/activation.rs", include_str!("generic/activation.rs")),
    ("generic/binary_conv.rs", include_str!("generic/binary_conv.rs")),
    ("generic/binary_dot.rs", include_str!("generic/binary_dot.rs")),
    ("generic/binary_shape.rs", include_str!("generic/binary_shape.rs")),
    ("generic/bit_pool.rs", include_str!("generic/bit_pool.rs")),
    ("generic/copy.rs", include_str!("generic/copy.rs")),
    ("generic/depthwise.rs", include_str!("generic/depthwise.rs")),
    ("generic/gate.rs", include_str!("generic/gate.rs")),
    ("generic/map.rs", include_str!("generic/map.rs")),
    ("generic/matmul.rs", include_str!("generic/matmul.rs")),
    ("generic/mod.rs", include_str!("generic/mod.rs")),
    ("generic/pool.rs", include_str!("generic/pool.rs")),
    ("generic/pooled.rs", include_str!("generic/pooled.rs")),
    ("generic/real_conv.rs", include_str!("generic/real_conv.rs")),
    ("generic/reduce.rs", include_str!("generic/reduce.rs")),
    ("generic/regions.rs", include_str!("generic/regions.rs")),
    ("generic/tile.rs", include_str!("generic/tile.rs")),
    ("generic/window.rs", include_str!("generic/window.rs")),
    ("lib.rs", include_str!("lib.rs")),
    ("math.rs", include_str!("math.rs")),
    ("scalar.rs", include_str!("scalar.rs")),
    ("simd.rs", include_str!("simd.rs")),
    ("weights.rs", include_str!("weights.rs")),
];
