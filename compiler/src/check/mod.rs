//! What holds of a level, stated in code: [`graph()`] of a graph, as imported and after each pass; [`network()`] of fused blocks.
//!
//! Both run in every build. What they find is a fault of xnorc, never of the model: a diagnostic [`Code::Internal`] that names
//! the node or block, and what is wrong with it. So a fault of a pass ends there, with a sentence, and not in the emitter.

mod graph;
mod network;
#[cfg(test)]
mod tests;

pub use graph::{Before, Promise, graph};
pub use network::network;

use crate::diagnostics::{Code, Diagnostic, Diagnostics};

/// What is found, as diagnostics.
pub(crate) struct Faults {
    /// Who is to blame, in a few words.
    when: String,
    found: Diagnostics,
}

impl Faults {
    pub(crate) fn new(when: &str) -> Self {
        Self { when: when.to_owned(), found: Diagnostics::default() }
    }

    /// Records what is wrong with a place.
    pub(crate) fn add(&mut self, place: impl Into<Option<String>>, what: impl std::fmt::Display) {
        let message = format!("internal error {}: {what}", self.when);
        self.found.push(
            Diagnostic::error(Code::Internal, place, message)
                .help("this is a fault of xnorc and not of the model; please report it, with the model if you can"),
        );
    }

    pub(crate) fn result(self) -> Result<(), Diagnostics> {
        if self.found.has_errors() { Err(self.found) } else { Ok(()) }
    }
}
