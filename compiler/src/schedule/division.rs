//! What threads divide among them.

use xnorc_runtime::Area;

/// How a block is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Division {
    /// By one thread: dividing it would take longer, or the parts would need each other.
    Whole(&'static str),
    /// By rows, and by blocks of channels where these can be divided more evenly.
    Area {
        /// Rows.
        rows: usize,
        /// Blocks of channels; 1 where they cannot be divided.
        blocks: usize,
        /// Blocks that are computed together, and so stay together.
        together: usize,
    },
}

impl Division {
    /// How many times as fast so many threads can be, from the largest part that one of them gets.
    pub fn bound(&self, threads: usize) -> f64 {
        match *self {
            Division::Whole(_) => 1.0,
            Division::Area { rows, blocks, together } => {
                (rows * blocks) as f64 / Area::groups(rows, blocks, together).largest_part(threads) as f64
            }
        }
    }
}
