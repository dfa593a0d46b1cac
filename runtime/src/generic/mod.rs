//! Each algorithm once, over the vector trait.

pub(crate) mod activation;
pub(crate) mod dense;
pub(crate) mod grouped_conv;
pub(crate) mod narrow_conv;
pub(crate) mod narrow_input;
pub(crate) mod real_conv;
pub(crate) mod real_shape;
pub(crate) mod sign_words;
pub(crate) mod vectors;
pub(crate) mod window;
