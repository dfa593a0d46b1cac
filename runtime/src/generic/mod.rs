//! Each algorithm once, over the vector trait.

pub(crate) mod activation;
pub(crate) mod binary_conv;
pub(crate) mod binary_dot;
pub(crate) mod binary_shape;
pub(crate) mod bit_pool;
pub(crate) mod copy;
pub(crate) mod depthwise;
pub(crate) mod gate;
pub(crate) mod map;
pub(crate) mod matmul;
pub(crate) mod narrow_conv;
pub(crate) mod narrow_input;
pub(crate) mod pool;
pub(crate) mod pooled;
pub(crate) mod real_conv;
pub(crate) mod real_shape;
pub(crate) mod reduce;
pub(crate) mod regions;
pub(crate) mod tile;
pub(crate) mod window;
