//! The order in which pixels, taps and strided elements are visited.

use crate::ir::network::Geometry;

/// Row and column of a tap, and whether they are inside the image.
pub(super) fn tap(g: &Geometry, oy: usize, ox: usize, ky: usize, kx: usize) -> ([isize; 2], bool) {
    let at = |axis: usize, o: usize, k: usize| {
        (o * g.strides[axis] + k * g.dilations[axis]) as isize - g.pads[axis] as isize
    };
    let (y, x) = (at(0, oy, ky), at(1, ox, kx));
    let inside = y >= 0 && x >= 0 && (y as usize) < g.input[0] && (x as usize) < g.input[1];
    ([y, x], inside)
}

/// Whether an input has as many elements as a geometry says.
pub(super) fn check(g: &Geometry, input: usize) -> Result<(), String> {
    let wanted = g.n * g.input.iter().product::<usize>();
    if input == wanted { Ok(()) } else { Err(format!("{input} elements for a geometry of {wanted}")) }
}

/// Image, row, column of every output pixel.
pub(super) fn pixels(g: &Geometry) -> impl Iterator<Item = [usize; 3]> {
    let [oh, ow, _] = g.output;
    (0..g.n * oh * ow).map(move |i| [i / (oh * ow), i / ow % oh, i % ow])
}

/// Offsets of the elements of a strided array, in row-major order.
pub(super) fn offsets(extents: &[usize], strides: &[isize]) -> impl Iterator<Item = isize> {
    (0..extents.iter().product::<usize>()).map(move |mut index| {
        let mut at = 0;
        for axis in (0..extents.len()).rev() {
            at += (index % extents[axis]) as isize * strides[axis];
            index /= extents[axis];
        }
        at
    })
}
