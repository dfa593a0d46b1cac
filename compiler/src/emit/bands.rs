//! How a kernel is divided into bands of rows, which threads can compute at the same time.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::text::{doc, n};
use super::tile::{Field, Steps, Tile};

/// The parts of some steps for the first rows and for the rest: the `let` lines that divide their fields, and the fields of
/// either part.
struct Parts {
    lines: TokenStream,
    first: TokenStream,
    rest: TokenStream,
}

impl Parts {
    fn of(steps: &Steps, holder: &Ident) -> Self {
        let cut: Vec<(&Ident, &TokenStream)> =
            steps.fields.iter().filter_map(|f| f.cut.as_ref().map(|cut| (&f.name, cut))).collect();
        let names = cut.iter().map(|(name, _)| *name);
        let lets = cut.iter().map(|(name, cut)| quote!(let #name = #cut;));
        let (first, rest) = (names.clone().map(|f| quote!(#f: #f.0,)), names.map(|f| quote!(#f: #f.1,)));
        let mut parts = Self { lines: quote!(#(#lets)*), first: quote!(#(#first)*), rest: quote!(#(#rest)*) };
        if steps.band.is_some() {
            // Last, as the others look where it begins.
            parts.lines.extend(quote!(let band = cut_rows(#holder.band, count);));
            parts.first.extend(quote!(band: band.0,));
            parts.rest.extend(quote!(band: band.1,));
        }
        parts
    }
}

/// The impl of `Work` for a kernel, whose source has the fields `core`, and which the function `door` runs.
pub(super) fn work(name: &Ident, core: &[Field], door: &TokenStream, tile: &Tile) -> TokenStream {
    let tile_name = format_ident!("{name}Tile");
    let (holder, inner) = (format_ident!("tile"), format_ident!("pooled"));
    let mut parts = Parts::of(&tile.steps, &holder);
    let mut band = quote!(self.tile.band);
    if let Some(pooled) = &tile.pooled {
        let pooled_name = format_ident!("{name}Pooled");
        let Parts { lines, first, rest } = Parts::of(pooled, &inner);
        // In a scope of their own: both sides of the pool may have fields of the same name.
        parts.lines.extend(quote! {
            let pooled = {
                let pooled = tile.pooled;
                #lines
                (#pooled_name { #first ..pooled }, #pooled_name { #rest ..pooled })
            };
        });
        parts.first.extend(quote!(pooled: pooled.0,));
        parts.rest.extend(quote!(pooled: pooled.1,));
        band = quote!(self.tile.pooled.band);
    }
    let Parts { lines, first, rest } = parts;
    // The fields of the source are the same for all.
    assert!(core.iter().all(|field| field.cut.is_none()), "{name}: a core that is divided");
    let run = match &tile.window {
        None => quote!(#door(self);),
        Some((window, ..)) => quote! {
            if self.tile.#window.is_empty() { self.apart() } else { #door(self) }
        },
    };
    let apart = tile.window.as_ref().map(|(window, path, len)| {
        let text = doc(&format!(
            "A band after the first has no rows of windows yet: they take {} bytes of its thread's stack.",
            super::text::thousands(4 * *len as u64)
        ));
        let len = n(*len);
        quote! {
            impl #name<'_> {
                #text
                #[inline(never)]
                fn apart(self) {
                    let mut window = [0.0; #len];
                    let tile = #tile_name { #window: #path::new(&mut window), ..self.tile };
                    #door(#name { tile, ..self });
                }
            }
        }
    });
    quote! {
        impl Work for #name<'_> {
            fn rows(&self) -> Range<usize> {
                #band.clone()
            }

            fn split(self, count: usize) -> (Self, Self) {
                let tile = self.tile;
                #lines
                let first = #tile_name { #first ..tile };
                let rest = #tile_name { #rest ..tile };
                (Self { tile: first, ..self }, Self { tile: rest, ..self })
            }

            fn run(self) {
                #run
            }
        }

        #apart
    }
}
