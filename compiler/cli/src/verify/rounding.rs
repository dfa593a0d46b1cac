//! How far rounding can move a value, and which signs it can turn: derived, step by step, from what a block computes.
//!
//! Two engines that compute a block in the same precision from the same inputs differ by what each of them rounds. Beside
//! every value this keeps a bound of that difference. With `u` the distance of 1 to the next number of the precision (two
//! engines, half a unit each):
//!
//! | what is computed | its bound |
//! |---|---|
//! | a sum `s` of n products, in any order | `√n u (abs(s) + 2q)`, and `3 √(Σ w² e²)` of errors `e` in its operands |
//! | a product, a sum of two | what the operands' bounds give, and `u` times the result (and what is added to it) |
//! | a function | how far it moves within its argument's bound, and `4 u` of the result; `16 u` if it is no polynomial |
//! | maximum, movement of elements | that of the operands |
//! | an infinity, as masks are | nothing: it is the same in every engine |
//! | a sign, the affine map in front of it included | bound of the value, and `4 u` times the largest value of the channel |
//!
//! In the first row q is the root of the sum of the products' squares: what partial sums in any order grow to. Their n
//! rounding errors are independent, and add up like a random walk.
//!
//! A sign is *in question* when its value is nearer to a threshold than its bound. A function that rounds to whole numbers
//! ([`jumps`]) makes a bound of a whole step of one that reaches the middle between two: which of them it is, is in question.

use std::collections::HashMap;
use std::sync::Arc;

use xnorc::interpret;
use xnorc::interpret::network::{Tile, activate, pool, source, step};
use xnorc::ir::network::{
    Activation, Block, Body, Dense, Gate, Interval, Move, Network, PoolKind, Pooled, Products, Source, Step, Storage,
    TensorId, Whole,
};
use xnorc::ir::{DType, Op, Reduction, Tensor, Unary};

/// The precision of f32.
pub(super) const F32: f64 = 1.0 / (1_u64 << 23) as f64;

/// Values and bounds of the tensors that are known so far.
pub(super) struct Rounding<'a> {
    network: &'a Network,
    /// Distance of 1 to the next number.
    unit: f64,
    /// Sign bits are -1 and +1.
    pub(super) values: HashMap<TensorId, Tensor>,
    /// None where the values are given as they are.
    pub(super) errors: HashMap<TensorId, Vec<f64>>,
}

/// How near the signs of a tensor of bits are to turning.
pub(super) struct Margins {
    pub(super) tensor: TensorId,
    /// Its last extent.
    pub(super) channels: usize,
    /// The values the signs are taken of.
    pub(super) values: Vec<f32>,
    /// From each value to the nearest threshold.
    pub(super) distance: Vec<f64>,
    /// What rounding can move it by.
    pub(super) reach: Vec<f64>,
}

impl Margins {
    /// Whether rounding can turn a sign.
    pub(super) fn in_question(&self, element: usize) -> bool {
        self.distance[element] <= self.reach[element]
    }

    /// Largest magnitude of the values.
    pub(super) fn scale(&self) -> f64 {
        self.values.iter().filter(|v| v.is_finite()).fold(0.0, |m, v| f64::from(v.abs()).max(m))
    }
}

impl<'a> Rounding<'a> {
    pub(super) fn new(network: &'a Network, unit: f64) -> Self {
        Self { network, unit, values: HashMap::new(), errors: HashMap::new() }
    }

    /// Runs a block on what is known, and adds what it writes. Gives the margins of the signs it takes.
    pub(super) fn block(&mut self, block: &Block) -> Result<Vec<Margins>, String> {
        let tiled = match &block.body {
            Body::Tiled(tiled) => tiled,
            body => {
                interpret::network::block(self.network, block, &mut self.values)?;
                if let Some((output, mut bounds)) = self.other(block, body)? {
                    settle_infinities(&self.floats(output), &mut bounds);
                    self.errors.insert(output, bounds);
                }
                return Ok(Vec::new());
            }
        };
        let mut tile = source(self.network, &tiled.source, &mut self.values)?;
        let mut bounds = self.of_source(&tiled.source, &tile)?;
        settle_infinities(&tile.values, &mut bounds);
        let mut margins = Vec::new();
        self.steps(&tiled.steps, &mut tile, &mut bounds, &mut margins)?;
        if let Some(Pooled { pool: it, steps }) = &tiled.pooled {
            let windows = |values: Vec<f32>| pool(it, &Tile { values, ..tile.clone() });
            let mut moved: Vec<f64> = floats64(windows(bounds.iter().map(|&e| e as f32).collect())?.values);
            if let PoolKind::Average { .. } = it.kind {
                let n = ((it.geometry.kernel[0] * it.geometry.kernel[1]) as f64).sqrt();
                let sizes = windows(tile.values.iter().map(|v| v.abs()).collect())?.values;
                moved.iter_mut().zip(sizes).for_each(|(e, size)| *e += n * self.unit * f64::from(size));
            }
            (tile, bounds) = (pool(it, &tile)?, moved);
            settle_infinities(&tile.values, &mut bounds);
            self.steps(steps, &mut tile, &mut bounds, &mut margins)?;
        }
        Ok(margins)
    }

    fn steps(
        &mut self,
        steps: &[Step],
        tile: &mut Tile,
        bounds: &mut Vec<f64>,
        margins: &mut Vec<Margins>,
    ) -> Result<(), String> {
        for one in steps {
            let before = tile.clone();
            step(self.network, one, tile, &mut self.values)?;
            if let Step::Sign { bits, intervals } = one {
                margins.push(self.margins(*bits, intervals, tile, bounds));
            } else {
                self.of_step(one, &before, tile, bounds)?;
                settle_infinities(&tile.values, bounds);
            }
        }
        Ok(())
    }

    fn bounds(&self, id: TensorId, len: usize) -> Vec<f64> {
        self.errors.get(&id).filter(|e| e.len() == len).cloned().unwrap_or_else(|| vec![0.0; len])
    }

    fn floats(&self, id: TensorId) -> Vec<f32> {
        self.values.get(&id).map(Tensor::to_f32).unwrap_or_default()
    }

    /// The operands of a block, each made something else of: `f(value, bound)`.
    fn made(&self, reads: &[TensorId], f: impl Fn(f32, f64) -> f64) -> HashMap<TensorId, Tensor> {
        let one = |&id: &TensorId| {
            let given = self.floats(id);
            let bounds = self.bounds(id, given.len());
            let made = given.iter().zip(&bounds).map(|(&v, &e)| f(v, e) as f32).collect();
            (id, Tensor::f32(self.network.tensor(id).shape.clone(), made))
        };
        reads.iter().map(one).collect()
    }

    /// What a source gives on other operands.
    fn again(&self, it: &Source, f: impl Fn(f32, f64) -> f64) -> Result<Vec<f64>, String> {
        Ok(floats64(source(self.network, it, &mut self.made(&[it.input()], f))?.values))
    }

    /// What a block of another kind writes on other operands.
    fn run(&self, body: &Body, f: impl Fn(f32, f64) -> f64) -> Result<Vec<f64>, String> {
        let block = Block::new("", body.clone());
        let mut values = self.made(&block.reads(), f);
        interpret::network::block(self.network, &block, &mut values)?;
        let written = block.writes().first().and_then(|id| values.get(id));
        Ok(floats64(written.map(Tensor::to_f32).unwrap_or_default()))
    }

    /// That of a sum of `n` products, from the roots of the sums of squares.
    fn sum(&self, n: usize, sum: f32, squares: f64, errors: f64) -> f64 {
        (n as f64).sqrt() * self.unit * (f64::from(sum.abs()) + 2.0 * squares.sqrt()) + 3.0 * errors.sqrt()
    }

    /// Bounds of what a source hands to the steps.
    fn of_source(&self, it: &Source, tile: &Tile) -> Result<Vec<f64>, String> {
        let values = &tile.values;
        Ok(match it {
            Source::BinaryConv { geometry: g, .. } => {
                // The other engine adds numbers of one magnitude, each the scale of its channel.
                let n = g.kernel[0] * g.kernel[1] * (g.input[2] / g.groups);
                values.iter().map(|&s| self.sum(n, s, n as f64, 0.0)).collect()
            }
            Source::RealConv { input, planar, geometry: g, weights, products } => {
                let n = g.kernel[0] * g.kernel[1] * (g.input[2] / g.groups);
                // Sums of integers are in these.
                let (squared, unit) = match products {
                    Products::Int8 { quantized: q, .. } => {
                        (q.weights.iter().map(|&w| f32::from(w).powi(2)).collect(), f64::from(q.inverse_scale))
                    }
                    _ => (weights.iter().map(|w| w * w).collect(), 1.0),
                };
                let squared = Source::RealConv {
                    input: *input,
                    planar: *planar,
                    geometry: *g,
                    weights: Arc::new(squared),
                    products: Products::F32,
                };
                let squares = self.again(&squared, |v, _| (f64::from(v) * unit).powi(2))?;
                let errors = match self.errors.contains_key(input) {
                    true => self.again(&squared, |_, e| (e * unit).powi(2))?,
                    false => vec![0.0; squares.len()],
                };
                (0..values.len()).map(|i| self.sum(n, values[i], squares[i], errors[i])).collect()
            }
            Source::AveragePool { geometry: g, .. } => {
                let sizes = self.again(it, |v, _| f64::from(v.abs()))?;
                let n = ((g.kernel[0] * g.kernel[1]) as f64).sqrt();
                let moved = self.again(it, |_, e| e)?;
                sizes.iter().zip(moved).map(|(size, e)| e + n * self.unit * size).collect()
            }
            Source::MaxPool { .. } | Source::Map { .. } | Source::Planes { .. } => self.again(it, |_, e| e)?,
        })
    }

    /// Bounds of what a block of another kind has written; nothing for bits and integers.
    fn other(&self, block: &Block, body: &Body) -> Result<Option<(TensorId, Vec<f64>)>, String> {
        let Some(&output) = block.writes().first() else { return Ok(None) };
        if !matches!(self.network.tensor(output).storage, Storage::Dense(DType::F32)) {
            return Ok(None);
        }
        let bounds = match body {
            Body::Move(Move::Copy { pieces, fill, output }) => {
                let moved = Move::Copy { fill: fill.map(|_| 0.0), pieces: pieces.clone(), output: *output };
                self.run(&moved.into(), |_, e| e)?
            }
            // The numbers of the rows are exact.
            Body::Move(Move::Lookup { output, .. }) => vec![0.0; self.network.tensor(*output).storage_len()],
            Body::Move(_) => self.run(body, |_, e| e)?,
            Body::Gate(Gate { sums, first, hidden, second, squash, .. }) => {
                let values = self.floats(*sums);
                let bounds = self.bounds(*sums, values.len());
                let mut all = Vec::new();
                for (x, e) in values.chunks(first.inputs.max(1)).zip(bounds.chunks(first.inputs.max(1))) {
                    let (y, e) = self.dense(first, x, e);
                    let (y, e) = self.activated(&Activation::Unary(*hidden), &y, &e)?;
                    let (y, e) = self.dense(second, &y, &e);
                    all.extend(self.activated(&Activation::Unary(*squash), &y, &e)?.1);
                }
                all
            }
            Body::Whole(whole) => self.of_whole(whole, body)?,
            // Has its own rules.
            Body::Tiled(_) => return Ok(None),
        };
        Ok(Some((output, bounds)))
    }

    fn of_whole(&self, whole: &Whole, body: &Body) -> Result<Vec<f64>, String> {
        let unit = self.unit;
        let values = self.floats(whole.output);
        Ok(match &whole.op {
            Op::Reduce { kind, axes, keepdims } => {
                let kind_of = match kind {
                    Reduction::Mean | Reduction::Max => *kind,
                    Reduction::Min => Reduction::Max,
                    _ => Reduction::Sum,
                };
                let op = Op::Reduce { kind: kind_of, axes: axes.clone(), keepdims: *keepdims };
                let like: Body = Whole { op, ..whole.clone() }.into();
                let moved = self.run(&like, |_, e| e)?;
                let sizes = self.run(&like, |v, _| f64::from(v.abs()))?;
                let n = (self.floats(whole.inputs[0]).len() / sizes.len().max(1)) as f64;
                if let Reduction::Max | Reduction::Min = kind {
                    return Ok(moved);
                }
                moved.iter().zip(sizes).map(|(e, size)| e + n.sqrt() * unit * size).collect()
            }
            Op::Softmax { log, .. } => {
                let given = self.floats(whole.inputs[0]);
                let largest = self.bounds(whole.inputs[0], given.len()).into_iter().fold(0.0, f64::max);
                let of = |&v: &f32| match log {
                    true => 2.0 * largest + 16.0 * unit * (1.0 + f64::from(v.abs())),
                    false => (2.0 * largest + 16.0 * unit) * f64::from(v.abs()),
                };
                values.iter().map(of).collect()
            }
            // Whole numbers.
            Op::SignProduct { .. } => vec![0.0; values.len()],
            Op::MatMul => {
                let squares = self.run(body, |v, _| f64::from(v) * f64::from(v))?;
                // e² (|b| + f)² + a² f²: what each factor is off by, times the other.
                let square = |v: f32, _: f64| f64::from(v) * f64::from(v);
                let wide = |v: f32, e: f64| (f64::from(v.abs()) + e).powi(2);
                let off = |_: f32, e: f64| e * e;
                let first = self.moved(whole, off, wide)?;
                let second = self.moved(whole, square, off)?;
                let n = self.network.tensor(whole.inputs[0]).shape.last().copied().unwrap_or(1);
                (0..values.len())
                    .map(|i| self.sum(n, values[i], squares[i], f64::from(first[i]) + f64::from(second[i])))
                    .collect()
            }
            // Its places are whole numbers.
            Op::Gather { .. } => {
                let mut bounds = vec![0.0; values.len()];
                for first in [-1.0, 1.0] {
                    for (i, value) in self.corner(whole, (first, 0.0))?.into_iter().enumerate() {
                        bounds[i] = difference(value, values[i]).max(bounds[i]);
                    }
                }
                bounds
            }
            // How far it moves when all its operands do, to one side, to the other, and against each other.
            _ => {
                let mut bounds: Vec<f64> = values.iter().map(|v| 16.0 * unit * f64::from(v.abs())).collect();
                let mut moved = vec![0.0_f64; values.len()];
                for corner in [(-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0)] {
                    for (i, value) in self.corner(whole, corner)?.into_iter().enumerate() {
                        moved[i] = moved[i].max(difference(value, values[i]));
                    }
                }
                bounds.iter_mut().zip(moved).for_each(|(e, m)| *e += m);
                bounds
            }
        })
    }

    /// An operator whose operands are moved by their bounds, the first to one side, the others to another.
    fn corner(&self, whole: &Whole, (first, others): (f64, f64)) -> Result<Vec<f32>, String> {
        self.moved(whole, |v, e| f64::from(v) + first * e, |v, e| f64::from(v) + others * e)
    }

    /// An operator on other operands: of the first, and of the others. One that is several operands is the last of them.
    fn moved(
        &self,
        whole: &Whole,
        first: impl Fn(f32, f64) -> f64,
        others: impl Fn(f32, f64) -> f64,
    ) -> Result<Vec<f32>, String> {
        let mut values = HashMap::new();
        for (i, &id) in whole.inputs.iter().enumerate() {
            values.extend(if i == 0 { self.made(&[id], &first) } else { self.made(&[id], &others) });
        }
        interpret::network::block(self.network, &Block::new("", whole.clone()), &mut values)?;
        Ok(values.get(&whole.output).map(Tensor::to_f32).unwrap_or_default())
    }

    fn dense(&self, layer: &Dense, x: &[f32], bounds: &[f64]) -> (Vec<f32>, Vec<f64>) {
        let rows = layer.weights.chunks(layer.inputs).zip(layer.bias.iter());
        rows.map(|(row, &bias)| {
            let (mut sum, mut squares, mut errors) = (f64::from(bias), f64::from(bias).powi(2), 0.0);
            for ((&w, &x), &e) in row.iter().zip(x).zip(bounds) {
                let (w, x) = (f64::from(w), f64::from(x));
                sum += w * x;
                squares += (w * x).powi(2);
                errors += (w * e).powi(2);
            }
            (sum as f32, self.sum(layer.inputs, sum as f32, squares, errors))
        })
        .unzip()
    }

    fn activated(&self, f: &Activation, x: &[f32], bounds: &[f64]) -> Result<(Vec<f32>, Vec<f64>), String> {
        let channels = match f {
            Activation::PRelu(slopes) => slopes.len(),
            Activation::Sign(intervals) => intervals.len(),
            Activation::Unary(_) => 1,
        };
        // What is divided before it is rounded, others multiply by the rounded reciprocal.
        let divides = matches!(f, Activation::Unary(Unary::Quantize(step)) if *step != 1.0);
        let own = |x: f64| if divides { 2.0 * self.unit * x.abs() } else { 0.0 };
        let at = |sign: f64| -> Result<Vec<f32>, String> {
            let off = |x: f64, e: f64| (x + sign * (e + own(x))) as f32;
            let mut moved: Vec<f32> = x.iter().zip(bounds).map(|(&x, &e)| off(f64::from(x), e)).collect();
            activate(f, &mut moved, channels)?;
            Ok(moved)
        };
        let (low, y, high) = (at(-1.0)?, at(0.0)?, at(1.0)?);
        let own = self.unit * if is_polynomial(f) { 4.0 } else { 16.0 };
        let bounds = (0..y.len()).map(|i| {
            let moved = difference(low[i], y[i]).max(difference(high[i], y[i]));
            moved + own * f64::from(y[i].abs())
        });
        let bounds = bounds.collect();
        Ok((y, bounds))
    }

    fn of_step(&mut self, one: &Step, before: &Tile, tile: &Tile, bounds: &mut Vec<f64>) -> Result<(), String> {
        let [images, rows, columns, channels] = tile.extents;
        let unit = self.unit;
        let own = |i: usize| unit * f64::from(tile.values[i].abs());
        match one {
            Step::Scale(p) => bounds.iter_mut().enumerate().for_each(|(i, e)| {
                *e = *e * f64::from(p[i % channels].abs()) + own(i);
            }),
            Step::ScalePixels(_) | Step::Gate(_) | Step::Mul(_) => {
                let pixels = rows * columns * channels;
                let (factor, off): (Vec<f32>, Vec<f64>) = match one {
                    Step::Gate(t) => {
                        let (g, e) = (self.floats(*t), self.bounds(*t, images * channels));
                        let at = |i: usize| i / pixels * channels + i % channels;
                        (0..bounds.len()).map(|i| (g[at(i)], e[at(i)])).unzip()
                    }
                    Step::Mul(t) => (self.floats(*t), self.bounds(*t, bounds.len())),
                    // What the factor was shows in the result.
                    _ => tile.values.iter().zip(&before.values).map(|(a, b)| (ratio(*a, *b), 0.0)).unzip(),
                };
                for (i, e) in bounds.iter_mut().enumerate() {
                    let moved = *e * f64::from(factor[i].abs()) + f64::from(before.values[i].abs()) * off[i];
                    // The product of a gate and a scale is rounded, too.
                    *e = moved + 2.0 * own(i);
                }
            }
            Step::Shift(_) | Step::ShiftPixels(_) | Step::Add(_) => {
                let off = if let Step::Add(t) = one { self.bounds(*t, bounds.len()) } else { vec![0.0; bounds.len()] };
                for (i, e) in bounds.iter_mut().enumerate() {
                    let (sum, first) = (tile.values[i], before.values[i]);
                    let second = if matches!(one, Step::Add(_)) { 0.0 } else { f64::from((sum - first).abs()) };
                    *e += off[i] + unit * (f64::from(sum.abs()) + f64::from(first.abs()) + second);
                }
            }
            Step::Activation(f) => *bounds = self.activated(f, &before.values, bounds)?.1,
            Step::Store(t) => {
                self.errors.insert(*t, bounds.clone());
            }
            Step::Sum(t) => {
                let (mut errors, mut sizes) = (vec![0.0; images * channels], vec![0.0; images * channels]);
                for (i, e) in bounds.iter().enumerate() {
                    let at = i / (rows * columns * channels) * channels + i % channels;
                    errors[at] += e;
                    sizes[at] += f64::from(tile.values[i].abs());
                }
                let n = ((rows * columns) as f64).sqrt();
                errors.iter_mut().zip(sizes).for_each(|(e, size)| *e += n * unit * size);
                self.errors.insert(*t, errors);
            }
            // Its margins are the answer.
            Step::Sign { .. } => {}
        }
        Ok(())
    }

    fn margins(&self, bits: TensorId, intervals: &[Interval], tile: &Tile, bounds: &[f64]) -> Margins {
        let channels = tile.extents[3];
        let mut largest = vec![0.0_f64; channels];
        for (i, v) in tile.values.iter().enumerate().filter(|(_, v)| v.is_finite()) {
            largest[i % channels] = largest[i % channels].max(f64::from(v.abs()));
        }
        let (mut distance, mut reach) = (Vec::new(), Vec::new());
        for (i, (&v, e)) in tile.values.iter().zip(bounds).enumerate() {
            let interval = intervals[i % channels];
            let ends = [interval.low, interval.high].into_iter().filter(|end| end.is_finite());
            distance.push(ends.map(|end| (f64::from(v) - f64::from(end)).abs()).fold(f64::INFINITY, f64::min));
            reach.push(e + 4.0 * self.unit * largest[i % channels]);
        }
        Margins { tensor: bits, channels, values: tile.values.clone(), distance, reach }
    }
}

/// How the least difference before a value can become one of a whole step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Jump {
    /// It is rounded to a whole number: to the next one above or below.
    Whole,
    /// It is one of two, as signs and truths are that are numbers: to the other.
    Other,
}

/// Whether what a block writes jumps.
pub(super) fn jumps(block: &Block) -> Option<Jump> {
    let whole = |f: &Unary| matches!(f, Unary::Round | Unary::Quantize(_) | Unary::Trunc | Unary::Floor | Unary::Ceil);
    match &block.body {
        Body::Whole(Whole { op: Op::Unary(f), .. }) if whole(f) => Some(Jump::Whole),
        Body::Whole(Whole { op: Op::Binary(f), .. }) if f.row().truth => Some(Jump::Other),
        _ => block.steps().find_map(|step| match step {
            Step::Activation(Activation::Unary(f)) if whole(f) => Some(Jump::Whole),
            Step::Activation(Activation::Sign(_)) => Some(Jump::Other),
            _ => None,
        }),
    }
}

fn floats64(values: Vec<f32>) -> Vec<f64> {
    values.into_iter().map(f64::from).collect()
}

/// Infinities come from masks, and are the same in every engine: nothing bounds what is exact.
fn settle_infinities(values: &[f32], bounds: &mut [f64]) {
    let infinite = values.iter().zip(bounds).filter(|(v, _)| v.is_infinite());
    infinite.for_each(|(_, bound)| *bound = 0.0);
}

/// Zero of equal infinities and of what is no number on both sides.
fn difference(a: f32, b: f32) -> f64 {
    if a == b || a.is_nan() && b.is_nan() { 0.0 } else { (f64::from(a) - f64::from(b)).abs() }
}

fn ratio(a: f32, b: f32) -> f32 {
    if b == 0.0 { 0.0 } else { a / b }
}

fn is_polynomial(f: &Activation) -> bool {
    if let Activation::Unary(f) = f { f.is_exact() } else { true }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xnorc::ir::Binary;
    use xnorc::ir::network::Tiled;

    #[test]
    fn a_quotient_in_the_middle_is_in_question_and_none_beside_it() {
        let network = Network::default();
        let rounding = Rounding::new(&network, F32);
        let step = 0.3_f32;
        let bound = |x: f32| rounding.activated(&Activation::Unary(Unary::Quantize(step)), &[x], &[0.0]).unwrap().1[0];
        let middle = 2.5 * step;
        // By a whole step, or by the rounding of the result alone.
        assert!(bound(middle) > 0.9 && bound(middle * (1.0 - 1e-6)) < 0.1 && bound(middle * (1.0 + 1e-6)) < 0.1);
    }

    #[test]
    fn signs_and_truths_that_are_numbers_jump() {
        let all = Interval { low: 0.0, high: f32::INFINITY };
        let tiled =
            |f: Activation| Block::new("", Tiled::new(Source::Map { input: TensorId(0) }, vec![Step::Activation(f)]));
        let whole = |f| Block::new("", Whole { op: Op::Binary(f), inputs: vec![TensorId(0); 2], output: TensorId(1) });
        assert_eq!(jumps(&tiled(Activation::Sign(Arc::new(vec![all])))), Some(Jump::Other));
        assert_eq!(jumps(&tiled(Activation::Unary(Unary::Floor))), Some(Jump::Whole));
        assert_eq!(jumps(&tiled(Activation::Unary(Unary::Relu))), None);
        assert_eq!([Binary::Less, Binary::Add].map(|f| jumps(&whole(f))), [Some(Jump::Other), None]);
    }

    #[test]
    fn a_sum_at_its_threshold_is_in_question_whether_or_not_it_is_reached() {
        let network = Network::default();
        let rounding = Rounding::new(&network, F32);
        let (above, open) = (4.0_f32.next_up(), f32::INFINITY);
        let sum_of_four = |low, high| {
            let tile = Tile { extents: [1; 4], values: vec![4.0] };
            let bounds = [rounding.sum(4, 4.0, 4.0, 0.0)];
            rounding.margins(TensorId(0), &[Interval { low, high }], &tile, &bounds).in_question(0)
        };
        // Just not reached, or just so.
        assert!(sum_of_four(above, open) && sum_of_four(-open, 4.0));
        // Nothing is +1, everything is, the next sum is.
        assert!(!sum_of_four(open, -open) && !sum_of_four(-open, open) && !sum_of_four(6.0, open));
    }
}
