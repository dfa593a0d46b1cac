//! Packed sign bits: which tensors there are, framed for the convolutions that read them, and where they are packed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::geometry::windowed;
use super::{Builder, Pack, sign_of};
use crate::ir::network::{BitLayout, Storage, TensorId};
use crate::ir::{Op, ValueId, Zero};

/// A tensor of bits in the making, and who reads it.
struct Request {
    groups: usize,
    /// What the frame must hold, if anybody reads a frame.
    ones: Option<bool>,
    frame: [usize; 4],
    /// Nodes, and which of their operands it is.
    readers: Vec<(usize, usize)>,
}

impl Builder<'_> {
    /// The value of ±1, computed as bits, behind a value of ±1: the result of a sign or of a max-pool of such.
    /// `None` when it exists in numbers only.
    pub(super) fn bit_source(&self, v: ValueId) -> Option<ValueId> {
        let mut v = v;
        loop {
            let p = self.facts.producer(v)?;
            let node = self.facts.node(p);
            match &node.op {
                Op::Sign(_) => return Some(v),
                Op::MaxPool { .. } => return self.is_bit_pool(p).then_some(v),
                Op::Concat { .. } => return self.is_bit_join(p).then_some(v),
                Op::Binary(_) => return self.facts.multiplies_signs(p).then_some(v),
                Op::Reshape | Op::Transpose(_) if self.facts.is_same_view(p) => v = node.inputs[0],
                // In front of a fully connected layer, see `Facts::flatten`.
                Op::Reshape | Op::Transpose(_) if self.facts.takes_bits(p) => v = node.inputs[0],
                _ => return None,
            }
        }
    }

    /// True for a max-pool that works on bits.
    pub(super) fn is_bit_pool(&self, i: usize) -> bool {
        let node = self.facts.node(i);
        matches!(node.op, Op::MaxPool { .. })
            && self.facts.is_bits_only(node.output)
            && self.bit_source(node.inputs[0]).is_some()
    }

    /// True where the channels of bits are joined, to be read in one group.
    pub(super) fn is_bit_join(&self, i: usize) -> bool {
        let node = self.facts.node(i);
        self.facts.joins_channels(i)
            && self.facts.is_bits_only(node.output)
            && self.facts.users(node.output).iter().all(|&u| match &self.facts.node(u).op {
                Op::BinaryConv { groups, .. } => *groups == 1,
                op => matches!(op, Op::BinaryMatMul { .. }),
            })
            && node.inputs.iter().all(|&v| self.bit_source(v).is_some())
    }

    /// The value of ±1 a binary layer (or pool of bits) reads, before reshapes that only matter to its geometry.
    pub(super) fn binary_operand(&self, i: usize) -> ValueId {
        let node = self.facts.node(i);
        match self.facts.flatten(i) {
            Some(flatten) if self.facts.is_bits_only(node.inputs[0]) => flatten.source,
            _ => node.inputs[0],
        }
    }

    /// Creates all tensors of bits. Readers of one value share a tensor when groups and frames agree.
    pub(super) fn plan_bits(&mut self) {
        // In the order of the nodes that compute them, which is that of the text too; numbers of values are not.
        let mut requests: BTreeMap<(Option<usize>, ValueId), Vec<Request>> = BTreeMap::new();
        let operands = |i: usize| match () {
            () if self.is_bit_join(i) => self.facts.node(i).inputs.clone(),
            () if self.facts.is_part_of_product(i) => Vec::new(),
            () if self.facts.multiplies_signs(i) => self.facts.factors(i),
            () => vec![self.binary_operand(i)],
        };
        let all = self.facts.live().flat_map(|i| operands(i).into_iter().enumerate().map(move |(k, v)| (i, k, v)));
        for (i, k, operand) in all.collect::<Vec<_>>() {
            let node = self.facts.node(i);
            let (input, output) = (self.graph.shape(operand), self.graph.shape(node.output));
            let (groups, frame, ones) = match &node.op {
                Op::BinaryConv { window, groups, .. } => {
                    (*groups, windowed(window, *groups, input, output).reach(), window.pad_value > 0.0)
                }
                Op::BinaryMatMul { .. } => (1, [0; 4], false),
                Op::Concat { .. } if self.is_bit_join(i) => (1, [0; 4], false),
                Op::Binary(_) if self.facts.multiplies_signs(i) => (1, [0; 4], false),
                // Zeros do not take part in an OR, so a frame of zeros serves a kernel that reads it.
                Op::MaxPool { window, .. } if self.is_bit_pool(i) => {
                    (1, windowed(window, 1, input, output).reach(), false)
                }
                _ => continue,
            };
            let ones = (frame != [0; 4]).then_some(ones);
            let source = self.bit_source(operand).unwrap_or(operand);
            let list = requests.entry((self.facts.producer(source), source)).or_default();
            let fits = |r: &&mut Request| r.groups == groups && (r.ones.is_none() || ones.is_none() || r.ones == ones);
            match list.iter_mut().find(fits) {
                Some(request) => {
                    request.ones = request.ones.or(ones);
                    for (side, &needed) in request.frame.iter_mut().zip(&frame) {
                        *side = needed.max(*side);
                    }
                    request.readers.push((i, k));
                }
                None => list.push(Request { groups, ones, frame, readers: vec![(i, k)] }),
            }
        }
        let mut thresholds = HashMap::new();
        for ((_, source), list) in requests {
            for request in list {
                let bits = self.bit_tensor(source, &request);
                for &reader in &request.readers {
                    self.bits_read.insert(reader, bits);
                }
                let producer = self.facts.producer(source).map(|p| (p, &self.facts.node(p).op));
                match producer {
                    Some((p, Op::Sign(_))) => {
                        let intervals = thresholds.entry(p).or_insert_with(|| self.thresholds(p)).clone();
                        let value = self.decided_on(p);
                        self.packs.entry(value).or_default().push(Pack { intervals, bits });
                        self.sign_bits.entry(p).or_default().push(bits);
                    }
                    Some((p, Op::MaxPool { .. })) if self.is_bit_pool(p) => {
                        self.bits_moved.entry(p).or_default().push(bits);
                    }
                    Some((p, Op::Binary(_))) if self.facts.multiplies_signs(p) => {
                        self.bits_moved.entry(p).or_default().push(bits);
                    }
                    Some((p, Op::Concat { .. })) if self.is_bit_join(p) => {
                        self.bits_moved.entry(p).or_default().push(bits);
                    }
                    _ => {
                        // Numbers that are all -1 or +1.
                        let intervals = Arc::new(vec![sign_of(Zero::Plus); self.facts.view(source)[3]]);
                        self.packs.entry(source).or_default().push(Pack { intervals, bits });
                    }
                }
            }
        }
    }

    fn bit_tensor(&mut self, source: ValueId, request: &Request) -> TensorId {
        let value = self.graph.value(source);
        let layout = BitLayout { groups: request.groups, frame: request.frame, frame_ones: request.ones == Some(true) };
        let shape = self.facts.view(source).to_vec();
        // The values themselves may be needed in memory too, under their own name.
        let name = if self.facts.is_bits_only(source) { value.name.clone() } else { format!("{}.bits", value.name) };
        self.new_tensor(&name, shape, Storage::Bits(layout), value.origin.clone())
    }
}
