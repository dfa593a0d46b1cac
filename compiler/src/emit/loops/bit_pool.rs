//! Maximum over windows of ±1: the OR of their bits.

use proc_macro2::TokenStream;
use quote::quote;

use super::text::{any_of, offset, scaled};
use super::views::Views;
use crate::emit::text::{array, n};
use crate::ir::network::{BitLayout, Geometry, NetTensor, Network, Storage, TensorId};
use crate::schedule::Axis;

fn layout(tensor: &NetTensor) -> (&BitLayout, usize) {
    let Storage::Bits(layout) = &tensor.storage else { unreachable!("checked: a pool of bits") };
    (layout, layout.groups * tensor.words_per_group())
}

/// The body of the block's function.
pub(in crate::emit) fn bit_pool(
    network: &Network,
    input: TensorId,
    output: TensorId,
    g: &Geometry,
    views: &mut Views<'_>,
) -> TokenStream {
    let ((from, from_words), (to, to_words)) = (layout(network.tensor(input)), layout(network.tensor(output)));
    let extents = |layout: &BitLayout, [h, w, _]: [usize; 3]| {
        let [top, left, bottom, right] = layout.frame;
        [n(top + h + bottom), n(left + w + right)]
    };
    let ([h, w], words) = (extents(from, g.input), n(from_words));
    let read = quote!(Table<Table<Table<u64, #words>, #w>, #h>);
    let ([oh, ow], out_words) = (extents(to, g.output), n(to_words));
    let written = quote!([[[u64; #out_words]; #ow]; #oh]);
    let images = n(g.n);
    let by_image = |ty: TokenStream| if g.n == 1 { ty } else { quote!(Table<#ty, #images>) };
    let (read, written) = (by_image(read), by_image(written));
    let (from_view, to_view) = (views.read(input, "from", &read), views.write(output, "signs", &written));
    let (from_one, to_one) = match g.n {
        1 => (quote!(#from_view), quote!(#to_view)),
        _ => (quote!(&#from_view[image]), quote!(&mut #to_view[image])),
    };

    let [rows, columns] = [0, 1].map(|axis| Axis::of(g, axis, false));
    let taps = |axis: &Axis, at: TokenStream| {
        any_of(&axis.runs(), &at, |taps| {
            let (start, end) = (n(taps.start), n(taps.end));
            quote!(#start..#end)
        })
    };
    let (row_taps, column_taps) = (taps(&rows, quote!(y)), taps(&columns, quote!(x)));
    let place = |axis: &Axis, at: TokenStream, tap: TokenStream, frame: usize| {
        let (at, tap) = (scaled(axis.stride, &at), scaled(axis.dilation, &tap));
        offset(quote!(#at + #tap), frame as isize - axis.pad as isize)
    };
    let row = place(&rows, quote!(y), quote!(ky), from.frame[0]);
    let column = place(&columns, quote!(x), quote!(kx), from.frame[1]);
    let (height, width, c) = (n(g.output[0]), n(g.output[1]), g.output[2]);
    let window = |start: TokenStream, take: TokenStream| {
        quote! {
            let mut any = #start;
            for ky in rows.clone() {
                for kx in columns.clone() {
                    let pixel = &from[#row][#column];
                    any |= #take;
                }
            }
        }
    };
    let pixel = if from.groups == to.groups {
        let window = window(quote!(0), quote!(pixel[word]));
        quote! {
            for word in 0..#words {
                #window
                line.set_word(x, word, any);
            }
        }
    } else {
        // Groups begin on words of their own: the bits move to other places.
        let (all, group) = (n(c), n(c / from.groups));
        let window = window(quote!(0), quote!(signs_of::<_, #all, #group>(pixel, block)));
        quote! { #window line.set(x, any); }
    };
    let blocks = if from.groups == to.groups { 1 } else { c.div_ceil(crate::schedule::LANES) };
    let blocks = n(blocks);
    let (frame, ones) = (array(&to.frame), to.frame_ones);
    let (all, group) = (n(c), n(c / to.groups));
    let body = quote! {
        let from = #from_one;
        let mut signs = SignsMut::<_, #width, _, #all, #group>::new(#to_one, #frame, #ones);
        for y in 0..#height {
            let rows = #row_taps;
            for block in 0..#blocks {
                let mut line = signs.line(y, block);
                for x in 0..#width {
                    let columns = #column_taps;
                    #pixel
                }
            }
        }
    };
    if g.n == 1 { body } else { quote!(for image in 0..#images { #body }) }
}
