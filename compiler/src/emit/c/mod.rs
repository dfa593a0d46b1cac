//! What C and C++ see of a crate: a header, the function it declares, and what the manifest and the README say of them. The web calls
//! the same function.
//!
//! The crate stays one of Rust's: its library for C is built with the feature `c`, which alone brings the file with `unsafe` in it.
//! It is optimised as a whole in every profile, which hides all of Rust's own names in it (the panic handler among them): so that
//! a program may hold several.

mod face;
mod header;
mod readme;
#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;

use super::Output;
use super::interface::{Interface, Port};
use super::krate::File;
use super::text::array;
use crate::ir::DType;
use crate::ir::network::TensorId;

pub(super) use readme::section;

/// Alignment of the scratch memory, in bytes: that of the runtime's `Workspace`.
pub(super) const ALIGN: usize = 64;

/// What the manifest says more: the feature, in front of the others.
pub(super) const FEATURE: &str = "# What `include/` declares, for C and C++, and for what else calls it so.\nc = []\n";

/// What the manifest says more, at its end.
pub(super) const PROFILES: &str = "
# Not of a workspace around it, whose profiles would count.
[workspace]

# Optimised as a whole, the library shows C its own function and nothing of Rust's: several fit into one program.
[profile.release]
panic = \"abort\"
lto = true
codegen-units = 1

[profile.dev]
panic = \"abort\"
opt-level = 3
lto = true
codegen-units = 1
";

/// What the root module says more.
pub(super) const MODULE: &str = "\n// The only `unsafe` code outside the runtime: what C gives as pointers.\n\
     #[cfg(feature = \"c\")]\n#[allow(unsafe_code, clippy::all)]\n#[rustfmt::skip]\nmod c;\n";

/// The header, and the function behind it.
pub(super) fn files(output: &Output, name: &str) -> Vec<File> {
    let view = View::of(output, name);
    vec![
        (format!("include/{name}.h"), header::text(&view).into_bytes()),
        ("src/c.rs".to_owned(), face::text(&view).into_bytes()),
    ]
}

/// The function that the header declares, for who calls it without a compiler of C: it takes a pointer to each input, to each output
/// (in the model's order, as numbers in row-major order: `float`, or integers of the model's type), and to scratch memory, and returns an `int`: 0, 1 where a
/// pointer is null, 2 where one is not aligned. Nothing of all that may overlap; scratch memory is a thread's own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CFunction {
    /// As the library exports it.
    pub name: String,
    /// Bytes of scratch memory.
    pub scratch_bytes: usize,
    /// What its address is a multiple of.
    pub scratch_align: usize,
}

/// The function of a network so named.
pub fn c_function(output: &Output, name: &str) -> CFunction {
    let View { bytes, function, .. } = View::of(output, name);
    CFunction { name: function, scratch_bytes: bytes, scratch_align: ALIGN }
}

/// Why a network so named cannot be given to C: names that a program in C or C++ has no use of, as they mean something there.
///
/// # Errors
/// What is wrong with it, as a sentence without a subject.
pub fn check_name(name: &str) -> Result<(), String> {
    let is_identifier = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.contains("__");
    if !is_identifier {
        return Err("is no identifier of C and C++: letters, digits and single underscores, a letter first".to_owned());
    }
    if KEYWORDS.contains(&name) {
        return Err("is a keyword of C or C++".to_owned());
    }
    if HEADERS.contains(&name) {
        return Err(format!("is taken: its header would hide <{name}.h>"));
    }
    Ok(())
}

/// Of C23 and C++23, in lower case.
const KEYWORDS: &[&str] = &[
    "alignas",
    "alignof",
    "and",
    "and_eq",
    "asm",
    "atomic_cancel",
    "auto",
    "bitand",
    "bitor",
    "bool",
    "break",
    "case",
    "catch",
    "char",
    "char16_t",
    "char32_t",
    "char8_t",
    "class",
    "co_await",
    "co_return",
    "co_yield",
    "compl",
    "concept",
    "const",
    "const_cast",
    "consteval",
    "constexpr",
    "constinit",
    "continue",
    "decltype",
    "default",
    "delete",
    "do",
    "double",
    "dynamic_cast",
    "else",
    "enum",
    "explicit",
    "export",
    "extern",
    "false",
    "float",
    "for",
    "friend",
    "goto",
    "if",
    "inline",
    "int",
    "long",
    "mutable",
    "namespace",
    "new",
    "noexcept",
    "not",
    "not_eq",
    "nullptr",
    "operator",
    "or",
    "or_eq",
    "private",
    "protected",
    "public",
    "register",
    "reinterpret_cast",
    "requires",
    "restrict",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "static_assert",
    "static_cast",
    "struct",
    "switch",
    "template",
    "this",
    "thread_local",
    "throw",
    "true",
    "try",
    "typedef",
    "typeid",
    "typename",
    "typeof",
    "typeof_unqual",
    "union",
    "unsigned",
    "using",
    "virtual",
    "void",
    "volatile",
    "wchar_t",
    "while",
    "xor",
    "xor_eq",
];

/// Of the standard, and those of systems that programs include most.
const HEADERS: &[&str] = &[
    "assert",
    "complex",
    "ctype",
    "errno",
    "fenv",
    "float",
    "inttypes",
    "iso646",
    "limits",
    "locale",
    "math",
    "setjmp",
    "signal",
    "stdalign",
    "stdarg",
    "stdatomic",
    "stdbit",
    "stdbool",
    "stdckdint",
    "stddef",
    "stdint",
    "stdio",
    "stdlib",
    "stdnoreturn",
    "string",
    "tgmath",
    "threads",
    "time",
    "uchar",
    "wchar",
    "wctype",
    "dirent",
    "dlfcn",
    "fcntl",
    "memory",
    "netdb",
    "poll",
    "pthread",
    "regex",
    "sched",
    "search",
    "semaphore",
    "strings",
    "unistd",
    "windows",
];

/// A tensor of the caller's.
pub(super) struct Side {
    /// As the header's macros call it: `INPUT`, `OUTPUT_LOGITS`.
    upper: String,
    /// As the function calls it: `input`, `output_logits`.
    parameter: String,
    /// The field of `Input` or `Output`, if there are several.
    field: Option<String>,
    /// In the file.
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) len: usize,
    pub(in crate::emit) dtype: DType,
}

impl Side {
    fn all(output: &Output, ids: &[TensorId], ports: &[Port], word: &str) -> Vec<Self> {
        let one = |(&id, port): (&TensorId, &Port)| {
            let tensor = output.network.tensor(id);
            let field = port.field.as_ref().map(ToString::to_string);
            let parameter = field.as_ref().map_or_else(|| word.to_owned(), |field| format!("{word}_{field}"));
            Self {
                upper: parameter.to_ascii_uppercase(),
                parameter,
                field,
                name: tensor.name.clone(),
                shape: tensor.shape.clone(),
                len: port.len,
                dtype: tensor.integer().unwrap_or(DType::F32),
            }
        };
        ids.iter().zip(ports).map(one).collect()
    }

    /// Bytes of an element.
    fn size(&self) -> usize {
        self.dtype.bytes()
    }

    /// As the model's file and the report call it.
    pub(super) fn element(&self) -> &'static str {
        self.dtype.name()
    }

    fn c_type(&self) -> &'static str {
        match self.dtype {
            DType::F32 | DType::Bool => "float",
            DType::I64 => "int64_t",
            DType::U8 => "uint8_t",
            DType::I8 => "int8_t",
            DType::U16 => "uint16_t",
            DType::I16 => "int16_t",
            DType::U32 => "uint32_t",
            DType::I32 => "int32_t",
        }
    }

    /// As JavaScript holds it.
    pub(in crate::emit) fn array(&self) -> &'static str {
        match self.dtype {
            DType::F32 | DType::Bool => "Float32Array",
            DType::I64 => "BigInt64Array",
            DType::U8 => "Uint8Array",
            DType::I8 => "Int8Array",
            DType::U16 => "Uint16Array",
            DType::I16 => "Int16Array",
            DType::U32 => "Uint32Array",
            DType::I32 => "Int32Array",
        }
    }

    fn rust_type(&self) -> String {
        format!("[{}; {}]", self.element(), self.len)
    }
}

/// A network as C sees it.
pub(super) struct View<'a> {
    pub(super) name: &'a str,
    /// What the library exports.
    pub(super) function: String,
    /// In front of every macro.
    upper: String,
    pub(super) inputs: Vec<Side>,
    pub(super) outputs: Vec<Side>,
    /// Of the scratch memory, where the inputs and the outputs lie too when there are several: Rust has them as one value.
    pub(super) bytes: usize,
}

impl<'a> View<'a> {
    pub(super) fn of(output: &Output, name: &'a str) -> Self {
        let interface = Interface::new(&output.network);
        let inputs = Side::all(output, &output.network.inputs, &interface.inputs, "input");
        let outputs = Side::all(output, &output.network.outputs, &interface.outputs, "output");
        let inside = |sides: &[Side]| -> usize {
            if sides.len() == 1 {
                0
            } else {
                // Rust may put between them what each needs to be aligned.
                sides.iter().map(|side| (side.len * side.size()).next_multiple_of(8)).sum::<usize>()
            }
        };
        let work = match output.fixed {
            Some(_) => output.scratch_bytes(),
            None => (4 * output.plan.real_len).next_multiple_of(8) + 8 * output.plan.bits_len,
        };
        let bytes = work.next_multiple_of(ALIGN) + inside(&inputs) + inside(&outputs);
        Self {
            name,
            function: format!("{name}_infer"),
            upper: name.to_ascii_uppercase(),
            inputs,
            outputs,
            bytes: bytes.max(1).next_multiple_of(ALIGN),
        }
    }

    fn sides(&self) -> impl Iterator<Item = &Side> {
        self.inputs.iter().chain(&self.outputs)
    }
}

/// `1, 28, 28`.
pub(super) fn list(shape: &[usize]) -> String {
    array(shape).to_string().trim_matches(['[', ']']).replace(" ,", ",").trim().to_owned()
}
