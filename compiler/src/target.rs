//! What the emitted code will run on, as far as its author needs to know.

use crate::diagnostics::{Code, Diagnostic};

/// Where emitted code will run: one of rustc's targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    triple: String,
    family: Family,
}

/// Processors for which the same code is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Family {
    /// x86 with 64 bits: POPCNT, AVX2, AVX-512, chosen when the program runs.
    X86_64,
    /// 64-bit ARM: NEON.
    Aarch64,
    /// WebAssembly: SIMD128.
    Wasm,
    /// Everything else: plain Rust.
    Portable,
}

/// Floats that a processor has instructions for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floats {
    /// None.
    None,
    /// f32.
    Single,
    /// f32 and f64.
    Double,
}

/// How a processor has multiply-add with one rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MultiplyAdd {
    /// By an instruction.
    Instruction,
    /// By an instruction, where the processor that the program finds has it; else by [`Self::Doubles`].
    Chosen,
    /// By arithmetic in f64.
    Doubles,
    /// By arithmetic in 64-bit integers.
    Integers,
}

/// Names of architectures as targets begin with them (as far as a number or letter that may follow), and their families.
const ARCHITECTURES: &[(&str, Family)] = &[
    ("x86_64", Family::X86_64),
    ("aarch64_be", Family::Portable),
    ("aarch64", Family::Aarch64),
    ("arm64", Family::Aarch64),
    ("wasm32", Family::Wasm),
    ("wasm64", Family::Wasm),
    ("arm", Family::Portable),
    ("thumb", Family::Portable),
    ("riscv32", Family::Portable),
    ("riscv64", Family::Portable),
    ("i386", Family::Portable),
    ("i586", Family::Portable),
    ("i686", Family::Portable),
    ("loongarch", Family::Portable),
    ("mips", Family::Portable),
    ("powerpc", Family::Portable),
    ("s390x", Family::Portable),
    ("sparc", Family::Portable),
    ("xtensa", Family::Portable),
    ("avr", Family::Portable),
    ("msp430", Family::Portable),
    ("hexagon", Family::Portable),
    ("m68k", Family::Portable),
    ("csky", Family::Portable),
    ("bpf", Family::Portable),
    ("nvptx", Family::Portable),
    ("amdgcn", Family::Portable),
];

impl Target {
    /// The target that rustc calls so, a triple: architecture, vendor, system.
    ///
    /// # Errors
    /// A triple has at least two parts, of which the first is an architecture that Rust has.
    pub fn named(triple: &str) -> Result<Self, Diagnostic> {
        let is_word =
            |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
        let parts: Vec<&str> = triple.split('-').collect();
        let is_triple = (2..=5).contains(&parts.len()) && parts.iter().all(|part| is_word(part));
        let family = ARCHITECTURES.iter().find(|(name, _)| is_triple && parts[0].starts_with(name));
        let Some(&(_, family)) = family else {
            let message = format!("{triple:?} is no target of Rust's");
            return Err(Diagnostic::error(Code::BadAttribute, None, message).help(
                "name one as `rustc --print target-list` does, as in x86_64-unknown-linux-gnu, aarch64-apple-darwin, \
                 wasm32-unknown-unknown, thumbv7em-none-eabihf, riscv32imac-unknown-none-elf",
            ));
        };
        Ok(Self { triple: triple.to_owned(), family })
    }

    /// As rustc calls it.
    pub fn triple(&self) -> &str {
        &self.triple
    }

    /// What code is written for it.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Bits of a register. Of smaller processors than those of 32 bits too few are known to write code for.
    pub fn register(&self) -> usize {
        let is_wide = |name: &&str| self.triple.starts_with(name);
        let wide = [
            "x86_64",
            "aarch64",
            "arm64",
            "wasm64",
            "riscv64",
            "loongarch64",
            "mips64",
            "mipsisa64",
            "powerpc64",
            "s390x",
        ];
        let others = ["sparc64", "sparcv9", "nvptx64", "amdgcn", "bpf"];
        if wide.iter().chain(&others).any(is_wide) { 64 } else { 32 }
    }

    /// Whether it is a microcontroller: a register of 32 bits or less, plain code, and no system.
    pub fn is_micro(&self) -> bool {
        self.family == Family::Portable && self.register() == 32 && self.triple.split('-').any(|part| part == "none")
    }

    /// Which floats it has instructions for, as far as its name says.
    pub fn floats(&self) -> Floats {
        let (processor, system) = self.triple.split_once('-').unwrap_or((&self.triple, ""));
        let is = |part: &str| processor.starts_with(part);
        match xnorc_runtime::multiply_add(&self.triple) {
            Some("integers") => Floats::None,
            Some("vfma") => Floats::Single,
            Some(_) => {
                let extensions = processor.trim_start_matches("riscv").trim_start_matches(char::is_numeric);
                let f_alone = extensions.contains('f') && !extensions.contains(['d', 'g']);
                if f_alone { Floats::Single } else { Floats::Double }
            }
            None if is("x86_64") && system.ends_with("-none") => Floats::None,
            None if is("xtensa") && (system.contains("esp32s2") || system.contains("esp8266")) => Floats::None,
            None if is("xtensa") => Floats::Single,
            None if (is("arm") && !is("arm64") || is("thumb")) && system.ends_with("eabi") => {
                if system.contains("android") { Floats::Double } else { Floats::None }
            }
            None => Floats::Double,
        }
    }

    /// How it has multiply-add with one rounding, as far as its name says.
    pub fn multiply_add(&self) -> MultiplyAdd {
        match (xnorc_runtime::multiply_add(&self.triple), self.family) {
            (Some("integers"), _) => MultiplyAdd::Integers,
            (Some(_), _) | (None, Family::Aarch64) => MultiplyAdd::Instruction,
            (None, Family::X86_64) if self.floats() == Floats::Double => MultiplyAdd::Chosen,
            (None, _) => MultiplyAdd::Doubles,
        }
    }

    /// Whether its instruction sets are those of the `target_arch` of that name.
    pub(crate) fn has_architecture(&self, name: &str) -> bool {
        match self.family {
            Family::X86_64 => name == "x86_64",
            Family::Aarch64 => name == "aarch64",
            Family::Wasm => name == "wasm32" || name == "wasm64",
            Family::Portable => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triples_have_families() {
        for (triple, family) in [
            ("x86_64-unknown-linux-gnu", Family::X86_64),
            ("x86_64-unknown-none", Family::X86_64),
            ("i686-pc-windows-msvc", Family::Portable),
            ("aarch64-apple-darwin", Family::Aarch64),
            ("arm64e-apple-ios", Family::Aarch64),
            ("aarch64_be-unknown-linux-gnu", Family::Portable),
            ("wasm32-wasip1", Family::Wasm),
            ("thumbv7em-none-eabihf", Family::Portable),
            ("thumbv8m.main-none-eabi", Family::Portable),
            ("riscv32imac-unknown-none-elf", Family::Portable),
            ("s390x-unknown-linux-gnu", Family::Portable),
        ] {
            let target = Target::named(triple).unwrap();
            assert_eq!((target.family(), target.triple()), (family, triple));
            let wide = triple.contains("64") || triple.contains("s390x");
            assert_eq!(target.register(), if wide { 64 } else { 32 }, "{triple}");
        }
        for wrong in ["", "x86_64", "x86-64", "avx2", "windows", "amd64-linux", "x86_64--linux", "native", "a b-c"] {
            let text = Target::named(wrong).unwrap_err().to_string();
            assert!(text.contains("is no target of Rust's") && text.contains("x86_64-unknown-linux-gnu"), "{text}");
        }
    }

    #[test]
    fn microcontrollers_have_no_system() {
        let is = |triple: &str| Target::named(triple).unwrap().is_micro();
        for micro in ["thumbv6m-none-eabi", "riscv32imc-unknown-none-elf", "xtensa-esp32s3-none-elf", "avr-none"] {
            assert!(is(micro), "{micro}");
        }
        for other in
            ["aarch64-unknown-none", "riscv64gc-unknown-none-elf", "armv7-unknown-linux-gnueabihf", "wasm32v1-none"]
        {
            assert!(!is(other), "{other}");
        }
    }

    #[test]
    fn names_tell_of_floats() {
        use {Floats::*, MultiplyAdd::*};
        for (triple, floats, fma) in [
            ("thumbv6m-none-eabi", None, Integers),
            ("thumbv7em-none-eabi", None, Integers),
            ("thumbv7em-none-eabihf", Single, Instruction),
            ("thumbv8m.main-none-eabihf", Single, Instruction),
            ("riscv32imac-unknown-none-elf", None, Integers),
            ("riscv32imafc-unknown-none-elf", Single, Instruction),
            ("riscv64gc-unknown-none-elf", Double, Instruction),
            ("aarch64-unknown-none", Double, Instruction),
            ("armv7-unknown-linux-gnueabihf", Double, Doubles),
            ("armv5te-unknown-linux-gnueabi", None, Doubles),
            ("xtensa-esp32s3-none-elf", Single, Doubles),
            ("wasm32-unknown-unknown", Double, Doubles),
            ("x86_64-unknown-linux-gnu", Double, Chosen),
            ("x86_64-unknown-none", None, Doubles),
        ] {
            let target = Target::named(triple).unwrap();
            assert_eq!((target.floats(), target.multiply_add()), (floats, fma), "{triple}");
        }
    }

    /// All that rustc knows.
    #[test]
    fn every_target_of_this_compiler_is_known() {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let list = std::process::Command::new(rustc).args(["--print", "target-list"]).output().unwrap();
        let list = String::from_utf8(list.stdout).unwrap();
        assert!(list.lines().count() > 100);
        let unknown: Vec<&str> = list.lines().filter(|triple| Target::named(triple).is_err()).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
