//! (being written)

pub mod block;
pub mod diagnostics;
pub mod exact;
pub mod import;
pub mod interpret;
pub mod ir;
pub mod passes;
