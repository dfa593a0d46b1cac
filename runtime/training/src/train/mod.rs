//! Training: the steps of a procedure one after the other, each an ordinary loop of epochs that can be interrupted at
//! any moment and taken up again at the last whole epoch with the same result, bit for bit.
//!
//! In the folder of results:
//!
//! | file | |
//! |---|---|
//! | `config.toml` | the configuration as it was understood; a configuration itself, with this folder as its output |
//! | `task.json` | the size of the pictures and the number of classes |
//! | `classes.json` | their names |
//! | `curves.svg` | losses, accuracy and learning rate over the epochs of all steps so far |
//! | `tensorboard/STEP/*` | TensorBoard's event files, where they are asked for |
//! | `STEP/state.json` | how far the step is, and the names of the files that belong to that; written last |
//! | `STEP/last-N.*`, `STEP/best-N.*` | network (and optimiser) after epoch N |
//! | `STEP/lock` | held while a process trains the step |
//! | `STEP/settings.toml` | of a step that procedures share: all that its result depends on |
//! | `STEP/metrics.csv`, `STEP/metrics.jsonl` | a line per epoch |

mod checkpoint;
mod device;
mod estimate;
mod evaluate;
mod logits;
mod memory;
mod metrics;
mod predict;
mod procedure;
mod progress;
mod settings;
mod step;
mod tensorboard;
#[cfg(test)]
mod tests;

pub use checkpoint::{Checkpoint, Shares, State, Tested, load_network, restore, write as write_file};
pub use device::device;
pub use estimate::{Estimate, estimate};
pub use evaluate::{Evaluation, evaluate};
pub use logits::logits;
pub use metrics::Epoch;
pub use predict::{Prediction, predict};
pub use procedure::{
    Outcome, Pictures, checkpoint, history, network_of, run, run_on, trained, trained_classes, trained_task,
    write_curves,
};
pub use progress::{Progress, Quiet, Terminal};
pub use settings::same as same_settings;
