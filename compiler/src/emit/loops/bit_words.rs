//! Loops over the words of the pixels of several tensors of bits, which make those of another one.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::text::add;
use super::views::Views;
use crate::emit::text::{array, n};
use crate::ir::network::{BitLayout, NetTensor, Network, Storage, TensorId};

fn layout(tensor: &NetTensor) -> &BitLayout {
    let Storage::Bits(layout) = &tensor.storage else { unreachable!("checked: a tensor of bits") };
    layout
}

/// The body of a block's function: for each pixel, the words of the output, from what the words of the inputs are called there.
/// An input that is there twice is one view.
pub(super) fn by_words(
    network: &Network,
    inputs: &[TensorId],
    output: TensorId,
    views: &mut Views<'_>,
    words: impl FnOnce(&[Ident]) -> Vec<TokenStream>,
) -> TokenStream {
    let to = network.tensor(output);
    let [images, height, width, channels] = to.shape[..] else { unreachable!("checked: bits of images") };
    let extents = |tensor: &NetTensor| {
        let [top, left, bottom, right] = layout(tensor).frame;
        [n(top + height + bottom), n(left + width + right), n(tensor.words_per_group())]
    };
    let count = n(images);
    let by_image = |ty: TokenStream| if images == 1 { ty } else { quote!(Table<#ty, #count>) };
    let (mut open, mut rows, mut pixels) = (TokenStream::new(), TokenStream::new(), TokenStream::new());
    let names: Vec<Ident> = (1..=inputs.len()).map(|k| format_ident!("from{k}")).collect();
    for (k, (&input, name)) in std::iter::zip(inputs, &names).enumerate() {
        if let Some(first) = inputs[..k].iter().position(|&i| i == input) {
            let first = &names[first];
            pixels.extend(quote!(let #name = #first;));
            continue;
        }
        let tensor = network.tensor(input);
        let ([h, w, own], [top, left, ..]) = (extents(tensor), layout(tensor).frame);
        let view = views.read(input, "from", &by_image(quote!(Table<Table<Table<u64, #own>, #w>, #h>)));
        open.extend(if images == 1 { quote!(let #name = #view;) } else { quote!(let #name = &#view[image];) });
        let (y, x) = (add(quote!(y), top), add(quote!(x), left));
        rows.extend(quote!(let #name = &#name[#y];));
        pixels.extend(quote!(let #name = &#name[#x];));
    }
    let sets = words(&names).into_iter().enumerate().map(|(word, value)| {
        let word = n(word);
        quote!(line.set_word(x, #word, #value);)
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
