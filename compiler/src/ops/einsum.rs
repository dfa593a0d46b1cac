//! Sums of products by Einstein's convention, as transpositions, matrix products and sums.

use super::Onnx;
use super::node::{NodeContext, bad, problem};
use crate::diagnostics::{Code, Outcome};
use crate::ir::{Binary, Op, Reduction, ValueId};

pub(super) static ONNX: &[Onnx] = &[Onnx::one("Einsum", 12, einsum).any_number()];

/// An axis: a letter, or one of those that an ellipsis stands for, counted from the last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Label {
    Unnamed(std::cmp::Reverse<usize>),
    Letter(char),
}

/// A value whose axes have names.
#[derive(Clone)]
struct Named {
    value: ValueId,
    labels: Vec<Label>,
}

fn einsum(cx: &mut NodeContext<'_>) -> Outcome<ValueId> {
    let equation: String = cx.text("equation")?.ok_or_else(|| bad("its equation is missing"))?;
    let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (given, result) = match equation.split_once("->") {
        Some((given, result)) => (given, Some(result)),
        None => (&equation[..], None),
    };
    let terms: Vec<&str> = given.split(',').collect();
    if terms.len() != cx.operand_count() {
        return Err(bad(format!(
            "the equation {equation:?} is of {} operands, not {}",
            terms.len(),
            cx.operand_count()
        )));
    }
    let mut operands = Vec::new();
    for (i, term) in terms.iter().enumerate() {
        let value = cx.operand(i)?;
        let labels = labels(term, cx.shape(value).len()).ok_or_else(|| {
            bad(format!("{term:?} in {equation:?} does not name the axes of a value of shape {:?}", cx.shape(value)))
        })?;
        operands.push(diagonal(cx, Named { value, labels })?);
    }
    let unnamed = operands.iter().flat_map(|o| &o.labels).filter(|l| matches!(l, Label::Unnamed(_))).count();
    let unnamed = if operands.len() == 1 { unnamed } else { operands.iter().map(ellipsis).max().unwrap_or(0) };
    let wanted = match result {
        Some(result) => {
            let letters = result.replace("...", "").chars().count();
            let rank = letters + if result.contains("...") { unnamed } else { 0 };
            labels(result, rank).ok_or_else(|| bad(format!("the result of {equation:?} is not readable")))?
        }
        None => implicit(&terms, unnamed),
    };
    let known = |label: &Label| operands.iter().any(|o| o.labels.contains(label));
    if !wanted.iter().all(known) || (1..wanted.len()).any(|i| wanted[..i].contains(&wanted[i])) {
        return Err(bad(format!("the result of {equation:?} names an axis twice, or one that no operand has")));
    }
    let mut rest = operands.into_iter();
    let mut sum = rest.next().ok_or_else(|| bad("it has no operand"))?;
    let mut others: Vec<Named> = rest.collect();
    loop {
        let needed = |label: &Label| wanted.contains(label) || others.iter().any(|o| o.labels.contains(label));
        sum = summed(cx, sum, needed)?;
        if others.is_empty() {
            break;
        }
        let next = others.remove(0);
        let needed = |label: &Label| {
            wanted.contains(label) || sum.labels.contains(label) || others.iter().any(|o| o.labels.contains(label))
        };
        let next = summed(cx, next, needed)?;
        let kept = |label: &Label| wanted.contains(label) || others.iter().any(|o| o.labels.contains(label));
        sum = product(cx, &sum, &next, kept)?;
    }
    arranged(cx, &sum, &wanted)
}

/// The names of the axes; `None` where they do not fit the rank.
fn labels(term: &str, rank: usize) -> Option<Vec<Label>> {
    let (front, back) = term.split_once("...").map_or((term, None), |(front, back)| (front, Some(back)));
    let letters = |text: &str| -> Option<Vec<Label>> {
        text.chars().map(|c| c.is_alphabetic().then_some(Label::Letter(c))).collect()
    };
    let mut labels = letters(front)?;
    match back {
        None => (labels.len() == rank).then_some(labels),
        Some(back) => {
            let back = letters(back)?;
            let count = rank.checked_sub(labels.len() + back.len())?;
            labels.extend((0..count).rev().map(|i| Label::Unnamed(std::cmp::Reverse(i))));
            labels.extend(back);
            Some(labels)
        }
    }
}

fn ellipsis(named: &Named) -> usize {
    named.labels.iter().filter(|label| matches!(label, Label::Unnamed(_))).count()
}

/// The axes of the ellipsis, and the letters that stand once, sorted.
fn implicit(terms: &[&str], unnamed: usize) -> Vec<Label> {
    let all: Vec<char> = terms.iter().flat_map(|term| term.chars()).filter(|c| c.is_alphabetic()).collect();
    let mut once: Vec<char> = all.iter().copied().filter(|c| all.iter().filter(|d| *d == c).count() == 1).collect();
    once.sort_unstable();
    let unnamed = (0..unnamed).rev().map(|i| Label::Unnamed(std::cmp::Reverse(i)));
    unnamed.chain(once.into_iter().map(Label::Letter)).collect()
}

/// Of axes of one name, the diagonal.
fn diagonal(cx: &mut NodeContext<'_>, mut named: Named) -> Outcome<Named> {
    while let Some((i, j)) = twice(&named.labels) {
        let shape = cx.shape(named.value);
        if shape[i] != shape[j] {
            return Err(problem(Code::ShapeMismatch, format!("axes {i} and {j} of {shape:?} have one name")));
        }
        let perm: Vec<usize> = (0..shape.len()).filter(|&a| a != i && a != j).chain([i, j]).collect();
        let label = named.labels[i];
        let value = cx.transpose(named.value, perm.clone())?;
        let n = shape[i];
        let outer: Vec<usize> = perm[..perm.len() - 2].iter().map(|&a| shape[a]).collect();
        let value = cx.reshape(value, &[&outer[..], &[n * n]].concat())?;
        let (starts, mut steps) = (vec![0; outer.len() + 1], vec![1; outer.len() + 1]);
        steps[outer.len()] = n as isize + 1;
        let value = cx.apply_to(Op::Slice { starts, steps }, &[value], Some(&[&outer[..], &[n]].concat()))?;
        let labels = perm[..perm.len() - 2].iter().map(|&a| named.labels[a]).chain([label]).collect();
        named = Named { value, labels };
    }
    Ok(named)
}

fn twice(labels: &[Label]) -> Option<(usize, usize)> {
    (0..labels.len()).find_map(|j| labels[..j].iter().position(|label| *label == labels[j]).map(|i| (i, j)))
}

/// Without the axes that nothing needs.
fn summed(cx: &mut NodeContext<'_>, named: Named, needed: impl Fn(&Label) -> bool) -> Outcome<Named> {
    let axes: Vec<usize> = (0..named.labels.len()).filter(|&a| !needed(&named.labels[a])).collect();
    if axes.is_empty() {
        return Ok(named);
    }
    let labels = named.labels.iter().copied().filter(needed).collect();
    let value = cx.apply(Op::Reduce { kind: Reduction::Sum, axes, keepdims: false }, &[named.value])?;
    Ok(Named { value, labels })
}

/// The product of two values, summed over the axes of both that are not `kept`.
fn product(cx: &mut NodeContext<'_>, a: &Named, b: &Named, kept: impl Fn(&Label) -> bool) -> Outcome<Named> {
    let of = |named: &Named, label: &Label| named.labels.iter().position(|l| l == label);
    let extent =
        |cx: &NodeContext<'_>, named: &Named, label: &Label| of(named, label).map(|axis| cx.shape(named.value)[axis]);
    let shared: Vec<Label> = a.labels.iter().copied().filter(|label| b.labels.contains(label)).collect();
    for label in &shared {
        let both = [extent(cx, a, label), extent(cx, b, label)];
        if both[0] != both[1] && !both.contains(&Some(1)) {
            return Err(problem(
                Code::ShapeMismatch,
                format!("axes of one name have extents {:?} and {:?}", both[0], both[1]),
            ));
        }
    }
    let same = |cx: &NodeContext<'_>, label: &Label| extent(cx, a, label) == extent(cx, b, label);
    let contracted: Vec<Label> = shared.iter().copied().filter(|label| !kept(label)).collect();
    let batch: Vec<Label> = shared.iter().copied().filter(|label| kept(label)).collect();
    let [left, right] =
        [a, b].map(|named| named.labels.iter().copied().filter(|l| !shared.contains(l)).collect::<Vec<Label>>());
    if contracted.is_empty() || !shared.iter().all(|label| same(cx, label)) {
        // Element by element, and then the sum.
        let labels = [&batch[..], &contracted, &left, &right].concat();
        let spread = |cx: &mut NodeContext<'_>, named: &Named| {
            let own: Vec<Label> = labels.iter().copied().filter(|l| named.labels.contains(l)).collect();
            let value = arranged(cx, named, &own)?;
            let shape = cx.shape(value);
            let mut extents = shape.iter();
            let wider: Vec<usize> =
                labels.iter().map(|l| if own.contains(l) { extents.next().copied().unwrap_or(1) } else { 1 }).collect();
            cx.reshape(value, &wider)
        };
        let (x, y) = (spread(cx, a)?, spread(cx, b)?);
        let value = cx.binary(Binary::Mul, x, y)?;
        return summed(cx, Named { value, labels }, |label| !contracted.contains(label));
    }
    let size = |cx: &NodeContext<'_>, named: &Named, labels: &[Label]| -> usize {
        labels.iter().filter_map(|label| extent(cx, named, label)).product()
    };
    let (batches, inner) = (size(cx, a, &batch), size(cx, a, &contracted));
    let (rows, columns) = (size(cx, a, &left), size(cx, b, &right));
    let extents: Vec<usize> = (batch.iter().chain(&left).filter_map(|l| extent(cx, a, l)))
        .chain(right.iter().filter_map(|l| extent(cx, b, l)))
        .collect();
    let x = arranged(cx, a, &[&batch[..], &left, &contracted].concat())?;
    let y = arranged(cx, b, &[&batch[..], &contracted, &right].concat())?;
    let outer: &[usize] = if batch.is_empty() { &[] } else { &[batches] };
    let x = cx.reshape(x, &[outer, &[rows, inner]].concat())?;
    let y = cx.reshape(y, &[outer, &[inner, columns]].concat())?;
    let value = cx.apply(Op::MatMul, &[x, y])?;
    let value = cx.reshape(value, &extents)?;
    Ok(Named { value, labels: [&batch[..], &left, &right].concat() })
}

/// With its axes in that order.
fn arranged(cx: &mut NodeContext<'_>, named: &Named, order: &[Label]) -> Outcome<ValueId> {
    let perm: Option<Vec<usize>> = order.iter().map(|label| named.labels.iter().position(|l| l == label)).collect();
    let perm = perm.filter(|perm| perm.len() == named.labels.len()).ok_or_else(|| bad("its result lacks an axis"))?;
    cx.transpose(named.value, perm)
}
