//! What is written depends on the model and nothing else, and what is checked in is what is written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Desk, fixture};

/// Every file below a folder, by its path inside.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let entries = std::fs::read_dir(&next).unwrap_or_else(|e| panic!("{}: {e}", next.display()));
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
                files.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    files
}

/// The crate of a model, written into a folder of its own.
fn compiled(model: &Path, options: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let desk = Desk::new();
    let run = desk.run(&[&["compile", model.to_str().unwrap(), "--out", "net"], options].concat());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    files(&desk.path("net"))
}

#[test]
fn the_generated_example_is_current() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../generated-examples");
    let model = "generated-examples/fashion/fashion.onnx";
    let options = ["--name", "fashion_net", "--runtime", "../../runtime"];
    let wanted = compiled(&examples.join("fashion/fashion.onnx"), &options);
    let found = files(&examples.join("fashion-net"));
    let stale: Vec<&String> =
        wanted.iter().filter(|(name, bytes)| found.get(*name) != Some(bytes)).map(|f| f.0).collect();
    let extra: Vec<&String> = found
        .keys()
        .filter(|name| !wanted.contains_key(*name) && *name != "Cargo.lock" && !name.starts_with("target/"))
        .collect();
    assert!(
        stale.is_empty() && extra.is_empty(),
        "generated-examples/fashion-net is out of date ({stale:?} differ, {extra:?} are not written any more); run\n\
         cargo run --release -p xnorc-cli -- compile {model} --out generated-examples/fashion-net {} --force",
        options.join(" ")
    );
}

#[test]
fn the_same_model_gives_the_same_bytes_wherever_it_lies() {
    for name in ["r2b_ts17", "larq_quicknet_op17", "brevitas_conv_ts17"] {
        let here = fixture(&format!("{name}.onnx"));
        let elsewhere = Desk::new();
        elsewhere.take(&format!("{name}.onnx"));
        let (a, b) = (compiled(&here, &[]), compiled(&elsewhere.path(&format!("{name}.onnx")), &[]));
        assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>(), "{name}");
        for (path, bytes) in &a {
            assert!(b[path] == *bytes, "{name}: {path} differs");
        }
    }
}

#[test]
fn the_runtime_knows_all_its_sources() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runtime/src");
    let mut on_disk = files(&folder);
    on_disk.remove("sources.rs").unwrap();
    // The front page is text, included by an attribute of the crate, which moves nowhere.
    on_disk.retain(|path, _| path.ends_with(".rs"));
    let known: BTreeMap<String, Vec<u8>> =
        xnorc_runtime::SOURCES.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
    assert_eq!(known.keys().collect::<Vec<_>>(), on_disk.keys().collect::<Vec<_>>());
    assert!(known == on_disk);
}

/// Words of a source text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
}

#[test]
fn emitted_code_is_safe_and_says_nothing_of_its_maker() {
    for name in ["r2b_ts17", "two_in_two_out_ts17", "shuffling_ts17", "larq_quicknet_op17"] {
        let files = compiled(&fixture(&format!("{name}.onnx")), &[]);
        let source = String::from_utf8(files["src/network.rs"].clone()).unwrap();
        for forbidden in ["unsafe", "std", "alloc", "panic", "unwrap", "expect", "unreachable", "todo"] {
            // Documentation may say so.
            let code = source.lines().filter(|l| !l.trim_start().starts_with("//"));
            let found: Vec<&str> = code.filter(|l| words(l).any(|w| w == forbidden)).collect();
            assert!(found.is_empty(), "{name}: {forbidden} in {found:?}");
        }
        let library = std::str::from_utf8(&files["src/lib.rs"]).unwrap();
        assert!(library.contains("#![no_std]") && library.contains("#[forbid(unsafe_code)]"), "{library}");
        let machine: Vec<PathBuf> =
            vec![std::env::temp_dir(), env!("CARGO_MANIFEST_DIR").into(), std::env::current_dir().unwrap()];
        for (path, bytes) in
            files.iter().filter(|(path, _)| !path.starts_with("tests/recorded.") && !path.ends_with(".weights"))
        {
            let text = std::str::from_utf8(bytes).unwrap();
            for folder in &machine {
                assert!(!text.contains(folder.to_str().unwrap()), "{name}: {path} names {}", folder.display());
            }
            let date = |w: &str| {
                let parts: Vec<&str> = w.split('-').collect();
                parts.len() == 3 && parts[0].len() == 4 && parts.iter().all(|p| p.parse::<u32>().is_ok())
            };
            assert!(!text.split_whitespace().any(date), "{name}: {path} holds a date");
        }
    }
}
