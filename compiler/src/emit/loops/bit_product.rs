//! Products of values of ±1: +1 where an even number of them is -1, so the XOR of the words, or what is none of it.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::text::add;
use super::views::Views;
use crate::emit::text::{array, n};
use crate::ir::network::{BitLayout, NetTensor, Network, Storage, TensorId};

fn layout(tensor: &NetTensor) -> &BitLayout {
    let Storage::Bits(layout) = &tensor.storage else { unreachable!("checked: a product of bits") };
    layout
}

/// The body of the block's function.
pub(in crate::emit) fn bit_product(
    network: &Network,
    inputs: &[TensorId],
    output: TensorId,
    views: &mut Views<'_>,
) -> TokenStream {
    let to = network.tensor(output);
    let [images, height, width, channels] = to.shape[..] else { unreachable!("checked: bits of images") };
    let (count, words) = (n(images), to.words_per_group());
    let extents = |tensor: &NetTensor| {
        let [top, left, bottom, right] = layout(tensor).frame;
        [n(top + height + bottom), n(left + width + right), n(words)]
    };
    let by_image = |ty: TokenStream| if images == 1 { ty } else { quote!(Table<#ty, #count>) };
    // A factor that is there twice is +1.
    let mut factors: Vec<TensorId> = Vec::new();
    for &input in inputs {
        match factors.iter().position(|&factor| factor == input) {
            Some(twice) => drop(factors.remove(twice)),
            None => factors.push(input),
        }
    }
    let (mut open, mut rows, mut pixels) = (TokenStream::new(), TokenStream::new(), TokenStream::new());
    let mut names = Vec::new();
    for (k, &input) in factors.iter().enumerate() {
        let (tensor, name) = (network.tensor(input), format_ident!("from{}", k + 1));
        let ([h, w, own], [top, left, ..]) = (extents(tensor), layout(tensor).frame);
        let view = views.read(input, "from", &by_image(quote!(Table<Table<Table<u64, #own>, #w>, #h>)));
        open.extend(if images == 1 { quote!(let #name = #view;) } else { quote!(let #name = &#view[image];) });
        let (y, x) = (add(quote!(y), top), add(quote!(x), left));
        rows.extend(quote!(let #name = &#name[#y];));
        pixels.extend(quote!(let #name = &#name[#x];));
        names.push(name);
    }
    // Of an even number of factors the XOR says where the product is -1. Behind the last channel all bits are 0.
    let turned = factors.len().is_multiple_of(2);
    let sets = (0..words).map(|word| {
        let (at, used) = (n(word), (channels - 64 * word).min(64));
        let mut terms: Vec<TokenStream> = names.iter().map(|name| quote!(#name[#at])).collect();
        if turned {
            let all = proc_macro2::Literal::u64_unsuffixed(u64::MAX >> (64 - used));
            terms.push(quote!(#all));
        }
        quote!(line.set_word(x, #at, #(#terms)^*);)
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
