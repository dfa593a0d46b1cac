//! The instruction sets, by name.

/// The instruction sets there are kernels for. Those of one architecture are in order: each includes those before it.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Plain Rust: any processor.
    Portable = 1,
    /// x86-64 with POPCNT.
    Popcnt,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ and VL, which is x86-64-v4: Skylake's servers and what came of them.
    Avx512Bw,
    /// The same with VPOPCNTDQ, a population count of vectors: Ice Lake, Zen 4 and later.
    Avx512,
    /// AArch64 with NEON, which all but bare-metal programs without floating point have.
    Neon,
    /// WebAssembly compiled with SIMD128: a module that uses it is refused by engines that lack it, so there is nothing to
    /// choose when it runs, and no other level beside it.
    Simd128,
}

impl Level {
    /// Those of every architecture; those of one are in order, from the lowest to the highest.
    pub const ALL: [Level; 7] =
        [Level::Portable, Level::Popcnt, Level::Avx2, Level::Avx512Bw, Level::Avx512, Level::Neon, Level::Simd128];

    /// As a user would write it.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Portable => "portable",
            Level::Popcnt => "popcnt",
            Level::Avx2 => "avx2",
            Level::Avx512Bw => "avx512bw",
            Level::Avx512 => "avx512",
            Level::Neon => "neon",
            Level::Simd128 => "simd128",
        }
    }

    /// The level of that [`name`](Level::name).
    pub fn from_name(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.name() == name)
    }
}
