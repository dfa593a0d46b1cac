//! Tiles of real-valued convolutions: how many pixels and blocks of channels their sums are of, by geometry.
//!
//! More pixels a tile mean fewer loads of weights, until the registers are full. The figures were measured; results never
//! depend on them.

use super::{Fit, LANES, is_pointwise};
use crate::ir::network::{Dense, Geometry, Products, Source};

/// True when each channel is convolved on its own, which has a kernel of its own.
pub(crate) fn is_depthwise(g: &Geometry) -> bool {
    g.groups > 1 && g.groups == g.input[2] && g.groups == g.output[2]
}

/// How many blocks of 16 channels the kernel of a source has in flight at a time: the rows of so many sums interleave.
pub(crate) fn interleaved(source: &Source) -> usize {
    match source {
        Source::RealConv { geometry, products, .. } if *products != Products::F32 => narrow(geometry).1,
        Source::RealConv { geometry, .. } if !is_depthwise(geometry) => real(geometry).1,
        _ => 1,
    }
}

/// Pixels and blocks of a tile of a real-valued convolution whose rows the runtime computes, and why.
pub(super) fn row_tile(source: &Source) -> Option<([usize; 2], Fit)> {
    let Source::RealConv { geometry: g, products, .. } = source else { return None };
    let (pixels, blocks) = match products {
        Products::F32 if is_depthwise(g) || is_pointwise(source) => return None,
        Products::F32 => real(g),
        _ => narrow(g),
    };
    let width = g.output[1];
    let fit = match width {
        1 => Fit::Channels,
        _ if pixels == width => Fit::Row,
        _ if g.kernel == [1, 1] => Fit::Rest(width % pixels),
        _ => Fit::Registers(registers(g)),
    };
    Some(([pixels, blocks], fit))
}

/// Pixels of a tile of a real-valued convolution, and blocks of 16 output channels. Levels with fewer registers cut both down
/// by themselves.
pub(crate) fn real(g: &Geometry) -> (usize, usize) {
    let width = g.output[1];
    let blocks = (g.output[2] / g.groups).div_ceil(16);
    // Blocks that span groups are computed one by one.
    let divides = |v: usize| blocks.is_multiple_of(v) && !super::is_mixed(g);
    if width == 1 {
        // A fully connected layer: independent sums come from the channels alone.
        return (1, [4, 3, 2].into_iter().find(|&v| divides(v)).unwrap_or(1));
    }
    if g.kernel == [1, 1] {
        // Few inputs per sum: the fewest single pixels at the end of a row matter most; then more of them, which load weights less often.
        let pixels = (4..=14).rev().filter(|&p| p <= width).min_by_key(|&p| width % p);
        return (pixels.unwrap_or(width), 1);
    }
    // As many blocks as there are, so that single pixels at the border are enough independent sums; then the pixels that leave
    // the least of the last tile unused, of those that fit into the registers.
    let v = [4, 2].into_iter().find(|&v| divides(v)).unwrap_or(1);
    let inside = inside(g);
    let pixels = (4..=registers(g) / v).rev().filter(|&p| p <= inside).min_by_key(|&p| inside.next_multiple_of(p));
    (pixels.unwrap_or(width.min(6)), v)
}

/// Registers that a tile of a convolution of several taps may take. Where lanes are of several groups, their values are put together for
/// each pixel anew, and with more than twelve pixels the compiler leaves the sums in memory.
fn registers(g: &Geometry) -> usize {
    if super::is_mixed(g) { 12 } else { 24 }
}

/// The same of a convolution of narrow numbers, for which every pixel is an interior one.
pub(crate) fn narrow(g: &Geometry) -> (usize, usize) {
    let width = g.output[1];
    let framed = Geometry { input: [g.input[0], usize::MAX / 4, g.input[2]], pads: [0, 0], ..*g };
    let (pixels, blocks) = real(&framed);
    (pixels.min(width), blocks)
}

/// Pixels of a row none of whose taps lies left or right of the image.
fn inside(g: &Geometry) -> usize {
    let (pad, stride) = (g.pads[1], g.strides[1]);
    let reach = (g.kernel[1] - 1) * g.dilations[1];
    let end = (g.input[1] + pad).saturating_sub(reach).div_ceil(stride).min(g.output[1]);
    end.saturating_sub(pad.div_ceil(stride))
}

/// Blocks of units of a gate's layer that are computed together: each sum is a chain, and one chain alone would wait for itself.
pub(crate) fn gate_blocks(layer: &Dense) -> usize {
    layer.outputs.div_ceil(LANES).min(4)
}
