//! Libraries for C on a microcontroller: two of them link, with nothing else.

use std::path::{Path, PathBuf};

use xnorc::Config;
use xnorc::emit::krate;
use xnorc_tests::fixtures;

use crate::tools::{clean, library_source, linker, run};

const TARGET: &str = "thumbv7em-none-eabihf";

/// The library of a model, as the README of its crate says, but for the target's own library: that is built here, with the same
/// profile, as this machine need not have it.
fn library(model: &Path, name: &str, home: &Path) -> PathBuf {
    let mut config = Config::new();
    config.standalone(true).name(name);
    let output = xnorc::load(model, &config).expect("a network");
    let folder = home.join(name);
    for (path, bytes) in krate::c_files(&output, name, None) {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a writable folder");
        std::fs::write(path, bytes).expect("a writable folder");
    }
    let mut cargo = clean("cargo");
    cargo.args(["rustc", "--release", "--features", "c", "--crate-type", "staticlib", "--target-dir", "target"]);
    cargo.args(["--target", TARGET, "--offline", "-Zbuild-std=core"]).current_dir(&folder);
    let source = library_source().unwrap_or_else(|e| panic!("this test needs the source of Rust's library: {e}"));
    run(cargo.env("__CARGO_TESTS_ONLY_SRC_ROOT", source).env("RUSTC_BOOTSTRAP", "1"));
    folder.join("target").join(TARGET).join(format!("release/lib{name}.a"))
}

/// No libc, no start-up code, no unwinder: what is not in the libraries would be an error, and so would be what is in both.
#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn two_libraries_for_a_cortex_m() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let fashion = Path::new(env!("CARGO_MANIFEST_DIR")).join("../generated-examples/fashion/fashion.onnx");
    let one = library(&fashion, "fashion", home.path());
    let other = library(&fixtures().join("two_in_two_out_ts17.onnx"), "two", home.path());
    let program = home.path().join("program.elf");
    let mut link = clean(linker().to_str().expect("a path that is text"));
    link.args(["-flavor", "gnu", "--gc-sections", "--fatal-warnings", "-e", "fashion_infer", "-u", "two_infer"]);
    run(link.arg("-o").arg(&program).args([&one, &other]));
    let bytes = std::fs::read(&program).expect("what was linked");
    assert_eq!((&bytes[..4], bytes[4], bytes[18]), (&b"\x7fELF"[..], 1, 40), "an ELF file of 32 bits for ARM");
    let holds = |name: &str| bytes.windows(name.len() + 2).any(|part| part == format!("\0{name}\0").as_bytes());
    assert!(holds("fashion_infer") && holds("two_infer"));
    assert!(!holds("rust_eh_personality") && !holds("_Unwind_Resume"));
    // One alone, of code for any target: code and constants in flash, and of memory next to nothing that is its own.
    let mut link = clean(linker().to_str().expect("a path that is text"));
    run(link.args(["-flavor", "gnu", "--gc-sections", "-e", "fashion_infer", "-o"]).arg(&program).arg(&one));
    let (flash, memory) = sizes(&std::fs::read(&program).expect("what was linked"));
    println!("flash {flash} bytes, memory {memory} bytes");
    assert!((165_000..185_000).contains(&flash) && memory < 64, "flash {flash}, memory {memory}");
    // The control: what is missing is an error.
    let missing = clean(linker().to_str().expect("a path that is text"))
        .args(["-flavor", "gnu", "-e", "fashion_infer", "-u", "three_infer", "--defsym", "x=three_infer", "-o"])
        .arg(&program)
        .args([&one, &other])
        .output()
        .expect("the linker");
    assert!(!missing.status.success());
}

/// What an ELF file of 32 bits, little-endian, puts into flash and into memory: its segments that are only read, and the others.
fn sizes(elf: &[u8]) -> (usize, usize) {
    let word = |at: usize| u32::from_le_bytes(elf[at..at + 4].try_into().expect("four bytes")) as usize;
    let half = |at: usize| usize::from(u16::from_le_bytes(elf[at..at + 2].try_into().expect("two bytes")));
    const LOAD: usize = 1;
    const WRITABLE: usize = 2;
    let headers = (0..half(44)).map(|index| word(28) + index * half(42)).filter(|&header| word(header) == LOAD);
    headers.fold((0, 0), |(flash, memory), header| {
        let size = word(header + 20);
        if word(header + 24) & WRITABLE == 0 { (flash + size, memory) } else { (flash, memory + size) }
    })
}
