//! What a schedule has to know of where the code will run.

use crate::target::{Family, Target};

/// What schedules differ for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Machine {
    /// Nobody has said: code for everything that has an operating system, with the instruction sets of all of them.
    #[default]
    Any,
    /// x86 with 64 bits.
    X86_64,
    /// 64-bit ARM.
    Aarch64,
    /// WebAssembly.
    Wasm,
    /// Plain code on registers of so many bits: 32 or 64.
    Plain(usize),
}

impl Machine {
    /// Of a target.
    pub fn of(target: Option<&Target>) -> Self {
        let Some(target) = target else { return Self::Any };
        match target.family() {
            Family::X86_64 => Self::X86_64,
            Family::Aarch64 => Self::Aarch64,
            Family::Wasm => Self::Wasm,
            Family::Portable => Self::Plain(target.register()),
        }
    }
}
