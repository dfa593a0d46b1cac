//! Text for people. Names of a file as text that can stand anywhere: a line of the terminal, a comment of the emitted source, a table.

/// A name of a file in which nothing ends a line, turns its direction, is invisible or closes a quotation of code:
/// such characters, and the backslash that begins their spelling, are written `\r`, `\u{202e}`, `\\`. Different names
/// stay different.
pub(crate) fn printable(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '\'' | '"' => out.push(c),
            '`' => out.push_str("\\u{60}"),
            _ => out.extend(c.escape_debug()),
        }
    }
    out
}

/// The same for a text that may hold such names among words of our own: what it quotes stays as it is.
pub(crate) fn printable_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' | '"' | '\\' => out.push(c),
            _ => out.extend(c.escape_debug()),
        }
    }
    out
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

/// `1 row`, `3 rows`, `3 rows of taps`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    let (first, rest) = noun.split_once(" of ").map_or((noun, String::new()), |(a, b)| (a, format!(" of {b}")));
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {first}{plural}{rest}", thousands(n as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_visible_line() {
        for (name, wanted) in [
            ("/layer1/conv1/Conv", "/layer1/conv1/Conv"),
            ("naïve 层 \"x\"", "naïve 层 \"x\""),
            ("a\rb\nc\0", "a\\rb\\nc\\0"),
            ("\u{202e}a\u{2066}\u{2028}\u{200b}\u{feff}", "\\u{202e}a\\u{2066}\\u{2028}\\u{200b}\\u{feff}"),
            ("a\\rb`", "a\\\\rb\\u{60}"),
        ] {
            assert_eq!(printable(name), wanted);
        }
        assert_eq!(
            (count(1, "row"), count(3000, "row of taps")),
            ("1 row".to_owned(), "3 000 rows of taps".to_owned())
        );
        assert_eq!(printable_text("value \"a\\b`\r\" is"), "value \"a\\b`\\r\" is");
    }
}
