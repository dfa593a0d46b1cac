//! ONNX names to Rust identifiers.

use std::collections::HashSet;

use proc_macro2::{Ident, Span};

/// Hands out identifiers, each once.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: HashSet<String>,
}

impl Names {
    /// Identifiers that must not be handed out.
    pub(super) fn reserving<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self { taken: names.into_iter().map(str::to_owned).collect() }
    }

    /// A snake_case identifier after `name`, with a number behind it when it is taken.
    pub(super) fn snake(&mut self, name: &str) -> Ident {
        self.unique(&snake_case(name))
    }

    /// An identifier as given (already in the right case), with a number behind it when it is taken.
    pub(super) fn unique(&mut self, base: &str) -> Ident {
        let mut name = base.to_owned();
        let mut count = 1;
        while !self.taken.insert(name.clone()) {
            count += 1;
            name = format!("{base}_{count}");
        }
        Ident::new(&name, Span::call_site())
    }
}

/// `/layer1/conv1/Conv` to `layer1_conv1_conv`. Keywords and names without a letter in front get a word before them.
pub(crate) fn snake_case(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('_') {
            out.push('_');
        }
    }
    let out = out.trim_end_matches('_');
    let starts_well = out.starts_with(|c: char| c.is_ascii_alphabetic());
    if !starts_well || syn::parse_str::<Ident>(out).is_err() { format!("layer_{out}") } else { out.to_owned() }
}

/// `layer1_conv1` to `LAYER1_CONV1`.
pub(super) fn upper_case(name: &str) -> String {
    snake_case(name).to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_identifiers_once() {
        let mut names = Names::reserving(["infer"]);
        let all: Vec<String> = ["/layer1/conv1/Conv", "layer1::conv1.conv", "1087", "match", "infer", "élan", ""]
            .iter()
            .map(|n| names.snake(n).to_string())
            .collect();
        assert_eq!(
            all,
            ["layer1_conv1_conv", "layer1_conv1_conv_2", "layer_1087", "layer_match", "infer_2", "lan", "layer_"]
        );
    }
}
