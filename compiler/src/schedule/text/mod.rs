//! A schedule as text: for each block its loops, in the order in which they are emitted, each with its reason.
//!
//! This text is not read back. A schedule has no freedom of its own: it follows from the network, whose text is read
//! ([`crate::ir`]), so that whoever wants a certain schedule writes the network that has it. A parser would only give what
//! [`Schedule::of`] gives, or something that the emitter must not get.

mod others;
#[cfg(test)]
mod tests;
mod words;
mod writer;

use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};

use super::Schedule;
use super::cost::Cost;
use super::title::{extents, kind};
use crate::ir::network::{Block, Body, Move, Network};
use crate::printable::{printable, thousands};

/// A schedule in words.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Text {
    /// In order of execution.
    pub blocks: Vec<BlockText>,
}

/// A block's loops in words.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct BlockText {
    /// Its name.
    pub name: String,
    /// What it is, and on what it works.
    pub title: String,
    /// The block before it that is computed in the same way.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub same_as: Option<String>,
    /// By whom it is computed where lines do not say it: a gate, a move or a whole operator.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "str::is_empty"))]
    pub note: String,
    /// From the outermost loop to the innermost; then threads, memory, cost.
    pub lines: Vec<Line>,
    /// Nanoseconds that one thread of a fast machine takes.
    pub cost: usize,
}

/// One line of a block.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Line {
    /// How many loops are around it.
    pub depth: usize,
    /// What is done.
    pub what: String,
    /// Why so.
    pub why: String,
}

impl Text {
    /// Of a schedule.
    pub fn of(network: &Network, schedule: &Schedule) -> Self {
        let mut known: HashMap<(String, Vec<Line>), String> = HashMap::new();
        let mut blocks = Vec::new();
        for (block, nest) in network.blocks.iter().zip(&schedule.nests) {
            let title = format!("{} {}", kind(block), extents(network, block));
            let lines = match (nest, block.tiled()) {
                (Some(nest), Some(tiled)) => writer::lines(network, block, tiled, nest, schedule.target.as_ref()),
                _ => others::lines(network, block),
            };
            let name = printable(&block.name);
            let same_as = match lines.is_empty() {
                true => None,
                false => known.get(&(title.clone(), lines.clone())).cloned(),
            };
            if same_as.is_none() {
                known.insert((title.clone(), lines.clone()), name.clone());
            }
            let cost = Cost::of(network, block).nanoseconds();
            blocks.push(BlockText { name, title, same_as, note: note(block, cost), lines, cost });
        }
        Self { blocks }
    }
}

/// By whom a block that is not tiled is computed, and how one without lines.
fn note(block: &Block, cost: usize) -> String {
    match &block.body {
        Body::Tiled(_) => String::new(),
        Body::Move(Move::Reshape { .. }) => "nothing is done, unless both are the caller's".to_owned(),
        Body::Move(Move::Copy { .. } | Move::Convert { .. } | Move::Lookup { .. }) => "one thread".to_owned(),
        Body::Move(Move::BitJoin { .. }) => "words, shifted to their places, one thread".to_owned(),
        Body::Move(Move::BitProduct { .. }) => "the XOR of the words, one thread".to_owned(),
        Body::Move(Move::BitMaxPool { .. }) => "the OR of the words under a window, one thread".to_owned(),
        Body::Gate(_) | Body::Whole(_) => format!("one thread, {} ns", thousands(cost as u64)),
    }
}

impl Display for Text {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, block) in self.blocks.iter().enumerate() {
            // A blank line around what takes several.
            let long = |block: &BlockText| !block.lines.is_empty() && block.same_as.is_none();
            if i > 0 && (long(block) || long(&self.blocks[i - 1])) {
                writeln!(f)?;
            }
            Display::fmt(block, f)?;
        }
        Ok(())
    }
}

impl Display for BlockText {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.title)?;
        match &self.same_as {
            Some(same) => return writeln!(f, "  # as {same}"),
            None if self.note.is_empty() => writeln!(f)?,
            None => writeln!(f, "  # {}", self.note)?,
        }
        let left = |line: &Line| format!("{}{}", "  ".repeat(line.depth + 1), line.what);
        // Reasons stand below each other, unless a line is so long that they would be far away.
        let width = self.lines.iter().map(|line| left(line).chars().count()).filter(|&w| w <= 76).max().unwrap_or(0);
        for line in &self.lines {
            let text = left(line);
            match line.why.is_empty() {
                true => writeln!(f, "{text}")?,
                false => writeln!(f, "{text:width$}  # {}", line.why)?,
            }
        }
        Ok(())
    }
}
