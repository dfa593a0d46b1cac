//! The configuration of a model, and stacks of arrays for its tensors.

use std::path::PathBuf;

use crate::arrays::{self, Stack};
use xnorc::Config;
use xnorc::ir::network::{Network, TensorId};

use super::args::Model;
use super::{Failure, Result};

/// Reads arrays for tensors of the network, in sets, each a stack or a single sample.
pub(super) fn read(paths: &[PathBuf], network: &Network, ids: &[TensorId], option: &str) -> Result<Vec<Stack>> {
    let sets = arrays::sets(paths, ids.len()).filter(|sets| sets.is_empty() || !ids.is_empty());
    let Some(sets) = sets else {
        let (wanted, word) = (ids.len(), if option == "--input" { "inputs" } else { "outputs" });
        let given = paths.len();
        return Err(Failure::Usage(format!("the model has {wanted} {word}, but {option} is given {given} times")));
    };
    let stacks = sets.into_iter().map(|set| Ok(Stack::read(set, network, ids)?));
    stacks.collect()
}

/// The configuration a model is to be compiled with, its example inputs read.
pub(super) fn config(model: &Model) -> Result<Config> {
    let mut config = model.config();
    for path in &model.calibrate {
        let array = arrays::single(path)?.tensor();
        match config.calibration.first_mut() {
            Some(arrays) => arrays.push(array),
            None => config.calibration.push(vec![array]),
        }
    }
    Ok(config)
}
