//! Nothing in an emitted crate can panic, however it is optimised: a program whose panics end in a function that does not
//! exist links.
//!
//! Optimised for speed, the compiler sees for itself that no index is out of range. Optimised for size, as small targets
//! are, it looks less far: there a test of a length that is left anywhere is a panic.
#![cfg(target_os = "linux")]

use std::fmt::Write as _;
use std::process::{Command, Output};

use xnorc::Config;
use xnorc::emit::krate::{self, Runtime};
use xnorc_tests::fixtures;

const ROOT: &str = "#![no_std]
#![no_main]
#[allow(dead_code, unused_imports)]
mod runtime;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern \"C\" {
        fn a_panic_is_possible() -> !;
    }
    unsafe { a_panic_is_possible() }
}

/// Divides all it can, so that what divides it is there too.
struct Two;

impl runtime::Team for Two {
    fn width(&self) -> usize { 2 }
    fn join(&self, a: &mut (dyn FnMut() + Send), b: &mut (dyn FnMut() + Send)) { a(); b(); }
    fn grain(&self) -> usize { 0 }
}
";

/// Of every kind of block: real-valued and binary, gates, pools of all kinds, groups, layers that rearrange and reduce.
const MODELS: &[&str] = &["two_in_two_out_ts17", "r2b_ts17", "shuffling_ts17", "pooling_ts17"];

const MORE: &[&str] = &[
    "activations_ts17",
    "binary_geometry_ts17",
    "brevitas_mlp_ts17",
    "clip_ste_ts17",
    "dynamic_batch_ts17",
    "larq_binarynet_op17",
    "larq_quicknet_op17",
    "linear_rank3_ts17",
    "odd_channels_ts17",
    "reactnet_ts17",
    "real_geometry_ts17",
    "strong_factorised_dyn",
];

/// What the linker says to a program that runs the models.
fn link(models: &[&str], level: &str, more: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let put = |path: &str, bytes: &[u8]| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    let mut root = ROOT.to_owned();
    let mut calls = String::new();
    for (index, model) in models.iter().enumerate() {
        let name = format!("network_{index}");
        let mut config = Config::new();
        config.standalone(true).share_from(0).name(&name);
        let output = xnorc::load(&fixtures().join(format!("{model}.onnx")), &config).unwrap();
        for (path, bytes) in krate::files(&output, &name, &Runtime::Inside, None) {
            match path.as_str() {
                "src/network.rs" => put(&format!("{name}.rs"), &bytes),
                _ if path.ends_with(".weights") => put(path.trim_start_matches("src/"), &bytes),
                _ if path.starts_with("src/runtime/") => put(path.trim_start_matches("src/"), &bytes),
                _ => {}
            }
        }
        writeln!(root, "#[allow(dead_code)] mod {name};").unwrap();
        writeln!(
            calls,
            "unsafe {{
                let input = &*network(0).cast::<{name}::Input>();
                let (output, scratch) = (&mut *network(1).cast(), &mut *network(2).cast());
                {name}::infer(input, output, scratch);
                {name}::infer_on(&Two, input, output, scratch);
                {name}::infer_batch(&Two, core::slice::from_ref(input), core::slice::from_mut(output), core::slice::from_mut(scratch));
            }}"
        )
        .unwrap();
    }
    // Whoever starts it says where the memory lies, so that nothing is known when it is compiled.
    let start = format!(
        "#[unsafe(no_mangle)]\npub extern \"C\" fn start(network: extern \"C\" fn(usize) -> *mut u8) {{ {calls} }}\n{more}"
    );
    put("main.rs", (root + &start).as_bytes());
    Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition=2024", "--crate-type=bin", "--crate-name=all", "-Cpanic=abort", "-Ccodegen-units=4"])
        .arg(format!("-Copt-level={level}"))
        .args(["-Clink-arg=-nostartfiles", "-Clink-arg=-Wl,--gc-sections,-e,start", "-Clink-arg=-lc", "-o"])
        .arg(folder.path().join("all"))
        .arg(folder.path().join("main.rs"))
        .output()
        .unwrap()
}

fn assert_links(models: &[&str], level: &str) {
    let result = link(models, level, "");
    let errors = String::from_utf8_lossy(&result.stderr);
    assert!(result.status.success(), "{level}: {}", &errors[errors.len().saturating_sub(4000)..]);
}

#[test]
fn none_where_least_is_optimised() {
    assert_links(MODELS, "z");
}

#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn none_in_any_kind_of_block() {
    for level in ["s", "z", "1", "2", "3"] {
        assert_links(&[MODELS, MORE].concat(), level);
    }
}

/// A program with one does not link.
#[test]
fn one_would_be_found() {
    let more = "#[unsafe(no_mangle)]\npub extern \"C\" fn one(i: usize) -> u8 { [1, 2, 3][i] }\n";
    let more = format!("{more}#[used]\nstatic ONE: extern \"C\" fn(usize) -> u8 = one;\n");
    let result = link(&MODELS[..1], "z", &more);
    let errors = String::from_utf8_lossy(&result.stderr);
    assert!(!result.status.success() && errors.contains("a_panic_is_possible"), "{errors}");
}
