//! Random windows: what slides over what.

use crate::random::Random;
use xnorc::ir::network::Geometry;

/// A window along one axis.
#[derive(Clone, Copy, Debug)]
struct Along {
    input: usize,
    output: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    pad: usize,
}

/// What windows may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind<'a> {
    /// Taps along an axis.
    pub(crate) kernels: &'a [[usize; 2]],
    /// Whether each window has a tap inside the picture: one without has no mean.
    pub(crate) inside: bool,
}

fn along(r: &mut Random, output: usize, kernel: usize) -> Along {
    let (stride, dilation) = (r.pick(&[1, 1, 1, 2, 3]), r.pick(&[1, 1, 1, 2, 3]));
    let reach = (kernel - 1) * dilation + 1;
    // As exporters pad, or not at all, or somehow, up to windows that lie beside the picture.
    let pad = match r.below(6) {
        0 => 0,
        1 => r.below(reach + 2),
        _ => kernel / 2 * dilation,
    };
    let behind = if r.once_in(3) { r.below(reach + 1) } else { pad };
    // Some elements at the end may be under no window.
    let slack = r.below(stride);
    let input = ((output - 1) * stride + reach + slack).saturating_sub(pad + behind).max(1);
    Along { input, output, kernel, stride, dilation, pad }
}

impl Along {
    fn all_inside(&self) -> bool {
        (0..self.output).all(|o| {
            (0..self.kernel).any(|k| {
                let at = o * self.stride + k * self.dilation;
                at >= self.pad && at < self.pad + self.input
            })
        })
    }
}

/// A window that gives so many rows and columns, over one channel of one image: the caller sets these.
pub(crate) fn window(r: &mut Random, output: [usize; 2], kind: Kind<'_>) -> Geometry {
    let kernel = r.pick(kind.kernels);
    let [y, x] = [0, 1].map(|axis| {
        let mut it = along(r, output[axis], kernel[axis]);
        while kind.inside && !it.all_inside() {
            it = along(r, output[axis], kernel[axis]);
        }
        it
    });
    Geometry {
        n: 1,
        input: [y.input, x.input, 1],
        output: [y.output, x.output, 1],
        kernel,
        strides: [y.stride, x.stride],
        dilations: [y.dilation, x.dilation],
        pads: [y.pad, x.pad],
        groups: 1,
    }
}

/// The window of a pool over so many channels: in half of the cases as most are, each pixel in one window.
pub(crate) fn pool(r: &mut Random, output: [usize; 2], n: usize, channels: usize) -> Geometry {
    let kernels = &[[2, 2], [2, 2], [3, 3], [3, 3], [1, 3], [3, 1], [1, 1], [5, 2]];
    let mut g = window(r, output, Kind { kernels, inside: true });
    if r.once_in(2) {
        let [oh, ow] = output;
        let [kh, kw] = g.kernel;
        g = Geometry { input: [oh * kh, ow * kw, 1], strides: g.kernel, dilations: [1, 1], pads: [0, 0], ..g };
    }
    let of = |[h, w, _]: [usize; 3]| [h, w, channels];
    Geometry { n, input: of(g.input), output: of(g.output), groups: channels, ..g }
}
