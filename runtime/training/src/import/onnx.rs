//! Weights in a file that `export` wrote: its constants have the names of the trainer's parameters.

use std::collections::BTreeMap;

use prost::Message;

use super::Values;
use crate::export::messages::{DataType, Model};

/// What parameters and running statistics are called at the end of their paths. Other constants of a file are made by the export: the
/// two values of a sign, mean and deviation of the pictures.
const KINDS: [&str; 7] = ["beta", "bias", "gamma", "latent", "running_mean", "running_var", "weight"];

/// Those that are lists of numbers here, and have in the file the shape in which they are multiplied.
const FACTORS: [&str; 4] = ["alpha", "alpha_columns", "alpha_rows", "slope"];

/// Every parameter by its name.
///
/// # Errors
/// A sentence behind "is no ONNX file with weights: ".
pub(super) fn parse(bytes: &[u8]) -> Result<BTreeMap<String, Values>, String> {
    let model = Model::decode(bytes).map_err(|e| e.to_string())?;
    let constants = model.graph.unwrap_or_default().initializer;
    let mut all = BTreeMap::new();
    for tensor in constants {
        let kind = tensor.name.rsplit('.').next().unwrap_or_default();
        let factors = FACTORS.contains(&kind);
        if !(factors || KINDS.contains(&kind)) || tensor.data_type() != DataType::Float {
            continue;
        }
        let shape: Vec<usize> = tensor.dims.iter().map(|&n| usize::try_from(n).unwrap_or(0)).collect();
        let data: Vec<f32> = tensor.raw_data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        // Weights beside the file are as many as none.
        let count = shape.iter().try_fold(1, |n: usize, &d| n.checked_mul(d));
        if Some(data.len()) != count {
            return Err(format!("`{}` of shape {shape:?} has {} numbers in it", tensor.name, data.len()));
        }
        all.insert(tensor.name, Values { shape: if factors { vec![data.len()] } else { shape }, data });
    }
    if all.is_empty() {
        return Err("none of its constants has the name of a parameter".to_owned());
    }
    Ok(all)
}
