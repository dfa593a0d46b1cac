//! The wheel, installed into a fresh environment, and its own tests there.

use std::path::Path;
use std::process::Command;

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?} cannot be started: {e}"));
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{command:?}:\n{text}");
}

#[test]
#[ignore = "needs Python 3.11 and a package index: cargo test -p xnorc-tests --test python -- --ignored"]
fn the_wheel_passes_its_tests_in_a_fresh_environment() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../compiler/python").canonicalize().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let environment = folder.path().join("environment");
    let python = std::env::var_os("XNORC_PYTHON").unwrap_or_else(|| "python3".into());
    run(Command::new(python).args(["-m", "venv"]).arg(&environment));
    let python = environment.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let wheel = format!("{}[test]", package.display());
    run(Command::new(&python).args(["-m", "pip", "install", "--disable-pip-version-check"]).arg(wheel));
    // Away from the sources, which would be imported in the place of what was installed.
    run(Command::new(&python)
        .args(["-m", "pytest", "-p", "no:cacheprovider", "-c"])
        .arg(package.join("pyproject.toml"))
        .arg(package.join("tests"))
        .current_dir(folder.path()));
}
