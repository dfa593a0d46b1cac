//! The cores.

use super::{Runner, Tile, activate, narrow};
use crate::interpret::apply;
use crate::ir::network::{BitPadding, Core, Dense, Geometry, Piece, Products, TensorId};
use crate::ir::{Binary, Data, Op, Tensor};

impl Runner<'_> {
    /// The values of a block, or nothing where the core writes its output itself.
    pub(super) fn core(&mut self, core: &Core) -> Result<Option<Tile>, String> {
        match core {
            Core::BinaryConv { input, geometry, weights, padding } => {
                let bits: Vec<i8> = self.floats(*input)?.iter().map(|&v| v as i8).collect();
                let weights: Vec<i8> = weights.signs.iter().map(|&plus| if plus { 1 } else { -1 }).collect();
                binary_conv(geometry, &bits, &weights, *padding).map(Some)
            }
            Core::RealConv { input, planar, geometry, weights, products } => {
                let input = self.floats(*input)?;
                check(geometry, input.len())?;
                let [h, w, c] = geometry.input;
                let transposed = planar.then(|| channels_last([geometry.n, h, w, c], input));
                let input = transposed.as_deref().unwrap_or(input);
                match products {
                    Products::F32 => real_conv(geometry, input, weights),
                    Products::Bf16 { .. } => narrow::bf16_conv(geometry, input, weights),
                    Products::Int8 { quantized, .. } => narrow::int8_conv(geometry, input, quantized),
                }
                .map(Some)
            }
            Core::MaxPool { input, geometry } => max_pool(geometry, self.floats(*input)?).map(Some),
            Core::AveragePool { input, geometry, count_include_pad } => {
                average_pool(geometry, self.floats(*input)?, *count_include_pad).map(Some)
            }
            Core::Planes { input } => {
                let &[n, c, h, w] = &self.network.tensor(*input).shape[..] else { return Err("no planes".to_owned()) };
                let values = channels_last([n, h, w, c], self.floats(*input)?);
                Ok(Some(Tile { extents: [n, h, w, c], values }))
            }
            Core::Map { input } => {
                let extents = view(&self.network.tensor(*input).shape);
                Ok(Some(Tile { extents, values: self.floats(*input)?.to_vec() }))
            }
            Core::Gate { sums, first, hidden, second, squash } => {
                let mut values = Vec::new();
                let sums = self.floats(*sums)?;
                for image in sums.chunks(first.inputs) {
                    let mut between = dense(first, image)?;
                    activate(hidden, &mut between, first.outputs)?;
                    let mut gate = dense(second, &between)?;
                    activate(squash, &mut gate, second.outputs)?;
                    values.extend(gate);
                }
                Ok(Some(Tile { extents: [sums.len() / first.inputs, 1, 1, second.outputs], values }))
            }
            Core::BitMaxPool { input, output, geometry } => {
                let tile = max_pool(geometry, self.floats(*input)?)?;
                self.put(*output, Data::F32(tile.values)).map(|()| None)
            }
            Core::Copy { fill, pieces, output } => self.copy(*fill, pieces, *output).map(|()| None),
            Core::Reshape { input, output } => {
                let data = self.get(*input)?.data.clone();
                self.put(*output, data).map(|()| None)
            }
            Core::Broadcast { function, a, b, output } => {
                let shape = self.network.tensor(*output).shape.clone();
                let operand = |(id, strides): &(TensorId, Vec<usize>)| -> Result<Tensor, String> {
                    let data = self.floats(*id)?;
                    let signed: Vec<isize> = strides.iter().map(|&s| s as isize).collect();
                    let values: Option<Vec<f32>> =
                        offsets(&shape, &signed).map(|at| data.get(at as usize).copied()).collect();
                    let values = values.ok_or("an operand is too small for its strides")?;
                    let logical = matches!(function, Binary::And | Binary::Or | Binary::Xor);
                    Ok(if logical {
                        Tensor::bool(shape.clone(), values.iter().map(|&v| v != 0.0).collect())
                    } else {
                        Tensor::f32(shape.clone(), values)
                    })
                };
                let result = apply(&Op::Binary(*function), &[&operand(a)?, &operand(b)?], &shape)?;
                self.put(*output, Data::F32(result.to_f32())).map(|()| None)
            }
            Core::Reduce { kind, input, axes, output } => {
                let input = self.get(*input)?;
                let mut shape = input.shape.clone();
                axes.iter().for_each(|&axis| shape[axis] = 1);
                let op = Op::Reduce { kind: *kind, axes: axes.clone(), keepdims: true };
                let result = apply(&op, &[input], &shape)?;
                self.put(*output, result.data).map(|()| None)
            }
            Core::Softmax { input, axis, log, output } => {
                let input = self.get(*input)?;
                let result = apply(&Op::Softmax { axis: *axis, log: *log }, &[input], &input.shape)?;
                self.put(*output, result.data).map(|()| None)
            }
            Core::ArgMax { input, axis, last, output } => {
                let input = self.get(*input)?;
                let mut shape = input.shape.clone();
                shape[*axis] = 1;
                let result = apply(&Op::ArgMax { axis: *axis, keepdims: true, last: *last }, &[input], &shape)?;
                self.put(*output, result.data).map(|()| None)
            }
            Core::MatMul { a, b, extents, batch_strides, output } => {
                let (a, b) = (self.floats(*a)?, self.floats(*b)?);
                let [batch, m, k, n] = *extents;
                let mut values = Vec::with_capacity(batch * m * n);
                for i in 0..batch * m * n {
                    let (image, row, column) = (i / (m * n), i / n % m, i % n);
                    let mut sum = 0.0_f32;
                    for j in 0..k {
                        let left = a[image * batch_strides[0] + row * k + j];
                        sum = left.mul_add(b[image * batch_strides[1] + j * n + column], sum);
                    }
                    values.push(sum);
                }
                self.put(*output, Data::F32(values)).map(|()| None)
            }
        }
    }

    fn copy(&mut self, fill: Option<f32>, pieces: &[Piece], output: TensorId) -> Result<(), String> {
        let len = self.network.tensor(output).shape.iter().product();
        // Without a fill the pieces must cover everything: what they leave out shows as NaN.
        let mut values = vec![fill.unwrap_or(f32::NAN); len];
        for piece in pieces {
            let input = self.get(piece.input)?.to_f32();
            let strides: Vec<isize> = piece.output_strides.iter().map(|&s| s as isize).collect();
            let from = offsets(&piece.extents, &piece.input_strides);
            for (from, to) in from.zip(offsets(&piece.extents, &strides)) {
                let from = from + piece.input_offset as isize;
                let value = usize::try_from(from).ok().and_then(|at| input.get(at)).ok_or("a copy reads outside")?;
                *values.get_mut(piece.output_offset + to as usize).ok_or("a copy writes outside")? = *value;
            }
        }
        self.put(output, Data::F32(values))
    }
}

fn view(shape: &[usize]) -> [usize; 4] {
    match *shape {
        [] => [1, 1, 1, 1],
        [c] => [1, 1, 1, c],
        [n, c] => [n, 1, 1, c],
        [n, w, c] => [n, 1, w, c],
        [n, h, w, c] => [n, h, w, c],
        [n, ref middle @ .., c] => [n, 1, middle.iter().product(), c],
    }
}

/// `[n, c, h, w]` as `[n, h, w, c]`.
fn channels_last([n, h, w, c]: [usize; 4], planes: &[f32]) -> Vec<f32> {
    let strides = [(h * w * c) as isize, 1, (h * w) as isize];
    offsets(&[n, h * w, c], &strides).map(|at| planes[at as usize]).collect()
}

/// Offsets of the elements of a strided array, in row-major order.
fn offsets(extents: &[usize], strides: &[isize]) -> impl Iterator<Item = isize> {
    (0..extents.iter().product::<usize>()).map(move |mut index| {
        let mut at = 0;
        for axis in (0..extents.len()).rev() {
            at += (index % extents[axis]) as isize * strides[axis];
            index /= extents[axis];
        }
        at
    })
}

fn dense(layer: &Dense, inputs: &[f32]) -> Result<Vec<f32>, String> {
    if inputs.len() != layer.inputs || layer.weights.len() != layer.inputs * layer.outputs {
        return Err(format!("a layer of {} inputs gets {}", layer.inputs, inputs.len()));
    }
    let rows = layer.weights.chunks(layer.inputs).zip(layer.bias.iter());
    Ok(rows.map(|(row, bias)| row.iter().zip(inputs).fold(0.0_f32, |sum, (w, x)| w.mul_add(*x, sum)) + bias).collect())
}

/// Row and column of a tap, and whether they are inside the image.
pub(super) fn tap(g: &Geometry, oy: usize, ox: usize, ky: usize, kx: usize) -> ([isize; 2], bool) {
    let at = |axis: usize, o: usize, k: usize| {
        (o * g.strides[axis] + k * g.dilations[axis]) as isize - g.pads[axis] as isize
    };
    let (y, x) = (at(0, oy, ky), at(1, ox, kx));
    let inside = y >= 0 && x >= 0 && (y as usize) < g.input[0] && (x as usize) < g.input[1];
    ([y, x], inside)
}

pub(super) fn check(g: &Geometry, input: usize) -> Result<(), String> {
    let wanted = g.n * g.input.iter().product::<usize>();
    if input == wanted { Ok(()) } else { Err(format!("{input} elements for a geometry of {wanted}")) }
}

/// Calls `f` with image, row, column of every output pixel.
pub(super) fn pixels(g: &Geometry) -> impl Iterator<Item = [usize; 3]> {
    let [oh, ow, _] = g.output;
    (0..g.n * oh * ow).map(move |i| [i / (oh * ow), i / ow % oh, i % ow])
}

fn binary_conv(g: &Geometry, bits: &[i8], weights: &[i8], padding: BitPadding) -> Result<Tile, String> {
    check(g, bits.len())?;
    let ([h, w, c], [oh, ow, oc], [kh, kw]) = (g.input, g.output, g.kernel);
    let (per_group, outputs) = (c / g.groups, oc / g.groups);
    if weights.len() != oc * kh * kw * per_group {
        return Err(format!("{} weights", weights.len()));
    }
    let mut values = Vec::with_capacity(g.n * oh * ow * oc);
    for [image, oy, ox] in pixels(g) {
        for o in 0..oc {
            let mut dot = 0_i32;
            for (t, filter) in weights[o * kh * kw * per_group..][..kh * kw * per_group].chunks(per_group).enumerate() {
                let ([y, x], inside) = tap(g, oy, ox, t / kw, t % kw);
                if inside {
                    let at = ((image * h + y as usize) * w + x as usize) * c + o / outputs * per_group;
                    let taps = bits[at..][..per_group].iter().zip(filter);
                    dot += taps.map(|(&a, &b)| i32::from(a) * i32::from(b)).sum::<i32>();
                } else {
                    let sum: i32 = filter.iter().map(|&b| i32::from(b)).sum();
                    dot += match padding {
                        BitPadding::Zero => 0,
                        BitPadding::Plus => sum,
                        BitPadding::Minus => -sum,
                    };
                }
            }
            values.push(dot as f32);
        }
    }
    Ok(Tile { extents: [g.n, oh, ow, oc], values })
}

fn real_conv(g: &Geometry, input: &[f32], weights: &[f32]) -> Result<Tile, String> {
    check(g, input.len())?;
    let ([h, w, c], [oh, ow, oc], [kh, kw]) = (g.input, g.output, g.kernel);
    let (per_group, outputs) = (c / g.groups, oc / g.groups);
    if weights.len() != oc * kh * kw * per_group {
        return Err(format!("{} weights", weights.len()));
    }
    let mut values = Vec::with_capacity(g.n * oh * ow * oc);
    for [image, oy, ox] in pixels(g) {
        for o in 0..oc {
            let mut sum = 0.0_f32;
            for (t, filter) in weights[o * kh * kw * per_group..][..kh * kw * per_group].chunks(per_group).enumerate() {
                let ([y, x], inside) = tap(g, oy, ox, t / kw, t % kw);
                if inside {
                    let at = ((image * h + y as usize) * w + x as usize) * c + o / outputs * per_group;
                    sum = input[at..][..per_group].iter().zip(filter).fold(sum, |sum, (x, w)| x.mul_add(*w, sum));
                }
            }
            values.push(sum);
        }
    }
    Ok(Tile { extents: [g.n, oh, ow, oc], values })
}

pub(super) fn max_pool(g: &Geometry, input: &[f32]) -> Result<Tile, String> {
    check(g, input.len())?;
    let ([h, w, c], [oh, ow, _], [kh, kw]) = (g.input, g.output, g.kernel);
    let mut values = vec![f32::NEG_INFINITY; g.n * oh * ow * c];
    for ([image, oy, ox], out) in pixels(g).zip(values.chunks_mut(c)) {
        for t in 0..kh * kw {
            let ([y, x], inside) = tap(g, oy, ox, t / kw, t % kw);
            if inside {
                let at = ((image * h + y as usize) * w + x as usize) * c;
                out.iter_mut().zip(&input[at..][..c]).for_each(|(m, &v)| *m = if v > *m { v } else { *m });
            }
        }
    }
    Ok(Tile { extents: [g.n, oh, ow, c], values })
}

pub(super) fn average_pool(g: &Geometry, input: &[f32], include_pad: Option<[usize; 2]>) -> Result<Tile, String> {
    check(g, input.len())?;
    let ([h, w, c], [oh, ow, _], [kh, kw]) = (g.input, g.output, g.kernel);
    let mut values = vec![0.0_f32; g.n * oh * ow * c];
    for ([image, oy, ox], out) in pixels(g).zip(values.chunks_mut(c)) {
        let mut count = 0_u32;
        for t in 0..kh * kw {
            let ([y, x], inside) = tap(g, oy, ox, t / kw, t % kw);
            let padded =
                include_pad.is_some_and(|[bottom, right]| y < (h + bottom) as isize && x < (w + right) as isize);
            count += u32::from(inside || padded);
            if inside {
                let at = ((image * h + y as usize) * w + x as usize) * c;
                out.iter_mut().zip(&input[at..][..c]).for_each(|(s, v)| *s += v);
            }
        }
        out.iter_mut().for_each(|s| *s /= count as f32);
    }
    Ok(Tile { extents: [g.n, oh, ow, c], values })
}
