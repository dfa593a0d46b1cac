//! Real-valued convolutions and fully connected layers: the runtime computes a row of some blocks of channels, the steps are here.

use proc_macro2::TokenStream;
use quote::quote;

use super::steps::Fields;
use super::text::scaled;
use super::{Operand, Source};
use crate::emit::shapes::Shapes;
use crate::emit::text::{float, n};
use crate::ir::network::{Geometry, Products, TensorId};
use crate::plan::{LANES, Within, blob};
use crate::schedule::{Nest, is_mixed, narrow, real};

/// A convolution of one tap, which is written out: sums of the input's channels by fused multiply-add, in order.
pub(super) fn pointwise(
    nest: &Nest,
    input: TensorId,
    g: &Geometry,
    weights: &[f32],
    fields: &mut Fields<'_, '_>,
) -> Source {
    let g = one_image(nest, g);
    let [h, w, c] = g.input.map(n);
    let ty = quote!(Table<Table<Table<f32, #c>, #w>, #h>);
    let all = fields.by_image(&ty);
    let view = fields.views.read(input, "from", &all);
    let value = fields.of_image(view, false);
    let packed = blob::real_weights(weights, &g);
    let at = n(fields.blob.floats(&packed).offset);
    let blocks = n(nest.grid.blocks());
    let (y, x) = (scaled(g.strides[0], &quote!(y)), scaled(g.strides[1], &quote!(x)));
    let ahead = (nest.grid.rows > 1 && nest.grid.blocks() > 1).then(|| {
        let rows = n(nest.grid.rows);
        quote!(prefetch(s, self.weights, block + 1, y, #rows);)
    });
    let p = scaled(g.strides[1], &quote!(p));
    let (span, start, take, value_of) = if super::is_single(nest) {
        let take = quote!(sum = s.fma(s.splat(from[0][i]), w, sum););
        (quote!(1), quote!(let mut sum = s.splat(0.0);), take, quote!(let v = sum;))
    } else {
        let take = quote!(for p in 0..P { sums[p] = s.fma(s.splat(from[#p][i]), w, sums[p]); });
        (quote!(Q), quote!(let mut sums = [s.splat(0.0); P];), take, quote!(let v = sums[p];))
    };
    let tile = match nest.plain {
        // One sum, which stays in registers.
        true => quote! {
            let from = self.from[#y].window::<1>(#x);
            let v = s.fma_run(s.splat(0.0), &from[0].0, 1, w);
        },
        false => quote! {
            let from = self.from[#y].window::<#span>(#x);
            #start
            for (i, w) in w.iter().enumerate() {
                let w = s.load_le(w);
                #take
            }
        },
    };
    Source {
        fields: vec![
            Operand { name: "from", text: None, ty: quote!(&'a #ty), value },
            Operand {
                name: "weights",
                text: Some("`[block of channels][input][channel]`".to_owned()),
                ty: quote!(&'a Table<[[Le<f32>; 16]; #c], #blocks>),
                value: quote!(WEIGHTS.at::<#at, _>()),
            },
        ],
        block: quote!(let w = &self.weights[block];),
        row: quote!(#ahead),
        tile,
        value: if nest.plain { TokenStream::new() } else { value_of },
        ..Source::default()
    }
}

/// A row of a convolution in f32. `within`: where the input lies in the block's result.
#[allow(clippy::too_many_arguments)] // a layer, and what is filled on the way
pub(super) fn floats(
    nest: &Nest,
    input: TensorId,
    planar: bool,
    g: &Geometry,
    weights: &[f32],
    within: Option<Within>,
    fields: &mut Fields<'_, '_>,
    shapes: &mut Shapes,
) -> Source {
    let g = one_image(nest, g);
    let shape = shapes.real(&g);
    let [h, w, c] = g.input.map(n);
    let ty = if planar { quote!([[[f32; #w]; #h]; #c]) } else { quote!([[[f32; #c]; #w]; #h]) };
    let mut operands = Vec::new();
    let from = match within.and_then(|within| Some((within, fields.written(within.result)?))) {
        Some((within, result)) => {
            let (tensor, at, len) = (fields.reach(&result), n(within.ahead), n(g.input.iter().product()));
            quote!(#tensor.floats(#at, #len))
        }
        None => {
            let all = fields.by_image(&ty);
            let view = fields.views.read(input, "from", &all);
            let value = fields.of_image(view, false);
            operands.push(Operand { name: "from", text: None, ty: quote!(&'a #ty), value });
            quote!(self.from.as_flattened().as_flattened())
        }
    };
    let packed = blob::real_weights(weights, &g);
    let at = n(fields.blob.floats(&packed).offset);
    let rows = n(packed.len() / LANES);
    let (pixels, together) = real(&g);
    assert_eq!(together, nest.together, "blocks that are computed together");
    let (pixels, together, width) = (n(pixels), n(together), n(g.output[1]));
    let mixed = is_mixed(&g);
    let row = if mixed {
        quote!(grouped_conv_row::<S, #pixels, #planar, #width>(s, &#shape, from, self.weights, block, y, &mut row[0]);)
    } else {
        quote!(real_conv_row::<S, #pixels, #together, #planar, #width>(s, &#shape, from, self.weights, block, y, &mut row);)
    };
    operands.push(Operand {
        name: "weights",
        text: Some(format!(
            "`[block of channels][row of taps][column of taps][{}][channel]`",
            match mixed {
                true => "input of the channel's group",
                false => "input",
            }
        )),
        ty: quote!(&'a [[Le<f32>; 16]; #rows]),
        value: quote!(WEIGHTS.at::<#at, _>()),
    });
    Source {
        fields: operands,
        computed: Some(quote! {
            let from = #from;
            #row
        }),
        ..Source::default()
    }
}

/// A row of a convolution of narrow numbers, to which the input is rounded first.
#[allow(clippy::too_many_arguments)] // a layer, and what is filled on the way
pub(super) fn narrow_numbers(
    nest: &Nest,
    input: TensorId,
    planar: bool,
    g: &Geometry,
    weights: &[f32],
    products: &Products,
    fields: &mut Fields<'_, '_>,
    shapes: &mut Shapes,
) -> Source {
    // All images are rounded at once.
    let g = &Geometry { n: nest.grid.images, ..one_image(nest, g) };
    let shape = shapes.real(g);
    let words = match products {
        Products::Int8 { quantized, .. } => blob::int8_weights(quantized, g),
        _ => blob::bf16_weights(weights, g),
    };
    let at = n(fields.blob.narrow(&words).offset);
    let rows = n(words.len() / LANES);
    let narrow_id = products.narrow().expect("narrow numbers");
    let len = |id: TensorId, fields: &Fields<'_, '_>| n(fields.len(id));
    let narrow_len = len(narrow_id, fields);
    // A skip may read the same values, as rows of pixels.
    let [h, w, c] = g.input.map(n);
    let ty = if planar { quote!([[[f32; #w]; #h]; #c]) } else { quote!([[[f32; #c]; #w]; #h]) };
    let view = fields.views.read(input, "x", &fields.by_image(&ty));
    let x = match nest.grid.images {
        1 => quote!(#view.as_flattened().as_flattened()),
        _ => quote!(#view.0.as_flattened().as_flattened().as_flattened()),
    };
    let rounded = fields.views.write(narrow_id, "narrow", &quote!([f32; #narrow_len]));
    let rounding = match products {
        Products::Int8 { quantized, .. } => {
            let (inverse, zero) = (float(quantized.inverse_scale), n(usize::from(quantized.zero_point)));
            quote!(input_to_int8(&#shape, #planar, #inverse, #zero, #x, #rounded);)
        }
        _ => quote!(input_to_bf16(&#shape, #planar, #x, #rounded);),
    };
    let (pixels, together) = narrow(g);
    assert_eq!(together, nest.together, "blocks that are computed together");
    let (pixels, together, width) = (n(pixels), n(together), n(g.output[1]));
    let mut operands = vec![
        Operand {
            name: "from",
            text: Some("Narrow numbers, framed by padding.".to_owned()),
            ty: quote!(&'a [f32; #narrow_len]),
            value: quote!(#rounded),
        },
        Operand {
            name: "weights",
            text: Some("`[block of channels][row of taps][run][word][channel]`".to_owned()),
            ty: quote!(&'a [[Le<u32>; 16]; #rows]),
            value: quote!(WEIGHTS.at::<#at, _>()),
        },
    ];
    let image = if nest.grid.images > 1 {
        operands.push(Operand { name: "image", text: None, ty: quote!(usize), value: quote!(image) });
        quote!(self.image)
    } else {
        quote!(0)
    };
    Source {
        fields: operands,
        before: rounding,
        computed: Some(quote! {
            narrow_conv_row::<S, D, #pixels, #together, #width>(
                s, d, &#shape, self.from, self.weights, block, [#image, y], &mut row,
            );
        }),
        ..Source::default()
    }
}

/// The geometry of what the loops take for one image.
fn one_image(nest: &Nest, g: &Geometry) -> Geometry {
    if nest.grid.images == g.n {
        return Geometry { n: 1, ..*g };
    }
    // Images of one pixel each, which are rows of one.
    Geometry { n: 1, input: [g.n, 1, g.input[2]], output: [g.n, 1, g.output[2]], ..*g }
}
