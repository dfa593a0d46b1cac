//! What a block is and what it works on, in a few words.

use crate::ir::network::{Block, Body, Geometry, Move, Network, Source};
use crate::ops;

/// What a block is, in the field's words.
pub fn kind(block: &Block) -> String {
    let kind = match &block.body {
        Body::Tiled(tiled) => match &tiled.source {
            Source::BinaryConv { geometry, .. } if is_linear(geometry) => "binary linear",
            Source::BinaryConv { .. } => "binary conv",
            Source::RealConv { geometry, .. } if is_linear(geometry) => "real linear",
            Source::RealConv { .. } => "real conv",
            Source::MaxPool { .. } => "max pool",
            Source::AveragePool { .. } => "average pool",
            Source::Map { .. } | Source::Planes { .. } => "map",
        },
        Body::Gate(_) => "gate",
        Body::Move(Move::BitMaxPool { .. }) => "bit max pool",
        Body::Move(Move::BitJoin { .. }) => "join of bits",
        Body::Move(Move::BitProduct { .. }) => "product of bits",
        Body::Move(Move::Copy { .. }) => "copy",
        Body::Move(Move::Reshape { .. }) => "reshape",
        Body::Move(Move::Convert { .. }) => "convert",
        Body::Move(Move::Lookup { .. }) => "lookup",
        Body::Whole(whole) => {
            return ops::of(&whole.op)
                .whole()
                .map_or_else(|| whole.op.name().to_lowercase(), |operator| operator.kind());
        }
    };
    kind.to_owned()
}

/// A fully connected layer is a 1x1 convolution over a single row of pixels.
fn is_linear(g: &Geometry) -> bool {
    g.input[0] == 1 && g.kernel == [1, 1] && g.strides == [1, 1] && g.pads == [0, 0]
}

/// `3x3/2 p1 56x56x64 -> 28x28x128 g2 d2`, shortened to what is not the default.
fn geometry(g: &Geometry) -> String {
    let [ih, iw, ic] = g.input;
    let [oh, ow, oc] = g.output;
    if is_linear(g) {
        return if iw == 1 { format!("{ic} -> {oc}") } else { format!("{iw} x ({ic} -> {oc})") };
    }
    let mut text = format!("{}x{}", g.kernel[0], g.kernel[1]);
    match g.strides {
        [1, 1] => {}
        [a, b] if a == b => text += &format!("/{a}"),
        [a, b] => text += &format!("/{a}x{b}"),
    }
    if g.dilations != [1, 1] {
        text += &format!(" dilation {}x{}", g.dilations[0], g.dilations[1]);
    }
    // Pools count their channels as groups; that says nothing.
    if g.groups > 1 && g.groups != ic {
        text += &format!(" groups {}", g.groups);
    }
    text + &format!(" {ih}x{iw}x{ic} -> {oh}x{ow}x{oc}")
}

/// What a block works on, in a few characters: the geometry of what slides, the layers of a gate, else the extents of
/// what it writes.
pub fn extents(network: &Network, block: &Block) -> String {
    if let Body::Gate(gate) = &block.body {
        return format!("{} -> {} -> {}", gate.first.inputs, gate.first.outputs, gate.second.outputs);
    }
    if let Some(g) = block.geometry() {
        return geometry(g);
    }
    let shape = block.writes().first().map(|&id| network.tensor(id).shape.as_slice()).unwrap_or_default();
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}
