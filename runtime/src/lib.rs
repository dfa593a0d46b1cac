#![no_std]
//! (being written)

/// Placeholder.
#[cfg(feature = "sources")]
pub const SOURCES: &[(&str, &str)] = &[];
