//! Values that are numbers piece by piece: which value they depend on, and where its steps are.

use std::collections::HashMap;
use std::rc::Rc;

use super::binary::binary;
use super::pieces::{self, Edge, Is, Pieces};
use super::shapes::Shape;
use crate::exact::Affine;
use crate::ir::{Binary, DType, Node, Op, Unary, ValueId};
use crate::passes::merge_affine::uniform;
use crate::passes::rewrite::Rewriter;

/// What a function is one of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Base {
    /// A float.
    Value(ValueId),
    /// A float less a constant per channel.
    Difference(ValueId, ValueId),
    /// Whether a condition holds of which nothing else is known.
    Truth(ValueId),
}

impl Base {
    fn value(self) -> ValueId {
        match self {
            Base::Value(v) | Base::Difference(v, _) | Base::Truth(v) => v,
        }
    }
}

/// A value that takes a few numbers, one behind another as its base rises.
#[derive(Debug)]
pub(super) struct Steps {
    pub(super) base: Base,
    /// Neighbours differ.
    pub(super) values: Vec<f64>,
    /// One fewer than values.
    pub(super) edges: Vec<Edge>,
}

impl Steps {
    /// The two numbers it takes, in the order of first appearance, if there are two.
    pub(super) fn two(&self) -> Option<[f64; 2]> {
        let [first, second] = [*self.values.first()?, *self.values.get(1)?];
        let alternate = self.values.iter().enumerate().all(|(i, &v)| v == if i % 2 == 0 { first } else { second });
        (alternate && first.is_finite() && second.is_finite()).then_some([first, second])
    }

    /// The rising map of which it is a multiple of ONNX's Sign, plus a number: its values where that is -1 and +1.
    pub(super) fn three(&self) -> Option<(&Affine, [f64; 2])> {
        let ([low, middle, high], [closed, open]) = (&self.values[..], &self.edges[..]) else { return None };
        let of_one = closed.closed && !open.closed && closed.rising == open.rising;
        let even = low.is_finite() && high.is_finite() && middle - low == high - middle && middle * 2.0 == low + high;
        (of_one && even && low != high).then_some((&closed.rising, [*low, *high]))
    }
}

/// The steps of a node's result, if it has no more than a few numbers.
pub(super) fn of_node(rewriter: &Rewriter<'_>, node: &Node) -> Option<Steps> {
    // Only what compares or rounds has steps; long chains of other arithmetic are not followed.
    let mut left = NODES;
    if !has_step(rewriter, node, &mut left) {
        return None;
    }
    let mut search = Search { rewriter, left: NODES, found: HashMap::new() };
    let function = search.node(node)?;
    if let Op::Sign(_) = node.op {
        // A sign of anything but numbers is what it is.
        match search.value(node.inputs[0])? {
            Known::Function(inner) => inner.pieces.numbers()?,
            Known::Number(_) => return None,
        };
    }
    let (values, edges) = function.pieces.numbers()?;
    Some(Steps { base: function.base, values, edges: edges.into_iter().cloned().collect() })
}

/// Spellings are a handful of nodes; the bound keeps everything else cheap.
const NODES: usize = 48;

fn has_step(rewriter: &Rewriter<'_>, node: &Node, left: &mut usize) -> bool {
    let Some(fewer) = left.checked_sub(1) else { return false };
    *left = fewer;
    use Unary::{Ceil, Floor, Not, Round, Trunc};
    match node.op {
        Op::Sign(_) | Op::Unary(Round | Trunc | Floor | Ceil | Not) | Op::Where | Op::Cast(_) => true,
        Op::Binary(Binary::Div) if rewriter.floats(node.inputs[1]).is_none() => true,
        Op::Unary(_) | Op::Affine { .. } | Op::Binary(_) => {
            node.inputs.iter().any(|&v| rewriter.producer(v).is_some_and(|inner| has_step(rewriter, inner, left)))
        }
        _ => false,
    }
}

#[derive(Clone)]
struct Function {
    base: Base,
    pieces: Rc<Pieces>,
}

#[derive(Clone)]
enum Known {
    Number(f64),
    Function(Function),
}

struct Search<'a, 'g> {
    rewriter: &'a Rewriter<'g>,
    left: usize,
    found: HashMap<ValueId, Option<Known>>,
}

impl Search<'_, '_> {
    fn value(&mut self, v: ValueId) -> Option<Known> {
        if let Some(known) = self.found.get(&v) {
            return known.clone();
        }
        let known = self.fresh(v);
        self.found.insert(v, known.clone());
        known
    }

    fn fresh(&mut self, v: ValueId) -> Option<Known> {
        let rewriter = self.rewriter;
        if rewriter.graph.constant(v).is_some() {
            return rewriter.uniform(v).map(f64::from).filter(|x| x.is_finite()).map(Known::Number);
        }
        if let Some(function) = rewriter.producer(v).and_then(|node| self.node(node)) {
            return Some(Known::Function(function));
        }
        let (base, pieces) = match rewriter.graph.value(v).dtype {
            DType::F32 => (Base::Value(v), Pieces::identity()),
            DType::Bool => (Base::Truth(v), Pieces::truth()),
            _ => return None,
        };
        Some(Known::Function(Function { base, pieces: Rc::new(pieces) }))
    }

    fn node(&mut self, node: &Node) -> Option<Function> {
        self.left = self.left.checked_sub(1)?;
        let function = self.result(node)?;
        // Only where every element depends on the one at its own place.
        let graph = &*self.rewriter.graph;
        (graph.shape(function.base.value()) == graph.shape(node.output)).then_some(function)
    }

    fn result(&mut self, node: &Node) -> Option<Function> {
        match &node.op {
            Op::Sign(zero) => self.unary(node, |p| p.apply(&Shape::sign(*zero))),
            Op::Cast(dtype) => self.unary(node, |p| p.each(|is, bounds| Shape::cast(*dtype, bounds).apply(is))),
            Op::Unary(Unary::HardSigmoid(alpha, beta)) => self.unary(node, |p| {
                let by = |f, c: f32| move |is: &Is, _: [f64; 2]| binary(f, is, &Is::Number(f64::from(c)));
                let line = p.each(by(Binary::Mul, *alpha))?.each(by(Binary::Add, *beta))?;
                line.apply(&Shape::max(0.0))?.apply(&Shape::min(1.0))
            }),
            Op::Unary(f) => self.unary(node, |p| p.each(|is, bounds| Shape::of(*f, bounds)?.apply(is))),
            Op::Affine { maps, .. } => {
                let map = uniform(maps)?;
                self.unary(node, |p| {
                    p.each(|is, _| match is {
                        Is::Map(inner) => Shape::identity().of_map(&inner.then(map)?),
                        Is::Number(x) => Some(vec![(None, Is::Number(map.exactly_at(*x)?))]),
                        _ => None,
                    })
                })
            }
            Op::Binary(f) => self.binary(node, *f),
            Op::Where => self.chosen(node),
            _ => None,
        }
    }

    fn unary(&mut self, node: &Node, f: impl Fn(&Pieces) -> Option<Pieces>) -> Option<Function> {
        let Known::Function(inner) = self.value(node.inputs[0])? else { return None };
        Some(Function { pieces: Rc::new(f(&inner.pieces)?), ..inner })
    }

    fn binary(&mut self, node: &Node, f: Binary) -> Option<Function> {
        let rewriter = self.rewriter;
        let [a, b] = [node.inputs[0], node.inputs[1]];
        let is_number = |v: ValueId| rewriter.graph.value(v).dtype == DType::F32;
        // Integer division truncates; no exporter writes it here.
        if f == Binary::Div && !is_number(a) {
            return None;
        }
        if is_comparison(f) && is_number(a) {
            let varies = |v| rewriter.floats(v).is_some() && rewriter.uniform(v).is_none();
            let zero = pieces::constant(0.0);
            let of = |base, (x, y): (&Pieces, &Pieces)| {
                let pieces = x.with(y, |x, y| binary(f, x, y))?;
                Some(Function { base, pieces: Rc::new(pieces) })
            };
            match (varies(a), varies(b)) {
                (false, true) => return of(Base::Difference(a, b), (&Pieces::identity(), &zero)),
                (true, false) => return of(Base::Difference(b, a), (&zero, &Pieces::identity())),
                _ => {}
            }
        }
        match (self.value(a)?, self.value(b)?) {
            (Known::Function(a), Known::Function(b)) => {
                let pieces =
                    if a.base == b.base { a.pieces.with(&b.pieces, |x, y| binary(f, x, y))? } else { return None };
                Some(Function { pieces: Rc::new(pieces), ..a })
            }
            (Known::Function(a), Known::Number(c)) => {
                let pieces = a.pieces.each(|x, _| binary(f, x, &Is::Number(c)))?;
                Some(Function { pieces: Rc::new(pieces), ..a })
            }
            (Known::Number(c), Known::Function(b)) => {
                let pieces = b.pieces.each(|x, _| binary(f, &Is::Number(c), x))?;
                Some(Function { pieces: Rc::new(pieces), ..b })
            }
            (Known::Number(_), Known::Number(_)) => None,
        }
    }

    fn chosen(&mut self, node: &Node) -> Option<Function> {
        let Known::Function(condition) = self.value(node.inputs[0])? else { return None };
        let mut branch = |v| match self.value(v)? {
            Known::Number(x) => Some(Rc::new(pieces::constant(x))),
            Known::Function(f) => (f.base == condition.base).then_some(f.pieces),
        };
        let [a, b] = [branch(node.inputs[1])?, branch(node.inputs[2])?];
        let pieces = condition.pieces.choose(&a, &b)?;
        Some(Function { pieces: Rc::new(pieces), ..condition })
    }
}

fn is_comparison(f: Binary) -> bool {
    use Binary::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
    matches!(f, Equal | Less | LessOrEqual | Greater | GreaterOrEqual)
}
