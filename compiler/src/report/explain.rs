//! Words for what a block is, what was fused into it, and why it is not binary.

use crate::ir::Part;
use crate::ir::network::{Activation, Block, Body, Move, PoolKind, Source, Step};
use crate::ops;

pub use crate::schedule::title::{extents, kind};

/// True when a step does more than keep the source's value.
fn works(step: &Step) -> bool {
    !matches!(step, Step::Store(_))
}

/// True when the block's source and at least one of scale, shift, gate, activation, skip, threshold or the mean over the pixels
/// are one piece of code, which takes values that are still in registers.
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
    if let Some(looser) = block.looser() {
        let reason = block.reason.as_deref().unwrap_or("weights or input are not ±1");
        return Some(format!("{} by choice; {reason}", looser.name()));
    }
    if block.reason.is_some() {
        return block.reason.clone();
    }
    let text = match &block.body {
        Body::Tiled(tiled) => match &tiled.source {
            Source::BinaryConv { .. } if is_fused(block) => return None,
            Source::BinaryConv { .. } if block.parts.contains(&Part::Plane) => {
                "binary; one more plane of bits of a layer, whose sums are added there"
            }
            Source::BinaryConv { .. } => "binary; its integer sums are used as they are, so there is nothing to fuse",
            Source::RealConv { .. } => "weights or input are not ±1",
            Source::MaxPool { .. } | Source::AveragePool { .. } => "pools real values",
            Source::Map { .. } | Source::Planes { .. } => {
                "element-wise on real values, with no layer in front to be fused into"
            }
        },
        Body::Gate(_) => "a gate is real-valued; its first layer takes the sums its block collected",
        Body::Move(Move::BitMaxPool { .. } | Move::BitJoin { .. } | Move::BitProduct { .. }) => return None,
        Body::Move(Move::Copy { .. }) => "moves data",
        Body::Move(Move::Reshape { .. }) => "costs nothing",
        Body::Move(Move::Lookup { .. }) => "rows of a table",
        Body::Move(Move::Convert { .. }) => "integers of the caller's, as floats or from floats",
        Body::Whole(whole) => ops::of(&whole.op).whole().map_or("works on whole tensors", |operator| operator.reason()),
    };
    Some(text.to_owned())
}
