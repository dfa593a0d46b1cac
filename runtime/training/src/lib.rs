//! Trains binary neural networks as "Training Binary Neural Networks with Real-to-Binary Convolutions" does (Martinez,
//! Yang, Bulat, Tzimiropoulos, ICLR 2020), and writes them as ONNX that `xnorc compile` takes whole.
//!
//! Nothing of it is linked into what the compiler emits. It runs on [burn](https://burn.dev): on the CPU as it is, on
//! GPUs with the features `cuda`, `vulkan` or `wgpu`.
//!
//! ```text
//!  CONFIG.toml ─ config ─> steps ─ train ─> checkpoints ─ export ─> net.onnx ─ xnorc compile ─> Rust
//!                            │
//!        data: pictures ─────┤   teacher: an earlier step's network, its logits and attention maps
//!        nn: networks   ─────┤
//!        loss, optim    ─────┘
//! ```
//!
//! | module | what | paper |
//! |---|---|---|
//! | [`config`] | a procedure as one TOML file: data, networks, steps; every default, and where the paper is silent | 4.1, 4.2, 5 |
//! | [`nn`] | the real residual network; the half-block with every part switchable: BN first, double skip, scale, gate, PReLU, shortcut, padding; the sign and its surrogate gradients | 3, 4.1, 4.3, figure 1 |
//! | [`loss`] | labels, logit matching, attention matching | 4.2, equation 2 |
//! | [`optim`] | Adam, SGD, weight decay and what it spares, schedules | 4.1, 5 |
//! | [`data`] | IDX, CIFAR, folders of pictures; augmentation, mix-up; batches made in parallel | 5 |
//! | [`train`] | the loop, checkpoints, metrics, evaluation, the steps of a procedure in order | 4.2 |
//! | [`together`] | several processes that train one network, over MPI | |
//! | [`ablation`] | the method with parts left out in turn: runs, table, picture | table 3 |
//! | [`probe`], [`plot`] | a look inside a trained network; pictures (SVG) of that and of how training went | 4.2 |
//! | [`export`] | ONNX | |
//! | [`import`] | weights that were trained before, from safetensors or an exported file | |
//! | [`problem`] | what can be wrong, all at once | |
//!
//! The progressive procedure is four steps of a configuration: a real network (step 0 of the paper's), a student of
//! the binary architecture with tanh where the sign will be, one with signs, one with binary weights too; each begins
//! where the one before ended and has it as its teacher.
//!
//! ```no_run
//! use std::{path::Path, sync::atomic::AtomicBool};
//! use xnorc_training::{config::Config, problem::Result, train};
//!
//! fn main() -> Result {
//!     let config = Config::load(Path::new("fashion-mnist.toml"))?;
//!     train::run(&config, &AtomicBool::new(false), &mut train::Terminal::default())?;
//!     Ok(())
//! }
//! ```

pub mod ablation;
pub mod config;
mod cpu;
pub mod data;
pub mod export;
pub mod import;
pub mod loss;
pub mod nn;
pub mod optim;
pub mod plot;
pub mod probe;
pub mod problem;
#[cfg(test)]
mod testing;
pub mod together;
pub mod train;
