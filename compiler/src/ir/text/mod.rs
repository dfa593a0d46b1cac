//! The text form of each level, and the reader of a graph's.

mod constants;
pub(crate) mod graph;
mod network;
mod parse;
#[cfg(test)]
mod tests;
