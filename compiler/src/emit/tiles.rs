//! The table of tile shapes: how many pixels a kernel works on at once, by geometry and instruction set.
//!
//! A tile of a binary convolution holds the counters of 16 output channels of `P` neighbouring pixels; one of a real-valued
//! convolution the sums of `V` times 16 channels of `P` pixels. More pixels a tile mean fewer loads of weights, until the
//! registers are full. The figures were measured (`cargo run --release -p xnorc-runtime --example layers`); results never
//! depend on them.

use proc_macro2::TokenStream;
use quote::quote;

use super::text::n;
use crate::ir::network::Geometry;

/// Pixels of a tile of a binary convolution: `(AVX-512, others)`. Counters of one pixel take two of AVX-512's 32 registers,
/// but four of AVX2's 16, which also hold the table of the byte-wise popcount.
fn binary(g: &Geometry) -> (usize, usize) {
    let width = g.output[1];
    // A tile that fills the row leaves no single pixels behind; from 4 on the weights' loads no longer matter.
    let avx512 = (4..=7).rev().find(|&p| width.is_multiple_of(p)).unwrap_or(width.min(4));
    (avx512, width.min(2))
}

/// The call of a binary convolution, by level: the level is a constant, so that all but one arm vanish.
pub(super) fn select(g: &Geometry, call: impl Fn(TokenStream) -> TokenStream) -> TokenStream {
    let (avx512, others) = binary(g);
    let arm = |p: usize| {
        let p = n(p);
        call(quote!(#p))
    };
    if avx512 == others {
        return arm(others);
    }
    let (avx512, others) = (arm(avx512), arm(others));
    quote!(match S::LEVEL { Level::Avx512 => #avx512, _ => #others, })
}

/// Pixels of a tile of a real-valued convolution, and blocks of 16 output channels. Levels with fewer registers cut both down
/// by themselves.
pub(super) fn real(g: &Geometry) -> (usize, usize) {
    let width = g.output[1];
    let blocks = (g.output[2] / g.groups).div_ceil(16);
    let divides = |v: usize| blocks.is_multiple_of(v);
    if width == 1 {
        // A fully connected layer: independent sums come from the channels alone.
        return (1, [4, 3, 2].into_iter().find(|&v| divides(v)).unwrap_or(1));
    }
    if g.kernel == [1, 1] {
        // Few inputs per sum: the fewest single pixels at the end of a row matter most.
        let pixels = (4..=14).rev().filter(|&p| p <= width).min_by_key(|&p| (width % p, usize::abs_diff(p, 7)));
        return (pixels.unwrap_or(width), 1);
    }
    // As many blocks as there are, so that single pixels at the border are enough independent sums; then the pixels that leave
    // the least of the last tile unused, of those that fit into 24 registers.
    let v = [4, 2].into_iter().find(|&v| divides(v)).unwrap_or(1);
    let inside = inside(g);
    let pixels = (4..=24 / v).rev().filter(|&p| p <= inside).min_by_key(|&p| inside.next_multiple_of(p));
    (pixels.unwrap_or(width.min(6)), v)
}

/// The same of a convolution of narrow numbers, for which every pixel is an interior one.
pub(super) fn narrow(g: &Geometry) -> (usize, usize) {
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
