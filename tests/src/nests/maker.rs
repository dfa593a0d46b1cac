//! A network in the making: tensors, steps and parameters by chance.

use std::sync::Arc;

use crate::random::Random;
use xnorc::ir::network::{
    Activation, BinaryWeights, BitLayout, BitPadding, Block, Body, Geometry, Interval, NetTensor, Network, PerPixel,
    Source, Step, Storage, TensorId, Tiled,
};
use xnorc::ir::{DType, Tensor, Unary};

/// Numbers far from each other of neighbouring ones (the finaliser of SplitMix64), whose streams would begin alike.
fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// A network in the making.
pub(crate) struct Maker {
    pub(crate) network: Network,
    pub(crate) r: Random,
    /// Whether all signs are +1, and all weights of some channels the same: then counters of differing bits become as full as
    /// they can be.
    full: bool,
    /// Whether some numbers are none, infinite, or zeros of either sign, and many are equal.
    pub(crate) odd: bool,
    /// Bits that nobody reads yet.
    pending: Vec<TensorId>,
}

impl Maker {
    pub(crate) fn new(seed: u64) -> Self {
        let mut r = Random::new(mixed(seed));
        let full = r.once_in(3);
        let network = Network { name: format!("seed {seed}"), ..Network::default() };
        Self { network, r, full, odd: false, pending: Vec::new() }
    }

    /// With a full mantissa, so that every rounding shows; a few are zero.
    pub(crate) fn number(&mut self) -> f32 {
        if self.odd && self.r.once_in(2) {
            let (inf, nan) = (f32::INFINITY, f32::NAN);
            return self.r.pick(&[0.0, -0.0, 1.0, 1.0, -2.0, -2.0, 0.5, inf, -inf, nan]);
        }
        if self.r.once_in(20) { 0.0 } else { 2.0 * self.r.real() }
    }

    pub(crate) fn numbers(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.number()).collect()
    }

    fn add(&mut self, role: &str, shape: &[usize], storage: Storage) -> TensorId {
        let name = format!("{role}_{}", self.network.tensors.len());
        self.network.add_tensor(NetTensor { name, shape: shape.to_vec(), storage, origin: None })
    }

    pub(crate) fn dense(&mut self, shape: &[usize]) -> TensorId {
        self.add("t", shape, Storage::Dense(DType::F32))
    }

    pub(crate) fn input(&mut self, shape: &[usize]) -> TensorId {
        let id = self.add("x", shape, Storage::Dense(DType::F32));
        self.network.inputs.push(id);
        id
    }

    pub(crate) fn output(&mut self, shape: &[usize]) -> TensorId {
        let id = self.add("y", shape, Storage::Dense(DType::F32));
        self.network.outputs.push(id);
        id
    }

    /// An input of the network that holds integers.
    pub(crate) fn whole_numbers(&mut self, shape: &[usize], dtype: DType) -> TensorId {
        let id = self.add("x", shape, Storage::Dense(dtype));
        self.network.inputs.push(id);
        id
    }

    /// An output of the network that holds integers.
    pub(crate) fn integers(&mut self, shape: &[usize]) -> TensorId {
        let id = self.add("y", shape, Storage::Dense(DType::I64));
        self.network.outputs.push(id);
        id
    }

    pub(crate) fn block(&mut self, body: impl Into<Body>) {
        let name = format!("block_{}", self.network.blocks.len());
        self.network.blocks.push(Block::new(name, body));
    }

    /// Values for the inputs.
    pub(crate) fn values(&mut self) -> Vec<Tensor> {
        let shapes: Vec<Vec<usize>> =
            self.network.inputs.iter().map(|&id| self.network.tensor(id).shape.clone()).collect();
        shapes
            .into_iter()
            .map(|shape| {
                let data = self.numbers(shape.iter().product());
                Tensor::f32(shape, data)
            })
            .collect()
    }

    /// Thresholds near so large values: rising, falling, both, none, the same for all channels or not.
    pub(crate) fn intervals(&mut self, channels: usize, largest: f32) -> Arc<Vec<Interval>> {
        let all = Interval { low: f32::NEG_INFINITY, high: f32::INFINITY };
        let kind = self.r.below(6);
        let mut one = || {
            let (a, b) = (self.r.real() * largest, self.r.real() * largest);
            match kind {
                0 => Interval { low: a.round(), ..all },
                1 => Interval { low: a, ..all },
                2 => Interval { high: a.round(), ..all },
                // Of some channels nothing is inside.
                3 => Interval { low: a, high: b },
                _ => Interval { low: a.min(b), high: a.max(b) },
            }
        };
        let first = one();
        let mut list: Vec<Interval> = (0..channels).map(|_| one()).collect();
        if self.full {
            list.fill(all);
        } else if self.r.once_in(4) {
            list.fill(first);
        }
        Arc::new(list)
    }

    /// Bits of a tensor, in so many groups, for a reader that reaches so far.
    pub(crate) fn bits(&mut self, shape: [usize; 4], groups: usize, reach: [usize; 4], ones: bool) -> TensorId {
        // Somebody else may need a wider frame.
        let wider = if self.r.once_in(3) { [0, 1, 2, 3].map(|_| self.r.below(3)) } else { [0; 4] };
        let frame = [0, 1, 2, 3].map(|side| reach[side] + wider[side]);
        self.add("bits", &shape, Storage::Bits(BitLayout { groups, frame, frame_ones: ones }))
    }

    /// Signs of what a binary convolution of that geometry shall read, from an input of the network; with their padding.
    pub(crate) fn signs(&mut self, g: &Geometry) -> (TensorId, BitPadding) {
        let [h, w, c] = g.input;
        let shape = [g.n, h, w, c];
        let input = self.input(&shape);
        let (bits, padding) = self.bits_for(g);
        let intervals = self.intervals(c, 2.0);
        self.block(Tiled::new(Source::Map { input }, vec![Step::Sign { bits, intervals }]));
        (bits, padding)
    }

    /// Bits that a convolution of that geometry can read.
    pub(crate) fn bits_for(&mut self, g: &Geometry) -> (TensorId, BitPadding) {
        let padding = self.r.pick(&[BitPadding::Zero, BitPadding::Zero, BitPadding::Plus, BitPadding::Minus]);
        let [h, w, c] = g.input;
        (self.bits([g.n, h, w, c], g.groups, g.reach(), padding == BitPadding::Plus), padding)
    }

    /// A binary convolution of bits.
    pub(crate) fn binary(&mut self, input: TensorId, geometry: Geometry, padding: BitPadding) -> Source {
        let Geometry { input: [_, _, c], output: [_, _, outputs], kernel: [kh, kw], groups, .. } = geometry;
        let mut signs = Vec::new();
        for _ in 0..outputs {
            let kind = if self.full { self.r.below(3) } else { 2 };
            signs.extend((0..kh * kw * (c / groups)).map(|_| match kind {
                0 => false,
                1 => true,
                _ => self.r.once_in(2),
            }));
        }
        let weights = Arc::new(BinaryWeights { signs, zeros: 0, deviation: 0.0 });
        Source::BinaryConv { input, geometry, weights, padding }
    }

    /// A small layer that reads bits, one block of whose outputs depend on every one of them, and gives its sums to the caller.
    pub(crate) fn show(&mut self, bits: TensorId) {
        let tensor = self.network.tensor(bits).clone();
        let Storage::Bits(BitLayout { groups, frame, frame_ones }) = tensor.storage else { panic!("bits") };
        let [n, h, w, c] = tensor.shape[..] else { panic!("four axes") };
        // Over the frame too, as far as that can be.
        let pad = usize::from(frame.iter().all(|&side| side > 0));
        let kernel = [1 + 2 * pad; 2];
        let output = [h, w, 3 * groups];
        let g = Geometry {
            n,
            input: [h, w, c],
            output,
            kernel,
            strides: [1; 2],
            dilations: [1; 2],
            pads: [pad; 2],
            groups,
        };
        let padding = match (frame_ones, self.r.once_in(2)) {
            (true, _) => BitPadding::Plus,
            (false, true) => BitPadding::Minus,
            (false, false) => BitPadding::Zero,
        };
        let source = self.binary(bits, g, padding);
        let y = self.output(&g.extents());
        self.block(Tiled::new(source, vec![Step::Store(y)]));
    }

    /// Up to so many steps on such values, which are about so large, and at the end something is written.
    pub(crate) fn steps(&mut self, grid: [usize; 4], most: usize, largest: f32) -> Vec<Step> {
        let mut steps = Vec::new();
        for _ in 0..self.r.below(most + 1) {
            let step = self.step(grid);
            steps.extend(step);
        }
        let wanted = self.r.below(4);
        if wanted != 0 {
            steps.push(Step::Store(self.output(&grid)));
        }
        if wanted == 1 {
            // What is stored is changed and stored again.
            steps.extend(self.step(grid));
            steps.push(Step::Store(self.output(&grid)));
        }
        if wanted < 2 {
            steps.push(self.sign(grid, largest));
        }
        steps
    }

    /// Signs of values, which a layer behind it shows.
    pub(crate) fn sign(&mut self, grid: [usize; 4], largest: f32) -> Step {
        let [_, _, _, c] = grid;
        let divisors: Vec<usize> = (1..=c).filter(|g| c.is_multiple_of(*g)).collect();
        let groups = if self.r.once_in(4) { self.r.pick(&divisors) } else { 1 };
        let reach = if self.r.once_in(2) { [1; 4] } else { [0; 4] };
        let ones = self.r.once_in(3);
        let bits = self.bits(grid, groups, reach, ones);
        self.pending.push(bits);
        Step::Sign { bits, intervals: self.intervals(c, largest) }
    }

    fn step(&mut self, grid: [usize; 4]) -> Vec<Step> {
        let [n, h, w, c] = grid;
        let of = |m: &mut Self, len: usize| Arc::new(m.numbers(len));
        let functions =
            [Unary::Relu, Unary::LeakyRelu(0.1), Unary::Clip(-0.5, 2.0), Unary::Abs, Unary::Neg, Unary::Floor];
        match self.r.below(13) {
            0 | 1 => vec![Step::Scale(of(self, c))],
            2 => vec![Step::Shift(of(self, c))],
            3 => vec![Step::Activation(Activation::PRelu(of(self, c)))],
            4 => vec![Step::Activation(Activation::Unary(self.r.pick(&functions)))],
            5 => vec![Step::Add(self.input(&grid))],
            6 => vec![Step::Mul(self.input(&grid))],
            7 => vec![Step::Sum(self.output(&[n, 1, 1, c]))],
            8 => {
                let gate = self.input(&[n, 1, 1, c]);
                let mut steps = if self.r.once_in(2) { vec![Step::Scale(of(self, c))] } else { Vec::new() };
                steps.push(Step::Gate(gate));
                steps
            }
            9 | 10 => {
                let extents = [h, w, c].map(|extent| if self.r.once_in(3) { 1 } else { extent });
                let p = PerPixel { extents, values: of(self, extents.iter().product()) };
                vec![if self.r.once_in(2) { Step::ScalePixels(p) } else { Step::ShiftPixels(p) }]
            }
            11 => vec![Step::Activation(Activation::Sign(self.intervals(c, 2.0)))],
            _ => Vec::new(),
        }
    }

    /// The network, and values for it.
    pub(crate) fn finish(mut self) -> (Network, Vec<Tensor>) {
        while let Some(bits) = self.pending.pop() {
            self.show(bits);
        }
        let values = self.values();
        (self.network, values)
    }
}
