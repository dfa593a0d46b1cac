//! Small expressions.

use std::ops::Range;

use proc_macro2::{TokenStream, TokenTree};
use quote::{format_ident, quote};

use crate::emit::text::n;

/// `2 * x`, or `x`.
pub(super) fn scaled(factor: usize, x: &TokenStream) -> TokenStream {
    if factor == 1 {
        return x.clone();
    }
    let factor = n(factor);
    quote!(#factor * #x)
}

/// `x + 1`, or `x`.
pub(super) fn add(x: TokenStream, term: usize) -> TokenStream {
    if term == 0 {
        return x;
    }
    let term = n(term);
    quote!(#x + #term)
}

/// `x + 1`, `x - 1`, or `x`.
pub(super) fn offset(x: TokenStream, term: isize) -> TokenStream {
    if term >= 0 {
        return add(x, term.unsigned_abs());
    }
    let term = n(term.unsigned_abs());
    quote!(#x - #term)
}

/// Whether a variable occurs in some statements: one that does not would be a warning in the emitted file.
pub(super) fn uses(tokens: &TokenStream, variable: &str) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == variable,
        TokenTree::Group(group) => uses(&group.stream(), variable),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// `let variable = value;`, where it is used.
pub(super) fn bound(variable: &str, value: TokenStream, body: &TokenStream) -> TokenStream {
    let name = format_ident!("{variable}");
    if uses(body, variable) { quote!(let #name = #value;) } else { TokenStream::new() }
}

/// `for variable in range { body }`
pub(super) fn looped(variable: &str, range: TokenStream, body: &TokenStream) -> TokenStream {
    let name = if uses(body, variable) { variable } else { "_" };
    let name = format_ident!("{name}");
    quote!(for #name in #range { #body })
}

/// `match x { 0 => a, 13 => b, _ => c }` of runs of equal values: the longest run is the default.
pub(super) fn any_of<T: PartialEq>(
    runs: &[(Range<usize>, T)],
    x: &TokenStream,
    value: impl Fn(&T) -> TokenStream,
) -> TokenStream {
    let total = |of: &T| runs.iter().filter(|(_, v)| v == of).map(|(outputs, _)| outputs.len()).sum::<usize>();
    // The first of the longest.
    let Some((_, most)) = runs.iter().rev().max_by_key(|(_, v)| total(v)) else { return quote!(()) };
    let default = value(most);
    let mut arms: Vec<(&T, Vec<TokenStream>)> = Vec::new();
    for (outputs, of) in runs.iter().filter(|(_, v)| v != most) {
        let (start, last) = (n(outputs.start), n(outputs.end - 1));
        let pattern = if outputs.len() == 1 { quote!(#start) } else { quote!(#start..=#last) };
        match arms.iter_mut().find(|(v, _)| *v == of) {
            Some((_, patterns)) => patterns.push(pattern),
            None => arms.push((of, vec![pattern])),
        }
    }
    if arms.is_empty() {
        return default;
    }
    let arms = arms.iter().map(|(of, patterns)| {
        let value = value(of);
        quote!(#(#patterns)|* => #value,)
    });
    quote!(match #x { #(#arms)* _ => #default })
}

/// [`any_of`] numbers.
pub(super) fn counted(runs: &[(Range<usize>, usize)], x: &TokenStream) -> TokenStream {
    any_of(runs, x, |&count| {
        let count = n(count);
        quote!(#count)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_few() {
        let x = quote!(x);
        let text = |runs: &[(Range<usize>, usize)]| counted(runs, &x).to_string();
        assert_eq!(text(&[(0..14, 3)]), "3");
        assert_eq!(text(&[(0..1, 2), (1..13, 3), (13..14, 2)]), "match x { 0 | 13 => 2 , _ => 3 }");
        // The first of the longest.
        assert_eq!(text(&[(0..2, 1), (2..4, 5), (4..5, 2)]), "match x { 2 ..= 3 => 5 , 4 => 2 , _ => 1 }");
    }
}
