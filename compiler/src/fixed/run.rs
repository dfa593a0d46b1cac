//! What the integers of a network in fixed point say, literally.

use std::collections::HashMap;

use super::{Block, Dense, Fixed, PIECES, Source, Step, sigmoid_table};
use crate::ir::network::{self, Body, Network, TensorId, Tiled};
use crate::ir::{Tensor, network::Geometry};

/// Integers by tensor (of bits -1 and 1), and the outputs in f32.
pub type Values = (HashMap<TensorId, Vec<i32>>, HashMap<TensorId, Vec<f32>>);

/// The outputs of a network, in the model's order.
///
/// # Errors
/// The first block that cannot be run.
pub fn outputs(network: &Network, fixed: &Fixed, inputs: &[Tensor]) -> Result<Vec<Tensor>, String> {
    let (_, mut given) = run(network, fixed, inputs)?;
    let output = |id: &TensorId| {
        let tensor = network.tensor(*id);
        let values = given.remove(id).ok_or_else(|| format!("{:?} was not computed", tensor.name))?;
        Ok(Tensor::f32(tensor.shape.clone(), values))
    };
    network.outputs.iter().map(output).collect()
}

/// Runs a network.
///
/// # Errors
/// The first block that cannot be run.
pub fn run(network: &Network, fixed: &Fixed, inputs: &[Tensor]) -> Result<Values, String> {
    let (mut values, mut given) = (HashMap::new(), HashMap::new());
    for (id, input) in network.inputs.iter().zip(inputs) {
        let exponents = &fixed.tensors[id].exponents;
        let integer = |(i, x): (usize, &f32)| nearest(*x, exponents[i % exponents.len()]);
        values.insert(*id, input.to_f32().iter().enumerate().map(integer).collect());
    }
    for (block, integers) in network.blocks.iter().zip(&fixed.blocks) {
        match (&block.body, integers) {
            (Body::Tiled(tiled), Block::Tiled(source, steps)) => {
                let (mut tile, mut channels) = start(network, tiled, source, &values)?;
                for step in steps {
                    apply(step, &mut tile, &mut channels, &mut values, &mut given);
                }
            }
            (Body::Gate(gate), Block::Gate { shifts, first, between, second }) => {
                let x: Vec<i32> = values[&gate.sums].iter().zip(shifts).map(|(&v, &by)| cut(rounded(v, by))).collect();
                let hidden: Vec<i32> =
                    dense(first, &x).iter().zip(between).map(|(&v, &by)| cut(rounded(v.max(0), by))).collect();
                let table = sigmoid_table();
                let sums = dense(second, &hidden);
                let out = sums.iter().zip(&second.exponents).map(|(&v, &e)| sigmoid(&table, v, e)).collect();
                values.insert(gate.output, out);
            }
            (
                Body::Move(network::Move::Reshape { input, output } | network::Move::Convert { input, output }),
                Block::Reshape,
            ) => {
                let same = values[input].clone();
                values.insert(*output, same);
            }
            (Body::Move(network::Move::Copy { pieces, output, .. }), Block::Copy { shifts, fill, give }) => {
                let mut copied = vec![*fill; network.tensor(*output).shape.iter().product()];
                for (piece, &by) in pieces.iter().zip(shifts) {
                    for i in 0..piece.extents.iter().product::<usize>() {
                        let (mut rest, mut from, mut to) = (i, piece.input_offset as isize, piece.output_offset);
                        for (axis, &extent) in piece.extents.iter().enumerate().rev() {
                            from += (rest % extent) as isize * piece.input_strides[axis];
                            to += rest % extent * piece.output_strides[axis];
                            rest /= extent;
                        }
                        copied[to] = cut(rounded(values[&piece.input][from as usize], by));
                    }
                }
                if let Some(exponent) = give {
                    let scale = f32::powi(2.0, -exponent);
                    given.insert(*output, copied.iter().map(|&v| v as f32 * scale).collect());
                }
                values.insert(*output, copied);
            }
            _ => return Err(format!("block {:?} has no form in fixed point", block.name)),
        }
    }
    Ok((values, given))
}

/// The integer nearest to a value, of 16 bits: half a unit towards its sign, in f32, then cut.
fn nearest(x: f32, exponent: i32) -> i32 {
    let v = x * f32::powi(2.0, exponent);
    cut((if v < 0.0 { v - 0.5 } else { v + 0.5 }) as i32)
}

/// To the right, or to the left by a negative number.
fn shifted(v: i32, by: i32) -> i32 {
    if by >= 0 { v >> by.min(31) } else { v << -by }
}

/// To the right, to the nearest.
fn rounded(v: i32, by: i32) -> i32 {
    if by > 0 { (v + (1 << (by - 1))) >> by } else { v << -by }
}

fn cut(v: i32) -> i32 {
    v.clamp(-32767, 32767)
}

fn dense(layer: &Dense, x: &[i32]) -> Vec<i32> {
    let rows = layer.weights.chunks(x.len()).zip(&layer.bias);
    rows.map(|(row, &bias)| row.iter().zip(x).fold(bias, |sum, (&w, &x)| sum + i32::from(w) * x)).collect()
}

/// By lines between the entries of the table; its argument at 12 bits behind the point.
fn sigmoid(table: &[i32], v: i32, exponent: i32) -> i32 {
    let x = shifted(v, exponent - 12).clamp(-(8 << 12) + 1, (8 << 12) - 1);
    let magnitude = x.unsigned_abs() as usize;
    let piece = (8 << 12) / PIECES;
    let (i, rest) = (magnitude / piece, (magnitude % piece) as i32);
    let y = table[i] + ((table[i + 1] - table[i]) * rest) / piece as i32;
    if x < 0 { 32768 - y } else { y }
}

/// The source's values, and the number of channels.
fn start(
    network: &Network,
    tiled: &Tiled,
    source: &Source,
    values: &HashMap<TensorId, Vec<i32>>,
) -> Result<(Vec<i32>, usize), String> {
    let input = &values[&tiled.source.input()];
    let [_, _, _, channels] = tiled.source.extents(network);
    let shape = &network.tensor(tiled.source.input()).shape;
    let tile = match (source, &tiled.source) {
        (Source::Counters, counted) => {
            let bits = input.iter().map(|&v| v as f32).collect();
            let mut given = HashMap::from([(counted.input(), Tensor::f32(shape.clone(), bits))]);
            let tile = crate::interpret::network::source(network, counted, &mut given)?;
            tile.values.iter().map(|&v| v as i32).collect()
        }
        (Source::Products(weights), network::Source::RealConv { geometry, planar, .. }) => {
            products(geometry, *planar, input, weights)
        }
        (Source::Window(g), _) => window(g, input),
        (Source::Elements, _) => input.clone(),
        (Source::Planes, network::Source::Planes { .. }) => {
            let [n, c, h, w] = network::image(shape);
            (0..n * h * w * c).map(|i| input[(i / (h * w * c) * c + i % c) * h * w + i / c % (h * w)]).collect()
        }
        _ => return Err("a source of another kind".to_owned()),
    };
    Ok((tile, channels))
}

fn products(g: &Geometry, planar: bool, input: &[i32], weights: &[i16]) -> Vec<i32> {
    let ([h, w, c], [oh, ow, oc], [kh, kw]) = (g.input, g.output, g.kernel);
    let (per_group, outputs) = (c / g.groups, oc / g.groups);
    let mut values = Vec::with_capacity(g.n * oh * ow * oc);
    for i in 0..g.n * oh * ow * oc {
        let (image, oy, ox, o) = (i / (oh * ow * oc), i / (ow * oc) % oh, i / oc % ow, i % oc);
        let mut sum = 0_i32;
        for ky in 0..kh {
            for kx in 0..kw {
                let y = (oy * g.strides[0] + ky * g.dilations[0]).wrapping_sub(g.pads[0]);
                let x = (ox * g.strides[1] + kx * g.dilations[1]).wrapping_sub(g.pads[1]);
                if y >= h || x >= w {
                    continue;
                }
                for k in 0..per_group {
                    let channel = o / outputs * per_group + k;
                    let at = if planar {
                        ((image * c + channel) * h + y) * w + x
                    } else {
                        ((image * h + y) * w + x) * c + channel
                    };
                    sum += input[at] * i32::from(weights[((o * kh + ky) * kw + kx) * per_group + k]);
                }
            }
        }
        values.push(sum);
    }
    values
}

/// Without padding.
fn window(g: &Geometry, input: &[i32]) -> Vec<i32> {
    let ([h, w, c], [oh, ow, _], [kh, kw]) = (g.input, g.output, g.kernel);
    let mut values = Vec::with_capacity(g.n * oh * ow * c);
    for i in 0..g.n * oh * ow * c {
        let (image, oy, ox, channel) = (i / (oh * ow * c), i / (ow * c) % oh, i / c % ow, i % c);
        let taps = (0..kh * kw).map(|t| {
            let (y, x) = (oy * g.strides[0] + t / kw, ox * g.strides[1] + t % kw);
            input[((image * h + y) * w + x) * c + channel]
        });
        values.push(taps.sum());
    }
    values
}

fn apply(
    step: &Step,
    tile: &mut Vec<i32>,
    channels: &mut usize,
    values: &mut HashMap<TensorId, Vec<i32>>,
    given: &mut HashMap<TensorId, Vec<f32>>,
) {
    let c = *channels;
    let each = |tile: &mut Vec<i32>, f: &dyn Fn(usize, i32) -> i32| {
        tile.iter_mut().enumerate().for_each(|(i, v)| *v = f(i, *v));
    };
    match step {
        Step::Narrow(by) => each(tile, &|i, v| shifted(v, by[i % c])),
        Step::Multiply(p) => each(tile, &|i, v| v * p[i % c]),
        Step::Gate(gate, p) => {
            let gate = &values[gate];
            let per_image = tile.len() / (gate.len() / c);
            each(tile, &|i, v| v * ((p[i % c] * gate[i / per_image * c + i % c]) >> 15));
        }
        Step::Shift(p) => each(tile, &|i, v| v + p[i % c]),
        Step::PRelu(p) => each(tile, &|i, v| {
            let [before, slope, after] = p[i % c];
            if v < 0 { shifted(shifted(v, before) * slope, after) } else { v }
        }),
        Step::Relu => each(tile, &|_, v| v.max(0)),
        Step::Add(t, left) => {
            let t = &values[t];
            each(tile, &|i, v| v + shifted(t[i], -left[i % c]));
        }
        Step::Store(t, by) => {
            let stored = tile.iter().enumerate().map(|(i, &v)| cut(rounded(v, by[i % c]))).collect();
            values.insert(*t, stored);
        }
        Step::Give(t, exponents) => {
            let floats = tile.iter().enumerate().map(|(i, &v)| v as f32 * f32::powi(2.0, -exponents[i % c])).collect();
            given.insert(*t, floats);
        }
        Step::Sum(t, by) => {
            let mut sums = vec![0; c];
            tile.iter().enumerate().for_each(|(i, &v)| sums[i % c] += rounded(v, by[i % c]));
            values.insert(*t, sums);
        }
        Step::Sign(bits, limits) => {
            let plus = |(i, &v): (usize, &i32)| if limits[i % c][0] <= v && v <= limits[i % c][1] { 1 } else { -1 };
            let signs = tile.iter().enumerate().map(plus).collect();
            values.insert(*bits, signs);
        }
        Step::Window(g) => {
            *tile = window(g, tile);
            *channels = g.output[2];
        }
    }
}
