//! Counting down the lanes: which binary layers do, and on which instruction sets.
//!
//! Instead of comparing words of 64 input channels and counting the bits that differ, output channels are the lanes: for each
//! set bit of the input a row of weights, a bit for each output channel, is added to planes of sums (see the runtime's
//! `set_bits.rs`, which has the equation). A row costs about five logical operations for as many products as a plane has
//! bits. That is less than a population count wherever this takes several instructions, and where planes are long.

use crate::ir::network::{BitLayout, Geometry};
use crate::target::{Family, Target};

/// How the sums of output channels are counted down the lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Down {
    /// Where.
    pub levels: Levels,
    /// Whether that is wherever the code will run.
    pub only: bool,
    /// Planes of a sum: its bits.
    pub planes: usize,
    /// Rows of the input whose set bits are listed at a time: row `y` lies at `y % rows`.
    pub rows: usize,
    /// Pixels of such a row, its frame included.
    pub columns: usize,
    /// Eights of channels of a pixel.
    pub eights: usize,
}

/// The instruction sets that count down the lanes, with output channels or with pixels as lanes. Not AVX-512 with VPOPCNTDQ, and NEON with
/// pixels only, as these have a population count of vectors: with one, words are as fast or faster than rows
/// of weights (3x3, 512 -> 512 channels on an AVX-512 of full width: 3.2 against 1.9 * 10^12 products a second).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// AVX2, and AVX-512 without VPOPCNTDQ: planes of 256 bits.
    pub avx2: bool,
    /// AArch64's vectors: of 128.
    pub neon: bool,
    /// WebAssembly's vectors: of 128.
    pub simd128: bool,
    /// The vectors of every x86-64, beside a population count of words: of 128.
    pub popcnt: bool,
    /// Plain code: planes of a register's bits, or of the 128 that every x86-64 has without being asked.
    pub portable: bool,
}

/// The most memory that lists and counts may take: they lie on the stack.
const MOST: usize = 64 << 10;

impl Down {
    /// Of a binary layer; an error where words are counted on every instruction set.
    ///
    /// # Errors
    /// Why they are.
    pub fn of(g: &Geometry, layout: &BitLayout, framed: bool, target: Option<&Target>) -> Result<Self, Words> {
        // Frames of ones would be counted where taps outside the picture are left out.
        if g.groups == 1 && !framed && layout.frame_ones {
            return Err(Words::Frame);
        }
        Self::over(g, g.input[1] + layout.frame[1] + layout.frame[3], target)
    }

    /// Of a binary layer whose windows lie over rows of so many pixels, what is outside the picture among them.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn over(g: &Geometry, columns: usize, target: Option<&Target>) -> Result<Self, Words> {
        let (channels, outputs) = (g.input[2], g.output[2]);
        let signs = channels * g.kernel[0] * g.kernel[1];
        // What the dot products start from has 16 bits, and the numbers of rows too.
        let levels = Levels::of(g, target);
        if g.groups != 1 {
            return Err(Words::Groups);
        } else if signs > i16::MAX as usize {
            return Err(Words::Long);
        } else if !outputs.is_multiple_of(32) || levels == Levels::default() {
            let is_small = target.is_some_and(|target| target.family() == Family::Portable);
            return Err(if is_small { Words::Outputs(target.map_or(32, Target::register)) } else { Words::Faster });
        }
        let only = target.is_some_and(|target| target.family() == Family::Portable);
        let planes = (usize::BITS - signs.leading_zeros()).max(5) as usize;
        let down = Self {
            levels,
            only,
            // Layers of nearly as many share the function that counts.
            planes: if only { planes.next_multiple_of(2) } else { planes },
            rows: (g.kernel[0] - 1) * g.dilations[0] + 1,
            columns,
            eights: channels.div_ceil(8),
        };
        let list = if only { 2 * channels + 2 } else { 16 * down.eights + 16 };
        let counts = g.output[1] * (2 * outputs + 8);
        if down.rows * down.columns * list + counts <= MOST { Ok(down) } else { Err(Words::Memory) }
    }

    /// What the numbers of weights are times in lists of set bits where the lanes are counted down wherever this runs: the bytes of a row
    /// of weights, if 16 bits are enough for that.
    pub fn step(&self, g: &Geometry) -> usize {
        let bytes = g.output[2].div_ceil(8);
        if bytes * self.columns * g.input[2] <= 1 << 16 { bytes } else { 1 }
    }

    /// Runs of set bits that a window has of a row of pixels, and columns of taps of each: those over neighbours are one run, others are
    /// runs of one column each.
    pub fn taps(g: &Geometry) -> [usize; 2] {
        let together = if g.dilations[1] == 1 { g.kernel[1] } else { 1 };
        [g.kernel[1] / together, together]
    }
}

/// Why a binary layer does not count down the lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// Its channels are in groups.
    Groups,
    /// Its input has a frame of +1 that its taps leave out.
    Frame,
    /// A sum has more terms than 16 bits count.
    Long,
    /// Output channels are no multiple of those in a word.
    Outputs(usize),
    /// Words are as fast or faster on all instruction sets.
    Faster,
    /// The lists, or the rows under a pool, would take too much memory.
    Memory,
}

impl std::fmt::Display for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Words::Groups => f.write_str("its channels are in groups"),
            Words::Frame => f.write_str("its input has a frame of +1 that its taps leave out"),
            Words::Long => f.write_str("a sum has more than 32 767 terms"),
            Words::Outputs(bits) => write!(f, "output channels are no multiple of {bits}"),
            Words::Faster => f.write_str("as fast or faster than rows of weights"),
            Words::Memory => f.write_str("lists of set bits would take too much memory"),
        }
    }
}

/// Whether the rows under the window of a pool inside the block can be kept for all channels, as they are counted together.
pub(super) fn keeps(pool: &Geometry) -> bool {
    let rows = (pool.kernel[0] - 1) * pool.dilations[0] + 1;
    4 * rows * pool.input[1] * pool.input[2] <= MOST
}

impl std::fmt::Display for Levels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = [
            ("avx512bw/avx2", self.avx2),
            ("neon", self.neon),
            ("simd128", self.simd128),
            ("popcnt", self.popcnt),
            ("portable", self.portable),
        ];
        let names: Vec<&str> = all.into_iter().filter(|(_, used)| *used).map(|(name, _)| name).collect();
        f.write_str(&names.join(", "))
    }
}

impl Levels {
    /// Those that are not among the others.
    pub fn without(self, others: Self) -> Self {
        Self {
            avx2: self.avx2 && !others.avx2,
            neon: self.neon && !others.neon,
            simd128: self.simd128 && !others.simd128,
            popcnt: self.popcnt && !others.popcnt,
            portable: self.portable && !others.portable,
        }
    }

    fn of(g: &Geometry, target: Option<&Target>) -> Self {
        let outputs = g.output[2];
        // What a list of set bits costs is that of about half a plane, and it is used for each of the windows over its pixel, and
        // for each plane of output channels.
        let windows = (g.kernel[0] * g.kernel[1]).div_ceil(g.strides[0] * g.strides[1]);
        let pays = |bits: usize, uses: usize| outputs.is_multiple_of(bits) && windows * (outputs / bits) >= uses;
        let vectors = Self {
            // With the fastest of adders lists weigh most.
            avx2: pays(256, 4),
            neon: false,
            simd128: pays(128, 2),
            popcnt: pays(128, 2),
            // Every x86-64 has vectors of 128 bits.
            portable: pays(128, 2),
        };
        // Without a target, code is for everything that has an operating system, with the instruction sets of all of them.
        let Some(target) = target else { return vectors };
        match target.family() {
            Family::X86_64 => Self { simd128: false, ..vectors },
            Family::Wasm => Self { simd128: vectors.simd128, ..Self::default() },
            Family::Aarch64 => Self::default(),
            Family::Portable => Self { portable: outputs.is_multiple_of(target.register()), ..Self::default() },
        }
    }
}
