//! What `xnorc inspect --target` measures by building: code and stack on small cores.

use std::fs;
use std::path::{Path, PathBuf};

use xnorc::report::Measured;
use xnorc::target::Target;
use xnorc::{Arithmetic, Config};
use xnorc_cli::toolchain::measure_by;
use xnorc_tests::known::{self, fashion};

use crate::tools;

/// A rustc whose own library is in that folder.
fn rustc(name: &str, sysroot: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;

    let rustc = tools::folder().join(name);
    // Unless it is told another one.
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *\" --sysroot \"*) exec rustc \"$@\" ;; esac\nexec rustc --sysroot '{}' \"$@\"\n",
        sysroot.display()
    );
    fs::write(&rustc, script).expect("a writable target folder");
    fs::set_permissions(&rustc, fs::Permissions::from_mode(0o755)).expect("our own file");
    rustc
}

/// What is measured of the network of the examples.
fn measured(rustc: &Path, triple: &str, arithmetic: Arithmetic) -> (u64, u64) {
    let target = Target::named(triple).expect("a target");
    let mut config = Config::new();
    config.name("fashion").target(triple).standalone(true).real_layers(arithmetic);
    if arithmetic == Arithmetic::Fixed {
        config.calibration = known::pictures().into_iter().map(|sample| sample.inputs).collect();
    }
    let output = xnorc::load(&fashion(), &config);
    let output = output.unwrap_or_else(|problems| panic!("{problems}"));
    match measure_by(rustc.as_os_str(), &output, "fashion", &target) {
        Measured::Built { code, stack } => (code, stack.expect("no function calls itself")),
        Measured::Not(why) => panic!("{triple}: {why}"),
    }
}

/// Bytes of the code of the network of the examples, and a bound of those of its stack. (That this is known says that no function
/// calls itself.)
pub(crate) const SIZES: [(&str, u64, u64); 3] = [
    ("thumbv6m-none-eabi", 33_180, 5_600),
    ("thumbv7em-none-eabihf", 28_388, 5_600),
    ("riscv32imc-unknown-none-elf", 42_126, 5_600),
];

/// The same in fixed point.
const IN_FIXED_POINT: (&str, u64, u64) = ("thumbv6m-none-eabi", 38_362, 6_000);

/// Per cent by which the code may differ from what is recorded.
const ALLOWED: u64 = 3;

#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn code_and_stack_are_measured_on_small_cores() {
    let mut wrong = Vec::new();
    let all = SIZES.map(|sizes| (Arithmetic::F32, sizes)).into_iter().chain([(Arithmetic::Fixed, IN_FIXED_POINT)]);
    for (arithmetic, (triple, recorded, deepest)) in all {
        let rustc = rustc(&format!("rustc-for-{triple}"), &tools::sysroot(triple));
        let (code, stack) = measured(&rustc, triple, arithmetic);
        println!("{triple}, {arithmetic:?}: {code} bytes of code, {stack} of stack");
        if code.abs_diff(recorded) * 100 > recorded * ALLOWED || !(deepest / 2..deepest).contains(&stack) {
            wrong.push(format!("{triple}, {arithmetic:?}: {code} bytes, recorded {recorded}; {stack} of stack"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where there is the library's source alone, it is built first.
#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn a_library_that_is_not_installed_is_built() {
    let triple = "thumbv7em-none-eabihf";
    let source =
        tools::library_source().unwrap_or_else(|e| panic!("this test needs the source of Rust's library: {e}"));
    let print = tools::run(tools::clean("rustc").args(["--print", "sysroot"]));
    let own = Path::new(print.trim()).join("lib/rustlib");
    let sysroot = tempfile::tempdir().expect("a temporary folder");
    let ours = sysroot.path().join("lib/rustlib");
    fs::create_dir_all(ours.join("src/rust")).expect("our own folder");
    std::os::unix::fs::symlink(source, ours.join("src/rust/library")).expect("our own folder");
    for entry in fs::read_dir(own).expect("the compiler's folder").flatten() {
        let name = entry.file_name();
        if name != "src" && name != triple {
            std::os::unix::fs::symlink(entry.path(), ours.join(name)).expect("our own folder");
        }
    }
    let (code, _) = measured(&rustc("rustc-with-source", sysroot.path()), triple, Arithmetic::F32);
    let (again, _) = measured(&rustc("rustc-with-library", &tools::sysroot(triple)), triple, Arithmetic::F32);
    assert_eq!(code, again);
}
