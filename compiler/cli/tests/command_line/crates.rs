//! What the command writes, in the hands of the real cargo, without a network.

use std::path::Path;
use std::process::Command;

use xnorc::Config;

use super::{Desk, Run, fixture};

/// Runs cargo in a folder; warnings are errors.
fn cargo(folder: &Path, arguments: &[&str]) -> Run {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).arg("--offline").current_dir(folder);
    command.env("CARGO_TARGET_DIR", folder.join("target")).env("RUSTFLAGS", "-Dwarnings");
    for inherited in
        ["CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_BUILD_RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER"]
    {
        command.env_remove(inherited);
    }
    Run::of(&command.output().unwrap())
}

/// `xnorc compile`, then `cargo test` of the crate: with overflow checks, so that a sum of indices that
/// only happens to wrap is found too.
fn standalone_crate_passes_its_test(name: &str, compile: &[&str], test: &[&str]) {
    let desk = Desk::new();
    let model = fixture(&format!("{name}.onnx"));
    let arguments = [&["compile", model.to_str().unwrap(), "--out", "net"], compile].concat();
    let run = desk.run(&arguments);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let folder = desk.path("net");
    let tested = cargo(&folder, &[&["test", "--tests"], test].concat());
    assert_eq!(tested.code, Some(0), "{}\n{}", tested.stdout, tested.stderr);
    assert!(tested.stdout.contains("test recorded_example ... ok"), "{}", tested.stdout);
    let lock = std::fs::read_to_string(folder.join("Cargo.lock")).unwrap();
    assert_eq!(lock.matches("[[package]]").count(), 1, "it depends on something:\n{lock}");

    // The test can fail: another recorded output is not accepted.
    let recorded = folder.join("tests/recorded.output");
    let mut bytes = std::fs::read(&recorded).unwrap();
    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&1e9_f32.to_le_bytes());
    std::fs::write(&recorded, bytes).unwrap();
    let tested = cargo(&folder, &["test", "--tests"]);
    assert_eq!(tested.code, Some(101), "{}\n{}", tested.stdout, tested.stderr);
    assert!(tested.stdout.contains("instead of 1000000000"), "{}", tested.stdout);
}

#[test]
fn a_standalone_crate_builds_and_passes_its_test() {
    standalone_crate_passes_its_test("clip_ste_ts17", &[], &[]);
}

#[test]
fn two_inputs_and_two_outputs() {
    standalone_crate_passes_its_test("two_in_two_out_ts17", &[], &[]);
}

/// With the instructions of this machine's architecture only, and with the pool of threads.
#[test]
fn a_crate_for_one_target_builds_with_threads() {
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    standalone_crate_passes_its_test("r2b_ts17", &["--target", &host, "--real", "bf16"], &["--features", "std"]);
}

/// With another architecture's it runs too, on plain Rust.
#[test]
fn a_crate_for_another_target_falls_back() {
    standalone_crate_passes_its_test("r2b_ts17", &["--target", "thumbv7em-none-eabihf"], &[]);
    standalone_crate_passes_its_test("clip_ste_ts17", &["--target", "aarch64-apple-darwin"], &[]);
}

/// Names that no exporter writes, in all that is emitted: source, documentation, manifest, test.
#[test]
fn a_crate_of_strange_names_is_clean() {
    let (first, second) = ("\u{202e}first`\r", "*/ \"second\" \\ [x] <b>|\n//!\0");
    let model = super::models::Model::new(17)
        .input(first, &["1", "4"])
        .input(second, &["1", "4"])
        .node("Add", &[first, second], "sum\r`")
        .node("Mul", &[first, "sum\r`"], "Product\u{2028}")
        .output("sum\r`")
        .output("Product\u{2028}");
    let desk = Desk::new();
    desk.put("test.onnx", &model.bytes());
    let run = desk.run(&["compile", "test.onnx", "--out", "net"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stdout.contains("crate `model_test`"), "{}", run.stdout);
    let folder = desk.path("net");
    for arguments in [&["test"][..], &["clippy", "--all-targets"], &["doc"]] {
        let run = cargo(&folder, arguments);
        assert_eq!(run.code, Some(0), "{arguments:?}: {}\n{}", run.stdout, run.stderr);
        assert!(!run.stderr.contains("warning"), "{arguments:?}: {}", run.stderr);
    }
}

const CONSUMER: &str = r#"
include!("first.rs");
include!("second.rs");

static FIRST: std::sync::Mutex<first::Scratch> = std::sync::Mutex::new(first::Scratch::new());
static SECOND: std::sync::Mutex<second::Scratch> = std::sync::Mutex::new(second::Scratch::new());

fn main() {
    let mut output = [0.0; first::OUTPUT_SHAPE[0] * first::OUTPUT_SHAPE[1]];
    first::infer(&[0.5; first::INPUT_SHAPE[1] * first::INPUT_SHAPE[2] * first::INPUT_SHAPE[3]], &mut output, &mut FIRST.lock().unwrap());
    println!("{output:?}");
    let mut output: Box<second::Output> = vec![0.0; size_of::<second::Output>() / 4].try_into().unwrap();
    let input: Box<second::Input> = vec![0.5; size_of::<second::Input>() / 4].try_into().unwrap();
    second::infer(&input, &mut output, &mut SECOND.lock().unwrap());
    println!("{:?}", &output[..4]);
}
"#;

/// What a build script leaves for two models stands in one file of one crate.
#[test]
fn modules_of_two_models_live_in_one_crate() {
    let desk = Desk::new();
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runtime");
    let manifest = format!(
        "[package]\nname = \"consumer\"\nedition = \"2024\"\n\n[[bin]]\nname = \"consumer\"\npath = \"main.rs\"\n\n\
         [dependencies]\nxnorc-runtime = {{ path = {:?} }}\n\n[lints.rust]\nunsafe_code = \"forbid\"\n\n[workspace]\n",
        runtime.canonicalize().unwrap()
    );
    desk.put("Cargo.toml", manifest.as_bytes());
    desk.put("main.rs", CONSUMER.as_bytes());
    let mut config = Config::new();
    config.out_dir(desk.path(""));
    config.name("first").compile(fixture("r2b_ts17.onnx"));
    config.name("second").compile(fixture("clip_ste_ts17.onnx"));
    let run = cargo(&desk.path(""), &["run"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{}", run.stdout);
    assert!(lines.iter().all(|line| !line.contains("NaN") && !line.contains("inf")), "{}", run.stdout);
    assert!(lines[0] != lines[1] && !lines[0].starts_with("[0.0, 0.0"), "{}", run.stdout);
}

/// A name that C cannot use, and a runtime that is not inside, before anything is read or written; a header that goes again.
#[test]
fn a_crate_for_c() {
    let desk = Desk::new();
    desk.take("clip_ste_ts17.onnx");
    std::fs::rename(desk.path("clip_ste_ts17.onnx"), desk.path("double.onnx")).unwrap();
    let model = ["compile", "double.onnx", "--out", "net", "--c"];
    for (more, message) in [
        (&[][..], "the name \"double\" is a keyword of C or C++: choose another with --name"),
        (&["--name", "math"], "the name \"math\" is taken: its header would hide <math.h>"),
        (&["--name", "a", "--runtime", "registry"], "--c puts the runtime inside the library"),
    ] {
        let run = desk.run(&[&model[..], more].concat());
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{}", run.stderr);
        assert!(run.stderr.contains(message), "{}", run.stderr);
        assert!(!desk.path("net").exists());
    }
    let run = desk.run(&[&model[..], &["--name", "clip"]].concat());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stdout.contains("for C include/clip.h"), "{}", run.stdout);
    let header = std::fs::read_to_string(desk.path("net/include/clip.h")).unwrap();
    assert!(header.contains("int clip_infer(const float *input, float *output, void *scratch);"), "{header}");
    let run = desk.run(&["compile", "double.onnx", "--out", "net", "--name", "clip"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(!desk.path("net/include/clip.h").exists() && !desk.path("net/src/c.rs").exists());
}

/// The same for the web; and what was built beside a module goes with it, as it is of the old network.
#[test]
fn a_crate_for_the_web() {
    let desk = Desk::new();
    desk.take("clip_ste_ts17.onnx");
    let model = ["compile", "clip_ste_ts17.onnx", "--out", "net", "--web", "--name"];
    for (more, message) in [
        (&["int"][..], "the name \"int\" is a keyword of C or C++: choose another with --name"),
        (&["a", "--runtime", "registry"], "--web puts the runtime inside the library"),
    ] {
        let run = desk.run(&[&model[..], more].concat());
        assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{}", run.stderr);
        assert!(run.stderr.contains(message), "{}", run.stderr);
        assert!(!desk.path("net").exists());
    }
    let compiled = |more: &[&str]| {
        let run = desk.run(&[&model[..], &["clip"], more].concat());
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert!(run.stdout.contains("for the web web/clip.js"), "{}", run.stdout);
        let readme = std::fs::read_to_string(desk.path("net/README.md")).unwrap();
        assert!(readme.contains("## On the web"), "{readme}");
        (readme.contains("## From C and C++"), desk.path("net/src/runtime/arch/x86_64").exists())
    };
    assert_eq!(compiled(&[]), (false, false), "of WebAssembly alone");
    desk.put("net/web/clip.wasm", b"of the old network");
    desk.put("net/web/index.html", b"somebody's");
    assert_eq!(compiled(&["--c"]), (true, true), "of all that C can run on");
    assert!(!desk.path("net/web/clip.wasm").exists() && desk.path("net/web/index.html").exists());
    let run = desk.run(&["compile", "clip_ste_ts17.onnx", "--out", "net", "--name", "clip"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for gone in ["web/clip.js", "web/clip.d.ts", "web/simd128", "web/relaxed-simd", "src/c.rs"] {
        assert!(!desk.path("net").join(gone).exists(), "{gone}");
    }
}
