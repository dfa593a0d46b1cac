//! Where the tensors of a network in fixed point lie: three arrays, and a place in one for every tensor while it is needed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Block, Fixed, Source, Step};
use crate::interpret::network::last_uses;
use crate::ir::network::{Body, Network, Storage, TensorId};

/// The arrays of the memory between the blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Array {
    /// Numbers of 16 bits.
    Shorts,
    /// Sums of 32 bits.
    Sums,
    /// Signs in words of 32 bits.
    Words,
}

/// An array and the first element there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which.
    pub array: Array,
    /// In elements.
    pub start: usize,
    /// In elements.
    pub len: usize,
}

/// The places, and the lengths of shorts, sums and words.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Of what is no output.
    pub of: BTreeMap<TensorId, Place>,
    /// By array.
    pub lens: BTreeMap<Array, usize>,
}

impl Places {
    /// Elements of shorts, sums and words.
    pub fn len(&self) -> [usize; 3] {
        [Array::Shorts, Array::Sums, Array::Words].map(|array| self.lens.get(&array).copied().unwrap_or(0))
    }

    /// Bytes of the three, one behind the other in a value that is aligned for a line of the cache.
    pub fn bytes(&self) -> usize {
        let [shorts, sums, words] = self.len();
        ((2 * shorts).next_multiple_of(4) + 4 * (sums + words)).next_multiple_of(64)
    }
}

/// First fit, block by block.
pub fn run(network: &Network, fixed: &Fixed) -> Places {
    let last = last_uses(network);
    let mut sums = BTreeSet::new();
    for block in &fixed.blocks {
        if let Block::Tiled(_, steps) = block {
            sums.extend(steps.iter().filter_map(|s| if let Step::Sum(t, _) = s { Some(*t) } else { None }));
        }
    }
    let mut places = Places::default();
    let mut live: BTreeSet<TensorId> = BTreeSet::new();
    let mut put = |id: TensorId, heir_of: Option<TensorId>, live: &mut BTreeSet<TensorId>| {
        live.insert(id);
        let tensor = network.tensor(id);
        let len: usize = tensor.shape.iter().product();
        if let Some(skip) = heir_of {
            let place = places.of[&skip];
            places.of.insert(id, Place { len, ..place });
            return;
        }
        let (array, len) = match tensor.storage {
            Storage::Bits(_) => (Array::Words, len / tensor.shape[3] * tensor.shape[3].div_ceil(32)),
            Storage::Dense(_) if sums.contains(&id) => (Array::Sums, len),
            Storage::Dense(_) => (Array::Shorts, len),
        };
        let mut taken: Vec<Place> =
            live.iter().filter(|t| **t != id).map(|t| places.of[t]).filter(|p| p.array == array).collect();
        taken.sort_by_key(|p| p.start);
        let start =
            taken.iter().fold(0, |start, p| if start + len <= p.start { start } else { start.max(p.start + p.len) });
        places.of.insert(id, Place { array, start, len });
        let all = places.lens.entry(array).or_default();
        *all = (*all).max(start + len);
    };
    for &id in &network.inputs {
        put(id, None, &mut live);
    }
    for (index, (block, integers)) in network.blocks.iter().zip(&fixed.blocks).enumerate() {
        // A skip that ends here leaves its place, element by element, to the tensor that is stored after it; what a pool makes of it is
        // shorter, and is stored when the rows under its windows have been read.
        let mut heirs = BTreeMap::new();
        if let (Body::Tiled(tiled), Block::Tiled(source, steps)) = (&block.body, integers) {
            let mut ending = None;
            for step in steps {
                match step {
                    Step::Add(t, _) if last[t.0 as usize] == index => ending = Some(*t),
                    Step::Store(t, _) => {
                        if let Some(skip) = ending.take() {
                            heirs.insert(*t, skip);
                        }
                    }
                    _ => {}
                }
            }
            heirs.retain(|_, skip| *skip != tiled.source.input() || *source == Source::Elements);
        }
        for id in block.writes() {
            if network.outputs.contains(&id) {
                continue;
            }
            put(id, heirs.get(&id).copied(), &mut live);
        }
        live.retain(|id| last[id.0 as usize] > index);
    }
    places
}
