//! A tiled block: its kernel type (one per distinct geometry and steps) and the values one call fills it with.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::bands;
use super::shapes::Shapes;
use super::text::{doc, float, n};
use super::tile::{Field, Steps, Tile};
use super::tiles;
use crate::ir::network::{Arithmetic, BitPadding, Geometry, Network, Products, Source, Storage};
use crate::plan::{Blob, blob};

/// A kernel type in the making.
pub(super) struct Kernel {
    /// Base of the type's name.
    pub(super) base: String,
    /// One sentence on what it computes.
    pub(super) title: String,
    /// Fields of the source: operands and weights.
    pub(super) fields: Vec<Field>,
    /// Body of `Kernel::run`.
    run: TokenStream,
    /// Further impls, in terms of `K`, the type's name.
    taps: Option<TokenStream>,
    /// The numbers it multiplies.
    arithmetic: Arithmetic,
}

/// True when each channel is convolved on its own, which has a kernel of its own.
pub(super) fn is_depthwise(g: &Geometry) -> bool {
    g.groups > 1 && g.groups == g.input[2] && g.groups == g.output[2]
}

/// How many blocks of 16 channels the kernel of a source has in flight at a time: the rows of so many sums interleave.
pub(crate) fn interleaved(source: &Source) -> usize {
    match source {
        Source::RealConv { geometry, products, .. } if *products != Products::F32 => tiles::narrow(geometry).1,
        Source::RealConv { geometry, .. } if !is_depthwise(geometry) => tiles::real(geometry).1,
        _ => 1,
    }
}

fn field(name: &str, ty: TokenStream, value: TokenStream) -> Field {
    Field { name: format_ident!("{name}"), ty, value, cut: None }
}

fn weights(blob: &mut Blob, floats: &[f32]) -> Field {
    let span = blob.floats(floats);
    let (offset, len) = (n(span.offset), n(span.len));
    field("weights", quote!(&'a [Le<f32>]), quote!(WEIGHTS.floats(#offset, #len)))
}

/// What rounds the input of a narrow block from `x` into `narrow`, both expressions.
pub(super) fn rounding(
    planar: bool,
    geometry: &Geometry,
    products: &Products,
    x: &TokenStream,
    narrow: &TokenStream,
    shapes: &mut Shapes,
) -> TokenStream {
    match products {
        Products::F32 => TokenStream::new(),
        Products::Bf16 { .. } => {
            let shape = shapes.real(geometry);
            quote!(input_to_bf16(&#shape, #planar, #x, #narrow);)
        }
        Products::Int8 { quantized, .. } => {
            let (shape, inverse) = (shapes.real(geometry), float(quantized.inverse_scale));
            let zero = n(usize::from(quantized.zero_point));
            quote!(input_to_int8(&#shape, #planar, #inverse, #zero, #x, #narrow);)
        }
    }
}

/// The kernel of a source; `input` is the expression of its operand.
pub(super) fn of(
    network: &Network,
    source: &Source,
    input: TokenStream,
    tile: &Tile,
    blob: &mut Blob,
    shapes: &mut Shapes,
) -> Kernel {
    let x = |input| field("x", quote!(&'a [f32]), input);
    match source {
        Source::BinaryConv { input: bits, geometry: g, weights, padding } => {
            let Storage::Bits(layout) = &network.tensor(*bits).storage else {
                unreachable!("checked: a binary convolution reads bits")
            };
            let span = blob.words(&blob::binary_weights(weights, g));
            let (offset, len) = (n(span.offset), n(span.len));
            let run =
                tiles::select(g, |p| quote!(binary_conv::<Self, S, _, #p>(s, self.bits, self.weights, &mut tile)));
            Kernel {
                base: format!(
                    "BinaryConv{}At{}x{}x{}To{}",
                    kernel_name(g),
                    g.input[0],
                    g.input[1],
                    g.input[2],
                    g.output[2]
                ),
                title: binary_title(g, *padding),
                fields: vec![
                    field("bits", quote!(&'a [u64]), input),
                    field("weights", quote!(&'a [Le<u64>]), quote!(WEIGHTS.words(#offset, #len))),
                ],
                run,
                taps: Some(Shapes::binary(g, layout.frame, *padding)),
                arithmetic: Arithmetic::F32,
            }
        }
        Source::RealConv { geometry: g, weights: w, products, .. } if *products != Products::F32 => {
            narrow_conv(g, w, products, x(input), blob, shapes)
        }
        Source::RealConv { geometry: g, weights: w, planar, .. } => {
            let depthwise = is_depthwise(g);
            let shape = shapes.real(g);
            let (weights, run) = if depthwise {
                let run = quote!(depthwise_conv(s, &#shape, self.x, self.weights, &mut tile));
                (weights(blob, &blob::depthwise_weights(w, g)), run)
            } else {
                let (p, v) = tiles::real(g);
                let (p, v) = (n(p), n(v));
                let conv = if *planar { quote!(planar_conv) } else { quote!(real_conv) };
                let run = quote!(#conv::<S, _, #p, #v>(s, &#shape, self.x, self.weights, &mut tile));
                (weights(blob, &blob::real_weights(w, g)), run)
            };
            let [h, w, c] = g.input;
            Kernel {
                base: format!(
                    "{}{}At{h}x{w}x{c}To{}",
                    if depthwise { "DepthwiseConv" } else { "Conv" },
                    kernel_name(g),
                    g.output[2]
                ),
                title: format!("Real-valued {}", geometry_title(g)),
                fields: vec![x(input), weights],
                run,
                taps: None,
                arithmetic: Arithmetic::F32,
            }
        }
        Source::MaxPool { geometry: g, .. } => {
            let shape = shapes.pool(g, None);
            pool("MaxPool", "Maximum", g, x(input), quote!(max_pool(s, &#shape, self.x, &mut tile)))
        }
        Source::AveragePool { geometry: g, count_include_pad, .. } => {
            let shape = shapes.pool(g, *count_include_pad);
            pool("AveragePool", "Mean", g, x(input), quote!(average_pool(s, &#shape, self.x, &mut tile)))
        }
        Source::Planes { .. } => {
            let [count, h, w, c] = source.extents(network);
            let extents = [count, h, w, c].map(n);
            Kernel {
                base: format!("PlanesAt{h}x{w}x{c}"),
                title: format!("Element-wise on planes, {h}x{w}x{c}"),
                fields: vec![x(input)],
                run: quote!(planes(s, #(#extents),*, self.x, &mut tile)),
                taps: None,
                arithmetic: Arithmetic::F32,
            }
        }
        Source::Map { .. } => {
            let [count, h, w, c] = source.extents(network);
            let extents = [count, h, w, c].map(n);
            let (fields, run) = if tile.loads {
                (Vec::new(), quote!(pixels(s, #(#extents),*, &mut tile)))
            } else {
                (vec![x(input)], quote!(map(s, #(#extents),*, self.x, &mut tile)))
            };
            Kernel {
                base: format!("MapAt{h}x{w}x{c}"),
                title: format!("Element-wise, {h}x{w}x{c}"),
                fields,
                run,
                taps: None,
                arithmetic: Arithmetic::F32,
            }
        }
    }
}

/// A convolution of narrow numbers; `x` holds them already.
fn narrow_conv(g: &Geometry, w: &[f32], products: &Products, x: Field, blob: &mut Blob, shapes: &mut Shapes) -> Kernel {
    let shape = shapes.real(g);
    let arithmetic = products.arithmetic();
    let words = match products {
        Products::Int8 { quantized, .. } => blob::int8_weights(quantized, g),
        _ => blob::bf16_weights(w, g),
    };
    let span = blob.narrow(&words);
    let (offset, len) = (n(span.offset), n(span.len));
    let (p, v) = tiles::narrow(g);
    let (p, v) = (n(p), n(v));
    let [height, width, c] = g.input;
    let word = if arithmetic == Arithmetic::Bf16 { "Bf16" } else { "Int8" };
    Kernel {
        base: format!("{word}Conv{}At{height}x{width}x{c}To{}", kernel_name(g), g.output[2]),
        title: format!("In {}: {}", arithmetic.name(), geometry_title(g)),
        fields: vec![x, field("weights", quote!(&'a [Le<u32>]), quote!(WEIGHTS.narrow(#offset, #len)))],
        run: quote!(narrow_conv::<S, D, _, #p, #v>(s, d, &#shape, self.x, self.weights, &mut tile)),
        taps: None,
        arithmetic,
    }
}

fn pool(base: &str, title: &str, g: &Geometry, x: Field, run: TokenStream) -> Kernel {
    let [h, w, c] = g.input;
    Kernel {
        base: format!("{base}{}At{h}x{w}x{c}", kernel_name(g)),
        title: format!(
            "{title} over {}x{} windows, {h}x{w}x{c} -> {}x{}x{c}",
            g.kernel[0], g.kernel[1], g.output[0], g.output[1]
        ),
        fields: vec![x],
        run,
        taps: None,
        arithmetic: Arithmetic::F32,
    }
}

impl Kernel {
    /// The items of the type, under a given name.
    pub(super) fn items(&self, name: &Ident, tile: &Tile) -> TokenStream {
        let tile_name = format_ident!("{name}Tile");
        let title = doc(&self.title);
        let tile_title = doc(&format!("What a tile of [`{name}`] goes through in registers."));
        let field = |f: &Field| {
            let (name, ty) = (&f.name, &f.ty);
            quote!(#name: #ty,)
        };
        let fields = |steps: &Steps| -> Vec<TokenStream> {
            let band = steps.band.map(|_| quote!(band: Range<usize>,));
            band.into_iter().chain(steps.fields.iter().map(field)).collect()
        };
        let core_fields = self.fields.iter().map(field);
        let tile_fields = fields(&tile.steps);
        let has_lifetime = !tile.steps.fields.is_empty() || !self.fields.is_empty();
        assert!(has_lifetime, "{name}: a kernel without operands");
        // A tile that loads its values itself ignores those it is given.
        let value = if tile.loads { format_ident!("_v") } else { format_ident!("v") };
        let steps = epilogue(&tile_name, &value, &tile.steps);
        let pooled = tile.pooled.as_ref().map(|pooled| {
            let pooled_name = format_ident!("{name}Pooled");
            let title = doc(&format!("What a tile of [`{name}`] goes through behind its pool."));
            let fields = fields(pooled);
            let steps = epilogue(&pooled_name, &format_ident!("v"), pooled);
            quote! {
                #title
                struct #pooled_name<'a> { #(#fields)* }

                #steps
            }
        });
        let pooled_field = tile.pooled.as_ref().map(|_| {
            let pooled_name = format_ident!("{name}Pooled");
            quote!(pooled: #pooled_name<'a>,)
        });
        let taps = self.taps.as_ref().map(|shape| {
            quote! {
                impl Taps for #name<'_> {
                    const SHAPE: BinaryShape = #shape;
                }
            }
        });
        let work = tile.is_shared().then(|| bands::work(name, &self.fields, &self.door(), tile));
        let run = &self.run;
        let (kernel, parameters, arguments) = match self.arithmetic {
            Arithmetic::F32 => (quote!(Kernel), quote!(S: Simd), quote!(s: S)),
            _ => (quote!(NarrowKernel), quote!(S: Simd, D: NarrowDot<S>), quote!(s: S, d: D)),
        };
        // The tile is moved into a variable of the kernel's own, as only what is no argument in memory can be kept in
        // registers: the sums of a row above all.
        quote! {
            #title
            struct #name<'a> { #(#core_fields)* tile: #tile_name<'a> }

            #taps

            #tile_title
            struct #tile_name<'a> { #(#tile_fields)* #pooled_field }

            #steps

            #pooled

            impl #kernel for #name<'_> {
                type Output = ();

                #[inline(always)]
                fn run<#parameters>(self, #arguments) {
                    let mut tile = self.tile;
                    #run
                }
            }

            #work
        }
    }

    /// The function that runs it.
    pub(super) fn door(&self) -> TokenStream {
        match self.arithmetic {
            Arithmetic::F32 => quote!(dispatch),
            Arithmetic::Bf16 => quote!(dispatch_bf16),
            Arithmetic::Int8 => quote!(dispatch_int8),
        }
    }

    /// The expression that fills it.
    pub(super) fn value(&self, name: &Ident, tile: &Tile) -> TokenStream {
        let tile_name = format_ident!("{name}Tile");
        let assign = |f: &Field| {
            let (name, value) = (&f.name, &f.value);
            if *name == value.to_string() { quote!(#name,) } else { quote!(#name: #value,) }
        };
        let fields = |steps: &Steps| -> Vec<TokenStream> {
            let band = steps.band.map(|rows| {
                let rows = n(rows);
                quote!(band: 0..#rows,)
            });
            band.into_iter().chain(steps.fields.iter().map(assign)).collect()
        };
        let core_fields = self.fields.iter().map(assign);
        let tile_fields = fields(&tile.steps);
        let pooled = tile.pooled.as_ref().map(|pooled| {
            let pooled_name = format_ident!("{name}Pooled");
            let fields = fields(pooled);
            quote!(pooled: #pooled_name { #(#fields)* },)
        });
        quote!(#name { #(#core_fields)* tile: #tile_name { #(#tile_fields)* #pooled } })
    }
}

/// The impl of `Epilogue` for a struct of steps.
fn epilogue(name: &Ident, value: &Ident, steps: &Steps) -> TokenStream {
    let body = &steps.body;
    let end_row = (!steps.end_row.is_empty()).then(|| {
        let end = &steps.end_row;
        quote! {
            #[inline(always)]
            fn end_row<S: Simd>(&mut self, s: S, at: At) {
                #end
            }
        }
    });
    let start_row = (!steps.start_row.is_empty()).then(|| {
        let start = &steps.start_row;
        quote! {
            #[inline(always)]
            fn start_row<S: Simd>(&mut self, s: S, at: At) {
                #start
            }
        }
    });
    let rows = (!steps.rows.is_empty()).then(|| {
        let rows = &steps.rows;
        quote! {
            #[inline(always)]
            fn rows(&self) -> Range<usize> {
                #rows
            }
        }
    });
    quote! {
        impl Epilogue for #name<'_> {
            #rows
            #start_row

            #[inline(always)]
            fn tile<S: Simd>(&mut self, s: S, #value: S::F, at: At) {
                #body
            }
            #end_row
        }
    }
}

pub(super) fn kernel_name(g: &Geometry) -> String {
    let mut name = format!("{}x{}", g.kernel[0], g.kernel[1]);
    if g.strides != [1, 1] {
        name += &format!("Stride{}", g.strides[1]);
    }
    name
}

pub(super) fn geometry_title(g: &Geometry) -> String {
    let ([h, w, c], [oh, ow, oc]) = (g.input, g.output);
    let mut title = if g.kernel == [1, 1] && h == 1 && oh == 1 && g.n == 1 && w == 1 {
        format!("fully connected layer, {c} -> {oc}")
    } else {
        format!("{}x{} convolution, {h}x{w}x{c} -> {oh}x{ow}x{oc}", g.kernel[0], g.kernel[1])
    };
    if g.strides != [1, 1] {
        title += &format!(", stride {}x{}", g.strides[0], g.strides[1]);
    }
    if g.dilations != [1, 1] {
        title += &format!(", dilation {}x{}", g.dilations[0], g.dilations[1]);
    }
    if g.groups > 1 {
        title += &format!(", {} groups", g.groups);
    }
    title
}

pub(super) fn binary_title(g: &Geometry, padding: BitPadding) -> String {
    let padded = g.pads != [0, 0] || g.kernel != [1, 1];
    let padding = match padding {
        _ if !padded => "",
        BitPadding::Zero => ", zero padding",
        BitPadding::Plus => ", padding +1",
        BitPadding::Minus => ", padding -1",
    };
    format!("Binary {}{padding}", geometry_title(g))
}
