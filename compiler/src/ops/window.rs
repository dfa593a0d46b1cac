//! What operators with windows share: their geometry, resolved to numbers; images in either layout; one spatial axis
//! or three instead of two.

use super::gather::pick;
use super::node::{NodeContext, bad, problem};
use super::{floats, mismatch, reshape};
use crate::diagnostics::Outcome;
use crate::diagnostics::{Code, Diagnostic};
use crate::ir::{Layout, Op, Shape, Tensor, Value, ValueId, Window};

/// Larger values are mistakes, and would make windows that no loop should walk.
const LARGEST: i64 = 1 << 16;

/// A window, and how far it reaches beyond the padded image because of `ceil_mode`.
pub(super) struct Resolved {
    /// The window along the first of three axes, over columns of that axis.
    pub(super) depth: Option<Box<Resolved>>,
    pub(super) window: Window,
    pub(super) ceil_extra: [usize; 2],
}

/// Reads the attributes of a node with `spatial` (one to three) axes of the given extents. One-dimensional windows get
/// height 1.
pub(super) fn resolve(
    cx: &NodeContext<'_>,
    spatial: &[usize],
    kernel: Option<&[usize]>,
    allow_ceil: bool,
) -> Outcome<Resolved> {
    let kernel = match (cx.ints("kernel_shape")?, kernel) {
        (Some(given), expected) => {
            let given = numbers(&given, "kernel_shape", spatial.len(), 1)?;
            if expected.is_some_and(|expected| expected != given) {
                return Err(bad(format!("kernel_shape {given:?} does not fit the weights")));
            }
            given
        }
        (None, Some(expected)) => expected.to_vec(),
        (None, None) => return Err(bad("attribute \"kernel_shape\" is missing")),
    };
    let ones = || vec![1; spatial.len()];
    let strides = cx.ints("strides")?.map_or_else(|| Ok(ones()), |v| numbers(&v, "strides", spatial.len(), 1))?;
    let dilations = cx.ints("dilations")?.map_or_else(|| Ok(ones()), |v| numbers(&v, "dilations", spatial.len(), 1))?;
    let given = cx.ints("pads")?.map(|v| numbers(&v, "pads", 2 * spatial.len(), 0)).transpose()?;
    let reach: Vec<usize> = kernel.iter().zip(&dilations).map(|(k, d)| (k - 1) * d + 1).collect();
    let mut pads = match cx.text("auto_pad")?.as_deref() {
        None | Some("NOTSET" | "") => given.unwrap_or_else(|| vec![0; 2 * spatial.len()]),
        Some("VALID") => vec![0; 2 * spatial.len()],
        Some(side @ ("SAME_UPPER" | "SAME_LOWER")) => same(spatial, &reach, &strides, side == "SAME_UPPER"),
        Some(other) => return Err(bad(format!("auto_pad {other:?} is not known"))),
    };
    let mut extra = vec![0; spatial.len()];
    if allow_ceil && cx.flag("ceil_mode")? {
        for axis in 0..spatial.len() {
            let (before, after) = (pads[axis], pads[axis + spatial.len()]);
            extra[axis] = ceil_extra(spatial[axis], before, after, reach[axis], strides[axis]);
            pads[axis + spatial.len()] += extra[axis];
        }
    }
    let count = spatial.len();
    let over = |rows: Option<usize>, columns: Option<usize>| {
        let pair = |v: &[usize], filler: usize| [rows, columns].map(|axis| axis.map_or(filler, |axis| v[axis]));
        let ([top, left], [bottom, right]) = (pair(&pads[..count], 0), pair(&pads[count..], 0));
        let window = Window {
            kernel: pair(&kernel, 1),
            strides: pair(&strides, 1),
            dilations: pair(&dilations, 1),
            pads: [top, left, bottom, right],
            pad_value: 0.0,
        };
        Resolved { depth: None, window, ceil_extra: pair(&extra, 0) }
    };
    match count {
        1 => Ok(over(None, Some(0))),
        2 => Ok(over(Some(0), Some(1))),
        3 => Ok(Resolved { depth: Some(Box::new(over(Some(0), None))), ..over(Some(1), Some(2)) }),
        _ => Err(bad("no more than three spatial axes are supported")),
    }
}

fn numbers(values: &[i64], what: &str, len: usize, least: i64) -> Outcome<Vec<usize>> {
    if values.len() != len {
        return Err(bad(format!("{} values of {what} where {len} are needed", values.len())));
    }
    if values.iter().any(|v| !(least..=LARGEST).contains(v)) {
        return Err(bad(format!("{what} {values:?} must lie between {least} and {LARGEST}")));
    }
    Ok(values.iter().map(|&v| v as usize).collect())
}

/// As many outputs as strides fit into the image; what is missing is padded, the odd one at the end or the beginning.
fn same(spatial: &[usize], reach: &[usize], strides: &[usize], upper: bool) -> Vec<usize> {
    let total = |axis: usize| {
        let outputs = spatial[axis].div_ceil(strides[axis]);
        (outputs.saturating_sub(1) * strides[axis] + reach[axis]).saturating_sub(spatial[axis])
    };
    let small = (0..spatial.len()).map(|axis| total(axis) / 2);
    let large = (0..spatial.len()).map(|axis| total(axis).div_ceil(2));
    if upper { small.chain(large).collect() } else { large.chain(small).collect() }
}

/// How many more elements at the end the last window needs when the number of windows is rounded up. A window that
/// would start in the padding behind the image does not exist.
fn ceil_extra(input: usize, before: usize, after: usize, reach: usize, stride: usize) -> usize {
    let padded = input + before + after;
    // Rounded up, a picture smaller than the window still has one, as long as less than a stride is missing.
    let mut windows = match padded.checked_sub(reach) {
        Some(room) => room.div_ceil(stride) + 1,
        None if reach - padded < stride => 1,
        None => return 0,
    };
    if windows > 1 && (windows - 1) * stride >= input + before {
        windows -= 1;
    }
    ((windows - 1) * stride + reach).saturating_sub(padded)
}

/// Extents of the result along the two spatial axes; `None` where the window is larger than the padded image.
pub(crate) fn output_extents(window: &Window, height: usize, width: usize) -> Option<[usize; 2]> {
    let extent = |axis: usize, input: usize| {
        let padded = input.checked_add(window.pads[axis])?.checked_add(window.pads[axis + 2])?;
        let reach = window.kernel[axis].checked_sub(1)?.checked_mul(window.dilations[axis])?.checked_add(1)?;
        Some(padded.checked_sub(reach)?.checked_div(window.strides[axis])? + 1)
    };
    Some([extent(0, height)?, extent(1, width)?])
}

/// Images, height, width, channels.
pub(super) fn image(x: &Value, layout: Layout) -> Outcome<[usize; 4]> {
    match (&x.shape[..], layout) {
        (&[n, c, h, w], Layout::ChannelsFirst) | (&[n, h, w, c], Layout::ChannelsLast) => Ok([n, h, w, c]),
        _ => Err(mismatch(format!("an image is wanted, but {:?} has shape {:?}", x.name, x.shape))),
    }
}

/// The shape of an image.
pub(super) fn from_image([n, h, w, c]: [usize; 4], layout: Layout) -> Shape {
    match layout {
        Layout::ChannelsFirst => vec![n, c, h, w],
        Layout::ChannelsLast => vec![n, h, w, c],
    }
}

/// Extents of the result along the two spatial axes.
pub(super) fn extents(window: &Window, height: usize, width: usize) -> Outcome<[usize; 2]> {
    output_extents(window, height, width).ok_or_else(|| {
        mismatch(format!(
            "a window of {:?} (dilations {:?}) is larger than the image of {height}x{width} with padding {:?}",
            window.kernel, window.dilations, window.pads
        ))
    })
}

/// Runs `f` on the image with the channels first, whatever its layout.
pub(super) fn channels_first(
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
            let x = reshape::transposed(x, &[0, 3, 1, 2])?;
            reshape::transposed(&f(&x, of(&x))?, &[0, 2, 3, 1])
        }
    }
}

/// The extents of the spatial axes, up to three.
pub(super) fn volume(cx: &NodeContext<'_>, x: ValueId) -> Outcome<Shape> {
    let shape = cx.shape(x);
    match shape.len() {
        5 => Ok(shape[2..].to_vec()),
        6.. => Err(problem(
            Code::Unsupported,
            format!("no more than three spatial axes are supported, but its operand is {shape:?}"),
        )),
        _ => spatial(cx, x),
    }
}

/// The extents of the spatial axes: one or two.
fn spatial(cx: &NodeContext<'_>, x: ValueId) -> Outcome<Shape> {
    let shape = cx.shape(x);
    match shape.len() {
        3 | 4 => Ok(shape[2..].to_vec()),
        5.. => Err(too_many(&shape)),
        _ => Err(problem(Code::ShapeMismatch, format!("an image is wanted, but its operand has shape {shape:?}"))),
    }
}

fn too_many(shape: &[usize]) -> Diagnostic {
    problem(Code::Unsupported, format!("only one or two spatial axes are supported, but its operand is {shape:?}"))
}

/// Gives a three-dimensional value height 1.
pub(super) fn with_height(cx: &mut NodeContext<'_>, x: ValueId) -> Outcome<ValueId> {
    match cx.shape(x)[..] {
        [n, c, width] => cx.reshape(x, &[n, c, 1, width]),
        _ => Ok(x),
    }
}

/// Takes the height away from the result of a three-dimensional one.
pub(super) fn without_height(cx: &mut NodeContext<'_>, y: ValueId, rank: usize) -> Outcome<ValueId> {
    match (rank, &cx.shape(y)[..]) {
        (3, &[n, c, _, width]) => cx.reshape(y, &[n, c, width]),
        _ => Ok(y),
    }
}

/// A pool over three axes: over the planes, all of which are channels there, and then over their depth, all places of a plane in
/// one row. `pool` is told whether it is given the planes.
pub(super) fn planes_then_depth<'a>(
    cx: &mut NodeContext<'a>,
    x: ValueId,
    mut pool: impl FnMut(&mut NodeContext<'a>, ValueId, bool) -> Outcome<ValueId>,
) -> Outcome<ValueId> {
    let shape = cx.shape(x);
    let &[n, c, depth, height, width] = &shape[..] else { return Err(too_many(&shape)) };
    let planes = cx.reshape(x, &[n, c * depth, height, width])?;
    let planes = pool(cx, planes, true)?;
    let [height, width] = [cx.shape(planes)[2], cx.shape(planes)[3]];
    let columns = cx.reshape(planes, &[n, c, depth, height * width])?;
    let columns = pool(cx, columns, false)?;
    let depth = cx.shape(columns)[2];
    cx.reshape(columns, &[n, c, depth, height, width])
}

/// What a window over three axes sees of the first one, as channels of planes: `[images * depth of the result, channels * taps, h, w]`,
/// and the depth of the result. Places in front of the first and behind the last are zero.
pub(super) fn depth_as_channels(cx: &mut NodeContext<'_>, x: ValueId, window: &Window) -> Outcome<(ValueId, usize)> {
    let shape = cx.shape(x);
    let &[n, c, depth, height, width] = &shape[..] else { return Err(too_many(&shape)) };
    let [steps, _] = extents(window, depth, 1)?;
    let (taps, [before, _, after, _]) = (window.kernel[0], window.pads);
    let x = if before + after > 0 {
        let around = |places| vec![0, 0, places, 0, 0];
        cx.apply(Op::Pad { before: around(before), after: around(after), value: 0.0 }, &[x])?
    } else {
        x
    };
    cx.spend(steps.checked_mul(taps))?;
    let place = |i: usize| i / taps * window.strides[0] + i % taps * window.dilations[0];
    let places: Vec<usize> = (0..steps * taps).map(place).collect();
    let seen = pick(cx, x, 2, &places)?;
    let seen = cx.reshape(seen, &[n, c, steps, taps, height, width])?;
    let seen = cx.transpose(seen, vec![0, 2, 1, 3, 4, 5])?;
    Ok((cx.reshape(seen, &[n * steps, c * taps, height, width])?, steps))
}
