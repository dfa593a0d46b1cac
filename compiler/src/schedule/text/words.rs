//! Words for numbers, borders and steps.

use crate::ir::network::{Activation, PoolKind, Step};
use crate::schedule::{Axis, Pixels};
use crate::target::{Family, Target};

/// Pixels of a tile by the instruction sets that can occur: `7 on avx512/avx512bw, 4 on avx2/neon, else 1`.
pub(super) fn sizes(pixels: &Pixels, target: Option<&Target>) -> String {
    let family = target.map(Target::family);
    let occurs = |name: &str| match family {
        None => true,
        Some(Family::X86_64) => name.starts_with("avx"),
        Some(Family::Aarch64) => name == "neon",
        Some(Family::Wasm) => name == "simd128",
        Some(Family::Portable) => false,
    };
    let sets = pixels.all().into_iter().zip(["avx512/avx512bw", "avx2", "neon", "simd128"]);
    let all: Vec<(usize, &str)> = sets.filter(|(_, name)| occurs(name)).collect();
    let mut text = String::new();
    for same in all.chunk_by(|a, b| a.0 == b.0).filter(|same| same[0].0 > 1) {
        let names: Vec<&str> = same.iter().map(|(_, name)| *name).collect();
        text += &format!("{} on {}, ", same[0].0, names.join("/"));
    }
    text + "else 1"
}

/// What is done with each tap of a pool, and what with the result.
pub(super) fn pool(kind: PoolKind, [rows, columns]: &[Axis; 2]) -> (&'static str, String) {
    let same = rows.runs().len() == 1 && columns.runs().len() == 1;
    let why = match kind {
        PoolKind::Max => return ("take the larger", "NaN takes no part".to_owned()),
        PoolKind::Average { .. } if same => format!("divided by {}", rows.kernel * columns.kernel),
        PoolKind::Average { count_include_pad: Some(_) } => "divided by the taps, padding among them".to_owned(),
        PoolKind::Average { count_include_pad: None } => "divided by the taps inside the picture".to_owned(),
    };
    ("add", why)
}

/// Which outputs lose which taps: `row 0 without tap 0, row 13 without tap 2`.
pub(super) fn lost(axis: &Axis, word: &str) -> String {
    let span = |from: usize, to: usize| if from + 1 == to { from.to_string() } else { format!("{from} to {}", to - 1) };
    let taps = |from: usize, to: usize| format!("{} {}", if from + 1 == to { "tap" } else { "taps" }, span(from, to));
    let mut parts = Vec::new();
    for (outputs, kept) in axis.runs() {
        let before = (kept.start > 0 && !kept.is_empty()).then(|| taps(0, kept.start));
        let behind = (kept.end < axis.kernel && !kept.is_empty()).then(|| taps(kept.end, axis.kernel));
        let gone = match (before, behind) {
            _ if kept.is_empty() => "any tap".to_owned(),
            (Some(before), Some(behind)) => format!("{before}, {behind}"),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => continue,
        };
        let plural = if outputs.len() == 1 { "" } else { "s" };
        parts.push(format!("{word}{plural} {} without {gone}", span(outputs.start, outputs.end)));
    }
    match &parts[..] {
        [] => String::new(),
        [first, _, _, .., last] => format!("{first}, ... {last}"),
        few => few.join(", "),
    }
}

/// A step.
pub(super) fn word(step: &Step) -> String {
    match step {
        Step::Scale(_) => "scale",
        Step::Shift(_) => "shift",
        Step::ScalePixels(_) => "scale of the pixel",
        Step::ShiftPixels(_) => "shift of the pixel",
        Step::Gate(_) => "gate",
        Step::Activation(Activation::PRelu(_)) => "PRelu",
        Step::Activation(Activation::Sign(_)) => "sign as a number",
        Step::Activation(Activation::Unary(function)) => function.name(),
        Step::Add(_) => "skip",
        Step::Mul(_) => "multiply",
        Step::Store(_) => "store",
        Step::Sum(_) => "sum of the row",
        Step::Sign { .. } => "sign bits",
    }
    .to_owned()
}
