//! What the build script finds out.

#[path = "../build.rs"]
#[allow(dead_code)]
mod build_script;

use build_script::multiply_add;

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
