// What the names of targets say; also read by the compiler's tests.

/// The kind of fused multiply-add of a target whose conditions do not show it: the same rule as `Target::fma` of the compiler.
pub(crate) fn kind(target: &str) -> Option<&'static str> {
    let architecture = target.split('-').next().unwrap_or_default();
    // Microcontrollers whose floats are in registers: Cortex-M4F, M7, M33 and later, which have the instruction.
    if ["thumbv7em-none-eabihf", "thumbv8m.main-none-eabihf"].contains(&target) {
        return Some("arm");
    }
    // Of RISC-V's letters, f is single precision, and g has it.
    let letters = architecture.strip_prefix("riscv32").or(architecture.strip_prefix("riscv64"))?;
    letters.contains(['f', 'g']).then_some("riscv")
}
