//! TOML to a value, with all the mistakes of the text rather than the first.
//!
//! The derived readers stop at the first mistake. So the entry it complains about is taken out, and the rest is read
//! again, until nothing is left to complain about. What only follows from something taken out (a missing key that was
//! there with a wrong value) is not told.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

use crate::problem::{Problems, Result};

/// Reads a value of type `T`.
///
/// # Errors
/// Every mistake, with line and column: what is no TOML, unknown and missing keys, values of a wrong kind.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T> {
    match parse_partly(text) {
        (Some(value), problems) => problems.or(value),
        (None, problems) => Err(problems),
    }
}

/// As [`parse`], beside the mistakes what is left without them, if that is a `T`: there may be more to say of it.
pub(super) fn parse_partly<T: DeserializeOwned>(text: &str) -> (Option<T>, Problems) {
    let mut problems = Problems::default();
    let mut table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => return (None, Problems::one(place(text, error.span()), error.message())),
    };
    // Keys taken out, by name: what is missing then is no news.
    let mut removed = BTreeSet::new();
    loop {
        let error = match T::deserialize(toml::Deserializer::from(table.clone())) {
            Ok(value) => return (Some(value), problems),
            Err(error) => error,
        };
        let message = error.message();
        let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        if missing.is_none_or(|key| !removed.contains(key)) {
            problems.add(place(text, error.span()), advise(message));
        }
        let Some(key) = error.span().and_then(|span| remove(table.get_mut(), &span)) else {
            return (None, problems);
        };
        removed.insert(key);
    }
}

/// The serde words, with what to do.
fn advise(message: &str) -> String {
    let what = if message.starts_with("missing field") {
        "; add it"
    } else if message.starts_with("unknown field") {
        "; correct or remove it"
    } else {
        ""
    };
    format!("{}{what}", message.trim_end())
}

/// Line and column, counted from 1, of the beginning of a span.
fn place(text: &str, span: Option<Range<usize>>) -> String {
    let before = &text[..span.map_or(0, |span| span.start.min(text.len()))];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
    format!("line {line}, column {column}")
}

/// Takes the innermost entry out whose key or value is at `span`; gives its key. An entry of an array takes the array
/// along.
fn remove(table: &mut DeTable<'_>, span: &Range<usize>) -> Option<String> {
    let mut found = None;
    for (key, value) in table.iter_mut() {
        let inside = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
        let inner = match value.get_mut() {
            DeValue::Table(inner) => remove(inner, span),
            DeValue::Array(items) => items.iter_mut().find_map(|item| match item.get_mut() {
                DeValue::Table(inner) => remove(inner, span),
                _ => None,
            }),
            _ => None,
        };
        if inner.is_some() {
            return inner;
        }
        if inside(key.span()) || inside(value.span()) || *span == value.span() {
            found = Some(key.get_ref().to_string());
            break;
        }
    }
    let name = found?;
    table.remove(name.as_str());
    Some(name)
}
