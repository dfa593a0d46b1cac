//! The passes together, on random networks.

mod random;
mod two_values;
mod zeros;
