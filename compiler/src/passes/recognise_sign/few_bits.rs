//! Activations of a few evenly spaced numbers, in front of layers of a few bits: `round(clip(x) * 3) / 3` is one number and a
//! sign for each step, in equal parts, so that a layer of it is a sum of layers of bits.

use super::steps::{self, Base, Steps};
use super::{channel_axis, sign_argument};
use crate::exact::Affine;
use crate::ir::{Binary, Node, Op, Part, Tensor, ValueId};
use crate::passes::binarize_weights::{MOST_STEPS, planes_of, planes_of_steps};
use crate::passes::merge_affine::uniform;
use crate::passes::rewrite::{NewNode, Rewriter, repeat};

/// More products of planes than that, and integers would be as fast.
pub(crate) const MOST: usize = 8;

/// The layer with its input as a sum of signs, if that and its weights are of few bits.
pub(super) fn layer(rewriter: &mut Rewriter<'_>, node: &Node) -> Option<Node> {
    if !matches!(node.op, Op::Conv { .. } | Op::MatMul) {
        return None;
    }
    let weights = planes_of(rewriter, node)?;
    let x = sum_of_signs(rewriter, node.inputs[0], MOST / weights)?;
    let mut inputs = node.inputs.clone();
    inputs[0] = x;
    Some(Node { inputs, ..node.clone() })
}

/// Whether a value is a sum of signs, or an affine map of one.
fn is_sum(rewriter: &Rewriter<'_>, mut v: ValueId) -> bool {
    while let Some(node) = rewriter.producer(v) {
        v = match node.op {
            Op::Sign(_) => return true,
            Op::Affine { .. } => node.inputs[0],
            Op::MaxPool { .. } | Op::Reshape | Op::Transpose(_) => node.inputs[0],
            // The signs stand on the right.
            Op::Binary(Binary::Add) if arithmetic(rewriter, node).is_none() => node.inputs[1],
            _ => match arithmetic(rewriter, node) {
                Some((x, _)) => x,
                None => return false,
            },
        };
    }
    false
}

/// Signs whose sum, through some maps, is a value.
struct Parts {
    signs: Vec<ValueId>,
    /// The numbers of the value below and above each of their steps.
    steps: Vec<[f64; 2]>,
    /// Of the sum.
    levels: Affine,
    /// Arithmetic with numbers behind that: which operand the number is, and the number.
    behind: Vec<(Binary, usize, f32)>,
    /// Whether the value rises with the sum.
    rising: bool,
}

/// Whether a value takes a few numbers, more than two of them perhaps, that are all known.
pub(super) fn has_few(rewriter: &Rewriter<'_>, mut v: ValueId) -> bool {
    for _ in 0..8 {
        let Some(node) = rewriter.producer(v) else { return false };
        if steps::of_node(rewriter, node).is_some() {
            return true;
        }
        match arithmetic(rewriter, node) {
            Some((x, _)) => v = x,
            None => return false,
        }
    }
    false
}

/// The operand of arithmetic with a number.
fn arithmetic(rewriter: &Rewriter<'_>, node: &Node) -> Option<(ValueId, (Binary, usize, f32))> {
    let Op::Binary(f @ (Binary::Add | Binary::Sub | Binary::Mul | Binary::Div)) = node.op else { return None };
    let side = (0..2).find(|&side| rewriter.uniform(node.inputs[side]).is_some())?;
    let number = rewriter.uniform(node.inputs[side]).filter(|x| x.is_finite())?;
    let x = node.inputs[1 - side];
    let same_shape = rewriter.graph.shape(x) == rewriter.graph.shape(node.output);
    (same_shape && !(f == Binary::Div && side == 0)).then_some((x, (f, side, number)))
}

/// How many planes of bits a value would be, if it takes a few evenly spaced numbers: one for each step where they are too many.
pub(crate) fn planes_of_input(rewriter: &Rewriter<'_>, mut v: ValueId) -> Option<usize> {
    while let Some(node) = rewriter.producer(v) {
        if let Some(steps) = steps::of_node(rewriter, node) {
            let count = steps.edges.len();
            let planes = if count > MOST_STEPS { count } else { planes_of_steps(count) };
            return (!matches!(steps.base, Base::Truth(_)) && step(&steps).is_some()).then_some(planes);
        }
        v = match (arithmetic(rewriter, node), &node.op) {
            (Some((x, _)), _) => x,
            (None, Op::MaxPool { .. } | Op::Reshape | Op::Transpose(_)) => node.inputs[0],
            (None, Op::Affine { maps, .. }) if uniform(maps).is_some() => node.inputs[0],
            _ => return None,
        };
    }
    None
}

/// From one of its numbers to the next, if that is always the same.
fn step(steps: &Steps) -> Option<f64> {
    let step = steps.values.get(1)? - steps.values[0];
    steps.values.windows(2).all(|pair| pair[1] - pair[0] == step && step.is_finite()).then_some(step)
}

/// The signs of a value, one for each step, if it takes a few evenly spaced numbers that are at most so many planes.
fn parts(rewriter: &mut Rewriter<'_>, v: ValueId, most: usize) -> Option<Parts> {
    let node = rewriter.producer(v)?.clone();
    if let Some(steps) = steps::of_node(rewriter, &node) {
        return of_steps(rewriter, v, &steps, most);
    }
    // Numbers that no f64 holds, such as thirds: what makes them stays behind the signs.
    if let Some((x, (f, side, number))) = arithmetic(rewriter, &node) {
        let mut parts = parts(rewriter, x, most)?;
        // To say which of two it is, rounded numbers will do.
        let number_of = |x: f64| {
            let c = f64::from(number);
            let (a, b) = if side == 0 { (c, x) } else { (x, c) };
            match f {
                Binary::Add => a + b,
                Binary::Sub => a - b,
                Binary::Mul => a * b,
                _ => a / b,
            }
        };
        parts.steps.iter_mut().for_each(|step| *step = step.map(number_of));
        parts.behind.push((f, side, number));
        parts.rising = match f {
            Binary::Mul | Binary::Div if number > 0.0 => parts.rising,
            Binary::Mul | Binary::Div if number < 0.0 => !parts.rising,
            Binary::Sub if side == 0 => !parts.rising,
            Binary::Add | Binary::Sub => parts.rising,
            _ => return None,
        };
        return Some(parts);
    }
    // Of rising numbers, the greatest one has the most signs of +1.
    let moves = matches!(node.op, Op::MaxPool { .. } | Op::Reshape | Op::Transpose(_));
    let mut parts = if moves { parts(rewriter, node.inputs[0], most)? } else { return None };
    if !parts.rising && matches!(node.op, Op::MaxPool { .. }) {
        return None;
    }
    let shape = rewriter.graph.shape(v).to_vec();
    for (sign, step) in std::iter::zip(&mut parts.signs, &parts.steps) {
        let (op, inputs, parts) = (node.op.clone(), vec![*sign], node.parts.clone());
        let origin = rewriter.graph.value(v).origin.clone().and_then(|origin| origin.of_bit(*step));
        *sign = rewriter.emit(NewNode { op, inputs, like: v, suffix: "sign", shape: &shape, origin, parts });
    }
    Some(parts)
}

fn of_steps(rewriter: &mut Rewriter<'_>, v: ValueId, steps: &Steps, most: usize) -> Option<Parts> {
    let (first, step) = (*steps.values.first()?, step(steps)?);
    let count = steps.edges.len();
    if count > MOST_STEPS || planes_of_steps(count) > most || matches!(steps.base, Base::Truth(_)) {
        return None;
    }
    let shape = rewriter.graph.shape(v).to_vec();
    let mut signs = Vec::new();
    let numbers: Vec<[f64; 2]> = steps.values.windows(2).map(|pair| [pair[0], pair[1]]).collect();
    for (edge, step) in std::iter::zip(&steps.edges, &numbers) {
        let (zero, x) = sign_argument(rewriter, v, steps.base, edge, true);
        let (op, inputs, parts) = (Op::Sign(zero), vec![x], vec!["Sign".into()]);
        let origin = rewriter.graph.value(v).origin.clone().and_then(|origin| origin.of_bit(*step));
        signs.push(rewriter.emit(NewNode { op, inputs, like: v, suffix: "sign", shape: &shape, origin, parts }));
    }
    let half = step / 2.0;
    let levels = Affine::identity().scaled(half).shifted(first).shifted(half * signs.len() as f64);
    Some(Parts { signs, steps: numbers, levels, behind: Vec::new(), rising: step > 0.0 })
}

/// The value as an affine map of a sum of signs, if they are at most so many planes.
fn sum_of_signs(rewriter: &mut Rewriter<'_>, v: ValueId, most: usize) -> Option<ValueId> {
    let shape = rewriter.graph.shape(v).to_vec();
    if shape.is_empty() || is_sum(rewriter, v) || !is_worth_it(rewriter, v) {
        return None;
    }
    let Parts { signs, levels, behind, .. } = parts(rewriter, v, most)?;
    let emit = |rewriter: &mut Rewriter<'_>, op: Op, inputs: Vec<ValueId>, suffix: &str, part: Part| {
        let (shape, origin, parts) = (&shape[..], None, vec![part]);
        rewriter.emit(NewNode { op, inputs, like: v, suffix, shape, origin, parts })
    };
    let (mut sum, rest) = signs.split_first().map(|(first, rest)| (*first, rest))?;
    for &sign in rest {
        sum = emit(rewriter, Op::Binary(Binary::Add), vec![sum, sign], "signs", Part::Planes);
    }
    let axis = channel_axis(&shape);
    let op = Op::Affine { axis, maps: repeat(&levels, shape[axis]) };
    sum = emit(rewriter, op, vec![sum], "levels", Part::Scale);
    for (f, side, number) in behind {
        let number = rewriter.constant("number", Tensor::f32([], vec![number]));
        let inputs = if side == 0 { vec![number, sum] } else { vec![sum, number] };
        sum = emit(rewriter, Op::Binary(f), inputs, "sum", Part::Scale);
    }
    Some(sum)
}

/// Whether more than two numbers stand behind what only moves or maps them: two are seen to elsewhere.
fn is_worth_it(rewriter: &Rewriter<'_>, mut v: ValueId) -> bool {
    while let Some(node) = rewriter.producer(v) {
        if let Some(steps) = steps::of_node(rewriter, node) {
            return steps.values.len() > 2 && steps.three().is_none();
        }
        v = match (arithmetic(rewriter, node), &node.op) {
            (Some((x, _)), _) => x,
            (None, Op::MaxPool { .. } | Op::Reshape | Op::Transpose(_)) => node.inputs[0],
            _ => return false,
        };
    }
    false
}
