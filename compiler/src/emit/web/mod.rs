//! What a browser sees of a crate: a module of JavaScript with its types, and what rustc is told to build the WebAssembly behind it.
//!
//! It calls the function that C calls: pointers are addresses in the module's memory, where inputs, outputs and scratch memory lie
//! behind what the linker put there. There are two files of WebAssembly, as an engine refuses a whole module for one instruction
//! that it lacks.

mod module;
mod readme;
#[cfg(test)]
mod tests;

use super::Output;
use super::c::View;
use super::krate::File;

pub(super) use readme::section;

/// The module, its types, and the arguments of rustc.
pub(super) fn files(output: &Output, name: &str) -> Vec<File> {
    let view = View::of(output, name);
    let arguments = |file: &str, features: &str| rustc(name, file, features).into_bytes();
    vec![
        (format!("web/{name}.js"), module::code(&view).into_bytes()),
        (format!("web/{name}.d.ts"), module::types(&view).into_bytes()),
        ("web/simd128".to_owned(), arguments(name, "+simd128")),
        ("web/relaxed-simd".to_owned(), arguments(&format!("{name}.relaxed"), "+simd128,+relaxed-simd")),
    ]
}

/// One a line, for `rustc @FILE` in the crate's folder: no shell has a say in them, and a crate without dependencies needs no cargo.
fn rustc(name: &str, file: &str, features: &str) -> String {
    format!(
        "--edition=2024
--crate-name={name}
--crate-type=cdylib
--target=wasm32-unknown-unknown
--cfg=feature=\"c\"
-Copt-level=3
-Ccodegen-units=1
-Clto=fat
-Cpanic=abort
-Cstrip=symbols
-Ctarget-feature={features}
-Clink-arg=--export=__heap_base
src/lib.rs
-o
web/{file}.wasm
"
    )
}
