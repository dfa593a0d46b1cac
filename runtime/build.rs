//! How this target has multiply-add with one rounding, as `cfg(xnorc_fma = "...")`, and whether 32-bit Arm has vectors, as
//! `cfg(xnorc_planes = "neon")`: of these units rustc's own `cfg` says nothing. Without this script the results are the same, and take
//! many times as long there.

fn main() {
    std::println!("cargo::rerun-if-changed=build.rs");
    std::println!("cargo::rustc-check-cfg=cfg(xnorc_fma, values(\"vfma\", \"fmadd\", \"integers\"))");
    std::println!("cargo::rustc-check-cfg=cfg(xnorc_planes, values(\"neon\"))");
    std::println!("cargo::rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    let of = |name: &str| std::env::var(name).unwrap_or_default();
    let (target, flags) = (of("TARGET"), of("CARGO_ENCODED_RUSTFLAGS"));
    if let Some(way) = multiply_add_of(&target, &flags) {
        std::println!("cargo::rustc-cfg=xnorc_fma=\"{way}\"");
    }
    if Arm::of(&target, &flags).vectors {
        std::println!("cargo::rustc-cfg=xnorc_planes=\"neon\"");
    }
}

/// [`multiply_add`], with what flags for rustc tell of the processor: 32-bit Arm with a system may have the instruction.
pub(crate) fn multiply_add_of(target: &str, flags: &str) -> Option<&'static str> {
    if Arm::of(target, flags).multiplies_and_adds { Some("vfma") } else { multiply_add(target) }
}

/// Whether it is 32-bit Arm for systems, of which flags have to tell what it has.
pub(crate) fn may_have_vectors(target: &str) -> bool {
    let application = ["armv7-", "armv7a-", "armv7s-", "armv7k-", "thumbv7a-", "thumbv7neon-"];
    application.iter().any(|name| target.starts_with(name))
}

/// What flags for rustc tell of 32-bit Arm with a system.
#[derive(Default)]
pub(crate) struct Arm {
    multiplies_and_adds: bool,
    pub(crate) vectors: bool,
}

impl Arm {
    /// `flags`: as cargo gives them to build scripts.
    pub(crate) fn of(target: &str, flags: &str) -> Self {
        let mut arm = Self::default();
        if !may_have_vectors(target) {
            return arm;
        }
        for flag in flags.split('\x1f') {
            let (name, value) = flag.trim_start_matches("-C").trim_start().split_once('=').unwrap_or_default();
            match name {
                "target-cpu" => {
                    // Cortex-A5, A7, A12 and later; A8 and A9 have vectors alone. What rustc knows by such a name has them.
                    let cortex = value.strip_prefix("cortex-a");
                    let other = ["krait", "swift", "cyclone"].contains(&value);
                    arm.multiplies_and_adds = cortex.is_some_and(|number| !["8", "9"].contains(&number)) || other;
                    arm.vectors = arm.multiplies_and_adds || value == "cortex-a8";
                }
                "target-feature" => {
                    for feature in value.split(',') {
                        match feature {
                            "+vfp4" => arm.multiplies_and_adds = true,
                            "-vfp4" => arm.multiplies_and_adds = false,
                            "+neon" => arm.vectors = true,
                            "-neon" => arm.vectors = false,
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        arm
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
