//! What the passes work on: [`tensor`], the [`graph`] of operators, the [`network`] of fused blocks, what holds of each
//! ([`check`]), and their [`text`].

pub mod check;
pub mod graph;
pub mod network;
pub mod part;
pub mod tensor;
pub mod text;

pub use crate::ops::{binary::Binary, reduce::Reduction, unary::Unary};
pub use graph::*;
pub use part::Part;
pub use tensor::*;
