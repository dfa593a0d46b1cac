//! Channels of ±1 joined: the words of each part are shifted to where its channels begin.

use proc_macro2::TokenStream;
use quote::quote;

use super::bit_words::by_words;
use super::views::Views;
use crate::emit::text::n;
use crate::ir::network::{Network, TensorId};

/// The body of the block's function.
pub(in crate::emit) fn bit_join(
    network: &Network,
    inputs: &[TensorId],
    output: TensorId,
    views: &mut Views<'_>,
) -> TokenStream {
    by_words(network, inputs, output, views, |names| {
        // By word of a pixel: what its bits are, of which parts.
        let mut words: Vec<Vec<TokenStream>> = vec![Vec::new(); network.tensor(output).words_per_group()];
        let mut at = 0;
        for (&input, name) in std::iter::zip(inputs, names) {
            let own = network.tensor(input).shape[3];
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
        words.into_iter().map(|terms| quote!(#(#terms)|*)).collect()
    })
}
