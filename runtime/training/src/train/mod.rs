//! Training: the steps of a procedure one after the other, each an ordinary loop of epochs that can be interrupted at
//! any moment and taken up again at the last whole epoch with the same result, bit for bit.
//!
//! In the folder of results:
//!
//! | file | |
//! |---|---|
//! | `config.toml` | the configuration as it was understood |
//! | `task.json` | the size of the pictures and the number of classes |
//! | `STEP/state.json` | how far the step is, and the names of the files that belong to that; written last |
//! | `STEP/last-N.*`, `STEP/best-N.*` | network (and optimiser) after epoch N |
//! | `STEP/metrics.csv`, `STEP/metrics.jsonl` | a line per epoch |

mod checkpoint;
mod device;
mod evaluate;
mod logits;
mod metrics;
mod procedure;
mod progress;
mod step;
#[cfg(test)]
mod tests;

pub use checkpoint::{Checkpoint, State, load_network, restore, write as write_file};
pub use device::device;
pub use evaluate::{Evaluation, evaluate};
pub use logits::logits;
pub use metrics::Epoch;
pub use procedure::{Outcome, network_of, run, trained, trained_task};
pub use progress::{Progress, Quiet, Terminal};
