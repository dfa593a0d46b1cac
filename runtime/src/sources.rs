//! The source of this crate as text, for the compiler to put into crates that depend on nothing.
//!
//! A test of the workspace checks that no file is missing.

/// Path below `src/`, and text.
#[doc(hidden)]
pub const SOURCES: &[(&str, &str)] = &[
    ("arch/aarch64/mod.rs", include_str!("arch/aarch64/mod.rs")),
    ("arch/aarch64/neon.rs", include_str!("arch/aarch64/neon.rs")),
    ("arch/fmadd.rs", include_str!("arch/fmadd.rs")),
    ("arch/fused.rs", include_str!("arch/fused.rs")),
    ("arch/integers.rs", include_str!("arch/integers.rs")),
    ("arch/mod.rs", include_str!("arch/mod.rs")),
    ("arch/narrow.rs", include_str!("arch/narrow.rs")),
    ("arch/other.rs", include_str!("arch/other.rs")),
    ("arch/plane.rs", include_str!("arch/plane.rs")),
    ("arch/portable.rs", include_str!("arch/portable.rs")),
    ("arch/vfma.rs", include_str!("arch/vfma.rs")),
    ("arch/wasm/mod.rs", include_str!("arch/wasm/mod.rs")),
    ("arch/wasm/simd128.rs", include_str!("arch/wasm/simd128.rs")),
    ("arch/x86_64/avx2.rs", include_str!("arch/x86_64/avx2.rs")),
    ("arch/x86_64/avx2_narrow.rs", include_str!("arch/x86_64/avx2_narrow.rs")),
    ("arch/x86_64/avx512.rs", include_str!("arch/x86_64/avx512.rs")),
    ("arch/x86_64/bf16.rs", include_str!("arch/x86_64/bf16.rs")),
    ("arch/x86_64/cpuid.rs", include_str!("arch/x86_64/cpuid.rs")),
    ("arch/x86_64/mod.rs", include_str!("arch/x86_64/mod.rs")),
    ("arch/x86_64/narrow.rs", include_str!("arch/x86_64/narrow.rs")),
    ("arch/x86_64/sse2.rs", include_str!("arch/x86_64/sse2.rs")),
    ("arch/x86_64/vnni.rs", include_str!("arch/x86_64/vnni.rs")),
    ("dispatch.rs", include_str!("dispatch.rs")),
    ("generic/activation.rs", include_str!("generic/activation.rs")),
    ("generic/mod.rs", include_str!("generic/mod.rs")),
    ("generic/narrow_conv.rs", include_str!("generic/narrow_conv.rs")),
    ("generic/narrow_input.rs", include_str!("generic/narrow_input.rs")),
    ("generic/real_conv.rs", include_str!("generic/real_conv.rs")),
    ("generic/real_shape.rs", include_str!("generic/real_shape.rs")),
    ("generic/sign_words.rs", include_str!("generic/sign_words.rs")),
    ("generic/vectors.rs", include_str!("generic/vectors.rs")),
    ("generic/window.rs", include_str!("generic/window.rs")),
    ("integers.rs", include_str!("integers.rs")),
    ("lanes.rs", include_str!("lanes.rs")),
    ("level.rs", include_str!("level.rs")),
    ("lib.rs", include_str!("lib.rs")),
    ("loose.rs", include_str!("loose.rs")),
    ("math/exponential.rs", include_str!("math/exponential.rs")),
    ("math/mod.rs", include_str!("math/mod.rs")),
    ("narrow.rs", include_str!("narrow.rs")),
    ("parts.rs", include_str!("parts.rs")),
    ("place.rs", include_str!("place.rs")),
    ("scalar.rs", include_str!("scalar.rs")),
    ("set_bits.rs", include_str!("set_bits.rs")),
    ("signs.rs", include_str!("signs.rs")),
    ("simd.rs", include_str!("simd.rs")),
    ("table.rs", include_str!("table.rs")),
    ("team.rs", include_str!("team.rs")),
    ("tensor.rs", include_str!("tensor.rs")),
    ("threads.rs", include_str!("threads.rs")),
    ("weights.rs", include_str!("weights.rs")),
    ("workspace.rs", include_str!("workspace.rs")),
];

/// The crate's build script, which a crate that carries its source needs as well.
#[doc(hidden)]
pub const BUILD_SCRIPT: &str = include_str!("../build.rs");
