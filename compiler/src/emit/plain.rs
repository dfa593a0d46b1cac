//! Arithmetic of integers without what it does not need: loops that are written for all geometries say `x * 1` and `y + 0`.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// The same without products with a 1 and sums with a 0 behind the operator, and without `wrapping_sub(0)`.
pub(super) fn plain(tokens: TokenStream) -> TokenStream {
    let mut out: Vec<TokenTree> = Vec::new();
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        let behind = out.last().is_some_and(is_operand);
        match &token {
            TokenTree::Punct(operator) if behind && operator.as_char() == '*' && is(rest.peek(), "1") => {
                rest.next();
            }
            TokenTree::Punct(operator) if behind && operator.as_char() == '+' && is(rest.peek(), "0") => {
                let zero = rest.next();
                // What binds more tightly takes the 0 along.
                let tighter = match rest.peek() {
                    Some(TokenTree::Punct(next)) => matches!(next.as_char(), '*' | '/' | '%' | '.' | '?'),
                    Some(TokenTree::Ident(next)) => next == "as",
                    _ => false,
                };
                if tighter {
                    out.push(token);
                    out.extend(zero);
                }
            }
            TokenTree::Punct(dot) if behind && dot.as_char() == '.' && is(rest.peek(), "wrapping_sub") => {
                let mut after = rest.clone().skip(1);
                match after.next() {
                    Some(TokenTree::Group(group)) if group.stream().to_string() == "0" => {
                        rest.next();
                        rest.next();
                    }
                    _ => out.push(token),
                }
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), plain(group.stream()));
                inner.set_span(group.span());
                out.push(inner.into());
            }
            _ => out.push(token),
        }
    }
    out.into_iter().collect()
}

fn is(token: Option<&TokenTree>, text: &str) -> bool {
    token.is_some_and(|token| token.to_string() == text)
}

/// Whether an operator behind it has two operands.
fn is_operand(token: &TokenTree) -> bool {
    match token {
        TokenTree::Group(group) => group.delimiter() != Delimiter::Brace,
        TokenTree::Ident(word) => !crate::tokens::is_keyword(&word.to_string()),
        TokenTree::Literal(_) => true,
        TokenTree::Punct(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_what_does_nothing_goes() {
        for (from, to) in [
            ("(y * 1 + ky * 1) % 3", "(y + ky) % 3"),
            ("at(&a, (iy * 14 + ix) * 1 + 0)", "at(&a, (iy * 14 + ix))"),
            ("(x * 2 + kx).wrapping_sub(0)", "(x * 2 + kx)"),
            ("(x * 1).wrapping_sub(1)", "(x).wrapping_sub(1)"),
            ("a + 0 * b", "a + 0 * b"),
            ("a + 0 as u64", "a + 0 as u64"),
            ("a + 0..b", "a + 0..b"),
            ("a * 10 + 1 * 12 + 01", "a * 10 + 1 * 12 + 01"),
            ("*at(x, 1 * 1)", "*at(x, 1)"),
            ("if x { *1 }", "if x { *1 }"),
            ("x *= 1", "x *= 1"),
            ("x += 0", "x += 0"),
            ("return * 1", "return * 1"),
            ("x * 1.0 + 0.0", "x * 1.0 + 0.0"),
        ] {
            let tokens = |text: &str| text.parse::<TokenStream>().unwrap();
            assert_eq!(plain(tokens(from)).to_string(), tokens(to).to_string(), "{from}");
        }
    }
}
