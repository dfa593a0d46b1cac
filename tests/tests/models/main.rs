//! Large models that are not part of the project, level by level: `XNORC_LONG=1`, and `XNORC_MODELS`, their folder.

mod blocks;
mod import;
mod passes;

use std::path::PathBuf;

/// The folder of a model.
fn folder(name: &str) -> PathBuf {
    let folder = xnorc_tests::models().join(name);
    assert!(folder.is_dir(), "{name} is not among the large models");
    folder
}
