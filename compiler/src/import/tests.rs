//! Tests of import: every diagnostic, many forms of the operators, and files as real exporters wrote them.

mod broken;
mod diagnostics;
mod external;
mod fixture;
mod numbers;
mod operators;
mod quantized;
mod structure;
