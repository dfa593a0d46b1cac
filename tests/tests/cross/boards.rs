//! The programs of `generated-examples/boards`, on emulated boards: a picture in, its class out, the bits of its logits those of this
//! machine.

use std::path::Path;

use xnorc_tests::known;

use crate::tools::{clean, folder, need, run, sysroot};

/// Runs a board's program, as its own `cargo run` does, with the target's library built here.
fn answers(board: &str, target: &str, flags: &str, emulator: (&str, &[&str])) {
    need(emulator.0, emulator.1);
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../generated-examples/boards").join(board);
    let printed = run(clean("cargo")
        .current_dir(&home)
        .args(["run", "--release", "--quiet", "--locked", "--target-dir"])
        .arg(folder().join("boards"))
        .env("RUSTFLAGS", format!("{flags} --sysroot {}", sysroot(target).display())));
    let (first, logits) = printed.split_once('\n').expect("a class, and logits");
    println!("{board}: {first}");
    let wanted = &known::expected(&known::fashion(), &known::pictures()[..1])[0];
    let bits: String = wanted.iter().map(|logit| format!("{logit:08x}\n")).collect();
    assert_eq!(logits, bits, "{board}");
    let (class, rest) = first.split_once(": about ").expect("a class, and what it took");
    assert_eq!(class, "ankle boot", "the first picture's label, which the network finds");
    let count: u64 = rest.strip_suffix(" instructions").and_then(|count| count.parse().ok()).expect("a number");
    assert!((1_000_000..200_000_000).contains(&count), "{first}");
}

const ARM: (&str, &[&str]) = ("qemu-system-arm", &["qemu-system-arm"]);

#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn a_cortex_m4() {
    answers("cortex-m4", "thumbv7em-none-eabihf", "-Clink-arg=-Tlink.x", ARM);
}

#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn a_cortex_m0() {
    answers("cortex-m0", "thumbv6m-none-eabi", "-Clink-arg=-Tlink.x", ARM);
}

#[test]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn a_riscv_of_32_bits() {
    let flags = "-Clink-arg=-Tmemory.x -Clink-arg=-Tlink.x";
    answers("riscv32", "riscv32imac-unknown-none-elf", flags, ("qemu-system-riscv32", &["qemu-system-misc"]));
}
