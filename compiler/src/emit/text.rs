//! Tokens to formatted text.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser as _};

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

/// A doc comment, one attribute per line.
pub(super) fn doc(text: &str) -> TokenStream {
    text.lines()
        .map(|line| {
            let line = if line.is_empty() { String::new() } else { format!(" {line}") };
            quote!(#[doc = #line])
        })
        .collect()
}

/// Formats items, with an empty line between them (which tokens cannot carry). One item is parsed and printed after the other:
/// the tree of a whole file takes ten times the memory of its text.
///
/// Panics when the tokens are not items: an error of the emitter, which every test would show.
pub(super) fn items(tokens: TokenStream) -> String {
    let mut text = String::new();
    let mut previous = None;
    let all = |input: ParseStream<'_>| {
        while !input.is_empty() {
            let item: syn::Item = input.parse()?;
            // Constants and uses stand together; everything else stands apart.
            let kind = std::mem::discriminant(&item);
            let compact = matches!(item, syn::Item::Use(_))
                || matches!(&item, syn::Item::Const(c) if !c.to_token_stream().to_string().contains('{'));
            if previous.is_some_and(|p| p != kind) || (previous.is_some() && !compact) {
                text.push('\n');
            }
            previous = Some(kind);
            let one = syn::File { shebang: None, frontmatter: None, attrs: Vec::new(), items: vec![item] };
            text.push_str(&prettyplease::unparse(&one));
        }
        Ok(())
    };
    if let Err(e) = all.parse2(tokens.clone()) {
        panic!("emitted {e}:\n{tokens}");
    }
    text
}

/// Indents every line that is not empty.
pub(super) fn indent(text: &str) -> String {
    text.lines().map(|l| if l.is_empty() { "\n".to_owned() } else { format!("    {l}\n") }).collect()
}

/// `16 257 024`: digits in groups of three.
pub(crate) fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(c);
    }
    out
}
