//! Geometries as constants of the emitted file, each once.

use std::collections::HashMap;

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::names::Names;
use super::text::{array, n};
use crate::ir::network::Geometry;

/// Constants handed out so far.
#[derive(Default)]
pub(super) struct Shapes {
    names: Names,
    known: HashMap<String, Ident>,
    /// The items, in order of first use.
    pub(super) items: TokenStream,
}

impl Shapes {
    fn constant(&mut self, base: &str, ty: &TokenStream, value: &TokenStream) -> Ident {
        let key = format!("{ty}{value}");
        if let Some(name) = self.known.get(&key) {
            return name.clone();
        }
        let name = self.names.unique(base);
        self.items.extend(quote!(const #name: #ty = #value;));
        self.known.insert(key, name.clone());
        name
    }

    /// Geometry of a real-valued convolution.
    pub(super) fn real(&mut self, g: &Geometry) -> Ident {
        let (count, groups) = (n(g.n), n(g.groups));
        let (input, output) = (array(&g.input), array(&g.output));
        let (kernel, strides, dilations, pads) =
            (array(&g.kernel), array(&g.strides), array(&g.dilations), array(&g.pads));
        let value = quote! {
            RealShape {
                n: #count, input: #input, output: #output, kernel: #kernel, strides: #strides,
                dilations: #dilations, pads: #pads, groups: #groups
            }
        };
        let base = format!("CONV_{}X{}_{}_TO_{}", g.kernel[0], g.kernel[1], g.input[2], g.output[2]);
        self.constant(&base, &quote!(RealShape), &value)
    }
}
