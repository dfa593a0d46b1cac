//! Arrays in and out, as `.npy`.

use std::path::{Path, PathBuf};

use xnorc::diagnostics::{Code, Diagnostic};
use xnorc::ir::Tensor;
use xnorc::ir::network::{Network, TensorId};
use xnorc::{Config, npy};

use super::args::Model;
use super::{Result, file_problem};

/// Reads an array for a tensor of the network. Axes of extent 1 may be missing or too many.
pub(super) fn read(path: &Path, network: &Network, id: TensorId) -> Result<Tensor> {
    let bytes = std::fs::read(path).map_err(|e| file_problem(path, "cannot be read", e))?;
    let array = npy::read(&bytes).map_err(|e| file_problem(path, "cannot be read", e))?;
    let tensor = network.tensor(id);
    let solid = |shape: &[usize]| shape.iter().copied().filter(|&e| e != 1).collect::<Vec<_>>();
    if solid(&array.shape) != solid(&tensor.shape) {
        let place = format!("file \"{}\"", path.display());
        let message = format!("an array of shape {:?}, but \"{}\" has {:?}", array.shape, tensor.name, tensor.shape);
        return Err(Diagnostic::error(Code::ShapeMismatch, place, message).into());
    }
    Ok(Tensor { shape: tensor.shape.clone(), data: array.data })
}

/// Reads arrays for tensors that repeat: `paths` are a whole number of sets.
pub(super) fn read_sets(paths: &[PathBuf], network: &Network, ids: &[TensorId]) -> Result<Vec<Vec<Tensor>>> {
    let set = |paths: &[PathBuf]| paths.iter().zip(ids).map(|(path, &id)| read(path, network, id)).collect();
    if ids.is_empty() { Ok(Vec::new()) } else { paths.chunks(ids.len()).map(set).collect() }
}

/// The configuration a model is to be compiled with, its example inputs read.
pub(super) fn config(model: &Model) -> Result<Config> {
    let mut config = model.config();
    for path in &model.calibrate {
        let bytes = std::fs::read(path).map_err(|e| file_problem(path, "cannot be read", e))?;
        let array = npy::read(&bytes).map_err(|e| file_problem(path, "cannot be read", e))?;
        match config.calibration.first_mut() {
            Some(arrays) => arrays.push(array),
            None => config.calibration.push(vec![array]),
        }
    }
    Ok(config)
}

/// Writes an array.
pub(super) fn write(path: &Path, tensor: &Tensor) -> Result {
    xnorc::write_if_changed(path, &npy::write(tensor)).map_err(|e| file_problem(path, "cannot be written", e).into())
}
