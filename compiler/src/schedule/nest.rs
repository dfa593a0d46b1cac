//! The loops of a tiled block.

use super::cost::Cost;
use super::down::{self, Words};
use super::{
    Axis, Division, Down, Fit, LANES, Levels, PixelLanes, Thresholds, Tie, Undivided, interleaved, is_depthwise, real,
    row_tile,
};
use crate::ir::network::{BitPadding, Block, Geometry, Network, Pooled, Products, Source, Step, Storage, Tiled};
use crate::target::{Family, Target};

/// `[images][rows][columns][channels]` of a block's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Images, one after the other.
    pub images: usize,
    /// Rows of an image.
    pub rows: usize,
    /// Pixels of a row.
    pub columns: usize,
    /// Channels of a pixel.
    pub channels: usize,
}

impl Grid {
    /// Of `[n, h, w, c]`.
    pub fn new([images, rows, columns, channels]: [usize; 4]) -> Self {
        Self { images, rows, columns, channels }
    }

    /// Blocks of channels.
    pub fn blocks(&self) -> usize {
        self.channels.div_ceil(LANES)
    }
}

/// Which loop is outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// All rows of a block of channels, then the next block: its weights stay in the nearest cache.
    BlocksRows,
    /// All blocks of a row, then the next row: what is read comes from memory once.
    RowsBlocks,
}

/// Pixels of a tile, by instruction set; one where there are no vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// AVX-512, with VPOPCNTDQ and without: 32 registers of 16 lanes.
    pub avx512: usize,
    /// AVX2: 16 registers of 8 lanes.
    pub avx2: usize,
    /// NEON: 32 registers of 4 lanes.
    pub neon: usize,
    /// WebAssembly's 128 bits.
    pub simd128: usize,
}

impl Pixels {
    /// Single pixels everywhere.
    pub const ONE: Pixels = Pixels { avx512: 1, avx2: 1, neon: 1, simd128: 1 };

    /// Of each.
    pub fn all(&self) -> [usize; 4] {
        [self.avx512, self.avx2, self.neon, self.simd128]
    }
}

/// Where counters are widened, which have room for [`xnorc_runtime::ROOM`] words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Widen {
    /// All words of a window fit.
    Never,
    /// After each row of taps.
    Rows,
    /// After each tap.
    Taps,
    /// After so many words of a tap.
    Words(usize),
}

/// How the products of a binary layer are counted: xor, population count and addition, a word at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counting {
    /// 64-bit words of a tap.
    pub words: usize,
    /// Where counters are widened.
    pub widen: Widen,
}

/// The rows that a pool inside a block still needs, in a ring: row `y` lies at `y % rows`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Rows.
    pub rows: usize,
    /// Pixels of a row.
    pub columns: usize,
    /// Blocks of channels in flight at a time.
    pub together: usize,
}

impl Window {
    /// f32s of it.
    #[expect(clippy::len_without_is_empty, reason = "a window has rows")]
    pub fn len(&self) -> usize {
        self.rows * self.together * self.columns * LANES
    }
}

/// The loops of a tiled block.
#[derive(Clone, Debug, PartialEq)]
pub struct Nest {
    /// Of the source's values.
    pub grid: Grid,
    /// Behind the pool inside, if there is one.
    pub pooled: Option<Grid>,
    /// Whether there are no vectors wherever this runs.
    pub plain: bool,
    /// Which loop is outside.
    pub order: Order,
    /// Pixels of a tile.
    pub pixels: Pixels,
    /// Pixels and blocks of channels of the tiles of a real-valued convolution, whose rows the runtime computes.
    pub row_tile: Option<[usize; 2]>,
    /// Why tiles are so long.
    pub fit: Fit,
    /// Blocks of channels that are computed together.
    pub together: usize,
    /// The window's axes, vertical and horizontal, of a source that slides one.
    pub axes: Option<[Axis; 2]>,
    /// Of a binary layer.
    pub counting: Option<Counting>,
    /// Of a binary layer, on instruction sets where that is faster than [`Self::counting`].
    pub down: Option<Down>,
    /// Of a binary layer, on AVX2, if that is faster there than what is above.
    pub pixel_lanes: Option<PixelLanes>,
    /// Why a binary layer has no [`Self::down`].
    pub words: Option<Words>,
    /// Of a binary layer that ends in signs alone, where floats are dear: what its integers are compared with.
    pub thresholds: Option<Thresholds>,
    /// Of a block with a pool inside.
    pub window: Option<Window>,
    /// f32s for the sums of each row, where threads divide the rows: they are added up when all are there, so that threads can
    /// compute them in any order.
    pub row_sums: usize,
    /// What threads divide among them.
    pub division: Division,
    /// Why they divide no more than that.
    pub ties: Vec<Tie>,
    /// Rows before the pool inside that lie under two rows of its windows: whoever begins between them computes them again.
    pub again: usize,
    /// Nanoseconds that one thread of a fast machine takes.
    pub cost: usize,
}

impl Nest {
    /// Of a block; `None` where it is not a tiled one.
    pub fn of(network: &Network, block: &Block, share_from: usize, target: Option<&Target>) -> Option<Self> {
        let tiled = block.tiled()?;
        let (grid, pooled) = grids(network, tiled);
        let order = match tiled.source {
            Source::BinaryConv { .. } | Source::RealConv { .. } => Order::BlocksRows,
            Source::MaxPool { .. } | Source::AveragePool { .. } | Source::Map { .. } | Source::Planes { .. } => {
                if pooled.is_some() {
                    Order::BlocksRows
                } else {
                    Order::RowsBlocks
                }
            }
        };
        let framed = match &tiled.source {
            Source::BinaryConv { padding, .. } => *padding != BitPadding::Zero,
            _ => false,
        };
        let axes = tiled.source.geometry().map(|g| [0, 1].map(|axis| Axis::of(g, axis, framed)));
        let together = interleaved(&tiled.source);
        let down = match &tiled.source {
            Source::BinaryConv { input, geometry, .. } => match &network.tensor(*input).storage {
                Storage::Bits(layout) => Some(Down::of(geometry, layout, framed, target).and_then(|down| {
                    let keeps = tiled.pooled.as_ref().is_none_or(|p| down::keeps(&p.pool.geometry));
                    if keeps { Ok(down) } else { Err(Words::Memory) }
                })),
                Storage::Dense(_) => None,
            },
            _ => None,
        };
        let words = down.and_then(Result::err);
        let mut down = down.and_then(Result::ok);
        let pixel_lanes = match &tiled.source {
            Source::BinaryConv { input, geometry, .. }
                if tiled.pooled.as_ref().is_none_or(|p| PixelLanes::can_be_under(&p.pool.geometry)) =>
            {
                match &network.tensor(*input).storage {
                    Storage::Bits(layout) => PixelLanes::of(
                        geometry,
                        layout,
                        framed,
                        target,
                        down.map(|down| down.levels).unwrap_or_default(),
                    ),
                    Storage::Dense(_) => None,
                }
            }
            _ => None,
        };
        let plain = target.is_some_and(|target| target.family() == Family::Portable);
        let thresholds = if plain { Thresholds::of(tiled) } else { None };
        if let (Some(down), Some(_), Source::BinaryConv { geometry: g, .. }) = (&mut down, &thresholds, &tiled.source) {
            down.planes = Thresholds::planes(g.input[2] * g.kernel[0] * g.kernel[1]);
        }
        if let (Some(channels), Some(pixels)) = (&mut down, pixel_lanes) {
            channels.levels = channels.levels.without(pixels.levels);
            if channels.levels == Levels::default() {
                down = None;
            }
        }
        let window = tiled.pooled.as_ref().map(|Pooled { pool, .. }| {
            let g = &pool.geometry;
            let reach = (g.kernel[0] - 1) * g.dilations[0] + 1;
            // Where rows behind the last window are computed too, they come before it is pooled, and must not lie over its rows.
            let last = (g.output[0] - 1) * g.strides[0] + reach;
            let behind = (g.pads[0] + g.input[0]).saturating_sub(last);
            let all = tiled.steps.iter().any(|step| step.write().is_some());
            let rows = (reach + if all { behind } else { 0 }).min(g.input[0]);
            // Whoever counts down the lanes has the values of all channels at a time.
            let together = match (&down, &pixel_lanes) {
                (None, None) => together,
                (None, Some(by)) if by.ends_with_windows(g) => together,
                _ => grid.blocks(),
            };
            Window { rows, columns: g.input[1], together }
        });
        let counting = match &tiled.source {
            Source::BinaryConv { geometry, .. } => Some(counting(geometry)),
            _ => None,
        };
        let row = row_tile(&tiled.source);
        let (pixels, fit) = match &tiled.source {
            _ if plain => (Pixels::ONE, Fit::Plain),
            Source::BinaryConv { geometry, .. } if is_mixed(geometry) => (Pixels::ONE, Fit::Groups),
            Source::BinaryConv { geometry, .. } => binary_pixels(geometry),
            source @ Source::RealConv { geometry, .. } if is_pointwise(source) => pointwise_pixels(geometry),
            _ => (Pixels::ONE, row.map_or(Fit::Alone, |(_, fit)| fit)),
        };
        let cost = Cost::of(network, block).nanoseconds();
        let (division, ties) = match cost >= share_from {
            true => division(network, tiled, grid, pooled, together),
            false if share_from == usize::MAX => (Division::Whole(Undivided::Alone), Vec::new()),
            false => (Division::Whole(Undivided::Short(share_from)), Vec::new()),
        };
        // One thread comes upon the rows in order.
        let by_row = matches!(division, Division::Area { rows, .. } if rows > 1);
        let sums = |steps: &[Step], grid: Grid| {
            let count = steps.iter().filter(|step| matches!(step, Step::Sum(_))).count();
            if by_row && grid.rows > 1 { count * grid.images * grid.rows * grid.channels } else { 0 }
        };
        let behind = tiled.pooled.iter().zip(pooled).map(|(p, grid)| sums(&p.steps, grid)).sum::<usize>();
        Some(Self {
            grid,
            pooled,
            plain,
            order,
            pixels,
            row_tile: row.map(|(tile, _)| tile),
            fit,
            together,
            axes,
            counting,
            down,
            pixel_lanes,
            words,
            thresholds,
            window,
            row_sums: sums(&tiled.steps, grid) + behind,
            division,
            ties,
            again: tiled.pooled.as_ref().map_or(0, |Pooled { pool, .. }| {
                let g = &pool.geometry;
                ((g.kernel[0] - 1) * g.dilations[0] + 1).saturating_sub(g.strides[0])
            }),
            cost,
        })
    }

    /// Whether the last tile of a row starts early to be a whole one, so that some of its pixels are computed twice.
    pub fn overlaps(&self) -> bool {
        self.pixels.all().iter().any(|&pixels| !self.grid.columns.is_multiple_of(pixels))
    }

    /// Whether it has a counter for each of several pixels.
    pub fn counts_by_pixels(&self) -> bool {
        self.counting.is_some() && self.pixels != Pixels::ONE && self.down.is_none_or(|down| !down.only)
    }

    /// Whether the words of a tap stay a loop for tiles of several pixels: so many of them, unrolled, the compiler would keep
    /// more values at a time than there are registers.
    pub fn rolled_words(&self) -> bool {
        self.counts_by_pixels() && self.counting.is_some_and(|counting| counting.words >= 2)
    }

    /// Whether one thread has all of the block, without vectors: what it writes is then seen by it alone, and in order.
    pub fn is_whole(&self) -> bool {
        self.plain && matches!(self.division, Division::Whole(_))
    }

    /// Whether steps are taken four lanes at a time, which is less code and leaves parameters in registers: where there are no
    /// vectors, and all values of a row are there before its first step.
    pub fn by_quarters(&self, tiled: &Tiled) -> bool {
        let is_there = match &tiled.source {
            Source::BinaryConv { .. } => self.down.is_some(),
            Source::RealConv { products: Products::F32, geometry, .. } => {
                !is_pointwise(&tiled.source) && !is_depthwise(geometry)
            }
            Source::Map { .. } => tiled.pooled.is_none(),
            _ => false,
        };
        self.plain && self.thresholds.is_none() && is_there
    }

    /// f32s that the block needs only while it runs.
    pub fn workspace(&self) -> usize {
        self.row_sums + self.window.map_or(0, |window| window.len())
    }
}

/// The grids of a tiled block. Images of one pixel each are rows of one image, where no step asks which image it is.
fn grids(network: &Network, tiled: &Tiled) -> (Grid, Option<Grid>) {
    let grid = Grid::new(tiled.source.extents(network));
    if let Some(pooled) = &tiled.pooled {
        return (grid, Some(Grid::new(pooled.pool.geometry.extents())));
    }
    let by_image = tiled.steps.iter().any(|step| matches!(step, Step::Gate(_) | Step::Sum(_)));
    let tensors = tiled.steps.iter().filter_map(|step| step.write()).chain([tiled.source.input()]);
    let framed = tensors.into_iter().any(|id| match &network.tensor(id).storage {
        Storage::Bits(layout) => layout.frame != [0; 4],
        Storage::Dense(_) => false,
    });
    let single = grid.rows == 1
        && grid.columns == 1
        && tiled.source.geometry().is_none_or(|g| g.kernel == [1, 1] && g.input[..2] == [1, 1] && g.strides == [1, 1]);
    // Those of planes lie apart: all channels of one image, then those of the next.
    let planar = matches!(tiled.source, Source::Planes { .. } | Source::RealConv { planar: true, .. });
    if single && grid.images > 1 && !by_image && !framed && !planar {
        return (Grid { images: 1, rows: grid.images, ..grid }, None);
    }
    (grid, None)
}

/// Pixels of a tile of a binary convolution. More of them load the weights less often; but a weight that is used once can come
/// from memory with the instruction that takes it.
fn binary_pixels(g: &Geometry) -> (Pixels, Fit) {
    let width = g.output[1];
    // The counters of a pixel take two of AVX-512's registers. As many as divide the row, or as leave the fewest to be computed
    // twice; from 4 on the weights' loads no longer matter.
    let twice = |p: usize| width.next_multiple_of(p) - width;
    let (avx512, fit) = match [7, 6, 5, 4].into_iter().min_by_key(|&p| twice(p)) {
        Some(p) if width > 7 => (p, if twice(p) == 0 { Fit::Divides } else { Fit::Twice(twice(p)) }),
        _ => (width, Fit::Row),
    };
    // NEON and SIMD128 load a weight apart from using it.
    let two = width.min(2);
    (Pixels { avx512, neon: two, simd128: two, ..Pixels::ONE }, fit)
}

/// Pixels of a tile of a real-valued convolution of one tap: sums that grow side by side.
fn pointwise_pixels(g: &Geometry) -> (Pixels, Fit) {
    let (width, avx512) = (g.output[1], real(g).0);
    let few = width.min(4);
    let fit = if avx512 == width { Fit::Row } else { Fit::Rest(width % avx512) };
    (Pixels { avx512, avx2: few, neon: few, simd128: few }, fit)
}

/// Whether a real-valued convolution has one tap, which always counts, and is written out: other ones are the runtime's.
pub(crate) fn is_pointwise(source: &Source) -> bool {
    match source {
        Source::RealConv { geometry: g, planar: false, products: Products::F32, .. } => {
            g.kernel == [1, 1] && g.reach() == [0; 4] && g.groups == 1 && g.output[1] > 1 && interleaved(source) == 1
        }
        _ => false,
    }
}

/// Whether 16 neighbouring output channels can belong to several groups.
pub(crate) fn is_mixed(g: &Geometry) -> bool {
    g.groups > 1 && !(g.output[2] / g.groups).is_multiple_of(LANES)
}

fn counting(g: &Geometry) -> Counting {
    let room = xnorc_runtime::ROOM;
    let words = (g.input[2] / g.groups).div_ceil(64);
    let row = words * g.kernel[1];
    let widen = if row * g.kernel[0] <= room {
        Widen::Never
    } else if row <= room {
        Widen::Rows
    } else if words <= room {
        Widen::Taps
    } else {
        Widen::Words(room)
    };
    Counting { words, widen }
}

fn division(
    network: &Network,
    tiled: &Tiled,
    grid: Grid,
    pooled: Option<Grid>,
    together: usize,
) -> (Division, Vec<Tie>) {
    // Groups that do not begin on 16 bits of their own share words with their neighbours.
    let shared = tiled.all_steps().any(|step| match step {
        Step::Sign { bits, .. } => match &network.tensor(*bits).storage {
            Storage::Bits(layout) => {
                layout.groups > 1 && !(network.tensor(*bits).shape[3] / layout.groups).is_multiple_of(LANES)
            }
            Storage::Dense(_) => false,
        },
        _ => false,
    });
    let (mut area, mut ties) = (pooled.unwrap_or(grid), Vec::new());
    if let Some(Pooled { pool, .. }) = &tiled.pooled
        && !windows_apart(&pool.geometry)
        && tiled.steps.iter().any(|step| step.write().is_some())
    {
        // Where windows overlap, so do the rows before the pool: those under two parts would be written twice.
        area.rows = 1;
        ties.push(Tie::Rows);
    }
    let blocks = if shared { 1 } else { area.blocks() };
    if blocks < area.blocks() {
        ties.push(Tie::Blocks);
    }
    let division = match area.rows * blocks.div_ceil(together) {
        0 | 1 => Division::Whole(Undivided::Single),
        _ => Division::Area { rows: area.rows, blocks, together },
    };
    (division, ties)
}

/// Whether each row belongs to the windows of exactly one row of the output.
pub(crate) fn windows_apart(pool: &Geometry) -> bool {
    let [stride, _] = pool.strides;
    let apart = pool.pads[0] == 0 && pool.dilations[0] == 1 && pool.kernel[0] == stride;
    apart && pool.input[0] == pool.output[0] * stride
}
