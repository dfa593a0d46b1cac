//! Scales that are known only at run time, in front of layers of two values: a convolution of `scale * code` is the scale times
//! that of the code, where the scale is the same for all elements that meet in a sum.

use super::is_code;
use crate::ir::{Binary, Node, Op, Part, ValueId, with_rank};
use crate::passes::binarize_weights::are_binary;
use crate::passes::rewrite::{NewNode, Rewriter};

/// A value `code * scale` (or `/`), of which the scale has one element for each image, row or pixel.
pub(super) struct Scaled {
    pub(super) code: ValueId,
    function: Binary,
    pub(super) scale: ValueId,
}

/// The value's code and scale. The scale is computed at run time, and broadcast.
pub(super) fn of(rewriter: &Rewriter<'_>, v: ValueId) -> Option<Scaled> {
    let node = rewriter.producer(v)?;
    let Op::Binary(function @ (Binary::Mul | Binary::Div)) = node.op else { return None };
    let graph = &*rewriter.graph;
    let code = |code: ValueId, scale: ValueId| {
        let known = [code, scale].iter().any(|&v| graph.constant(v).is_some());
        let fits = !known && graph.shape(code) == graph.shape(node.output) && graph.shape(scale) != graph.shape(code);
        (fits && is_code(rewriter, code)).then_some(Scaled { code, function, scale })
    };
    let [a, b] = [node.inputs[0], node.inputs[1]];
    code(a, b).or_else(|| if function == Binary::Mul { code(b, a) } else { None })
}

/// A layer of ±a weights whose input is a scaled code: the layer of the code, and the scale behind it, before the bias.
pub(super) fn behind(rewriter: &mut Rewriter<'_>, node: &Node) -> Option<Node> {
    match node.op {
        Op::MatMul if rewriter.graph.constant(node.inputs[1]).is_none() => return behind_product(rewriter, node),
        Op::Reshape | Op::Transpose(_) | Op::Slice { .. } => return behind_move(rewriter, node),
        _ => {}
    }
    let Scaled { code, function, scale } = of(rewriter, *node.inputs.first()?)?;
    let shape = with_rank(rewriter.graph.shape(scale), rewriter.graph.shape(code).len());
    let same_for_all = match &node.op {
        Op::Conv { window, .. } => {
            let pointwise = window.kernel == [1, 1] && window.strides == [1, 1];
            let zeros = window.pads == [0; 4] || window.pad_value == 0.0 && !pointwise;
            zeros && shape[1] == 1 && (pointwise || shape[2..] == [1, 1])
        }
        Op::MatMul => shape.len() > 1 && shape.last() == Some(&1),
        _ => false,
    };
    if !same_for_all || !are_binary(rewriter, node) {
        return None;
    }
    let mut layer = node.clone();
    layer.inputs[0] = code;
    let bias = (layer.inputs.len() > 2).then(|| layer.inputs.remove(2));
    let output = node.output;
    let like = rewriter.graph.shape(output).to_vec();
    let emit = |rewriter: &mut Rewriter<'_>, op: Op, inputs: Vec<ValueId>, suffix: &str, parts: Vec<Part>| {
        rewriter.emit(NewNode { op, inputs, like: output, suffix, shape: &like, origin: None, parts })
    };
    let sums = emit(rewriter, layer.op.clone(), layer.inputs, "unscaled", node.parts.clone());
    let by_scale = (Op::Binary(function), vec![sums, scale], vec![Part::Scale]);
    let (op, inputs, parts) = match bias {
        None => by_scale,
        Some(bias) => {
            let scaled = emit(rewriter, by_scale.0, by_scale.1, "unshifted", by_scale.2);
            let channels = rewriter.graph.shape(bias).to_vec();
            let bias = rewriter.reshape(bias, &[channels[0], 1, 1]);
            (Op::Binary(Binary::Add), vec![scaled, bias], vec![Part::Bias])
        }
    };
    Some(Node { op, inputs, parts, ..node.clone() })
}

/// A product of two codes, one of which is scaled by rows (or, on the right, by columns): the scale behind it.
fn behind_product(rewriter: &mut Rewriter<'_>, node: &Node) -> Option<Node> {
    let is_scaled = |rewriter: &Rewriter<'_>, v: ValueId| is_code(rewriter, v) || of(rewriter, v).is_some();
    for side in [0, 1] {
        let Some(Scaled { code, function, scale }) = of(rewriter, node.inputs[side]) else { continue };
        let rank = rewriter.graph.shape(code).len();
        let shape = with_rank(rewriter.graph.shape(scale), rank);
        let summed = rank.checked_sub(1 + side)?;
        if rank < 2 || shape[summed] != 1 || !is_scaled(rewriter, node.inputs[1 - side]) {
            continue;
        }
        let mut inputs = node.inputs.clone();
        inputs[side] = code;
        return Some(times(rewriter, node, inputs, function, scale));
    }
    None
}

/// What only moves elements: one scale for all of them moves behind it.
fn behind_move(rewriter: &mut Rewriter<'_>, node: &Node) -> Option<Node> {
    let Scaled { code, function, scale } = of(rewriter, node.inputs[0])?;
    if rewriter.graph.shape(scale).iter().any(|&extent| extent != 1) {
        return None;
    }
    let scale = rewriter.reshape(scale, &vec![1; rewriter.graph.shape(node.output).len()]);
    Some(times(rewriter, node, vec![code], function, scale))
}

/// The node on other operands, and a scale behind it.
fn times(rewriter: &mut Rewriter<'_>, node: &Node, inputs: Vec<ValueId>, f: Binary, scale: ValueId) -> Node {
    let shape = rewriter.graph.shape(node.output).to_vec();
    let (op, like, parts) = (node.op.clone(), node.output, node.parts.clone());
    let inner = rewriter.emit(NewNode { op, inputs, like, suffix: "unscaled", shape: &shape, origin: None, parts });
    Node { op: Op::Binary(f), inputs: vec![inner, scale], parts: vec![Part::Scale], ..node.clone() }
}
