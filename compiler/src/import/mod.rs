//! (being written)

use std::path::{Path, PathBuf};

use crate::diagnostics::Diagnostics;
use crate::ir::Graph;

/// How symbolic dimensions are bound, and where external data lies.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Symbolic dimensions by name (`batch` = 1). Unnamed and unbound ones: axis 0 of an input defaults to 1 with a note.
    pub dims: Vec<(String, usize)>,
    /// The model's own folder: external data is read from there and nowhere else.
    pub folder: Option<PathBuf>,
}

/// What import gives.
#[derive(Debug)]
pub struct Imported {
    /// Level 1 of the IR.
    pub graph: Graph,
    /// Files read beside the model itself.
    pub files: Vec<PathBuf>,
    /// Warnings.
    pub warnings: Diagnostics,
}

/// Reads a model.
///
/// # Errors
/// All problems of the file.
pub fn load(_bytes: &[u8], _options: &Options) -> Result<Imported, Diagnostics> {
    let _: Option<&Path> = None;
    Err(Diagnostics::default())
}
