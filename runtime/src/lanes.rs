//! The width of everything.

/// Channels that are neighbours in a vector: a *block* of channels.
pub const LANES: usize = 16;
