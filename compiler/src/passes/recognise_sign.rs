//! One [`Op::Sign`] for each binarisation, whatever its spelling.
//!
//! - Straight-through estimators: `(a - b) + b -> a` for a sign `a`, whatever polynomial or clip `b` is.
//! - Signs of signs: `Sign(Sign(x) + c)`, `Where(Sign(x) == 0, 1, Sign(x))` and whatever else depends on the class of x
//!   alone (negative, zero, positive) only says what zero becomes (see [`classes`]).
//! - Comparisons: `Where(x > 0, 1, -1)`, `2 * Cast(x >= 0) - 1` and their kin are two levels chosen by a mask.
//! - Monotone functions in front of a sign that keep zero where it is (clips, tanh, a positive scale) say nothing.

mod classes;
mod levels;

use crate::exact::Affine;
use crate::ir::{Binary, DType, Graph, Node, Op, Part, Tensor, Unary, ValueId, Zero};
use crate::passes::rewrite::{NewNode, Rewriter, repeat, walk_to_fixpoint};
use levels::{Levels, Mask, Threshold};

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
        if let Some(pad) = sign_of_pad(rewriter, &node, zero) {
            return rewriter.change(pad);
        }
        return sign(rewriter, node, zero);
    }
    if let Some(levels) = levels::of_node(rewriter, &node) {
        return two_levels(rewriter, node, levels);
    }
    let codes = match &node.op {
        Op::Conv { .. } | Op::MatMul | Op::MaxPool { .. } | Op::Reshape | Op::Transpose(_) => true,
        Op::Concat { .. } | Op::Pad { .. } | Op::Slice { .. } => true,
        // Arithmetic whose results no f64 holds, which a map does.
        Op::Binary(Binary::Add | Binary::Sub | Binary::Mul | Binary::Div) => {
            classes.is_none() && node.inputs.iter().any(|&v| rewriter.floats(v).is_some())
        }
        _ => false,
    };
    if codes {
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

/// A sum of which only one sign is left when equal terms of opposite signs cancel.
fn straight_through(rewriter: &Rewriter<'_>, node: &Node) -> Option<ValueId> {
    // Estimators have three terms; a few more allow for nested ones without searching whole residual streams.
    const EXPANSIONS: usize = 6;
    let mut terms = operands(node)?;
    for _ in 0..EXPANSIONS {
        cancel(&mut terms);
        match terms[..] {
            [(a, true)] if is_sign(rewriter, a) && rewriter.graph.shape(a) == rewriter.graph.shape(node.output) => {
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
    let mask = levels::mask(rewriter, node.inputs[0])?;
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

/// Two levels of opposite sign are a Sign, as soon as they are -1 and +1; until then the node waits for its users.
fn two_levels(rewriter: &mut Rewriter<'_>, node: Node, levels: Levels) {
    let one = match (levels.yes, levels.no) {
        _ if rewriter.graph.value(node.output).dtype != DType::F32 => return rewriter.keep(node),
        (1.0, -1.0) => levels.mask,
        (-1.0, 1.0) => match levels.mask.negated() {
            Some(mask) => mask,
            None => return rewriter.keep(node),
        },
        _ => return rewriter.keep(node),
    };
    match sign_argument(rewriter, &node, one) {
        Some((zero, x)) => rewriter.change(to_sign(node, zero, x)),
        None => rewriter.keep(node),
    }
}

/// The x and the rule for which `Sign(x)` is +1 under the mask and -1 elsewhere.
fn sign_argument(rewriter: &mut Rewriter<'_>, node: &Node, mask: Mask) -> Option<(Zero, ValueId)> {
    let shape = rewriter.graph.shape(node.output).to_vec();
    if rewriter.graph.shape(mask.x) != shape || rewriter.graph.value(mask.x).dtype != DType::F32 {
        return None;
    }
    let (zero, rising) = match mask.relation {
        Binary::Greater => (Zero::Minus, true),
        Binary::GreaterOrEqual => (Zero::Plus, true),
        Binary::Less => (Zero::Minus, false),
        Binary::LessOrEqual => (Zero::Plus, false),
        _ => return None,
    };
    let x = if rising && mask.threshold(rewriter)? == (0.0, 0.0) {
        mask.x
    } else {
        let c = match mask.c {
            Threshold::Value(c) => c,
            Threshold::Number(c) => rewriter.constant("step", Tensor::f32([], vec![c])),
        };
        let inputs = if rising { vec![mask.x, c] } else { vec![c, mask.x] };
        rewriter.emit(NewNode {
            op: Op::Binary(Binary::Sub),
            inputs,
            like: mask.x,
            suffix: "shifted",
            shape: &shape,
            origin: None,
            parts: vec![Part::Sub],
        })
    };
    Some((zero, x))
}

/// Levels other than ±1 that feed a convolution ({0, 1} codes), or what may move them to one: the levels as an affine map of a Sign.
fn coded_input(rewriter: &mut Rewriter<'_>, mut node: Node) {
    let mut changed = false;
    for i in 0..node.inputs.len() {
        let v = node.inputs[i];
        let Some(source) = rewriter.producer(v).filter(|n| !matches!(n.op, Op::Sign(_))).cloned() else { continue };
        let shape = rewriter.graph.shape(v).to_vec();
        let (Some(axis), DType::F32) = (shape.len().checked_sub(1), rewriter.graph.value(v).dtype) else { continue };
        let coded = match classes::of_node(rewriter, &source).and_then(|c| Some((c.x, c.levels()?))) {
            Some((x, (zero, levels))) => Some((zero, x, levels)),
            None => levels::of_node(rewriter, &source).and_then(|levels| {
                let (zero, x) = sign_argument(rewriter, &source, levels.mask)?;
                Some((zero, x, [levels.no, levels.yes]))
            }),
        };
        let Some((zero, x, [minus, plus])) = coded.filter(|(.., l)| l.iter().all(|l| l.is_finite())) else { continue };
        // Axis 1 of an image, as everywhere in this layout; one map for all channels can stand on any axis.
        let axis = if shape.len() == 4 { 1 } else { axis };
        let maps = repeat(&Affine::levels(minus, plus), shape[axis]);
        let mut emit = |op, inputs, suffix, part: &str| {
            let (shape, origin, parts) = (&shape[..], None, vec![part.into()]);
            rewriter.emit(NewNode { op, inputs, like: v, suffix, shape, origin, parts })
        };
        let s = emit(Op::Sign(zero), vec![x], "sign", "Sign");
        node.inputs[i] = emit(Op::Affine { axis, maps }, vec![s], "coded", "Where");
        changed = true;
    }
    if changed { rewriter.change(node) } else { rewriter.keep(node) }
}

#[cfg(test)]
mod tests;
