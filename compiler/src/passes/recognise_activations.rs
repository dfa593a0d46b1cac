//! One node for each activation function, and constants no larger than what they say.
//!
//! - PReLU spelled `Relu(x) + c * Relu(-x)` (tf2onnx), `Max(x, 0) + c * Min(x, 0)`, or by a Where.
//! - HardSigmoid and HardSwish spelled with Add, Clip, Mul and Div; `Clip(0, inf)` and `Max(x, 0)` for Relu.
//! - Constants repeated along an axis (exporters fold an Expand into them) shrink to what varies, and a PReLU's slope
//!   gets the rank of its argument.

use crate::ir::{Binary, Graph, Node, Op, Tensor, Unary, ValueId, broadcast, with_rank};
use crate::passes::rewrite::{Rewriter, squeeze, walk_to_fixpoint};

/// The pass.
pub fn run(graph: &mut Graph) {
    walk_to_fixpoint(graph, rule);
}

fn rule(rewriter: &mut Rewriter<'_>, mut node: Node) {
    let shrunk = shrink_constants(rewriter, &mut node);
    if let Some((op, x, parts)) = activation(rewriter, &node)
        && rewriter.graph.shape(x) == rewriter.graph.shape(node.output)
    {
        let parts = vec![parts.into()];
        return rewriter.change(Node { op: Op::Unary(op), inputs: vec![x], parts, ..node });
    }
    if let Some((x, slope)) = prelu(rewriter, &node) {
        let inputs = vec![x, slope];
        return rewriter.change(Node { op: Op::PRelu, inputs, parts: vec!["PRelu".into()], ..node });
    }
    if shrunk { rewriter.change(node) } else { rewriter.keep(node) }
}

/// Constants of element-wise operators lose the axes along which they repeat themselves.
fn shrink_constants(rewriter: &mut Rewriter<'_>, node: &mut Node) -> bool {
    let elementwise = matches!(node.op, Op::Binary(_) | Op::PRelu);
    if !elementwise {
        return false;
    }
    let [a, b] = [node.inputs[0], node.inputs[1]];
    let output = rewriter.graph.shape(node.output).to_vec();
    let mut changed = false;
    for (i, other) in [(0, b), (1, a)] {
        let Some(tensor) = rewriter.graph.constant(node.inputs[i]).cloned() else { continue };
        let mut smaller = squeeze(&tensor);
        if matches!(node.op, Op::PRelu) && i == 1 && smaller.shape.len() < output.len() {
            smaller.shape = with_rank(&smaller.shape, output.len());
        }
        if smaller.shape != tensor.shape
            && broadcast(&smaller.shape, rewriter.graph.shape(other)).as_ref() == Some(&output)
        {
            let name = rewriter.graph.value(node.inputs[i]).name.clone();
            node.inputs[i] = rewriter.constant(&name, smaller);
            changed = true;
        }
    }
    changed
}

/// A function of one argument spelled with several nodes.
fn activation(rewriter: &Rewriter<'_>, node: &Node) -> Option<(Unary, ValueId, &'static str)> {
    const SIXTH: f32 = 1.0 / 6.0;
    match node.op {
        Op::Unary(Unary::Clip(0.0, high)) if high == f32::INFINITY || high == f32::MAX => {
            Some((Unary::Relu, node.inputs[0], "Relu"))
        }
        Op::Unary(Unary::Clip(0.0, 1.0)) => {
            let (x, alpha, beta) = scale_shift(rewriter, node.inputs[0])?;
            Some((Unary::HardSigmoid(alpha, beta), x, "HardSigmoid"))
        }
        Op::Binary(Binary::Max) => {
            let (x, c) = with_constant(rewriter, node)?;
            (c == 0.0).then_some((Unary::Relu, x, "Relu"))
        }
        Op::Binary(Binary::Mul | Binary::Div) => {
            let scaled = by_sixth(rewriter, node);
            // clip(x + 3, 0, 6) / 6
            if let Some(x) = scaled.and_then(|v| clip_plus_three(rewriter, v)) {
                return Some((Unary::HardSigmoid(SIXTH, 0.5), x, "HardSigmoid"));
            }
            // x * clip(x + 3, 0, 6) / 6
            if let Some(product) = scaled.and_then(|v| rewriter.producer(v))
                && let Some(x) = factors(product, |x, g| clip_plus_three(rewriter, g) == Some(x))
            {
                return Some((Unary::HardSwish, x, "HardSwish"));
            }
            let is_gate = |x: ValueId, gate: ValueId| match rewriter.producer(gate) {
                Some(Node { op: Op::Unary(Unary::HardSigmoid(alpha, beta)), inputs, .. }) => {
                    inputs[0] == x && (alpha - SIXTH).abs() < 1e-7 && *beta == 0.5
                }
                // (x / 6) * clip(x + 3, 0, 6)
                _ => false,
            };
            factors(node, is_gate).map(|x| (Unary::HardSwish, x, "HardSwish"))
        }
        _ => None,
    }
}

/// The x of a product `x * g` (in either order) for which `matches(x, g)`.
fn factors(node: &Node, matches: impl Fn(ValueId, ValueId) -> bool) -> Option<ValueId> {
    if node.op != Op::Binary(Binary::Mul) {
        return None;
    }
    let [a, b] = [node.inputs[0], node.inputs[1]];
    if matches(a, b) {
        Some(a)
    } else if matches(b, a) {
        Some(b)
    } else {
        None
    }
}

/// The operand and the uniform constant of a commutative operator.
fn with_constant(rewriter: &Rewriter<'_>, node: &Node) -> Option<(ValueId, f32)> {
    let [a, b] = [node.inputs[0], node.inputs[1]];
    match (rewriter.uniform(a), rewriter.uniform(b)) {
        (None, Some(c)) => Some((a, c)),
        (Some(c), None) => Some((b, c)),
        _ => None,
    }
}

/// The argument of a division by 6, however written.
fn by_sixth(rewriter: &Rewriter<'_>, node: &Node) -> Option<ValueId> {
    match node.op {
        Op::Binary(Binary::Div) => (rewriter.uniform(node.inputs[1])? == 6.0).then_some(node.inputs[0]),
        Op::Binary(Binary::Mul) => {
            let (x, c) = with_constant(rewriter, node)?;
            ((c * 6.0 - 1.0).abs() < 1e-6).then_some(x)
        }
        _ => None,
    }
}

/// The x of `clip(x + 3, 0, 6)`.
fn clip_plus_three(rewriter: &Rewriter<'_>, v: ValueId) -> Option<ValueId> {
    let clip = rewriter.producer(v)?;
    if clip.op != Op::Unary(Unary::Clip(0.0, 6.0)) {
        return None;
    }
    let sum = rewriter.producer(clip.inputs[0])?;
    if sum.op != Op::Binary(Binary::Add) {
        return None;
    }
    let (x, c) = with_constant(rewriter, sum)?;
    (c == 3.0).then_some(x)
}

/// `v` as `alpha * x + beta`.
fn scale_shift(rewriter: &Rewriter<'_>, v: ValueId) -> Option<(ValueId, f32, f32)> {
    let sum = rewriter.producer(v)?;
    if sum.op != Op::Binary(Binary::Add) {
        return None;
    }
    let (product, beta) = with_constant(rewriter, sum)?;
    let node = rewriter.producer(product)?;
    let (x, alpha) = match node.op {
        Op::Binary(Binary::Mul) => with_constant(rewriter, node)?,
        Op::Binary(Binary::Div) => (node.inputs[0], 1.0 / rewriter.uniform(node.inputs[1])?),
        _ => return None,
    };
    Some((x, alpha, beta))
}

/// The argument and the slope of a PReLU spelled with several nodes.
fn prelu(rewriter: &mut Rewriter<'_>, node: &Node) -> Option<(ValueId, ValueId)> {
    let [a, b] = match node.op {
        Op::Binary(Binary::Add | Binary::Sub) => [node.inputs[0], node.inputs[1]],
        Op::Where => return prelu_by_where(rewriter, node),
        _ => return None,
    };
    let subtracted = node.op == Op::Binary(Binary::Sub);
    let mut orders = vec![(a, b)];
    if !subtracted {
        orders.push((b, a));
    }
    for (positive, scaled) in orders {
        let Some(x) = part(rewriter, positive, true) else { continue };
        let Some((negative, slope, negated)) = scaled_part(rewriter, scaled) else { continue };
        let Some((y, mirrored)) = negative_part(rewriter, negative) else { continue };
        if x != y || rewriter.graph.shape(x) != rewriter.graph.shape(node.output) {
            continue;
        }
        // relu(x) + c * relu(-x) has slope -c; relu(x) + c * min(x, 0) has slope c.
        let sign = if subtracted ^ mirrored ^ negated { -1.0 } else { 1.0 };
        if let Some(slope) = slope_constant(rewriter, x, slope, sign) {
            return Some((x, slope));
        }
    }
    None
}

/// The x of `Relu(x)` (`above`), or of `Min(x, 0)`.
fn part(rewriter: &Rewriter<'_>, v: ValueId, above: bool) -> Option<ValueId> {
    let node = rewriter.producer(v)?;
    match node.op {
        Op::Unary(Unary::Relu) if above => Some(node.inputs[0]),
        Op::Unary(Unary::Clip(low, 0.0)) if !above && (low == f32::NEG_INFINITY || low == f32::MIN) => {
            Some(node.inputs[0])
        }
        Op::Binary(Binary::Min) if !above => with_constant(rewriter, node).filter(|&(_, c)| c == 0.0).map(|(x, _)| x),
        _ => None,
    }
}

/// The x of `Relu(-x)` (mirrored) or of `Min(x, 0)`.
fn negative_part(rewriter: &Rewriter<'_>, v: ValueId) -> Option<(ValueId, bool)> {
    if let Some(x) = part(rewriter, v, false) {
        return Some((x, false));
    }
    let minus_x = part(rewriter, v, true)?;
    let node = rewriter.producer(minus_x)?;
    match node.op {
        Op::Unary(Unary::Neg) => Some((node.inputs[0], true)),
        Op::Binary(Binary::Mul) => with_constant(rewriter, node).filter(|&(_, c)| c == -1.0).map(|(x, _)| (x, true)),
        _ => None,
    }
}

/// The two operands of a product by a constant, the constant last; `true` when a Neg stands around it.
fn scaled_part(rewriter: &Rewriter<'_>, v: ValueId) -> Option<(ValueId, ValueId, bool)> {
    let mut node = rewriter.producer(v)?;
    let negated = node.op == Op::Unary(Unary::Neg);
    if negated {
        node = rewriter.producer(node.inputs[0])?;
    }
    if node.op != Op::Binary(Binary::Mul) {
        return None;
    }
    let [a, b] = [node.inputs[0], node.inputs[1]];
    match (rewriter.floats(a).is_some(), rewriter.floats(b).is_some()) {
        (false, true) => Some((a, b, negated)),
        (true, false) => Some((b, a, negated)),
        _ => None,
    }
}

/// `Where(x > 0, x, c * x)`, `Where(x < 0, c * x, x)` and their kin.
fn prelu_by_where(rewriter: &mut Rewriter<'_>, node: &Node) -> Option<(ValueId, ValueId)> {
    let mask = rewriter.producer(node.inputs[0])?;
    let Op::Binary(relation) = mask.op else { return None };
    let (x, above) = match (rewriter.uniform(mask.inputs[0]), rewriter.uniform(mask.inputs[1])) {
        (None, Some(0.0)) => (mask.inputs[0], matches!(relation, Binary::Greater | Binary::GreaterOrEqual)),
        (Some(0.0), None) => (mask.inputs[1], matches!(relation, Binary::Less | Binary::LessOrEqual)),
        _ => return None,
    };
    if !matches!(relation, Binary::Greater | Binary::GreaterOrEqual | Binary::Less | Binary::LessOrEqual) {
        return None;
    }
    let (kept, scaled) = if above { (node.inputs[1], node.inputs[2]) } else { (node.inputs[2], node.inputs[1]) };
    let (y, slope, negated) = scaled_part(rewriter, scaled)?;
    if kept != x || y != x || rewriter.graph.shape(x) != rewriter.graph.shape(node.output) {
        return None;
    }
    let slope = slope_constant(rewriter, x, slope, if negated { -1.0 } else { 1.0 })?;
    Some((x, slope))
}

/// The slope as a constant of the rank of x.
fn slope_constant(rewriter: &mut Rewriter<'_>, x: ValueId, slope: ValueId, sign: f32) -> Option<ValueId> {
    let (shape, values) = rewriter.floats(slope)?;
    let rank = rewriter.graph.shape(x).len();
    if shape.len() > rank {
        return None;
    }
    let tensor = squeeze(&Tensor::f32(with_rank(shape, rank), values.iter().map(|c| sign * c).collect()));
    let name = format!("{}.slope", rewriter.graph.value(x).name);
    Some(rewriter.constant(&name, tensor))
}
