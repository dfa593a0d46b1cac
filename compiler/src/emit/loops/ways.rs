//! Which of a nest's loops each instruction set runs: `match S::LEVEL`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::is_single;
use crate::emit::text::n;
use crate::schedule::{Levels, Nest};

/// What an instruction set runs.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Way {
    /// The only loops that there are beside those down the lanes.
    Loops,
    /// Tiles of so many pixels, which lie over so many columns of the input.
    Tiles(usize, usize),
    /// Counting down the lanes.
    Planes,
    /// The same with pixels as lanes.
    PixelLanes,
}

/// The way of every instruction set.
#[derive(Clone, Copy)]
pub(super) struct Ways([Way; LEVELS.len()]);

/// As the runtime calls them. The last is "else" in a match.
const LEVELS: [&str; 7] = ["Avx512", "Avx512Bw", "Avx2", "Neon", "Simd128", "Popcnt", "Portable"];

impl Ways {
    /// One for all.
    pub(super) const ONE: Self = Self([Way::Loops; LEVELS.len()]);

    /// Those of a tiled block.
    pub(super) fn of(nest: &Nest) -> Self {
        let [avx512, avx2, neon, simd128] = nest.pixels.all();
        let pixels = [avx512, avx512, avx2, neon, simd128, 1, 1];
        let each = |levels: Levels| {
            [false, levels.avx2, levels.avx2, levels.neon, levels.simd128, levels.popcnt, levels.portable]
        };
        let pixel_lanes = nest.pixel_lanes.map(|pixels| each(pixels.levels)).unwrap_or_default();
        let down = nest.down.map(|down| each(down.levels).map(|counts| counts || down.only)).unwrap_or_default();
        Self(std::array::from_fn(|level| match nest.axes {
            _ if pixel_lanes[level] => Way::PixelLanes,
            _ if down[level] => Way::Planes,
            Some([_, columns]) if !is_single(nest) => {
                let pixels = pixels[level];
                let span = (pixels - 1) * columns.stride + (columns.kernel - 1) * columns.dilation + 1;
                Way::Tiles(pixels, span)
            }
            _ => Way::Loops,
        }))
    }

    /// Runs the way of the instruction set, and the functions of all ways; of a single one that needs no parameters, its body alone.
    /// `mutable` is `mut`, or nothing, in front of their `self`.
    pub(super) fn run(
        &self,
        body: &TokenStream,
        planes: Option<&TokenStream>,
        pixel_lanes: Option<&TokenStream>,
        mutable: Option<&TokenStream>,
    ) -> (TokenStream, Option<TokenStream>) {
        let [.., rest] = self.0;
        let is_one = self.0.iter().all(|way| *way == rest);
        match (rest, planes) {
            (Way::Loops, _) if is_one => return (body.clone(), None),
            (Way::Planes, Some(planes)) if is_one => return (planes.clone(), None),
            _ => {}
        }
        let mut arms: Vec<(Way, Vec<TokenStream>)> = Vec::new();
        for (way, level) in self.0.into_iter().zip(LEVELS).filter(|(way, _)| *way != rest) {
            let level = format_ident!("{level}");
            match arms.iter_mut().find(|(same, _)| *same == way) {
                Some((_, patterns)) => patterns.push(quote!(Level::#level)),
                None => arms.push((way, vec![quote!(Level::#level)])),
            }
        }
        let else_call = rest.call();
        let run = if arms.is_empty() {
            quote!(#else_call;)
        } else {
            let arms = arms.iter().map(|(way, patterns)| {
                let call = way.call();
                quote!(#(#patterns)|* => #call,)
            });
            quote!(match S::LEVEL { #(#arms)* _ => #else_call, })
        };
        let planes = planes.map(|body| {
            quote! {
                /// Counting down the lanes.
                #[inline(always)]
                fn planes<S: Simd>(#mutable self, s: S) { #body }
            }
        });
        let pixel_lanes = pixel_lanes.map(|body| {
            quote! {
                /// Counting down the lanes, with pixels as lanes.
                #[inline(always)]
                fn pixel_lanes<S: Simd>(#mutable self, s: S) { #body }
            }
        });
        let others = if self.0.iter().any(|way| matches!(way, Way::Tiles(..))) {
            quote! {
                /// In tiles of P pixels, which lie over Q columns.
                #[inline(always)]
                fn tiles<S: Simd, const P: usize, const Q: usize>(#mutable self, s: S) { #body }
            }
        } else {
            quote! {
                /// Counting across words.
                #[inline(always)]
                fn words<S: Simd>(#mutable self, s: S) { #body }
            }
        };
        (run, Some(quote!(#planes #pixel_lanes #others)))
    }
}

impl Way {
    fn call(self) -> TokenStream {
        match self {
            Self::Loops => quote!(self.words(s)),
            Self::Tiles(pixels, columns) => {
                let (pixels, columns) = (n(pixels), n(columns));
                quote!(self.tiles::<S, #pixels, #columns>(s))
            }
            Self::Planes => quote!(self.planes(s)),
            Self::PixelLanes => quote!(self.pixel_lanes(s)),
        }
    }
}
