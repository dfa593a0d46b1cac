//! The lines of one block, from the outermost loop to the innermost.

use super::Line;
use super::words::{lost, pool, sizes, word};
use crate::ir::network::{Arithmetic, BitPadding, Block, Geometry, Network, PoolKind, Pooled, Source, Step, Tiled};
use crate::printable::{count, thousands};
use crate::schedule::cost::Cost;
use crate::schedule::{Axis, Division, LANES, Nest, Order, Pixels, Widen, is_depthwise, is_mixed, is_pointwise};
use crate::target::Target;

/// Of a tiled block.
pub(super) fn lines(
    network: &Network,
    block: &Block,
    tiled: &Tiled,
    nest: &Nest,
    target: Option<&Target>,
) -> Vec<Line> {
    Writer { network, nest, target, depth: 0, keeps: false, lines: Vec::new() }.block(block, tiled)
}

/// Writes the lines of a block.
struct Writer<'a> {
    network: &'a Network,
    nest: &'a Nest,
    target: Option<&'a Target>,
    depth: usize,
    /// Whether values are kept for a pool.
    keeps: bool,
    lines: Vec<Line>,
}

impl Writer<'_> {
    fn say(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.lines.push(Line { depth: self.depth, what: what.into(), why: why.into() });
    }

    /// A loop: what follows is inside.
    fn open(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.say(what, why);
        self.depth += 1;
    }

    fn block(mut self, block: &Block, tiled: &Tiled) -> Vec<Line> {
        if self.nest.grid.images > 1 {
            self.open(count(self.nest.grid.images, "image"), "");
        }
        match (&tiled.pooled, self.nest.order) {
            (Some(pooled), _) => self.pooled(tiled, pooled),
            // All channels of a row are counted together.
            (None, _) if self.is_down() => {
                self.rows(tiled, "");
                self.pixels(tiled);
            }
            (None, Order::BlocksRows) => {
                self.blocks(tiled);
                self.rows(tiled, "");
                self.pixels(tiled);
            }
            (None, Order::RowsBlocks) => {
                self.rows(tiled, "what a row reads comes from memory once");
                self.blocks(tiled);
                self.pixels(tiled);
            }
        }
        self.depth = 0;
        self.instead();
        self.threads();
        self.memory(block);
        let cost = Cost::of(self.network, block);
        let parts = [(cost.binary_macs, "binary MACs"), (cost.flops, "FLOPs")];
        let parts = parts.into_iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = parts.map(|(count, word)| format!("{} {word}", thousands(count))).collect();
        self.say(format!("cost: {} ns", thousands(self.nest.cost as u64)), parts.join(", "));
        self.lines
    }

    /// The instruction sets that count in another way.
    fn instead(&mut self) {
        if let Some(down) = self.nest.down.filter(|down| !down.only) {
            let what = format!("down the lanes instead on {}", down.levels);
            let lists = format!("set bits of {} are listed", count(down.rows, "row"));
            self.say(what, format!("a row of weights for each set bit, added to {} planes; {lists}", down.planes));
        }
        if let Some(pixels) = &self.nest.pixel_lanes {
            let (takes, others) = (thousands(pixels.takes as u64), thousands(pixels.instead_of as u64));
            self.say(
                format!("pixels as lanes instead on {}, {} at a time", pixels.levels, count(pixels.rows, "row")),
                format!("about {takes} cycles a channel, not {others}; four channels share their additions"),
            );
        }
    }

    fn blocks(&mut self, tiled: &Tiled) {
        let nest = self.nest;
        let (blocks, together) = (nest.grid.blocks(), nest.together);
        let what = match (blocks, together) {
            (1, _) => return,
            (_, 1) => format!("{blocks} blocks of {LANES} channels"),
            _ => count(blocks / together, &format!("group of {together} blocks of {LANES} channels")),
        };
        let why = match (nest.order, &tiled.source) {
            (Order::RowsBlocks, _) => "",
            (_, Source::BinaryConv { .. } | Source::RealConv { .. }) => match nest.grid.rows * nest.grid.columns {
                1 => "each weight is used once",
                _ => "its weights stay in the nearest cache for all rows",
            },
            (Order::BlocksRows, _) => "the rows under a window are of one at a time",
        };
        self.open(what, why);
    }

    fn rows(&mut self, tiled: &Tiled, why: &str) {
        let nest = self.nest;
        let ahead = match &tiled.source {
            Source::BinaryConv { geometry, .. } => nest.grid.blocks() > 1 && !is_mixed(geometry),
            source => nest.grid.blocks() > 1 && is_pointwise(source),
        };
        let ahead = ahead && !nest.plain;
        match nest.grid.rows {
            1 => {}
            rows if ahead => self.open(count(rows, "row"), "the next block's weights are fetched meanwhile"),
            rows => self.open(count(rows, "row"), why),
        }
    }

    /// What is done in a row.
    fn pixels(&mut self, tiled: &Tiled) {
        let steps = &tiled.steps;
        match &tiled.source {
            Source::BinaryConv { geometry, padding, .. } => self.binary(geometry, *padding, steps),
            source @ Source::RealConv { geometry, .. } if is_pointwise(source) => {
                self.tiles();
                let what = format!("{}: multiply by the weights and add", count(geometry.input[2], "input"));
                self.say(what, "rounded once");
                self.steps(steps, "");
            }
            Source::RealConv { geometry, products, .. } if !is_depthwise(geometry) => {
                self.computed(products.arithmetic(), steps);
            }
            Source::RealConv { .. } => self.window("multiply by its weight and add, rounded once", "", steps),
            Source::MaxPool { .. } => self.pool(PoolKind::Max, steps),
            Source::AveragePool { count_include_pad, .. } => {
                self.pool(PoolKind::Average { count_include_pad: *count_include_pad }, steps);
            }
            Source::Map { .. } | Source::Planes { .. } => {
                self.pixel_loop();
                let planes = matches!(tiled.source, Source::Planes { .. });
                self.steps(steps, if planes { "gathered from the planes of 16 channels" } else { "" });
            }
        }
    }

    fn pixel_loop(&mut self) {
        if self.nest.grid.columns > 1 {
            self.open(format!("{} pixels", self.nest.grid.columns), "");
        }
    }

    /// Whether the sums are counted down the lanes wherever this runs.
    fn is_down(&self) -> bool {
        self.nest.down.is_some_and(|down| down.only)
    }

    fn tiles(&mut self) {
        let (columns, pixels) = (self.nest.grid.columns, self.nest.pixels);
        if pixels != Pixels::ONE {
            let sizes = sizes(&pixels, self.target);
            self.open(format!("{columns} pixels in tiles of {sizes}"), self.nest.fit.to_string());
        } else if columns > 1 {
            self.open(format!("{columns} pixels"), self.nest.fit.to_string());
        }
    }

    fn binary(&mut self, g: &Geometry, padding: BitPadding, steps: &[Step]) {
        let nest = self.nest;
        if self.is_down() {
            return self.down(g, padding, steps);
        }
        self.tiles();
        let outside = self.depth;
        if is_mixed(g) {
            self.open("each group of the block", "");
        }
        let Some([rows, cols]) = &nest.axes else { return };
        let (words, widen) = nest.counting.map_or((1, Widen::Never), |counting| (counting.words, counting.widen));
        let (borders, pointwise) = (self.borders(padding), g.kernel == [1, 1]);
        if !pointwise || rows.runs().len() > 1 || cols.runs().len() > 1 {
            self.open(count(rows.kernel, "row of taps"), borders[0].clone());
            let widens = |at: Widen| widen == at;
            let by_row = self.depth;
            if cols.kernel > 1 || cols.runs().len() > 1 {
                let how = if cols.runs().len() > 1 { ", unrolled" } else { "" };
                self.open(count(cols.kernel, "column of taps") + how, borders[1].clone());
            }
            self.count(words, g, widen);
            if widens(Widen::Taps) {
                self.say("widen the counters", self.room(g, words));
            }
            if widens(Widen::Rows) {
                self.depth = by_row;
                self.say("widen the counters", self.room(g, words));
            }
        } else {
            self.count(words, g, widen);
        }
        let dot = "dot: signs under the window - 2 * differing bits";
        if is_mixed(g) {
            self.depth = outside + 1;
            self.say("dot, for the lanes of the group", dot);
            self.depth = outside;
            return self.steps(steps, "");
        }
        self.depth = outside;
        if nest.thresholds.is_some() {
            return self.say("compare, sign bits", "differing bits against an integer for each channel");
        }
        self.steps_behind(Some("dot"), steps, dot);
    }

    /// A row of a binary layer that counts down the lanes wherever this runs.
    fn down(&mut self, g: &Geometry, padding: BitPadding, steps: &[Step]) {
        let (nest, row) = (self.nest, self.depth);
        let (Some(down), Some([rows, columns])) = (&nest.down, &nest.axes) else { return };
        let listed = format!("{} at a time, each listed once", count(down.rows, "row"));
        self.say("list the set bits of the pixels under the window", listed);
        self.pixel_loop();
        let bits = self.target.map_or(32, Target::register);
        let outputs = g.output[2];
        let lanes = format!("{bits} channels in a word, {} of a sum", count(down.planes, "plane"));
        match outputs.div_ceil(bits) {
            1 => self.say(format!("{} side by side", count(outputs, "channel")), lanes),
            words => self.open(format!("{words} words of {bits} channels"), lanes),
        }
        if g.kernel != [1, 1] {
            let taps = [rows, columns].map(|axis| axis.kernel);
            let outside = match padding {
                BitPadding::Plus => "padding of +1 lies in the frame and counts",
                BitPadding::Minus | BitPadding::Zero => "outside the picture no bit is set",
            };
            self.open(format!("{} x {} taps", taps[0], taps[1]), outside);
        }
        self.say(
            "add the row of weights of each set bit",
            "carry-save adders: cheaper here than a population count of each word",
        );
        if nest.thresholds.is_some() {
            if g.kernel != [1, 1] {
                self.depth -= 1;
            }
            self.say(
                "compare with the set bits under the window",
                "bit by bit, each channel's sum from its own start on: no sum becomes a number",
            );
        }
        self.depth = row;
        let blocks = nest.grid.blocks();
        if blocks > 1 {
            self.open(format!("{blocks} blocks of {LANES} channels"), "");
        }
        self.pixel_loop();
        if nest.thresholds.is_some() {
            self.say("sign bits", "");
        } else {
            let dot = "dot: signs under the window - 2 * (set bits + weights of +1) + 4 * sum";
            self.steps_behind(Some("dot"), steps, dot);
        }
        self.depth = row;
    }

    /// The innermost loop of a binary layer.
    fn count(&mut self, words: usize, g: &Geometry, widen: Widen) {
        let mut why = vec![count(g.input[2] / g.groups, "sign")];
        if widen == Widen::Never {
            why.push(self.room(g, words));
        }
        let rolled = self.nest.rolled_words();
        if rolled {
            why.push("not unrolled, for want of registers".to_owned());
        }
        let how = if rolled { ", rolled" } else { "" };
        self.say(format!("xor, popcount, add: {}{how}", count(words, "word")), why.join(", "));
        if let Widen::Words(every) = widen {
            self.say(format!("widen the counters after {every} words"), self.room(g, words));
        }
    }

    /// Why counters are widened where they are.
    fn room(&self, g: &Geometry, words: usize) -> String {
        let all = words * g.kernel[0] * g.kernel[1];
        let room = xnorc_runtime::ROOM;
        match all <= room {
            true => format!("{} of {room} that counters have room for", count(all, "word")),
            false => format!("{} in all, room for {room}", count(all, "word")),
        }
    }

    /// Which rows and columns have fewer taps.
    fn borders(&self, padding: BitPadding) -> [String; 2] {
        let Some([rows, columns]) = &self.nest.axes else { return Default::default() };
        [(rows, "row"), (columns, "column")].map(|(axis, word)| {
            let sign = match padding {
                BitPadding::Plus => "+1",
                BitPadding::Minus => "-1",
                BitPadding::Zero => return lost(axis, word),
            };
            if axis.pad > 0 { format!("padding of {sign} lies in the frame and counts") } else { lost(axis, word) }
        })
    }

    /// A row that the runtime computes.
    fn computed(&mut self, arithmetic: Arithmetic, steps: &[Step]) {
        let nest = self.nest;
        let columns = nest.grid.columns;
        if let Some([pixels, blocks]) = nest.row_tile {
            let narrow = match arithmetic {
                Arithmetic::F32 => String::new(),
                looser => format!(" in {}", looser.name()),
            };
            let tile = match nest.plain {
                true => String::new(),
                false => format!(", in tiles of {} x {}", count(pixels, "pixel"), count(blocks, "block")),
            };
            self.say(format!("{} by the runtime{narrow}{tile}", count(columns, "pixel")), nest.fit.to_string());
        }
        if nest.together > 1 {
            self.open(format!("{} of them", count(nest.together, "block")), "");
        }
        self.pixel_loop();
        self.steps(steps, "");
    }

    fn pool(&mut self, kind: PoolKind, steps: &[Step]) {
        let Some(axes) = &self.nest.axes else { return };
        let (take, why) = pool(kind, axes);
        self.window(take, &why, steps);
    }

    /// A window over dense values.
    fn window(&mut self, take: &str, why: &str, steps: &[Step]) {
        self.pixel_loop();
        let outside = self.depth;
        if let Some(axes) = self.nest.axes {
            self.taps(axes, take, why);
        }
        self.depth = outside;
        self.steps(steps, "");
    }

    /// The taps of a window of dense values.
    fn taps(&mut self, [rows, columns]: [Axis; 2], take: &str, why: &str) {
        if rows.kernel > 1 || rows.runs().len() > 1 {
            self.open(count(rows.kernel, "row of taps"), lost(&rows, "row"));
        }
        if columns.kernel > 1 || columns.runs().len() > 1 {
            let how = if columns.runs().len() > 1 { ", unrolled" } else { "" };
            self.open(count(columns.kernel, "column of taps") + how, lost(&columns, "column"));
        }
        self.say(take, why);
    }

    fn pooled(&mut self, tiled: &Tiled, Pooled { pool: inner, steps }: &Pooled) {
        let nest = self.nest;
        let Some(grid) = nest.pooled else { return };
        if !self.is_down() {
            self.blocks(tiled);
        }
        if grid.rows > 1 {
            self.open(count(grid.rows, "row of the pool"), "");
        }
        let outside = self.depth;
        let kept = nest.window.map_or(0, |window| window.rows);
        self.open(
            format!("{}, as its window reaches them", count(nest.grid.rows, "row")),
            format!("{kept} at a time are in memory"),
        );
        self.keeps = true;
        self.pixels(tiled);
        self.keeps = false;
        self.depth = outside;
        let blocks = nest.grid.blocks();
        if self.is_down() && blocks > 1 {
            self.open(format!("{blocks} blocks of {LANES} channels"), "");
        } else if nest.together > 1 {
            self.open(format!("{} of them", count(nest.together, "block")), "");
        }
        self.open(count(grid.columns, "pixel of the pool"), "");
        let inside = self.depth;
        let axes = [0, 1].map(|axis| Axis::of(&inner.geometry, axis, false));
        let (take, why) = pool(inner.kind, &axes);
        self.taps(axes, take, &why);
        self.depth = inside;
        self.steps(steps, "");
    }

    fn steps(&mut self, steps: &[Step], why: &str) {
        self.steps_behind(None, steps, why);
    }

    /// What the values go through, behind what makes them of the counters.
    fn steps_behind(&mut self, first: Option<&str>, steps: &[Step], why: &str) {
        let mut words: Vec<String> = first.map(str::to_owned).into_iter().collect();
        for (i, step) in steps.iter().enumerate() {
            // The two are one factor.
            let one = matches!(step, Step::Gate(_)) && i > 0 && matches!(steps[i - 1], Step::Scale(_));
            match words.last_mut() {
                Some(last) if one => *last += " * gate",
                _ => words.push(word(step)),
            }
        }
        if self.keeps {
            words.push("keep for the window".to_owned());
        }
        let words: Vec<String> = words
            .chunk_by(|a, b| a == b)
            .map(|same| if same.len() == 1 { same[0].clone() } else { format!("{} x {}", same.len(), same[0]) })
            .collect();
        if !words.is_empty() {
            self.say(words.join(", "), why);
        }
    }

    fn threads(&mut self) {
        let nest = self.nest;
        let ties: Vec<String> = nest.ties.iter().map(ToString::to_string).collect();
        match nest.division {
            Division::Whole(why) => {
                let why = [vec![why.to_string()], ties].concat();
                self.say("threads: one", why.join("; "));
            }
            division @ Division::Area { rows, blocks, together } => {
                let mut why = ties;
                if rows > 1 && blocks > together {
                    why.push("whichever gives the more even parts".to_owned());
                }
                if nest.again > 0 && rows > 1 {
                    why.push(format!("a part computes {} of its neighbour again", count(nest.again, "row")));
                }
                self.say(format!("threads: {division}"), why.join("; "));
            }
        }
    }

    fn memory(&mut self, block: &Block) {
        let nest = self.nest;
        let mut why = Vec::new();
        if let Some(window) = nest.window {
            let pixels = window.columns * window.together * LANES;
            why.push(format!("{} of {} values under the window", count(window.rows, "row"), thousands(pixels as u64)));
        }
        if nest.row_sums > 0 {
            why.push("sums of each row, which are added in one order".to_owned());
        }
        let narrow = block.workspace().map_or(0, |id| self.network.tensor(id).storage_len());
        if narrow > 0 {
            why.push("the rounded input".to_owned());
        }
        let bytes = 4 * (nest.workspace() + narrow);
        if bytes > 0 {
            self.say(format!("memory: {} bytes", thousands(bytes as u64)), why.join("; "));
        }
    }
}
