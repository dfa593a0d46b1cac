//! What the passes work on: [`tensor`], the [`graph`] of operators, the [`network`] of fused blocks, and their [`text`].

pub mod binary_weights;
pub mod functions;
pub mod graph;
pub mod network;
pub mod part;
pub mod tensor;
pub mod text;

pub use crate::exact::Zero;
pub use binary_weights::BinaryWeights;
pub use functions::{Binary, Parameters, Reduction, Unary};
pub use graph::*;
pub use part::Part;
pub use tensor::*;
