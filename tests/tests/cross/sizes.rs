//! What `xnorc inspect --target` measures by building: code and stack on small cores.

use std::fs;
use std::path::{Path, PathBuf};

use xnorc::report::Measured;
use xnorc::target::Target;
use xnorc::{Arithmetic, Config};
use xnorc_cli::toolchain::measure_by;
use xnorc_tests::known::{self, fashion};

use crate::tools;

/// A rustc whose own library is in that folder, with flags behind those that it is given.
fn rustc(name: &str, sysroot: &Path, flags: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;

    let rustc = tools::folder().join(name);
    // Unless it is told another one.
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *\" --sysroot \"*) exec rustc \"$@\" {flags} ;; esac\nexec rustc --sysroot '{}' \"$@\" {flags}\n",
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

/// What is recorded of the network of the examples for a target.
pub(crate) struct Size {
    pub(crate) target: &'static str,
    arithmetic: Arithmetic,
    /// Bytes of the code, and of that which is optimised for size.
    pub(crate) code: [u64; 2],
    /// A bound of those of its stack. (That it is known says that no function calls itself.)
    stack: u64,
}

impl Size {
    const fn new(target: &'static str, code: [u64; 2]) -> Self {
        Self { target, arithmetic: Arithmetic::F32, code, stack: 5_600 }
    }
}

pub(crate) const SIZES: [Size; 6] = [
    Size::new("thumbv6m-none-eabi", [27_136, 22_020]),
    Size::new("thumbv7m-none-eabi", [26_398, 21_536]),
    Size::new("thumbv7em-none-eabihf", [23_574, 17_130]),
    Size::new("riscv32imc-unknown-none-elf", [32_196, 26_414]),
    Size::new("riscv32imafc-unknown-none-elf", [23_180, 18_540]),
    Size { target: "thumbv6m-none-eabi", arithmetic: Arithmetic::Fixed, code: [39_474, 17_730], stack: 6_000 },
];

/// The code of a target in f32, at full speed or for size.
pub(crate) fn code(target: &str, small: bool) -> Option<u64> {
    let size = SIZES.iter().find(|size| size.target == target && size.arithmetic == Arithmetic::F32);
    size.map(|size| size.code[usize::from(small)])
}

/// Per cent by which the code may differ from what is recorded.
const ALLOWED: u64 = 3;

#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn code_and_stack_are_measured_on_small_cores() {
    let mut wrong = Vec::new();
    for Size { target, arithmetic, code: recorded, stack: deepest } in SIZES {
        let sysroot = tools::sysroot(target);
        let fast = measured(&rustc(&format!("rustc-for-{target}"), &sysroot, ""), target, arithmetic);
        let small = rustc(&format!("rustc-for-size-for-{target}"), &sysroot, "-Copt-level=s");
        let small = measured(&small, target, arithmetic);
        let (code, stack) = ([fast.0, small.0], fast.1.max(small.1));
        println!("{target}, {arithmetic:?}: {code:?} bytes of code, {stack} of stack");
        let is_off = |(code, recorded): (&u64, &u64)| code.abs_diff(*recorded) * 100 > recorded * ALLOWED;
        if code.iter().zip(&recorded).any(is_off) || !(deepest / 2..deepest).contains(&stack) {
            wrong.push(format!("{target}, {arithmetic:?}: {code:?} bytes, recorded {recorded:?}; {stack} of stack"));
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
    let (code, _) = measured(&rustc("rustc-with-source", sysroot.path(), ""), triple, Arithmetic::F32);
    let (again, _) = measured(&rustc("rustc-with-library", &tools::sysroot(triple), ""), triple, Arithmetic::F32);
    assert_eq!(code, again);
}
