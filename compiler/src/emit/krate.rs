//! The files around the emitted module: a complete crate, or one file for `include!`.

use crate::Output;
use crate::ir::Tensor;

/// Where the emitted crate finds the runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// The published crate of the compiler's own version.
    Published,
    /// A folder, as written into the manifest.
    Path(String),
    /// Its source inside the crate.
    Inside,
}

/// What the recorded test of a crate compares.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// One per input of the network.
    pub inputs: Vec<Tensor>,
    /// One per output.
    pub outputs: Vec<Tensor>,
}

/// A file of the crate: its path inside, with `/`, and its bytes.
pub type File = (String, Vec<u8>);

/// The files of a complete crate.
pub fn files(_output: &Output, _name: &str, _runtime: &Runtime, _recording: Option<&Recording>) -> Vec<File> {
    Vec::new()
}

/// One file for `include!`: a single item, the module `name`, with its documentation.
pub fn module(_output: &Output, _name: &str) -> String {
    String::new()
}
