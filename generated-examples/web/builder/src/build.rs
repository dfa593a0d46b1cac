//! The page's files: those that are written by hand, the network and the compiler as WebAssembly, pictures, a report.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use wasm_bindgen_cli_support::Bindgen;
use xnorc::emit::krate::{self, Faces};
use xnorc::report::Glance;
use xnorc::{Config, Report};
use xnorc_runtime::Level;

use crate::Result;

const TARGET: &str = "wasm32-unknown-unknown";

/// Of the network's crate, and of its module.
const NAME: &str = "fashion";

/// Of the test set, to choose from.
const PICTURES: usize = 24;

/// Bytes of a picture.
const PIXELS: usize = 28 * 28;

/// `generated-examples/web`.
fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> String {
    move |e| format!("{}: {e}", path.display())
}

fn write(path: &Path, bytes: &[u8]) -> Result {
    let folder = path.parent().expect("a file is in a folder");
    fs::create_dir_all(folder).map_err(at(folder))?;
    fs::write(path, bytes).map_err(at(path))
}

fn copy(from: &Path, to: &Path) -> Result {
    write(to, &fs::read(from).map_err(at(from))?)
}

fn run(command: &mut Command) -> Result {
    let status = command.status().map_err(|e| format!("{command:?}: {e}"))?;
    let hint = "if the target's library is what is missing: rustup target add wasm32-unknown-unknown";
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}\n{hint}")) }
}

/// Builds everything; where it is.
pub(crate) fn page() -> Result<PathBuf> {
    let page = here().join("target/page");
    network(&page)?;
    compiler(&page)?;
    let sources = here().join("page");
    for entry in fs::read_dir(&sources).map_err(at(&sources))? {
        let path = entry.map_err(at(&sources))?.path();
        copy(&path, &page.join(path.file_name().expect("a file has a name")))?;
    }
    let kilobytes =
        |file: &str| fs::metadata(page.join(file)).map(|file| file.len().div_ceil(1000)).unwrap_or_default();
    println!(
        "{}: the network {} kB ({} with relaxed SIMD), the compiler {} kB",
        page.display(),
        kilobytes("fashion.wasm"),
        kilobytes("fashion.relaxed.wasm"),
        kilobytes("web_compiler_bg.wasm")
    );
    Ok(page)
}

/// The network, as `xnorc compile --web` and the README of its crate have it; its report; pictures to try.
fn network(page: &Path) -> Result {
    let example = here().join("../fashion");
    let model = example.join("fashion.onnx");
    let mut config = Config::new();
    config.standalone(true).name(NAME).target(TARGET);
    let output = xnorc::load(&model, &config).map_err(|problems| problems.to_string())?;
    let folder = here().join("target/network");
    for (path, bytes) in krate::faced_files(&output, NAME, Faces { c: false, web: true }, None) {
        write(&folder.join(path), &bytes)?;
    }
    // What cargo would give it for this target.
    let flags = std::env::var("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS").unwrap_or_default();
    for features in ["simd128", "relaxed-simd"] {
        let mut rustc = Command::new("rustc");
        run(rustc.args(flags.split_whitespace()).arg(format!("@web/{features}")).current_dir(&folder))?;
    }
    for file in [".js", ".wasm", ".relaxed.wasm"].map(|ending| format!("{NAME}{ending}")) {
        copy(&folder.join("web").join(&file), &page.join(&file))?;
    }
    let bytes = fs::metadata(&model).map_err(at(&model))?.len();
    let glance = Glance::new(&output, Level::Simd128, bytes).to_string();
    let said = json!({ "version": env!("CARGO_PKG_VERSION"), "report": Report::new(&output), "glance": glance });
    write(&page.join("fashion.json"), said.to_string().as_bytes())?;
    copy(&model, &page.join("fashion.onnx"))?;
    for (file, length) in [("pictures.bin", PICTURES * PIXELS), ("labels.bin", PICTURES)] {
        let bytes = fs::read(example.join(file)).map_err(at(&example))?;
        write(&page.join(file), &bytes[..length.min(bytes.len())])?;
    }
    Ok(())
}

/// The compiler, with what binds it to JavaScript.
fn compiler(page: &Path) -> Result {
    let target = here().join("target");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "-p", "web-compiler", "--profile", "web", "--locked", "--target", TARGET, "--target-dir"]);
    run(build.arg(&target).current_dir(here()))?;
    let mut bindgen = Bindgen::new();
    bindgen.input_path(target.join(TARGET).join("web/web_compiler.wasm")).typescript(false);
    bindgen.remove_name_section(true).remove_producers_section(true).omit_default_module_path(false);
    bindgen.web(true).and_then(|bindgen| bindgen.generate(page)).map_err(|e| format!("wasm-bindgen: {e:#}"))
}
