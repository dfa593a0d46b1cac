//! Tokens to formatted text.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser as _};

pub(crate) use crate::printable::thousands;
pub(crate) use crate::tokens::{array, float, n};

/// A doc comment, one attribute per line.
pub(super) fn doc(text: &str) -> TokenStream {
    text.lines()
        .map(|line| {
            let line = if line.is_empty() { String::new() } else { format!(" {line}") };
            quote!(#[doc = #line])
        })
        .collect()
}

/// A comment in the emitted file, as a statement: tokens carry none, so it becomes one when they are text.
pub(super) fn note(text: &str) -> TokenStream {
    quote!(note!(#text);)
}

/// [`note`]s as comments.
fn with_notes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let indent = &line[..line.len() - line.trim_start().len()];
        let Some(mut note) = line.trim_start().strip_prefix("note!(") else {
            out.push_str(line);
            out.push('\n');
            continue;
        };
        // A long one stands on a line of its own.
        if note.is_empty() {
            note = lines.next().unwrap_or_default().trim();
            lines.next();
        }
        let note = note.trim_end_matches(");").trim_matches('"');
        out.push_str(&format!("{indent}// {note}\n"));
    }
    out
}

/// A loop over the pixels of a tile that the macro of the emitted file writes out ([`pixels`]). A macro's body is not formatted,
/// so it is a loop until it is text.
pub(super) fn each_pixel(body: &TokenStream) -> TokenStream {
    quote!(for p in pixels!(P) { #body })
}

/// The macro of [`each_pixel`].
pub(super) fn pixels() -> TokenStream {
    quote! {
        /// A loop over the pixels of a tile. Tiles of one and of two are written out: not every instruction set's compiler would, and a
        /// counter whose index is not a constant lies in memory.
        macro_rules! pixels {
            (for $p:ident in 0..$P:ident $body:block) => {
                if $P > 2 {
                    for $p in 0..$P $body
                } else {
                    { let $p = 0; $body }
                    if $P == 2 {
                        let $p = $P - 1;
                        $body
                    }
                }
            };
        }
    }
}

/// The loops of [`each_pixel`] as calls of the macro.
fn with_pixels(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // The indents of those that are open.
    let mut open = Vec::new();
    for line in text.lines() {
        let code = line.trim_start();
        let indent = &line[..line.len() - code.len()];
        if code == "for p in pixels!(P) {" {
            open.push(indent);
            out.push_str(&format!("{indent}pixels!(for p in 0..P {{\n"));
        } else if code == "}" && open.last() == Some(&indent) {
            open.pop();
            out.push_str(&format!("{indent}}});\n"));
        } else {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
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
            text.push_str(&with_pixels(&with_notes(&prettyplease::unparse(&one))));
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
