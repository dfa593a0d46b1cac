//! The passes together, on random networks.

mod few_bits;
mod random;
mod two_values;
mod zeros;
