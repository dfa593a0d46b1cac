//! Pictures of another size. Resizing is separable: axis by axis, each place of the result is a sum of a few places of the operand,
//! whose indices and weights are known when the model is compiled.

use super::Onnx;
use super::along::weighted;
use super::gather::pick;
use super::node::{NodeContext, bad, problem};
use crate::diagnostics::{Code, Outcome};
use crate::ir::{Binary, DType, Tensor, ValueId};

pub(super) static ONNX: &[Onnx] = &[
    Onnx::one("Resize", 10, resize).growing(&[(10, 2), (11, 4)]),
    Onnx::one("Upsample", 7, upsample).growing(&[(7, 1), (9, 2)]),
];

/// Terms of a sum that are added one by one; more are a matrix product.
const FEW: usize = 4;

/// Which place of the operand a place of the result lies at.
#[derive(Clone, Copy, PartialEq)]
enum Coordinates {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    TfHalfPixel,
    AlignCorners,
    Asymmetric,
    CropAndResize,
}

/// What is taken there.
#[derive(Clone, Copy)]
enum Filter {
    /// The element that a rounding leads to.
    Nearest(fn(f64) -> f64),
    /// Between two neighbours.
    Linear,
    /// Between four, with this coefficient.
    Cubic(f64),
}

/// An axis of the operand and of the result.
struct Line {
    from: usize,
    to: usize,
    /// What one is multiplied by to give the other, before that is rounded.
    scale: f64,
    /// Part of the operand that is looked at, from 0 to 1 (crop and resize alone).
    region: [f64; 2],
}

/// How an axis is resized.
struct Way {
    coordinates: Coordinates,
    filter: Filter,
    exclude_outside: bool,
    antialias: bool,
}

/// A place of the result: indices and weights; none where it lies outside of the operand.
type Taps = Vec<(usize, f64)>;

/// As old exporters write it: no coordinates but x / scale.
fn upsample(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let scales = match cx.floats("scales")? {
        Some(scales) => scales,
        None => cx.parameter(1, "scales")?.ok_or_else(|| bad("its scales are missing"))?.to_f32(),
    };
    simple(cx, &scales, f64::floor)
}

fn simple(cx: &mut NodeContext<'_>, scales: &[f32], round: fn(f64) -> f64) -> Outcome<ValueId> {
    let filter = match cx.text("mode")?.as_deref() {
        None | Some("nearest") => Filter::Nearest(round),
        // Before it meant any number of axes it was called after two.
        Some("linear" | "bilinear") => Filter::Linear,
        Some(other) => return Err(bad(format!("the mode {other:?} is not known"))),
    };
    let way = Way { coordinates: Coordinates::Asymmetric, filter, exclude_outside: false, antialias: false };
    let axes: Vec<usize> = (0..cx.shape(cx.operand(0)?).len()).collect();
    let lines = scaled(cx, &axes, scales)?;
    resized(cx, &axes, &lines, &way, 0.0)
}

fn resize(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    if cx.opset() < 11 {
        let scales = cx.parameter(1, "scales")?.ok_or_else(|| bad("its scales are missing"))?.to_f32();
        // What onnxruntime does, where the specification says nothing.
        let shrinks = scales.iter().any(|&scale| scale < 1.0);
        return simple(cx, &scales, if shrinks { f64::ceil } else { f64::floor });
    }
    let rank = cx.shape(cx.operand(0)?).len();
    let axes: Vec<usize> = match cx.ints("axes")? {
        Some(given) => {
            cx.axes(&given, rank)?;
            given.iter().map(|&axis| cx.axis(axis, rank)).collect::<Outcome<_>>()?
        }
        None => (0..rank).collect(),
    };
    let way = way(cx)?;
    let filled = |tensor: &Tensor| !tensor.is_empty();
    let scales = cx.parameter(2, "scales")?.filter(|t| filled(t)).map(|t| t.to_f32());
    let sizes = cx.int_parameter(3, "sizes")?.filter(|sizes| !sizes.is_empty());
    let mut lines = match (scales, sizes) {
        (Some(scales), None) => scaled(cx, &axes, &scales)?,
        (None, Some(sizes)) => sized(cx, &axes, &sizes)?,
        _ => return Err(bad("either its scales or its sizes must be given")),
    };
    if way.coordinates == Coordinates::CropAndResize {
        let region =
            cx.parameter(1, "region of interest")?.ok_or_else(|| bad("its region of interest is missing"))?.to_f32();
        if region.len() != 2 * lines.len() || region.iter().any(|x| !x.is_finite()) {
            return Err(bad(format!("a region of interest of {} numbers for {} axes", region.len(), lines.len())));
        }
        let count = lines.len();
        for (i, line) in lines.iter_mut().enumerate() {
            line.region = [f64::from(region[i]), f64::from(region[i + count])];
        }
    }
    let outside = cx.float("extrapolation_value", 0.0)?;
    resized(cx, &axes, &lines, &way, outside)
}

fn way(cx: &NodeContext<'_>) -> Outcome<Way> {
    let coordinates = match cx.text("coordinate_transformation_mode")?.as_deref() {
        None | Some("half_pixel") => Coordinates::HalfPixel,
        Some("half_pixel_symmetric") => Coordinates::HalfPixelSymmetric,
        Some("pytorch_half_pixel") => Coordinates::PytorchHalfPixel,
        Some("tf_half_pixel_for_nn") => Coordinates::TfHalfPixel,
        Some("align_corners") => Coordinates::AlignCorners,
        Some("asymmetric") => Coordinates::Asymmetric,
        Some("tf_crop_and_resize") => Coordinates::CropAndResize,
        Some(other) => return Err(bad(format!("the coordinate transformation mode {other:?} is not known"))),
    };
    let round: fn(f64) -> f64 = match cx.text("nearest_mode")?.as_deref() {
        None | Some("round_prefer_floor") => |x| (x - 0.5).ceil(),
        Some("round_prefer_ceil") => |x| (x + 0.5).floor(),
        Some("floor") => f64::floor,
        Some("ceil") => f64::ceil,
        Some(other) => return Err(bad(format!("the nearest mode {other:?} is not known"))),
    };
    let filter = match cx.text("mode")?.as_deref() {
        None | Some("nearest") => Filter::Nearest(round),
        Some("linear") => Filter::Linear,
        Some("cubic") => Filter::Cubic(f64::from(cx.float("cubic_coeff_a", -0.75)?)),
        Some(other) => return Err(bad(format!("the mode {other:?} is not known"))),
    };
    let antialias = cx.flag("antialias")? && !matches!(filter, Filter::Nearest(_));
    Ok(Way { coordinates, filter, exclude_outside: cx.flag("exclude_outside")?, antialias })
}

/// The axes by what they are multiplied by.
fn scaled(cx: &NodeContext<'_>, axes: &[usize], scales: &[f32]) -> Outcome<Vec<Line>> {
    let shape = cx.shape(cx.operand(0)?);
    if scales.len() != axes.len() || scales.iter().any(|scale| !scale.is_finite() || *scale <= 0.0) {
        return Err(bad(format!("scales {scales:?} for {} axes", axes.len())));
    }
    let line = |(&axis, &scale): (&usize, &f32)| {
        let from = shape[axis];
        let to = (from as f32 * scale).floor() as usize;
        // A quotient of both lengths is meant as such, not as the f32 next to it.
        let exact = to as f32 / from as f32 == scale;
        Line { from, to, scale: if exact { to as f64 / from as f64 } else { f64::from(scale) }, region: [0.0, 1.0] }
    };
    Ok(axes.iter().zip(scales).map(line).collect())
}

/// The axes by how long they are to be.
fn sized(cx: &NodeContext<'_>, axes: &[usize], sizes: &[i64]) -> Outcome<Vec<Line>> {
    let shape = cx.shape(cx.operand(0)?);
    if sizes.len() != axes.len() || sizes.iter().any(|&size| size < 1) {
        return Err(bad(format!("sizes {sizes:?} for {} axes", axes.len())));
    }
    let scale = |(&axis, &size): (&usize, &i64)| size as f64 / shape[axis] as f64;
    let scales = axes.iter().zip(sizes).map(scale);
    let common = match cx.text("keep_aspect_ratio_policy")?.as_deref() {
        None | Some("stretch") => None,
        Some("not_larger") => Some(scales.clone().fold(f64::INFINITY, f64::min)),
        Some("not_smaller") => Some(scales.clone().fold(0.0, f64::max)),
        Some(other) => return Err(bad(format!("the policy {other:?} for the aspect ratio is not known"))),
    };
    let line = |((&axis, &size), scale): ((&usize, &i64), f64)| {
        let from = shape[axis];
        let (to, scale) = match common {
            Some(common) => ((common * from as f64 + 0.5).floor() as usize, common),
            None => (usize::try_from(size).unwrap_or(usize::MAX), scale),
        };
        Line { from, to, scale, region: [0.0, 1.0] }
    };
    Ok(axes.iter().zip(sizes).zip(scales).map(line).collect())
}

/// Resizes axis by axis, those that grow least first.
fn resized(cx: &mut NodeContext<'_>, axes: &[usize], lines: &[Line], way: &Way, outside: f32) -> Outcome<ValueId> {
    let x = cx.operand(0)?;
    let moves = matches!(way.filter, Filter::Nearest(_)) && way.coordinates != Coordinates::CropAndResize;
    if !moves && cx.dtype(x) != DType::F32 {
        return Err(problem(Code::Unsupported, format!("its operand holds {:?}, not floats", cx.dtype(x))));
    }
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_by(|&a, &b| lines[a].scale.total_cmp(&lines[b].scale));
    let mut result = x;
    for i in order {
        let (axis, line) = (axes[i], &lines[i]);
        if line.from == 0 || line.to == 0 {
            let message = format!("axis {axis} of {:?} cannot become {} long", cx.shape(x), line.to);
            return Err(problem(Code::ShapeMismatch, message));
        }
        // An axis that stays is read as it is, also where a filter would blur it not at all.
        if line.from == line.to && line.scale == 1.0 && way.coordinates != Coordinates::CropAndResize {
            continue;
        }
        let per_place = if way.antialias { 4 * line.from.div_ceil(line.to) + 4 } else { 4 };
        cx.spend(line.to.checked_mul(per_place))?;
        let taps: Vec<Taps> = (0..line.to).map(|place| taps(line, way, place)).collect();
        result = along(cx, result, axis, &taps, outside)?;
    }
    Ok(result)
}

/// Where a place of the result lies in the operand.
fn position(line: &Line, coordinates: Coordinates, place: usize) -> f64 {
    let (from, x, scale) = (line.from as f64, place as f64, line.scale);
    let to = scale * from;
    let [start, end] = line.region;
    match coordinates {
        Coordinates::HalfPixel => (x + 0.5) / scale - 0.5,
        Coordinates::HalfPixelSymmetric => from / 2.0 * (1.0 - line.to as f64 / to) + (x + 0.5) / scale - 0.5,
        Coordinates::PytorchHalfPixel => {
            if line.to > 1 {
                (x + 0.5) / scale - 0.5
            } else {
                0.0
            }
        }
        Coordinates::TfHalfPixel => (x + 0.5) / scale,
        Coordinates::AlignCorners => {
            if to == 1.0 {
                0.0
            } else {
                x * (from - 1.0) / (to - 1.0)
            }
        }
        Coordinates::Asymmetric => x / scale,
        Coordinates::CropAndResize if line.to > 1 => {
            start * (from - 1.0) + x * (end - start) * (from - 1.0) / (line.to as f64 - 1.0)
        }
        Coordinates::CropAndResize => 0.5 * (start + end) * (from - 1.0),
    }
}

/// What a place of the result is made of.
fn taps(line: &Line, way: &Way, place: usize) -> Taps {
    let at = position(line, way.coordinates, place);
    let last = line.from as f64 - 1.0;
    if way.coordinates == Coordinates::CropAndResize && !(0.0..=last).contains(&at) {
        return Vec::new();
    }
    // A filter is stretched where the picture shrinks, so that nothing is left out.
    let stretch = if way.antialias { line.scale.min(1.0) } else { 1.0 };
    let (reach, weight): (f64, &dyn Fn(f64) -> f64) = match way.filter {
        Filter::Nearest(round) => return vec![(round(at).clamp(0.0, last) as usize, 1.0)],
        Filter::Linear => (1.0, &|x| (1.0 - x.abs()).max(0.0)),
        Filter::Cubic(a) => (2.0, &move |x| cubic(a, x.abs())),
    };
    let first = (at - reach / stretch).floor() as i64;
    let end = (at + reach / stretch).ceil() as i64;
    let inside = |i: i64| (0..line.from as i64).contains(&i);
    let mut taps: Taps = Vec::new();
    for i in (first..=end).filter(|&i| inside(i) || !way.exclude_outside) {
        let weight = weight((i as f64 - at) * stretch);
        if weight == 0.0 {
            continue;
        }
        // Beyond its ends the operand is continued by its first and last element.
        let index = i.clamp(0, line.from as i64 - 1) as usize;
        match taps.iter_mut().find(|(known, _)| *known == index) {
            Some((_, sum)) => *sum += weight,
            None => taps.push((index, weight)),
        }
    }
    if way.antialias || way.exclude_outside {
        let sum: f64 = taps.iter().map(|(_, weight)| weight).sum();
        taps.iter_mut().for_each(|(_, weight)| *weight /= sum);
    }
    taps
}

fn cubic(a: f64, x: f64) -> f64 {
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
    } else {
        0.0
    }
}

/// Sums along an axis; `outside` where there is nothing to sum.
fn along(cx: &mut NodeContext<'_>, x: ValueId, axis: usize, taps: &[Taps], outside: f32) -> Outcome<ValueId> {
    let most = taps.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let rank = cx.shape(x).len();
    let mut result = if most > FEW { product(cx, x, axis, taps)? } else { sum(cx, x, axis, taps, most)? };
    if outside != 0.0 && taps.iter().any(Vec::is_empty) {
        let filled = taps.iter().map(|taps| if taps.is_empty() { outside } else { 0.0 }).collect();
        let filled = cx.add_constant(per_place(rank, axis, filled));
        result = cx.binary(Binary::Add, result, filled)?;
    }
    Ok(result)
}

/// A number for each place of an axis, to be broadcast over the others.
fn per_place(rank: usize, axis: usize, numbers: Vec<f32>) -> Tensor {
    let mut shape = vec![1; rank];
    shape[axis] = numbers.len();
    Tensor::f32(shape, numbers)
}

/// Term by term: what each place takes first, second ..., times the weights.
fn sum(cx: &mut NodeContext<'_>, x: ValueId, axis: usize, taps: &[Taps], most: usize) -> Outcome<ValueId> {
    let rank = cx.shape(x).len();
    let mut sum = None;
    for k in 0..most {
        // A place with fewer terms has one of weight 0 on an element that it takes anyway.
        let tap = |taps: &Taps| match taps.get(k) {
            Some(&(index, weight)) => (index, weight as f32),
            None => (taps.last().map_or(0, |&(index, _)| index), 0.0),
        };
        let (places, weights): (Vec<usize>, Vec<f32>) = taps.iter().map(tap).unzip();
        let mut term = pick(cx, x, axis, &places)?;
        if weights.iter().any(|&weight| weight != 1.0) {
            let weights = cx.add_constant(per_place(rank, axis, weights));
            term = cx.binary(Binary::Mul, term, weights)?;
        }
        sum = Some(match sum {
            Some(sum) => cx.binary(Binary::Add, sum, term)?,
            None => term,
        });
    }
    sum.ok_or_else(|| bad("nothing to resize"))
}

/// As a product with the matrix of the weights.
fn product(cx: &mut NodeContext<'_>, x: ValueId, axis: usize, taps: &[Taps]) -> Outcome<ValueId> {
    weighted(cx, x, axis, taps.len(), |from, to| {
        taps[to].iter().find(|(index, _)| *index == from).map_or(0.0, |&(_, weight)| weight as f32)
    })
}
