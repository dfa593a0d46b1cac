//! The compiler, on one page: what happens to a model between the file and the emitted code, in order.
//!
//! | level | type | in terms of | made by |
//! |---|---|---|---|
//! | 1 | [`Graph`] | ONNX operators, NCHW, every shape known | [`crate::import`] |
//! | 2 | [`Graph`], normalised | one spelling per idea, channels last | the passes below |
//! | 3 | [`Network`] | fused blocks | [`lower`]; [`narrow`] by the user's choice |
//!
//! Each pass takes a graph and leaves a better one; [`crate::interpret`] can run any of them, and the tests compare
//! what it computes before and after each pass. [`run`] is the list; read it from top to bottom. After each, in every build,
//! [`check`] holds the graph to the rules of its level and to what the passes so far promise. What each does is shown by its
//! files, one idea on a page: `tests/filetests/recognise_sign/straight_through.xir` is a good first one, and
//! `tests/filetests/lower/every_pass.xir` shows all of them at work.
//!
//! All that keeps the numbers: a sign is decided as real arithmetic decides it, a real value is off by rounding at most.
//! [`narrow`] does not, and so runs only for those who ask for it: real-valued layers in bf16 or 8-bit integers, at the
//! choice of each. It comes last, on the blocks, because only there it is known which real-valued layers are left and what
//! their inputs are; it changes a convolution's [`crate::ir::network::Products`], the interpreter follows the same definition to
//! the bit, and the report and `verify` name each such block.

use crate::check::{self, Promise};
use crate::ir::Graph;
use crate::ir::network::Network;

pub mod binarize_weights;
pub mod channels_last;
pub mod cleanup;
mod facts;
pub mod lower;
pub mod merge_affine;
pub mod merge_padding;
pub mod narrow;
pub(crate) mod promises;
pub mod recognise_activations;
pub mod recognise_sign;
mod rewrite;
pub mod sink_joins;
pub mod split_means;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

/// A pass: its name, as texts of the IR show it; what it does to a graph; what holds of every node from there on.
pub type Pass = (&'static str, fn(&mut Graph), &'static [Promise]);

/// The passes over the graph, in order.
pub const PASSES: &[Pass] = &[
    // Straight-through estimators `(a - b) + b`, `Sign(Sign(x) + c)`, `Where(x >= 0, 1, -1)`, `2 * Cast(x >= 0) - 1`...
    // become one Sign with its rule for zero, and so does whatever else takes two numbers by a step of one value; clips and
    // positive scales in front of it are void; what only fed the estimator is dead and dropped.
    // AFTER THIS POINT: every binarisation of an activation is an Op::Sign, a product of such, or a choice by a condition.
    // Shown in tests/filetests/recognise_sign.
    ("recognise_sign", recognise_sign::run, &[]),
    // PReLU spelled with Relu, Neg, Mul and Add; HardSwish, HardSigmoid; constants that an Expand was folded into.
    // AFTER THIS POINT: an activation function is one node, a PReLU's constant slope has the rank of its argument, and
    // an element-wise constant is no larger than what it says.
    // Shown in tests/filetests/recognise_activations.
    ("recognise_activations", recognise_activations::run, &[promises::slopes_have_the_rank_of_their_argument]),
    // BatchNormalization, and Mul, Add, Sub, Div by constants per channel, become Affine; neighbours merge, exactly.
    // AFTER THIS POINT: no two Affines of one axis follow one another unless both need a square root of their own, or their
    // product is no normal float; the biases of fully connected layers are Affines.
    // Shown in tests/filetests/merge_affine.
    ("merge_affine", merge_affine::run, &[]),
    // A Pad in front of a convolution or pool becomes its padding, with the value it pads with.
    // AFTER THIS POINT: Pad stands only where it really moves data (option-A shortcuts).
    // Shown in tests/filetests/merge_padding.
    ("merge_padding", merge_padding::run, &[]),
    // Channels move to the last axis; transposes meet, cancel, and sink through element-wise operators; the features
    // behind a Flatten change their order with the weights they meet; a mean over the whole image is a Reduce.
    // AFTER THIS POINT: every spatial operator is ChannelsLast, every Affine and every PReLU with a slope per channel
    // works on the last axis, reductions keep their axes (a Reshape may follow), and a Transpose stands only where data
    // really must move.
    // Shown in tests/filetests/channels_last.
    ("channels_last", channels_last::run, &[promises::channels_are_last, promises::reductions_keep_their_axes]),
    // Convolutions and MatMuls on ±1 inputs whose weights are ±a per output channel become sums of bits, and so do MatMuls
    // of two such inputs; a scale or code such as {0, 1} between a Sign and such a layer moves behind it. A Sign of what cannot
    // be negative is such a code; zeros among the weights, and those of signs if the user so wishes, are a second plane of bits.
    // A sum of signs that are steps of one value is a few planes worth 1, 2, 4..., and so are weights of a few even numbers.
    // AFTER THIS POINT: an Op::Conv or Op::MatMul is real-valued, its padding is zero, and its node says why. A
    // Sign that may be 0 is so in numbers; one bit takes 0 for +1.
    // Shown in tests/filetests/binarize_weights.
    ("binarize_weights", binarize_weights::run, &[promises::real_layers_say_why]),
    // Signs of joined channels, as dense networks take them, are joins of the signs of the parts; so is whatever else works on
    // each channel alone, where nobody else reads the join. Slices of a join are its parts.
    // AFTER THIS POINT: a value that is only joined is computed, and packed, in parts.
    // Shown in tests/filetests/sink_joins.
    ("sink_joins", sink_joins::run, &[]),
    // Means over the pixels of weighted sums, as BNext's gates read them, are weighted sums of means.
    // AFTER THIS POINT: no tensor is weighted for the mean of its sum with another alone.
    // Shown in tests/filetests/split_means.
    ("split_means", split_means::run, &[]),
    // The Affines that appeared meet their neighbours.
    ("merge_affine_again", merge_affine::run, &[promises::affine_neighbours_are_one]),
    // AFTER THIS POINT: no Identity-like node, no duplicate of another node, nothing dead; a value that stands for one of
    // the file has its name.
    // Shown in tests/filetests/cleanup.
    ("cleanup", cleanup::run, &[promises::nodes_do_something]),
];

/// Runs every pass, calling `observe` after each with the pass's name; then lowers the graph to blocks.
///
/// # Errors
/// Every operator that is left with no compiled form, one diagnostic each; what [`check`] finds wrong, which is a fault of
/// xnorc.
pub fn run(
    graph: &mut Graph,
    mut observe: impl FnMut(&'static str, &Graph),
) -> Result<Network, crate::diagnostics::Diagnostics> {
    let mut promised = Vec::new();
    check::graph(graph, "at import", &promised)?;
    for (name, pass, promises) in PASSES {
        crate::internal::at(format!("the pass {name}"));
        pass(graph);
        observe(name, graph);
        promised.extend_from_slice(promises);
        check::graph(graph, &format!("in the pass {name}"), &promised)?;
    }
    // AFTER THIS POINT: thresholds are exact numbers, every value has a place in a fused block, and a convolution's Products say
    // how it multiplies: floats, or, where the file has 8-bit integers on both sides, these, which loses nothing.
    // Shown in tests/filetests/lower.
    crate::internal::at("the lowering to blocks");
    let network = lower::run(graph)?;
    check::network(&network, "in lowering")?;
    Ok(network)
}
