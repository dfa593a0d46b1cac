//! The Python package, installed by pip into a fresh environment, and its own tests there.

use std::path::Path;
use std::process::Command;

/// A command free of what the cargo around the tests has set; what it printed.
fn run(command: &mut Command) -> String {
    for inherited in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "RUSTC_WORKSPACE_WRAPPER"] {
        command.env_remove(inherited);
    }
    let output = command.output().unwrap_or_else(|e| panic!("{command:?} cannot be started: {e}"));
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
    text
}

#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn the_package_passes_its_tests_in_a_fresh_environment() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../compiler/python").canonicalize().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let environment = folder.path().join("environment");

    let python = std::env::var_os("XNORC_PYTHON").unwrap_or_else(|| "python3".into());
    let enough = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
    assert!(
        Command::new(&python).args(["-c", enough]).output().is_ok_and(|output| output.status.success()),
        "the test of the Python package needs Python 3.11 or newer with its modules venv and ensurepip (Debian: python3-venv), \
         but `{}` is none: install one, or name one in the variable XNORC_PYTHON",
        Path::new(&python).display()
    );
    run(Command::new(&python).args(["-m", "venv"]).arg(&environment));

    let python = environment.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    // Kept from one time to the next, as a workspace's own crates are.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../python");
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--disable-pip-version-check"])
        .arg(format!("{}[test]", package.display()))
        .env("CARGO_TARGET_DIR", target)
        // What is compiled in the tests are small networks.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0"));
    // Away from the sources, which would be imported in the place of what was installed.
    let told = run(Command::new(&python)
        .args(["-m", "pytest", "-p", "no:cacheprovider", "-c"])
        .arg(package.join("pyproject.toml"))
        .arg(package.join("tests"))
        .current_dir(folder.path()));
    // Nothing was left out, either.
    let last = told.trim_end().lines().last().unwrap_or_default();
    assert!(last.contains(" passed") && !last.contains("skipped") && !last.contains("deselected"), "{told}");
    println!("{last}");
}
