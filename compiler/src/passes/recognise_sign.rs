//! One [`Op::Sign`] for each binarisation, whatever its spelling.
//!
//! - Straight-through estimators: `(a - b) + b -> a` for a sign `a`, whatever polynomial or clip `b` is.
//! - Signs of signs: `Sign(Sign(x) + c)`, `Where(Sign(x) == 0, 1, Sign(x))` and whatever else depends on the class of x
//!   alone (negative, zero, positive) only says what zero becomes (see [`classes`]).
//! - Two numbers by any steps of one value: `Where(x > 0, 1, -1)`, `2 * Cast(x >= 0) - 1`, `round(clip(x / a, 0, 1))`,
//!   `x / |x|`, `round(sigmoid(x))`... are followed piece by piece ([`steps`]). One step makes a Sign, with the threshold of
//!   real arithmetic; several a product of signs; a condition of which nothing is known stays a condition.
//! - A few evenly spaced numbers in front of a layer of few bits are a sum of signs ([`few_bits`]).
//! - Scales known only at run time that are one number per image, or per row of a fully connected layer, move behind the layer.
//! - Monotone functions in front of a sign that keep zero where it is (clips, tanh, a positive scale) say nothing.

mod binary;
mod classes;
mod few_bits;
mod mask;
mod pieces;
mod scaled;
mod shapes;
mod steps;

use crate::exact::Affine;
use crate::ir::{Binary, DType, Graph, Node, Op, Part, Tensor, Unary, ValueId, Zero};
use crate::passes::rewrite::{NewNode, Rewriter, repeat, walk_to_fixpoint};
pub(crate) use classes::evaluate;
pub(crate) use few_bits::{MOST as MOST_PLANES, planes_of_input};
use pieces::Edge;
use steps::{Base, Steps};

/// The pass.
pub fn run(graph: &mut Graph) {
    walk_to_fixpoint(graph, rule);
}

fn rule(rewriter: &mut Rewriter<'_>, node: Node) {
    if let Some(value) = neutral(rewriter, &node).or_else(|| straight_through(rewriter, &node)) {
        return rewriter.replace(node, value);
    }
    let classes = classes::of_node(rewriter, &node).filter(|_| rewriter.graph.value(node.output).dtype == DType::F32);
    if let Some(classes) = classes
        && let Some(zero) = classes.sign()
        && (node.op != Op::Sign(zero) || node.inputs[0] != classes.x)
    {
        return match equal_sign(rewriter, &node, zero, classes.x) {
            Some(sign) => rewriter.replace(node, sign),
            None => rewriter.change(to_sign(node, zero, classes.x)),
        };
    }
    if let Op::Sign(zero) = node.op {
        if let Some(steps) = steps::of_node(rewriter, &node) {
            return a_sign(rewriter, node, &steps);
        }
        if let Some(pad) = sign_of_pad(rewriter, &node, zero) {
            return rewriter.change(pad);
        }
        return sign(rewriter, node, zero);
    }
    if let Some(steps) = steps::of_node(rewriter, &node).filter(|_| is_float(rewriter, node.output)) {
        return a_sign(rewriter, node, &steps);
    }
    let codes = match &node.op {
        Op::Conv { .. } | Op::MatMul | Op::MaxPool { .. } | Op::Reshape | Op::Transpose(_) => true,
        Op::Concat { .. } | Op::Pad { .. } | Op::Slice { .. } | Op::Gather { .. } => true,
        // Arithmetic whose results no f64 holds, which a map does.
        Op::Binary(Binary::Add | Binary::Sub | Binary::Mul | Binary::Div) => {
            classes.is_none() && node.inputs.iter().any(|&v| rewriter.floats(v).is_some())
                || node.inputs.iter().all(|&v| is_code(rewriter, v))
        }
        // What takes two values is a code again, perhaps.
        Op::Binary(Binary::Min | Binary::Max) => node.inputs.iter().all(|&v| is_code(rewriter, v)),
        Op::Where => node.inputs[1..].iter().all(|&v| is_code(rewriter, v)),
        _ => false,
    };
    if codes {
        if let Some(scaled) = scaled::behind(rewriter, &node) {
            return rewriter.change(scaled);
        }
        if let Some(layer) = few_bits::layer(rewriter, &node) {
            return rewriter.change(layer);
        }
        return coded_input(rewriter, node);
    }
    rewriter.keep(node);
}

fn to_sign(node: Node, zero: Zero, x: ValueId) -> Node {
    Node { op: Op::Sign(zero), inputs: vec![x], parts: vec!["Sign".into()], ..node }
}

/// `x + 0`, `x - 0`, `x * 1`, `x / 1` and casts to the same type, which exporters leave around estimators.
fn neutral(rewriter: &Rewriter<'_>, node: &Node) -> Option<ValueId> {
    let x = match node.op {
        Op::Cast(dtype) if rewriter.graph.value(node.inputs[0]).dtype == dtype => node.inputs[0],
        Op::Binary(f) => {
            let [a, b] = [node.inputs[0], node.inputs[1]];
            let [ca, cb] = [a, b].map(|v| rewriter.uniform(v));
            match f {
                Binary::Add | Binary::Sub if cb == Some(0.0) => a,
                Binary::Mul | Binary::Div if cb == Some(1.0) => a,
                Binary::Add if ca == Some(0.0) => b,
                Binary::Mul if ca == Some(1.0) => b,
                _ => return None,
            }
        }
        _ => return None,
    };
    let same = rewriter.graph.shape(x) == rewriter.graph.shape(node.output)
        && rewriter.graph.value(x).dtype == rewriter.graph.value(node.output).dtype;
    same.then_some(x)
}

/// A sum of which only one sign, or code of another kind, is left when equal terms of opposite signs cancel.
fn straight_through(rewriter: &Rewriter<'_>, node: &Node) -> Option<ValueId> {
    // Estimators have three terms; a few more allow for nested ones without searching whole residual streams.
    const EXPANSIONS: usize = 6;
    let mut terms = operands(node)?;
    for _ in 0..EXPANSIONS {
        cancel(&mut terms);
        match terms[..] {
            [(a, true)]
                if rewriter.graph.shape(a) == rewriter.graph.shape(node.output)
                    && (is_code(rewriter, a)
                        || few_bits::has_few(rewriter, a)
                        || scaled::of(rewriter, a).is_some()) =>
            {
                return Some(a);
            }
            [] => return None,
            _ => {}
        }
        // The latest term first: whatever contains a common term is later than it, so both stand side by side before
        // either is taken apart.
        let (at, sum) = terms
            .iter()
            .enumerate()
            .filter_map(|(i, &(v, _))| Some((i, rewriter.position(v)?, operands(rewriter.producer(v)?)?)))
            .max_by_key(|&(_, position, _)| position)
            .map(|(i, _, sum)| (i, sum))?;
        let (_, plus) = terms.swap_remove(at);
        terms.extend(sum.into_iter().map(|(v, sign)| (v, sign == plus)));
    }
    None
}

/// The terms of a sum, each with whether it is added.
fn operands(node: &Node) -> Option<Vec<(ValueId, bool)>> {
    Some(match node.op {
        Op::Binary(Binary::Add) => vec![(node.inputs[0], true), (node.inputs[1], true)],
        Op::Binary(Binary::Sub) => vec![(node.inputs[0], true), (node.inputs[1], false)],
        Op::Unary(Unary::Neg) => vec![(node.inputs[0], false)],
        _ => return None,
    })
}

fn cancel(terms: &mut Vec<(ValueId, bool)>) {
    let mut i = 0;
    while i < terms.len() {
        let (v, plus) = terms[i];
        match (i + 1..terms.len()).find(|&j| terms[j] == (v, !plus)) {
            Some(j) => {
                terms.remove(j);
                terms.remove(i);
            }
            None => i += 1,
        }
    }
}

fn is_sign(rewriter: &Rewriter<'_>, v: ValueId) -> bool {
    matches!(rewriter.producer(v), Some(Node { op: Op::Sign(_), .. }))
}

/// A Sign of a Pad: the sign of its operand, padded with the sign of its value; a convolution takes that for its padding.
fn sign_of_pad(rewriter: &mut Rewriter<'_>, node: &Node, zero: Zero) -> Option<Node> {
    let pad = rewriter.producer(node.inputs[0])?.clone();
    let Op::Pad { before, after, value } = pad.op else { return None };
    let value = match (value == 0.0, zero) {
        (false, _) => 1_f32.copysign(value),
        (_, Zero::Plus) => 1.0,
        (_, Zero::Minus) => -1.0,
        (_, Zero::Zero) => 0.0,
    };
    let x = pad.inputs[0];
    let shape = rewriter.graph.shape(x).to_vec();
    let (op, inputs, parts) = (Op::Sign(zero), vec![x], node.parts.clone());
    let sign =
        rewriter.emit(NewNode { op, inputs, like: node.output, suffix: "inside", shape: &shape, origin: None, parts });
    let op = Op::Pad { before, after, value };
    Some(Node { op, inputs: vec![sign], parts: pad.parts, ..node.clone() })
}

/// A Sign: of another sign it only settles what zero becomes; in front of it, what keeps signs is dropped.
fn sign(rewriter: &mut Rewriter<'_>, mut node: Node, zero: Zero) {
    let mut x = node.inputs[0];
    while let Some(inner) = without_sign_keeping(rewriter, x, zero) {
        x = inner;
    }
    if let Some((s, offset)) = shifted_sign(rewriter, x) {
        let inner = rewriter.producer(s).expect("a Sign");
        let Op::Sign(inner_zero) = inner.op else { unreachable!("a Sign") };
        let inner_x = inner.inputs[0];
        if inner_zero != Zero::Zero {
            return rewriter.replace(node, s);
        }
        let zero = if offset > 0.0 {
            Zero::Plus
        } else if offset < 0.0 {
            Zero::Minus
        } else {
            zero
        };
        return rewriter.change(to_sign(node, zero, inner_x));
    }
    if x == node.inputs[0] {
        return rewriter.keep(node);
    }
    node.inputs[0] = x;
    rewriter.change(node);
}

/// `v` as `scale * Sign(..) + offset` whose offset does not change the sign of ±1: the sign, and offset / scale.
fn shifted_sign(rewriter: &Rewriter<'_>, v: ValueId) -> Option<(ValueId, f32)> {
    if is_sign(rewriter, v) {
        return Some((v, 0.0));
    }
    let node = rewriter.producer(v)?;
    let Op::Binary(f @ (Binary::Add | Binary::Sub)) = node.op else { return None };
    let (s, offset) = match (rewriter.uniform(node.inputs[0]), rewriter.uniform(node.inputs[1])) {
        (None, Some(c)) if f == Binary::Add => (node.inputs[0], c),
        (None, Some(c)) => (node.inputs[0], -c),
        (Some(c), None) if f == Binary::Add => (node.inputs[1], c),
        _ => return None,
    };
    let same_shape = rewriter.graph.shape(s) == rewriter.graph.shape(v);
    (same_shape && is_sign(rewriter, s) && offset.abs() < 1.0).then_some((s, offset))
}

/// The argument of a function that keeps the sign of every element, where zero counts as the rule says.
///
/// Constants are finite: `x / inf` is 0. A product with a subnormal number is left alone, for it is 0 as well, for most x.
pub(crate) fn without_sign_keeping(rewriter: &Rewriter<'_>, v: ValueId, zero: Zero) -> Option<ValueId> {
    let node = rewriter.producer(v)?;
    let first = node.inputs[0];
    let bounds = |id| rewriter.bounds(id);
    let positive = |x: f32| x.is_normal() && x > 0.0;
    // What is not positive may become 0 or stay, where only positive elements count; and so for what is not negative.
    let scales = |x: f32| positive(x) || x == 0.0 && zero == Zero::Minus;
    let is_low = |low: f32| low < 0.0 || low == 0.0 && zero == Zero::Minus;
    let is_high = |high: f32| high > 0.0 || high == 0.0 && zero == Zero::Plus;
    let all = |id, test: &dyn Fn(f32) -> bool| bounds(id).is_some_and(|(low, high)| test(low) && test(high));
    let x = match node.op {
        Op::Unary(Unary::Clip(low, high)) if is_low(low) && is_high(high) && low < high => first,
        Op::Unary(Unary::LeakyRelu(alpha) | Unary::Elu(alpha)) if !scales(alpha) => return None,
        Op::Unary(Unary::Relu | Unary::LeakyRelu(_) | Unary::Elu(_) | Unary::HardSwish) if zero == Zero::Minus => first,
        Op::Unary(function) if function.keeps_sign() => first,
        Op::PRelu if all(node.inputs[1], &scales) => first,
        Op::Binary(Binary::Div) if all(node.inputs[1], &positive) => first,
        Op::Binary(f @ (Binary::Mul | Binary::Min | Binary::Max)) => {
            let keeps = |c: ValueId| match f {
                Binary::Max => all(c, &is_low),
                Binary::Min => all(c, &is_high),
                _ => all(c, &positive),
            };
            let second = node.inputs[1];
            if keeps(second) {
                first
            } else if keeps(first) {
                second
            } else {
                return None;
            }
        }
        Op::Where => clamped(rewriter, node)?,
        _ => return None,
    };
    (rewriter.graph.shape(x) == rewriter.graph.shape(v)).then_some(x)
}

/// `Where(x > c, d, x)` and its kin, where the elements replaced already had the sign of `d`.
fn clamped(rewriter: &Rewriter<'_>, node: &Node) -> Option<ValueId> {
    let mask = mask::mask(rewriter, node.inputs[0])?;
    // The mask under which the constant is taken.
    let (mask, c, x) = match (rewriter.bounds(node.inputs[1]), rewriter.bounds(node.inputs[2])) {
        (Some(c), None) => (mask, c, node.inputs[2]),
        (None, Some(c)) => (mask.negated()?, c, node.inputs[1]),
        _ => return None,
    };
    let (low, high) = mask.threshold(rewriter)?;
    let keeps = mask.x == x
        && match mask.relation {
            Binary::Greater => low >= 0.0 && c.0 > 0.0,
            Binary::GreaterOrEqual => low > 0.0 && c.0 > 0.0,
            Binary::Less => high <= 0.0 && c.1 < 0.0,
            Binary::LessOrEqual => high < 0.0 && c.1 < 0.0,
            _ => false,
        };
    keeps.then_some(x)
}

/// A sign among a node's operands that is what the node is.
fn equal_sign(rewriter: &Rewriter<'_>, node: &Node, zero: Zero, x: ValueId) -> Option<ValueId> {
    node.inputs.iter().copied().find(|&v| {
        rewriter.producer(v).is_some_and(|inner| inner.op == Op::Sign(zero) && inner.inputs[0] == x)
            && rewriter.graph.shape(v) == rewriter.graph.shape(node.output)
    })
}

fn is_float(rewriter: &Rewriter<'_>, v: ValueId) -> bool {
    rewriter.graph.value(v).dtype == DType::F32
}

/// Steps between -1 and +1 are a Sign; others wait for their users.
fn a_sign(rewriter: &mut Rewriter<'_>, node: Node, steps: &Steps) {
    let (Some([first, second]), [edge]) = (steps.two(), &steps.edges[..]) else { return rewriter.keep(node) };
    let rises = match (first, second) {
        (-1.0, 1.0) => true,
        (1.0, -1.0) => false,
        _ => return rewriter.keep(node),
    };
    if let Base::Truth(condition) = steps.base {
        if matches!(node.op, Op::Where) && node.inputs[0] == condition {
            return rewriter.keep(node);
        }
        let [yes, no] = [second, first].map(|x| rewriter.constant("one", Tensor::f32([], vec![x as f32])));
        return rewriter.change(Node { op: Op::Where, inputs: vec![condition, yes, no], ..node });
    }
    let (zero, x) = sign_argument(rewriter, node.output, steps.base, edge, rises);
    rewriter.change(to_sign(node, zero, x));
}

/// The x and the rule for which `Sign(x)` is +1 behind the edge and -1 before it, or the other way round.
fn sign_argument(rewriter: &mut Rewriter<'_>, like: ValueId, base: Base, edge: &Edge, rises: bool) -> (Zero, ValueId) {
    let shape = rewriter.graph.shape(like).to_vec();
    let zero = if edge.closed == rises { Zero::Plus } else { Zero::Minus };
    let emit = |rewriter: &mut Rewriter<'_>, op, inputs, like, part| {
        let (shape, origin, parts, suffix) = (&shape[..], None, vec![part], "shifted");
        rewriter.emit(NewNode { op, inputs, like, suffix, shape, origin, parts })
    };
    let sub = Op::Binary(Binary::Sub);
    let x = match base {
        Base::Difference(x, c) => {
            let inputs = if rises { vec![x, c] } else { vec![c, x] };
            return (zero, emit(rewriter, sub, inputs, x, Part::Sub));
        }
        Base::Value(x) | Base::Truth(x) => x,
    };
    let root = edge.rising.interval(Zero::Plus).low;
    if !edge.rising.sign_at(root).is_eq() {
        // Between two floats, where no float says it.
        let map = if rises { edge.rising.clone() } else { edge.rising.scaled(-1.0) };
        let axis = channel_axis(&shape);
        let op = Op::Affine { axis, maps: repeat(&map, shape.get(axis).copied().unwrap_or(1)) };
        return (zero, emit(rewriter, op, vec![x], x, Part::Scale));
    }
    if rises && root == 0.0 {
        return (zero, x);
    }
    let c = rewriter.constant("step", Tensor::f32([], vec![root]));
    let inputs = if rises { vec![x, c] } else { vec![c, x] };
    (zero, emit(rewriter, sub, inputs, x, Part::Sub))
}

/// Axis 1 of an image, as everywhere in this layout; one map for all channels can stand on any axis.
fn channel_axis(shape: &[usize]) -> usize {
    if shape.len() == 4 { 1 } else { shape.len().saturating_sub(1) }
}

/// Levels other than ±1 that feed a convolution ({0, 1} codes), or what may move them to one: the levels as an affine map of a Sign.
fn coded_input(rewriter: &mut Rewriter<'_>, mut node: Node) {
    let mut changed = false;
    for i in 0..node.inputs.len() {
        if let Some(v) = coded(rewriter, node.inputs[i]) {
            node.inputs[i] = v;
            changed = true;
        }
    }
    if changed { rewriter.change(node) } else { rewriter.keep(node) }
}

/// Whether a node is a choice by a condition, or a product of signs: as good as a sign, and seen to where layers become binary.
fn is_choice(rewriter: &Rewriter<'_>, node: &Node) -> bool {
    match node.op {
        Op::Where => node.inputs[1..].iter().all(|&v| rewriter.uniform(v).is_some()),
        Op::Cast(_) => rewriter.graph.value(node.inputs[0]).dtype == DType::Bool,
        Op::Binary(Binary::Mul) => node.inputs.iter().all(|&v| match rewriter.producer(v) {
            Some(Node { op: Op::Sign(zero), .. }) => *zero != Zero::Zero,
            Some(inner) => inner.op == node.op && is_choice(rewriter, inner),
            None => false,
        }),
        _ => false,
    }
}

/// Whether a value takes two numbers, or is one.
fn is_code(rewriter: &Rewriter<'_>, mut v: ValueId) -> bool {
    while let Some(Node { op: Op::Reshape | Op::Transpose(_) | Op::Slice { .. }, inputs, .. }) = rewriter.producer(v) {
        v = inputs[0];
    }
    if rewriter.graph.constant(v).is_some() {
        return rewriter.uniform(v).is_some();
    }
    let Some(node) = rewriter.producer(v) else { return false };
    match node.op {
        Op::Sign(_) => true,
        Op::Affine { .. } | Op::Unary(Unary::Neg) => is_sign(rewriter, node.inputs[0]),
        _ => {
            is_choice(rewriter, node)
                || classes::of_node(rewriter, node).is_some_and(|c| c.levels().is_some())
                || steps::of_node(rewriter, node).is_some_and(|steps| steps.two().is_some())
        }
    }
}

/// The value as an affine map of a sign, or of a product of signs.
fn coded(rewriter: &mut Rewriter<'_>, v: ValueId) -> Option<ValueId> {
    let source = rewriter.producer(v).filter(|n| !matches!(n.op, Op::Sign(_) | Op::Affine { .. })).cloned()?;
    let shape = rewriter.graph.shape(v).to_vec();
    if shape.is_empty() || !is_float(rewriter, v) {
        return None;
    }
    let emit = |rewriter: &mut Rewriter<'_>, op, inputs, suffix, part: &str| {
        let (shape, origin, parts) = (&shape[..], None, vec![part.into()]);
        rewriter.emit(NewNode { op, inputs, like: v, suffix, shape, origin, parts })
    };
    let (s, [minus, plus]) = match classes::of_node(rewriter, &source).and_then(|c| Some((c.x, c.levels()?))) {
        Some((x, (zero, levels))) => (emit(rewriter, Op::Sign(zero), vec![x], "sign", "Sign"), levels),
        None => {
            let steps = steps::of_node(rewriter, &source)?;
            match (steps.two(), steps.base) {
                (Some(_), Base::Truth(_)) if is_choice(rewriter, &source) => return None,
                (Some(levels), Base::Truth(condition)) => {
                    let [yes, no] = [1.0, -1.0].map(|x| rewriter.constant("one", Tensor::f32([], vec![x])));
                    (emit(rewriter, Op::Where, vec![condition, yes, no], "sign", "Where"), levels)
                }
                (Some(_), _) if steps.edges.len() > 1 && is_choice(rewriter, &source) => return None,
                (Some([first, second]), base) => {
                    let mut product = None;
                    for edge in &steps.edges {
                        let (zero, x) = sign_argument(rewriter, v, base, edge, true);
                        let sign = emit(rewriter, Op::Sign(zero), vec![x], "sign", "Sign");
                        product = Some(match product {
                            None => sign,
                            Some(p) => emit(rewriter, Op::Binary(Binary::Mul), vec![p, sign], "sign", "Mul"),
                        });
                    }
                    // Beyond all edges the product is +1.
                    let odd = steps.edges.len() % 2 == 1;
                    (product?, if odd { [first, second] } else { [second, first] })
                }
                (None, base) => {
                    let (_, levels) = steps.three()?;
                    let (_, x) = sign_argument(rewriter, v, base, &steps.edges[0], true);
                    (emit(rewriter, Op::Sign(Zero::Zero), vec![x], "sign", "Sign"), levels)
                }
            }
        }
    };
    // Where the sign alone says which number it is.
    if matches!(rewriter.producer(s), Some(Node { op: Op::Sign(Zero::Plus | Zero::Minus), .. })) {
        let origin = rewriter.graph.value(v).origin.clone();
        rewriter.graph.values[s.0 as usize].origin = origin.and_then(|origin| origin.of_bit([minus, plus]));
    }
    if ![minus, plus].iter().all(|level| level.is_finite()) {
        return None;
    }
    if (minus, plus) == (-1.0, 1.0) {
        return Some(s);
    }
    let axis = channel_axis(&shape);
    let maps = repeat(&Affine::levels(minus, plus), shape[axis]);
    Some(emit(rewriter, Op::Affine { axis, maps }, vec![s], "coded", "Where"))
}

#[cfg(test)]
mod tests;
