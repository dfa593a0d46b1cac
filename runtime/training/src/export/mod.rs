//! A trained network as ONNX: ordinary operators, so that every engine gives the trainer's logits, and `xnorc compile`
//! takes it whole.
//!
//! | part | operators |
//! |---|---|
//! | sign | `GreaterOrEqual`, `Where`: the trainer's rule, +1 at 0; or `Sign`, which says 0 there |
//! | binary convolution | `Conv` with constants ±1 or ±α, or with latent weights behind `Sign`; zero padding in it, padding with ones by `Pad` before it |
//! | gate | `GlobalAveragePool`, `Flatten`, `Gemm`, `Relu`, `Gemm`, `Sigmoid`, `Unsqueeze`, `Mul` |
//! | shortcut | `AveragePool`, `Conv`, `BatchNormalization` |
//!
//! Names of constants are the trainer's paths of parameters.

pub(crate) mod messages;
mod network;
#[cfg(test)]
mod tests;
mod writer;

pub use network::{Options, SignOperator, WeightForm, onnx};
