//! Products of values of ±1: +1 where an even number of them is -1, so the XOR of the words, or what is none of it.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::bit_words::by_words;
use super::views::Views;
use crate::emit::text::n;
use crate::ir::network::{Network, TensorId};

/// The body of the block's function.
pub(in crate::emit) fn bit_product(
    network: &Network,
    inputs: &[TensorId],
    output: TensorId,
    views: &mut Views<'_>,
) -> TokenStream {
    let (channels, words) = (network.tensor(output).shape[3], network.tensor(output).words_per_group());
    // Of an even number of factors the XOR says where the product is -1. Behind the last channel all bits are 0.
    let turned = inputs.len().is_multiple_of(2);
    by_words(network, inputs, output, views, |names| {
        let value = |word: usize| {
            let (at, used) = (n(word), (channels - 64 * word).min(64));
            let all = turned.then(|| Literal::u64_unsuffixed(u64::MAX >> (64 - used)));
            let terms = names.iter().map(|name| quote!(#name[#at])).chain(all.map(|all| quote!(#all)));
            quote!(#(#terms)^*)
        };
        (0..words).map(value).collect()
    })
}
