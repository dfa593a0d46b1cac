//! Transposed convolutions, as what they are: of each place of the result only every so many taps meet an element of the operand, so that
//! the places fall into phases, each a small convolution; all phases are one convolution of so many times the channels, whose channels
//! then become places. Weights of two values stay such where a stride divides the kernel. What a window sees of the first of three axes are
//! channels, as in every convolution.

use super::Onnx;
use super::node::{NodeContext, bad, problem};
use super::window::{depth_as_channels, volume, with_height, without_height};
use crate::diagnostics::{Code, Outcome};
use crate::ir::{Layout, Op, Tensor, ValueId, Window};

pub(super) static ONNX: &[Onnx] = &[Onnx::one("ConvTranspose", 1, conv_transpose).operands(3)];

/// An axis of the picture.
#[derive(Clone, Copy)]
struct Axis {
    extent: usize,
    kernel: usize,
    stride: usize,
    /// Taps of a phase.
    taps: usize,
    /// Places of the whole result that are cut off before the first, beyond whole steps of the stride.
    cut: usize,
    /// Elements in front of the first and behind the last that the small convolution meets.
    pads: [isize; 2],
    /// Places of the result.
    result: usize,
}

impl Axis {
    /// `first`: the place of the whole result, in which the first element meets the first tap, that the result begins with.
    fn new(extent: usize, kernel: usize, stride: usize, first: usize, result: usize) -> Self {
        let taps = kernel.div_ceil(stride);
        let (skipped, cut) = (first / stride, first % stride);
        // Steps of the stride that hold the result; the one at `skipped` meets the elements from skipped - taps + 1 on.
        let steps = (cut + result).div_ceil(stride);
        let before = taps as isize - 1 - skipped as isize;
        let after = steps as isize + taps as isize - 1 - before - extent as isize;
        Self { extent, kernel, stride, taps, cut, pads: [before, after], result }
    }
}

fn conv_transpose(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let (x, weights, bias) = (cx.operand(0)?, cx.operand(1)?, cx.optional(2));
    let (image, shape) = (volume(cx, x)?, cx.shape(weights));
    if shape.len() != image.len() + 2 || shape.contains(&0) {
        let message = format!("weights of shape {shape:?} for an input of shape {:?}", cx.shape(x));
        return Err(problem(Code::ShapeMismatch, message));
    }
    let groups = usize::try_from(cx.int("group")?.unwrap_or(1)).ok().filter(|&g| g > 0);
    let groups = groups.ok_or_else(|| bad("attribute \"group\" must be positive"))?;
    let channels = cx.shape(x)[1];
    if shape[0] != channels || !channels.is_multiple_of(groups) {
        let message =
            format!("weights of shape {shape:?} in {groups} group(s) do not fit an input of {channels} channels");
        return Err(problem(Code::ShapeMismatch, message));
    }
    let known = cx.parameter(1, "weights")?.ok_or_else(|| bad("its weights are missing"))?;
    let weights = known.as_f32().ok_or_else(|| bad("its weights must be floats"))?;
    let dilations = sizes(cx, "dilations", image.len(), 1)?;
    // Depth, height and width; what is not there is 1.
    let only = Axis::new(1, 1, 1, 0, 1);
    let mut axes = axes(cx, &image, &shape[2..], &dilations)?;
    axes.splice(..0, vec![only; 3 - image.len()]);
    let three = |sizes: &[usize]| {
        let missing = 3 - sizes.len();
        std::array::from_fn(|i| if i < missing { 1 } else { sizes[i - missing] })
    };
    let axes @ [depth, rows, columns] = [axes[0], axes[1], axes[2]];
    let x = with_height(cx, x)?;
    let per_group = shape[1];
    let made = phases(cx, weights, [channels, per_group, groups], three(&shape[2..]), three(&dilations), axes)?;
    let phase_count = depth.stride * rows.stride * columns.stride;
    let mut operands = vec![cropped(cx, x, axes)?, made];
    if let Some(bias) = bias {
        // Each channel's, for all its phases.
        let shape = cx.shape(bias);
        if shape != [per_group * groups] {
            let message = format!("a bias of shape {shape:?} for {} channels", per_group * groups);
            return Err(problem(Code::ShapeMismatch, message));
        }
        let column = cx.reshape(bias, &[shape[0], 1])?;
        let spread = cx.apply_to(Op::Expand, &[column], Some(&[shape[0], phase_count]))?;
        operands.push(cx.reshape(spread, &[shape[0] * phase_count])?);
    }
    let steps = match image.len() {
        3 => {
            let (seen, steps) = depth_as_channels(cx, operands[0], &window([depth, only]))?;
            operands[0] = seen;
            Some(steps)
        }
        _ => None,
    };
    let window = window([rows, columns]);
    let y = cx.apply(Op::Conv { window, groups, layout: Layout::ChannelsFirst }, &operands)?;
    let y = interleaved(cx, y, per_group * groups, steps, axes)?;
    without_height(cx, y, shape.len())
}

/// The small convolutions'.
fn window([rows, columns]: [Axis; 2]) -> Window {
    let [top, bottom, left, right] =
        [rows.pads[0], rows.pads[1], columns.pads[0], columns.pads[1]].map(|p| p.max(0) as usize);
    Window {
        kernel: [rows.taps, columns.taps],
        strides: [1, 1],
        pads: [top, left, bottom, right],
        dilations: [1, 1],
        pad_value: 0.0,
    }
}

/// A list of positive integers, one for each axis.
fn sizes(cx: &NodeContext<'_>, name: &str, count: usize, default: i64) -> Outcome<Vec<usize>> {
    let given = cx.ints(name)?.unwrap_or_else(|| vec![default; count]);
    let fits = given.len() == count && given.iter().all(|&n| (default.min(1)..1 << 24).contains(&n));
    if fits {
        Ok(given.iter().map(|&n| n as usize).collect())
    } else {
        Err(bad(format!("{name} {given:?} of {count} axes")))
    }
}

/// How each axis is computed: what is cut off comes from pads, from the shape that is wanted, or from the rule of `auto_pad`.
fn axes(cx: &NodeContext<'_>, image: &[usize], kernel: &[usize], dilations: &[usize]) -> Outcome<Vec<Axis>> {
    let count = image.len();
    if let Some(given) = cx.ints("kernel_shape")?
        && !given.iter().map(|&k| usize::try_from(k).unwrap_or(0)).eq(kernel.iter().copied())
    {
        return Err(problem(Code::ShapeMismatch, format!("a kernel of {given:?} with weights of {kernel:?}")));
    }
    let strides = sizes(cx, "strides", count, 1)?;
    let more = sizes(cx, "output_padding", count, 0)?;
    let mut pads = sizes(cx, "pads", 2 * count, 0)?;
    let mut wanted = cx.ints("output_shape")?;
    let auto = cx.text("auto_pad")?.unwrap_or_else(|| "NOTSET".to_owned());
    let upper = match &auto[..] {
        "NOTSET" => false,
        "VALID" => {
            pads.fill(0);
            false
        }
        "SAME_UPPER" | "SAME_LOWER" => {
            wanted = wanted
                .or_else(|| Some(image.iter().zip(&strides).map(|(&n, &s)| n.saturating_mul(s) as i64).collect()));
            auto == "SAME_UPPER"
        }
        other => return Err(bad(format!("auto_pad {other:?} is not known"))),
    };
    if let Some(wanted) = &wanted
        && (wanted.len() != count || wanted.iter().any(|&n| !(1..1 << 24).contains(&n)))
    {
        return Err(bad(format!("an output shape of {wanted:?} of {count} axes")));
    }
    let axis = |i: usize| {
        let spread = (kernel[i] - 1).checked_mul(dilations[i]).filter(|&n| n < 1 << 24)? + 1;
        let whole = image[i].checked_sub(1)?.checked_mul(strides[i])?.checked_add(spread + more[i])?;
        let (first, result) = match &wanted {
            Some(wanted) => {
                let wanted = wanted[i] as usize;
                let cut = whole.saturating_sub(wanted);
                (if upper { cut / 2 } else { cut - cut / 2 }, wanted)
            }
            None => (pads[i], whole.checked_sub(pads[i])?.checked_sub(pads[i + count])?),
        };
        Some(Axis::new(image[i], spread, strides[i], first, result)).filter(|axis| axis.result > 0)
    };
    let all: Option<Vec<Axis>> = (0..count).map(axis).collect();
    all.ok_or_else(|| problem(Code::ShapeMismatch, format!("its pads leave nothing of a result for {image:?}")))
}

/// The weights of the convolution of all phases: `[channels of the result, phases; channels of a group, taps of the depth; taps]`, each
/// phase with every so many of the taps, the last one first.
fn phases(
    cx: &mut NodeContext<'_>,
    weights: &[f32],
    [channels, per_group, groups]: [usize; 3],
    kernel: [usize; 3],
    dilations: [usize; 3],
    axes: [Axis; 3],
) -> Outcome<ValueId> {
    let (inner, [strides, taps]) = (channels / groups, [axes.map(|axis| axis.stride), axes.map(|axis| axis.taps)]);
    let phase_count = strides.iter().product::<usize>();
    let shape = vec![per_group * groups * phase_count, inner * taps[0], taps[1], taps[2]];
    cx.spend(crate::ir::size(&shape))?;
    let mut made = Vec::with_capacity(shape.iter().product());
    // A number as one of each axis, of so many.
    let split = |i: usize, of: [usize; 3]| [i / of[2] / of[1], i / of[2] % of[1], i % of[2]];
    // Which of the taps as they lie in the file stands at a tap of a phase, if any.
    let of_file = |i: usize, phase: usize, tap: usize| {
        let at = (taps[i] - 1 - tap) * strides[i] + phase;
        (at < axes[i].kernel && at.is_multiple_of(dilations[i])).then(|| at / dilations[i])
    };
    for group in 0..groups {
        for out in 0..per_group {
            for phase in (0..phase_count).map(|phase| split(phase, strides)) {
                for channel in group * inner..(group + 1) * inner {
                    for tap in (0..taps.iter().product()).map(|tap| split(tap, taps)) {
                        let mut at = Some(channel * per_group + out);
                        for i in 0..3 {
                            at = at.zip(of_file(i, phase[i], tap[i])).map(|(at, tap)| at * kernel[i] + tap);
                        }
                        made.push(at.map_or(0.0, |at| weights[at]));
                    }
                }
            }
        }
    }
    Ok(cx.add_constant(Tensor::f32(shape, made)))
}

/// Without the elements that no place of the result meets.
fn cropped(cx: &mut NodeContext<'_>, x: ValueId, axes: [Axis; 3]) -> Outcome<ValueId> {
    let mut shape = cx.shape(x);
    let mut starts = vec![0; shape.len()];
    // A picture has no depth.
    let axes = axes.iter().skip(5 - shape.len());
    for (axis, (start, extent)) in axes.zip(starts.iter_mut().zip(&mut shape).skip(2)) {
        let [before, after] = axis.pads.map(|pad| pad.min(0).unsigned_abs());
        *start = before;
        *extent = axis.extent.checked_sub(before + after).filter(|&n| n > 0).ok_or_else(|| {
            problem(Code::ShapeMismatch, "its pads cut off all that its operand has a part in".to_owned())
        })?;
    }
    if shape == cx.shape(x) {
        return Ok(x);
    }
    cx.apply_to(Op::Slice { starts, steps: vec![1; shape.len()] }, &[x], Some(&shape))
}

/// Phases become places, and what is too much of them is cut off; `steps`: how many of the depth are images, if there is any.
fn interleaved(
    cx: &mut NodeContext<'_>,
    y: ValueId,
    channels: usize,
    steps: Option<usize>,
    [depth, rows, columns]: [Axis; 3],
) -> Outcome<ValueId> {
    let shape = cx.shape(y);
    let (n, h, w) = (shape[0], shape[2], shape[3]);
    let mut y = y;
    let (result, starts) = if let Some(steps) = steps {
        let n = n / steps;
        y = cx.reshape(y, &[n, steps, channels, depth.stride, rows.stride, columns.stride, h, w])?;
        y = cx.transpose(y, vec![0, 2, 1, 3, 6, 4, 7, 5])?;
        y = cx.reshape(y, &[n, channels, steps * depth.stride, h * rows.stride, w * columns.stride])?;
        let result = vec![n, channels, depth.result, rows.result, columns.result];
        (result, vec![0, 0, depth.cut, rows.cut, columns.cut])
    } else {
        if rows.stride * columns.stride > 1 {
            y = cx.reshape(y, &[n, channels, rows.stride, columns.stride, h, w])?;
            y = cx.transpose(y, vec![0, 1, 4, 2, 5, 3])?;
            y = cx.reshape(y, &[n, channels, h * rows.stride, w * columns.stride])?;
        }
        (vec![n, channels, rows.result, columns.result], vec![0, 0, rows.cut, columns.cut])
    };
    if cx.shape(y) == result {
        return Ok(y);
    }
    cx.apply_to(Op::Slice { starts, steps: vec![1; result.len()] }, &[y], Some(&result))
}
