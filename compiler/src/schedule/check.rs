//! What holds of a schedule, stated in code. Runs in every build, before anything is planned or emitted.

use xnorc_runtime::ROOM;

use super::{
    Axis, Counting, Division, Down, Grid, Levels, Nest, Order, PixelLanes, Schedule, Thresholds, Widen, windows_apart,
};
use crate::check::Faults;
use crate::diagnostics::Diagnostics;
use crate::ir::network::{BitPadding, Block, Geometry, Network, Pooled, Source, Step, Storage, Tiled};

/// Checks a schedule of a network that holds what [`crate::check::network()`] says.
///
/// 1. There is a nest for each tiled block, and for no other; its grids are the extents of what the source gives and of what
///    the pool leaves. Images are one only where no step asks which one it is.
/// 2. The axes of a window are those of its geometry, and padding counts where it is a sign.
/// 3. Between two widenings the counters of a binary layer take no more words than they have room for.
/// 4. Tiles are no longer than the row, and what lies under the last one ends inside the framed row.
/// 5. Blocks that are computed together are a part of all blocks, in the loops, under the window and among threads.
/// 6. What threads divide is the whole grid, or one side of it.
/// 7. A pool's window holds the rows that it reaches over, of one block (or of those that are computed together) at a time; of
///    all, where they are counted down the lanes, or where pixels are lanes and a window has rows of two strips.
/// 8. What is counted down the lanes has a plane for each bit of its sums, and whole planes of output channels.
/// 9. Where pixels are lanes, a strip of them has a lane each, every tap's place is inside the planes and has the bits of no other, and
///    no other way is meant for the same instruction set.
/// 10. The sums of rows that threads compute in any order have the memory that their steps write.
///
/// # Errors
/// All that does not hold, each a fault of xnorc.
pub fn run(network: &Network, schedule: &Schedule) -> Result<(), Diagnostics> {
    let mut faults = Faults::new("in scheduling");
    if schedule.nests.len() != network.blocks.len() {
        faults.add(None, format!("{} blocks, and loops for {}", network.blocks.len(), schedule.nests.len()));
        return faults.result();
    }
    for (block, nest) in network.blocks.iter().zip(&schedule.nests) {
        let mut found = Vec::new();
        match (block.tiled(), nest) {
            (Some(tiled), Some(nest)) => Rules { network, tiled, nest, found: &mut found }.all(),
            (None, None) => {}
            (tiled, _) => found.push(if tiled.is_some() { "it has no loops" } else { "it has loops" }.to_owned()),
        }
        for what in found {
            faults.add(place(block), what);
        }
    }
    faults.result()
}

fn place(block: &Block) -> String {
    format!("block \"{}\"", block.name)
}

/// Looks at one block.
struct Rules<'a> {
    network: &'a Network,
    tiled: &'a Tiled,
    nest: &'a Nest,
    found: &'a mut Vec<String>,
}

impl Rules<'_> {
    fn must(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.found.push(what());
        }
    }

    fn all(&mut self) {
        self.grids();
        self.taps();
        self.counting();
        self.down();
        self.pixel_lanes();
        self.tiles();
        self.together();
        self.division();
        self.window();
        self.sums();
    }

    fn grids(&mut self) {
        let Nest { grid, pooled, .. } = *self.nest;
        let whole = Grid::new(self.tiled.source.extents(self.network));
        let by_image = self.tiled.all_steps().any(|step| matches!(step, Step::Gate(_) | Step::Sum(_)));
        let rows_of_one = Grid { images: 1, rows: whole.images * whole.rows, ..whole };
        let one = !by_image && whole.rows == 1 && whole.columns == 1 && grid == rows_of_one;
        self.must(grid == whole || one, || format!("loops over {grid:?}, of {whole:?}"));
        let wanted = self.tiled.pooled.as_ref().map(|Pooled { pool, .. }| Grid::new(pool.geometry.extents()));
        self.must(pooled == wanted, || format!("loops over {pooled:?} behind the pool, of {wanted:?}"));
    }

    fn taps(&mut self) {
        let g = self.tiled.source.geometry();
        self.must(self.nest.axes.is_some() == g.is_some(), || "a window without axes, or axes without one".to_owned());
        let counts = match self.tiled.source {
            Source::BinaryConv { padding, .. } => padding != BitPadding::Zero,
            _ => false,
        };
        for (i, axis) in self.nest.axes.iter().flatten().enumerate() {
            let same = |g: &Geometry| Axis::of(g, i, axis.framed) == *axis;
            self.must(g.is_none_or(same), || format!("{axis:?} is not of the geometry"));
            self.must(axis.framed == counts, || {
                "padding that is nothing counts, or one that is a sign does not".to_owned()
            });
        }
    }

    fn counting(&mut self) {
        let Source::BinaryConv { geometry: g, .. } = &self.tiled.source else {
            return self.must(self.nest.counting.is_none(), || "it counts bits, and has none".to_owned());
        };
        let Some(Counting { words, widen }) = self.nest.counting else {
            return self.must(false, || "it does not count".to_owned());
        };
        let signs = g.input[2] / g.groups;
        self.must(words == signs.div_ceil(64), || format!("{words} words for {signs} signs"));
        let between = match widen {
            Widen::Never => words * g.kernel[1] * g.kernel[0],
            Widen::Rows => words * g.kernel[1],
            Widen::Taps => words,
            Widen::Words(every) => every,
        };
        self.must((1..=ROOM).contains(&between), || {
            format!("{between} words between two widenings, where counters have room for {ROOM}")
        });
    }

    fn down(&mut self) {
        let Some(Down { levels, only: _, planes, rows, columns, eights }) = self.nest.down else { return };
        let Source::BinaryConv { geometry: g, .. } = &self.tiled.source else {
            return self.must(false, || "it counts down the lanes, and counts nothing".to_owned());
        };
        let signs = g.input[2] * g.kernel[0] * g.kernel[1];
        let needed = if self.nest.thresholds.is_some() { Thresholds::planes(signs) } else { 0 };
        let fit = planes >= 5 && signs < 1 << planes && planes >= needed;
        self.must(fit, || format!("{planes} planes for sums up to {signs}"));
        self.must(eights == g.input[2].div_ceil(8) && rows == (g.kernel[0] - 1) * g.dilations[0] + 1, || {
            format!("lists of {eights} eights, {rows} rows at a time")
        });
        let reach = (g.output[1] - 1) * g.strides[1] + (g.kernel[1] - 1) * g.dilations[1] + 1;
        self.must(columns >= reach, || format!("lists of {columns} pixels under {reach}"));
        self.must(!levels.neon, || "output channels are lanes on neon".to_owned());
        let parts = [(levels.avx2, 256), (levels.simd128, 128), (levels.popcnt, 128), (levels.portable, 32)];
        for (used, bits) in parts {
            let whole = g.output[2].is_multiple_of(bits);
            self.must(!used || whole && g.groups == 1, || format!("{} channels in planes of {bits}", g.output[2]));
        }
    }

    fn pixel_lanes(&mut self) {
        let Some(by) = self.nest.pixel_lanes else { return };
        let Source::BinaryConv { geometry: g, .. } = &self.tiled.source else {
            return self.must(false, || "pixels are lanes, and nothing is counted".to_owned());
        };
        let lanes = by.lanes();
        self.must(by.rows > 0 && g.output[1] <= 8 * by.eights && lanes <= 256, || {
            format!("strips of {} rows of {} pixels in {lanes} lanes", by.rows, g.output[1])
        });
        for phase in PixelLanes::phases(g, 1) {
            let furthest = PixelLanes::furthest(g, phase);
            self.must(furthest < 32, || format!("columns of taps that are {furthest} pixels apart"));
        }
        let written = (by.rows + by.below - 1) * by.eights + PixelLanes::written(g);
        self.must(written <= by.bytes, || format!("rows up to byte {written} of planes of {}", by.bytes));
        let end = by.planes * by.bytes;
        let (height, width) = (g.kernel[0], g.kernel[1]);
        for [ky, kx] in (0..height).flat_map(|ky| (0..width).map(move |kx| [ky, kx])) {
            let (first, last) = (by.place(g, [ky, kx], 0), by.place(g, [ky, kx], g.input[2] - 1));
            let inside = first % by.bytes + lanes / 8 <= by.bytes && last - first == (g.input[2] - 1) * by.bytes;
            self.must(inside && last < end, || format!("taps {ky}, {kx} from {first} to {last}, of {end}"));
        }
        let all = by.bytes * by.all_planes();
        self.must(end == by.no_tap() && end + 64 <= all && all <= 1 << 16, || {
            format!("{all} bytes of planes, of {end}")
        });
        let others = self.nest.down.is_some_and(|down| down.levels.without(by.levels) != down.levels || down.only);
        self.must(!others && g.groups == 1, || "output channels are lanes as well, or in groups".to_owned());
        let can = by.levels != Levels::default() && !by.levels.portable;
        self.must(can, || format!("pixels are lanes on {}", by.levels));
        let compared = self.nest.thresholds.is_some();
        self.must(!compared, || "pixels are lanes, and signs are compared as integers".to_owned());
        let beside = self.tiled.pooled.as_ref().is_some_and(|p| !PixelLanes::can_be_under(&p.pool.geometry));
        self.must(!beside, || "pixels are lanes under a pool with windows beside the picture".to_owned());
    }

    fn tiles(&mut self) {
        let columns = self.nest.grid.columns;
        for pixels in self.nest.pixels.all() {
            self.must((1..=columns).contains(&pixels), || format!("tiles of {pixels} pixels in rows of {columns}"));
        }
        let Source::BinaryConv { input, geometry: g, .. } = &self.tiled.source else { return };
        let Storage::Bits(layout) = &self.network.tensor(*input).storage else { return };
        let [top, left, bottom, right] = layout.frame;
        for (i, (before, behind)) in [(top, bottom), (left, right)].into_iter().enumerate() {
            // The first place under the last window, and the one behind it.
            let end = (g.output[i] - 1) * g.strides[i] + (g.kernel[i] - 1) * g.dilations[i] + 1;
            let framed = before + g.input[i] + behind;
            let holds = before >= g.pads[i] && before - g.pads[i] + end <= framed;
            self.must(holds, || format!("windows over {end} places from {} on, of {framed}", g.pads[i]));
        }
    }

    fn together(&mut self) {
        let Nest { together, grid, .. } = *self.nest;
        let blocks = grid.blocks();
        let holds = together > 0 && blocks.is_multiple_of(together);
        self.must(holds, || format!("{blocks} blocks of channels are not in groups of {together}"));
    }

    fn division(&mut self) {
        let Division::Area { rows, blocks, together } = self.nest.division else { return };
        let area = self.nest.pooled.unwrap_or(self.nest.grid);
        let side = |part: usize, all: usize| part == 1 || part == all;
        self.must(side(rows, area.rows) && side(blocks, area.blocks()), || {
            format!("threads divide {rows} rows and {blocks} blocks, of {} and {}", area.rows, area.blocks())
        });
        let parted = together != self.nest.together || !(blocks == 1 || blocks.is_multiple_of(together));
        self.must(!parted, || {
            format!("threads part {blocks} blocks that are computed {} at a time", self.nest.together)
        });
        let Some(Pooled { pool, .. }) = &self.tiled.pooled else { return };
        let stored = self.tiled.steps.iter().any(|step| step.write().is_some());
        self.must(rows == 1 || !stored || windows_apart(&pool.geometry), || {
            "threads divide rows that lie under two windows and are stored".to_owned()
        });
    }

    fn window(&mut self) {
        let Nest { grid, window, order, .. } = *self.nest;
        let Some(Pooled { pool, .. }) = &self.tiled.pooled else {
            return self.must(window.is_none(), || "it keeps rows for a pool that is not there".to_owned());
        };
        let strips = self.nest.pixel_lanes.is_some_and(|by| !by.ends_with_windows(&pool.geometry));
        let together = if self.nest.down.is_some() || strips { grid.blocks() } else { self.nest.together };
        let g = &pool.geometry;
        let reach = ((g.kernel[0] - 1) * g.dilations[0] + 1).min(g.input[0]);
        let fits = window.is_some_and(|window| {
            window.rows >= reach && window.columns == grid.columns && window.together == together
        });
        self.must(fits, || format!("{window:?} for a pool over {reach} rows of {} pixels", grid.columns));
        self.must(order == Order::BlocksRows, || "a pool of all channels at once".to_owned());
    }

    fn sums(&mut self) {
        let in_any_order = matches!(self.nest.division, Division::Area { rows, .. } if rows > 1);
        let len = |steps: &[Step], grid: Grid| {
            let count = steps.iter().filter(|step| matches!(step, Step::Sum(_))).count();
            if grid.rows == 1 || !in_any_order { 0 } else { count * grid.images * grid.rows * grid.channels }
        };
        let behind = self.tiled.pooled.iter().zip(self.nest.pooled).map(|(pooled, grid)| len(&pooled.steps, grid));
        let wanted = len(&self.tiled.steps, self.nest.grid) + behind.sum::<usize>();
        let has = self.nest.row_sums;
        self.must(has == wanted, || format!("memory for {has} sums of rows, of {wanted}"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Pixels, Undivided, Window};
    use super::*;
    use crate::ir::network::testing;

    fn kind(name: &str) -> (Network, Schedule) {
        let (_, network) = testing::kinds().into_iter().find(|(kind, _)| *kind == name).unwrap();
        let schedule = Schedule::of(&network, 1, None);
        (network, schedule)
    }

    #[test]
    fn each_kind_of_nest_holds_what_is_promised() {
        for (name, network) in testing::kinds() {
            for share_from in [0, 100, usize::MAX] {
                let schedule = Schedule::of(&network, share_from, None);
                run(&network, &schedule).unwrap_or_else(|e| panic!("{name}: {e}"));
            }
        }
    }

    /// The kind, what is said, and what breaks its nest so that it is.
    type Broken = (&'static str, &'static str, fn(&mut Nest));

    fn nest(of: &str) -> Nest {
        let (network, mut schedule) = kind(of);
        let at = network.blocks.iter().position(|block| block.name == "block").unwrap();
        schedule.nests.swap_remove(at).unwrap()
    }

    fn by(nest: &mut Nest) -> &mut PixelLanes {
        nest.pixel_lanes.as_mut().expect("pixels as lanes")
    }

    #[test]
    fn every_rule_catches_what_breaks_it() {
        let broken: &[Broken] = &[
            ("binary_conv", "loops over Grid { images: 1, rows: 7", |n| n.grid.rows = 7),
            ("map_of_images", "loops over Grid { images: 1, rows: 8", |n| (n.grid.images, n.grid.rows) = (1, 8)),
            ("binary_conv_pooled", "behind the pool", |n| n.pooled = None),
            ("binary_conv", "a window without axes", |n| n.axes = None),
            ("max_pool", "padding that is nothing counts", |n| n.axes.as_mut().unwrap()[0].framed = true),
            ("max_pool", "is not of the geometry", |n| n.axes.as_mut().unwrap()[1].stride = 1),
            ("map_in_place", "axes without one", |n| n.axes = nest("max_pool").axes),
            ("binary_conv", "it does not count", |n| n.counting = None),
            ("binary_conv", "2 words for 64 signs", |n| n.counting.as_mut().unwrap().words = 2),
            ("binary_conv_strided", "36 words between two widenings, where counters have room for 31", |n| {
                n.counting.as_mut().unwrap().widen = Widen::Never;
            }),
            ("binary_linear", "40 words between", |n| n.counting.as_mut().unwrap().widen = Widen::Taps),
            ("binary_linear", "32 words between", |n| n.counting.as_mut().unwrap().widen = Widen::Words(32)),
            ("max_pool", "it counts bits, and has none", |n| {
                n.counting = Some(Counting { words: 1, widen: Widen::Never });
            }),
            ("binary_conv", "tiles of 9 pixels in rows of 8", |n| n.pixels.avx512 = 9),
            ("binary_conv", "tiles of 0 pixels", |n| n.pixels = Pixels { neon: 0, ..n.pixels }),
            ("real_conv", "2 blocks of channels are not in groups of 3", |n| n.together = 3),
            ("real_conv", "computed 2 at a time", |n| {
                n.division = Division::Area { rows: 8, blocks: 2, together: 1 };
            }),
            ("binary_conv", "threads divide 9 rows and 2 blocks, of 8 and 2", |n| {
                n.division = Division::Area { rows: 9, blocks: 2, together: 1 };
            }),
            ("binary_conv_pooled", "threads divide 4 rows", |n| {
                n.division = Division::Area { rows: 4, blocks: 1, together: 1 };
            }),
            ("real_conv_pooled", "for a pool over 3 rows of 8 pixels", |n| n.window.as_mut().unwrap().rows = 2),
            ("real_conv_pooled", "for a pool over 3 rows", |n| n.window.as_mut().unwrap().together = 1),
            ("real_conv_pooled", "a pool of all channels at once", |n| n.order = Order::RowsBlocks),
            ("map_in_place", "a pool that is not there", |n| {
                n.window = Some(Window { rows: 1, columns: 4, together: 1 });
            }),
            ("max_pool", "pixels are lanes, and nothing is counted", |n| {
                n.pixel_lanes = nest("pixel_lanes").pixel_lanes;
            }),
            ("pixel_lanes", "strips of 17 rows of 16 pixels in 272 lanes", |n| by(n).rows = 17),
            ("pixel_lanes", "strips of 16 rows of 16 pixels in 128 lanes", |n| by(n).eights = 1),
            ("pixel_lanes", "rows up to byte 42 of planes of 41", |n| by(n).bytes = 41),
            ("pixel_lanes", "taps 2, 2 from 8196 to 12228, of 8192", |n| by(n).planes = 128),
            ("pixel_lanes", "taps 2, 0 from 4 to 2209", |n| by(n).bytes = 35),
            ("pixel_lanes", "output channels are lanes as well", |n| {
                let levels = Levels { avx2: true, ..Levels::default() };
                n.down = Some(Down { levels, only: false, planes: 10, rows: 3, columns: 18, eights: 8 });
            }),
            ("pixel_lanes", "output channels are lanes on neon", |n| {
                let levels = Levels { neon: true, ..Levels::default() };
                n.down = Some(Down { levels, only: false, planes: 10, rows: 3, columns: 18, eights: 8 });
            }),
            ("pixel_lanes", "pixels are lanes on avx512bw/avx2, neon, simd128, popcnt, portable", |n| {
                by(n).levels.portable = true
            }),
            ("pixel_lanes", "for a pool over 2 rows of 16 pixels", |n| n.window.as_mut().unwrap().together = 4),
            ("binary_conv", "memory for 0 sums of rows, of 256", |n| n.row_sums = 0),
        ];
        for (name, expected, break_it) in broken {
            let (network, mut schedule) = kind(name);
            let at = network.blocks.iter().position(|block| block.name == "block").unwrap();
            break_it(schedule.nests[at].as_mut().unwrap());
            let found = run(&network, &schedule).expect_err(expected).to_string();
            assert!(found.contains("X900 at block \"block\": internal error in scheduling: "), "{found}");
            assert!(found.contains(expected), "{expected}: {found}");
        }
    }

    #[test]
    fn loops_are_of_tiled_blocks() {
        let (network, mut schedule) = kind("bit_pool");
        schedule.nests.swap(0, 1);
        let found = run(&network, &schedule).unwrap_err().to_string();
        assert!(found.contains("\"pack\": internal error in scheduling: it has no loops"), "{found}");
        assert!(found.contains("\"block\": internal error in scheduling: it has loops"), "{found}");
        schedule.nests.pop();
        assert!(run(&network, &schedule).unwrap_err().to_string().contains("2 blocks, and loops for 1"));
    }

    /// A row before the pool that is stored, and lies under two windows, is one thread's.
    #[test]
    fn what_lies_under_two_windows_is_stored_once() {
        let (mut network, _) = kind("real_conv_pooled");
        let y = network.add_tensor(network.tensor(network.outputs[0]).clone());
        network.tensors[y.0 as usize].shape = vec![1, 8, 8, 32];
        let block = network.blocks.last_mut().unwrap();
        let crate::ir::network::Body::Tiled(tiled) = &mut block.body else { unreachable!("a convolution") };
        tiled.steps.push(Step::Store(y));
        let mut schedule = Schedule::of(&network, 1, None);
        run(&network, &schedule).unwrap();
        let nest = schedule.nests[0].as_mut().unwrap();
        assert_eq!(
            (nest.division, &nest.ties[..]),
            (Division::Whole(Undivided::Single), &[super::super::Tie::Rows][..])
        );
        nest.division = Division::Area { rows: 4, blocks: 2, together: 2 };
        let found = run(&network, &schedule).unwrap_err().to_string();
        assert!(found.contains("rows that lie under two windows and are stored"), "{found}");
    }
}
