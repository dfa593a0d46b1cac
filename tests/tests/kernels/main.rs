//! Every kernel of the runtime, on every level this processor has, against naive references: integers for binary
//! layers, `f32::mul_add` in the documented order for real ones, compared to the bit.

mod binary;
mod bits;
mod constant;
mod coverage;
mod dense;
mod harness;
mod narrow;
mod pooled;
mod real;
