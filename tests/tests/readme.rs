//! The README's blocks, pasted into an empty folder.

use std::path::{Path, PathBuf};
use std::process::Command;

use xnorc::Config;
use xnorc::ir::Tensor;

/// This repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Runs cargo in a folder, without a network: what it prints, and what it tells.
fn cargo(folder: &Path, command: &str) -> (String, String) {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args([command, "--offline"]).current_dir(folder).env("CARGO_TARGET_DIR", folder.join("target"));
    for inherited in ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "CARGO_BUILD_TARGET", "RUSTC_WORKSPACE_WRAPPER"] {
        cargo.env_remove(inherited);
    }
    let output = cargo.output().unwrap();
    let (printed, told) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{printed}\n{told}");
    (printed, told)
}

/// The first block behind the line that names a file.
fn block(readme: &str, file: &str) -> String {
    let (_, rest) = readme.split_once(&format!("\n`{file}`:\n\n```")).unwrap_or_else(|| panic!("no block for {file}"));
    let (_, rest) = rest.split_once('\n').unwrap();
    rest.split_once("\n```\n").unwrap().0.to_owned() + "\n"
}

#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn the_quick_start_runs_as_it_stands() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let model = root().join("generated-examples/fashion/fashion.onnx");
    put("net.onnx", &std::fs::read(&model).unwrap());
    // The versions of the workspace, which are at hand without a network.
    put("Cargo.lock", &std::fs::read(root().join("Cargo.lock")).unwrap());
    let manifest = block(&readme, "Cargo.toml");
    assert!(manifest.contains("\"../xnorc/compiler\""), "{manifest}");
    let manifest = manifest.replace("../xnorc", root().to_str().unwrap());
    put("Cargo.toml", manifest.as_bytes());
    put("build.rs", block(&readme, "build.rs").as_bytes());
    std::fs::create_dir(folder.path().join("src")).unwrap();
    put("src/main.rs", block(&readme, "src/main.rs").as_bytes());

    let (printed, told) = cargo(folder.path(), "run");
    assert!(!told.contains("warning"), "{told}");
    let output = xnorc::load(&model, &Config::new()).unwrap();
    let picture = Tensor::f32([1, 1, 28, 28], vec![0.5; 784]);
    let expected = xnorc::interpret::network::outputs(&output.network, &[picture]).unwrap()[0].to_f32();
    let (shapes, values) = printed.trim().split_once(": [").unwrap();
    assert_eq!(shapes, "[1, 1, 28, 28] -> [1, 10]");
    let values: Vec<f32> = values.trim_end_matches(']').split(", ").map(|v| v.parse().unwrap()).collect();
    assert_eq!(values.len(), 10);
    for (value, expected) in values.iter().zip(&expected) {
        assert!((value - expected).abs() <= 1e-4 * expected.abs().max(1.0), "{values:?} instead of {expected:?}");
    }

    // Without the lines that make it fast, cargo says them.
    put("Cargo.toml", manifest.replace("opt-level = 3", "opt-level = 0").as_bytes());
    let (_, told) = cargo(folder.path(), "check");
    assert_eq!(told.matches("[profile.dev.package.my-app] opt-level = 3").count(), 1, "{told}");
}
