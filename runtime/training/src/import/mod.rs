//! Weights that were trained before, by another program or this one: the real teacher of a procedure, or what a step starts from.

mod names;
mod onnx;
mod safetensors;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::{Module as _, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};

pub use safetensors::Values;

use crate::nn::Network;
use crate::problem::{Problems, Result};

/// Every tensor of floating point in a file, by its name: of safetensors or, where its name ends in `.onnx`, of ONNX.
///
/// # Errors
/// A file that cannot be read, is cut off, or contradicts itself; one of ONNX without weights in it.
pub fn read(path: &Path) -> Result<BTreeMap<String, Values>> {
    let bytes = std::fs::read(path).map_err(|e| Problems::file(path, format_args!("cannot be read: {e}")))?;
    let (kind, values) = if path.extension().is_some_and(|extension| extension == "onnx") {
        ("ONNX file with weights", onnx::parse(&bytes))
    } else {
        ("file of safetensors", safetensors::parse(&bytes))
    };
    values.map_err(|what| Problems::file(path, format_args!("is no {kind}: {what}")))
}

/// `network` with every parameter and running statistic from a file: see [`read`].
///
/// # Errors
/// A file that cannot be read or understood; everything that is missing in it, has another shape, or has no place in
/// the network.
pub fn with_weights(network: Network, path: &Path) -> Result<Network> {
    let (mut tensors, mut unknown) = (BTreeMap::new(), Vec::new());
    for (name, values) in read(path)? {
        match names::ours(&name) {
            Some((ours, transposed)) => drop(tensors.insert(ours, (name, values, transposed))),
            None => unknown.push(name),
        }
    }
    let mut set = Set { path: Vec::new(), tensors, wrong: Vec::new() };
    let network = network.map(&mut set);
    unknown.extend(set.tensors.into_values().map(|(name, ..)| name));
    set.wrong.extend(unknown.into_iter().map(|name| format!("its `{name}` has no place in the network")));
    let mut problems = Problems::default();
    set.wrong.iter().for_each(|what| problems.0.append(&mut Problems::file(path, what).0));
    problems.or(network)
}

/// Puts tensors in their places.
struct Set {
    path: Vec<String>,
    /// By their names here: the name in the file, what it holds, and whether that is transposed.
    tensors: BTreeMap<String, (String, Values, bool)>,
    wrong: Vec<String>,
}

impl ModuleMapper for Set {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        // Without the kinds of blocks, which are variants of one type.
        let parts = self.path.iter().filter(|part| !matches!(part.as_str(), "Binary" | "Real"));
        let name = parts.map(String::as_str).collect::<Vec<_>>().join(".");
        let Some((_, values, transposed)) = self.tensors.remove(&name) else {
            self.wrong.push(format!("has nothing for `{name}`"));
            return param;
        };
        let value = param.val();
        let mut shape = value.dims().to_vec();
        if transposed {
            shape.reverse();
        }
        if shape != values.shape {
            self.wrong.push(format!("`{name}` has shape {:?} there and {shape:?} here", values.shape));
            return param;
        }
        let (learned, device) = (value.is_require_grad(), value.device());
        param.map(|_| {
            let mut new = Tensor::<D>::from_data(TensorData::new(values.data, values.shape), &device);
            if transposed {
                new = new.transpose();
            }
            if learned { new.require_grad() } else { new }
        })
    }
}
