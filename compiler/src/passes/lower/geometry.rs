//! From windows to geometries.

use crate::ir::Window;
use crate::ir::network::Geometry;
use crate::ir::network::image;

/// The geometry of an operator with a window. Both shapes are channels last, of rank 4 (or 3: height 1).
pub(super) fn windowed(window: &Window, groups: usize, input: &[usize], output: &[usize]) -> Geometry {
    let ([n, h, w, c], [_, oh, ow, oc]) = (image(input), image(output));
    Geometry {
        n,
        input: [h, w, c],
        output: [oh, ow, oc],
        kernel: window.kernel,
        strides: window.strides,
        dilations: window.dilations,
        pads: [window.pads[0], window.pads[1]],
        groups,
    }
}

/// The geometry of a fully connected layer over every pixel.
pub(super) fn pointwise(input: &[usize], outputs: usize) -> Geometry {
    let [n, h, w, c] = image(input);
    Geometry {
        n,
        input: [h, w, c],
        output: [h, w, outputs],
        kernel: [1, 1],
        strides: [1, 1],
        dilations: [1, 1],
        pads: [0, 0],
        groups: 1,
    }
}

/// The geometry of a fully connected layer over a whole image: a kernel as large as the image.
pub(super) fn whole_image(input: &[usize], outputs: usize) -> Geometry {
    let [_, h, w, _] = image(input);
    Geometry { output: [1, 1, outputs], kernel: [h, w], ..pointwise(input, outputs) }
}

/// A layer on one pixel per image, seen as one row of pixels, which is how a kernel works on several at once.
pub(super) fn as_row(geometry: &Geometry) -> Option<Geometry> {
    let flat = geometry.n > 1
        && geometry.input[..2] == [1, 1]
        && geometry.output[..2] == [1, 1]
        && geometry.kernel == [1, 1]
        && geometry.pads == [0, 0];
    flat.then(|| Geometry {
        n: 1,
        input: [1, geometry.n, geometry.input[2]],
        output: [1, geometry.n, geometry.output[2]],
        strides: [1, 1],
        ..*geometry
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_hold_exactly_what_the_windows_reach() {
        let window = |pads, strides| Window {
            kernel: [3, 3],
            strides: [strides, strides],
            dilations: [1, 1],
            pads,
            pad_value: 0.0,
        };
        // 8 wide, stride 2, pad 1 on both sides: the last window ends at pixel 7, so nothing is read at the far end.
        let g = windowed(&window([1, 1, 1, 1], 2), 1, &[1, 8, 8, 4], &[1, 4, 4, 4]);
        assert_eq!(g.reach(), [1, 1, 0, 0]);
        let g = windowed(&window([0, 0, 1, 1], 2), 1, &[1, 8, 8, 4], &[1, 4, 4, 4]);
        assert_eq!(g.reach(), [0, 0, 1, 1]);
        let g = windowed(&window([1, 1, 1, 1], 1), 1, &[1, 8, 8, 4], &[1, 8, 8, 4]);
        assert_eq!(g.reach(), [1, 1, 1, 1]);
    }
}
