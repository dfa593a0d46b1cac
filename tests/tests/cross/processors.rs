//! One test per kind of processor.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use xnorc_runtime::Level;
use xnorc_tests::many::Machine;
use xnorc_tests::nests::{FEW, cases, compare_on};

use crate::tools::{self, cargo, clean, need, run};

/// What the guest printed: the best level, and the results of each level.
struct Report {
    best: String,
    levels: Vec<(String, Vec<String>)>,
}

impl Report {
    fn of(text: &str) -> Self {
        let mut report = Report { best: String::new(), levels: Vec::new() };
        for line in text.lines() {
            match (line.split_once(' '), report.levels.last_mut()) {
                (Some(("best", name)), _) => report.best = name.into(),
                (Some(("level", name)), _) => report.levels.push((name.into(), Vec::new())),
                (_, Some((_, results))) if line != "end" => results.push(line.into()),
                _ => {}
            }
        }
        assert!(text.ends_with("end\n"), "the program stopped early: {text}");
        report
    }

    /// Every level's results are those of this processor.
    fn check(&self, best: &str, levels: &[&str]) {
        let names: Vec<&str> = self.levels.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((self.best.as_str(), names.as_slice()), (best, levels));
        let expected = expected();
        for (level, results) in &self.levels {
            for (got, expected) in results.iter().zip(expected) {
                assert_eq!(got, expected, "on level {level}");
            }
            assert_eq!(results.len(), expected.len(), "on level {level}");
        }
    }
}

/// The guest for this processor.
fn own_guest() -> &'static PathBuf {
    static GUEST: OnceLock<PathBuf> = OnceLock::new();
    GUEST.get_or_init(|| {
        let target = tools::folder().join("target");
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        run(clean("cargo")
            .current_dir(root)
            .args(["build", "--release", "-p", "xnorc-guest", "--target-dir"])
            .arg(&target));
        target.join("release/xnorc-guest")
    })
}

/// What every level of every processor has to give: what this one's lowest gives.
fn expected() -> &'static [String] {
    static EXPECTED: OnceLock<Vec<String>> = OnceLock::new();
    EXPECTED.get_or_init(|| {
        let report = Report::of(&run(&mut Command::new(own_guest())));
        assert!(report.levels.iter().all(|(_, results)| *results == report.levels[0].1), "the levels differ");
        let results = report.levels[0].1.clone();
        assert!(results.len() > 60, "{results:?}");
        results
    })
}

/// The guest for another target.
fn guest(target: &str, flags: &str) -> PathBuf {
    run(&mut cargo(target, &["build", "-p", "xnorc-guest"], flags));
    let program = if target.starts_with("wasm") { "xnorc-guest.wasm" } else { "xnorc-guest" };
    // A copy under a name of its own, as the same target is built with several flags.
    let copy = tools::folder().join(format!("{target}{}", if flags.contains("simd128") { "-simd128" } else { "" }));
    std::fs::copy(tools::folder().join("target").join(target).join("release").join(program), &copy).expect("a copy");
    copy
}

const AARCH64: &str = "aarch64-unknown-linux-gnu";

/// A linker, an emulator and a C library for AArch64, and cargo with all of them.
fn aarch64(arguments: &[&str]) -> Command {
    need("qemu-aarch64-static", &["qemu-user-static"]);
    need("aarch64-linux-gnu-gcc", &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"]);
    let mut command = cargo(AARCH64, arguments, "");
    command
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc")
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", "qemu-aarch64-static -L /usr/aarch64-linux-gnu");
    command
}

#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn aarch64_with_neon() {
    let text = run(&mut aarch64(&["run", "-p", "xnorc-guest"]));
    Report::of(&text).check("neon", &["portable", "neon"]);
}

/// The property tests of the kernels, and the runtime's own, on NEON and on the portable level.
#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn aarch64_kernels_against_the_naive_reference() {
    let text = run(&mut aarch64(&["test", "-p", "xnorc-runtime", "--lib"]));
    assert!(text.contains("test result: ok") && text.contains("lanes_are_exact"), "{text}");
    // A processor with dot products of bytes, and of the one without them what differs.
    for (processor, tests) in [("neoverse-n1", &[][..]), ("cortex-a53", &["int8", "levels"])] {
        let mut kernels = aarch64(&["test", "-p", "xnorc-guest", "--test", "kernels"]);
        let text = run(kernels.arg("--").args(tests).env("QEMU_CPU", processor));
        assert!(
            text.contains("test result: ok") && text.contains("levels_can_be_forced ... ok"),
            "{processor}: {text}"
        );
        assert!(text.contains("int8_convolutions_are_the_same_bits_everywhere ... ok"), "{processor}: {text}");
    }
}

/// The loops that the compiler writes, which take other tiles there.
#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn aarch64_nests_against_the_interpreter() {
    need("qemu-aarch64-static", &["qemu-user-static"]);
    need("aarch64-linux-gnu-gcc", &["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"]);
    let arguments = [
        format!("--target={AARCH64}"),
        format!("--sysroot={}", tools::sysroot(AARCH64).display()),
        "-Clinker=aarch64-linux-gnu-gcc".to_owned(),
    ];
    let runner = ["qemu-aarch64-static", "-L", "/usr/aarch64-linux-gnu"].map(str::to_owned);
    let machine = Machine { arguments: arguments.to_vec(), runner: runner.to_vec() };
    compare_on(&cases(FEW / 2), None, &machine, &[Level::Portable, Level::Neon]);
}

/// Bare AArch64 without floating-point registers, the other way round: packed signs and weights do not depend on the
/// order of bytes.
#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn big_endian() {
    need("qemu-aarch64_be-static", &["qemu-user-static"]);
    let guest = guest("aarch64_be-unknown-none-softfloat", "");
    let text = run(Command::new("qemu-aarch64_be-static").arg(guest));
    Report::of(&text).check("portable", &["portable"]);
}

/// A microcontroller: no system, no library, 64-bit floats in software.
#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn cortex_m() {
    need("qemu-system-arm", &["qemu-system-arm"]);
    // The linker script of cortex-m-rt, with our map of the memory.
    let map = concat!("-L", env!("CARGO_MANIFEST_DIR"), "/guest");
    let guest = guest("thumbv7em-none-eabihf", &format!("-Clink-arg=-Tlink.x {map}"));
    let text = run(Command::new("timeout")
        .args(["300", "qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-monitor", "none"])
        .args(["-serial", "none", "-semihosting-config", "enable=on,target=native", "-kernel"])
        .arg(guest));
    Report::of(&text).check("portable", &["portable"]);
}

const WASM: &str = "wasm32-unknown-unknown";

fn webassembly(flags: &str, level: &str) {
    need("node", &["nodejs"]);
    let guest = guest(WASM, &format!("-Clink-arg=--export=run {flags}"));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cross/host.mjs");
    let text = run(Command::new("node").arg(script).arg(guest));
    Report::of(&text).check(level, &[level]);
}

/// Whether the engine knows relaxed SIMD as it was standardised, and this processor's multiply-add rounds once.
fn relaxed_simd() -> bool {
    #[cfg(target_arch = "x86_64")]
    let fused = std::arch::is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    let fused = cfg!(target_arch = "aarch64");
    let version = run(Command::new("node").arg("--version"));
    let known = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .is_some_and(|major| major.parse().is_ok_and(|major: u32| major >= 20));
    if !(fused && known) {
        println!("not run with relaxed SIMD: node {}, fused multiply-add: {fused}", version.trim());
    }
    fused && known
}

/// One after the other, as all are built in the same place.
#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn webassembly_without_and_with_simd128_and_relaxed() {
    webassembly("", "portable");
    webassembly("-Ctarget-feature=+simd128", "simd128");
    if relaxed_simd() {
        webassembly("-Ctarget-feature=+simd128,+relaxed-simd", "simd128");
    }
}

/// x86-64 processors that lack what this one may have: the level is chosen by what is there, and nothing else is ever
/// executed, for the emulator refuses it.
#[cfg(target_arch = "x86_64")]
#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn lesser_x86_64_processors() {
    need("qemu-x86_64-static", &["qemu-user-static"]);
    let emulated = |cpu: &str, arguments: &[&str]| {
        let mut command = Command::new("qemu-x86_64-static");
        command.args(["-cpu", cpu]).arg(own_guest()).args(arguments);
        command
    };
    let levels = ["portable", "popcnt", "avx2"];
    for (cpu, known) in [
        ("qemu64,-popcnt", 1),
        ("core2duo", 1),
        ("Nehalem", 2),
        ("Haswell", 3),
        ("Haswell,-fma", 2),
        ("Haswell,-xsave", 2),
    ] {
        let text = run(&mut emulated(cpu, &[]));
        Report::of(&text).check(levels[known - 1], &levels[..known]);
    }
    // The control: what a processor lacks, the emulator does refuse.
    const ILLEGAL_INSTRUCTION: i32 = 4;
    for (cpu, instructions, known) in [
        ("Haswell", "avx2", true),
        ("Nehalem", "popcnt", true),
        ("Nehalem", "avx2", false),
        ("qemu64,-popcnt", "popcnt", false),
    ] {
        let status = emulated(cpu, &["trap", instructions]).output().expect("the emulator").status;
        let refused = status.signal() == Some(ILLEGAL_INSTRUCTION) || status.code() == Some(128 + ILLEGAL_INSTRUCTION);
        assert_eq!((status.success(), refused), (known, !known), "{instructions} on {cpu}: {status}");
    }
}
