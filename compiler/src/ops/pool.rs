//! Pools: what lies under a window.

use super::node::{NodeContext, bad, problem};
use super::window::{
    Resolved, channels_first, extents, from_image, image, output_extents, planes_then_depth, resolve, volume,
    with_height, without_height,
};
use super::{Infer, Onnx, Operator, floats, mismatched};
use crate::diagnostics::Code;
use crate::diagnostics::Outcome;
use crate::ir::{DType, Data, Layout, Op, Reduction, Shape, Tensor, ValueId, Window};

pub(super) static ONNX: &[Onnx] = &[
    Onnx::one("MaxPool", 1, |cx| {
        let x = cx.operand(0)?;
        convert(cx, x, |Resolved { window, .. }, _| Op::MaxPool {
            window: window.clone(),
            layout: Layout::ChannelsFirst,
        })
    }),
    Onnx::one("AveragePool", 1, |cx| cx.operand(0).and_then(|x| average(cx, x))),
    Onnx::one("GlobalAveragePool", 1, |cx| cx.operand(0).and_then(|x| global(cx, x, Reduction::Mean))),
    Onnx::one("GlobalMaxPool", 1, |cx| cx.operand(0).and_then(|x| global(cx, x, Reduction::Max))),
];

/// Maximum over a window; padded taps take no part, and neither does NaN.
pub(super) struct Max<'a> {
    pub(super) window: &'a Window,
    pub(super) layout: Layout,
}

impl Operator for Max<'_> {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        infer(given, self.window, self.layout)
    }

    fn apply(&self, inputs: &[&Tensor], _: &[usize]) -> Result<Tensor, String> {
        let &[x] = inputs else { return Err(mismatched(inputs)) };
        pool(x, self.window, self.layout, [0; 4], |taps, _| taps.iter().copied().fold(f32::NEG_INFINITY, f32::max))
    }

    fn work(&self, _: &[&Tensor]) -> Option<usize> {
        self.window.kernel[0].checked_mul(self.window.kernel[1])
    }
}

/// Mean over a window.
pub(super) struct Average<'a> {
    pub(super) window: &'a Window,
    pub(super) count_include_pad: bool,
    pub(super) ceil_extra: [usize; 2],
    pub(super) layout: Layout,
}

impl Operator for Average<'_> {
    fn infer(&self, given: &Infer<'_>) -> Outcome<(Shape, DType)> {
        infer(given, self.window, self.layout)
    }

    fn apply(&self, inputs: &[&Tensor], _: &[usize]) -> Result<Tensor, String> {
        let &[x] = inputs else { return Err(mismatched(inputs)) };
        let &Self { window, ceil_extra, .. } = self;
        let [top, left, bottom, right] = window.pads;
        let frame = if self.count_include_pad {
            [top, left, bottom.saturating_sub(ceil_extra[0]), right.saturating_sub(ceil_extra[1])]
        } else {
            [0; 4]
        };
        pool(x, window, self.layout, frame, |taps, framed| {
            let sum: f64 = taps.iter().map(|&x| f64::from(x)).sum();
            (sum / framed as f64) as f32
        })
    }

    fn work(&self, _: &[&Tensor]) -> Option<usize> {
        self.window.kernel[0].checked_mul(self.window.kernel[1])
    }
}

fn infer(given: &Infer<'_>, window: &Window, layout: Layout) -> Outcome<(Shape, DType)> {
    let [n, h, w, c] = image(given.floats(0)?, layout)?;
    let [oh, ow] = extents(window, h, w)?;
    Ok((from_image([n, oh, ow, c], layout), DType::F32))
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

/// The means of windows over x.
pub(super) fn average(cx: &mut NodeContext<'_>, x: ValueId) -> Outcome<ValueId> {
    convert(cx, x, |Resolved { window, ceil_extra, .. }, count_include_pad| Op::AveragePool {
        window: window.clone(),
        count_include_pad,
        ceil_extra: *ceil_extra,
        layout: Layout::ChannelsFirst,
    })
}

fn convert(cx: &mut NodeContext<'_>, x: ValueId, op: impl Fn(&Resolved, bool) -> Op) -> Outcome<ValueId> {
    let resolved = resolve(cx, &volume(cx, x)?, None, true)?;
    for Resolved { window, ceil_extra, .. } in [&resolved].into_iter().chain(resolved.depth.as_deref()) {
        for side in 0..4 {
            let axis = side % 2;
            let extra = if side < 2 { 0 } else { ceil_extra[axis] };
            let reach = (window.kernel[axis] - 1) * window.dilations[axis] + 1;
            if window.pads[side] - extra >= reach {
                return Err(bad(format!("pads {:?} are not smaller than the kernel {:?}", window.pads, window.kernel)));
            }
        }
    }
    let count_include_pad = cx.flag("count_include_pad")?;
    let rank = cx.shape(x).len();
    if let Some(depth) = &resolved.depth {
        return planes_then_depth(cx, x, |cx, x, planes| {
            let resolved = if planes { &resolved } else { depth };
            cx.apply(op(resolved, count_include_pad), &[x])
        });
    }
    let x = with_height(cx, x)?;
    let y = cx.apply(op(&resolved, count_include_pad), &[x])?;
    without_height(cx, y, rank)
}

/// A reduction of x over the picture.
pub(super) fn global(cx: &mut NodeContext<'_>, x: ValueId, kind: Reduction) -> Outcome<ValueId> {
    let rank = cx.shape(x).len();
    if rank < 3 {
        let message = format!("an image is wanted, but its operand has shape {:?}", cx.shape(x));
        return Err(problem(Code::ShapeMismatch, message));
    }
    cx.apply(Op::Reduce { kind, axes: (2..rank).collect(), keepdims: true }, &[x])
}
