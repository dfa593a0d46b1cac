//! The integers of a network in fixed point.

use std::collections::BTreeMap;

use super::{Block, Dense, Fixed, Scaled, Source, Step};
use crate::interpret;
use crate::ir::network::{self, Activation, Body, Geometry, Move, Network, Pool, PoolKind, Storage, TensorId, Tiled};
use crate::ir::{Tensor, Unary};

/// Largest magnitude of a number in memory, of a factor, of a shifted tile in front of a factor.
const SHORT: i64 = 32767;
/// Largest magnitude in a tile: what is rounded or added to it must find room.
const TILE: i64 = 1 << 30;
/// What an example may be exceeded by before it is cut off.
const MARGIN: f64 = 1.25;

/// Chooses integers for every block.
///
/// # Errors
/// Each block that has no form in fixed point, and why; examples that do not fit.
pub fn run(network: &Network, examples: &[Vec<Tensor>]) -> Result<Fixed, Vec<String>> {
    let mut chooser = Chooser {
        network,
        largest: largest(network, examples).map_err(|e| vec![e])?,
        uniform: uniform(network),
        fixed: Fixed::default(),
    };
    let mut problems = Vec::new();
    for &id in &network.inputs {
        chooser.stored(id);
    }
    for block in &network.blocks {
        match chooser.block(block) {
            Ok(it) => chooser.fixed.blocks.push(it),
            Err(why) => problems.push(format!("\"{}\" has no form in fixed point: {why}", block.name)),
        }
    }
    if problems.is_empty() { Ok(chooser.fixed) } else { Err(problems) }
}

/// By tensor and channel: the largest magnitude over the examples.
fn largest(network: &Network, examples: &[Vec<Tensor>]) -> Result<BTreeMap<TensorId, Vec<f64>>, String> {
    if examples.is_empty() {
        return Err("fixed point learns the ranges of what is stored from examples, and there are none".to_owned());
    }
    let mut largest: BTreeMap<TensorId, Vec<f64>> = BTreeMap::new();
    for example in examples {
        for (id, tensor) in interpret::network::run(network, example)? {
            let channels = tensor.shape.last().copied().unwrap_or(1).max(1);
            let bounds = largest.entry(id).or_insert_with(|| vec![0.0; channels]);
            for (i, x) in tensor.to_f32().into_iter().enumerate() {
                if !x.is_finite() {
                    return Err(format!("an example gives {:?} a value of {x}", network.tensor(id).name));
                }
                bounds[i % channels] = bounds[i % channels].max(f64::from(x.abs()));
            }
        }
    }
    Ok(largest)
}

/// The tensors whose channels have one exponent: they are mixed, or lie otherwise for who reads them.
fn uniform(network: &Network) -> Vec<bool> {
    let mut uniform = vec![false; network.tensors.len()];
    for id in &network.inputs {
        uniform[id.0 as usize] = true;
    }
    for block in &network.blocks {
        match &block.body {
            Body::Tiled(tiled) => {
                if let network::Source::RealConv { input, .. } | network::Source::Planes { input } = &tiled.source {
                    uniform[input.0 as usize] = true;
                }
            }
            Body::Move(Move::Reshape { input, output }) => {
                uniform[input.0 as usize] = true;
                uniform[output.0 as usize] = true;
            }
            _ => {}
        }
    }
    uniform
}

/// A tile on its way: exponents and bounds by channel.
struct Tile {
    exponents: Vec<i32>,
    bounds: Vec<i64>,
    steps: Vec<Step>,
}

impl Tile {
    fn channels(&self) -> usize {
        self.bounds.len()
    }

    /// Shifts down so far that no channel is beyond a bound.
    fn narrow(&mut self, most: &[i64]) {
        let by: Vec<i32> =
            self.bounds.iter().zip(most).map(|(&b, &most)| (0..63).find(|&s| b >> s <= most).unwrap_or(63)).collect();
        self.shift_down(by);
    }

    fn shift_down(&mut self, by: Vec<i32>) {
        if by.iter().all(|&by| by == 0) {
            return;
        }
        for ((bound, exponent), by) in self.bounds.iter_mut().zip(&mut self.exponents).zip(&by) {
            *bound = (*bound >> by) + 1;
            *exponent -= by;
        }
        self.steps.push(Step::Narrow(by));
    }

    /// Integers for real factors, and the tile as it is after them.
    fn factors(&mut self, real: &[f32]) -> Vec<i32> {
        self.narrow(&vec![SHORT - 1; self.channels()]);
        let mut factors = Vec::with_capacity(real.len());
        for (c, &p) in real.iter().enumerate() {
            let most = SHORT.min(TILE / 2 / self.bounds[c].max(1)) as f64;
            let exponent = finest(f64::from(p.abs()), most);
            let factor = integer(f64::from(p), exponent);
            self.exponents[c] += exponent;
            self.bounds[c] *= i64::from(factor.abs());
            factors.push(factor);
        }
        factors
    }
}

/// The largest exponent at which a magnitude is at most `most`.
fn finest(magnitude: f64, most: f64) -> i32 {
    if magnitude == 0.0 { 0 } else { ((most / magnitude).log2().floor() as i32).min(40) }
}

fn integer(x: f64, exponent: i32) -> i32 {
    (x * f64::powi(2.0, exponent)).round() as i32
}

struct Chooser<'a> {
    network: &'a Network,
    largest: BTreeMap<TensorId, Vec<f64>>,
    uniform: Vec<bool>,
    fixed: Fixed,
}

impl Chooser<'_> {
    /// The exponents of a tensor of 16 bits.
    fn stored(&mut self, id: TensorId) -> Vec<i32> {
        let largest = &self.largest[&id];
        let all = largest.iter().copied().fold(0.0, f64::max);
        let exponent = |&m: &f64| finest((m * MARGIN).max(all / 64.0).max(1e-6), SHORT as f64);
        let exponents: Vec<i32> = if self.uniform[id.0 as usize] {
            vec![exponent(&all); largest.len()]
        } else {
            largest.iter().map(exponent).collect()
        };
        let bounds = vec![SHORT; largest.len()];
        self.fixed.tensors.insert(id, Scaled { exponents: exponents.clone(), bounds });
        exponents
    }

    fn block(&mut self, block: &network::Block) -> Result<Block, String> {
        match &block.body {
            Body::Tiled(tiled) => self.tiled(tiled),
            Body::Gate(gate) => self.gate(gate),
            Body::Move(Move::Reshape { input, output }) => {
                let exponent = self.fixed.tensors[input].exponents[0];
                let channels = self.network.tensor(*output).shape.last().copied().unwrap_or(1);
                let same = Scaled { exponents: vec![exponent; channels], bounds: vec![SHORT; channels] };
                self.fixed.tensors.insert(*output, same);
                Ok(Block::Reshape)
            }
            Body::Move(_) => Err("it moves elements".to_owned()),
            Body::Whole(whole) => Err(format!("{:?} on whole tensors", whole.op)),
        }
    }

    fn tiled(&mut self, tiled: &Tiled) -> Result<Block, String> {
        let (source, mut tile) = self.source(tiled)?;
        let [n, h, w, _] = tiled.source.extents(self.network);
        if n != 1 {
            return Err("it works on several images".to_owned());
        }
        self.steps(&tiled.steps, &mut tile, h * w)?;
        if let Some(network::Pooled { pool: Pool { kind, geometry }, steps }) = &tiled.pooled {
            if !matches!(kind, PoolKind::Average { .. }) {
                return Err("it has a max-pool".to_owned());
            }
            tile.narrow(&vec![TILE / (geometry.kernel[0] * geometry.kernel[1]) as i64; tile.channels()]);
            tile.steps.push(Step::Window(*geometry));
            mean(geometry, &mut tile)?;
            self.steps(steps, &mut tile, geometry.output[0] * geometry.output[1])?;
        }
        Ok(Block::Tiled(source, tile.steps))
    }

    fn source(&self, tiled: &Tiled) -> Result<(Source, Tile), String> {
        let [_, _, _, channels] = tiled.source.extents(self.network);
        let input = tiled.source.input();
        let tile = |exponents: Vec<i32>, bounds: Vec<i64>| Tile { exponents, bounds, steps: Vec::new() };
        match &tiled.source {
            network::Source::BinaryConv { geometry: g, .. } => {
                let most = (g.kernel[0] * g.kernel[1] * g.input[2] / g.groups) as i64;
                Ok((Source::Counters, tile(vec![0; channels], vec![most; channels])))
            }
            network::Source::RealConv { geometry, weights, .. } => {
                let exponent = self.fixed.tensors[&input].exponents[0];
                let (weights, exponents, sums) = products(weights, geometry.output[2]);
                let exponents = exponents.iter().map(|e| e + exponent).collect();
                Ok((Source::Products(weights), tile(exponents, sums.iter().map(|s| s * SHORT).collect())))
            }
            network::Source::AveragePool { geometry, .. } => {
                let Scaled { exponents, bounds } = self.fixed.tensors[&input].clone();
                let taps = (geometry.kernel[0] * geometry.kernel[1]) as i64;
                let mut tile = tile(exponents, bounds.iter().map(|b| b * taps).collect());
                mean(geometry, &mut tile)?;
                Ok((Source::Window(*geometry), tile))
            }
            network::Source::Map { .. } => {
                let Scaled { exponents, bounds } = self.fixed.tensors[&input].clone();
                Ok((Source::Elements, tile(exponents, bounds)))
            }
            network::Source::Planes { .. } => {
                let exponent = self.fixed.tensors[&input].exponents[0];
                Ok((Source::Planes, tile(vec![exponent; channels], vec![SHORT; channels])))
            }
            network::Source::MaxPool { .. } => Err("it is a max-pool".to_owned()),
        }
    }

    fn steps(&mut self, steps: &[network::Step], tile: &mut Tile, pixels: usize) -> Result<(), String> {
        for (i, step) in steps.iter().enumerate() {
            match step {
                network::Step::Scale(_) if matches!(steps.get(i + 1), Some(network::Step::Gate(_))) => {}
                network::Step::Scale(p) => {
                    let factors = tile.factors(p);
                    tile.steps.push(Step::Multiply(factors));
                }
                network::Step::Gate(gate) => {
                    let before = i.checked_sub(1).map(|i| &steps[i]);
                    let factors = match before {
                        Some(network::Step::Scale(p)) => tile.factors(p),
                        _ => tile.factors(&vec![1.0; tile.channels()]),
                    };
                    tile.steps.push(Step::Gate(*gate, factors));
                }
                network::Step::Shift(p) => {
                    for (c, &p) in p.iter().enumerate() {
                        let most = (TILE / 2) as f64;
                        let down = (0..31).find(|&d| {
                            f64::from(p.abs()) * f64::powi(2.0, tile.exponents[c] - d) <= most
                                && tile.bounds[c] >> d <= TILE / 2
                        });
                        let down = down.ok_or("a shift is too large")?;
                        if down > 0 {
                            let mut by = vec![0; tile.channels()];
                            by[c] = down;
                            tile.shift_down(by);
                        }
                    }
                    let added: Vec<i32> =
                        p.iter().zip(&tile.exponents).map(|(&p, &e)| integer(f64::from(p), e)).collect();
                    tile.bounds.iter_mut().zip(&added).for_each(|(b, a)| *b += i64::from(a.abs()));
                    tile.steps.push(Step::Shift(added));
                }
                network::Step::Activation(Activation::PRelu(slopes)) => {
                    let most: Vec<i64> =
                        slopes.iter().map(|a| (TILE as f64 / f64::from(a.abs()).max(1.0)) as i64 - 1).collect();
                    tile.narrow(&most);
                    let mut integers = Vec::with_capacity(slopes.len());
                    for (c, &a) in slopes.iter().enumerate() {
                        let before = (0..31).find(|&s| tile.bounds[c] >> s < SHORT).unwrap_or(31);
                        let exponent = finest(f64::from(a.abs()), SHORT as f64).min(before + 31);
                        integers.push([before, integer(f64::from(a), exponent), exponent - before]);
                        tile.bounds[c] = (tile.bounds[c] as f64 * f64::from(a.abs()).max(1.0)) as i64 + 1;
                    }
                    tile.steps.push(Step::PRelu(integers));
                }
                network::Step::Activation(Activation::Unary(Unary::Relu)) => tile.steps.push(Step::Relu),
                network::Step::Add(skip) => {
                    let Scaled { exponents, bounds } = self.fixed.tensors[skip].clone();
                    let down = (0..tile.channels())
                        .map(|c| {
                            let fits = |d: i32| {
                                let left = tile.exponents[c] - d - exponents[c];
                                tile.bounds[c] >> d <= TILE / 2 && left <= 14 && bounds[c] << left.max(0) <= TILE / 2
                            };
                            (0..31).find(|&d| fits(d)).ok_or("the scales of a skip are too different")
                        })
                        .collect::<Result<Vec<i32>, _>>()?;
                    tile.shift_down(down);
                    let left: Vec<i32> = tile.exponents.iter().zip(&exponents).map(|(a, b)| a - b).collect();
                    for (c, &left) in left.iter().enumerate() {
                        tile.bounds[c] += if left >= 0 { bounds[c] << left } else { bounds[c] };
                    }
                    tile.steps.push(Step::Add(*skip, left));
                }
                network::Step::Store(t) if self.network.outputs.contains(t) => {
                    tile.steps.push(Step::Give(*t, tile.exponents.clone()));
                }
                network::Step::Store(t) => {
                    let exponents = self.stored(*t);
                    let (by, most): (Vec<i32>, Vec<i64>) = (tile.exponents.iter().zip(&exponents))
                        .map(|(a, b)| (a - b, if a < b { TILE >> (b - a).min(30) } else { TILE }))
                        .unzip();
                    if tile.bounds.iter().zip(&most).any(|(b, most)| b > most) {
                        return Err("a stored value's scale is finer than what is computed".to_owned());
                    }
                    tile.steps.push(Step::Store(*t, by));
                }
                network::Step::Sum(t) => {
                    let by: Vec<i32> = (tile.bounds.iter())
                        .map(|&b| (0..31).find(|&s| (b >> s) * (pixels as i64) <= TILE).unwrap_or(31))
                        .collect();
                    let exponents: Vec<i32> = tile.exponents.iter().zip(&by).map(|(e, by)| e - by).collect();
                    let bounds = tile.bounds.iter().zip(&by).map(|(b, by)| ((b >> by) + 1) * pixels as i64).collect();
                    self.fixed.tensors.insert(*t, Scaled { exponents, bounds });
                    tile.steps.push(Step::Sum(*t, by));
                }
                network::Step::Sign { bits, intervals } => {
                    let limit = |x: f32, e: i32, up: bool| {
                        let x = f64::from(x) * f64::powi(2.0, e);
                        (if up { x.ceil() } else { x.floor() }) as i32
                    };
                    let limits = intervals.iter().zip(&tile.exponents);
                    let limits = limits.map(|(it, &e)| [limit(it.low, e, true), limit(it.high, e, false)]).collect();
                    debug_assert!(matches!(self.network.tensor(*bits).storage, Storage::Bits(_)));
                    tile.steps.push(Step::Sign(*bits, limits));
                }
                other => return Err(format!("it has a step {other:?}").chars().take(60).collect()),
            }
        }
        Ok(())
    }

    fn gate(&mut self, gate: &network::Gate) -> Result<Block, String> {
        if (gate.hidden, gate.squash) != (Unary::Relu, Unary::Sigmoid) {
            return Err(format!("a gate by {:?} and {:?}", gate.hidden, gate.squash));
        }
        let Scaled { exponents, .. } = &self.fixed.tensors[&gate.sums];
        let all = self.largest[&gate.sums].iter().copied().fold(1e-6, f64::max);
        let common = finest(all * MARGIN, SHORT as f64);
        let shifts = exponents.iter().map(|e| e - common).collect();
        let first = dense(&gate.first, common);
        // A bound of what is hidden: the largest input, all of one sign.
        let (mut between, mut bounds) = (Vec::new(), Vec::new());
        for (row, bias) in first.weights.chunks(gate.first.inputs).zip(&first.bias) {
            bounds.push(row.iter().map(|w| i64::from(w.abs()) * SHORT).sum::<i64>() + i64::from(bias.abs()));
        }
        let real =
            bounds.iter().zip(&first.exponents).map(|(&b, &e)| b as f64 * f64::powi(2.0, -e)).fold(1e-6, f64::max);
        let hidden = finest(real, SHORT as f64);
        between.extend(first.exponents.iter().map(|e| e - hidden));
        let second = dense(&gate.second, hidden);
        let channels = gate.second.outputs;
        self.fixed
            .tensors
            .insert(gate.output, Scaled { exponents: vec![15; channels], bounds: vec![SHORT + 1; channels] });
        Ok(Block::Gate { shifts, first, between, second })
    }
}

/// Sums over a window become means: by the exponent, and a factor where that is not enough.
fn mean(g: &Geometry, tile: &mut Tile) -> Result<(), String> {
    let reaches = g.reach() != [0; 4];
    if reaches {
        return Err("its mean is over windows that reach beyond the image".to_owned());
    }
    let taps = g.kernel[0] * g.kernel[1];
    tile.bounds.iter_mut().for_each(|b| *b = (*b).min(TILE));
    if taps.is_power_of_two() {
        tile.exponents.iter_mut().for_each(|e| *e += taps.trailing_zeros() as i32);
    } else {
        let factors = tile.factors(&vec![1.0 / taps as f32; tile.channels()]);
        tile.steps.push(Step::Multiply(factors));
    }
    Ok(())
}

/// Weights of 16 bits whose magnitudes sum to less than 2^15 for each output; exponents and sums by output.
fn products(weights: &[f32], outputs: usize) -> (Vec<i16>, Vec<i32>, Vec<i64>) {
    let mut integers = Vec::with_capacity(weights.len());
    let (mut exponents, mut sums) = (Vec::new(), Vec::new());
    for row in weights.chunks((weights.len() / outputs.max(1)).max(1)) {
        let sum: f64 = row.iter().map(|w| f64::from(w.abs())).sum();
        // Rounding adds half a unit to each at most.
        let exponent = finest(sum, (SHORT as f64 - row.len() as f64 / 2.0).max(1.0));
        let of_row: Vec<i16> = row.iter().map(|&w| integer(f64::from(w), exponent) as i16).collect();
        sums.push(of_row.iter().map(|w| i64::from(w.unsigned_abs())).sum());
        exponents.push(exponent);
        integers.extend(of_row);
    }
    (integers, exponents, sums)
}

/// A layer on inputs of one exponent.
fn dense(layer: &network::Dense, exponent: i32) -> Dense {
    let mut integers = Vec::with_capacity(layer.weights.len());
    let (mut exponents, mut biases) = (Vec::new(), Vec::new());
    for (row, &bias) in layer.weights.chunks(layer.inputs).zip(layer.bias.iter()) {
        // The bias takes part as the weight of an input of its largest magnitude.
        let bias = f64::from(bias);
        let as_weight = bias.abs() * f64::powi(2.0, exponent) / SHORT as f64;
        let sum: f64 = row.iter().map(|w| f64::from(w.abs())).sum::<f64>() + as_weight;
        let own = finest(sum, SHORT as f64 - row.len() as f64);
        integers.extend(row.iter().map(|&w| integer(f64::from(w), own) as i16));
        biases.push(integer(bias, own + exponent));
        exponents.push(own + exponent);
    }
    Dense { weights: integers, bias: biases, exponents }
}
