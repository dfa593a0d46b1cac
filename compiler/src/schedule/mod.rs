//! How each block is computed: its loops, before they are words.
//!
//! A [`Nest`] says for a tiled block what the emitter writes and why: the order of the loops, how many pixels are taken at a
//! time, how differing bits are counted, what happens at the borders, what threads divide among them, and what memory the
//! block needs while it runs. It does not hang on the order of the blocks, so that the memory plan can look for one. Choices come with their reasons, as data ([`Fit`], [`Undivided`], [`Tie`]); [`Text`] puts both into words, [`check`] says what must hold.
//!
//! - *block of channels*: 16 neighbouring output channels, the lanes of a vector ([`LANES`]).
//! - *tile*: some neighbouring pixels of a row and one block of channels, whose sums grow in registers.
//! - *window*: the rows that a pool inside a block still needs.

mod axis;
pub mod check;
pub mod copies;
pub mod cost;
mod division;
mod down;
mod nest;
mod pixel_lanes;
mod reasons;
pub(crate) mod signs;
mod text;
mod thresholds;
mod tiles;
pub mod title;
pub mod walk;

pub use axis::Axis;
pub use division::Division;
pub use down::{Down, Levels, Words};
pub use nest::{Counting, Grid, Nest, Order, Pixels, Widen, Window};
pub(crate) use nest::{is_mixed, is_pointwise, windows_apart};
pub use pixel_lanes::PixelLanes;
pub use reasons::{Fit, Tie, Undivided};
pub use text::{Line, Text};
pub use thresholds::Thresholds;
use tiles::row_tile;
pub(crate) use tiles::{gate_blocks, interleaved, is_depthwise, narrow, real};
pub use xnorc_runtime::LANES;

use crate::ir::network::Network;
use crate::target::Target;

/// How a network is computed.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    /// By block; `None` for gates, moves and whole operators, whose loops follow from their shapes alone ([`copies`], [`walk`]).
    pub nests: Vec<Option<Nest>>,
    /// Where it will run; everywhere, if that is not said.
    pub target: Option<Target>,
}

impl Schedule {
    /// Of a network; blocks that take one thread fewer than `share_from` nanoseconds are not divided among threads, and none is
    /// with `usize::MAX`.
    pub fn of(network: &Network, share_from: usize, target: Option<&Target>) -> Self {
        let nests = network.blocks.iter().map(|block| Nest::of(network, block, share_from, target)).collect();
        Self { nests, target: target.cloned() }
    }

    /// The loops of each block in words, with their reasons.
    pub fn text(&self, network: &Network) -> Text {
        Text::of(network, self)
    }
}
