//! Words for what a block is, what was fused into it, and why it is not binary.

use crate::ir::Part;
use crate::ir::network::{Activation, Arithmetic, Block, Body, Geometry, Move, Network, PoolKind, Source, Step};
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
        Body::Move(Move::Copy { .. }) => "copy",
        Body::Move(Move::Reshape { .. }) => "reshape",
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

/// True when a step does more than keep the source's value.
fn works(step: &Step) -> bool {
    !matches!(step, Step::Store(_) | Step::Sum(_))
}

/// True when the block's source and at least one of scale, shift, gate, activation, skip or threshold are one piece of
/// code: the values between them are never in memory.
pub fn is_fused(block: &Block) -> bool {
    block.pool().is_some() || block.steps().any(works)
}

/// The parts: those the file spelled, and those only the steps know.
pub fn parts(block: &Block) -> Vec<Part> {
    let mut parts = block.parts.clone();
    let mut say = |part: Part| {
        // An affine map of the file stands for its scale and its shift.
        let affine = [Part::BatchNormalization, Part::Scale, Part::Shift];
        let said = |p: &Part| *p == part || affine[1..].contains(&part) && affine.contains(p);
        if !parts.iter().any(said) {
            parts.push(part);
        }
    };
    let Some(tiled) = block.tiled() else { return parts };
    tiled.steps.iter().filter_map(part_of).for_each(&mut say);
    if let Some(pooled) = &tiled.pooled {
        say(match pooled.pool.kind {
            PoolKind::Max => "MaxPool".into(),
            PoolKind::Average { .. } => "AveragePool".into(),
        });
        pooled.steps.iter().filter_map(part_of).for_each(say);
    }
    parts
}

fn part_of(step: &Step) -> Option<Part> {
    Some(match step {
        Step::Scale(_) | Step::ScalePixels(_) => Part::Scale,
        Step::Shift(_) | Step::ShiftPixels(_) => Part::Shift,
        Step::Gate(_) => Part::Gate,
        Step::Activation(Activation::Unary(function)) => function.name().into(),
        Step::Activation(Activation::PRelu(_)) => "PRelu".into(),
        Step::Activation(Activation::Sign(_)) | Step::Sign { .. } => "Sign".into(),
        Step::Add(_) => Part::Skip,
        Step::Mul(_) => Part::Multiply,
        Step::Sum(_) => Part::GateSums,
        Step::Store(_) => return None,
    })
}

/// Why a block is not binary, or not fused with a neighbour. The compiler's own reason when it gave one; `None` for a
/// binary, fused block without one.
pub fn reason(block: &Block) -> Option<String> {
    if let Some(looser) = block.arithmetic().filter(|a| *a != Arithmetic::F32) {
        let reason = block.reason.as_deref().unwrap_or("weights or input are not ±1");
        return Some(format!("{} by choice; {reason}", looser.name()));
    }
    if block.reason.is_some() {
        return block.reason.clone();
    }
    let text = match &block.body {
        Body::Tiled(tiled) => match &tiled.source {
            Source::BinaryConv { .. } if is_fused(block) => return None,
            Source::BinaryConv { .. } => "binary; its integer sums are used as they are, so there is nothing to fuse",
            Source::RealConv { .. } => "weights or input are not ±1",
            Source::MaxPool { .. } | Source::AveragePool { .. } => "pools real values",
            Source::Map { .. } | Source::Planes { .. } => {
                "element-wise on real values, with no layer in front to be fused into"
            }
        },
        Body::Gate(_) => "a gate is real-valued; its first layer takes the sums its block collected",
        Body::Move(Move::BitMaxPool { .. }) => return None,
        Body::Move(Move::Copy { .. }) => "moves data",
        Body::Move(Move::Reshape { .. }) => "costs nothing",
        Body::Whole(whole) => ops::of(&whole.op).whole().map_or("works on whole tensors", |operator| operator.reason()),
    };
    Some(text.to_owned())
}
