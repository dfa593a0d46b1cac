//! Networks: the real-valued residual network, and the binary architecture with every part switchable.
//!
//! Tensors are [pictures, channels, rows, columns]. A module's parameters have names that tell their kind
//! (`latent`, `alpha`, `slope`, `norm.gamma`), by which the optimiser and the checkpoints know them.

mod activation;
mod block;
mod conv;
mod convolve;
mod flex;
mod gate;
mod half_block;
mod init;
mod mean;
mod network;
mod norm;
mod prelu;
mod sign;
#[cfg(test)]
mod tests;

pub use activation::Act;
pub use block::{BinaryBlock, Block, RealBlock};
pub(crate) use conv::mean_size;
pub use conv::{BinaryConv, Conv, Geometry};
pub use convolve::{ConvolveOps, convolve};
pub use gate::{Dense, Gate};
pub use half_block::{Form, HalfBlock, Shortcut};
pub use init::Init;
pub use mean::MeanOps;
pub use network::{Head, Network, Output, Stage, Stem, Task};
pub use norm::NormOps;
pub use prelu::{PreluOps, prelu, scaled_prelu};
pub use sign::{SignOps, sign};
