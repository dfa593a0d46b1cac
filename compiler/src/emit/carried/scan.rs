//! Where the items of a text stand: as much of Rust's grammar as that needs.
//!
//! What an item is, syn says; but of syn's tokens nobody knows where in the text they stood, unless proc-macro2 is told to keep
//! that of all tokens of a build.

use std::ops::Range;

/// Where an item, or a member of one, stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// From its first attribute on; comments are not part of it.
    pub(super) span: Range<usize>,
    pub(super) attributes: Vec<Range<usize>>,
    /// Whether it is a function.
    pub(super) is_function: bool,
    /// What is between the braces with which it ends, if it does.
    pub(super) body: Range<usize>,
}

/// The items in a part of a text: a file, or what is between the braces of a module, trait or implementation. Attributes of the
/// file itself (`#![...]`) are none.
pub(super) fn items(text: &str, range: Range<usize>) -> Vec<Place> {
    let mut items = Vec::new();
    let mut tokens = Tokens { text, at: range.start, end: range.end };
    let mut place = Place::default();
    let mut words: Vec<&str> = Vec::new();
    let (mut depth, mut is_empty, mut of_file) = (0_usize, true, false);
    // Of an attribute: where it began.
    let mut attribute = None;
    while let Some((token, start)) = tokens.next() {
        let is_outside = depth == 0;
        match token {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if std::mem::take(&mut is_empty) {
            (place, words) = (Place { span: start..start, ..Place::default() }, Vec::new());
        }
        place.span.end = tokens.at;
        if token == "#" && is_outside && words.is_empty() {
            (attribute, of_file) = (Some(start), false);
        } else if let Some(start) = attribute {
            of_file |= token == "!" && is_outside;
            if depth == 0 && token == "]" {
                place.attributes.push(start..tokens.at);
                attribute = None;
                is_empty = of_file;
            }
        } else {
            if is_outside {
                words.push(token);
            }
            if is_outside && token == "{" && place.body.start == 0 {
                place.body = tokens.at..tokens.at;
            }
            let ends = match token {
                ";" => depth == 0,
                "}" => depth == 0 && !ends_in_semicolon(&words),
                _ => false,
            };
            if ends {
                place.is_function = words.contains(&"fn");
                place.body.end = if token == "}" { start } else { place.body.start };
                items.push(std::mem::take(&mut place));
                is_empty = true;
            }
        }
    }
    items
}

/// Whether braces are not the end of an item that begins so.
fn ends_in_semicolon(words: &[&str]) -> bool {
    let mut words = words.iter().filter(|word| !["pub", "(", ")", "unsafe", "default"].contains(word));
    match words.next() {
        Some(&("use" | "static" | "type")) => true,
        Some(&"const") => words.next() != Some(&"fn"),
        _ => false,
    }
}

/// Words, and all else byte by byte; literals as one. Comments and space are left out.
struct Tokens<'a> {
    text: &'a str,
    at: usize,
    end: usize,
}

impl<'a> Tokens<'a> {
    /// A token and where it begins.
    fn next(&mut self) -> Option<(&'a str, usize)> {
        loop {
            let rest = &self.text[self.at..self.end];
            let first = rest.chars().next()?;
            if first.is_whitespace() {
                self.at += first.len_utf8();
            } else if rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                self.at += rest.find("*/").map_or(rest.len(), |end| end + 2);
            } else {
                let (start, len) = (self.at, token(rest, first));
                self.at += len;
                return Some((&rest[..len], start));
            }
        }
    }
}

/// How long the token is with which the text begins.
fn token(text: &str, first: char) -> usize {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let word = text.find(|c| !is_word(c)).unwrap_or(text.len());
    let behind = &text[word..];
    // With a prefix or without: b"", r"", r#""#.
    let hashes = behind.len() - behind.trim_start_matches('#').len();
    if ["r", "br", "cr"].contains(&&text[..word]) && behind[hashes..].starts_with('"') {
        let close = "\"".to_owned() + &"#".repeat(hashes);
        let inside = word + hashes + 1;
        return text[inside..].find(&close).map_or(text.len(), |end| inside + end + close.len());
    }
    if behind.starts_with('"') && ["", "b", "c"].contains(&&text[..word]) {
        return word + quoted(behind, '"');
    }
    // A character, and not a lifetime: quoted, or one character long.
    if behind.starts_with('\'') && ["", "b"].contains(&&text[..word]) {
        let mut chars = behind.chars().skip(1);
        let is_quoted = chars.next() == Some('\\');
        return if is_quoted || chars.next() == Some('\'') { word + quoted(behind, '\'') } else { word + 1 };
    }
    if word > 0 { word } else { first.len_utf8() }
}

/// How long a literal between two quotes is.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if !escaped && c == quote {
            return at + 1;
        }
        escaped = !escaped && c == '\\';
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_found_whatever_is_in_them() {
        let text = r##"//! Docs; with { a brace.
#![no_std]

/// One.
#[inline(always)]
#[cfg(x)]
pub(crate) const fn one<'a>(x: &'a [u8; 3]) -> Option<char> where A: B<C = D> { let _ = ('{', '\'', b'}', "}\"{", r#"}"}"#); }
const TWO: usize = { 3 };
use a::{b, c}; // behind
unsafe impl<'b, T> X for [T; 2] { const fn f() {} }
three!(A 0);
macro_rules! four { ($x:ident) => { $x; } }
mod five;
pub struct Six<const N: usize>(pub [u8; N]);
"##;
        let items = items(text, 0..text.len());
        let begin = |place: &Place| text[place.span.clone()].chars().take(9).collect::<String>();
        let begins: Vec<String> = items.iter().map(begin).collect();
        let expected =
            ["#[inline(", "const TWO", "use a::{b", "unsafe im", "three!(A ", "macro_rul", "mod five;", "pub struc"];
        assert_eq!(begins, expected);
        let attributes: Vec<&str> = items[0].attributes.iter().map(|range| &text[range.clone()]).collect();
        assert_eq!(attributes, ["#[inline(always)]", "#[cfg(x)]"]);
        assert_eq!(&text[items[3].body.clone()], " const fn f() {} ");
        assert!(items.iter().all(|place| text[place.span.clone()].ends_with(['}', ';'])));
        assert!(items[6].body.is_empty() && items[1].span.end == text.find(" 3 };").unwrap() + 5);
    }
}
