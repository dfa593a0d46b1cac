//! Convolutions, of real numbers and of signs.

use super::matrix::{dot, whole_numbers};
use super::node::{NodeContext, bad, problem};
use super::window::{
    Resolved, channels_first, depth_as_channels, extents, from_image, image, output_extents, resolve, volume,
    with_height, without_height,
};
use super::{Infer, Onnx, Operator, floats, mismatch, mismatched, operand, unsupported};
use crate::diagnostics::Code;
use crate::diagnostics::Outcome;
use crate::ir::BinaryWeights;
use crate::ir::{DType, Data, Layout, Op, Shape, Tensor, ValueId, Window};

pub(super) static ONNX: &[Onnx] = &[Onnx::one("Conv", 1, conv).operands(3)];

/// x, weights `[O, I / groups, kh, kw]`, bias `[O]`?
pub(super) struct Conv<'a> {
    pub(super) window: &'a Window,
    pub(super) groups: usize,
    pub(super) layout: Layout,
}

impl Operator for Conv<'_> {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        let &[x, weights, ..] = given.operands else {
            return Err(unsupported("a convolution without weights".to_owned()));
        };
        if let Some(value) = given.operands.iter().find(|v| v.dtype != DType::F32) {
            return Err(unsupported(format!("the operand {:?} holds {:?}, not floats", value.name, value.dtype)));
        }
        let [n, h, w, c] = image(x, self.layout)?;
        let &[o, per_group, kh, kw] = &weights.shape[..] else {
            return Err(mismatch(format!("weights of shape {:?}", weights.shape)));
        };
        if self.groups == 0 || o % self.groups != 0 || per_group.checked_mul(self.groups) != Some(c) {
            return Err(mismatch(format!(
                "weights of shape {:?} in {} group(s) do not fit an input of {c} channels",
                weights.shape, self.groups
            )));
        }
        if [kh, kw] != self.window.kernel {
            return Err(mismatch(format!(
                "weights of shape {:?} for a kernel of {:?}",
                weights.shape, self.window.kernel
            )));
        }
        if let Some(bias) = given.operands.get(2)
            && bias.shape != [o]
        {
            return Err(mismatch(format!("a bias of shape {:?} for {o} channels", bias.shape)));
        }
        let [oh, ow] = extents(self.window, h, w)?;
        Ok((from_image([n, oh, ow, o], self.layout), DType::F32))
    }

    /// Sums in f64, rounded once.
    fn apply(&self, inputs: &[&Tensor], _: &[usize]) -> Result<Tensor, String> {
        let (x, weights, bias) = (operand(inputs, 0)?, operand(inputs, 1)?, inputs.get(2).copied());
        let &Self { window, groups, layout } = self;
        let w = floats(weights)?;
        let bias = bias.map(floats).transpose()?;
        let [kh, kw] = window.kernel;
        channels_first(x, layout, |x, [n, c, h, width]| {
            let v = floats(x)?;
            let mismatch = || format!("weights {:?} in {groups} groups on {:?}", weights.shape, x.shape);
            let &[o, per_group, wh, ww] = &weights.shape[..] else { return Err(mismatch()) };
            let fits = groups > 0 && o.is_multiple_of(groups) && per_group * groups == c && [wh, ww] == [kh, kw];
            if !fits || bias.is_some_and(|b| b.len() != o) {
                return Err(mismatch());
            }
            let [oh, ow] = output_extents(window, h, width).ok_or("the window is larger than the image")?;
            let mut result = Vec::with_capacity(n * o * oh * ow);
            let mut sums = vec![0.0_f64; oh * ow];
            for image in 0..n {
                for out in 0..o {
                    sums.fill(bias.map_or(0.0, |b| f64::from(b[out])));
                    for i in 0..per_group {
                        let channel = out / (o / groups) * per_group + i;
                        let plane = &v[(image * c + channel) * h * width..][..h * width];
                        let taps = &w[(out * per_group + i) * kh * kw..][..kh * kw];
                        add_plane(&mut sums, [oh, ow], plane, [h, width], taps, window);
                    }
                    result.extend(sums.iter().map(|&sum| sum as f32));
                }
            }
            Ok(Tensor { shape: vec![n, o, oh, ow], data: Data::F32(result) })
        })
    }

    fn work(&self, inputs: &[&Tensor]) -> Option<usize> {
        Some(inputs.get(1).map_or(1, |w| w.shape.iter().skip(1).product()))
    }
}

/// Adds one input channel's part of a convolution to the sums of one output channel.
fn add_plane(sums: &mut [f64], [oh, ow]: [usize; 2], plane: &[f32], [h, w]: [usize; 2], taps: &[f32], window: &Window) {
    let pad_value = f64::from(window.pad_value);
    for (tap, &weight) in taps.iter().enumerate() {
        let weight = f64::from(weight);
        let ky = tap / window.kernel[1] * window.dilations[0];
        let kx = tap % window.kernel[1] * window.dilations[1];
        for y in 0..oh {
            let row = &mut sums[y * ow..][..ow];
            let Some(iy) = (y * window.strides[0] + ky).checked_sub(window.pads[0]).filter(|&iy| iy < h) else {
                if pad_value != 0.0 {
                    row.iter_mut().for_each(|sum| *sum += weight * pad_value);
                }
                continue;
            };
            let line = &plane[iy * w..][..w];
            // Outputs whose tap lies inside the line.
            let (stride, pad) = (window.strides[1], window.pads[1]);
            let first = pad.saturating_sub(kx).div_ceil(stride).min(ow);
            let end = (w + pad).saturating_sub(kx).div_ceil(stride).clamp(first, ow);
            if pad_value != 0.0 {
                row[..first].iter_mut().for_each(|sum| *sum += weight * pad_value);
                row[end..].iter_mut().for_each(|sum| *sum += weight * pad_value);
            }
            if first == end {
                continue;
            }
            let from = first * stride + kx - pad;
            if stride == 1 {
                for (sum, &x) in row[first..end].iter_mut().zip(&line[from..]) {
                    *sum += weight * f64::from(x);
                }
            } else {
                for (sum, &x) in row[first..end].iter_mut().zip(line[from..].iter().step_by(stride)) {
                    *sum += weight * f64::from(x);
                }
            }
        }
    }
}

/// x, whose every element is -1 or +1, channels last; weights `[O][kh][kw][I / groups]`.
pub(super) struct BinaryConv<'a> {
    pub(super) window: &'a Window,
    pub(super) groups: usize,
    pub(super) weights: &'a BinaryWeights,
}

impl Operator for BinaryConv<'_> {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        let [n, h, w, c] = image(given.first()?, Layout::ChannelsLast)?;
        let filter = self.window.kernel[0] * self.window.kernel[1] * c / self.groups.max(1);
        let [oh, ow] = extents(self.window, h, w)?;
        Ok((vec![n, oh, ow, self.weights.signs.len() / filter.max(1)], DType::F32))
    }

    /// Exact integers.
    fn apply(&self, inputs: &[&Tensor], _: &[usize]) -> Result<Tensor, String> {
        let (&[x], &Self { window, groups, weights }) = (inputs, self) else { return Err(mismatched(inputs)) };
        let &[n, h, w, c] = &x.shape[..] else { return Err(format!("an image of shape {:?}", x.shape)) };
        let values = whole_numbers(floats(x)?)?;
        let [kh, kw] = window.kernel;
        let pad = whole_numbers(&[window.pad_value])?[0];
        if groups == 0 || !c.is_multiple_of(groups) {
            return Err(format!("{groups} groups of {c} channels"));
        }
        let per_group = c / groups;
        let filter = kh * kw * per_group;
        if filter == 0
            || !weights.signs.len().is_multiple_of(filter)
            || !(weights.signs.len() / filter).is_multiple_of(groups)
        {
            return Err(format!("{} weights for {:?}", weights.signs.len(), x.shape));
        }
        let o = weights.signs.len() / filter;
        let signs: Vec<i32> = weights.signs.iter().map(|&plus| if plus { 1 } else { -1 }).collect();
        let [oh, ow] = output_extents(window, h, w).ok_or("the window is larger than the image")?;
        let mut result = Vec::with_capacity(n * oh * ow * o);
        for at in 0..n * oh * ow {
            let (image, y, x) = (at / (oh * ow), at / ow % oh, at % ow);
            for (out, filter) in signs.chunks_exact(filter).enumerate() {
                let group = out / (o / groups);
                let mut sum = 0;
                for (tap, taps) in filter.chunks_exact(per_group).enumerate() {
                    let place = |start: usize, step: usize, pad: usize, extent: usize| {
                        (start + step).checked_sub(pad).filter(|&at| at < extent)
                    };
                    let iy = place(y * window.strides[0], tap / kw * window.dilations[0], window.pads[0], h);
                    let ix = place(x * window.strides[1], tap % kw * window.dilations[1], window.pads[1], w);
                    sum += match (iy, ix) {
                        (Some(iy), Some(ix)) => {
                            dot(&values[((image * h + iy) * w + ix) * c + group * per_group..][..per_group], taps)
                        }
                        _ => pad * taps.iter().sum::<i32>(),
                    };
                }
                result.push(sum as f32);
            }
        }
        Ok(Tensor { shape: vec![n, oh, ow, o], data: Data::F32(result) })
    }
}

fn conv(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let (x, weights, bias) = (cx.operand(0)?, cx.operand(1)?, cx.optional(2));
    convolve(cx, x, weights, bias)
}

/// The convolution that the attributes of the node describe.
pub(super) fn convolve(
    cx: &mut NodeContext<'_>,
    x: ValueId,
    weights: ValueId,
    bias: Option<ValueId>,
) -> Outcome<ValueId> {
    let (image, kernel) = (volume(cx, x)?, cx.shape(weights));
    if kernel.len() != image.len() + 2 || kernel.contains(&0) {
        let message = format!("weights of shape {kernel:?} for an input of shape {:?}", cx.shape(x));
        return Err(problem(Code::ShapeMismatch, message));
    }
    let groups = usize::try_from(cx.int("group")?.unwrap_or(1)).ok().filter(|&g| g > 0);
    let groups = groups.ok_or_else(|| bad("attribute \"group\" must be positive"))?;
    let Resolved { window, depth, .. } = resolve(cx, &image, Some(&kernel[2..]), false)?;
    if let Some(depth) = depth {
        let &[o, c, taps, kh, kw] = &kernel[..] else { return Err(bad("its weights do not have three spatial axes")) };
        let images = cx.shape(x)[0];
        let (planes, depth) = depth_as_channels(cx, x, &depth.window)?;
        let weights = cx.reshape(weights, &[o, c * taps, kh, kw])?;
        let operands: Vec<ValueId> = [planes, weights].into_iter().chain(bias).collect();
        let y = cx.apply(Op::Conv { window, groups, layout: Layout::ChannelsFirst }, &operands)?;
        let [height, width] = [cx.shape(y)[2], cx.shape(y)[3]];
        let y = cx.reshape(y, &[images, depth, o, height, width])?;
        return cx.transpose(y, vec![0, 2, 1, 3, 4]);
    }
    let (x, weights) = (with_height(cx, x)?, with_height(cx, weights)?);
    let operands: Vec<ValueId> = [x, weights].into_iter().chain(bias).collect();
    let y = cx.apply(Op::Conv { window, groups, layout: Layout::ChannelsFirst }, &operands)?;
    without_height(cx, y, kernel.len())
}
