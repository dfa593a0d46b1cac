//! What a piece of source mentions: paths, and what is called on a value or a type.

use std::collections::HashSet;

use proc_macro2::{Spacing, TokenStream, TokenTree};

/// Names in a piece of source.
#[derive(Clone, Debug, Default)]
pub(super) struct Mentions {
    /// Paths that begin with a name of the scope: `x`, `arch::enter`, `crate::team::Alone`.
    pub(super) paths: Vec<Vec<String>>,
    /// Names behind a type or value that only the type checker knows: `.name(`, `<T as X>::name`.
    pub(super) members: Vec<String>,
}

/// Tokens, groups opened, as far as mentions depend on them.
enum Token {
    Ident(String),
    /// `::`
    Colons,
    /// `:`
    Colon,
    Dot,
    /// What opens the arguments of a call.
    Parenthesis,
    /// `'`, in front of the name of a lifetime.
    Quote,
    Other,
}

impl Mentions {
    /// Those of some source. Attributes mention nothing.
    pub(super) fn of(tokens: TokenStream) -> Self {
        let mut flat = Vec::new();
        flatten(tokens, &mut flat);
        // Parameters and variables hide functions of their name, except where they are called.
        let bound: HashSet<&str> = std::iter::zip(&flat, flat.iter().skip(1))
            .filter_map(|pair| match pair {
                (Token::Ident(name), Token::Colon) => Some(name.as_str()),
                (Token::Ident(word), Token::Ident(name)) if ["let", "mut"].contains(&word.as_str()) => {
                    Some(name.as_str())
                }
                _ => None,
            })
            // Types and constants have other names.
            .filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
            .collect();
        let mut mentions = Self::default();
        let mut i = 0;
        while i < flat.len() {
            let Token::Ident(name) = &flat[i] else {
                i += 1;
                continue;
            };
            i += 1;
            match i.checked_sub(2).map(|before| &flat[before]) {
                // A definition's own name, `fn` before it; a lifetime.
                Some(Token::Quote) => continue,
                Some(Token::Ident(before)) if before == "fn" => continue,
                // A field, where no call follows: `.name(` or `.name::<T>(`.
                Some(Token::Dot) => {
                    if matches!(flat.get(i), Some(Token::Parenthesis | Token::Colons)) {
                        mentions.members.push(name.clone());
                    }
                    continue;
                }
                Some(Token::Colons) => {
                    mentions.members.push(name.clone());
                    continue;
                }
                _ => {}
            }
            let mut path = vec![name.clone()];
            while let (Some(Token::Colons), Some(Token::Ident(next))) = (flat.get(i), flat.get(i + 1)) {
                path.push(next.clone());
                i += 2;
            }
            let is_called = matches!(flat.get(i), Some(Token::Parenthesis | Token::Colons));
            if is_called || path.len() > 1 || !bound.contains(name.as_str()) {
                mentions.paths.push(path);
            }
        }
        mentions
    }
}

fn flatten(tokens: TokenStream, flat: &mut Vec<Token>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(ident) => flat.push(Token::Ident(ident.to_string())),
            TokenTree::Punct(punct) => match punct.as_char() {
                '#' if matches!(tokens.peek(), Some(TokenTree::Group(_))) => drop(tokens.next()),
                ':' if punct.spacing() == Spacing::Joint => {
                    tokens.next();
                    flat.push(Token::Colons);
                }
                ':' => flat.push(Token::Colon),
                '\'' => flat.push(Token::Quote),
                // A range.
                '.' if punct.spacing() == Spacing::Joint => {
                    tokens.next();
                    flat.push(Token::Other);
                }
                '.' => flat.push(Token::Dot),
                _ => flat.push(Token::Other),
            },
            TokenTree::Group(group) => {
                let is_call = group.delimiter() == proc_macro2::Delimiter::Parenthesis;
                flat.push(if is_call { Token::Parenthesis } else { Token::Other });
                flatten(group.stream(), flat);
                flat.push(Token::Other);
            }
            TokenTree::Literal(_) => flat.push(Token::Other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_members_are_told_apart() {
        let text = "#[cold] fn own<'a>(x: &'a [T]) { x.field + x.call(3) + crate::a::b(0..c) + Le::<f32>::get(2.) + x.m::<5>() }";
        let Mentions { paths, members } = Mentions::of(text.parse().unwrap());
        let paths: Vec<String> = paths.into_iter().map(|path| path.join("::")).collect();
        assert_eq!(paths, ["fn", "T", "crate::a::b", "c", "Le", "f32"]);
        assert_eq!(members, ["call", "get", "m"]);
    }
}
