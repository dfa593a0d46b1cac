//! The learning rate as a function of the place in the step.
//!
//! burn's schedulers count their own calls and would be one more state to save; a function of the epoch and the batch
//! has nothing to save, and a run taken up again goes on exactly where it stopped.

use std::f64::consts::PI;

use crate::config::{ScheduleConfig, ScheduleKind};

/// The rate of update `update` (of `updates` in each epoch) of epoch `epoch` (of `epochs`), all counted from 0, for a
/// highest rate of `highest`.
pub fn rate(
    config: &ScheduleConfig,
    highest: f64,
    (epoch, epochs): (usize, usize),
    (update, updates): (usize, usize),
) -> f64 {
    let done = (epoch * updates + update) as f64;
    let warm = (config.warm_up * updates) as f64;
    if done < warm {
        return highest * (done + 1.0) / warm;
    }
    match config.kind {
        ScheduleKind::Constant => highest,
        ScheduleKind::Step => {
            let falls = config.at.iter().filter(|&&at| epoch >= at).count();
            highest * config.factor.powi(falls as i32)
        }
        ScheduleKind::Cosine => {
            let all = (epochs * updates) as f64;
            highest * 0.5 * (1.0 + (PI * (done - warm) / (all - warm)).cos())
        }
    }
}
