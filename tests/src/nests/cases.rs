//! One random network of each kind of nest.

use std::sync::Arc;

use crate::random::Random;
use xnorc::ir::network::{
    Dense, Gate, Geometry, Move, Network, Pool, PoolKind, Pooled, Products, Quantized, Source, Step, TensorId, Tiled,
};
use xnorc::ir::{Tensor, Unary};

use super::maker::Maker;
use super::wholes;
use super::window::{self, Kind, window};

/// What makes a network.
type Make = fn(&mut Maker);

/// By name.
pub(super) const KINDS: &[(&str, Make)] = &[
    ("binary convolution as most are", usual),
    ("binary convolution", binary),
    ("binary convolution of many words", many_words),
    ("binary convolution with a pool", pooled_binary),
    ("binary layer, fully connected", connected),
    ("pool of bits", bit_pool),
    ("convolution", real),
    ("convolution of one tap", one_tap),
    ("convolution with a pool", pooled_real),
    ("convolution, depthwise", depthwise),
    ("convolution of narrow numbers", narrow),
    ("pool, largest value", largest),
    ("pool, mean", mean),
    ("map", map),
    ("map with a pool", pooled_map),
    ("gate", gate),
    ("map that writes much", much),
    ("copy", wholes::copies),
    ("copy of several", wholes::concat),
    ("copy of rows by a list", wholes::gather),
    ("reduction", wholes::reductions),
    ("product", wholes::product),
    ("product of signs", wholes::product_of_signs),
    ("function of several", wholes::elements),
    ("softmax and maxima", wholes::lines),
    ("binary convolution down the lanes", down),
    ("binary convolution down the lanes with a pool", pooled_down),
    ("binary convolution to nothing but signs", only_signs),
    ("rows of a table", wholes::lookup),
    ("join of bits", bit_join),
    ("product of bits", bit_product),
    ("pool over its skip", over_skip),
    ("convolution in front of its input", ahead_of_input),
    ("binary convolution with pixels as lanes", pixel_lanes),
    ("binary convolution with pixels as lanes and a pool", pooled_pixel_lanes),
    ("layer beside its own input", beside_input),
    ("computed rows of a computed tensor", wholes::computed_rows),
];

/// A network of a kind, and values for it.
pub(super) fn case(kind: usize, seed: u64) -> (Network, Vec<Tensor>) {
    // A new kind changes none of the others.
    let mut m = Maker::new(seed << 8 | kind as u64);
    KINDS[kind].1(&mut m);
    m.finish()
}

const KERNELS: &[[usize; 2]] = &[[1, 1], [3, 3], [3, 3], [3, 3], [5, 5], [1, 3], [3, 1], [7, 7], [2, 2], [2, 3]];

fn images(r: &mut Random) -> usize {
    r.pick(&[1, 1, 3])
}

/// Rows and columns, which tiles of 4 to 7 pixels divide or not.
fn size(r: &mut Random) -> [usize; 2] {
    [r.pick(&[1, 2, 3, 5]), r.pick(&[1, 2, 3, 4, 5, 7, 9, 11, 14])]
}

fn grid(r: &mut Random) -> [usize; 4] {
    let [h, w] = size(r);
    [images(r), h, w, r.pick(&[1, 3, 16, 17, 33, 48, 64])]
}

/// So many channels as so many words hold: whole ones or not.
fn channels(r: &mut Random, words: usize) -> usize {
    let some = r.below(63);
    words * 64 - r.pick(&[0, 0, some, 48])
}

/// A geometry with channels and groups.
fn of(g: Geometry, n: usize, [inputs, outputs]: [usize; 2], groups: usize) -> Geometry {
    let ([h, w, _], [oh, ow, _]) = (g.input, g.output);
    Geometry { n, input: [h, w, inputs * groups], output: [oh, ow, outputs * groups], groups, ..g }
}

/// With groups that come in whole blocks of 16 channels, or do not, or are single channels.
fn grouped(r: &mut Random, g: Geometry, n: usize, inputs: usize) -> Geometry {
    match r.below(8) {
        0 | 4 => of(g, n, [inputs, r.pick(&[16, 32])], r.pick(&[2, 3])),
        1 => of(g, n, [inputs, r.pick(&[1, 5, 8, 20])], r.pick(&[2, 3, 4])),
        2 => of(g, n, [1, 1], r.pick(&[1, 3, 16, 40])),
        3 => of(g, n, [inputs.min(3), r.pick(&[1, 2])], r.pick(&[8, 20])),
        _ => of(g, n, [inputs, r.pick(&[1, 5, 16, 17, 32, 40])], 1),
    }
}

/// How large the sums of a binary layer usually are.
fn typical(g: &Geometry) -> f32 {
    ((g.kernel[0] * g.kernel[1] * g.input[2] / g.groups) as f32).sqrt()
}

fn binary_block(m: &mut Maker, g: Geometry) {
    let (bits, padding) = m.signs(&g);
    let source = m.binary(bits, g, padding);
    let steps = m.steps(g.extents(), 3, typical(&g));
    m.block(Tiled::new(source, steps));
}

fn binary(m: &mut Maker) {
    let size = size(&mut m.r);
    let g = window(&mut m.r, size, Kind { kernels: KERNELS, inside: false });
    let words = m.r.pick(&[1, 1, 1, 2, 3, 4]);
    let (n, inputs) = (images(&mut m.r), channels(&mut m.r, words));
    let g = grouped(&mut m.r, g, n, inputs);
    binary_block(m, g);
}

/// As many as fit around it, strides of 1 or 2, padding on all sides.
fn usual(m: &mut Maker) {
    let (kernel, stride) = (m.r.pick(&[3, 3, 3, 5, 1]), m.r.pick(&[1, 1, 2]));
    let input = [0, 1].map(|_| m.r.pick(&[4, 5, 7, 8, 14]));
    let output = input.map(|extent| (extent - 1) / stride + 1);
    let words = m.r.pick(&[1, 2, 4, 5, 6, 8]);
    let (inputs, outputs) = (channels(&mut m.r, words), m.r.pick(&[16, 33, 64]));
    binary_block(m, geometry(input, output, [inputs, outputs], kernel, stride));
}

/// Of one group, padded by half of the window.
fn geometry(
    [h, w]: [usize; 2],
    [oh, ow]: [usize; 2],
    [inputs, outputs]: [usize; 2],
    kernel: usize,
    stride: usize,
) -> Geometry {
    Geometry {
        n: 1,
        input: [h, w, inputs],
        output: [oh, ow, outputs],
        kernel: [kernel; 2],
        strides: [stride; 2],
        dilations: [1, 1],
        pads: [kernel / 2; 2],
        groups: 1,
    }
}

/// So many that counters have no room for all of them.
fn many_words(m: &mut Maker) {
    let kernels = &[[1, 1], [3, 3], [1, 3], [3, 1], [5, 5]];
    let size = [m.r.pick(&[1, 2, 3]), m.r.pick(&[1, 3, 5, 7])];
    let g = window(&mut m.r, size, Kind { kernels, inside: false });
    let words = m.r.pick(&[4, 7, 8, 11, 16, 31, 32, 33, 63, 64, 70]);
    let words = if g.kernel == [5, 5] { words.min(8) } else { words };
    let inputs = channels(&mut m.r, words);
    let outputs = m.r.pick(&[5, 16, 17]);
    let groups = if m.r.once_in(5) { 2 } else { 1 };
    binary_block(m, of(g, 1, [inputs, outputs], groups));
}

fn connected(m: &mut Maker) {
    let words = m.r.pick(&[1, 2, 4, 8, 31, 32, 64, 70]);
    let inputs = channels(&mut m.r, words);
    let g = Geometry {
        n: m.r.pick(&[1, 2, 3, 3, 6]),
        input: [1, 1, inputs],
        output: [1, 1, m.r.pick(&[1, 10, 16, 50])],
        kernel: [1, 1],
        // What goes no further than one pixel.
        strides: [m.r.pick(&[1, 2]); 2],
        dilations: [1, 1],
        pads: [0, 0],
        groups: 1,
    };
    // Rows of one image, as a layer over a sequence has them.
    let g = if m.r.once_in(3) { Geometry { input: [1, 5, inputs], output: [1, 5, g.output[2]], ..g } } else { g };
    binary_block(m, g);
}

fn bit_pool(m: &mut Maker) {
    let (size, n) = (size(&mut m.r), images(&mut m.r));
    let (groups, each) = (m.r.pick(&[1, 1, 2, 3, 4]), m.r.pick(&[1, 5, 16, 40, 64, 70]));
    let g = window::pool(&mut m.r, size, n, groups * each);
    let [h, w, c] = g.input;
    let input = m.input(&[n, h, w, c]);
    // The pool takes no part in the padding, whatever lies there.
    let ones = m.r.once_in(2);
    let bits = m.bits([n, h, w, c], groups, g.reach(), ones);
    let intervals = m.intervals(c, 2.0);
    m.block(Tiled::new(Source::Map { input }, vec![Step::Sign { bits, intervals }]));
    let (to_groups, reach, ones) = (m.r.pick(&[1, groups, c]), [m.r.below(2); 4], m.r.once_in(2));
    let output = m.bits(g.extents(), to_groups, reach, ones);
    m.block(Move::BitMaxPool { input: bits, output, geometry: g });
    m.show(output);
}

fn bit_join(m: &mut Maker) {
    let ([h, w], n) = (size(&mut m.r), images(&mut m.r));
    let mut inputs = Vec::new();
    let mut channels = 0;
    let whole = m.r.once_in(2);
    for _ in 0..m.r.pick(&[1, 2, 3, 5]) {
        let c = if whole { m.r.pick(&[64, 128]) } else { m.r.pick(&[1, 5, 16, 32, 63, 64, 65, 100]) };
        let input = m.input(&[n, h, w, c]);
        // Others may read a part too, within a frame.
        let (reach, ones) = ([m.r.below(2); 4], m.r.once_in(2));
        let bits = m.bits([n, h, w, c], 1, reach, ones);
        let intervals = m.intervals(c, 2.0);
        m.block(Tiled::new(Source::Map { input }, vec![Step::Sign { bits, intervals }]));
        channels += c;
        inputs.push(bits);
    }
    if m.r.once_in(4) {
        inputs.push(inputs[0]);
        channels += m.network.tensor(inputs[0]).shape[3];
    }
    let (reach, ones) = ([m.r.below(2), m.r.below(3), 1, 0], m.r.once_in(2));
    let output = m.bits([n, h, w, channels], 1, reach, ones);
    m.block(Move::BitJoin { inputs, output });
    m.show(output);
}

fn bit_product(m: &mut Maker) {
    let ([h, w], n) = (size(&mut m.r), images(&mut m.r));
    let c = m.r.pick(&[1, 5, 16, 63, 64, 65, 100, 128]);
    let mut inputs = Vec::new();
    for _ in 0..m.r.pick(&[2, 3, 4, 7]) {
        let input = m.input(&[n, h, w, c]);
        let (reach, ones) = ([m.r.below(2); 4], m.r.once_in(2));
        let bits = m.bits([n, h, w, c], 1, reach, ones);
        let intervals = m.intervals(c, 2.0);
        m.block(Tiled::new(Source::Map { input }, vec![Step::Sign { bits, intervals }]));
        inputs.push(bits);
    }
    if m.r.once_in(4) {
        inputs.push(inputs[0]);
    }
    let (reach, ones) = ([m.r.below(2), m.r.below(3), 1, 0], m.r.once_in(2));
    let output = m.bits([n, h, w, c], 1, reach, ones);
    m.block(Move::BitProduct { inputs, output });
    m.show(output);
}

fn kind_of_pool(m: &mut Maker, g: &Geometry) -> PoolKind {
    if m.r.once_in(3) { PoolKind::Max } else { PoolKind::Average { count_include_pad: padding_that_counts(m, g) } }
}

fn padding_that_counts(m: &mut Maker, g: &Geometry) -> Option<[usize; 2]> {
    let [_, _, bottom, right] = g.reach();
    match m.r.below(3) {
        0 => None,
        1 => Some([bottom, right]),
        // Where the extents are rounded up, windows reach beyond the padding that counts.
        _ => Some([m.r.below(bottom + 1), m.r.below(right + 1)]),
    }
}

/// A pool inside a block whose source is still to be made: of so many channels.
fn pooled(m: &mut Maker, n: usize, channels: usize) -> (Pool, [usize; 4]) {
    let size = [m.r.pick(&[1, 2, 3, 4]), m.r.pick(&[1, 2, 3, 5])];
    let geometry = window::pool(&mut m.r, size, n, channels);
    let kind = kind_of_pool(m, &geometry);
    let [h, w, c] = geometry.input;
    (Pool { kind, geometry }, [n, h, w, c])
}

/// Steps before the pool, with or without something that is written there.
fn before(m: &mut Maker, grid: [usize; 4], largest: f32) -> Vec<Step> {
    if m.r.once_in(2) {
        return m.steps(grid, 2, largest);
    }
    let c = grid[3];
    vec![Step::Scale(Arc::new(m.numbers(c)))]
}

fn behind(m: &mut Maker, source: Source, pool: Pool, grid: [usize; 4], largest: f32) {
    let steps = before(m, grid, largest);
    let after = m.steps(pool.geometry.extents(), 3, largest);
    m.block(Tiled { source, steps, pooled: Some(Pooled { pool, steps: after }) });
}

fn pooled_binary(m: &mut Maker) {
    let outputs = m.r.pick(&[1, 16, 17, 40]);
    pooled_to(m, outputs);
}

/// Planes of every width, and parts of them.
const PLANES: &[usize] = &[32, 64, 96, 128, 128, 256, 512];

fn down(m: &mut Maker) {
    let size = size(&mut m.r);
    let g = window(&mut m.r, size, Kind { kernels: KERNELS, inside: false });
    let words = m.r.pick(&[1, 1, 2, 3]);
    let (n, inputs, outputs) = (images(&mut m.r), channels(&mut m.r, words), m.r.pick(PLANES));
    binary_block(m, of(g, n, [inputs, outputs], 1));
}

/// Windows of enough taps, for which it pays that pixels are lanes, and pictures that fill most of their strips.
const MANY_TAPS: &[[usize; 2]] = &[[3, 3], [3, 3], [3, 3], [5, 5], [5, 3], [3, 5]];

/// Pictures of several strips, or one; of rows that fill whole bytes or not, and windows that need planes of several phases.
fn pixel_lanes(m: &mut Maker) {
    let size = m.r.pick(&[[16, 16], [8, 31], [10, 24], [17, 30], [7, 57], [4, 62], [30, 7], [13, 39]]);
    let g = window(&mut m.r, size, Kind { kernels: MANY_TAPS, inside: false });
    let words = m.r.pick(&[1, 1, 1, 2]);
    let (n, inputs, outputs) = (m.r.pick(&[1, 1, 2]), channels(&mut m.r, words), m.r.pick(&[64, 72, 104]));
    binary_block(m, of(g, n, [inputs, outputs], 1));
}

fn pooled_pixel_lanes(m: &mut Maker) {
    let size = [m.r.pick(&[4, 7, 8]), m.r.pick(&[12, 14, 15, 16])];
    let (n, outputs) = (m.r.pick(&[1, 1, 2]), m.r.pick(&[64, 72, 104]));
    let geometry = window::pool(&mut m.r, size, n, outputs);
    let pool = Pool { kind: kind_of_pool(m, &geometry), geometry };
    let [h, w, _] = pool.geometry.input;
    let g = window(&mut m.r, [h, w], Kind { kernels: MANY_TAPS, inside: false });
    let inputs = channels(&mut m.r, 1);
    let g = of(g, n, [inputs, outputs], 1);
    let (bits, padding) = m.signs(&g);
    let source = m.binary(bits, g, padding);
    behind(m, source, pool, g.extents(), typical(&g));
}

fn only_signs(m: &mut Maker) {
    let size = size(&mut m.r);
    let g = window(&mut m.r, size, Kind { kernels: KERNELS, inside: false });
    let words = m.r.pick(&[1, 1, 2]);
    let (n, inputs, outputs) = (images(&mut m.r), channels(&mut m.r, words), m.r.pick(&[40, 64, 64, 96, 128]));
    let g = of(g, n, [inputs, outputs], 1);
    let (bits, padding) = m.signs(&g);
    let source = m.binary(bits, g, padding);
    let sign = m.sign(g.extents(), typical(&g));
    m.block(Tiled::new(source, vec![sign]));
}

fn pooled_down(m: &mut Maker) {
    let outputs = m.r.pick(PLANES);
    pooled_to(m, outputs);
}

fn pooled_to(m: &mut Maker, outputs: usize) {
    let (n, words) = (images(&mut m.r), m.r.pick(&[1, 1, 2, 4]));
    let inputs = channels(&mut m.r, words);
    let (pool, grid) = pooled(m, n, outputs);
    let g = window(&mut m.r, [grid[1], grid[2]], Kind { kernels: KERNELS, inside: false });
    let g = of(g, n, [inputs, outputs], 1);
    let (bits, padding) = m.signs(&g);
    let source = m.binary(bits, g, padding);
    behind(m, source, pool, grid, typical(&g));
}

fn weights(m: &mut Maker, g: &Geometry) -> Arc<Vec<f32>> {
    let len = g.output[2] * g.kernel[0] * g.kernel[1] * (g.input[2] / g.groups);
    Arc::new(m.numbers(len))
}

/// A convolution of the caller's tensor.
fn real_source(m: &mut Maker, g: Geometry, products: Products) -> Source {
    let [h, w, c] = g.input;
    let planar = g.groups == 1 && m.r.once_in(3);
    let shape = if planar { [g.n, c, h, w] } else { [g.n, h, w, c] };
    let input = m.input(&shape);
    Source::RealConv { input, planar, geometry: g, weights: weights(m, &g), products }
}

fn real(m: &mut Maker) {
    let size = size(&mut m.r);
    let g = window(&mut m.r, size, Kind { kernels: KERNELS, inside: false });
    let (n, inputs) = (images(&mut m.r), m.r.pick(&[1, 2, 3, 16, 19]));
    let g =
        if m.r.once_in(3) { of(g, n, [inputs, m.r.pick(&[32, 64, 100])], 1) } else { grouped(&mut m.r, g, n, inputs) };
    let source = real_source(m, g, Products::F32);
    let steps = m.steps(g.extents(), 3, 2.0);
    m.block(Tiled::new(source, steps));
}

/// Of all channels of a pixel, as shortcuts and fully connected layers are.
fn one_tap(m: &mut Maker) {
    let single = m.r.once_in(3);
    let output = if single { [1, 1] } else { [m.r.pick(&[1, 2, 5]), m.r.pick(&[1, 2, 3, 7, 14])] };
    let stride = m.r.pick(&[1, 1, 2]);
    let input = output.map(|extent| (extent - 1) * stride + 1);
    let channels = [m.r.pick(&[1, 3, 16, 40]), m.r.pick(&[1, 16, 17, 48, 64])];
    let g = Geometry { n: images(&mut m.r), ..geometry(input, output, channels, 1, stride) };
    let source = real_source(m, g, Products::F32);
    let steps = m.steps(g.extents(), 3, 2.0);
    m.block(Tiled::new(source, steps));
}

fn pooled_real(m: &mut Maker) {
    let (n, outputs) = (images(&mut m.r), m.r.pick(&[1, 16, 17, 32, 48, 64]));
    let (pool, grid) = pooled(m, n, outputs);
    let g = window(&mut m.r, [grid[1], grid[2]], Kind { kernels: KERNELS, inside: false });
    let g = of(g, n, [m.r.pick(&[1, 3, 8]), outputs], 1);
    let products = if m.r.once_in(3) { narrow_products(m, &g) } else { Products::F32 };
    let source = real_source(m, g, products);
    behind(m, source, pool, grid, 2.0);
}

/// A tensor of the network's own, of the caller's numbers.
fn own(m: &mut Maker, extents: [usize; 4]) -> TensorId {
    let (x, own) = (m.input(&extents), m.dense(&extents));
    m.block(Tiled::new(Source::Map { input: x }, vec![Step::Store(own)]));
    own
}

/// Gives such a tensor to the caller.
fn show(m: &mut Maker, own: TensorId, extents: [usize; 4]) {
    let y = m.output(&extents);
    let shift = Step::Shift(Arc::new(m.numbers(extents[3])));
    m.block(Tiled::new(Source::Map { input: own }, vec![shift, Step::Store(y)]));
}

/// A skip that nobody reads behind the pool: the rows before that can take its place, and the pool's rows theirs.
fn over_skip(m: &mut Maker) {
    let (outputs, words) = (m.r.pick(&[16, 32, 40, 64, 96]), m.r.pick(&[1, 1, 2]));
    let (pool, grid) = pooled(m, 1, outputs);
    let skip = own(m, grid);
    let inputs = channels(&mut m.r, words);
    let g = window(&mut m.r, [grid[1], grid[2]], Kind { kernels: KERNELS, inside: false });
    let g = of(g, 1, [inputs, outputs], 1);
    let (bits, padding) = m.signs(&g);
    let source = m.binary(bits, g, padding);
    let mut steps = vec![Step::Scale(Arc::new(m.numbers(outputs))), Step::Add(skip)];
    if m.r.once_in(2) {
        steps.push(m.sign(grid, typical(&g)));
        steps.push(Step::Sum(m.output(&[1, 1, 1, outputs])));
    }
    let (extents, result) = (pool.geometry.extents(), m.dense(&pool.geometry.extents()));
    m.block(Tiled { source, steps, pooled: Some(Pooled { pool, steps: vec![Step::Store(result)] }) });
    show(m, result, extents);
}

/// A convolution whose input nobody else reads: it can lie in what comes of it.
fn ahead_of_input(m: &mut Maker) {
    let size = size(&mut m.r);
    let g = window(&mut m.r, size, Kind { kernels: KERNELS, inside: false });
    let g = of(g, 1, [m.r.pick(&[1, 1, 2, 3]), m.r.pick(&[16, 32, 48, 64])], 1);
    let [h, w, c] = g.input;
    let planar = m.r.once_in(3);
    let input = own(m, if planar { [1, c, h, w] } else { [1, h, w, c] });
    let source = Source::RealConv { input, planar, geometry: g, weights: weights(m, &g), products: Products::F32 };
    let result = m.dense(&g.extents());
    let mut steps = vec![Step::Shift(Arc::new(m.numbers(g.output[2]))), Step::Store(result)];
    if m.r.once_in(2) {
        steps.push(Step::Sum(m.output(&[1, 1, 1, g.output[2]])));
    }
    m.block(Tiled::new(source, steps));
    show(m, result, g.extents());
}

/// A layer whose result is added to what it reads, or multiplied by it: one tensor under the types of two readers.
fn beside_input(m: &mut Maker) {
    let ([h, w], n, c) = (size(&mut m.r), images(&mut m.r), m.r.pick(&[1, 5, 16, 17, 33]));
    let kernel = m.r.pick(&[1, 1, 3]);
    let g = Geometry { n, ..geometry([h, w], [h, w], [c, c], kernel, 1) };
    let input = own(m, [n, h, w, c]);
    let source = match m.r.below(5) {
        0 => {
            let g = of(g, n, [1, 1], c);
            let products = Products::F32;
            Source::RealConv { input, planar: false, geometry: g, weights: weights(m, &g), products }
        }
        1 => Source::MaxPool { input, geometry: of(g, n, [1, 1], c) },
        2 => Source::AveragePool { input, geometry: of(g, n, [1, 1], c), count_include_pad: None },
        _ => {
            let products = Products::F32;
            Source::RealConv { input, planar: false, geometry: g, weights: weights(m, &g), products }
        }
    };
    let result = m.dense(&[n, h, w, c]);
    let beside = if m.r.once_in(3) { Step::Mul(input) } else { Step::Add(input) };
    m.block(Tiled::new(source, vec![beside, Step::Store(result)]));
    show(m, result, [n, h, w, c]);
}

fn depthwise(m: &mut Maker) {
    let (size, n, c) = (size(&mut m.r), images(&mut m.r), m.r.pick(&[2, 16, 17, 33, 64]));
    let g = window(&mut m.r, size, Kind { kernels: KERNELS, inside: false });
    let g = of(g, n, [1, 1], c);
    let source = real_source(m, g, Products::F32);
    let steps = m.steps(g.extents(), 3, 2.0);
    m.block(Tiled::new(source, steps));
}

fn narrow_products(m: &mut Maker, g: &Geometry) -> Products {
    if m.r.once_in(2) {
        let narrow = m.dense(&[g.narrow_words(2)]);
        return Products::Bf16 { narrow };
    }
    let narrow = m.dense(&[g.narrow_words(1)]);
    let len = g.output[2] * g.kernel[0] * g.kernel[1] * g.input[2];
    // The extremes often: they are what an instruction that saturates would get wrong.
    let weights =
        (0..len).map(|_| if m.r.once_in(3) { m.r.pick(&[-128, 127]) } else { m.r.below(255) as i8 }).collect();
    let (zero_point, inverse_scale) = (m.r.below(256) as u8, 20.0 + 60.0 * m.r.real().abs());
    let of_file = m.r.once_in(2);
    Products::Int8 { narrow, quantized: Arc::new(Quantized { inverse_scale, zero_point, weights, of_file }) }
}

fn narrow(m: &mut Maker) {
    let size = size(&mut m.r);
    let g = window(&mut m.r, size, Kind { kernels: KERNELS, inside: false });
    let (n, inputs) = (images(&mut m.r), m.r.pick(&[1, 2, 3, 4, 16, 19]));
    let g = of(g, n, [inputs, m.r.pick(&[1, 5, 16, 17, 32, 64, 100])], 1);
    let products = narrow_products(m, &g);
    let source = real_source(m, g, products);
    let mut steps = vec![Step::Scale(Arc::new(m.numbers(g.output[2])))];
    steps.extend(m.steps(g.extents(), 3, 2.0));
    m.block(Tiled::new(source, steps));
}

fn largest(m: &mut Maker) {
    pool(m, |_, input, geometry| Source::MaxPool { input, geometry });
}

fn mean(m: &mut Maker) {
    pool(m, |m, input, geometry| {
        let count_include_pad = padding_that_counts(m, &geometry);
        Source::AveragePool { input, geometry, count_include_pad }
    });
}

fn pool(m: &mut Maker, source: fn(&mut Maker, TensorId, Geometry) -> Source) {
    let (size, n, c) = (size(&mut m.r), images(&mut m.r), m.r.pick(&[1, 5, 16, 17, 33, 64]));
    let g = window::pool(&mut m.r, size, n, c);
    let [h, w, _] = g.input;
    let input = m.input(&[n, h, w, c]);
    let source = source(m, input, g);
    let steps = m.steps(g.extents(), 3, 2.0);
    m.block(Tiled::new(source, steps));
}

/// A chain of blocks of steps: of planes or not, and where the values before are needed no more, in place of them.
fn map(m: &mut Maker) {
    let grid = grid(&mut m.r);
    let [n, h, w, c] = grid;
    let mut source = if m.r.once_in(2) {
        Source::Planes { input: m.input(&[n, c, h, w]) }
    } else {
        Source::Map { input: m.input(&grid) }
    };
    for _ in 0..2 {
        let kept = m.dense(&grid);
        let mut steps = m.steps(grid, 3, 2.0);
        steps.push(Step::Shift(Arc::new(m.numbers(c))));
        steps.push(Step::Store(kept));
        m.block(Tiled::new(source, steps));
        source = Source::Map { input: kept };
    }
    let steps = m.steps(grid, 3, 2.0);
    m.block(Tiled::new(source, steps));
}

fn pooled_map(m: &mut Maker) {
    let (n, c) = (images(&mut m.r), m.r.pick(&[1, 16, 17, 40]));
    let (pool, grid) = pooled(m, n, c);
    let input = m.input(&grid);
    behind(m, Source::Map { input }, pool, grid, 2.0);
}

/// Sums of a block's values, a gate of them, and a block that takes it.
fn gate(m: &mut Maker) {
    let grid = grid(&mut m.r);
    let [n, _, _, c] = grid;
    let (input, sums, kept) = (m.input(&grid), m.dense(&[n, 1, 1, c]), m.dense(&grid));
    let scale = Arc::new(m.numbers(c));
    m.block(Tiled::new(Source::Map { input }, vec![Step::Scale(scale), Step::Sum(sums), Step::Store(kept)]));
    let (between, output) = (m.r.pick(&[1, 8, 20, 70, 128, 128]), m.dense(&[n, 1, 1, c]));
    let mut layer = |inputs: usize, outputs: usize| Dense {
        inputs,
        outputs,
        weights: Arc::new(m.numbers(inputs * outputs)),
        bias: Arc::new(m.numbers(outputs)),
    };
    let (first, second) = (layer(c, between), layer(between, c));
    m.block(Gate { sums, first, hidden: Unary::Relu, second, squash: Unary::Clip(-1.0, 1.0), output });
    let mut steps = vec![Step::Scale(Arc::new(m.numbers(c))), Step::Gate(output)];
    steps.extend(m.steps(grid, 3, 2.0));
    m.block(Tiled::new(Source::Map { input: kept }, steps));
}

/// A block that writes all kinds of results, many of them.
fn much(m: &mut Maker) {
    let grid = grid(&mut m.r);
    let input = m.input(&grid);
    let mut steps = Vec::new();
    for _ in 0..4 {
        steps.extend(m.steps(grid, 2, 2.0));
        steps.push(Step::Store(m.output(&grid)));
        steps.push(m.sign(grid, 2.0));
        steps.push(Step::Sum(m.output(&[grid[0], 1, 1, grid[3]])));
    }
    m.block(Tiled::new(Source::Map { input }, steps));
}
