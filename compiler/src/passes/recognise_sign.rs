//! One [`Op::Sign`] for each binarisation, whatever its spelling.
//!
//! - Straight-through estimators: `(a - b) + b -> a` for a sign `a`, whatever polynomial or clip `b` is.
//! - Signs of signs: `Sign(Sign(x) + c)` and `Where(Sign(x) == 0, 1, Sign(x))` only say what zero becomes.
//! - Comparisons: `Where(x > 0, 1, -1)`, `2 * Cast(x >= 0) - 1` and their kin are two levels chosen by a mask.
//! - Monotone functions in front of a sign that keep zero where it is (clips, tanh, a positive scale) say nothing.

mod levels;

use crate::ir::{Binary, DType, Graph, Node, Op, Part, Unary, ValueId, Zero};
use crate::passes::rewrite::{NewNode, Rewriter, walk_to_fixpoint};
use levels::{Levels, Mask};

/// The pass.
pub fn run(graph: &mut Graph) {
    walk_to_fixpoint(graph, rule);
}

fn rule(rewriter: &mut Rewriter<'_>, node: Node) {
    if let Some(value) = neutral(rewriter, &node).or_else(|| straight_through(rewriter, &node)) {
        return rewriter.replace(node, value);
    }
    if let Op::Sign(zero) = node.op {
        return sign(rewriter, node, zero);
    }
    if let Some((zero, x)) = zero_rule(rewriter, &node) {
        return rewriter.change(to_sign(node, zero, x));
    }
    if let Some(levels) = levels::of_node(rewriter, &node) {
        return two_levels(rewriter, node, levels);
    }
    if matches!(node.op, Op::Conv { .. } | Op::MatMul) {
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

/// A Sign: of another sign it only settles what zero becomes; in front of it, what keeps signs is dropped.
fn sign(rewriter: &mut Rewriter<'_>, mut node: Node, zero: Zero) {
    let mut x = node.inputs[0];
    while let Some(inner) = without_sign_keeping(rewriter, x) {
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

/// The argument of a function that keeps the sign of every element, zero included.
fn without_sign_keeping(rewriter: &Rewriter<'_>, v: ValueId) -> Option<ValueId> {
    let node = rewriter.producer(v)?;
    let first = node.inputs[0];
    let bounds = |id| rewriter.bounds(id);
    let positive = |id| bounds(id).is_some_and(|(low, _)| low > 0.0);
    let negative = |id| bounds(id).is_some_and(|(_, high)| high < 0.0);
    let x = match node.op {
        Op::Unary(function) if function.keeps_sign() => first,
        Op::PRelu if positive(node.inputs[1]) => first,
        Op::Binary(Binary::Div) if positive(node.inputs[1]) => first,
        Op::Binary(f @ (Binary::Mul | Binary::Min | Binary::Max)) => {
            let keeps = |c: ValueId| if f == Binary::Max { negative(c) } else { positive(c) };
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

/// `Where(s == 0, ±1, s)` for a sign `s` (or its own argument compared with zero).
fn zero_rule(rewriter: &Rewriter<'_>, node: &Node) -> Option<(Zero, ValueId)> {
    if node.op != Op::Where {
        return None;
    }
    let mask = levels::mask(rewriter, node.inputs[0])?;
    let (value, s) = match mask.relation {
        Binary::Equal if !mask.not => (node.inputs[1], node.inputs[2]),
        Binary::Equal => (node.inputs[2], node.inputs[1]),
        _ => return None,
    };
    let zero = match rewriter.uniform(value)? {
        1.0 => Zero::Plus,
        -1.0 => Zero::Minus,
        _ => return None,
    };
    let Some(Node { op: Op::Sign(inner), inputs, .. }) = rewriter.producer(s) else { return None };
    let compared = mask.x == s && *inner == Zero::Zero || mask.x == inputs[0];
    let matches = compared
        && mask.threshold(rewriter)? == (0.0, 0.0)
        && rewriter.graph.shape(s) == rewriter.graph.shape(node.output);
    matches.then_some((zero, inputs[0]))
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
        let inputs = if rising { vec![mask.x, mask.c] } else { vec![mask.c, mask.x] };
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

/// Levels other than ±1 that feed a convolution ({0, 1} codes): the levels as an affine map of a Sign.
fn coded_input(rewriter: &mut Rewriter<'_>, mut node: Node) {
    let mut changed = false;
    for i in 0..node.inputs.len().min(2) {
        let v = node.inputs[i];
        let Some(levels) = rewriter.producer(v).cloned().and_then(|n| levels::of_node(rewriter, &n)) else { continue };
        if rewriter.graph.value(v).dtype != DType::F32 {
            continue;
        }
        let source = rewriter.producer(v).cloned().expect("has levels");
        let Some((zero, x)) = sign_argument(rewriter, &source, levels.mask) else { continue };
        let shape = rewriter.graph.shape(v).to_vec();
        let mut emit = |op, inputs, suffix, part: &str| {
            let (shape, origin, parts) = (&shape[..], None, vec![part.into()]);
            rewriter.emit(NewNode { op, inputs, like: v, suffix, shape, origin, parts })
        };
        let s = emit(Op::Sign(zero), vec![x], "sign", "Sign");
        let half = (levels.yes - levels.no) / 2.0;
        let middle = (levels.yes + levels.no) / 2.0;
        let scale = rewriter.constant("half", crate::ir::Tensor::f32([], vec![half]));
        let shift = rewriter.constant("middle", crate::ir::Tensor::f32([], vec![middle]));
        let mut emit = |op, inputs, suffix, part: &str| {
            let (shape, origin, parts) = (&shape[..], None, vec![part.into()]);
            rewriter.emit(NewNode { op, inputs, like: v, suffix, shape, origin, parts })
        };
        let scaled = emit(Op::Binary(Binary::Mul), vec![s, scale], "scaled", "Mul");
        node.inputs[i] = emit(Op::Binary(Binary::Add), vec![scaled, shift], "coded", "Add");
        changed = true;
    }
    if changed { rewriter.change(node) } else { rewriter.keep(node) }
}

#[cfg(test)]
mod tests;
