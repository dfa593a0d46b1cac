//! Each algorithm once, over the vector trait.

pub(crate) mod activation;
pub(crate) mod copy;
pub(crate) mod gate;
pub(crate) mod matmul;
pub(crate) mod narrow_conv;
pub(crate) mod narrow_input;
pub(crate) mod real_conv;
pub(crate) mod real_shape;
pub(crate) mod reduce;
pub(crate) mod vectors;
pub(crate) mod window;
