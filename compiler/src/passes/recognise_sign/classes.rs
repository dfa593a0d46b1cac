//! Values that depend on nothing but the class of another one: negative, zero, or positive.
//!
//! Values are followed exactly, or not at all: a code such as 0.1 * 0.7 is no f32, and its layer's signs are decided by real
//! arithmetic.
//!
//! Every spelling of a binarisation is such a value, and so is a sign of a sign, `Where(Sign(x) == 0, 1, Sign(x))` of itself,
//! `Sign(x) + Cast(x == 0)`, `Where(Sign(x) == -1, 0, Sign(x))`...: three numbers say what it is.

use crate::ir::{Binary, DType, Node, Op, Unary, ValueId, Zero};
use crate::passes::rewrite::Rewriter;

/// What a value is where `x` is negative, zero, positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Classes {
    pub(super) x: ValueId,
    pub(super) values: [f64; 3],
}

impl Classes {
    /// The sign it is, if it is one.
    pub(super) fn sign(&self) -> Option<Zero> {
        match self.values {
            [-1.0, 1.0, 1.0] => Some(Zero::Plus),
            [-1.0, -1.0, 1.0] => Some(Zero::Minus),
            [-1.0, 0.0, 1.0] => Some(Zero::Zero),
            _ => None,
        }
    }

    /// A sign's rule, and the value's levels where that is -1 and +1: if it has two.
    pub(super) fn levels(&self) -> Option<(Zero, [f64; 2])> {
        let [minus, zero, plus] = self.values;
        match (minus == zero, zero == plus) {
            (true, false) => Some((Zero::Minus, [minus, plus])),
            (false, true) => Some((Zero::Plus, [minus, plus])),
            _ => None,
        }
    }
}

/// The classes of a node's result.
pub(super) fn of_node(rewriter: &Rewriter<'_>, node: &Node) -> Option<Classes> {
    // Spellings are a handful of nodes; the bound keeps everything else cheap.
    Search { rewriter, left: 48 }.node(node)
}

/// The classes of a value, or one number.
#[derive(Clone, Copy)]
enum Known {
    Number(f64),
    Classes(Classes),
}

struct Search<'a, 'g> {
    rewriter: &'a Rewriter<'g>,
    left: usize,
}

impl Search<'_, '_> {
    fn value(&mut self, v: ValueId) -> Option<Known> {
        if let Some(number) = self.rewriter.uniform(v) {
            return Some(Known::Number(f64::from(number)));
        }
        let rewriter = self.rewriter;
        self.node(rewriter.producer(v)?).map(Known::Classes)
    }

    fn node(&mut self, node: &Node) -> Option<Classes> {
        self.left = self.left.checked_sub(1)?;
        let graph = &*self.rewriter.graph;
        match &node.op {
            Op::Sign(zero) => {
                let at_zero = match zero {
                    Zero::Plus => 1.0,
                    Zero::Minus => -1.0,
                    Zero::Zero => 0.0,
                };
                let sign = |v: f64| if v == 0.0 { at_zero } else { 1_f64.copysign(v) };
                match self.value(node.inputs[0]) {
                    Some(Known::Classes(inner)) => self.map(inner, sign),
                    // Of a number: no exporter leaves that.
                    Some(Known::Number(_)) => None,
                    None => self.checked(node, Classes { x: node.inputs[0], values: [-1.0, at_zero, 1.0] }),
                }
            }
            Op::Binary(function) => {
                let [a, b] = [self.value(node.inputs[0]), self.value(node.inputs[1])];
                let apply = |x: f64, y: f64| evaluate(*function, x, y);
                // Integers divide and overflow in their own way.
                let float = |v: ValueId| graph.value(v).dtype != DType::I64;
                if !node.inputs.iter().all(|&v| float(v)) && *function == Binary::Div {
                    return None;
                }
                let classes = match (a, b) {
                    (Some(Known::Classes(a)), Some(Known::Classes(b))) if a.x == b.x => {
                        let values = [0, 1, 2].map(|i| apply(a.values[i], b.values[i]));
                        Classes { x: a.x, values: all(values)? }
                    }
                    (Some(Known::Classes(a)), Some(Known::Number(c))) => {
                        self.map(a, |v| apply(v, c).unwrap_or(f64::NAN))?
                    }
                    (Some(Known::Number(c)), Some(Known::Classes(b))) => {
                        self.map(b, |v| apply(c, v).unwrap_or(f64::NAN))?
                    }
                    // A value that is no class itself has one beside zero.
                    (None, Some(Known::Number(0.0))) if is_comparison(*function) => {
                        let values = [-1.0, 0.0, 1.0].map(|v| apply(v, 0.0));
                        Classes { x: node.inputs[0], values: all(values)? }
                    }
                    (Some(Known::Number(0.0)), None) if is_comparison(*function) => {
                        let values = [-1.0, 0.0, 1.0].map(|v| apply(0.0, v));
                        Classes { x: node.inputs[1], values: all(values)? }
                    }
                    _ => return None,
                };
                self.checked(node, classes)
            }
            Op::Where => {
                let Known::Classes(condition) = self.value(node.inputs[0])? else { return None };
                let branches = [self.value(node.inputs[1])?, self.value(node.inputs[2])?];
                let of = |branch: Known, i: usize| match branch {
                    Known::Number(number) => Some(number),
                    Known::Classes(c) => (c.x == condition.x).then_some(c.values[i]),
                };
                let values = [0, 1, 2].map(|i| of(branches[usize::from(condition.values[i] == 0.0)], i));
                self.checked(node, Classes { x: condition.x, values: all(values)? })
            }
            Op::Cast(DType::Bool) => self.unary(node, |v| f64::from(u8::from(v != 0.0))),
            Op::Cast(DType::I64) => self.unary(node, f64::trunc),
            Op::Cast(DType::F32) => self.unary(node, |v| v),
            Op::Unary(Unary::Not) => self.unary(node, |v| f64::from(u8::from(v == 0.0))),
            Op::Unary(function) => {
                let floats = function.row().floats?;
                // In f32, where that is exact: of functions, these are.
                let exact = function.is_exact() && !matches!(function, Unary::Sqrt | Unary::Reciprocal);
                let of = |v: f64| f64::from(floats(&[v as f32], function.parameters())[0]);
                self.unary(node, |v| if exact && f64::from(v as f32) == v { of(v) } else { f64::NAN })
            }
            _ => None,
        }
    }

    fn unary(&mut self, node: &Node, f: impl Fn(f64) -> f64) -> Option<Classes> {
        let Known::Classes(inner) = self.value(node.inputs[0])? else { return None };
        let mapped = self.map(inner, f)?;
        self.checked(node, mapped)
    }

    fn map(&self, inner: Classes, f: impl Fn(f64) -> f64) -> Option<Classes> {
        let values = inner.values.map(f);
        values.iter().all(|v| v.is_finite()).then_some(Classes { values, ..inner })
    }

    /// Only where every element depends on the one at its own place.
    fn checked(&self, node: &Node, classes: Classes) -> Option<Classes> {
        let graph = &*self.rewriter.graph;
        let fits = graph.shape(classes.x) == graph.shape(node.output) && graph.value(classes.x).dtype == DType::F32;
        fits.then_some(classes)
    }
}

fn is_comparison(function: Binary) -> bool {
    use Binary::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
    matches!(function, Equal | Less | LessOrEqual | Greater | GreaterOrEqual)
}

/// The value in real arithmetic, if an f64 holds it.
pub(crate) fn evaluate(function: Binary, a: f64, b: f64) -> Option<f64> {
    let truth = |holds: bool| f64::from(u8::from(holds));
    let sum = |a: f64, b: f64| {
        let s = a + b;
        let of_b = s - a;
        (a - (s - of_b) == 0.0 && b - of_b == 0.0).then_some(s)
    };
    let value = match function {
        Binary::Add => sum(a, b)?,
        Binary::Sub => sum(a, -b)?,
        Binary::Mul => Some(a * b).filter(|p| a.mul_add(b, -p) == 0.0)?,
        Binary::Div => Some(a / b).filter(|q| q.mul_add(b, -a) == 0.0)?,
        Binary::Min => a.min(b),
        Binary::Max => a.max(b),
        Binary::Equal => truth(a == b),
        Binary::Less => truth(a < b),
        Binary::LessOrEqual => truth(a <= b),
        Binary::Greater => truth(a > b),
        Binary::GreaterOrEqual => truth(a >= b),
        Binary::And => truth(a != 0.0 && b != 0.0),
        Binary::Or => truth(a != 0.0 || b != 0.0),
        Binary::Xor => truth((a != 0.0) != (b != 0.0)),
        _ => return None,
    };
    value.is_finite().then_some(value)
}

fn all(values: [Option<f64>; 3]) -> Option<[f64; 3]> {
    Some([values[0]?, values[1]?, values[2]?])
}
