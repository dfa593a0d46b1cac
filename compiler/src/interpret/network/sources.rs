//! What produces a block's tiles.

use super::walk::{check, offsets, pixels, tap};
use super::{Runner, Tile, narrow};
use crate::ir::network::{BitPadding, Dense, Geometry, Products, Source};

impl Runner<'_> {
    /// The values of a block, before its steps.
    pub(super) fn source(&self, source: &Source) -> Result<Tile, String> {
        match source {
            Source::BinaryConv { input, geometry, weights, padding } => {
                let bits: Vec<bool> = self.floats(*input)?.iter().map(|&v| v > 0.0).collect();
                binary_conv(geometry, &bits, &weights.signs, *padding)
            }
            Source::RealConv { input, planar, geometry, weights, products } => {
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
            }
            Source::MaxPool { input, geometry } => max_pool(geometry, self.floats(*input)?),
            Source::AveragePool { input, geometry, count_include_pad } => {
                average_pool(geometry, self.floats(*input)?, *count_include_pad)
            }
            Source::Planes { input } => {
                let &[n, c, h, w] = &self.network.tensor(*input).shape[..] else { return Err("no planes".to_owned()) };
                let values = channels_last([n, h, w, c], self.floats(*input)?);
                Ok(Tile { extents: [n, h, w, c], values })
            }
            Source::Map { input } => {
                let extents = source.extents(self.network);
                Ok(Tile { extents, values: self.floats(*input)?.to_vec() })
            }
        }
    }
}

/// `[n, c, h, w]` as `[n, h, w, c]`.
fn channels_last([n, h, w, c]: [usize; 4], planes: &[f32]) -> Vec<f32> {
    let strides = [(h * w * c) as isize, 1, (h * w) as isize];
    offsets(&[n, h * w, c], &strides).map(|at| planes[at as usize]).collect()
}

/// Each sum starts from the bias.
pub(super) fn dense(layer: &Dense, inputs: &[f32]) -> Result<Vec<f32>, String> {
    if inputs.len() != layer.inputs || layer.weights.len() != layer.inputs * layer.outputs {
        return Err(format!("a layer of {} inputs gets {}", layer.inputs, inputs.len()));
    }
    let rows = layer.weights.chunks(layer.inputs).zip(layer.bias.iter());
    Ok(rows.map(|(row, bias)| row.iter().zip(inputs).fold(*bias, |sum, (w, x)| w.mul_add(*x, sum))).collect())
}

/// Exact whatever the order, so that 64 products are counted at once: networks of real size are run here, too.
fn binary_conv(g: &Geometry, bits: &[bool], weights: &[bool], padding: BitPadding) -> Result<Tile, String> {
    check(g, bits.len())?;
    let ([h, w, c], [oh, ow, oc], [kh, kw]) = (g.input, g.output, g.kernel);
    let (per_group, outputs) = (c / g.groups, oc / g.groups);
    if weights.len() != oc * kh * kw * per_group {
        return Err(format!("{} weights", weights.len()));
    }
    let words = per_group.div_ceil(64);
    let pack = |signs: &[bool]| -> Vec<u64> {
        let word = |run: &[bool]| run.iter().enumerate().fold(0, |word, (i, &plus)| word | u64::from(plus) << i);
        signs.chunks(per_group).flat_map(|run| run.chunks(64).map(word)).collect()
    };
    let (bits, weights) = (pack(bits), pack(weights));
    let mut values = Vec::with_capacity(g.n * oh * ow * oc);
    for [image, oy, ox] in pixels(g) {
        for o in 0..oc {
            let mut dot = 0_i32;
            for (t, filter) in weights[o * kh * kw * words..][..kh * kw * words].chunks(words).enumerate() {
                let ([y, x], inside) = tap(g, oy, ox, t / kw, t % kw);
                if inside {
                    let at = (((image * h + y as usize) * w + x as usize) * g.groups + o / outputs) * words;
                    let differ: u32 = bits[at..][..words].iter().zip(filter).map(|(a, b)| (a ^ b).count_ones()).sum();
                    dot += per_group as i32 - 2 * differ as i32;
                } else {
                    let plus: u32 = filter.iter().map(|word| word.count_ones()).sum();
                    let sum = 2 * plus as i32 - per_group as i32;
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
