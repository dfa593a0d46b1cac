//! The passes together, on random networks.

mod random;
mod zeros;
