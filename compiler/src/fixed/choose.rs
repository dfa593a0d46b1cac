//! The integers of a network in fixed point.

use std::collections::BTreeMap;

use super::{Block, Dense, Fixed, Scaled, Source, Step, emit};
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::interpret;
use crate::ir::network::{
    self, Activation, Body, Geometry, Move, Network, Piece, Pool, PoolKind, Storage, TensorId, Tiled,
};
use crate::ir::{DType, Tensor, Unary};
use crate::passes::narrow::samples;

/// Largest magnitude of a number in memory, of a factor, of a shifted tile in front of a factor.
const SHORT: i64 = 32767;
/// Largest magnitude in a tile: what is rounded or added to it must find room.
const TILE: i64 = 1 << 30;
/// Below this bound integers are too coarse for what is no integer; and what bound they then get.
const SMALL: i64 = 1 << 14;
const WIDE: i64 = 1 << 20;
/// What an example may be exceeded by before it is cut off.
const MARGIN: f64 = 1.25;

/// Chooses integers for every block.
///
/// # Errors
/// Each block that has no form in fixed point, and why ([`Code::Unsupported`]); examples that are missing or do not fit
/// ([`Code::Calibration`]). All at once.
pub fn run(network: &Network, calibration: &[Vec<Tensor>]) -> Result<Fixed, Diagnostics> {
    let mut problems = Diagnostics::default();
    let mut chooser = Chooser {
        network,
        // The blocks are judged without, too.
        largest: largest(network, calibration).unwrap_or_else(|problem| {
            problems.push(problem);
            BTreeMap::new()
        }),
        uniform: uniform(network),
        fixed: Fixed::default(),
    };
    for &id in &network.inputs {
        chooser.stored(id);
    }
    for block in &network.blocks {
        let problem = match chooser.block(block) {
            Ok(it) => {
                let problem = emit::obstacle(block, &it);
                chooser.fixed.blocks.push(it);
                problem
            }
            Err(why) => Some(why),
        };
        if let Some(why) = problem {
            let message = format!("it has no form in fixed point: {why}");
            problems
                .push(Diagnostic::error(Code::Unsupported, format!("block \"{}\"", block.name), message).help(HELP));
        }
        // So that what follows is looked at as well.
        for id in block.writes() {
            if !chooser.fixed.tensors.contains_key(&id) && is_number(network, id) && !network.outputs.contains(&id) {
                chooser.stored(id);
            }
        }
    }
    for &id in network.outputs.iter().filter(|id| !network.blocks.iter().any(|block| block.writes().contains(id))) {
        let place = format!("output \"{}\"", network.tensor(id).name);
        problems.push(
            Diagnostic::error(Code::Unsupported, place, "it is an input, which fixed point does not give back")
                .help(HELP),
        );
    }
    if problems.has_errors() { Err(problems) } else { Ok(chooser.fixed) }
}

/// What there is instead.
const HELP: &str = "fixed point has convolutions and linear layers, average pools, gates by Relu and Sigmoid, Relu, PRelu, skips and copies, of one \
    picture at a time; leave out `--real fixed`, or make single layers looser: `--real bf16`, `--real int8`";

fn is_number(network: &Network, id: TensorId) -> bool {
    matches!(network.tensor(id).storage, Storage::Dense(_))
}

/// By tensor and channel: the largest magnitude over the examples.
fn largest(network: &Network, calibration: &[Vec<Tensor>]) -> Result<BTreeMap<TensorId, Vec<f64>>, Diagnostic> {
    let problem = |message: String| Diagnostic::error(Code::Calibration, None, message);
    if calibration.is_empty() {
        let message = "fixed point learns the ranges of what is stored from examples, and there are none";
        let help = "give some: `--calibrate x.npy` (several, or a stack of them), or `Config::calibrate`";
        return Err(problem(message.to_owned()).help(help));
    }
    let mut largest: BTreeMap<TensorId, Vec<f64>> = BTreeMap::new();
    let count = network.inputs.len().max(1);
    for given in calibration.iter().flat_map(|given| given.chunks(count)) {
        for example in samples(network, given).map_err(problem)? {
            let values = interpret::network::run(network, &example)
                .map_err(|e| problem(format!("an example input cannot be run: {e}")))?;
            for (id, tensor) in values {
                let channels = tensor.shape.last().copied().unwrap_or(1).max(1);
                let bounds = largest.entry(id).or_insert_with(|| vec![0.0; channels]);
                for (i, x) in tensor.to_f32().into_iter().enumerate() {
                    if !x.is_finite() {
                        let name = &network.tensor(id).name;
                        return Err(problem(format!("an example input gives \"{name}\" a value of {x}")));
                    }
                    bounds[i % channels] = bounds[i % channels].max(f64::from(x.abs()));
                }
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
            Body::Move(Move::Reshape { input, output } | Move::Convert { input, output }) => {
                uniform[input.0 as usize] = true;
                uniform[output.0 as usize] = true;
            }
            Body::Move(Move::Copy { pieces, .. }) => {
                pieces.iter().for_each(|piece| uniform[piece.input.0 as usize] = true);
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

    /// Shifts small integers, such as counters, up before something that is no integer comes to them.
    fn widen(&mut self) {
        let by = |&bound: &i64| match bound {
            0..SMALL => -(0..20).rev().find(|&s| bound.max(1) << s <= WIDE).unwrap_or(0),
            _ => 0,
        };
        let by = self.bounds.iter().map(by).collect();
        self.shift_down(by);
    }

    fn shift_down(&mut self, by: Vec<i32>) {
        if by.iter().all(|&by| by == 0) {
            return;
        }
        for ((bound, exponent), by) in self.bounds.iter_mut().zip(&mut self.exponents).zip(&by) {
            *bound = if *by < 0 { *bound << -by } else { (*bound >> by) + 1 };
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

/// What it is, without its parameters: `Activation(Unary(Neg))`, but `ScalePixels`.
fn word(it: &impl std::fmt::Debug) -> String {
    let text = format!("{it:?}");
    match text.find([' ', '{']) {
        Some(_) => text.split(['(', ' ', '{']).next().unwrap_or_default().to_owned(),
        None => text,
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
        let channels = self.network.tensor(id).shape.last().copied().unwrap_or(1).max(1);
        let largest = self.largest.get(&id).cloned().unwrap_or_else(|| vec![1.0; channels]);
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

    /// Numbers that a block reads.
    fn scaled(&self, id: TensorId) -> Result<Scaled, String> {
        let name = &self.network.tensor(id).name;
        let scaled = self.fixed.tensors.get(&id).filter(|scaled| !scaled.exponents.is_empty()).cloned();
        scaled.ok_or_else(|| format!("it reads \"{name}\", which is an output or holds signs"))
    }

    /// Numbers of 16 bits that a block reads.
    fn of_16_bits(&self, id: TensorId) -> Result<Scaled, String> {
        let scaled = self.scaled(id)?;
        let fits = scaled.bounds.iter().all(|bound| *bound <= SHORT);
        if fits { Ok(scaled) } else { Err("it reads sums, which have more than 16 bits".to_owned()) }
    }

    /// Whether what it writes stays between the blocks.
    fn is_inside(&self, id: TensorId) -> Result<(), String> {
        let outside = self.network.outputs.contains(&id);
        if outside { Err("its output is the caller's, and no tile's".to_owned()) } else { Ok(()) }
    }

    fn block(&mut self, block: &network::Block) -> Result<Block, String> {
        match &block.body {
            Body::Tiled(tiled) => self.tiled(tiled),
            Body::Gate(gate) => self.gate(gate),
            Body::Move(Move::Reshape { input, output } | Move::Convert { input, output }) => {
                let given = self.network.inputs.contains(input);
                let is_f32 = matches!(self.network.tensor(*output).storage, Storage::Dense(DType::F32));
                if !is_f32 || matches!(block.body, Body::Move(Move::Convert { .. })) && !given {
                    return Err("it moves signs, or makes integers of numbers".to_owned());
                }
                self.is_inside(*output)?;
                let exponent = self.scaled(*input)?.exponents[0];
                let channels = self.network.tensor(*output).shape.last().copied().unwrap_or(1);
                let same = Scaled { exponents: vec![exponent; channels], bounds: vec![SHORT; channels] };
                self.fixed.tensors.insert(*output, same);
                Ok(Block::Reshape)
            }
            Body::Move(Move::Copy { fill, pieces, output }) => self.copy(*fill, pieces, *output),
            Body::Move(_) => Err("it moves signs, or looks up rows".to_owned()),
            Body::Whole(whole) => Err(format!("it is {} on whole tensors", word(&whole.op))),
        }
    }

    fn copy(&mut self, fill: Option<f32>, pieces: &[Piece], output: TensorId) -> Result<Block, String> {
        let exponents = pieces.iter().map(|piece| Ok(self.of_16_bits(piece.input)?.exponents));
        let exponents: Vec<Vec<i32>> = exponents.collect::<Result<_, String>>()?;
        if !matches!(self.network.tensor(output).storage, Storage::Dense(DType::F32))
            || exponents.iter().any(|of| of.iter().any(|e| *e != of[0]))
        {
            return Err("it moves elements of different scales, or integers".to_owned());
        }
        let fill = f64::from(fill.unwrap_or(0.0));
        if !fill.is_finite() {
            return Err(format!("it fills with {fill}"));
        }
        // The coarsest: nothing is shifted to the left; nor further to the right than leaves nothing of 16 bits.
        let common = exponents.iter().map(|of| of[0]).min().unwrap_or(0);
        let common = if fill == 0.0 { common } else { common.min(finest(fill.abs(), SHORT as f64)) };
        let shifts = exponents.iter().map(|of| (of[0] - common).min(17)).collect();
        let give = self.network.outputs.contains(&output).then_some(common);
        if give.is_none() {
            let channels = self.network.tensor(output).shape.last().copied().unwrap_or(1).max(1);
            let same = Scaled { exponents: vec![common; channels], bounds: vec![SHORT; channels] };
            self.fixed.tensors.insert(output, same);
        }
        Ok(Block::Copy { shifts, fill: integer(fill, common), give })
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
            network::Source::RealConv { geometry, weights, products: of, .. } => {
                if !matches!(of, network::Products::F32) {
                    return Err("it multiplies integers of the file".to_owned());
                }
                let exponent = self.of_16_bits(input)?.exponents[0];
                let (weights, exponents, sums) = products(weights, geometry.output[2]);
                let exponents = exponents.iter().map(|e| e + exponent).collect();
                Ok((Source::Products(weights), tile(exponents, sums.iter().map(|s| s * SHORT).collect())))
            }
            network::Source::AveragePool { geometry, .. } => {
                let Scaled { exponents, bounds } = self.scaled(input)?;
                let taps = (geometry.kernel[0] * geometry.kernel[1]) as i64;
                if taps > TILE / SHORT {
                    return Err("its windows have too many elements for 32 bits".to_owned());
                }
                let mut tile = tile(exponents, bounds);
                mean(geometry, &mut tile)?;
                Ok((Source::Window(*geometry), tile))
            }
            network::Source::Map { .. } => {
                let Scaled { exponents, bounds } = self.scaled(input)?;
                Ok((Source::Elements, tile(exponents, bounds)))
            }
            network::Source::Planes { .. } => {
                let exponent = self.of_16_bits(input)?.exponents[0];
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
                    if self.scaled(*gate)?.exponents.iter().any(|e| *e != 15) {
                        return Err("it is multiplied with values that no gate gives".to_owned());
                    }
                    let before = i.checked_sub(1).map(|i| &steps[i]);
                    let factors = match before {
                        Some(network::Step::Scale(p)) => tile.factors(p),
                        _ => tile.factors(&vec![1.0; tile.channels()]),
                    };
                    tile.steps.push(Step::Gate(*gate, factors));
                }
                network::Step::Shift(p) => {
                    tile.widen();
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
                    tile.widen();
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
                    tile.widen();
                    let Scaled { exponents, bounds } = self.scaled(*skip)?;
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
                    self.is_inside(*t)?;
                    let by: Vec<i32> = (tile.bounds.iter())
                        .map(|&b| (0..31).find(|&s| (b >> s) * (pixels as i64) <= TILE).unwrap_or(31))
                        .collect();
                    let exponents: Vec<i32> = tile.exponents.iter().zip(&by).map(|(e, by)| e - by).collect();
                    let bounds = tile.bounds.iter().zip(&by).map(|(b, by)| ((b >> by) + 1) * pixels as i64).collect();
                    self.fixed.tensors.insert(*t, Scaled { exponents, bounds });
                    tile.steps.push(Step::Sum(*t, by));
                }
                network::Step::Sign { bits, intervals } => {
                    self.is_inside(*bits)?;
                    let limit = |x: f32, e: i32, up: bool| {
                        let x = f64::from(x) * f64::powi(2.0, e);
                        (if up { x.ceil() } else { x.floor() }) as i32
                    };
                    let limits = intervals.iter().zip(&tile.exponents);
                    let limits = limits.map(|(it, &e)| [limit(it.low, e, true), limit(it.high, e, false)]).collect();
                    debug_assert!(matches!(self.network.tensor(*bits).storage, Storage::Bits(_)));
                    tile.steps.push(Step::Sign(*bits, limits));
                }
                network::Step::Activation(Activation::Unary(op)) => return Err(format!("it has a {}", op.name())),
                network::Step::Activation(Activation::Sign(_)) => {
                    return Err("it has signs that are read as numbers".to_owned());
                }
                network::Step::Mul(_) => return Err("it has a product of two tensors".to_owned()),
                network::Step::ScalePixels(_) => return Err("it has factors that differ by pixel".to_owned()),
                network::Step::ShiftPixels(_) => return Err("it has summands that differ by pixel".to_owned()),
            }
        }
        Ok(())
    }

    fn gate(&mut self, gate: &network::Gate) -> Result<Block, String> {
        if (gate.hidden, gate.squash) != (Unary::Relu, Unary::Sigmoid) {
            return Err(format!("it is a gate by {} and {}", gate.hidden.name(), gate.squash.name()));
        }
        let Scaled { exponents, .. } = self.scaled(gate.sums)?;
        self.is_inside(gate.output)?;
        let all = self.largest.get(&gate.sums).into_iter().flatten().copied().fold(1e-6, f64::max);
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

/// Sums over a window, which are as many times as large as it has elements, become means: by the exponent, and a factor where that is not
/// enough.
fn mean(g: &Geometry, tile: &mut Tile) -> Result<(), String> {
    let reaches = g.reach() != [0; 4];
    if reaches {
        return Err("its mean is over windows that reach beyond the image".to_owned());
    }
    let taps = g.kernel[0] * g.kernel[1];
    tile.bounds.iter_mut().for_each(|b| *b = (*b * taps as i64).min(TILE));
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
