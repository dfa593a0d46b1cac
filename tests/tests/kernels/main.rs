//! The kernels that stand in the runtime, on every level this processor has, against naive references: `f32::mul_add` in the
//! documented order, compared to the bit. Those that are written out by the compiler are tested with it, in `nests`.

mod functions;
mod harness;
mod narrow;
mod real;
