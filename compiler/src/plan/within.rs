//! Results within the memory of their operands, and operands within that of their results: where a block's every write falls on
//! what it has read already.
//!
//! Only where one thread has a block do its rows come in order, and only where there are no vectors are its loops written for it
//! (see [`Nest::is_whole`]).

use super::CACHE_LINE;
use crate::ir::network::{Geometry, Network, Pooled, Products, Source, Step, Storage, TensorId, Tiled};
use crate::schedule::{Nest, is_depthwise, is_pointwise};

/// Two tensors of a block, one of which lies within the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Within {
    /// Read for the last time.
    pub operand: TensorId,
    /// Written for the first time.
    pub result: TensorId,
    /// Where the operand begins in the result. At 0 it is the larger one: the rows before a pool replace it, and the pool's
    /// rows those.
    pub ahead: usize,
}

impl Within {
    /// Of a block, if its operand is needed by nobody else.
    pub fn of(network: &Network, tiled: &Tiled, nest: &Nest) -> Option<Self> {
        if !nest.is_whole() || nest.grid.images != 1 {
            return None;
        }
        let within = replaced_by_pool(network, tiled).or_else(|| ahead_of_rows(network, tiled, nest))?;
        let reads = std::iter::once(tiled.source.input()).chain(tiled.all_steps().filter_map(Step::read));
        (reads.filter(|id| *id == within.operand).count() == 1).then_some(within)
    }

    /// Whether the rows under the pool's window lie in the operand, and take no memory for themselves.
    pub fn is_window(&self) -> bool {
        self.ahead == 0
    }
}

fn is_dense(network: &Network, id: TensorId) -> bool {
    matches!(network.tensor(id).storage, Storage::Dense(_))
}

/// The tensor that is stored, if it is one.
fn stored(steps: &[Step]) -> Option<TensorId> {
    let mut stored = steps.iter().filter_map(|step| if let Step::Store(id) = step { Some(*id) } else { None });
    stored.next().filter(|_| stored.next().is_none())
}

/// A skip before a pool: each value of the block takes its place, and what the pool makes of them that of the first.
fn replaced_by_pool(network: &Network, tiled: &Tiled) -> Option<Within> {
    let Pooled { pool, steps } = tiled.pooled.as_ref()?;
    let result = stored(steps).filter(|&id| is_dense(network, id))?;
    let skip = |step: &Step| if let Step::Add(id) | Step::Mul(id) = step { Some(*id) } else { None };
    let operand = tiled.steps.iter().find_map(skip).filter(|&id| is_dense(network, id))?;
    let before: usize = pool.geometry.input.iter().product();
    let fits = network.tensor(operand).storage_len() == before && network.tensor(result).storage_len() <= before;
    let kept = tiled.steps.iter().any(|step| matches!(step, Step::Store(_)));
    (fits && !kept && pool_follows(&pool.geometry)).then_some(Within { operand, result, ahead: 0 })
}

/// Whether each pixel that a pool writes, in order, lies before all pixels that are still to be read.
fn pool_follows(g: &Geometry) -> bool {
    let [height, width, _] = g.input;
    let [rows, columns, _] = g.output;
    let first = |axis: usize, at: usize| (at * g.strides[axis]).saturating_sub(g.pads[axis]);
    (0..rows).all(|y| {
        let there = rows_there(g, y);
        let next_row = [(y + 1 < rows).then(|| first(0, y + 1) * width), (there < height).then_some(there * width)];
        (0..columns).all(|x| {
            let next = (x + 1 < columns).then(|| first(0, y) * width + first(1, x + 1));
            next_row.into_iter().chain([next]).flatten().all(|read| y * columns + x < read)
        })
    })
}

/// How many rows before a pool are there when its row `y` is computed.
fn rows_there(g: &Geometry, y: usize) -> usize {
    (y * g.strides[0] + (g.kernel[0] - 1) * g.dilations[0] + 1).saturating_sub(g.pads[0]).min(g.input[0])
}

/// The input of a convolution whose channels are all computed before a row of them is stored: it lies so far ahead in the result
/// that no row reaches what is still to be read.
fn ahead_of_rows(network: &Network, tiled: &Tiled, nest: &Nest) -> Option<Within> {
    let Source::RealConv { input, planar, geometry: g, products: Products::F32, .. } = &tiled.source else {
        return None;
    };
    if is_pointwise(&tiled.source) || is_depthwise(g) || nest.together != nest.grid.blocks() {
        return None;
    }
    let (steps, rows, columns) = match &tiled.pooled {
        Some(Pooled { pool, steps }) => (steps, pool.geometry.output[0], pool.geometry.output[1]),
        None => (&tiled.steps, g.output[0], g.output[1]),
    };
    let is_stored_twice = tiled.pooled.is_some() && tiled.steps.iter().any(|step| matches!(step, Step::Store(_)));
    let result = stored(steps).filter(|&id| is_dense(network, id) && !is_stored_twice)?;
    let [height, width, channels] = g.input;
    // Rows of a plane, or of pixels.
    let row = if *planar { width } else { width * channels };
    let ahead = (0..rows).filter_map(|y| {
        let next = tiled.pooled.as_ref().map_or(y + 1, |pooled| rows_there(&pooled.pool.geometry, y));
        let read = (next * g.strides[0]).saturating_sub(g.pads[0]).min(height) * row;
        (next < g.output[0]).then(|| ((y + 1) * columns * g.output[2]).saturating_sub(read))
    });
    // One that begins where the result does would be the larger.
    let line = CACHE_LINE / size_of::<f32>();
    let ahead = ahead.max().unwrap_or(0).max(1).next_multiple_of(line);
    let fits = ahead + network.tensor(*input).storage_len() <= network.tensor(result).storage_len();
    (is_dense(network, *input) && fits).then_some(Within { operand: *input, result, ahead })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::network::{BinaryWeights, BitLayout, BitPadding, Block, Body, Interval, NetTensor, Pool, PoolKind};
    use crate::plan;
    use crate::schedule::Schedule;
    use crate::target::Target;
    use std::collections::HashSet;
    use std::sync::Arc;

    struct Chance(u32);

    impl Chance {
        fn below(&mut self, n: usize) -> usize {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (self.0 >> 8) as usize % n
        }

        /// A window over some pixels of `channels` channels each.
        fn window(&mut self, channels: [usize; 2]) -> Geometry {
            let mut g = Geometry {
                n: 1,
                input: [2 + self.below(9), 2 + self.below(9), channels[0]],
                output: [0, 0, channels[1]],
                kernel: [1 + self.below(4), 1 + self.below(4)],
                strides: [1 + self.below(3), 1 + self.below(3)],
                dilations: [1 + self.below(2), 1 + self.below(2)],
                pads: [0, 0],
                groups: 1,
            };
            for axis in 0..2 {
                let reach = (g.kernel[axis] - 1) * g.dilations[axis] + 1;
                g.pads[axis] = self.below(reach);
                g.input[axis] = g.input[axis].max(reach);
                g.output[axis] = (g.input[axis] + 2 * g.pads[axis] - reach) / g.strides[axis] + 1;
            }
            g
        }
    }

    /// The rows of the input under a row of windows.
    fn under(g: &Geometry, axis: usize, at: usize) -> impl Iterator<Item = usize> + '_ {
        let first = at * g.strides[axis];
        let taps = (0..g.kernel[axis]).map(move |tap| (first + tap * g.dilations[axis]).checked_sub(g.pads[axis]));
        taps.flatten().filter(move |&at| at < g.input[axis])
    }

    /// Follows the loops, pixel by pixel: what is stored over the operand, and what is read of it, or of what replaced it.
    fn pool_is_right(g: &Geometry) -> bool {
        // By place: what lies there.
        let mut there: Vec<(&str, usize)> = (0..g.input[0] * g.input[1]).map(|at| ("operand", at)).collect();
        let mut next = 0;
        for y in 0..g.output[0] {
            let end = if y + 1 == g.output[0] { g.input[0] } else { rows_there(g, y) };
            let rows = next * g.input[1]..end.max(next) * g.input[1];
            for (at, place) in rows.clone().zip(&mut there[rows]) {
                if *place != ("operand", at) {
                    return false;
                }
                *place = ("row", at);
            }
            next = next.max(end);
            for x in 0..g.output[1] {
                let width = g.input[1];
                let read = under(g, 0, y).flat_map(|y| under(g, 1, x).map(move |x| y * width + x));
                if read.into_iter().any(|at| there[at] != ("row", at)) {
                    return false;
                }
                there[y * g.output[1] + x] = ("result", y * g.output[1] + x);
            }
        }
        true
    }

    #[test]
    fn pools_follow_what_they_read() {
        let (mut chance, mut follow) = (Chance(5), 0);
        for _ in 0..4000 {
            let g = chance.window([16, 16]);
            let follows = g.output[0] * g.output[1] <= g.input[0] * g.input[1] && pool_follows(&g);
            assert!(!follows || pool_is_right(&g), "{g:?}");
            follow += usize::from(follows);
        }
        // The control: most others would not be right.
        assert!(follow > 500, "{follow}");
        let wrong = Geometry {
            input: [4, 4, 16],
            output: [4, 4, 16],
            kernel: [3, 3],
            pads: [1, 1],
            strides: [1, 1],
            dilations: [1, 1],
            ..chance.window([16, 16])
        };
        assert!(!pool_follows(&wrong) && !pool_is_right(&wrong));
    }

    fn dense(network: &mut Network, name: &str, shape: [usize; 4]) -> TensorId {
        let storage = Storage::Dense(crate::ir::DType::F32);
        network.add_tensor(NetTensor { name: name.into(), shape: shape.to_vec(), storage, origin: None })
    }

    /// x -> operand -> convolution -> result -> y.
    fn convolution(g: Geometry, planar: bool) -> Network {
        let mut network = Network::default();
        let [h, w, c] = g.input;
        let from = if planar { [1, c, h, w] } else { [1, h, w, c] };
        let [x, operand] = ["x", "operand"].map(|name| dense(&mut network, name, from));
        let [result, y] = ["result", "y"].map(|name| dense(&mut network, name, g.extents()));
        let weights = Arc::new(vec![1.0; g.output[2] * g.kernel[0] * g.kernel[1] * c]);
        let source = Source::RealConv { input: operand, planar, geometry: g, weights, products: Products::F32 };
        network.blocks = vec![
            Block::new("first", Tiled::new(Source::Map { input: x }, vec![Step::Store(operand)])),
            Block::new("conv", Tiled::new(source, vec![Step::Store(result)])),
            Block::new("last", Tiled::new(Source::Map { input: result }, vec![Step::Store(y)])),
        ];
        (network.inputs, network.outputs) = (vec![x], vec![y]);
        network
    }

    #[test]
    fn no_row_reaches_what_is_still_to_be_read() {
        let target = Target::named("thumbv7em-none-eabihf").unwrap();
        let (mut chance, mut found, mut tight) = (Chance(9), 0, 0);
        for _ in 0..2000 {
            let channels = [1 + chance.below(3), 16 * (1 + chance.below(2))];
            let (g, planar) = (chance.window(channels), chance.below(2) == 1);
            let network = convolution(g, planar);
            let schedule = Schedule::of(&network, usize::MAX, Some(&target));
            let plan = plan::run(&network, &schedule);
            plan::check::run(&network, &plan, &schedule).unwrap();
            let within = network.blocks[1].tiled().and_then(|t| plan.within(&network, t, schedule.nests[1].as_ref()?));
            let Some(Within { ahead, .. }) = within else { continue };
            found += 1;
            assert_eq!(plan.real_len, network.tensor(TensorId(2)).storage_len().next_multiple_of(16));
            // Every element that is read, in time; and what is written before.
            let [height, width, c] = g.input;
            let mut lost: HashSet<usize> = HashSet::new();
            let last_read = |lost: &HashSet<usize>, y: usize| {
                let at = |row: usize, x: usize, ch: usize| match planar {
                    true => (ch * height + row) * width + x,
                    false => (row * width + x) * c + ch,
                };
                let all =
                    under(&g, 0, y).flat_map(|row| (0..width).flat_map(move |x| (0..c).map(move |ch| (row, x, ch))));
                all.into_iter().all(|(row, x, ch)| !lost.contains(&(ahead + at(row, x, ch))))
            };
            for y in 0..g.output[0] {
                assert!(last_read(&lost, y), "row {y}, {planar}: {g:?}");
                let row = g.output[1] * g.output[2];
                lost.extend(y * row..(y + 1) * row);
            }
            // With a line less some would be.
            tight += usize::from(ahead == 16);
        }
        assert!(found > 200 && tight < found, "{found} {tight}");
    }

    #[test]
    fn a_skip_that_is_read_again_stays() {
        let target = Target::named("thumbv7em-none-eabihf").unwrap();
        let geometry = Geometry {
            n: 1,
            input: [4, 4, 32],
            output: [4, 4, 32],
            kernel: [1, 1],
            strides: [1, 1],
            dilations: [1, 1],
            pads: [0, 0],
            groups: 1,
        };
        let pool = Pool {
            kind: PoolKind::Max,
            geometry: Geometry { output: [2, 2, 32], kernel: [2, 2], strides: [2, 2], ..geometry },
        };
        let network = |again: bool| {
            let mut network = Network::default();
            let [x, skip, more] = ["x", "skip", "more"].map(|name| dense(&mut network, name, [1, 4, 4, 32]));
            let [result, y] = ["result", "y"].map(|name| dense(&mut network, name, [1, 2, 2, 32]));
            let layout = BitLayout { groups: 1, frame: [0; 4], frame_ones: false };
            let shape = vec![1, 4, 4, 32];
            let bits = network.add_tensor(NetTensor {
                name: "bits".into(),
                shape,
                storage: Storage::Bits(layout),
                origin: None,
            });
            let weights = Arc::new(BinaryWeights { signs: vec![true; 32 * 32], zeros: 0, deviation: 0.0 });
            let intervals = Arc::new(vec![Interval { low: 0.0, high: f32::INFINITY }; 32]);
            let source = Source::BinaryConv { input: bits, geometry, weights, padding: BitPadding::Zero };
            let pooled = Some(Pooled { pool, steps: vec![Step::Store(result)] });
            let body: Body = Tiled { source, steps: vec![Step::Add(skip)], pooled }.into();
            network.blocks = vec![
                Block::new(
                    "first",
                    Tiled::new(Source::Map { input: x }, vec![Step::Store(skip), Step::Sign { bits, intervals }]),
                ),
                Block::new("pool", body),
                Block::new("last", Tiled::new(Source::Map { input: result }, vec![Step::Store(y)])),
            ];
            network.outputs = vec![y];
            if again {
                network
                    .blocks
                    .push(Block::new("again", Tiled::new(Source::Map { input: skip }, vec![Step::Store(more)])));
                network.outputs.push(more);
            }
            network.inputs = vec![x];
            network
        };
        for (again, share_from, expected) in [(false, usize::MAX, true), (true, usize::MAX, false), (false, 0, false)] {
            let network = network(again);
            let schedule = Schedule::of(&network, share_from, Some(&target));
            let mut plan = plan::run(&network, &schedule);
            plan::check::run(&network, &plan, &schedule).unwrap();
            let tiled = network.blocks[1].tiled().unwrap();
            let within = plan.within(&network, tiled, schedule.nests[1].as_ref().unwrap());
            assert_eq!(within.is_some(), expected, "{again} {share_from}");
            if within.is_some() {
                assert_eq!(plan.scratch_bytes(), 4 * 512 + 8 * 16);
                // Elsewhere in the same memory it is a fault.
                plan.places[3] = plan::Place::Real(16, 128);
                let found = plan::check::run(&network, &plan, &schedule).unwrap_err().to_string();
                assert!(found.contains("\"pool\""), "{found}");
            }
        }
    }
}
