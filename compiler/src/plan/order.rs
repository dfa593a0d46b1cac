//! The order of the blocks, and the least memory that any order can need.
//!
//! Blocks may run in any order that computes what they read first; the order decides which tensors are alive together. The
//! search goes over sets of finished blocks, the one that needed the least memory so far first, so that the first full set
//! it meets is one of the best orders. Networks are chains with short branches: their sets are few.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet};

use super::{CACHE_LINE, alias};
use crate::ir::network::{Body, Move, Network, Storage, TensorId};
use crate::schedule::{Nest, Schedule};

/// Sets of finished blocks looked at before the search gives up: more than any chain with branches has.
const SETS: usize = 5_000;

/// What the search says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orders {
    /// Bytes that every order needs: tensors, rounded up to cache lines, that are alive together.
    pub bound: usize,
    /// An order that is alive with no more than that; `None` where the search gave up, and the bound is only what the largest
    /// block needs for itself.
    pub best: Option<Vec<usize>>,
}

/// Puts the blocks in an order that needs less scratch memory, if there is one.
pub fn run(network: &mut Network, schedule: &mut Schedule) {
    let now = super::run(network, schedule).scratch_bytes();
    let Orders { bound, best: Some(best) } = orders(network, schedule) else { return };
    if now <= bound || best.is_sorted() {
        return;
    }
    let (other, its) = in_order(network, schedule, &best);
    if super::run(&other, &its).scratch_bytes() < now {
        (*network, *schedule) = (other, its);
    }
}

/// The network and its schedule with the blocks in that order.
fn in_order(network: &Network, schedule: &Schedule, order: &[usize]) -> (Network, Schedule) {
    let (mut network, mut schedule) = (network.clone(), schedule.clone());
    network.blocks = order.iter().map(|&b| network.blocks[b].clone()).collect();
    schedule.nests = order.iter().map(|&b| schedule.nests[b].clone()).collect();
    (network, schedule)
}

/// The least memory any order of the blocks can need.
pub fn orders(network: &Network, schedule: &Schedule) -> Orders {
    let lives = Lives::new(network, schedule);
    let blocks = lives.blocks.len();
    // Every order runs every block.
    let alone = (0..blocks).map(|b| lives.bytes(&lives.alone(b), b)).max().unwrap_or(0);
    let file: Vec<usize> = (0..blocks).collect();
    if lives.peak(&file) <= alone {
        return Orders { bound: alone, best: Some(file) };
    }
    match lives.search() {
        Some((bound, best)) => Orders { bound, best: Some(best) },
        None => Orders { bound: alone, best: None },
    }
}

/// What a block does to memory, in terms of places: tensors that a reshape joins have one.
struct Touched {
    reads: BTreeSet<usize>,
    writes: BTreeSet<usize>,
    /// Bytes for itself.
    workspace: usize,
    /// Blocks that compute what it reads.
    after: Vec<usize>,
    /// A place whose value it may replace by its result's.
    in_place: Option<(usize, usize)>,
    /// Two places, one of which may lie within the other, and bytes for itself that it then does without.
    within: Option<(usize, usize, usize)>,
}

struct Lives {
    blocks: Vec<Touched>,
    /// Bytes by place; 0 for the caller's memory.
    bytes: Vec<usize>,
    /// Blocks that write, that read each place.
    writers: Vec<Vec<usize>>,
    readers: Vec<Vec<usize>>,
}

/// A set of blocks, a bit each.
type Done = Vec<u64>;

fn contains(done: &Done, block: usize) -> bool {
    done[block / 64] >> (block % 64) & 1 == 1
}

impl Lives {
    fn new(network: &Network, schedule: &Schedule) -> Self {
        let count = network.tensors.len();
        let mut place: Vec<usize> = (0..count).collect();
        for block in &network.blocks {
            if let Body::Move(Move::Reshape { input, output }) = &block.body {
                let (from, to) = (place[output.0 as usize], place[input.0 as usize]);
                place.iter_mut().filter(|p| **p == from).for_each(|p| *p = to);
            }
        }
        let of = |id: TensorId| place[id.0 as usize];
        let mut bytes = vec![0; count];
        for (i, tensor) in network.tensors.iter().enumerate() {
            let size = if matches!(tensor.storage, Storage::Bits(_)) { 8 } else { 4 };
            let own = &mut bytes[place[i]];
            *own = (tensor.storage_len() * size).next_multiple_of(CACHE_LINE).max(*own);
        }
        for &id in network.inputs.iter().chain(&network.outputs) {
            bytes[of(id)] = 0;
        }
        let mut blocks = Vec::with_capacity(network.blocks.len());
        let mut computed_by: HashMap<TensorId, Vec<usize>> = HashMap::new();
        for (b, block) in network.blocks.iter().enumerate() {
            block.writes().into_iter().for_each(|t| computed_by.entry(t).or_default().push(b));
        }
        let (mut writers, mut readers) = (vec![Vec::new(); count], vec![Vec::new(); count]);
        for (b, block) in network.blocks.iter().enumerate() {
            let reads: BTreeSet<usize> = block.reads().into_iter().map(of).collect();
            let writes: BTreeSet<usize> = block.writes().into_iter().map(of).collect();
            reads.iter().for_each(|&p| readers[p].push(b));
            writes.iter().for_each(|&p| writers[p].push(b));
            let after = block.reads().iter().filter_map(|t| computed_by.get(t)).flatten().copied().collect();
            let own = block.workspace().map_or(0, |t| 4 * network.tensor(t).storage_len());
            let in_place = alias::in_place(network, block).map(|(input, result)| (of(input), of(result)));
            let nest = schedule.nests.get(b).and_then(Option::as_ref);
            let within = alias::within(network, schedule, b).map(|within| {
                let window = nest.and_then(|nest| nest.window).filter(|_| within.is_window());
                (of(within.operand), of(within.result), 4 * window.map_or(0, |window| window.len()))
            });
            blocks.push(Touched {
                within,
                reads,
                writes,
                workspace: 4 * nest.map_or(0, Nest::workspace) + own,
                after,
                in_place,
            });
        }
        // What an output replaces may lie in the caller's memory from the start.
        for _ in 0..blocks.len() {
            let free = |b: &&Touched| b.in_place.is_some_and(|(input, result)| bytes[result] == 0 && bytes[input] != 0);
            let Some(input) = blocks.iter().find(free).and_then(|b| b.in_place).map(|(input, _)| input) else { break };
            bytes[input] = 0;
        }
        Self { blocks, bytes, writers, readers }
    }

    /// As if all other blocks were done: only what the block itself touches is then alive.
    fn alone(&self, block: usize) -> Done {
        let mut done = vec![u64::MAX; self.blocks.len().div_ceil(64).max(1)];
        done[block / 64] &= !(1 << (block % 64));
        done
    }

    /// Bytes alive while a block runs after those done.
    fn bytes(&self, done: &Done, block: usize) -> usize {
        let touched = &self.blocks[block];
        let alive = |&p: &usize| {
            touched.reads.contains(&p)
                || touched.writes.contains(&p)
                || self.writers[p].iter().any(|&w| contains(done, w))
                    && self.readers[p].iter().any(|&r| !contains(done, r))
        };
        let all: usize = (0..self.bytes.len()).filter(alive).map(|p| self.bytes[p]).sum();
        let replaces = |&(input, result, _): &(usize, usize, usize)| {
            let dies = self.readers[input].iter().all(|&r| r == block || contains(done, r));
            dies && input != result && !touched.reads.contains(&result)
        };
        let in_scratch = |&(input, result, _): &(usize, usize, usize)| self.bytes[input] > 0 && self.bytes[result] > 0;
        let in_place = touched.in_place.map(|(input, result)| (input, result, 0));
        let replaced = touched.within.filter(in_scratch).or(in_place).filter(replaces);
        let saved = |(input, result, own): (usize, usize, usize)| self.bytes[result].min(self.bytes[input]) + own;
        all + touched.workspace - replaced.map_or(0, saved)
    }

    /// Most bytes alive at a time, in that order.
    fn peak(&self, order: &[usize]) -> usize {
        let mut done = vec![0; self.blocks.len().div_ceil(64).max(1)];
        let mut peak = 0;
        for &b in order {
            peak = peak.max(self.bytes(&done, b));
            done[b / 64] |= 1 << (b % 64);
        }
        peak
    }

    /// The order with the lowest peak, nearest to the file's among equals.
    fn search(&self) -> Option<(usize, Vec<usize>)> {
        let count = self.blocks.len();
        let start = vec![0; count.div_ceil(64).max(1)];
        // How each set was reached: the set before it, and the block.
        let mut from: HashMap<Done, (Done, usize)> = HashMap::new();
        let mut settled: HashSet<Done> = HashSet::new();
        // Sets of many blocks first, then those with the file's first blocks: a search in depth.
        let mut waiting = BinaryHeap::from([(Reverse(0), 0, Reverse((start.clone(), usize::MAX)), start)]);
        while let Some((Reverse(peak), size, Reverse((before, last)), done)) = waiting.pop() {
            if !settled.insert(done.clone()) {
                continue;
            }
            if last != usize::MAX {
                from.insert(done.clone(), (before, last));
            }
            if size == count {
                let (mut order, mut at) = (Vec::with_capacity(count), &done);
                while let Some((before, block)) = from.get(at) {
                    order.push(*block);
                    at = before;
                }
                order.reverse();
                return Some((peak, order));
            }
            if settled.len() > SETS {
                return None;
            }
            for b in (0..count).filter(|&b| !contains(&done, b)) {
                let ready = self.blocks[b].after.iter().all(|&before| contains(&done, before));
                if ready {
                    let mut next = done.clone();
                    next[b / 64] |= 1 << (b % 64);
                    let peak = peak.max(self.bytes(&done, b));
                    waiting.push((Reverse(peak), size + 1, Reverse((done.clone(), b)), next));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::network::{Block, NetTensor, Source, Step, Tiled, Whole};
    use crate::ir::{DType, Op};

    fn tensor(network: &mut Network, len: usize) -> TensorId {
        let name = format!("t{}", network.tensors.len());
        network.add_tensor(NetTensor { name, shape: vec![len], storage: Storage::Dense(DType::F32), origin: None })
    }

    /// Reads some tensors, writes others: the plan looks at nothing else.
    fn block(network: &mut Network, reads: &[TensorId], writes: &[TensorId]) {
        let &[output] = writes else { panic!("one result each") };
        let body = Whole { op: Op::Concat { axis: 0 }, inputs: reads.to_vec(), output };
        network.blocks.push(Block::new(format!("b{}", network.blocks.len()), body));
    }

    /// Two branches, both of which open wide before either narrows.
    #[test]
    fn branches_run_one_after_the_other() {
        let mut n = Network::default();
        let x = tensor(&mut n, 16);
        let wide = [tensor(&mut n, 1600), tensor(&mut n, 1600)];
        let narrow = [tensor(&mut n, 16), tensor(&mut n, 16)];
        let y = tensor(&mut n, 16);
        (n.inputs, n.outputs) = (vec![x], vec![y]);
        block(&mut n, &[x], &wide[..1]);
        block(&mut n, &[x], &wide[1..]);
        block(&mut n, &wide[..1], &narrow[..1]);
        block(&mut n, &wide[1..], &narrow[1..]);
        block(&mut n, &narrow, &[y]);
        let mut schedule = Schedule::of(&n, 0, None);
        assert_eq!(super::super::run(&n, &schedule).scratch_bytes(), 2 * 6400 + 64);
        let orders = orders(&n, &schedule);
        assert_eq!(orders, Orders { bound: 6400 + 2 * 64, best: Some(vec![0, 2, 1, 3, 4]) });
        run(&mut n, &mut schedule);
        assert_eq!(super::super::run(&n, &schedule).scratch_bytes(), orders.bound);
    }

    /// All orders of small random networks, with results that replace operands and reshapes: none needs less than the bound,
    /// and the order found needs no more.
    #[test]
    fn no_order_needs_less() {
        let mut state = 11_u32;
        let mut random = |n: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % n
        };
        let mut reordered = 0;
        for _ in 0..60 {
            let mut n = Network::default();
            let mut values = vec![tensor(&mut n, 160)];
            n.inputs = values.clone();
            for _ in 0..6 {
                let x = values[random(values.len())];
                let same = n.tensor(x).storage_len();
                let y = match random(4) {
                    0 => {
                        let y = tensor(&mut n, same);
                        n.blocks.push(Block::new("reshape", Move::Reshape { input: x, output: y }));
                        y
                    }
                    1 => {
                        let y = tensor(&mut n, same);
                        n.blocks.push(Block::new("map", Tiled::new(Source::Map { input: x }, vec![Step::Store(y)])));
                        y
                    }
                    _ => {
                        let y = tensor(&mut n, 16 << random(8));
                        let other = values[random(values.len())];
                        block(&mut n, &[x, other], &[y]);
                        y
                    }
                };
                values.push(y);
            }
            n.outputs = vec![values[values.len() - 1]];
            let schedule = Schedule::of(&n, 0, None);
            let Orders { bound, best: Some(best) } = orders(&n, &schedule) else { panic!("{n}") };
            let lives = Lives::new(&n, &schedule);
            assert_eq!(lives.peak(&best), bound, "{n}");
            let mut least = usize::MAX;
            permutations(&n, &mut Vec::new(), &mut |order| {
                least = least.min(lives.peak(order));
                let (other, its) = in_order(&n, &schedule, order);
                assert!(super::super::run(&other, &its).scratch_bytes() >= bound, "{bound} {order:?} {n}");
            });
            assert_eq!(least, bound, "{n}");
            let before = super::super::run(&n, &schedule).scratch_bytes();
            let (mut other, mut its) = (n.clone(), schedule.clone());
            run(&mut other, &mut its);
            let after = super::super::run(&other, &its).scratch_bytes();
            assert!(after <= before);
            reordered += usize::from(after < before);
        }
        assert!(reordered > 3, "{reordered}");
    }

    /// Calls `f` with every order in which nothing is read before it is written.
    fn permutations(n: &Network, order: &mut Vec<usize>, f: &mut impl FnMut(&[usize])) {
        if order.len() == n.blocks.len() {
            return f(order);
        }
        for b in 0..n.blocks.len() {
            let written =
                |t: &TensorId| n.inputs.contains(t) || order.iter().any(|&d| n.blocks[d].writes().contains(t));
            if !order.contains(&b) && n.blocks[b].reads().iter().all(written) {
                order.push(b);
                permutations(n, order, f);
                order.pop();
            }
        }
    }
}
