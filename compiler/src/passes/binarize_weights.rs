//! Convolutions and fully connected layers on ±1 inputs with ±a weights become sums of bits.
//!
//! Two things make a layer binary. Its input takes two values only: a Sign, or what pooling, concatenation, slicing,
//! reshaping and affine codes such as {0, 1} make of one (see [`codes`]). And its constant weights are, per output
//! channel, ±a within 1e-6 of a (see [`weights`]). Scale and bias follow as an Affine, which the next pass merges with
//! its neighbours. Every other layer gets the reason why it is real-valued.
//!
//! Inputs and weights of a few evenly spaced numbers are several planes of bits each ([`few_bits`]), and their layer a sum of layers.
//! A MatMul of two such inputs is a product of bits, too (see [`products`]).
//!
//! Where weights are zero, or an input may be, two planes of bits hold what one cannot: 0 is +1 in one and -1 in the
//! other, and half the sum of both planes' layers is exact. A few zero weights cost a layer of their channels alone.

mod codes;
mod few_bits;
mod products;
mod weights;
mod words;

use std::sync::Arc;

use crate::diagnostics::{self, Diagnostic};
use crate::exact::Affine;
use crate::ir::BinaryWeights;
use crate::ir::{Binary, Graph, Layout, Node, Op, Part, ValueId, Window};
use crate::passes::facts::{self, Facts};
use crate::passes::recognise_sign::{MOST_PLANES, planes_of_input};
use crate::passes::rewrite::{NewNode, Rewriter, repeat, walk};
use codes::{Code, Codes, ZeroSign};
pub(crate) use codes::{MOST_STEPS, planes_of_steps};
use weights::Binarized;
use words::describe;

/// What the user should know.
#[derive(Default)]
struct Remarks {
    /// Signs whose zero becomes +1; the same one may feed several layers.
    zero_signs: Vec<ZeroSign>,
    notes: Vec<String>,
    warnings: Vec<Diagnostic>,
}

impl Remarks {
    fn warn(&mut self, code: diagnostics::Code, node: &Node, message: String, help: &str) {
        let place = format!("node \"{}\" ({})", node.name, node.op.name());
        self.warnings.push(Diagnostic::warning(code, place, message).help(help));
    }

    /// A layer reads bits of a sign that they do not hold.
    fn takes(&mut self, sign: ZeroSign) {
        if !self.zero_signs.contains(&sign) {
            self.zero_signs.push(sign);
        }
    }

    /// Signs that one bit does not hold: a warning each where zeros are likely, one note for the others.
    fn of_signs(&mut self) {
        for sign in &self.zero_signs {
            let Some(why) = sign.likely else { continue };
            let place = format!("node \"{}\" (Sign)", sign.name);
            let message = format!("{why}: sign(0) = 0 in the file, but one bit takes it for +1");
            let help = "`--zero exact` (`zero` in a build script) keeps the 0, in a second plane of bits; or train with a \
                        sign that is +1 or -1 at 0, as Where(x >= 0, 1, -1)";
            self.warnings.push(Diagnostic::warning(diagnostics::Code::ZeroSigns, place, message).help(help));
        }
        let accidents: Vec<&str> = self.zero_signs.iter().filter(|s| s.likely.is_none()).map(|s| &*s.name).collect();
        if !accidents.is_empty() {
            let signs = accidents.join(", ");
            self.notes.push(format!("sign(0) = 0 in the file, which one bit cannot hold, is taken as +1: {signs}"));
        }
    }
}

/// The pass.
pub fn run(graph: &mut Graph) {
    let (mut codes, mut facts) = (Codes::default(), Facts::default());
    let mut remarks = Remarks::default();
    walk(graph, |rewriter, node| match &node.op {
        Op::Conv { .. } | Op::MatMul => layer(rewriter, &codes, &mut facts, &mut remarks, node),
        _ => {
            facts.observe(rewriter.graph, &node, None);
            codes.rule(rewriter, &facts, node);
        }
    });
    remarks.of_signs();
    graph.notes.append(&mut remarks.notes);
    graph.warnings.0.extend(remarks.warnings);
}

/// A Conv or MatMul: binary, or with a reason.
fn layer(rewriter: &mut Rewriter<'_>, codes: &Codes, facts: &mut Facts, remarks: &mut Remarks, node: Node) {
    let weights = weights::of(rewriter, &node);
    let known = weights.as_ref().ok().map(|w| facts::Layer {
        scales: &w.scales,
        has_zeros: !w.zeros.is_empty(),
        fan_in: w.per_channel,
    });
    facts.observe(rewriter.graph, &node, known.as_ref());
    if rewriter.graph.constant(node.inputs[1]).is_none() && node.op == Op::MatMul {
        let signs = node.inputs.iter().filter_map(|&v| codes.get(v)).flat_map(|code| code.zero_signs.clone());
        let signs: Vec<ZeroSign> = signs.collect();
        if products::product(rewriter, codes, &node) {
            signs.into_iter().for_each(|sign| remarks.takes(sign));
            return;
        }
    }
    let code = codes.weighted(rewriter, node.inputs[0]);
    let code = code.as_ref();
    let too_many = too_many_planes(rewriter, codes, &node);
    let reason = match (weights, code) {
        (Ok(weights), Some(code)) => match padding(&node.op, code) {
            Ok(windows) => {
                note_layer(remarks, &node, &weights, code);
                return binary(rewriter, node, code, &weights, &windows);
            }
            Err(reason) => reason,
        },
        (Ok(weights), None) if too_many.is_none() => {
            let input = describe(rewriter, node.inputs[0]);
            let input = format!("input is not binary: {input}");
            if weights.is_ternary() {
                let (zeros, all) = (weights.zeros.len(), weights.signs.len());
                format!("weights are ternary: {zeros} of {all} are zero; {input}")
            } else {
                // A handful of weights has few values by accident.
                if weights.per_channel >= 4 {
                    let (message, help) = words::real_input(rewriter, node.inputs[0]);
                    remarks.warn(diagnostics::Code::RealInput, &node, message, help);
                }
                input
            }
        }
        (Err(reason), Some(code)) => {
            if let Some(planes) = few_bits::Planes::of(rewriter, &node)
                && planes.count() * code.operand().len() <= MOST_PLANES
                && let Ok(windows) = padding(&node.op, code)
                && planes.emit(rewriter, &node, code, &windows).is_some()
            {
                code.zero_signs.iter().for_each(|sign| remarks.takes(sign.clone()));
                remarks.notes.push(format!("{}: weights of few bits, in {} planes", node.name, planes.count()));
                return;
            }
            if words::are_latent(rewriter, &node) {
                let message = "its input is signs, but its weights are real numbers".to_owned();
                remarks.warn(diagnostics::Code::LatentWeights, &node, message, words::LATENT);
            }
            too_many.unwrap_or(reason)
        }
        (Ok(weights), None) => {
            let reason = too_many.unwrap_or_default();
            if !weights.is_ternary() && weights.per_channel >= 4 {
                let message = format!("the weights are binary, and the input is of {reason}");
                remarks.warn(diagnostics::Code::RealInput, &node, message, words::FEWER_BITS);
            }
            reason
        }
        (Err(_), None) if too_many.is_some() => too_many.unwrap_or_default(),
        (Err(reason), None) => format!("{reason}; input is not binary: {}", describe(rewriter, node.inputs[0])),
    };
    real(rewriter, Node { reason: Some(reason), ..node });
}

/// Why a layer of few bits is none of bits all the same: its planes, each of the weights times each of the input, are too many.
fn too_many_planes(rewriter: &Rewriter<'_>, codes: &Codes, node: &Node) -> Option<String> {
    let x = node.inputs[0];
    let weights = planes_of(rewriter, node)?;
    let input = codes.get(x).map(Code::count).or_else(|| planes_of_input(rewriter, x))?;
    let products = weights * input;
    (products > MOST_PLANES).then(|| {
        format!(
            "few bits, but {products} plane products, at most {MOST_PLANES} (weights of {weights} planes of bits, an input of \
             {input})"
        )
    })
}

/// How many planes of bits a layer's weights are, if they are of few bits.
pub(crate) fn planes_of(rewriter: &Rewriter<'_>, node: &Node) -> Option<usize> {
    match weights::of(rewriter, node) {
        Ok(weights) => Some(if weights.is_ternary() { 2 } else { 1 }),
        Err(_) => few_bits::Planes::of(rewriter, node).map(|planes| planes.count()),
    }
}

/// Whether a layer's weights are ±scale, or 0, whatever its input is.
pub(crate) fn are_binary(rewriter: &Rewriter<'_>, node: &Node) -> bool {
    weights::of(rewriter, node).is_ok()
}

/// Says what the user should know about a binary layer.
fn note_layer(remarks: &mut Remarks, node: &Node, weights: &Binarized, code: &Code) {
    code.zero_signs.iter().for_each(|sign| remarks.takes(sign.clone()));
    let (layer, zeros, all) = (&node.name, weights.zeros.len(), weights.signs.len());
    if zeros > 0 {
        let channels = weights.affected().len();
        let how = match rest(node, weights) {
            Rest::All => "two planes of bits hold them".to_owned(),
            Rest::Some(_) => format!("left out of the sums of {channels} channels"),
        };
        remarks.notes.push(format!("{layer}: {zeros} of {all} weights are exactly zero: {how}"));
    }
    if weights.deviation > 0.0 {
        let deviation = weights.deviation;
        remarks.notes.push(format!("{layer}: weights differ from ±scale by up to {deviation:.1e} of it"));
    }
}

/// The window of the binary convolution of each plane: its padding in terms of the signs. None for a fully connected layer.
fn padding(op: &Op, code: &Code) -> Result<Vec<Window>, String> {
    let Op::Conv { window, layout, .. } = op else { return Ok(Vec::new()) };
    if *layout != Layout::ChannelsLast {
        return Err("its channels are not the last axis".to_owned());
    }
    let mut window = window.clone();
    if window.pads == [0; 4] {
        window.pad_value = 0.0;
        return Ok(vec![window; code.operand().len()]);
    }
    let Some(values) = code.operand_at(window.pad_value) else {
        let [low, high] = [-1.0, 1.0].map(|sign| code.map.apply(sign) as f32);
        return Err(format!(
            "its padding, {}, fits none of its binary input's values {} and {}",
            window.pad_value,
            low.min(high),
            low.max(high)
        ));
    };
    Ok(values.into_iter().map(|value| Window { pad_value: value, ..window.clone() }).collect())
}

/// What a layer with zero weights needs besides the layer of their signs.
enum Rest {
    /// A layer of all channels.
    All,
    /// One of these alone, ascending.
    Some(Vec<usize>),
}

fn rest(node: &Node, weights: &Binarized) -> Rest {
    // Each channel's sums are added on their own, which costs as much as reading a skip.
    const FEW: usize = 4;
    let channels = weights.affected();
    let groups = if let Op::Conv { groups, .. } = &node.op { *groups } else { 1 };
    if groups == 1 && channels.len() <= FEW && 2 * channels.len() <= weights.scales.len() {
        Rest::Some(channels)
    } else {
        Rest::All
    }
}

/// Emits a binary layer for each plane of bits, and the Affine of its scale and bias.
///
/// With an input `u * s + v` of signs s, a channel's result is `a * (u * dot + v * sum) + bias`, where `dot` and `sum` are
/// those of the weights' signs; padded taps hold `u * p + v`, so that this is true of them as well. Of planes the sum is
/// taken, of as many times each as it is worth, which is a whole number.
fn binary(rewriter: &mut Rewriter<'_>, node: Node, code: &Code, weights: &Binarized, windows: &[Window]) {
    let bias = node.inputs.get(2).and_then(|&v| rewriter.floats(v)).map(|(_, b)| b.to_vec());
    let has_run_time_bias = node.inputs.len() > 2 && bias.is_none();
    if has_run_time_bias {
        return real(rewriter, Node { reason: Some("its bias is computed at run time".to_owned()), ..node });
    }
    let rest = rest(&node, weights);
    let affected = if matches!(rest, Rest::All) { Vec::new() } else { weights.affected() };
    let map = |channel: usize| {
        let halved = !weights.zeros.is_empty() && (affected.is_empty() || affected.contains(&channel));
        let copies = if halved { 2 } else { 1 };
        if !few_bits::is_exact(code, copies * weights.per_channel) {
            return None;
        }
        let outer = Affine::linear(weights.scales[channel], bias.as_ref().map_or(0.0, |b| b[channel]));
        code.of_dots(weights.sum(channel) as f32, copies).and_then(|inner| inner.then(&outer))
    };
    let Some(maps) = (0..weights.scales.len()).map(map).collect::<Option<Vec<Affine>>>() else {
        let reason = "the constants of its input's code are too many, or its sums too large".to_owned();
        return real(rewriter, Node { reason: Some(reason), ..node });
    };
    let mut parts = Vec::new();
    if code.map.slope().is_ne() && !code.map.is_identity() || weights.scales.iter().any(|&a| a != 1.0) {
        parts.push(Part::Scale);
    }
    if bias.is_some() {
        parts.push(Part::Bias);
    }
    let op = |weights: BinaryWeights, plane: usize| match (&node.op, windows.get(plane)) {
        (Op::Conv { groups, .. }, Some(window)) => {
            Op::BinaryConv { window: window.clone(), groups: *groups, weights: Arc::new(weights) }
        }
        _ => Op::BinaryMatMul { weights: Arc::new(weights) },
    };
    let like = node.output;
    let shape = rewriter.graph.shape(like).to_vec();
    let more = |rewriter: &mut Rewriter<'_>, op: Op, x: ValueId, suffix: &str, shape: &[usize]| {
        let is_layer = matches!(op, Op::BinaryConv { .. } | Op::BinaryMatMul { .. });
        let parts = if is_layer { plane(&node) } else { node.parts.clone() };
        rewriter.emit(NewNode { op, inputs: vec![x], like, suffix, shape, origin: None, parts })
    };
    let mut terms = Vec::new();
    let operand = code.operand();
    for (plane, &(worth, sign)) in operand.iter().enumerate() {
        if plane > 0 {
            terms.push((worth, more(rewriter, op(weights.plus(), plane), sign, "minus", &shape)));
        }
        match &rest {
            _ if weights.zeros.is_empty() => {}
            Rest::All => {
                let all = 0..weights.scales.len();
                terms.push((worth, more(rewriter, op(weights.minus(all), plane), sign, "zeros", &shape)));
            }
            Rest::Some(channels) => {
                let mut some = shape.clone();
                let last = some.len() - 1;
                some[last] = channels.len();
                let sums = more(rewriter, op(weights.minus(channels.iter().copied()), plane), sign, "zeros", &some);
                for (i, &channel) in channels.iter().enumerate() {
                    let mut one = sums;
                    if channels.len() > 1 {
                        some[last] = 1;
                        let mut starts = vec![0; some.len()];
                        starts[last] = i;
                        let op = Op::Slice { starts, steps: vec![1; some.len()] };
                        one = more(rewriter, op, sums, "channel", &some);
                    }
                    let (mut before, mut after) = (vec![0; some.len()], vec![0; some.len()]);
                    (before[last], after[last]) = (channel, shape[last] - 1 - channel);
                    terms.push((worth, more(rewriter, Op::Pad { before, after, value: 0.0 }, one, "padded", &shape)));
                }
            }
        }
    }
    let (worth, first) = operand[0];
    let layer = Node { op: op(weights.plus(), 0), inputs: vec![first], ..node };
    if terms.is_empty() && maps.iter().all(Affine::is_identity) {
        return rewriter.change(layer);
    }
    let output = layer.output;
    let dot = rewriter.derive(output, "dot", &shape, None);
    let name = format!("{}.scale", layer.name);
    rewriter.change(Node { output: dot, ..layer });
    let dot = few_bits::sum(rewriter, output, (worth, dot), &terms);
    let op = Op::Affine { axis: shape.len() - 1, maps: Arc::new(maps) };
    rewriter.change(Node { name, op, inputs: vec![dot], output, parts, reason: None });
}

/// What one more product of planes stands for, of a layer that has one already.
fn plane(node: &Node) -> Vec<Part> {
    let own = if node.parts.is_empty() { vec![node.op.name().as_str().into()] } else { node.parts.clone() };
    own.into_iter().chain([Part::Plane]).collect()
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

#[cfg(test)]
mod tests;
