//! Numbers and words as tokens of Rust: what operators and blocks spell alike.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote;

/// A number without a suffix (`64`, not `64usize`).
pub(crate) fn n(value: usize) -> Literal {
    Literal::usize_unsuffixed(value)
}

/// An array of numbers without suffixes.
pub(crate) fn array(values: &[usize]) -> TokenStream {
    let values = values.iter().map(|&v| n(v));
    quote!([#(#values),*])
}

/// A float that reads back as the same f32. Infinities are written as constants; NaN does not occur.
pub(crate) fn float(value: f32) -> TokenStream {
    if value.is_infinite() {
        return if value > 0.0 { quote!(f32::INFINITY) } else { quote!(f32::NEG_INFINITY) };
    }
    let magnitude = Literal::f32_unsuffixed(value.abs());
    if value.is_sign_negative() { quote!(-#magnitude) } else { quote!(#magnitude) }
}

/// Whether a word of letters, digits and underscores means something to Rust.
pub(crate) fn is_keyword(word: &str) -> bool {
    // Of the edition 2024, which syn does not know yet.
    word == "gen" || syn::parse_str::<Ident>(word).is_err()
}
