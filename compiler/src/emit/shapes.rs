//! Geometries as constants of the emitted file, each once.

use std::collections::HashMap;

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::names::Names;
use super::text::{array, n};
use crate::ir::network::{BitPadding, Geometry, NetTensor, Storage};

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

    /// Layout of packed sign bits.
    pub(super) fn bits(&mut self, tensor: &NetTensor) -> Ident {
        let Storage::Bits(layout) = &tensor.storage else { panic!("{} is not bits", tensor.name) };
        let [count, h, w, c] = [0, 1, 2, 3].map(|i| tensor.shape[i]);
        let (n0, h0, w0, c0, groups) = (n(count), n(h), n(w), n(c), n(layout.groups));
        let (frame, ones) = (array(&layout.frame), layout.frame_ones);
        let value =
            quote!(BitShape { n: #n0, h: #h0, w: #w0, c: #c0, groups: #groups, frame: #frame, frame_ones: #ones });
        self.constant(&format!("BITS_{h}X{w}X{c}"), &quote!(BitShape), &value)
    }

    /// Geometry of a binary convolution over bits with this layout.
    pub(super) fn binary(g: &Geometry, frame: [usize; 4], padding: BitPadding) -> TokenStream {
        let (count, channels, groups) = (n(g.n), n(g.input[2] / g.groups), n(g.groups));
        let (input, output, frame) = (array(&g.input[..2]), array(&g.output), array(&frame));
        let (kernel, strides, dilations, pads) =
            (array(&g.kernel), array(&g.strides), array(&g.dilations), array(&g.pads));
        let zero = padding == BitPadding::Zero;
        quote! {
            BinaryShape {
                n: #count, input: #input, frame: #frame, channels: #channels, groups: #groups, output: #output,
                kernel: #kernel, strides: #strides, dilations: #dilations, pads: #pads, zero_padding: #zero
            }
        }
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

    /// Geometry of a pool.
    pub(super) fn pool(&mut self, g: &Geometry, include_pad: Option<[usize; 2]>) -> Ident {
        let count = n(g.n);
        let (input, output) = (array(&g.input), array(&g.output));
        let (kernel, strides, dilations, pads) =
            (array(&g.kernel), array(&g.strides), array(&g.dilations), array(&g.pads));
        let include = match include_pad {
            Some(pads) => {
                let pads = array(&pads);
                quote!(Some(#pads))
            }
            None => quote!(None),
        };
        let value = quote! {
            PoolShape {
                n: #count, input: #input, output: #output, kernel: #kernel, strides: #strides,
                dilations: #dilations, pads: #pads, include_pad: #include
            }
        };
        self.constant(
            &format!("POOL_{}X{}_AT_{}X{}", g.kernel[0], g.kernel[1], g.input[0], g.input[1]),
            &quote!(PoolShape),
            &value,
        )
    }
}
