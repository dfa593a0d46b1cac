//! What the tests need beside Rust: emulators and a linker from Debian, the library for other targets built from source.
//!
//! Everything is kept in `target/tmp/cross`; what the machine already has is used as it is.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where everything is kept.
pub(crate) fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cross");
    fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    folder
}

/// Keeps tests in other threads and processes from preparing the same thing.
fn lock(name: &str) -> File {
    let path = folder().join(format!("{name}.lock"));
    let file = File::create(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    file.lock().unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    file
}

/// Runs a command; what it wrote if it failed.
pub(crate) fn try_run(command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|e| format!("{command:?} cannot be started: {e}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let text = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes)
            .lines()
            .rev()
            .take(40)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
            .join("\n")
    };
    Err(format!("{command:?}: {}\n{}\n{}", output.status, text(&output.stdout), text(&output.stderr)))
}

/// Runs a command that has to succeed; what it printed.
pub(crate) fn run(command: &mut Command) -> String {
    let output = try_run(command).unwrap_or_else(|e| panic!("{e}"));
    String::from_utf8(output.stdout).expect("text")
}

/// Whether there is such a program.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Makes sure that a program exists, with the Debian package it is in and those it needs.
pub(crate) fn need(program: &str, packages: &[&str]) {
    let _lock = lock("packages");
    if has(program) {
        return;
    }
    let apt = |arguments: &[&str]| {
        try_run(
            Command::new("apt-get")
                .args(["-qq", "-o", "DPkg::Lock::Timeout=300"])
                .args(arguments)
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )
    };
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(packages);
    let installed = apt(&["update"]).and_then(|_| apt(&install));
    assert!(
        has(program),
        "this test needs the program {program}, of the Debian packages {}, which could not be installed: {}",
        packages.join(", "),
        installed.err().unwrap_or_else(|| "the package holds no such program".into()),
    );
}

/// A command free of what the cargo around the tests has set.
pub(crate) fn clean(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let toolchain = ["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"].contains(&&*name);
        if !toolchain && ["CARGO", "RUST", "LD_LIBRARY_PATH"].iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(&*name);
        }
    }
    command
}

/// The version of the compiler, and the folder it lies in.
fn compiler() -> (String, PathBuf) {
    let version = run(clean("rustc").arg("-V"));
    let version = version.split([' ', '-']).nth(1).expect("rustc 1.2.3").to_owned();
    (version, PathBuf::from(run(clean("rustc").args(["--print", "sysroot"])).trim()))
}

/// The linker that comes with the compiler.
pub(crate) fn linker() -> PathBuf {
    let (_, toolchain) = compiler();
    let hosts = fs::read_dir(toolchain.join("lib/rustlib")).expect("the compiler's folder");
    let mut linkers = hosts.map(|host| host.expect("an entry").path().join("bin/rust-lld"));
    linkers.find(|linker| linker.is_file()).expect("rust-lld is beside the compiler")
}

/// Where this machine gets Debian's packages from. The archive of security updates does not have the other suites.
fn archive() -> Result<String, String> {
    let targets = try_run(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(LABEL) $(REPO_URI)",
        "Created-By: Packages",
    ]))?;
    let targets = String::from_utf8_lossy(&targets.stdout).into_owned();
    let of_debian = targets.lines().find_map(|line| line.strip_prefix("Debian "));
    of_debian.map(str::to_owned).ok_or_else(|| format!("no archive of Debian among apt's sources: {targets}"))
}

/// The source of the standard library of this very compiler: what came with it, or Debian's package.
pub(crate) fn library_source() -> Result<PathBuf, String> {
    let (version, toolchain) = compiler();
    let own = toolchain.join("lib/rustlib/src/rust/library");
    if own.join("core/src/lib.rs").is_file() {
        return Ok(own);
    }
    let place = folder().join("source");
    let library = place.join(format!("usr/src/rustc-{version}/library"));
    if library.join("core/src/lib.rs").is_file() {
        return Ok(library);
    }
    // Lists of its own, so that the machine's are not touched; one suite at a time, the smallest first.
    let lists = place.join("lists");
    fs::create_dir_all(lists.join("partial")).map_err(|e| e.to_string())?;
    let sources = place.join("sources.list");
    let apt = |program: &str| {
        let mut command = Command::new(program);
        for option in [
            format!("Dir::State::Lists={}", lists.display()),
            format!("Dir::Etc::SourceList={}", sources.display()),
            "Dir::Etc::SourceParts=/dev/null".into(),
            "Dir::Cache::pkgcache=".into(),
            "Dir::Cache::srcpkgcache=".into(),
            "Acquire::Languages=none".into(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".into(),
            "APT::Sandbox::User=root".into(),
        ] {
            command.args(["-o".into(), option]);
        }
        command.current_dir(&place);
        command
    };
    let suites = ["trixie-backports", "forky", "sid", "experimental"];
    let archive = archive()?;
    let mut problems = String::new();
    for suite in suites {
        let line = format!("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {archive} {suite} main\n");
        fs::write(&sources, line).map_err(|e| e.to_string())?;
        if let Err(problem) = try_run(apt("apt-get").args(["-qq", "update"])) {
            problems += &problem;
            continue;
        }
        let versions = run(apt("apt-cache").args(["madison", "rust-src"]));
        let wanted = versions
            .lines()
            .filter_map(|line| line.split('|').nth(1))
            .map(str::trim)
            .find(|v| v.starts_with(&format!("{version}+")));
        let Some(wanted) = wanted else { continue };
        try_run(apt("apt-get").args(["-qq", "download", &format!("rust-src={wanted}")]))?;
        try_run(Command::new("sh").current_dir(&place).args([
            "-c",
            "dpkg-deb --fsys-tarfile rust-src_*.deb | tar -x --wildcards './usr/src/rustc-*/library/*' && rm rust-src_*.deb",
        ]))?;
        return if library.is_dir() {
            Ok(library)
        } else {
            Err(format!("{} is not in the package", library.display()))
        };
    }
    Err(format!("no package rust-src {version} in Debian's {}: {problems}", suites.join(", ")))
}

/// A folder with the library of a target, for `rustc --sysroot`: `core` alone, or all of `std` where there is a system or a page.
///
/// Only the library is built with a stable compiler's back door; the code under test is compiled as on any machine that
/// has the target installed.
pub(crate) fn sysroot(target: &str) -> PathBuf {
    let _lock = lock(target);
    let (version, _) = compiler();
    let sysroot = folder().join(format!("sysroot-{version}"));
    let libraries = sysroot.join("lib/rustlib").join(target).join("lib");
    let parts = match target {
        "wasm32-unknown-unknown" => "std,panic_abort",
        linux if linux.contains("linux-gnu") => "std,panic_unwind,test",
        _ => "core",
    };
    if has_library(&libraries, parts.split(',').next().expect("a part")) {
        return sysroot;
    }
    let source = {
        let _lock = lock("source");
        library_source().unwrap_or_else(|e| panic!("this test needs the source of Rust's library: {e}"))
    };
    let place = folder().join(format!("library-{target}"));
    let write = |path: &str, text: &str| {
        let path = place.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).and_then(|()| fs::write(&path, text))
    };
    write("src/lib.rs", "#![no_std]\n").expect("a writable target folder");
    write("Cargo.toml", "[package]\nname = \"empty\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n[profile.release]\ndebug = false\n")
        .expect("a writable target folder");
    run(clean("cargo")
        .current_dir(&place)
        .args(["build", "--release", "--target", target, "--target-dir", "target"])
        .arg(format!("-Zbuild-std={parts}"))
        .env("__CARGO_TESTS_ONLY_SRC_ROOT", source)
        // As in the library that comes with a target: what is optimised as a whole needs it.
        .env("RUSTFLAGS", "-Cembed-bitcode=yes")
        .env("RUSTC_BOOTSTRAP", "1"));
    // Complete or not there: a folder that another run stopped in is never mistaken for a library.
    let half = place.join("lib");
    fs::create_dir_all(&half).expect("a writable target folder");
    for entry in fs::read_dir(place.join("target").join(target).join("release/deps")).expect("what was built") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if name.ends_with(".rlib") && !name.starts_with("libempty") {
            fs::copy(&path, half.join(name)).expect("a copy");
        }
    }
    fs::create_dir_all(libraries.parent().expect("a folder")).expect("a writable target folder");
    // There may be one with fewer parts.
    let _ = fs::remove_dir_all(&libraries);
    fs::rename(&half, &libraries).expect("the same file system");
    fs::remove_dir_all(&place).expect("our own folder");
    sysroot
}

fn has_library(folder: &Path, name: &str) -> bool {
    let start = format!("lib{name}-");
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .any(|file| file.file_name().to_string_lossy().starts_with(&start))
}

/// Flags for rustc with which it finds the library of a target: none if it has one, else those for one that is built here.
pub(crate) fn library_flags(target: &str) -> Vec<String> {
    let own = run(clean("rustc").args(["--print", "target-libdir", "--target", target]));
    if has_library(Path::new(own.trim()), "std") {
        return Vec::new();
    }
    vec!["--sysroot".to_owned(), sysroot(target).display().to_string()]
}

/// Cargo for another target, with flags for rustc.
pub(crate) fn cargo(target: &str, arguments: &[&str], flags: &str) -> Command {
    let sysroot = sysroot(target);
    let mut command = clean("cargo");
    // Flags by target, as the library does not know the processor's own target.
    command
        .args(arguments)
        .args(["--release", "--target", target, "--target-dir"])
        .arg(folder().join("target"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .env("RUSTFLAGS", format!("--sysroot {} {flags}", sysroot.display()));
    command
}
