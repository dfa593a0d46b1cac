//! What a processor does in software for want of instructions, and what can be done about it.

use crate::config::MultiplyAdds;
use crate::emit::Output;
use crate::ir::network::{Arithmetic, Body};
use crate::schedule::cost::Cost;
use crate::target::{Family, Floats, MultiplyAdd, Target};

/// What is emulated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Emulated {
    /// What, by what, and where it is needed.
    pub what: String,
    /// How to avoid it.
    pub instead: String,
}

/// All of it that the network needs.
pub(super) fn all(output: &Output, target: &Target) -> Vec<Emulated> {
    let network = &output.network;
    let processor = target.triple().split('-').next().unwrap_or_default();
    let mut all = Vec::new();
    let mut add = |what: &str, instead: &str| all.push(Emulated { what: what.to_owned(), instead: instead.to_owned() });
    // Fixed point is in integers all the way, but for the inputs and outputs themselves.
    let floats = output.fixed.is_none();
    let exact = |block: &&crate::ir::network::Block| floats && block.arithmetic().is_none_or(|a| a == Arithmetic::F32);
    let costs: Vec<Cost> = network.blocks.iter().filter(exact).map(|block| Cost::of(network, block)).collect();
    let multiplies = costs.iter().any(|cost| cost.real_macs > 0);
    let computes = floats && network.blocks.iter().any(|block| Cost::of(network, block).flops > 0);
    // Where the same processor may have a unit, it is a matter of the target's name.
    let unit = match processor {
        "thumbv7em" => Some("if it has an FPU (Cortex-M4F, M7): `--target thumbv7em-none-eabihf`"),
        "thumbv8m.main" => Some("if it has an FPU (Cortex-M33F, M55): `--target thumbv8m.main-none-eabihf`"),
        riscv if riscv.starts_with("riscv32") => {
            Some("if it has the extension F: `--target riscv32imafc-unknown-none-elf`")
        }
        "x86_64" => Some("no vectors either: a target with an operating system has both"),
        _ => None,
    };
    let real = "binarize these layers in training; or `--real int8 --calibrate x.npy` multiplies in integers";
    let soft = &format!("{real}; `--multiply-add loose` rounds twice instead");
    match target.multiply_add() {
        _ if !multiplies => {}
        MultiplyAdd::Instruction => {}
        // Two instructions.
        MultiplyAdd::Doubles | MultiplyAdd::Chosen if output.multiply_add == MultiplyAdds::Loose => {}
        MultiplyAdd::Chosen => add(
            "multiply-add of real-valued layers, where the machine has neither AVX2 nor AVX-512: in f64",
            "processors from 2015 on have them; `--multiply-add loose` rounds twice instead",
        ),
        MultiplyAdd::Integers => {
            add("multiply-add of real-valued layers, rounded once: in 64-bit integers", unit.unwrap_or(real));
        }
        MultiplyAdd::Doubles if target.family() == Family::Wasm => add(
            "multiply-add of real-valued layers, rounded once: in f64",
            "`-Ctarget-feature=+simd128,+relaxed-simd` uses the engine's own; `--multiply-add loose` rounds twice with SIMD128 alone",
        ),
        MultiplyAdd::Doubles if xnorc_runtime::may_have_vectors(target.triple()) => add(
            "multiply-add of real-valued layers, rounded once: in f64",
            "where the processor has the instruction (Cortex-A5, A7, A12 and later): RUSTFLAGS=-Ctarget-cpu=cortex-a7, or its own name; binary layers \
             use its vectors then",
        ),
        MultiplyAdd::Doubles => add("multiply-add of real-valued layers, rounded once: in f64", soft),
    }
    if computes && target.floats() == Floats::None {
        let scales = "let blocks end in signs: BatchNormalization and sign are one comparison; fewer scales and skips";
        add("floats: scales, activations, skips and sums", unit.unwrap_or(scales));
    }
    // What of the runtime's functions is in f32, or moves bits: the others are in f64.
    let singles = ["exp", "sigmoid", "tanh", "elu", "erf", "round", "trunc", "floor", "ceil"];
    let mut functions = output.source().split("math::").skip(1);
    let in_doubles = functions.any(|after| {
        let name = after.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
        !name.is_empty() && !singles.contains(&name)
    });
    if in_doubles && target.floats() != Floats::Double {
        let instead =
            "leave logarithms, powers, roots and angles to the caller; exp, sigmoid, tanh and erf are in f32 already";
        add("f64: logarithm, softplus, power, square root or function of angles", instead);
    }
    let counts =
        |nest: &crate::schedule::Nest| nest.counting.is_some() && (nest.down.is_none() || output.fixed.is_some());
    let words = network.blocks.iter().zip(&output.schedule.nests);
    let words =
        words.filter(|(block, nest)| matches!(block.body, Body::Tiled(_)) && nest.as_ref().is_some_and(counts)).count();
    let has_count =
        ["powerpc64", "s390x", "loongarch", "sparc", "riscv64a23"].iter().any(|name| processor.starts_with(name));
    if target.family() == Family::Portable && words > 0 && !has_count {
        let what = format!("population count of words, in {words} binary layer{}", if words == 1 { "" } else { "s" });
        let instead = "three words are counted as two, by a full adder".to_owned();
        let lanes = format!(
            "a multiple of {} output channels is counted without it{}",
            target.register(),
            if processor.starts_with("riscv") { "; with Zbb: `-Ctarget-feature=+zbb`" } else { "" }
        );
        add(&what, if floats { &lanes } else { &instead });
    }
    all
}
