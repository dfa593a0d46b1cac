//! Choices, ranges, integers.
