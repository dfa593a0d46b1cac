//! The text form of each level.

pub(crate) mod graph;
mod network;
