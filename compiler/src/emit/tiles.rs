//! The table of tile shapes: how many pixels a kernel works on at once, by instruction set and geometry.
//!
//! A tile of a binary convolution holds 16 output channels of `P` neighbouring pixels in counters. On AVX-512 these are
//! `2 * P` of 32 registers (two vectors of eight 64-bit counters), so P = 7 leaves room for the weights and for the
//! differing bits; more pixels a tile mean fewer loads of weights. AVX2 has 16 registers of half the width, four to a
//! pixel. A row that P does not divide ends with single pixels, so P is chosen among the divisors first.

use proc_macro2::TokenStream;
use quote::quote;

use super::text::n;
use crate::block::Geometry;

/// Const arguments for each level that has its own; the last line is for all others.
pub(super) type Arms = Vec<(Option<&'static str>, Vec<usize>)>;

/// The largest candidate that leaves the fewest single pixels at the end of a row.
fn best(width: usize, candidates: &[usize]) -> usize {
    let waste = |p: usize| if p > width { usize::MAX } else { width % p };
    candidates.iter().copied().min_by_key(|&p| (waste(p), usize::MAX - p)).filter(|&p| p <= width).unwrap_or(1)
}

/// Pixels of a tile of a binary convolution.
pub(super) fn binary(g: &Geometry) -> Arms {
    let width = g.output[1];
    vec![
        (Some("Avx512"), vec![best(width, &[7, 8, 6, 5, 4, 3, 2])]),
        (Some("Avx2"), vec![best(width, &[2])]),
        (None, vec![1]),
    ]
}

/// Pixels of a tile of a real-valued convolution, and blocks of 16 output channels.
pub(super) fn real(g: &Geometry) -> Arms {
    let width = g.output[1];
    let blocks = (g.output[2] / g.groups).div_ceil(16);
    let wide = if blocks.is_multiple_of(4) {
        4
    } else if blocks.is_multiple_of(2) {
        2
    } else {
        1
    };
    let pixels = |room: usize| best(width, &(2..=room.min(8)).rev().collect::<Vec<_>>());
    vec![(Some("Avx512"), vec![pixels(24 / wide), wide]), (Some("Avx2"), vec![pixels(4), 1]), (None, vec![1, 1])]
}

/// One call per level: the level is a constant, so that all but one arm vanish.
pub(super) fn select(arms: &Arms, call: impl Fn(TokenStream) -> TokenStream) -> TokenStream {
    let arguments = |values: &[usize]| {
        let values = values.iter().map(|&v| n(v));
        quote!(#(#values),*)
    };
    if arms.iter().all(|a| a.1 == arms[0].1) {
        return call(arguments(&arms[0].1));
    }
    let lines = arms.iter().map(|(level, values)| {
        let call = call(arguments(values));
        match level {
            Some(level) => {
                let level = quote::format_ident!("{level}");
                quote!(Level::#level => #call,)
            }
            None => quote!(_ => #call,),
        }
    });
    quote!(match S::LEVEL { #(#lines)* })
}
