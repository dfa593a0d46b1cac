//! An ahead-of-time compiler for binary neural networks: a trained ONNX file in, specialised `no_std` Rust out.
//!
//! # Use
//!
//! `xnorc` is a build-dependency, `xnorc-runtime` an ordinary one. One call per model in the build script:
//!
//! ```no_run
//! // build.rs
//! xnorc::compile("models/net.onnx");
//! ```
//!
//! and one line in the program, which brings in a module of the file's name:
//!
//! ```ignore
//! // src/main.rs
//! xnorc_runtime::include_model!("net");
//!
//! let mut scratch = net::Scratch::new(); // all the memory that an inference works in
//! net::infer(&input, &mut output, &mut scratch); // arrays: no allocation, no panic
//! ```
//!
//! What differs from the defaults is said by a [`Config`]:
//!
//! ```no_run
//! xnorc::Config::new()
//!     .name("digits")
//!     .dim("batch", 8)
//!     .strict(true) // a warning ends the build
//!     .compile("models/net.onnx");
//! ```
//!
//! Outside of build scripts, [`load`] compiles a file, and [`generate`], the pure core, bytes; [`Output::source`] is the Rust,
//! [`Output::report`] says what became of the network, and [`Diagnostics`] what is wrong with it:
//!
//! ```
//! let config = xnorc::Config::new();
//! let problems = xnorc::generate(b"not a model", None, "net", &config).unwrap_err();
//! assert!(problems.to_string().contains("X001"));
//! ```
//!
//! The command line, with `inspect`, `verify`, `evaluate` and `bench`, is the crate `xnorc-cli`.

// Links to what is private are for those who read the house with `cargo doc --document-private-items`.
#![allow(rustdoc::private_intra_doc_links)]

// # The house on one page
//
// A model goes through it from the middle down: `import` -> `passes` -> `plan` -> `emit`. Each line of this table is a floor.
// What stands on a floor uses what stands above it in the table, on its own line to its left, and nothing else: an operator does
// not know of the file it came from, a plan not of the words that will be emitted. `tests/arrows.rs` reads the table and the
// `use`s of every file, and fails for one that goes the other way.
//
// | floor | what stands there, and where to look first |
// |---|---|
// | `printable` `diagnostics` `internal` `half` `unique` `tokens` | words: names as text, problems of the user (codes X001...), faults of ours, 16-bit floats, unique names, tokens of Rust |
// | `exact` | arithmetic that does not round; the interval of inputs where a sign is +1; the rule for zero |
// | `ir` | the levels as data: `ir/tensor.rs` (shapes, strides), `ir/graph.rs` (levels 1 and 2), `ir/network.rs` (level 3: fused blocks; begin there), `ir/text` (each written and read) |
// | `npy` `target` `config` | arrays in files; what a crate is built for; what the user chooses |
// | `ops` | what every operator means, a file per family: ONNX names, shape rule, elements, facts, cost, spelling in emitted code |
// | `interpret` | runs every level: the yardstick of every pass |
// | `check` | what holds of each level, stated in code; runs after every pass in every build |
// | `import` | the file to level 1: `import/mod.rs`; protobuf in `wire.rs` and `proto.rs` |
// | `passes` | level 1 to 2 to 3: `passes/mod.rs` is the compiler on one page, one file per pass; `passes/lower` makes blocks |
// | `schedule` | level 4: how each block is computed, as data with reasons, before it is words: loops, tiles, what threads divide, cost (`schedule/text`, `schedule/check.rs`) |
// | `plan` | the order of the blocks, and where each tensor and parameter lies |
// | `fixed` | blocks in integers, for cores that have no floating-point unit: their choice, their meaning, their loops (`--real fixed`) |
// | `emit` | blocks to Rust source and bytes; `emit/krate.rs`: the files around it |
// | `report` | what `inspect` says: rows, costs, reasons |
// | `driver` `cargo` | all of it, one stage after the other; the face for build scripts |
//
// Beside it stand `cli/` (the program, and what builds and judges what was emitted) and `../runtime` (what emitted code calls).
// Uncommon words are explained in `GLOSSARY.md`. Modules that are not in the documentation are public for `cli/` and the tests
// of this workspace; they are no part of what is promised.

mod cargo;
#[doc(hidden)]
pub mod check;
mod config;
#[doc(hidden)]
pub mod diagnostics;
mod driver;
#[doc(hidden)]
pub mod emit;
#[doc(hidden)]
pub mod exact;
#[doc(hidden)]
pub mod fixed;
#[doc(hidden)]
pub mod half;
#[doc(hidden)]
pub mod import;
#[doc(hidden)]
pub mod internal;
#[doc(hidden)]
pub mod interpret;
#[doc(hidden)]
pub mod ir;
#[doc(hidden)]
pub mod npy;
#[doc(hidden)]
pub mod ops;
#[doc(hidden)]
pub mod passes;
#[doc(hidden)]
pub mod plan;
mod printable;
pub mod report;
#[doc(hidden)]
pub mod schedule;
#[doc(hidden)]
pub mod target;
mod tokens;
mod unique;

pub use cargo::compile;
pub use config::{Config, MultiplyAdds, Zeros};
#[doc(inline)]
pub use diagnostics::{Code, Diagnostic, Diagnostics, Severity};
pub use driver::{generate, load};
#[doc(inline)]
pub use emit::Output;
#[doc(inline)]
pub use ir::network::Arithmetic;
#[doc(inline)]
pub use ir::{DType, Data, Shape, Tensor};
#[doc(inline)]
pub use report::Report;

#[doc(hidden)]
pub use cargo::write_if_changed;
#[doc(hidden)]
pub use config::{NAME_RULE, is_name};
#[doc(hidden)]
pub use driver::{load_graph, of_network};
