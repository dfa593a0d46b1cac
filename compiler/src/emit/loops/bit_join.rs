//! Channels of ±1 joined: the words of each part are shifted to where its channels begin.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::text::add;
use super::views::Views;
use crate::emit::text::{array, n};
use crate::ir::network::{BitLayout, NetTensor, Network, Storage, TensorId};

fn layout(tensor: &NetTensor) -> &BitLayout {
    let Storage::Bits(layout) = &tensor.storage else { unreachable!("checked: a join of bits") };
    layout
}

/// The body of the block's function.
pub(in crate::emit) fn bit_join(
    network: &Network,
    inputs: &[TensorId],
    output: TensorId,
    views: &mut Views<'_>,
) -> TokenStream {
    let to = network.tensor(output);
    let [images, height, width, channels] = to.shape[..] else { unreachable!("checked: bits of images") };
    let extents = |tensor: &NetTensor| {
        let [top, left, bottom, right] = layout(tensor).frame;
        [n(top + height + bottom), n(left + width + right), n(tensor.words_per_group())]
    };
    let count = n(images);
    let by_image = |ty: TokenStream| if images == 1 { ty } else { quote!(Table<#ty, #count>) };
    // By word of a pixel: what its bits are, of which parts.
    let mut words: Vec<Vec<TokenStream>> = vec![Vec::new(); to.words_per_group()];
    let (mut open, mut rows, mut pixels) = (TokenStream::new(), TokenStream::new(), TokenStream::new());
    let mut at = 0;
    for (k, &input) in inputs.iter().enumerate() {
        let tensor = network.tensor(input);
        let name = format_ident!("from{}", k + 1);
        // A part that is there twice is one view.
        if inputs[..k].contains(&input) {
            let first = format_ident!("from{}", inputs.iter().position(|&i| i == input).unwrap_or(k) + 1);
            pixels.extend(quote!(let #name = #first;));
        } else {
            let ([h, w, own], [top, left, ..]) = (extents(tensor), layout(tensor).frame);
            let view = views.read(input, "from", &by_image(quote!(Table<Table<Table<u64, #own>, #w>, #h>)));
            open.extend(if images == 1 { quote!(let #name = #view;) } else { quote!(let #name = &#view[image];) });
            let (y, x) = (add(quote!(y), top), add(quote!(x), left));
            rows.extend(quote!(let #name = &#name[#y];));
            pixels.extend(quote!(let #name = &#name[#x];));
        }
        let own = tensor.shape[3];
        for word in 0..own.div_ceil(64) {
            let (first, shift) = ((at + 64 * word) / 64, (at + 64 * word) % 64);
            let value = n(word);
            let value = quote!(#name[#value]);
            if shift == 0 {
                words[first].push(value);
                continue;
            }
            let (up, down) = (n(shift), n(64 - shift));
            words[first].push(quote!(#value << #up));
            if shift + (own - 64 * word).min(64) > 64 {
                words[first + 1].push(quote!(#value >> #down));
            }
        }
        at += own;
    }
    let sets = words.iter().enumerate().map(|(word, terms)| {
        let word = n(word);
        quote!(line.set_word(x, #word, #(#terms)|*);)
    });
    let ([oh, ow, out], c) = (extents(to), n(channels));
    let view = views.write(output, "signs", &by_image(quote!([[[u64; #out]; #ow]; #oh])));
    let view = if images == 1 { quote!(#view) } else { quote!(&mut #view[image]) };
    let (frame, ones) = (array(&layout(to).frame), layout(to).frame_ones);
    let (h, w) = (n(height), n(width));
    let body = quote! {
        #open
        let mut signs = SignsMut::<_, #w, _, #c, #c>::new(#view, #frame, #ones);
        for y in 0..#h {
            #rows
            let mut line = signs.line(y, 0);
            for x in 0..#w {
                #pixels
                #(#sets)*
            }
        }
    };
    if images == 1 { body } else { quote!(for image in 0..#count { #body }) }
}
