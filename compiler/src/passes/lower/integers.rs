//! Layers of 8-bit integers, as quantised files have them: between a DequantizeLinear of their input and one of their weights,
//! a convolution or fully connected layer adds up products of integers times one scale.
//!
//! Those that training leaves with a few bits (LSQ, DoReFa), and that take too many products of planes of bits, are the same: a scale
//! times whole numbers from one end of a range to the other.
//!
//! Such a layer loses nothing when it multiplies the integers: their sum is exact, and rounded once. It needs an input whose
//! elements are `scale * k` for whole k, of which there are at most 256, zero among them; and weights that are, per output
//! channel, a scale times whole numbers from -128 to 127. (A NaN, of which no two engines make the same integer, is the least.)

use std::sync::Arc;

use super::Builder;
use crate::ir::network::{Block, Body, MOST_INT8_PRODUCTS, Products, Quantized, Source, Step, Storage, Tiled};
use crate::ir::{Binary, DType, Graph, Op, Unary, ValueId, Window};

/// A value's elements are `scale` times whole numbers from `low` to `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Lattice {
    scale: f64,
    low: f64,
    high: f64,
}

/// Operators looked through on the way back.
const FAR: usize = 32;

/// What is known of a value in this respect.
fn lattice(builder: &Builder<'_>, v: ValueId, far: usize) -> Option<Lattice> {
    let graph = builder.graph;
    let node = builder.facts.node(builder.facts.producer(v)?);
    let inner = || lattice(builder, *node.inputs.first()?, far.checked_sub(1)?);
    match &node.op {
        Op::Reshape | Op::Transpose(_) | Op::Slice { .. } | Op::Expand => inner(),
        Op::MaxPool { .. } => inner(),
        Op::Pad { value, .. } => inner().filter(|_| *value == 0.0),
        Op::Unary(Unary::Relu) => inner().map(|x| Lattice { low: x.low.max(0.0), high: x.high.max(0.0), ..x }),
        Op::Unary(Unary::Clip(low, high)) => {
            let whole = is_whole(builder, node.inputs[0]) && low.fract() == 0.0 && high.fract() == 0.0;
            whole.then(|| Lattice { scale: 1.0, low: f64::from(*low), high: f64::from(*high) })
        }
        // Few bits, as training makes them. Rounding keeps order, so that the ends of its range are those of what is rounded.
        Op::Unary(f @ (Unary::Round | Unary::Trunc | Unary::Floor | Unary::Ceil)) => {
            let [low, high] =
                bounds(builder, node.inputs[0], far.checked_sub(1)?)?.map(|x| f64::from(f.least(x as f32)));
            Some(Lattice { scale: 1.0, low, high })
        }
        Op::Cast(DType::F32) => range_of(graph, node.inputs[0]),
        Op::Sign(_) => Some(Lattice { scale: 1.0, low: -1.0, high: 1.0 }),
        // Several thresholds.
        Op::Binary(Binary::Add) => {
            let [x, y] = [0, 1].map(|i| lattice(builder, node.inputs[i], far.checked_sub(1)?));
            let (x, y) = (x?, y?);
            (x.scale == y.scale).then_some(Lattice { low: x.low + y.low, high: x.high + y.high, ..x })
        }
        Op::Affine { maps, .. } => {
            let map = maps.first().filter(|first| maps.iter().all(|map| map == *first) && first.scale() != 0.0)?;
            let x = inner()?;
            let x = if map.scale() > 0.0 { x } else { Lattice { low: -x.high, high: -x.low, ..x } };
            let scale = x.scale * map.scale().abs();
            // A zero point that is subtracted.
            let moved = map.shift() / scale;
            (moved.fract() == 0.0).then_some(Lattice { scale, low: x.low + moved, high: x.high + moved })
        }
        Op::Concat { .. } => {
            let mut all = node.inputs.iter().map(|&v| lattice(builder, v, far.checked_sub(1)?));
            let first = all.next()??;
            all.try_fold(first, |hull, x| {
                let x = x.filter(|x| x.scale == hull.scale)?;
                Some(Lattice { low: hull.low.min(x.low), high: hull.high.max(x.high), ..hull })
            })
        }
        _ => None,
    }
}

/// The least and the greatest number that a value can have, where functions with a bounded range say so.
fn bounds(builder: &Builder<'_>, v: ValueId, far: usize) -> Option<[f64; 2]> {
    let node = builder.facts.node(builder.facts.producer(v)?);
    let inner = || bounds(builder, *node.inputs.first()?, far.checked_sub(1)?);
    match &node.op {
        Op::Reshape | Op::Transpose(_) | Op::Slice { .. } | Op::Expand | Op::MaxPool { .. } => inner(),
        Op::Unary(Unary::Clip(low, high)) if low <= high => Some([f64::from(*low), f64::from(*high)]),
        Op::Unary(Unary::Sigmoid) => Some([0.0, 1.0]),
        Op::Unary(Unary::Tanh) => Some([-1.0, 1.0]),
        Op::Affine { maps, .. } => {
            let map = maps.first().filter(|first| maps.iter().all(|map| map == *first))?;
            let [low, high] = inner()?.map(|x| x * map.scale() + map.shift());
            Some([low.min(high), low.max(high)])
        }
        _ => None,
    }
}

fn is_whole(builder: &Builder<'_>, v: ValueId) -> bool {
    let producer = builder.facts.producer(v).map(|p| &builder.facts.node(p).op);
    matches!(producer, Some(Op::Unary(Unary::Quantize(_) | Unary::Round | Unary::Trunc | Unary::Floor | Unary::Ceil)))
}

/// Of small integers, and of truth.
fn range_of(graph: &Graph, v: ValueId) -> Option<Lattice> {
    let (low, high) = match graph.value(v).dtype {
        DType::U8 => (0.0, 255.0),
        DType::I8 => (-128.0, 127.0),
        DType::Bool => (0.0, 1.0),
        _ => return None,
    };
    Some(Lattice { scale: 1.0, low, high })
}

/// The weights of each output channel as whole numbers, and its scale; `None` where they are none.
fn whole_weights(weights: &[f32], outputs: usize) -> Option<(Vec<i8>, Vec<f64>)> {
    let mut integers = Vec::with_capacity(weights.len());
    let mut scales = Vec::with_capacity(outputs);
    for row in weights.chunks(weights.len() / outputs.max(1)) {
        let scale = scale_of(row)?;
        integers.extend(row.iter().map(|&w| (f64::from(w) / scale).round() as i8));
        scales.push(scale);
    }
    Some((integers, scales))
}

/// The largest number that all of a row are whole multiples of, from -128 to 127 times it, to the rounding of f32.
fn scale_of(row: &[f32]) -> Option<f64> {
    let largest = row.iter().fold(0.0_f32, |m, w| m.max(w.abs()));
    if largest == 0.0 {
        return Some(1.0);
    }
    let fits = |scale: f64| {
        row.iter().all(|&w| {
            let w = f64::from(w);
            let whole = (w / scale).round();
            // The product was rounded once, and `scale` may be one rounding off: it comes of a product itself.
            (-128.0..=127.0).contains(&whole) && (w - whole * scale).abs() <= w.abs() * f64::from(f32::EPSILON)
        })
    };
    (1..=128).map(|n| f64::from(largest) / f64::from(n)).find(|&scale| fits(scale))
}

impl Builder<'_> {
    /// What the input of a node that is a layer is in integers.
    fn input_of(&self, layer: usize) -> Option<Lattice> {
        let node = self.facts.node(layer);
        let is_padded = |window: &Window| window.pad_value != 0.0 && window.pads != [0; 4];
        match &node.op {
            Op::Conv { window, .. } if is_padded(window) => return None,
            Op::Conv { .. } | Op::MatMul => {}
            _ => return None,
        }
        let fits = |x: &Lattice| x.low <= 0.0 && x.high >= 0.0 && x.high - x.low <= 255.0 && x.scale > 1e-30;
        lattice(self, node.inputs[0], FAR).filter(fits)
    }

    /// Lets a block, all of whose steps are there, multiply integers where that is the same; `layer`: the node it began with.
    pub(super) fn in_integers(&mut self, block: &mut Block, layer: usize) {
        let Some(lattice) = self.input_of(layer) else { return };
        let name = format!("{}.int8", block.name);
        let Body::Tiled(Tiled { source: Source::RealConv { geometry, weights, products, .. }, steps, .. }) =
            &mut block.body
        else {
            return;
        };
        let sums = geometry.kernel[0] * geometry.kernel[1] * geometry.input[2] / geometry.groups.max(1);
        let inverse_scale = (1.0 / lattice.scale) as f32;
        if geometry.groups != 1 || !(2..=MOST_INT8_PRODUCTS).contains(&sums) || !inverse_scale.is_finite() {
            return;
        }
        let Some((weights, scales)) = whole_weights(weights, geometry.output[2]) else { return };
        let quantized = Quantized { inverse_scale, zero_point: -lattice.low as u8, weights, of_file: true };
        let narrow = self.new_tensor(&name, vec![geometry.narrow_words(1)], Storage::Dense(DType::F32), None);
        *products = Products::Int8 { narrow, quantized: Arc::new(quantized) };
        Step::scale_first(steps, &scales.iter().map(|scale| scale * lattice.scale).collect::<Vec<_>>());
    }
}
