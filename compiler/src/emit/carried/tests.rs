//! A small library with one of everything, and the runtime itself.

use std::path::Path;

use super::files;
use crate::emit::krate::runtime_files;
use crate::target::Target;
use crate::{Arithmetic, Config, MultiplyAdds, generate};

const LIBRARY: &[(&str, &str)] = &[
    (
        "lib.rs",
        "//! Docs.\n\n#![no_std]\n\nmod arch;\nmod traits;\nmod unused;\n\n// The face.\npub use traits::Shown;\n\n\
         /// Hidden.\n#[doc(hidden)]\npub mod prelude {\n    pub use crate::arch::{first, second};\n    pub use crate::traits::{Lone, Shape};\n}\n",
    ),
    (
        "arch/mod.rs",
        "#[cfg(target_arch = \"x86_64\")]\nmod x86;\n#[cfg(target_arch = \"x86_64\")]\npub(crate) use x86::go;\n\
         #[cfg(not(target_arch = \"x86_64\"))]\nmod other;\n#[cfg(not(target_arch = \"x86_64\"))]\npub(crate) use other::go;\n\n\
         /// One.\npub fn first(other: u8) -> u8 {\n    go(other)\n}\n\n/// Two, with a friend.\npub fn second() -> Friend {\n    Friend\n}\n\n\
         // Of nobody else.\npub struct Friend;\n\n#[cfg(test)]\nmod tests {}\n",
    ),
    ("arch/x86.rs", "pub(crate) fn go(x: u8) -> u8 {\n    x\n}\n"),
    (
        "arch/other.rs",
        "use crate::traits::{Count, Shape};\n\npub(crate) fn go(x: u8) -> u8 {\n    x.half()\n}\n\nfn shape(_: Shape) {}\n",
    ),
    (
        "traits.rs",
        "pub(crate) trait Count {\n    fn half(self) -> u8;\n\n    /// Comment.\n    fn double(self) -> u8;\n}\n\nimpl Count for u8 {\n    fn half(self) -> u8 {\n        self / 2\n    }\n\n    \
         // Another.\n    fn double(self) -> u8 {\n        self * 2\n    }\n}\n\n/// A shape.\npub struct Shape(pub u8);\n\nimpl Shape {\n    fn area(&self) -> u8 {\n        self.0\n    }\n}\n\n\
         impl Drop for Shape {\n    fn drop(&mut self) {}\n}\n\n/// Shown.\npub struct Shown;\n\nimpl Shown {\n    /// For users.\n    pub fn seen(&self) {\n        self.own()\n    }\n    \
         fn own(&self) {}\n    fn idle(&self) {}\n}\n\n/// Called by users.\npub trait Lone {\n    fn lone(&self);\n}\n\nmacro_rules! lone { ($t:ty) => { impl Lone for $t { fn lone(&self) {} } } }\n\nlone!(u8);\n",
    ),
    ("unused.rs", "use crate::traits::Shape;\n\npub(crate) fn never(_: Shape) {}\n"),
];

fn carried(user: &str, target: Option<&str>) -> Vec<(String, String)> {
    let target = target.map(|triple| Target::named(triple).unwrap());
    files(LIBRARY, &[user], "runtime", target.as_ref()).unwrap()
}

fn file<'a>(files: &'a [(String, String)], path: &str) -> &'a str {
    files.iter().find(|(other, _)| other == path).map_or("", |(_, text)| text)
}

#[test]
fn what_nobody_mentions_is_cut_with_its_comment() {
    let carry = carried("use runtime::prelude::*; fn f() { first(1) }", Some("thumbv7em-none-eabi"));
    let paths: Vec<&str> = carry.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["lib.rs", "arch/mod.rs", "arch/other.rs", "traits.rs"]);
    assert_eq!(
        file(&carry, "lib.rs"),
        "//! Docs.\n\n#![no_std]\n\nmod arch;\nmod traits;\n\n// The face.\npub use traits::Shown;\n\n\
         /// Hidden.\n#[doc(hidden)]\npub mod prelude {\n    pub use crate::arch::first;\n}\n"
    );
    assert_eq!(
        file(&carry, "arch/mod.rs"),
        "mod other;\npub(crate) use other::go;\n\n/// One.\npub fn first(other: u8) -> u8 {\n    go(other)\n}\n"
    );
    // A trait that is there for one call; a trait's member that nobody calls.
    assert!(file(&carry, "arch/other.rs").starts_with("use crate::traits::Count;\n\npub(crate) fn go"));
    assert_eq!(
        file(&carry, "traits.rs"),
        "pub(crate) trait Count {\n    fn half(self) -> u8;\n}\n\nimpl Count for u8 {\n    fn half(self) -> u8 {\n        self / 2\n    }\n}\n\n\
         /// Shown.\npub struct Shown;\n\nimpl Shown {\n    /// For users.\n    pub fn seen(&self) {\n        self.own()\n    }\n    fn own(&self) {}\n}\n"
    );
}

#[test]
fn what_is_mentioned_stays_with_all_that_it_needs() {
    let all = |text: &str| carried(text, None).into_iter().map(|(_, text)| text).collect::<String>();
    let text = all("fn f() { second() }");
    assert!(text.contains("pub struct Friend") && text.contains("// Of nobody else.") && !text.contains("fn go"));
    // Somebody else's trait goes with the type.
    let text = all("fn f(shape: Shape) { shape.x }");
    assert!(text.contains("impl Drop for Shape") && !text.contains("fn area") && !text.contains("trait Lone"));
    assert!(all("fn f(shape: runtime::prelude::Shape) { shape.area() }").contains("fn area"));
    // A trait by a member of it, and with it what a macro writes for it.
    let text = all("fn f() { 1_u8.lone() }");
    assert!(text.contains("pub trait Lone") && text.contains("lone!(u8);") && text.contains("macro_rules! lone"));
    // Without a target both, as they were.
    let text = all("fn f() { first(1) }");
    assert!(text.contains("#[cfg(target_arch = \"x86_64\")]\nmod x86;") && text.contains("mod other;"));
    assert!(!text.contains("cfg(test)"));
}

/// What is carried for a fixture: lines, lines of code, and the text.
fn runtime(fixture: &str, config: &Config) -> (usize, usize, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    let model = std::fs::read(folder.join(fixture)).unwrap();
    let output = generate(&model, Some(&folder), "network", config).unwrap();
    let mut text = String::new();
    for (path, bytes) in runtime_files(&[output.source()], output.target.as_ref()) {
        let file = String::from_utf8(bytes).unwrap();
        assert!(syn::parse_file(&file).is_ok(), "{path}:\n{file}");
        assert!(
            !file.contains("\n\n\n") && !file.contains("cfg(test)") && !file.contains("\"sources\""),
            "{path}:\n{file}"
        );
        text += &file;
    }
    let code = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    (text.lines().count(), code.count(), text)
}

fn config(target: Option<&str>) -> Config {
    let mut config = Config::new();
    config.standalone(true).target = target.map(str::to_owned);
    config
}

#[test]
fn two_roundings_are_carried_where_they_are_chosen() {
    let (.., text) = runtime("r2b_ts17.onnx", &config(None));
    assert!(!text.contains("Loose") && !text.contains("FUSED"));
    let mut config = config(None);
    let (.., text) = runtime("r2b_ts17.onnx", config.multiply_add(MultiplyAdds::Loose));
    assert!(text.contains("struct Loose<S>") && text.contains("same!(mul(") && !text.contains("same!(dot_ge("));
    // A module hides no function of its name.
    let user = "fn f() { dispatch_loose(K); runtime::dispatch(K) }";
    let carried = runtime_files(&[user], None);
    let lib = carried.iter().find(|(path, _)| path.ends_with("runtime/mod.rs")).map(|(_, bytes)| bytes);
    let lib = String::from_utf8(lib.unwrap().clone()).unwrap();
    assert!(lib.contains("pub use crate::runtime::dispatch::{dispatch, dispatch_loose};"), "{lib}");
}

#[test]
fn a_crate_carries_the_instruction_sets_of_its_target() {
    let sets = [
        "mod avx512",
        "mod neon;",
        "mod simd128",
        "mod portable",
        "mod fmadd",
        "mod vfma",
        "fn unpack_denormal",
        "mod neon32",
    ];
    for (target, expected) in [
        // Sums of 32 channels are for processors of 32 bits.
        (None, sets[..7].join(" ")),
        (Some("x86_64-pc-windows-msvc"), "mod avx512 mod portable".into()),
        (Some("aarch64-apple-darwin"), "mod neon; mod portable".into()),
        (Some("wasm32-unknown-unknown"), "mod simd128 mod portable".into()),
        (Some("riscv32imac-unknown-none-elf"), "mod portable fn unpack_denormal".into()),
        (Some("riscv64gc-unknown-linux-gnu"), "mod portable mod fmadd".into()),
        (Some("thumbv7em-none-eabihf"), "mod portable mod vfma".into()),
        (Some("armv7-unknown-linux-gnueabihf"), "mod portable mod vfma mod neon32".into()),
    ] {
        let (.., text) = runtime("r2b_ts17.onnx", &config(target));
        let carried: Vec<&str> = sets.into_iter().filter(|set| text.contains(set)).collect();
        assert_eq!(carried.join(" "), expected, "{target:?}");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    let model = std::fs::read(folder.join("r2b_ts17.onnx")).unwrap();
    let error = generate(&model, None, "network", &config(Some("avx2"))).unwrap_err().to_string();
    assert!(error.contains("\"avx2\" is no target of Rust's") && error.contains("aarch64-apple-darwin"), "{error}");
}

#[test]
fn narrow_arithmetic_and_operators_are_carried_by_those_who_use_them() {
    let (.., plain) = runtime("r2b_ts17.onnx", &config(None));
    let mut bf16 = config(None);
    bf16.real_layers(Arithmetic::Bf16);
    let (.., bf16) = runtime("r2b_ts17.onnx", &bf16);
    for (word, in_plain, in_bf16) in [
        ("trait NarrowDot", false, true),
        ("mod vnni", false, false),
        ("mod bf16", false, true),
        ("fn softmax", false, false),
    ] {
        assert_eq!((plain.contains(word), bf16.contains(word)), (in_plain, in_bf16), "{word}");
    }
    assert!(plain.contains("pub use threads::Pool;") && plain.contains("pub fn from_name"), "the face");
}

/// The network of the paper in small: convolutions with a stem, gates, a classifier. Where there are vectors, some of its layers count with
/// pixels as lanes, too.
#[test]
fn a_crate_stays_small() {
    for (target, most) in [
        ("riscv64gc-unknown-linux-gnu", [2200, 3000]),
        ("aarch64-unknown-linux-gnu", [2200, 3050]),
        ("x86_64-unknown-linux-gnu", [2900, 4050]),
    ] {
        let (all, code, _) = runtime("r2b_ts17.onnx", &config(Some(target)));
        assert!(code <= most[0] && all <= most[1], "{target}: {code} lines of code, {all} in all");
    }
}
