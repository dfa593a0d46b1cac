//! Programs that link only if nothing in them can panic: their panics end in a function that does not exist.

use std::fmt::Write as _;
use std::process::{self, Command};

use xnorc::emit::krate::{self, Runtime};
use xnorc::{Config, Output};

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

/// The configuration that networks of such a program must be compiled with, each under its [`name`].
pub fn config() -> Config {
    Config::new().standalone(true).share_from(0).clone()
}

/// The name that a network of such a program must be compiled under.
pub fn name(index: usize) -> String {
    format!("network_{index}")
}

/// What rustc says to a program that runs the networks, optimised at a level; `more` is added to its root.
pub fn link(networks: &[Output], level: &str, more: &str) -> process::Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let put = |path: &str, bytes: &[u8]| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a writable folder");
        std::fs::write(path, bytes).expect("a writable folder");
    };
    let mut root = ROOT.to_owned();
    let mut calls = String::new();
    for (index, output) in networks.iter().enumerate() {
        let name = name(index);
        for (path, bytes) in krate::files(output, &name, &Runtime::Inside, None) {
            match path.as_str() {
                "src/network.rs" => put(&format!("{name}.rs"), &bytes),
                _ if path.ends_with(".weights") => put(path.trim_start_matches("src/"), &bytes),
                _ => {}
            }
        }
        let _ = writeln!(root, "#[allow(dead_code)] mod {name};");
        let _ = writeln!(
            calls,
            "unsafe {{
                let input = &*network(0).cast::<{name}::Input>();
                let (output, scratch) = (&mut *network(1).cast(), &mut *network(2).cast());
                {name}::infer(input, output, scratch);
                {name}::infer_on(&Two, input, output, scratch);
                {name}::infer_batch(&Two, core::slice::from_ref(input), core::slice::from_mut(output), core::slice::from_mut(scratch));
            }}"
        );
    }
    let users: Vec<&str> = networks.iter().map(Output::source).chain([ROOT]).collect();
    for (path, bytes) in krate::runtime_files(&users, None) {
        put(path.trim_start_matches("src/"), &bytes);
    }
    // Whoever starts it says where the memory lies, so that nothing is known when it is compiled.
    let start = format!(
        "#[unsafe(no_mangle)]\npub extern \"C\" fn start(network: extern \"C\" fn(usize) -> *mut u8) {{ {calls} }}\n{more}"
    );
    put("main.rs", (root + &start).as_bytes());
    Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--edition=2024", "--crate-type=bin", "--crate-name=all", "-Cpanic=abort", "-Ccodegen-units=4"])
        .arg(format!("-Copt-level={level}"))
        // What a remainder of floats is computed by is compiled to unwind, though it does not.
        .arg("-Clink-arg=-Wl,--defsym=rust_eh_personality=0")
        .args(["-Clink-arg=-nostartfiles", "-Clink-arg=-Wl,--gc-sections,-e,start", "-Clink-arg=-lc", "-o"])
        .arg(folder.path().join("all"))
        .arg(folder.path().join("main.rs"))
        .output()
        .expect("rustc")
}
