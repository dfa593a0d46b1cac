//! `#[cfg(...)]`: what can never hold in the crate, what always does, and what is left to say of the rest.

use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Token};

use crate::target::{Family, Target};

/// What is known of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// It holds whenever the crate is compiled.
    Always,
    /// It never does.
    Never,
    /// It depends; what has to be written, without the parts that never hold.
    Open(String),
}

/// Where the crate will be compiled.
#[derive(Clone, Copy, Debug)]
pub(super) struct World<'a> {
    /// The instruction sets to carry are those of this target; all of them without one.
    pub(super) target: Option<&'a Target>,
}

impl World<'_> {
    /// What the condition of an item comes to; several attributes are one condition, of which one that never holds is enough.
    pub(super) fn excludes(self, attributes: &[Attribute]) -> bool {
        attributes.iter().any(|attribute| self.of(attribute) == Some(Condition::Never))
    }

    /// The condition of a `cfg`, or of a `cfg_attr`; nothing where it is neither.
    pub(super) fn of(self, attribute: &Attribute) -> Option<Condition> {
        if !attribute.path().is_ident("cfg") {
            return None;
        }
        attribute.parse_args::<Meta>().ok().map(|meta| self.reduce(&meta))
    }

    /// Whether a `cfg_attr` says something that never applies.
    pub(super) fn is_idle(self, attribute: &Attribute) -> bool {
        let parse = Punctuated::<Meta, Token![,]>::parse_terminated;
        attribute.path().is_ident("cfg_attr")
            && attribute
                .parse_args_with(parse)
                .is_ok_and(|all| all.first().is_some_and(|condition| self.reduce(condition) == Condition::Never))
    }

    fn reduce(self, meta: &Meta) -> Condition {
        match meta {
            Meta::Path(path) if path.is_ident("test") => Condition::Never,
            Meta::NameValue(pair) => {
                let value = pair.value.to_token_stream().to_string();
                let (key, value) = (pair.path.to_token_stream().to_string(), value.trim_matches('"').to_owned());
                if self.never(&key, &value) { Condition::Never } else { Condition::Open(format!("{key} = {value:?}")) }
            }
            Meta::List(list) => {
                let parse = Punctuated::<Meta, Token![,]>::parse_terminated;
                let Ok(inner) = list.parse_args_with(parse) else { return Condition::Open(text(meta)) };
                let inner: Vec<Condition> = inner.iter().map(|meta| self.reduce(meta)).collect();
                match list.path.to_token_stream().to_string().as_str() {
                    "all" => several("all", inner, Condition::Never, &Condition::Always),
                    "any" => several("any", inner, Condition::Always, &Condition::Never),
                    "not" => match inner.into_iter().next() {
                        Some(Condition::Always) => Condition::Never,
                        Some(Condition::Never) => Condition::Always,
                        Some(Condition::Open(text)) => Condition::Open(format!("not({text})")),
                        None => Condition::Open(text(meta)),
                    },
                    _ => Condition::Open(text(meta)),
                }
            }
            Meta::Path(_) => Condition::Open(text(meta)),
        }
    }

    /// What is never set. That something is set is never known: a crate that is compiled for another target after all does
    /// without that target's instructions, but it compiles.
    fn never(self, key: &str, value: &str) -> bool {
        match key {
            // The features that the crate has.
            "feature" => !matches!(value, "std" | "alloc"),
            "target_arch" => self.target.is_some_and(|target| !target.has_architecture(value)),
            // What the build script finds of processors without vectors.
            "xnorc_fma" => self.target.is_some_and(|target| {
                let found = [
                    xnorc_runtime::multiply_add(target.triple()),
                    // By flags, which may be others tomorrow.
                    xnorc_runtime::may_have_vectors(target.triple()).then_some("vfma"),
                ];
                target.family() != Family::Portable || !found.contains(&Some(value))
            }),
            // What it finds of 32-bit Arm with a system.
            "xnorc_planes" => self.target.is_some_and(|target| !xnorc_runtime::may_have_vectors(target.triple())),
            "target_family" => value == "wasm" && self.target.is_some_and(|target| !target.has_architecture("wasm32")),
            _ => false,
        }
    }
}

fn text(meta: &Meta) -> String {
    meta.to_token_stream().to_string()
}

/// `all` or `any`: one `decisive` part decides, `idle` ones say nothing.
fn several(word: &str, parts: Vec<Condition>, decisive: Condition, idle: &Condition) -> Condition {
    if parts.contains(&decisive) {
        return decisive;
    }
    let open: Vec<String> = parts
        .into_iter()
        .filter(|part| part != idle)
        .filter_map(|part| if let Condition::Open(text) = part { Some(text) } else { None })
        .collect();
    match open.as_slice() {
        [] => idle.clone(),
        [one] => Condition::Open(one.clone()),
        _ => Condition::Open(format!("{word}({})", open.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_holds_is_not_written() {
        let [arm, micro, older] =
            ["aarch64-unknown-linux-gnu", "thumbv7em-none-eabihf", "armv7-unknown-linux-gnueabihf"]
                .map(|triple| Target::named(triple).unwrap());
        let of = |condition: &str, target: Option<&Target>| {
            let attribute: Attribute = syn::parse_quote!(#[cfg(x)]);
            let meta = syn::parse_str(&format!("cfg({condition})")).unwrap();
            World { target }.of(&Attribute { meta, ..attribute }).unwrap()
        };
        let open = |text: &str| Condition::Open(text.to_owned());
        let x86 = "all(target_arch = \"x86_64\", target_feature = \"sse2\")";
        let wasm = "all(target_family = \"wasm\", target_feature = \"simd128\")";
        let neon = "all(target_arch = \"aarch64\", target_feature = \"neon\")";
        for (condition, target, expected) in [
            ("test", None, Condition::Never),
            ("not(test)", None, Condition::Always),
            ("any(test, unix)", None, open("unix")),
            ("feature = \"std\"", None, open("feature = \"std\"")),
            ("feature = \"alloc\"", None, open("feature = \"alloc\"")),
            ("feature = \"sources\"", None, Condition::Never),
            ("xnorc_fma = \"vfma\"", None, open("xnorc_fma = \"vfma\"")),
            ("not(xnorc_fma = \"vfma\")", Some(&arm), Condition::Always),
            ("xnorc_planes = \"neon\"", Some(&arm), Condition::Never),
            ("xnorc_planes = \"neon\"", Some(&micro), Condition::Never),
            ("xnorc_planes = \"neon\"", Some(&older), open("xnorc_planes = \"neon\"")),
            (x86, None, open(x86)),
            (x86, Some(&arm), Condition::Never),
            (neon, Some(&arm), open(neon)),
            (&format!("not({wasm})"), Some(&arm), Condition::Always),
            (&format!("not(any({x86}, {neon}, {wasm}))"), Some(&arm), open(&format!("not({neon})"))),
        ] {
            assert_eq!(of(condition, target), expected, "{condition}");
        }
    }
}
