//! Products of two matrices that are both computed at run time, of two values each: queries and keys of bits, and attention of
//! {0, 1} with values of ±1.

use super::codes::{Code, Codes};
use crate::exact::Affine;
use crate::ir::{Binary, Node, Op, Part, ValueId};
use crate::passes::recognise_sign::MOST_PLANES;
use crate::passes::rewrite::{NewNode, Rewriter, compose, is_identity, repeat};

/// Rows beyond that would not stay at hand while they are counted.
const DEEPEST: usize = 16384;

/// A factor: what its elements are, `scale` times ±1, or times {0, 1}.
struct Factor<'a> {
    code: &'a Code,
    scale: f64,
    zero_one: bool,
}

impl<'a> Factor<'a> {
    fn of(code: &'a Code) -> Option<Self> {
        let [minus, plus] = [code.map.exactly_at(-1.0)?, code.map.exactly_at(1.0)?];
        let scaled = |scale, zero_one| Some(Self { code, scale, zero_one });
        match (minus == -plus, minus == 0.0) {
            (true, _) => scaled(plus, false),
            (_, true) => scaled(plus, true),
            _ => None,
        }
    }
}

/// A product of two codes as one of bits: true where it was emitted.
pub(super) fn product(rewriter: &mut Rewriter<'_>, codes: &Codes, node: &Node) -> bool {
    let [a, b] = [node.inputs[0], node.inputs[1]];
    let factors = [a, b].map(|v| codes.get(v).and_then(Factor::of));
    let [Some(left), Some(right)] = factors else { return false };
    let graph = &*rewriter.graph;
    let (shape, own) = (graph.shape(node.output).to_vec(), [a, b].map(|v| graph.shape(v).to_vec()));
    let rank = shape.len();
    // Each has the batch of the result, or none.
    let fits = |own: &[usize]| {
        own.len() >= 2
            && (own.len() == rank && own[..rank - 2] == shape[..rank - 2]
                || own[..own.len() - 2].iter().all(|&n| n == 1))
    };
    if rank < 2 || !own.iter().all(|own| fits(own)) || own[0][own[0].len() - 1] > DEEPEST {
        return false;
    }
    let emit = |rewriter: &mut Rewriter<'_>, op: Op, inputs: Vec<ValueId>, is_another: bool, suffix: &str| {
        let parts = match op {
            Op::Binary(Binary::Add) => vec![Part::Planes],
            _ if is_another => super::plane(node),
            _ => node.parts.clone(),
        };
        let (like, shape) = (node.output, &shape[..]);
        rewriter.emit(NewNode { op, inputs, like, suffix, shape, origin: None, parts })
    };
    let zero_one = [left.zero_one, right.zero_one];
    let count = left.code.planes.len() * right.code.planes.len();
    if count > MOST_PLANES {
        return false;
    }
    let scale = Affine::linear(1.0 / count as f32, 0.0).scaled(left.scale).scaled(right.scale);
    let (left, right) = (left.code.planes.clone(), right.code.planes.clone());
    let mut sum: Option<ValueId> = None;
    for plane in right {
        let rows = turned(rewriter, node, plane);
        for &x in &left {
            let op = Op::SignProduct { zero_one };
            let last = count == 1 && scale.is_identity();
            if last {
                rewriter.change(Node { op, inputs: vec![x, rows], ..node.clone() });
                return true;
            }
            let dot = emit(rewriter, op, vec![x, rows], sum.is_some(), "dot");
            sum = Some(match sum {
                None => dot,
                Some(sum) => emit(rewriter, Op::Binary(Binary::Add), vec![sum, dot], false, "sum"),
            });
        }
    }
    let Some(sum) = sum else { return false };
    let axis = rank - 1;
    let op = Op::Affine { axis, maps: repeat(&scale, shape[axis]) };
    let name = format!("{}.scale", node.name);
    rewriter.change(Node { name, op, inputs: vec![sum], output: node.output, parts: vec![Part::Scale], reason: None });
    true
}

/// The right factor with its rows in the place of columns: along them is what is summed, and what is packed.
fn turned(rewriter: &mut Rewriter<'_>, node: &Node, plane: ValueId) -> ValueId {
    let rank = rewriter.graph.shape(plane).len();
    let mut perm: Vec<usize> = (0..rank).collect();
    perm.swap(rank - 2, rank - 1);
    let mut x = plane;
    if let Some(Node { op: Op::Transpose(first), inputs, .. }) = rewriter.producer(plane) {
        (perm, x) = (compose(first, &perm), inputs[0]);
    }
    if is_identity(&perm) {
        return x;
    }
    let shape: Vec<usize> = perm.iter().map(|&p| rewriter.graph.shape(x)[p]).collect();
    let (op, inputs, parts) = (Op::Transpose(perm), vec![x], vec!["Transpose".into()]);
    rewriter.emit(NewNode { op, inputs, like: node.output, suffix: "right", shape: &shape, origin: None, parts })
}
