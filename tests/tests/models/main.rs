//! Large models that are not part of the project, level by level: `XNORC_LONG=1`, and their folder beside the repository or
//! in `XNORC_MODELS`.

mod blocks;
mod import;
mod passes;

use std::path::PathBuf;

/// The folder of a model.
fn folder(name: &str) -> PathBuf {
    let folder = xnorc_tests::models().expect("the folder of large models").join(name);
    assert!(folder.is_dir(), "{name} is not among the large models");
    folder
}
