//! Builds an emitted crate on this machine and drives it from outside.
//!
//! The crate is compiled as it stands (with the runtime inside and the `probe` module), together with a small harness that
//! takes commands on its standard input: write a tensor, run a block or all, read a tensor, measure. Talking over a
//! pipe keeps the compiler free of unsafe code and of dynamic loading, and a crash of the program stays its own.
//!
//! A process that calls C gets the library that C calls ([`obtain_library`]): that of `xnorc compile --c`, kept like programs.
//!
//! What was built is kept ([`Cache`]). Where there is no rustc, the interpreter can stand in for the program
//! ([`Program::interpreted`]).

mod build;
mod cache;
mod elf;
mod guard;
mod interpreter;
mod program;
mod size;
#[cfg(test)]
mod tests;
mod workshop;

pub(crate) use build::is_integer;
pub use build::{Built, build, build_unoptimised};
pub use cache::{Cache, Obtained, obtain, obtain_library};
pub use program::{Counted, Peaks, Program, Space, Timing};
pub use size::{measure, measure_by};

use xnorc::diagnostics::{Code, Diagnostic, Diagnostics};

/// A problem of this machine, not of the model.
fn problem(message: impl Into<String>) -> Diagnostics {
    Diagnostic::error(Code::Toolchain, None, message).into()
}
