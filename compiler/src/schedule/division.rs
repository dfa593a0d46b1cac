//! What threads divide among them.

use std::fmt::{self, Display, Formatter};

use xnorc_runtime::Area;

use super::Undivided;
use crate::printable::count;

/// How a block is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Division {
    /// By one thread.
    Whole(Undivided),
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

/// `56 rows or 4 blocks`, or why not.
impl Display for Division {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (rows, blocks, together) = match *self {
            Division::Whole(why) => return Display::fmt(&why, f),
            Division::Area { rows, blocks, together } => (rows, blocks, together),
        };
        let blocks = match together {
            _ if blocks <= together => String::new(),
            1 => count(blocks, "block"),
            _ => format!("{} of {together} blocks", count(blocks.div_ceil(together), "group")),
        };
        match (rows > 1, blocks.is_empty()) {
            (true, true) => f.write_str(&count(rows, "row")),
            (true, false) => write!(f, "{} or {blocks}", count(rows, "row")),
            (false, _) => f.write_str(&blocks),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 7x7 pixels of 512 channels, and others: the largest part of so many threads.
    #[test]
    fn rows_and_blocks_feed_more_threads_than_rows() {
        let area = |rows, blocks, together| Division::Area { rows, blocks, together };
        for (division, threads, bound) in [
            (area(7, 32, 1), 1, 1.0),
            // Each of eight gets four blocks of all rows.
            (area(7, 32, 1), 8, 8.0),
            (area(7, 1, 1), 8, 7.0),
            (area(7, 1, 1), 4, 3.5),
            // Two blocks that are computed together count as one.
            (area(1, 8, 2), 8, 4.0),
            (area(1, 8, 1), 8, 8.0),
            (Division::Whole(Undivided::Single), 64, 1.0),
        ] {
            assert_eq!(division.bound(threads), bound, "{division:?}, {threads} threads");
        }
    }
}
