//! The text form of each level, and its reader.

mod constants;
pub(crate) mod graph;
mod network;
mod parse;
mod parse_network;
#[cfg(test)]
mod tests;
