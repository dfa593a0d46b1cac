//! Convolutions and fully connected layers on ±1 inputs with ±a weights become sums of bits.
//!
//! Two things make a layer binary. Its input takes two values only: a Sign, or what pooling, concatenation, slicing,
//! reshaping and affine codes such as {0, 1} make of one (see [`codes`]). And its constant weights are, per output
//! channel, ±a within 1e-6 of a (see [`weights`]). Scale and bias follow as an Affine, which the next pass merges with
//! its neighbours. Every other layer gets the reason why it is real-valued.

mod codes;
mod weights;

use std::sync::Arc;

use crate::diagnostics::{self, Diagnostic};
use crate::exact::Affine;
use crate::ir::network::BinaryWeights;
use crate::ir::{Graph, Layout, Node, Op, Part, ValueId, Window};
use crate::passes::rewrite::{NewNode, Rewriter, walk};
use codes::{Code, Codes};
use weights::Binarized;

/// What the user should know.
#[derive(Default)]
struct Remarks {
    /// Signs whose zero becomes +1; the same one may feed several layers.
    zero_signs: Vec<String>,
    notes: Vec<String>,
    warnings: Vec<Diagnostic>,
}

impl Remarks {
    fn warn(&mut self, code: diagnostics::Code, node: &Node, message: String, help: &str) {
        let place = format!("node \"{}\" ({})", node.name, node.op.name());
        self.warnings.push(Diagnostic::warning(code, place, message).help(help));
    }
}

/// The pass.
pub fn run(graph: &mut Graph) {
    let mut codes = Codes::default();
    let mut remarks = Remarks::default();
    walk(graph, |rewriter, node| match &node.op {
        Op::Conv { .. } | Op::MatMul => layer(rewriter, &codes, &mut remarks, node),
        _ => codes.rule(rewriter, node),
    });
    if !remarks.zero_signs.is_empty() {
        let signs = remarks.zero_signs.join(", ");
        graph.notes.push(format!("sign(0) = 0 in the file, which one bit cannot hold, is taken as +1: {signs}"));
    }
    graph.notes.append(&mut remarks.notes);
    graph.warnings.0.extend(remarks.warnings);
}

/// A Conv or MatMul: binary, or with a reason.
fn layer(rewriter: &mut Rewriter<'_>, codes: &Codes, remarks: &mut Remarks, node: Node) {
    let weights = weights::of(rewriter, &node);
    let code = codes.get(node.inputs[0]);
    let reason = match (weights, code) {
        (Ok(weights), Some(code)) => match padding(&node.op, code) {
            Ok(window) => {
                note_layer(remarks, &node, &weights, code);
                return binary(rewriter, node, code, weights, window);
            }
            Err(reason) => reason,
        },
        (Ok(weights), None) => {
            let input = describe(rewriter, node.inputs[0]);
            // A handful of weights has few values by accident.
            if weights.per_channel >= 4 {
                let message = format!("the weights are binary, but the input is real ({input})");
                let help = "it runs as a real-valued layer; if a sign was lost on export, put it back";
                remarks.warn(diagnostics::Code::RealInput, &node, message, help);
            }
            format!("input is not binary: {input}")
        }
        (Err(reason), Some(_)) => reason,
        (Err(reason), None) => format!("{reason}; input is not binary: {}", describe(rewriter, node.inputs[0])),
    };
    real(rewriter, Node { reason: Some(reason), ..node });
}

/// Says what the user should know about a binary layer.
fn note_layer(remarks: &mut Remarks, node: &Node, weights: &Binarized, code: &Code) {
    for sign in &code.zero_signs {
        if !remarks.zero_signs.contains(sign) {
            remarks.zero_signs.push(sign.clone());
        }
    }
    let (layer, zeros, deviation) = (&node.name, weights.bits.zeros, weights.bits.deviation);
    if zeros > 0 {
        let all = weights.bits.signs.len();
        let message = format!("{zeros} of {all} weights are exactly zero and count as +1");
        let help = "other engines leave them zero; their answers differ by as much";
        remarks.warn(diagnostics::Code::ZeroWeights, node, message, help);
    }
    if deviation > 0.0 {
        remarks.notes.push(format!("{layer}: weights differ from ±scale by up to {deviation:.1e} of it"));
    }
}

/// The window of the binary convolution: its padding in terms of the signs. `None` for a fully connected layer.
fn padding(op: &Op, code: &Code) -> Result<Option<Window>, String> {
    let Op::Conv { window, layout, .. } = op else { return Ok(None) };
    if *layout != Layout::ChannelsLast {
        return Err("its channels are not the last axis".to_owned());
    }
    let mut window = window.clone();
    if window.pads == [0; 4] {
        window.pad_value = 0.0;
        return Ok(Some(window));
    }
    let sign = (f64::from(window.pad_value) - code.shift) / code.scale;
    let Some(value) = [-1.0, 0.0, 1.0].into_iter().find(|v| (sign - v).abs() < 1e-6) else {
        let [low, high] = [code.shift - code.scale.abs(), code.shift + code.scale.abs()];
        return Err(format!(
            "its padding, {}, fits none of its binary input's values {low} and {high}",
            window.pad_value
        ));
    };
    window.pad_value = value as f32;
    Ok(Some(window))
}

/// Emits a binary layer, and the Affine of its scale and bias.
///
/// With an input `u * s + v` of signs s, a channel's result is `a * (u * dot + v * sum) + bias`, where `dot` and `sum` are
/// those of the weights' signs; padded taps hold `u * p + v`, so that this is true of them as well.
fn binary(rewriter: &mut Rewriter<'_>, node: Node, code: &Code, weights: Binarized, window: Option<Window>) {
    let bias = node.inputs.get(2).and_then(|&v| rewriter.floats(v)).map(|(_, b)| b.to_vec());
    let has_run_time_bias = node.inputs.len() > 2 && bias.is_none();
    if has_run_time_bias {
        return real(rewriter, Node { reason: Some("its bias is computed at run time".to_owned()), ..node });
    }
    let scale = code.scale as f32;
    let map = |channel: usize| {
        // The product of two f32s is exact in f64, and two f32s hold it again.
        let shift = code.shift * weights.sum(channel) as f64;
        let high = shift as f32;
        let low = (shift - f64::from(high)) as f32;
        let input = Affine::linear(scale, high).then(&Affine::linear(1.0, low));
        let outer = Affine::linear(weights.scales[channel], bias.as_ref().map_or(0.0, |b| b[channel]));
        input.and_then(|inner| inner.then(&outer)).expect("no roots")
    };
    let maps: Vec<Affine> = (0..weights.scales.len()).map(map).collect();
    let mut parts = Vec::new();
    if scale != 1.0 || weights.scales.iter().any(|&a| a != 1.0) {
        parts.push(Part::Scale);
    }
    if bias.is_some() {
        parts.push(Part::Bias);
    }
    let bits: Arc<BinaryWeights> = Arc::new(weights.bits);
    let op = match (&node.op, window) {
        (Op::Conv { groups, .. }, Some(window)) => Op::BinaryConv { window, groups: *groups, weights: bits },
        _ => Op::BinaryMatMul { weights: bits },
    };
    let layer = Node { op, inputs: vec![code.sign], ..node };
    if maps.iter().all(Affine::is_identity) {
        return rewriter.change(layer);
    }
    let shape = rewriter.graph.shape(layer.output).to_vec();
    let output = layer.output;
    let dot = rewriter.derive(output, "dot", &shape, None);
    let name = format!("{}.scale", layer.name);
    let reason = None;
    rewriter.change(Node { output: dot, ..layer });
    let op = Op::Affine { axis: shape.len() - 1, maps: Arc::new(maps) };
    rewriter.change(Node { name, op, inputs: vec![dot], output, parts, reason });
}

/// Emits a real-valued layer. Its padding is zero: any other, merged in the hope of a binary layer, is a Pad again.
fn real(rewriter: &mut Rewriter<'_>, mut node: Node) {
    if let Op::Conv { window, layout, .. } = &mut node.op
        && window.pads != [0; 4]
        && window.pad_value != 0.0
    {
        let x = node.inputs[0];
        let (y_axis, x_axis) = if *layout == Layout::ChannelsLast { (1, 2) } else { (2, 3) };
        let [top, left, bottom, right] = std::mem::take(&mut window.pads);
        let value = std::mem::replace(&mut window.pad_value, 0.0);
        let (mut before, mut after) = (vec![0; 4], vec![0; 4]);
        (before[y_axis], after[y_axis], before[x_axis], after[x_axis]) = (top, bottom, left, right);
        let shape: Vec<usize> = (0..4).map(|i| rewriter.graph.shape(x)[i] + before[i] + after[i]).collect();
        let (op, inputs) = (Op::Pad { before, after, value }, vec![x]);
        let parts = vec![Part::Pad];
        node.inputs[0] =
            rewriter.emit(NewNode { op, inputs, like: x, suffix: "padded", shape: &shape, origin: None, parts });
        if node.parts.first() == Some(&Part::Pad) {
            node.parts.remove(0);
        }
    }
    rewriter.change(node);
}

/// What produces a value, for a reason; operators that only move elements are not to blame.
fn describe(rewriter: &Rewriter<'_>, mut v: ValueId) -> String {
    while let Some(Node { op: Op::Reshape | Op::Transpose(_), inputs, .. }) = rewriter.producer(v) {
        v = inputs[0];
    }
    match rewriter.producer(v) {
        Some(node) => {
            let operator = node.parts.last().cloned().unwrap_or_else(|| node.op.name().as_str().into());
            format!("produced by {operator} \"{}\"", node.name)
        }
        None if rewriter.graph.constant(v).is_some() => "a constant".to_owned(),
        None => format!("the graph's input \"{}\"", rewriter.graph.value(v).name),
    }
}

#[cfg(test)]
mod tests;
