//! `xnorc evaluate`: how often a network is right, how long it takes, and what another engine says of the same pictures.

mod decode;
mod labels;
mod pictures;
mod report;
mod scores;

pub use labels::read as read_labels;
pub use pictures::{Layout, Pictures, Preparation};
pub use report::{Beside, Evaluation, Pair};
pub use scores::Scores;

use std::time::Duration;

use crate::arrays::Collected;
use crate::toolchain::{Program, Space, Timing};
use crate::verify::outputs;
use xnorc::diagnostics::{Code, Diagnostic, Diagnostics};
use xnorc::ir::Tensor;
use xnorc::ir::network::Network;

/// What a network made of pictures.
#[derive(Clone, Debug)]
pub struct Answers {
    /// Its first output, for all pictures, along the first axis.
    pub outputs: Tensor,
    /// Times of a picture.
    pub timing: Timing,
}

/// The shape of the only input of a network that takes pictures.
///
/// # Errors
/// A network of several inputs, or of none.
pub fn input_shape(network: &Network) -> Result<&[usize], Diagnostics> {
    match &network.inputs[..] {
        [id] => Ok(&network.tensor(*id).shape),
        inputs => {
            let message = format!("the model has {} inputs, but pictures are for one", inputs.len());
            let help = "`xnorc run` takes stacks of each, and writes the outputs";
            Err(Diagnostic::error(Code::ShapeMismatch, None, message).help(help).into())
        }
    }
}

/// What bytes of pictures are multiplied by, where the user does not say it: nothing, for a model that takes integers.
pub fn scale(network: &Network, given: Option<f32>) -> Option<f32> {
    let whole = network.inputs.first().is_some_and(|&id| network.tensor(id).integer().is_some());
    given.or(whole.then_some(1.0))
}

/// Lets a program answer for the first `count` pictures; `progress` is told how many are done.
///
/// # Errors
/// A picture that cannot be read; a program that has ended.
pub fn answers(
    network: &Network,
    program: &mut Program,
    pictures: &Pictures,
    count: usize,
    progress: &mut dyn FnMut(usize),
) -> Result<Answers, Diagnostics> {
    let shape = input_shape(network)?;
    let batch = if shape.len() > 1 { shape[0] } else { 1 };
    let count = count.min(pictures.count());
    let mut times: Vec<Duration> = Vec::new();
    let mut all = Collected::new();
    let mut values = Vec::new();
    for first in (0..count).step_by(batch.max(1)) {
        let own = batch.min(count - first);
        values.clear();
        for index in first..first + batch {
            // The last picture again, where there are no more.
            values.extend(pictures.picture(index.min(count - 1))?);
        }
        program.write_f32(Space::Input(0), 0, &values)?;
        times.push(program.time(0, 1)?.min() / batch as u32);
        let output = outputs(network, program)?.into_iter().next();
        let output = output.ok_or_else(|| Diagnostic::error(Code::ShapeMismatch, None, "the model has no output"))?;
        all.add(&output, own, batch);
        progress(first + own);
    }
    let outputs = all.tensor().ok_or_else(|| Diagnostic::error(Code::Io, None, "there are no pictures"))?;
    Ok(Answers { outputs, timing: Timing::new(times) })
}

#[cfg(test)]
mod tests;
