//! How elements change their places: the loops of one strided copy.

use super::LANES;
use super::walk::{Axis, View, axes, merged, signed};
use crate::ir::network::{Network, Piece};

/// The loops of a [`Piece`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copying {
    /// From the outermost to the innermost.
    pub axes: Vec<Axis>,
    /// What is read.
    pub from: View,
    /// What is written.
    pub to: View,
    /// What the innermost loops do.
    pub pattern: Pattern,
}

/// What the innermost loops of a copy do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// The last axis at once: neighbours on both sides.
    Runs,
    /// The last axis is of neighbours that are written, axis `across` of neighbours that are read: some columns at a time, so
    /// that both sides use whole cache lines.
    Strips {
        /// The other axis.
        across: usize,
    },
    /// Element by element.
    Elements,
}

/// Columns of a strip: a cache line of f32s.
pub const STRIP: usize = LANES;

impl Copying {
    /// Of a piece.
    pub fn of(network: &Network, piece: &Piece, written: usize) -> Self {
        let strides = [piece.input_strides.clone(), signed(&piece.output_strides)];
        let mut axes = axes(&piece.extents, &strides);
        let read = network.tensor(piece.input).storage_len();
        let views = |axes: &[Axis]| {
            [View::of(read, piece.input_offset, axes, 0), View::of(written, piece.output_offset, axes, 1)]
        };
        let [_, to] = views(&axes);
        // In the order of what is written, unless something is written twice: then the last one counts.
        if to.is_nested() && axes.iter().all(|axis| axis.strides[1] != 0) {
            axes.sort_by_key(|axis| std::cmp::Reverse(axis.strides[1]));
            axes = merged(axes);
        }
        let [from, to] = views(&axes);
        let pattern = pattern(&axes, &from, &to);
        if let Pattern::Strips { across } = pattern {
            // It comes inside of all others.
            let before_last = axes.len() - 2;
            axes[across..=before_last].rotate_left(1);
            let [from, to] = views(&axes);
            return Self { axes, from, to, pattern: Pattern::Strips { across: before_last } };
        }
        Self { axes, from, to, pattern }
    }
}

/// Pieces that differ in nothing but where they begin, one behind the other.
pub fn alike(pieces: &[Piece]) -> impl Iterator<Item = &[Piece]> {
    pieces.chunk_by(|a, b| {
        let walk = |piece: &Piece| (piece.input, piece.extents.clone());
        walk(a) == walk(b) && a.input_strides == b.input_strides && a.output_strides == b.output_strides
    })
}

/// So many alike are one loop over a list of where they begin.
pub const LISTED: usize = 4;

impl Copying {
    /// Of pieces that are alike: they begin at the variables `from` and `to`.
    pub fn listed(network: &Network, piece: &Piece, written: usize) -> Self {
        let axes = axes(&piece.extents, &[piece.input_strides.clone(), signed(&piece.output_strides)]);
        let read = network.tensor(piece.input).storage_len();
        let (from, to) = (View::from_base(read, "from", &axes, 0), View::from_base(written, "to", &axes, 1));
        let pattern = match axes.last() {
            Some(axis) if axis.strides == [1, 1] => Pattern::Runs,
            _ => Pattern::Elements,
        };
        Self { axes, from, to, pattern }
    }
}

fn pattern(axes: &[Axis], from: &View, to: &View) -> Pattern {
    let Some(last) = axes.len().checked_sub(1) else { return Pattern::Elements };
    if !to.ends_in(last) {
        return Pattern::Elements;
    }
    if from.ends_in(last) {
        return Pattern::Runs;
    }
    let across = (0..last).find(|&axis| from.is_nested() && to.is_nested() && from.ends_in(axis));
    match across {
        // Few rows, or few columns, are in the nearest cache as they are.
        Some(across) if axes[across].extent >= 4 && axes[last].extent > STRIP => Pattern::Strips { across },
        _ => Pattern::Elements,
    }
}
