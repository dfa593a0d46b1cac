//! Convolutions and pools.

use super::matrix::{dot, whole_numbers};
use super::{floats, shape};
use crate::ir::network::BinaryWeights;
use crate::ir::{Data, Layout, Tensor, Window};

/// Extents of the result along the two spatial axes; `None` where the window is larger than the padded image.
pub(crate) fn output_extents(window: &Window, height: usize, width: usize) -> Option<[usize; 2]> {
    let extent = |axis: usize, input: usize| {
        let padded = input.checked_add(window.pads[axis])?.checked_add(window.pads[axis + 2])?;
        let reach = window.kernel[axis].checked_sub(1)?.checked_mul(window.dilations[axis])?.checked_add(1)?;
        Some(padded.checked_sub(reach)?.checked_div(window.strides[axis])? + 1)
    };
    Some([extent(0, height)?, extent(1, width)?])
}

/// Runs `f` on the image with the channels first, whatever its layout.
fn channels_first(
    x: &Tensor,
    layout: Layout,
    f: impl FnOnce(&Tensor, [usize; 4]) -> Result<Tensor, String>,
) -> Result<Tensor, String> {
    floats(x)?;
    if x.shape.len() != 4 {
        return Err(format!("an image of shape {:?}", x.shape));
    }
    let of = |x: &Tensor| [x.shape[0], x.shape[1], x.shape[2], x.shape[3]];
    match layout {
        Layout::ChannelsFirst => f(x, of(x)),
        Layout::ChannelsLast => {
            let x = shape::transpose(x, &[0, 3, 1, 2])?;
            shape::transpose(&f(&x, of(&x))?, &[0, 2, 3, 1])
        }
    }
}

/// Sums in f64, rounded once.
pub(super) fn conv(
    x: &Tensor,
    weights: &Tensor,
    bias: Option<&Tensor>,
    window: &Window,
    groups: usize,
    layout: Layout,
) -> Result<Tensor, String> {
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

/// Channels last; exact integers. Weights `[O][kh][kw][I / groups]`.
pub(super) fn binary_conv(
    x: &Tensor,
    weights: &BinaryWeights,
    window: &Window,
    groups: usize,
) -> Result<Tensor, String> {
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

/// Gives `combine` the elements under each window of a plane, and how many taps lie inside the image extended by
/// `frame` (top, left, bottom, right).
fn pool(
    x: &Tensor,
    window: &Window,
    layout: Layout,
    frame: [usize; 4],
    combine: impl Fn(&[f32], usize) -> f32,
) -> Result<Tensor, String> {
    channels_first(x, layout, |x, [n, c, h, w]| {
        let v = floats(x)?;
        let [oh, ow] = output_extents(window, h, w).ok_or("the window is larger than the image")?;
        let mut result = Vec::with_capacity(n * c * oh * ow);
        let mut under = Vec::with_capacity(window.kernel[0].min(h) * window.kernel[1].min(w));
        for plane in 0..n * c {
            let plane = &v[plane * h * w..][..h * w];
            for at in 0..oh * ow {
                under.clear();
                // Taps, and those of them inside the frame, along one axis.
                let along = |axis: usize, at: usize, extent: usize| {
                    let start = at * window.strides[axis];
                    let pad = window.pads[axis];
                    (0..window.kernel[axis])
                        .map(move |k| start + k * window.dilations[axis])
                        .filter(move |&p| p + frame[axis] >= pad && p < pad + extent + frame[axis + 2])
                };
                let inside = |p: usize, pad: usize, extent: usize| p.checked_sub(pad).filter(|&p| p < extent);
                for y in along(0, at / ow, h).filter_map(|p| inside(p, window.pads[0], h)) {
                    for x in along(1, at % ow, w).filter_map(|p| inside(p, window.pads[1], w)) {
                        under.push(plane[y * w + x]);
                    }
                }
                let framed = along(0, at / ow, h).count() * along(1, at % ow, w).count();
                result.push(combine(&under, framed));
            }
        }
        Ok(Tensor { shape: vec![n, c, oh, ow], data: Data::F32(result) })
    })
}

pub(super) fn max_pool(x: &Tensor, window: &Window, layout: Layout) -> Result<Tensor, String> {
    pool(x, window, layout, [0; 4], |taps, _| taps.iter().copied().fold(f32::NEG_INFINITY, f32::max))
}

pub(super) fn average_pool(
    x: &Tensor,
    window: &Window,
    count_include_pad: bool,
    ceil_extra: [usize; 2],
    layout: Layout,
) -> Result<Tensor, String> {
    let [top, left, bottom, right] = window.pads;
    let frame = if count_include_pad {
        [top, left, bottom.saturating_sub(ceil_extra[0]), right.saturating_sub(ceil_extra[1])]
    } else {
        [0; 4]
    };
    pool(x, window, layout, frame, |taps, framed| {
        let sum: f64 = taps.iter().map(|&x| f64::from(x)).sum();
        (sum / framed as f64) as f32
    })
}
