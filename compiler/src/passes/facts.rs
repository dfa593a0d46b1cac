//! What can be said of a value without running the network: between which bounds it lies, and whether it is ever exactly
//! zero, by nature or by accident.
//!
//! A sign of what cannot be negative is a code {0, 1}, and one of what is never zero has two values: both are exact in
//! one bit. Where zeros are *likely*, one bit is not enough, and the user is told. Likely means that a value is zero with
//! positive probability although the network's constants are any: behind a ReLU, of pixels, of a sum of whole numbers that
//! nothing shifts. A real-valued convolution is zero by accident only.
//!
//! Whole numbers are followed through a network as a [`Grid`]: all results of a binary layer are `scale * (2 n + k)`, so
//! that a sum of an odd number of ±1 is never zero, and what a BatchNormalization makes of one is zero only where its
//! exact map says so.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use crate::exact::Affine;
use crate::ir::{Binary, DType, Graph, Node, Op, Reduction, Tensor, Unary, ValueId, Window, Zero};

/// Whole numbers `step * n + offset` of bounded magnitude, each followed by the map of its channel.
#[derive(Clone, Debug, PartialEq)]
struct Grid {
    /// Not negative; 0 for the one number `offset`.
    step: i64,
    offset: i64,
    largest: i64,
    /// The axis of the channels, and a map for each; `None` for the identity.
    maps: Option<(usize, Arc<Vec<Affine>>)>,
}

/// What is known of a value's elements, NaN aside.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fact {
    /// No element is less.
    pub(crate) low: f32,
    /// No element is greater.
    pub(crate) high: f32,
    /// Whether an element is likely to be exactly zero.
    pub(crate) zeros: bool,
    grid: Option<Grid>,
    /// A graph's input, as far as it was only moved: whole areas of it may be zero.
    raw: bool,
}

/// Fan-in up to which all terms of a sum are zero at once now and then.
const FEW: usize = 16;
/// The same where the terms are a picture's pixels, of which whole areas are zero.
const AREA: usize = 160;

impl Fact {
    const UNKNOWN: Self = Self { low: f32::NEG_INFINITY, high: f32::INFINITY, zeros: false, grid: None, raw: false };

    fn within(low: f32, high: f32, zeros: bool) -> Self {
        Self { low, high, zeros, ..Self::UNKNOWN }
    }

    fn numbers(step: i64, offset: i64, largest: i64) -> Self {
        let bound = largest as f32;
        let grid = Grid { step, offset, largest, maps: None };
        Self { low: -bound, high: bound, zeros: grid.holds_zero(), grid: Some(grid), raw: false }
    }

    /// Whether a sign of it is decided without a rule for zero: no element can be zero.
    pub(crate) fn never_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0 || self.grid.as_ref().is_some_and(|g| !g.holds_zero())
    }

    /// Why zeros are likely.
    pub(crate) fn why(&self) -> Option<&'static str> {
        match (self.zeros, self.raw, &self.grid) {
            (false, ..) => None,
            (_, true, _) => Some("it is taken of the model's input, which may be exactly 0"),
            (_, _, Some(_)) => Some("it is taken of whole numbers that nothing shifts, which are often 0"),
            _ => Some("it is taken of values that are exactly 0 now and then, as behind a ReLU"),
        }
    }

    fn of_constant(tensor: &Tensor) -> Self {
        let values = tensor.to_f32();
        let fold = |start, f: fn(f32, f32) -> f32| values.iter().copied().fold(start, f);
        let zeros = values.contains(&0.0);
        if values.iter().any(|v| v.is_nan()) {
            return Self { zeros, ..Self::UNKNOWN };
        }
        Self::within(fold(f32::INFINITY, f32::min), fold(f32::NEG_INFINITY, f32::max), zeros)
    }

    fn hull(&self, other: &Self) -> Self {
        let grid = (self.grid == other.grid).then(|| self.grid.clone()).flatten();
        let zeros = self.zeros || other.zeros;
        Self { low: self.low.min(other.low), high: self.high.max(other.high), zeros, grid, raw: self.raw && other.raw }
    }

    /// The same elements, whose channels may now lie on another axis.
    fn moved(&self) -> Self {
        let grid = self.grid.clone().filter(|g| g.maps.is_none());
        Self { grid, ..self.clone() }
    }

    fn negated(&self) -> Self {
        let grid = self.grid.as_ref().and_then(|g| g.then_all(&Affine::linear(-1.0, 0.0)));
        Self { low: -self.high, high: -self.low, grid, ..self.clone() }
    }

    /// Behind a map per channel.
    fn affine(&self, axis: usize, maps: &Arc<Vec<Affine>>) -> Self {
        let bounds = maps.iter().map(|map| bounds_of(map, self.low, self.high));
        let (low, high) = bounds
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), (l, h)| (f32::min(low, l), f32::max(high, h)));
        let grid = self.grid.as_ref().and_then(|g| g.then(axis, maps));
        let maps_zero_to_zero = |map: &Affine| map.sign_at(0.0) == Ordering::Equal;
        let flat = maps.iter().any(|map| map.slope() == Ordering::Equal && maps_zero_to_zero(map));
        let zeros = flat
            || match &grid {
                Some(grid) => grid.holds_zero(),
                None => self.zeros && maps.iter().any(maps_zero_to_zero),
            };
        Self { low, high, zeros, grid, raw: self.raw && zeros }
    }

    /// Of a sum.
    fn plus(&self, other: &Self) -> Self {
        let grid = match (&self.grid, &other.grid) {
            (Some(a), Some(b)) => a.plus(b),
            _ => None,
        };
        // Where scales differ, a sum is zero where both terms are.
        let zeros = grid.as_ref().map_or(self.zeros && other.zeros, Grid::holds_zero);
        Self { low: self.low + other.low, high: self.high + other.high, zeros, grid, raw: self.raw && other.raw }
            .without_nan()
    }

    fn times(&self, other: &Self) -> Self {
        let ends = [self.low * other.low, self.low * other.high, self.high * other.low, self.high * other.high]
            .map(|x| if x.is_nan() { 0.0 } else { x });
        let fold = |start, f: fn(f32, f32) -> f32| ends.into_iter().fold(start, f);
        Self::within(fold(ends[0], f32::min), fold(ends[0], f32::max), self.zeros || other.zeros)
    }

    /// Sums of infinite bounds of opposite signs say nothing.
    fn without_nan(mut self) -> Self {
        if self.low.is_nan() {
            self.low = f32::NEG_INFINITY;
        }
        if self.high.is_nan() {
            self.high = f32::INFINITY;
        }
        self
    }

    /// Of `max(x, low)`, `min(.., high)`.
    fn clipped(&self, low: f32, high: f32) -> Self {
        // A bound of zero makes zeros of all that is beyond, if anything can be.
        let made = low == 0.0 && self.low < 0.0 || high == 0.0 && self.high > 0.0;
        let kept = self.zeros && low <= 0.0 && high >= 0.0;
        let raw = self.raw && kept;
        Self { raw, ..Self::within(self.low.clamp(low, high), self.high.clamp(low, high), made || kept) }
    }

    /// Of the sum (or mean) of `n` elements.
    fn accumulated(&self, n: usize, padded: bool, mean: bool) -> Self {
        let grid = self.grid.as_ref().and_then(|g| g.accumulated(n, padded, mean));
        let few = n <= if self.raw { AREA } else { FEW };
        let zeros = grid.as_ref().map_or(self.zeros && few, Grid::holds_zero);
        let sum = |bound: f32| if mean || bound == 0.0 { bound } else { bound * f32::INFINITY };
        let (mut low, mut high) = (sum(self.low), sum(self.high));
        if padded {
            (low, high) = (low.min(0.0), high.max(0.0));
        }
        Self { low, high, zeros, grid, raw: false }
    }
}

impl Grid {
    /// Whether some number becomes zero, in some channel.
    fn holds_zero(&self) -> bool {
        match &self.maps {
            None => self.holds(0),
            Some((_, maps)) => maps.iter().any(|map| {
                if map.slope() == Ordering::Equal {
                    return map.sign_at(0.0) == Ordering::Equal;
                }
                let root = (-map.shift() / map.scale()).round();
                let near = |x: i64| self.holds(x) && map.sign_at(x as f32) == Ordering::Equal;
                root.abs() <= self.largest as f64 && near(root as i64)
            }),
        }
    }

    fn holds(&self, x: i64) -> bool {
        let distance = x - self.offset;
        x.abs() <= self.largest && if self.step == 0 { distance == 0 } else { distance % self.step == 0 }
    }

    fn then(&self, axis: usize, next: &Arc<Vec<Affine>>) -> Option<Self> {
        let maps = match &self.maps {
            None => Arc::clone(next),
            Some((own, maps)) if *own == axis && maps.len() == next.len() => {
                Arc::new(std::iter::zip(maps.iter(), next.iter()).map(|(a, b)| a.then(b)).collect::<Option<_>>()?)
            }
            Some(_) => return None,
        };
        Some(Self { maps: Some((axis, maps)), ..*self })
    }

    fn then_all(&self, next: &Affine) -> Option<Self> {
        match &self.maps {
            Some((axis, maps)) => self.then(*axis, &Arc::new(vec![next.clone(); maps.len()])),
            // One map serves any axis; of none, the change of sign is all that is asked for.
            None => (*next == Affine::linear(-1.0, 0.0)).then(|| Self { offset: -self.offset, ..self.clone() }),
        }
    }

    fn plus(&self, other: &Self) -> Option<Self> {
        let linear = |maps: &Arc<Vec<Affine>>| maps.iter().all(|map| map.sign_at(0.0) == Ordering::Equal);
        if self.maps != other.maps || !self.maps.as_ref().is_none_or(|(_, maps)| linear(maps)) {
            return None;
        }
        let (step, offset) = (gcd(self.step, other.step), self.offset + other.offset);
        Some(Self { step, offset, largest: self.largest.checked_add(other.largest)?, maps: self.maps.clone() })
    }

    /// The sums of `n` of them, each times ±1; fewer where some are padded or weighted with 0.
    fn summed(&self, n: usize, fewer: bool, signed: bool) -> Option<(i64, i64, i64)> {
        let n = i64::try_from(n).ok()?;
        let largest = self.largest.checked_mul(n).filter(|&l| l < 1 << 24)?;
        let step = if signed { gcd(self.step, 2 * self.offset) } else { self.step };
        if fewer {
            return Some((gcd(step, self.offset), 0, largest));
        }
        let offset = self.offset.checked_mul(n)?;
        Some((step, if step == 0 { offset } else { offset.rem_euclid(step) }, largest))
    }

    fn accumulated(&self, n: usize, padded: bool, mean: bool) -> Option<Self> {
        let (step, offset, largest) = self.summed(n, padded, false)?;
        let maps = match &self.maps {
            None => None,
            // The sum of maps is the map of the sum where nothing is shifted.
            Some((_, maps)) if maps.iter().all(|map| map.sign_at(0.0) == Ordering::Equal) => self.maps.clone(),
            // A mean of maps is the map of the mean.
            Some((axis, maps)) if mean && !padded => {
                let divided = Affine::division(n as f32)?;
                let maps = maps.iter().map(|map| divided.then(map)).collect::<Option<_>>()?;
                Some((*axis, Arc::new(maps)))
            }
            Some(_) => return None,
        };
        Some(Self { step, offset, largest, maps })
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a.abs(), b.abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Bounds of a map's values, not narrower than they are; their signs are exact.
fn bounds_of(map: &Affine, low: f32, high: f32) -> (f32, f32) {
    let (low, high) = match map.slope() {
        Ordering::Less => (high, low),
        _ => (low, high),
    };
    let at = |x: f32, towards: f32| {
        if map.slope() == Ordering::Equal {
            return map.shift() as f32 * (1.0 + towards * 1e-6 * map.shift().signum() as f32);
        }
        if x.is_infinite() {
            return towards * f32::INFINITY;
        }
        let y = map.apply(f64::from(x)) as f32;
        match map.sign_at(x) {
            Ordering::Equal => 0.0,
            Ordering::Greater => (y * (1.0 + towards * 1e-6)).max(f32::from_bits(1)),
            Ordering::Less => (y * (1.0 - towards * 1e-6)).min(-f32::from_bits(1)),
        }
    };
    (at(low, -1.0), at(high, 1.0))
}

/// A layer's weights, as far as they matter here.
pub(crate) struct Layer<'a> {
    /// One per output channel, each weight being ±scale or 0.
    pub(crate) scales: &'a [f32],
    pub(crate) has_zeros: bool,
    pub(crate) fan_in: usize,
}

/// The facts of a graph's values, as far as they were observed.
#[derive(Default)]
pub(crate) struct Facts(HashMap<ValueId, Fact>);

impl Facts {
    /// What is known of a value.
    pub(crate) fn of(&self, graph: &Graph, v: ValueId) -> Fact {
        if let Some(fact) = self.0.get(&v) {
            return fact.clone();
        }
        match graph.constant(v) {
            Some(tensor) => Fact::of_constant(tensor),
            None if graph.inputs.contains(&v) && graph.value(v).dtype == DType::F32 => {
                Fact { zeros: true, raw: true, ..Fact::UNKNOWN }
            }
            None => Fact::UNKNOWN,
        }
    }

    /// Notes what a node's result is like. `layer`: the weights, where they are ±scale.
    pub(crate) fn observe(&mut self, graph: &Graph, node: &Node, layer: Option<&Layer<'_>>) {
        let fact = match layer {
            Some(layer) => self.binary_layer(graph, node, layer),
            None => self.result(graph, node),
        };
        self.0.insert(node.output, fact);
    }

    fn result(&self, graph: &Graph, node: &Node) -> Fact {
        let get = |i: usize| self.of(graph, node.inputs[i]);
        match &node.op {
            Op::Sign(Zero::Zero) => sign(&get(0)),
            Op::Sign(_) => Fact::numbers(2, 1, 1),
            Op::Unary(function) => unary(*function, &get(0)),
            Op::Binary(function) => self.binary(graph, node, *function),
            Op::PRelu => {
                let (x, slope) = (get(0), get(1));
                let below = Fact::within(x.low.min(0.0), 0.0, x.zeros || slope.zeros).times(&slope);
                let (low, high) = (below.low.min(x.low.max(0.0)), below.high.max(x.high));
                Fact::within(low, high, x.zeros || slope.zeros)
            }
            Op::Where => get(1).hull(&get(2)),
            Op::Cast(_) => match graph.value(node.inputs[0]).dtype.integers() {
                Some(range) if graph.inputs.contains(&node.inputs[0]) => {
                    Fact::within(*range.start() as f32, *range.end() as f32, true)
                }
                _ => get(0),
            },
            Op::Affine { axis, maps } => get(0).affine(*axis, maps),
            Op::MaxPool { .. } => get(0),
            Op::Reshape | Op::Transpose(_) | Op::Slice { .. } | Op::Expand | Op::Gather { .. } => get(0).moved(),
            Op::Pad { value, .. } => {
                let padding = Fact::within(*value, *value, *value == 0.0);
                let raw = get(0).raw;
                Fact { raw, ..get(0).hull(&padding) }
            }
            Op::Concat { axis } => {
                let all: Vec<Fact> = node.inputs.iter().map(|&v| self.of(graph, v)).collect();
                let joined = all.iter().skip(1).fold(all[0].clone(), |a, b| a.hull(b));
                let along = |g: &Grid| g.maps.as_ref().is_none_or(|(channels, _)| channels != axis);
                Fact { grid: joined.grid.clone().filter(along), ..joined }
            }
            Op::AveragePool { window, .. } => get(0).accumulated(taps(window), is_padded(window), true),
            Op::Reduce { kind, axes, .. } => {
                let n = axes.iter().map(|&axis| graph.shape(node.inputs[0])[axis]).product();
                reduced(*kind, &get(0).moved(), n)
            }
            Op::Softmax { log: false, .. } => Fact::within(0.0, 1.0, false),
            Op::Softmax { log: true, .. } => Fact::within(f32::NEG_INFINITY, 0.0, false),
            Op::Conv { .. } | Op::MatMul => self.real_layer(graph, node),
            // Integers, what is known already, and what is only told apart by its weights.
            _ => Fact::UNKNOWN,
        }
    }

    fn binary(&self, graph: &Graph, node: &Node, function: Binary) -> Fact {
        let [x, y] = [0, 1].map(|i| {
            let fact = self.of(graph, node.inputs[i]);
            let same = graph.shape(node.inputs[i]) == graph.shape(node.output);
            if same { fact } else { fact.moved() }
        });
        if node.inputs[0] == node.inputs[1] && function == Binary::Mul {
            return Fact::within(0.0, f32::INFINITY, x.zeros);
        }
        match function {
            Binary::Add => x.plus(&y),
            Binary::Sub if node.inputs[0] == node.inputs[1] => Fact::within(0.0, 0.0, true),
            Binary::Sub => x.plus(&y.negated()),
            Binary::Mul => x.times(&y),
            Binary::Div if y.low >= 0.0 || y.high <= 0.0 => {
                let sign = if y.low >= 0.0 { 1.0 } else { -1.0 };
                let infinite = y.high == f32::INFINITY && graph.constant(node.inputs[1]).is_some();
                Fact { zeros: x.zeros || infinite, ..x.times(&Fact::within(sign * 0.0, sign * f32::INFINITY, false)) }
            }
            Binary::Min => Fact { low: x.low.min(y.low), high: x.high.min(y.high), ..merged(&x, &y) },
            Binary::Max => Fact { low: x.low.max(y.low), high: x.high.max(y.high), ..merged(&x, &y) },
            Binary::Pow => {
                let exponent = graph.constant(node.inputs[1]).map(|t| t.to_f32()).unwrap_or_default();
                let even = !exponent.is_empty() && exponent.iter().all(|e| e % 2.0 == 0.0);
                let low = if even || x.low >= 0.0 { 0.0 } else { f32::NEG_INFINITY };
                Fact::within(low, f32::INFINITY, x.zeros)
            }
            Binary::Div => Fact { zeros: x.zeros, ..Fact::UNKNOWN },
            _ if function.row().truth => truth(),
            _ => Fact { zeros: true, ..Fact::UNKNOWN },
        }
    }

    /// A layer whose weights are ±scale: sums of whole numbers, if its operand is such.
    fn binary_layer(&self, graph: &Graph, node: &Node, layer: &Layer<'_>) -> Fact {
        let x = self.of(graph, node.inputs[0]);
        let real = self.real_layer(graph, node);
        let window = if let Op::Conv { window, .. } = &node.op { Some(window) } else { None };
        let fewer = layer.has_zeros || window.is_some_and(is_padded);
        let Some(grid) = x.grid.as_ref().filter(|_| window.is_none_or(|w| w.pad_value == 0.0)) else { return real };
        // The one map of all channels may stand in front of the sum where it shifts nothing.
        let before = match &grid.maps {
            None => Some(Affine::identity()),
            Some((_, maps)) => super::merge_affine::uniform(maps)
                .filter(|map| map.sign_at(0.0) == Ordering::Equal && map.slope() != Ordering::Equal)
                .cloned(),
        };
        let bias = match node.inputs.get(2) {
            None => Some(vec![0.0; layer.scales.len()]),
            Some(&v) => graph.constant(v).and_then(|t| t.as_f32().map(<[f32]>::to_vec)),
        };
        let (Some(before), Some(bias)) = (before, bias) else { return real };
        let Some((step, offset, largest)) = grid.summed(layer.fan_in, fewer, true) else { return real };
        if bias.iter().any(|b| !b.is_finite()) || bias.len() != layer.scales.len() {
            return real;
        }
        let maps: Option<Vec<Affine>> = std::iter::zip(layer.scales, &bias)
            .map(|(&scale, &bias)| before.then(&Affine::linear(scale, bias)))
            .collect();
        let Some(maps) = maps else { return real };
        let axis = match &node.op {
            Op::Conv { layout: crate::ir::Layout::ChannelsFirst, .. } => 1,
            _ => graph.shape(node.output).len() - 1,
        };
        let plain = maps.iter().all(Affine::is_identity);
        let numbers = Grid { step, offset, largest, maps: (!plain).then(|| (axis, Arc::new(maps))) };
        Fact { zeros: numbers.holds_zero(), grid: Some(numbers), ..real }
    }

    fn real_layer(&self, graph: &Graph, node: &Node) -> Fact {
        let x = self.of(graph, node.inputs[0]);
        let weights = graph.constant(node.inputs[1]).and_then(|t| t.as_f32());
        let no_bias = Fact::within(0.0, 0.0, true);
        let bias = node.inputs.get(2).map_or(no_bias, |&v| self.of(graph, v));
        let Some(weights) = weights else {
            let y = self.of(graph, node.inputs[1]);
            let signs = x.times(&y);
            let low = if signs.low >= 0.0 { 0.0 } else { f32::NEG_INFINITY };
            return Fact::within(low, f32::INFINITY, x.grid.is_some() && y.grid.is_some());
        };
        let outputs = match &node.op {
            Op::Conv { .. } => graph.shape(node.inputs[1])[0],
            _ => graph.shape(node.output).last().copied().unwrap_or(1),
        };
        let fan_in = weights.len() / outputs.max(1);
        let pads = match &node.op {
            Op::Conv { window, .. } if is_padded(window) => window.pad_value,
            _ => 0.0,
        };
        let positive = weights.iter().all(|&w| w >= 0.0);
        let negative = !positive && weights.iter().all(|&w| w <= 0.0);
        let not_negative = x.low >= 0.0 && pads >= 0.0;
        let low = if not_negative && positive && bias.low >= 0.0 { 0.0 } else { f32::NEG_INFINITY };
        let high = if not_negative && negative && bias.high <= 0.0 { 0.0 } else { f32::INFINITY };
        let few = fan_in <= if x.raw { AREA } else { FEW };
        let whole = x.grid.is_some() && weights.iter().all(|w| w.fract() == 0.0);
        Fact::within(low, high, bias.zeros && x.zeros && few || bias.zeros && whole)
    }
}

fn taps(window: &Window) -> usize {
    window.kernel[0] * window.kernel[1]
}

fn is_padded(window: &Window) -> bool {
    window.pads != [0; 4]
}

/// 0 or 1.
fn truth() -> Fact {
    Fact { low: 0.0, ..Fact::numbers(1, 0, 1) }
}

fn sign(x: &Fact) -> Fact {
    let three = if x.zeros { Fact::numbers(1, 0, 1) } else { Fact::numbers(2, 1, 1) };
    let low = if x.low >= 0.0 { 0.0 } else { -1.0 };
    let high = if x.high <= 0.0 { 0.0 } else { 1.0 };
    let grid = if x.low >= 0.0 || x.high <= 0.0 { Fact::numbers(1, 0, 1) } else { three };
    Fact { low, high, zeros: x.zeros, ..grid }
}

fn unary(function: Unary, x: &Fact) -> Fact {
    let low = function.least(x.low);
    let fact = |high: f32, zeros: bool| Fact::within(low, high, zeros);
    match function {
        Unary::Relu => Fact { grid: whole(x), ..x.clipped(0.0, f32::INFINITY) },
        Unary::Clip(low, high) if low <= high => {
            let integral = |bound: f32| bound.fract() == 0.0 || bound.is_infinite();
            let grid = whole(x).filter(|_| integral(low) && integral(high) && (low..=high).contains(&0.0));
            Fact { grid, ..x.clipped(low, high) }
        }
        Unary::Neg => x.negated(),
        Unary::Abs => {
            let low = x.low.max(-x.high).max(0.0);
            Fact { low, grid: whole(x), ..fact(x.low.abs().max(x.high.abs()), x.zeros) }
        }
        Unary::LeakyRelu(slope) | Unary::Elu(slope) if slope > 0.0 => fact(x.high, x.zeros),
        Unary::LeakyRelu(_) | Unary::Elu(_) => fact(f32::INFINITY, x.zeros || x.low < 0.0),
        Unary::Sigmoid => fact(1.0, false),
        // All that is far enough below zero becomes zero.
        Unary::HardSigmoid(..) => fact(1.0, true),
        Unary::HardSwish => fact(x.high.max(0.0), true),
        Unary::Tanh | Unary::Erf => fact(if x.high <= 0.0 { 0.0 } else { 1.0 }, x.zeros),
        Unary::Round => fact(x.high.round_ties_even(), true),
        Unary::Quantize(step) if step > 0.0 => fact((x.high / step).round_ties_even(), true),
        Unary::Trunc => fact(x.high.trunc(), true),
        Unary::Floor => fact(x.high.floor(), true),
        Unary::Ceil => fact(x.high.ceil(), true),
        Unary::Sqrt => fact(f32::INFINITY, x.zeros),
        Unary::Not => truth(),
        _ => fact(f32::INFINITY, function.zeros(x.zeros)),
    }
}

/// What a function that keeps whole numbers whole makes of a grid without maps.
fn whole(x: &Fact) -> Option<Grid> {
    let grid = x.grid.as_ref().filter(|g| g.maps.is_none())?;
    Some(Grid { step: gcd(grid.step, grid.offset), offset: 0, ..grid.clone() })
}

fn merged(x: &Fact, y: &Fact) -> Fact {
    let either = x.zeros && y.low <= 0.0 && y.high >= 0.0 || y.zeros && x.low <= 0.0 && x.high >= 0.0;
    Fact { zeros: x.zeros && y.zeros || either, ..Fact::UNKNOWN }
}

fn reduced(kind: Reduction, x: &Fact, n: usize) -> Fact {
    match kind {
        Reduction::Mean => x.accumulated(n, false, true),
        Reduction::Sum => x.accumulated(n, false, false),
        Reduction::Max | Reduction::Min => x.clone(),
        Reduction::L1 | Reduction::L2 | Reduction::SumSquare => {
            Fact::within(0.0, f32::INFINITY, x.zeros && n <= if x.raw { AREA } else { FEW })
        }
        Reduction::Prod => Fact::within(if x.low >= 0.0 { 0.0 } else { f32::NEG_INFINITY }, f32::INFINITY, x.zeros),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passes::testing::Build;

    /// What is not known of a function is not guessed: a remainder has either sign, a comparison is 0 or 1.
    #[test]
    fn functions_of_two_arguments() {
        let expected = [(Binary::Fmod, f32::NEG_INFINITY), (Binary::Mod, f32::NEG_INFINITY), (Binary::Less, 0.0)];
        for (function, low) in expected {
            let mut b = Build::default();
            let (x, y) = (b.input(&[2]), b.input(&[2]));
            let z = b.binary(function, x, y);
            let graph = b.finish(&[z]);
            let mut facts = Facts::default();
            facts.observe(&graph, &graph.nodes[0], None);
            let fact = facts.of(&graph, z);
            assert_eq!((fact.low, fact.zeros), (low, true), "{function:?}");
        }
    }
}
