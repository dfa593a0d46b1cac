//! How to compile a model: [`Config`], and what a module may be called.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::ir::Tensor;
use crate::ir::network::Arithmetic;
use crate::tokens::is_keyword;

/// How to compile a model.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Config {
    /// Symbolic dimensions by name.
    pub dims: Vec<(String, usize)>,
    /// Name of the module or crate; from the file's name when `None`.
    pub name: Option<String>,
    /// The runtime's source goes inside the crate: it then depends on nothing at all.
    pub standalone: bool,
    /// Where the code will run, as rustc calls it (`x86_64-unknown-linux-gnu`): a crate with the runtime inside then carries only the
    /// instruction sets that can occur there. Everywhere when `None`; in a build script, what cargo builds for.
    pub target: Option<String>,
    /// Warnings are errors: a model is refused rather than compiled to something other engines may answer differently.
    pub strict: bool,
    /// What a sign that is 0 at zero, as ONNX's own, becomes in front of a binary layer.
    pub zero: Zeros,
    /// How f32 is multiplied and added where the processor has no one instruction for it.
    pub multiply_add: MultiplyAdds,
    /// Adds the `probe` module, by which `verify` runs block by block.
    pub probe: bool,
    /// Blocks that take one thread at least so many nanoseconds (of a fast machine) can be divided among threads; 2000 when
    /// `None`: below, handing out the work takes longer than doing it. For a microcontroller, `None` divides none, which takes less
    /// memory.
    pub share_from: Option<usize>,
    /// Where `compile` writes; cargo's `OUT_DIR` when `None`.
    pub out_dir: Option<PathBuf>,
    /// The arithmetic of real-valued layers that [`real_layers_by_name`](Config::real_layers_by_name) does not name;
    /// [`Arithmetic::Fixed`] is of the whole network, and goes with no names.
    pub real_layers: Arithmetic,
    /// The arithmetic of single layers, by the names of their blocks in the report; the last one of a name counts.
    pub real_layers_by_name: Vec<(String, Arithmetic)>,
    /// Example inputs, from which the ranges of 8-bit activations, and of all numbers in fixed point, are learned: one tensor per input of the model after the
    /// other, or stacks of them along the first axis.
    pub calibration: Vec<Vec<Tensor>>,
    /// External data of the model that is given as bytes, by the file's own name: where there are no files.
    pub external_data: Vec<(String, Arc<[u8]>)>,
}

/// What binary layers make of `sign(0) = 0`. Signs that are numbers (outputs, terms, factors) are 0 there in any case, and
/// signs of what cannot be negative are exact in one bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Zeros {
    /// One bit takes 0 for +1. The report names these signs; where zeros are likely, it warns.
    #[default]
    Plus,
    /// 0, in two planes of bits: layers that read such signs take twice the time.
    Exact,
}

/// How f32 is multiplied and added where the processor has floats, but no one instruction for it: WebAssembly without relaxed
/// SIMD, x86-64 before AVX2, Arm of 32 bits with an operating system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MultiplyAdds {
    /// Rounded once, as everywhere, by emulation: the same bits on every processor.
    #[default]
    Once,
    /// A product and a sum, rounded twice: several times as fast there, and other last bits than where there is the instruction.
    /// Layers in bf16 and 8-bit integers and elementary functions stay as they are defined; so do cores without a
    /// floating-point unit, where it would gain next to nothing.
    Loose,
}

impl MultiplyAdds {
    /// As the command line has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Loose => "loose",
        }
    }
}

/// Setters take and give `&mut`, so that they chain in one expression and also stand in an `if`:
///
/// ```no_run
/// xnorc::Config::new().dim("batch", 1).name("net").compile("model.onnx");
/// ```
impl Config {
    /// The defaults: dimensions bound as the file says, named after the file, with `xnorc-runtime` as a dependency.
    pub fn new() -> Self {
        Self::default()
    }

    /// Binds a symbolic dimension of the model's inputs.
    pub fn dim(&mut self, name: impl Into<String>, extent: usize) -> &mut Self {
        self.dims.push((name.into(), extent));
        self
    }

    /// Names the module or crate: a Rust identifier in snake_case.
    pub fn name(&mut self, name: impl Into<String>) -> &mut Self {
        self.name = Some(name.into());
        self
    }

    /// Whether the runtime's source goes inside what is emitted.
    pub fn standalone(&mut self, standalone: bool) -> &mut Self {
        self.standalone = standalone;
        self
    }

    /// Where the code will run: a target of rustc's, as `x86_64-unknown-linux-gnu`.
    pub fn target(&mut self, triple: impl Into<String>) -> &mut Self {
        self.target = Some(triple.into());
        self
    }

    /// Whether a model with warnings is refused.
    pub fn strict(&mut self, strict: bool) -> &mut Self {
        self.strict = strict;
        self
    }

    /// What a sign of exactly zero becomes in front of a binary layer.
    pub fn zero(&mut self, zero: Zeros) -> &mut Self {
        self.zero = zero;
        self
    }

    /// How f32 is multiplied and added where the processor has no one instruction for it.
    pub fn multiply_add(&mut self, multiply_add: MultiplyAdds) -> &mut Self {
        self.multiply_add = multiply_add;
        self
    }

    /// Whether the `probe` module is emitted.
    pub fn probe(&mut self, probe: bool) -> &mut Self {
        self.probe = probe;
        self
    }

    /// From how many nanoseconds on a block can be divided among threads.
    pub fn share_from(&mut self, nanoseconds: usize) -> &mut Self {
        self.share_from = Some(nanoseconds);
        self
    }

    /// The arithmetic of the real-valued layers: f32, or something faster and looser, which the report then names.
    pub fn real_layers(&mut self, arithmetic: Arithmetic) -> &mut Self {
        self.real_layers = arithmetic;
        self
    }

    /// The arithmetic of one real-valued layer, by the name of its block in the report.
    pub fn real_layer(&mut self, name: impl Into<String>, arithmetic: Arithmetic) -> &mut Self {
        self.real_layers_by_name.push((name.into(), arithmetic));
        self
    }

    /// Adds example inputs, one tensor per input of the model after the other (or stacks of them along the first axis): from
    /// these the ranges of 8-bit activations, and of all numbers in fixed point, are learned.
    pub fn calibrate(&mut self, inputs: Vec<Tensor>) -> &mut Self {
        self.calibration.push(inputs);
        self
    }

    /// Gives a file of the model's external data as bytes; it is not looked for in the model's folder.
    pub fn external_data(&mut self, file: impl Into<String>, bytes: impl Into<Arc<[u8]>>) -> &mut Self {
        self.external_data.push((file.into(), bytes.into()));
        self
    }

    /// Writes there instead of into cargo's `OUT_DIR`.
    pub fn out_dir(&mut self, folder: impl Into<PathBuf>) -> &mut Self {
        self.out_dir = Some(folder.into());
        self
    }

    /// The name to emit under: the one set, or one made of the file's.
    pub fn name_for(&self, model: &Path) -> String {
        self.name.clone().unwrap_or_else(|| name_of(model))
    }
}

/// Names that mean something else in the crate or beside it: Rust's own crates, the runtime, the types and tools that
/// every file knows by one word.
const TAKEN: &[&str] = &[
    "alloc",
    "core",
    "proc_macro",
    "std",
    "test",
    "xnorc_runtime",
    "bool",
    "char",
    "f16",
    "f32",
    "f64",
    "f128",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "isize",
    "str",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "usize",
    "clippy",
    "diagnostic",
    "miri",
    "rust_analyzer",
    "rustdoc",
    "rustfmt",
];

/// Whether a text can name a module and a crate, without a warning of rustc about its style.
pub fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.contains("__")
        && !is_keyword(name)
        && !TAKEN.contains(&name)
}

/// What [`is_name`] asks for, in words.
pub const NAME_RULE: &str = "lower-case letters, digits and single underscores, a letter first, \
     not a keyword nor the name of a crate, type or tool of Rust's own";

/// `my-net.v2.onnx` to `my_net_v2`.
fn name_of(model: &Path) -> String {
    let stem = model.file_stem().map(|s| s.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let words: Vec<&str> = stem.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let name = words.join("_");
    if is_name(&name) { name } else { format!("model_{name}").trim_end_matches('_').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_name_gives_a_module_name() {
        let names = [
            "a/my-net.v2.onnx",
            "18.onnx",
            "match.onnx",
            "élan.onnx",
            "_.onnx",
            "Net.onnx",
            "gen.onnx",
            "core.onnx",
            "Test.onnx",
            "a--b__c.onnx",
            "u8.onnx",
        ];
        let named: Vec<String> = names.iter().map(|n| name_of(Path::new(n))).collect();
        assert_eq!(
            named,
            [
                "my_net_v2",
                "model_18",
                "model_match",
                "lan",
                "model",
                "net",
                "model_gen",
                "model_core",
                "model_test",
                "a_b_c",
                "model_u8",
            ]
        );
        assert!(named.iter().all(|n| is_name(n)));
    }
}
