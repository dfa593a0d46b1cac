//! What the build script finds out.

#[path = "../build.rs"]
#[allow(dead_code)]
mod build_script;

use build_script::{Arm, multiply_add, multiply_add_of};

#[test]
fn multiply_add_is_that_of_the_target() {
    for (way, targets) in [
        (Some("vfma"), "thumbv7em-none-eabihf thumbv8m.main-none-eabihf thumbv8m.main-nuttx-eabihf"),
        (Some("fmadd"), "riscv32imafc-unknown-none-elf riscv32gc-unknown-linux-gnu riscv64gc-unknown-none-elf"),
        (Some("fmadd"), "riscv64a23-unknown-linux-gnu riscv64-linux-android"),
        (Some("integers"), "thumbv6m-none-eabi thumbv7m-none-eabi thumbv7em-none-eabi thumbv8m.base-nuttx-eabi"),
        (Some("integers"), "riscv32i-unknown-none-elf riscv32imac-esp-espidf riscv64imac-unknown-none-elf"),
        (Some("integers"), "riscv32emc-unknown-none-elf aarch64-unknown-none-softfloat armv4t-none-eabi avr-none"),
        (None, "x86_64-unknown-linux-gnu aarch64-unknown-none wasm32-unknown-unknown armv7a-none-eabihf"),
        // These may lack the instruction.
        (None, "armv7-unknown-linux-gnueabihf thumbv7neon-linux-androideabi armv7r-none-eabihf"),
    ] {
        for target in targets.split(' ') {
            assert_eq!(multiply_add(target), way, "{target}");
        }
    }
}

#[test]
fn flags_tell_of_32_bit_arm() {
    let linux = "armv7-unknown-linux-gnueabihf";
    for (way, vectors, target, flags) in [
        (Some("vfma"), true, linux, "-Ctarget-cpu=cortex-a7"),
        (Some("vfma"), true, linux, "-C\x1ftarget-cpu=cortex-a53"),
        (Some("vfma"), true, linux, "-C target-cpu=cortex-a15"),
        (Some("vfma"), false, linux, "-Ctarget-cpu=cortex-a5\x1f-Ctarget-feature=-neon"),
        (Some("vfma"), true, "thumbv7neon-linux-androideabi", "-Cdebuginfo=1\x1f-Ctarget-feature=+neon,+vfp4"),
        (Some("vfma"), true, "armv7a-none-eabihf", "-Ctarget-cpu=krait"),
        // Without floats in registers, but with the unit.
        (Some("vfma"), true, "armv7a-none-eabi", "-Ctarget-cpu=cortex-a7"),
        (None, false, linux, ""),
        (None, false, linux, "-Ctarget-cpu=generic"),
        (None, false, linux, "-Ctarget-cpu=cortex-a9"),
        (None, true, linux, "-Ctarget-cpu=cortex-a9\x1f-Ctarget-feature=+neon"),
        (None, true, linux, "-Ctarget-cpu=cortex-a8\x1f-Copt-level=3"),
        (None, true, linux, "-Ctarget-feature=-vfp4,+neon"),
        // Other processors' flags are others.
        (None, false, "aarch64-unknown-linux-gnu", "-Ctarget-cpu=cortex-a53"),
        (Some("integers"), false, "thumbv6m-none-eabi", "-Ctarget-cpu=cortex-a7"),
    ] {
        let found = (multiply_add_of(target, flags), Arm::of(target, flags).vectors);
        assert_eq!(found, (way, vectors), "{target} {flags:?}");
    }
}
