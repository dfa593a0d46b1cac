//! What a network says of pictures, number by number.

use std::sync::Arc;

use burn::tensor::Device;

use super::evaluate::tensor;
use crate::data::{Batches, Part, Plan};
use crate::nn::{Network, Task};
use crate::problem::Result;

/// The logits [pictures, classes] of all pictures of `part`, in the order of `plan`, of a `network` that is on `device`
/// and not trained meanwhile: to be compared with what other engines make of the exported file.
///
/// # Errors
/// A picture that cannot be read: its row would be missing.
pub fn logits(network: &Network, part: &Arc<Part>, plan: Plan, task: Task, device: &Device) -> Result<Vec<f32>> {
    let mut all = Vec::with_capacity(part.len() * task.classes);
    for batch in Batches::new(part, plan) {
        batch.skipped.or(())?;
        let logits = network.forward(tensor(batch.pictures, batch.labels.len(), task, device));
        all.extend(logits.into_data().convert::<f32>().try_into_vec::<f32>().unwrap_or_default());
    }
    Ok(all)
}
