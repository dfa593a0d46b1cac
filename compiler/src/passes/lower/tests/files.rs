//! Real files, where they are at hand.
