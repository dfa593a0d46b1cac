//! How this target has multiply-add with one rounding, as `cfg(xnorc_fma = "...")`: of the floating-point units of microcontrollers
//! rustc's own `cfg` says nothing. Without this script the results are the same, and take many times as long there.

fn main() {
    std::println!("cargo::rerun-if-changed=build.rs");
    std::println!("cargo::rustc-check-cfg=cfg(xnorc_fma, values(\"vfma\", \"fmadd\", \"integers\"))");
    let target = std::env::var("TARGET").unwrap_or_default();
    if let Some(way) = multiply_add(&target) {
        std::println!("cargo::rustc-cfg=xnorc_fma=\"{way}\"");
    }
}

/// Arm's instruction, RISC-V's, or neither where doubles are emulated, too; nothing where there are doubles.
pub(crate) fn multiply_add(target: &str) -> Option<&'static str> {
    let (processor, system) = target.split_once('-').unwrap_or((target, ""));
    if let Some(extensions) = processor.strip_prefix("riscv32").or_else(|| processor.strip_prefix("riscv64")) {
        // As in `imafc` and `gc`; a profile as in `a23`; without any, a system that wants all of `g`.
        let is_profile = extensions.starts_with(['a', 'b']) && extensions.ends_with(char::is_numeric);
        let floats = extensions.is_empty() || extensions.contains(['f', 'g']) || is_profile;
        return Some(if floats { "fmadd" } else { "integers" });
    }
    let is_emulated = system.ends_with("none-eabi") || system.ends_with("nuttx-eabi") || system.contains("softfloat");
    match processor {
        "thumbv7em" | "thumbv8m.main" if system.ends_with("eabihf") => Some("vfma"),
        "avr" | "msp430" => Some("integers"),
        _ => is_emulated.then_some("integers"),
    }
}
