//! Why a schedule is as it is: each choice that the text of a schedule explains, as data.

use std::fmt::{self, Display, Formatter};

use crate::printable::thousands;

/// Why a tile has so many pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Its pixels would share nothing.
    Alone,
    /// There are no vectors.
    Plain,
    /// The channels of a block are of several groups, which are counted one after the other.
    Groups,
    /// The row is no longer.
    Row,
    /// So many divide the row.
    Divides,
    /// No number of the range divides the row: with this one the fewest pixels, so many, are computed twice.
    Twice(usize),
    /// One pixel a row: sums that do not wait for each other come from the blocks of channels.
    Channels,
    /// A sum has few terms: the pixels at the end of a row that fill no tile, so many, cost most.
    Rest(usize),
    /// Of the tiles that fit into so many registers, the one that leaves the least of the last tile of a row empty.
    Registers(usize),
}

impl Display for Fit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Fit::Alone => f.write_str("pixels share nothing"),
            Fit::Plain => f.write_str("one at a time, without vectors"),
            Fit::Groups => f.write_str("a block's channels are of several groups"),
            Fit::Row => f.write_str("as long as the row"),
            Fit::Divides => f.write_str("divides the row"),
            Fit::Twice(pixels) => write!(f, "{pixels} computed twice, the fewest of 4 to 7"),
            Fit::Channels => f.write_str("one pixel a row: independent sums are those of the blocks"),
            Fit::Rest(0) => f.write_str("divides the row: with few terms a sum, a rest would cost most"),
            Fit::Rest(pixels) => write!(f, "a rest of {pixels}, the least: with few terms a sum it costs most"),
            Fit::Registers(most) => write!(f, "of those in {most} registers, the fullest last tile"),
        }
    }
}

/// Why threads do not divide a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undivided {
    /// Nothing is divided there, unless the user says so: small processors have one core, and memory for one thread.
    Alone,
    /// It takes fewer nanoseconds than this.
    Short(usize),
    /// There is one row of what is computed together.
    Single,
}

impl Display for Undivided {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Undivided::Alone => f.write_str("for one thread"),
            Undivided::Short(from) => write!(f, "shorter than {} ns", thousands(*from as u64)),
            Undivided::Single => f.write_str("one row of what is computed together"),
        }
    }
}

/// What keeps threads from dividing rows, or blocks of channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tie {
    /// Rows before the pool are stored, and lie under two windows: they would be written twice.
    Rows,
    /// Groups share 16 bits with their neighbours.
    Blocks,
}

impl Display for Tie {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tie::Rows => "no rows: those under two windows would be stored twice",
            Tie::Blocks => "no blocks: groups share words of bits",
        })
    }
}
