//! ONNX names to Rust identifiers.

use proc_macro2::{Ident, Span};

use crate::tokens::is_keyword;
use crate::unique::UniqueNames;

/// What an emitted file takes from the runtime's prelude by a name in snake case: no function of its own may hide it. Read from the
/// runtime's own source, so that there is no second list.
pub(super) fn prelude() -> impl Iterator<Item = &'static str> {
    let text = xnorc_runtime::SOURCES.iter().find(|(path, _)| *path == "lib.rs").map_or("", |(_, text)| text);
    let prelude = text.split_once("pub mod prelude {").and_then(|(_, rest)| rest.split_once("\n}")).map_or("", |p| p.0);
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    // What stands in front of `::` is where a name comes from.
    let names =
        prelude.split("::").flat_map(move |part| part.trim_end_matches(is_letter).split(move |c| !is_letter(c)));
    names.filter(|word| {
        let is_snake = word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        is_snake && !word.is_empty() && !["pub", "use"].contains(word)
    })
}

/// What the emitted file itself calls so: its door, and what `infer` calls its parameters, which would hide functions.
pub(super) const OWN: &[&str] = &["infer", "infer_batch", "infer_on", "probe", "team", "input", "output", "scratch"];

/// Hands out identifiers, each once.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: UniqueNames,
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

    /// The same after the name of a node, without what PyTorch's exporters repeat in it.
    pub(super) fn node(&mut self, name: &str) -> Ident {
        self.unique(&snake_case(&shorten(name)))
    }

    /// An identifier as given (already in the right case), with a number behind it when it is taken.
    pub(super) fn unique(&mut self, base: &str) -> Ident {
        Ident::new(&self.taken.take(base, '_'), Span::call_site())
    }
}

/// As long as an identifier gets; names of files may be of any length.
const LONGEST: usize = 100;

/// `/layer1/conv1/Conv` to `layer1_conv1_conv`. Keywords and names without a letter in front get a word before them.
pub(crate) fn snake_case(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if out.len() == LONGEST {
            break;
        }
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('_') {
            out.push('_');
        }
    }
    let out = out.trim_end_matches('_');
    let starts_well = out.starts_with(|c: char| c.is_ascii_alphabetic());
    let word = if starts_well && !is_keyword(out) { out.to_owned() } else { format!("layer_{out}") };
    // A number may follow behind another underscore, of which there must not be two.
    word.trim_end_matches('_').to_owned()
}

/// `/layer1/layer1.0/conv1/Conv` to `layer1.0/conv1`: a module in a container repeats the container's name, and the last
/// part is the operator, which the function's documentation names anyway.
fn shorten(name: &str) -> String {
    let parts: Vec<&str> = name.split('/').filter(|p| !p.is_empty()).collect();
    let is_path = name.starts_with('/') && parts.len() > 1;
    let end = if is_path { parts.len() - 1 } else { parts.len() };
    let repeated = |i: usize| {
        parts.get(i + 1).and_then(|next| next.strip_prefix(parts[i])).is_some_and(|rest| rest.starts_with('.'))
    };
    let kept: Vec<&str> = (0..end).filter(|&i| !repeated(i)).map(|i| parts[i]).collect();
    kept.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_prelude_is_reserved() {
        let words: Vec<&str> = prelude().collect();
        for word in ["abs", "map_lanes_with", "math", "real_conv_row", "dispatch_int8"] {
            assert!(words.contains(&word), "{word}");
        }
        assert!(words.len() > 20, "{words:?}");
        for word in ["core", "crate", "generic", "team"] {
            assert!(!words.contains(&word), "{word} is where a name comes from");
        }
    }

    #[test]
    fn node_names_lose_what_is_said_twice() {
        let mut names = Names::default();
        let all: Vec<String> = [
            "/layer1/layer1.0/conv1/Conv",
            "/layer1/layer1.0/conv1/Sign",
            "/fc/Gemm",
            "/Sub",
            "node_Conv_1275",
            "a/b/C",
        ]
        .iter()
        .map(|n| names.node(n).to_string())
        .collect();
        assert_eq!(all, ["layer1_0_conv1", "layer1_0_conv1_2", "fc", "sub", "node_conv_1275", "a_b_c"]);
    }

    #[test]
    fn names_become_identifiers_once() {
        let mut names = Names::reserving(["infer"]);
        let all: Vec<String> = ["/layer1/conv1/Conv", "layer1::conv1.conv", "1087", "match", "infer", "élan", ""]
            .iter()
            .map(|n| names.snake(n).to_string())
            .collect();
        assert_eq!(
            all,
            ["layer1_conv1_conv", "layer1_conv1_conv_2", "layer_1087", "layer_match", "infer_2", "lan", "layer"]
        );
    }
}
