//! The lines of blocks without tiles: gates, moves, whole operators. One thread computes each.

use super::Line;
use crate::ir::network::{Block, Body, Dense, Gate, Move, Network, Piece, TensorId, Whole};
use crate::ir::{Reduction, Unary};
use crate::ops::{self, Form};
use crate::printable::{count, printable, thousands};
use crate::schedule::copies::{Copying, Pattern, STRIP};
use crate::schedule::signs::Packed;
use crate::schedule::{LANES, gate_blocks};

fn line(depth: usize, what: impl Into<String>, why: impl Into<String>) -> Line {
    Line { depth, what: what.into(), why: why.into() }
}

/// Of a block that is not tiled.
pub(super) fn lines(network: &Network, block: &Block) -> Vec<Line> {
    match &block.body {
        Body::Gate(Gate { first, hidden, second, squash, .. }) => {
            [layer(first, hidden), layer(second, squash)].concat()
        }
        Body::Move(Move::Copy { fill, pieces, output }) => {
            let fill = fill.map(|value| line(0, format!("fill with {value}"), ""));
            let written = network.tensor(*output).storage_len();
            let pieces: Vec<Line> = pieces.iter().map(|piece| copy(network, piece, written)).collect();
            let alike = pieces.chunk_by(|a, b| a == b).map(|same| match same {
                [one] => one.clone(),
                [one, ..] => line(0, format!("{} times: {}", same.len(), one.what), &*one.why),
                [] => line(0, "", ""),
            });
            fill.into_iter().chain(alike).collect()
        }
        Body::Whole(whole) => operator(network, whole),
        Body::Tiled(_) | Body::Move(_) => Vec::new(),
    }
}

fn layer(layer: &Dense, function: &Unary) -> Vec<Line> {
    let (blocks, together) = (layer.outputs.div_ceil(LANES), gate_blocks(layer));
    let of = format!("of {LANES} units");
    let loops = match blocks {
        1 => format!("one block {of}"),
        _ if blocks == together => format!("{blocks} blocks {of} side by side"),
        _ => format!("{blocks} blocks {of}, {together} side by side"),
    };
    let inputs = format!("{}: multiply by the weights and add", count(layer.inputs, "input"));
    vec![
        line(0, loops, if blocks > 1 { "one sum alone would wait for itself" } else { "" }),
        line(1, inputs, "from the bias on, in order, rounded once"),
        line(1, function.name(), ""),
    ]
}

/// Extents: `4 x 5 elements`.
fn elements(extents: impl Iterator<Item = usize>) -> String {
    let extents: Vec<String> = extents.map(|extent| thousands(extent as u64)).collect();
    match &extents[..] {
        [] => "one element".to_owned(),
        extents => format!("{} elements", extents.join(" x ")),
    }
}

fn copy(network: &Network, piece: &Piece, written: usize) -> Line {
    let Copying { axes, pattern, .. } = Copying::of(network, piece, written);
    let all = elements(axes.iter().map(|axis| axis.extent));
    let strides = |wanted: fn(isize) -> bool| axes.iter().any(|axis| wanted(axis.strides[0]));
    let mut how = String::new();
    if strides(|stride| stride < 0) {
        how += ", backwards";
    }
    if strides(|stride| stride == 0) {
        how += ", repeated";
    }
    let name = &network.tensor(piece.input).name;
    let (what, why) = match pattern {
        Pattern::Runs if axes.len() == 1 => ("at once".to_owned(), String::new()),
        Pattern::Runs => ("row by row".to_owned(), String::new()),
        Pattern::Strips { .. } => {
            (format!("in strips of {STRIP} columns"), "transposed: so both sides use whole cache lines".to_owned())
        }
        Pattern::Elements => ("one by one".to_owned(), String::new()),
    };
    line(0, format!("{} of {}{how}: {what}", all, printable(name)), why)
}

fn operator(network: &Network, whole: &Whole) -> Vec<Line> {
    let Whole { op, inputs, output } = whole;
    let shape = |id: TensorId| &network.tensor(id).shape[..];
    let operator = ops::of(op);
    let Some(form) = operator.whole().map(|operator| operator.form()) else { return Vec::new() };
    let around = |axis: usize| shape(inputs[0]).iter().product::<usize>() / shape(inputs[0])[axis].max(1);
    match form {
        Form::Elements { .. } => {
            let broadcast = inputs.iter().any(|&id| shape(id) != shape(*output));
            let why = if broadcast { "operands are repeated along the axes that they lack" } else { "" };
            vec![line(0, format!("{}: {}", elements(shape(*output).iter().copied()), op.name()), why)]
        }
        Form::Reduce { kind, axes } => {
            let terms: usize = axes.iter().map(|&axis| shape(inputs[0])[axis]).product();
            let results = shape(*output).iter().product::<usize>();
            let what = format!("{}: {kind:?} of {}", count(results, "result"), count(terms, "element"));
            let why = match kind {
                Reduction::Max | Reduction::Min => "NaN where there is one",
                _ => "in f64 and in order, rounded once",
            };
            let beside = (results > 1).then(|| {
                line(1, format!("up to {LANES} neighbouring results side by side"), "they do not wait for each other")
            });
            std::iter::once(line(0, what, why)).chain(beside).collect()
        }
        Form::Product => {
            let ([rows, columns], depth) = match (shape(*output), shape(inputs[0]).last()) {
                ([.., rows, columns], Some(&depth)) => ([*rows, *columns], depth),
                _ => return Vec::new(),
            };
            let blocks = columns.div_ceil(LANES);
            let batch = shape(*output).iter().product::<usize>() / (rows * columns).max(1);
            let loops = [
                (batch, format!("{batch} matrices")),
                (blocks, format!("{blocks} blocks of {LANES} columns")),
                (rows, count(rows, "row")),
            ];
            let mut lines: Vec<Line> = Vec::new();
            for (_, what) in loops.into_iter().filter(|(extent, _)| *extent > 1) {
                lines.push(line(lines.len(), what, ""));
            }
            let what = format!("{}: multiply and add", count(depth, "element"));
            lines.push(line(lines.len(), what, "from zero on, in order, rounded once"));
            lines
        }
        Form::SignProduct { .. } => {
            let Packed { batches, rows, columns, depth, words, together, .. } = Packed::of(network, whole);
            let parts = rows.div_ceil(together);
            let mut lines: Vec<Line> = Vec::new();
            if batches > 1 {
                lines.push(line(0, format!("{batches} matrices"), ""));
            }
            if parts > 1 {
                lines.push(line(
                    lines.len(),
                    format!("{parts} parts of {together} rows"),
                    "so many stay at hand, packed",
                ));
            }
            let depth_of = lines.len();
            lines.push(line(
                depth_of,
                format!("pack {} of the left", count(together, "row")),
                format!("{depth} bits each"),
            ));
            let blocks = columns.div_ceil(LANES);
            lines.push(line(
                depth_of,
                count(blocks, "block") + &format!(" of {LANES} columns"),
                "a column in each lane",
            ));
            lines.push(line(depth_of + 1, format!("pack {}", count(LANES, "column")), ""));
            let counted = format!("{}: count the differing bits of {}", count(together, "row"), count(words, "word"));
            lines.push(line(depth_of + 1, counted, "whole numbers"));
            lines
        }
        Form::Softmax { axis, log } => {
            let len = shape(inputs[0])[axis];
            let last = if log { "differences from its logarithm" } else { "quotients" };
            let what = format!("{} of {len}: largest, sum of exponentials, {last}", count(around(axis), "line"));
            vec![line(0, what, "in f64 and in order")]
        }
        Form::Rows { axis } => {
            let rows = shape(inputs[1]).iter().product();
            let what = format!(
                "{} of {} each: copy",
                count(rows, "place"),
                elements(shape(inputs[0])[axis + 1..].iter().copied())
            );
            let why = format!("of {}, their numbers computed", shape(inputs[0])[axis]);
            let outer: usize = shape(inputs[0])[..axis].iter().product();
            let around = (outer > 1).then(|| line(0, format!("{outer} times"), ""));
            let depth = usize::from(around.is_some());
            around.into_iter().chain([line(depth, what, why)]).collect()
        }
        Form::ArgMax { axis, last } => {
            let which = if last { "last" } else { "first" };
            let what = format!("{} of {}: place of the largest", count(around(axis), "line"), shape(inputs[0])[axis]);
            vec![line(0, what, format!("the {which} of equal ones"))]
        }
    }
}
