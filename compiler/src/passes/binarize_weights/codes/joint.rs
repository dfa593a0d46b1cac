//! Functions of codes that take two numbers again: products, maxima and choices of signs, each of a value of its own.

use super::{Code, Codes};
use crate::exact::Affine;
use crate::ir::{Binary, DType, Node, Op, Tensor, Unary, ValueId, Zero};
use crate::passes::recognise_sign::evaluate;
use crate::passes::rewrite::{NewNode, Rewriter, repeat};

/// An operand: its two numbers, or the one it is.
struct Operand<'a> {
    levels: [f64; 2],
    code: Option<&'a Code>,
}

/// What a function of codes is: its bits, and what they stand for.
pub(super) struct Joint {
    /// The operator, and its operands: planes, their negations (`true`), or a number.
    op: Op,
    operands: Vec<(Bits, bool)>,
    levels: [f64; 2],
    code: Code,
}

/// Bits of an operand of [`Joint`].
#[derive(Clone, Copy)]
enum Bits {
    Plane(ValueId),
    Number(f32),
    Condition(ValueId),
}

impl Codes {
    fn operand(&self, rewriter: &Rewriter<'_>, v: ValueId) -> Option<Operand<'_>> {
        if let Some(x) = rewriter.uniform(v).map(f64::from) {
            return Some(Operand { levels: [x, x], code: None });
        }
        let code = self.get(v).filter(|code| code.planes.len() == 1)?;
        let levels = [code.map.exactly_at(-1.0)?, code.map.exactly_at(1.0)?];
        Some(Operand { levels, code: Some(code) })
    }

    /// The node's result, if its operands have two values each, and it has.
    pub(super) fn of_codes(&self, rewriter: &Rewriter<'_>, node: &Node) -> Option<Joint> {
        let graph = &*rewriter.graph;
        let shape = graph.shape(node.output);
        if graph.value(node.output).dtype != DType::F32 || shape.is_empty() {
            return None;
        }
        if !matches!(node.op, Op::Sign(_) | Op::Unary(_) | Op::Binary(_) | Op::Where) {
            return None;
        }
        let operands = node.inputs.iter().skip(usize::from(node.op == Op::Where));
        let operands: Vec<Operand<'_>> = operands.map(|&v| self.operand(rewriter, v)).collect::<Option<_>>()?;
        let codes: Vec<&Code> = operands.iter().filter_map(|o| o.code).collect();
        let first = (*codes.first()?).clone();
        if codes.iter().any(|code| graph.shape(code.planes[0]) != shape) {
            return None;
        }
        let mut all = Code { zero_signs: Vec::new(), ..first };
        for sign in codes.iter().flat_map(|code| &code.zero_signs) {
            if !all.zero_signs.contains(sign) {
                all.zero_signs.push(sign.clone());
            }
        }
        let (op, operands, levels) = match (&node.op, &operands[..]) {
            (Op::Where, [a, b]) => choice(rewriter, node, a, b)?,
            (Op::Unary(f), [x]) => {
                let floats = f.row().floats.filter(|_| f.is_exact())?;
                let of = |x: f64| (f64::from(x as f32) == x).then(|| f64::from(floats(&[x as f32], f.parameters())[0]));
                let levels = [of(x.levels[0])?, of(x.levels[1])?];
                (Op::Reshape, vec![(Bits::Plane(x.code?.planes[0]), false)], levels)
            }
            (Op::Sign(zero), [x]) => {
                let of = |x: f64| match (x == 0.0, zero) {
                    (false, _) => 1_f64.copysign(x),
                    (true, Zero::Plus) => 1.0,
                    (true, Zero::Minus) => -1.0,
                    (true, Zero::Zero) => 0.0,
                };
                (Op::Reshape, vec![(Bits::Plane(x.code?.planes[0]), false)], x.levels.map(of))
            }
            (Op::Binary(f), [a, b]) => of_two(*f, a, b)?,
            _ => return None,
        };
        let fine = levels.iter().all(|x| x.is_finite()) && levels[0] != levels[1];
        fine.then_some(Joint { op, operands, levels, code: all })
    }

    /// Emits the node as an affine map of its bits.
    pub(super) fn joint(&mut self, rewriter: &mut Rewriter<'_>, node: Node, joint: Joint) {
        let output = node.output;
        let shape = rewriter.graph.shape(output).to_vec();
        let emit = |rewriter: &mut Rewriter<'_>, op: Op, inputs: Vec<ValueId>| {
            let parts = vec![op.name().as_str().into()];
            rewriter.emit(NewNode { op, inputs, like: output, suffix: "sign", shape: &shape, origin: None, parts })
        };
        let mut inputs = Vec::new();
        for (bits, negated) in joint.operands {
            let mut v = match bits {
                Bits::Condition(v) => v,
                Bits::Number(x) => rewriter.constant("one", Tensor::f32([], vec![x])),
                // One bit takes 0 for +1 here as everywhere.
                Bits::Plane(v) => match rewriter.producer(v) {
                    Some(Node { op: Op::Sign(Zero::Zero), inputs, .. }) => {
                        let x = inputs[0];
                        emit(rewriter, Op::Sign(Zero::Plus), vec![x])
                    }
                    _ => v,
                },
            };
            if negated {
                v = emit(rewriter, Op::Unary(Unary::Neg), vec![v]);
            }
            inputs.push(v);
        }
        let map = Affine::levels(joint.levels[0], joint.levels[1]);
        // Whoever wants the numbers has their zeros.
        let numbers = !joint.code.zero_signs.is_empty();
        let plain = map.is_identity() && joint.op != Op::Reshape && !numbers;
        let plane = match (plain, &joint.op) {
            (true, _) => output,
            (_, Op::Reshape) => inputs[0],
            _ => emit(rewriter, joint.op.clone(), inputs.clone()),
        };
        self.0.insert(output, Code { planes: vec![plane], map: map.clone(), apart: numbers, ..joint.code });
        if numbers {
            return rewriter.keep(node);
        }
        if plain {
            return rewriter.change(Node { op: joint.op, inputs, ..node });
        }
        let axis = shape.len() - 1;
        let op = Op::Affine { axis, maps: repeat(&map, shape[axis]) };
        rewriter.change(Node { op, inputs: vec![plane], ..node });
    }
}

type Made = (Op, Vec<(Bits, bool)>, [f64; 2]);

/// A function of two operands with two numbers each.
fn of_two(f: Binary, a: &Operand<'_>, b: &Operand<'_>) -> Option<Made> {
    let value = |i: usize, j: usize| evaluate(f, a.levels[i], b.levels[j]);
    let values = [value(0, 0)?, value(0, 1)?, value(1, 0)?, value(1, 1)?];
    let plane = |o: &Operand<'_>| o.code.map(|code| Bits::Plane(code.planes[0]));
    let (first, second) = match (plane(a), plane(b)) {
        (Some(a), Some(b)) => (a, b),
        (Some(a), None) => return Some((Op::Reshape, vec![(a, false)], [values[0], values[2]])),
        (None, Some(b)) => return Some((Op::Reshape, vec![(b, false)], [values[0], values[1]])),
        (None, None) => return None,
    };
    let one = |bits: Bits, levels: [f64; 2]| Some((Op::Reshape, vec![(bits, false)], levels));
    let [mm, mp, pm, pp] = values;
    if mm == mp && pm == pp {
        return one(first, [mm, pp]);
    }
    if mm == pm && mp == pp {
        return one(second, [mm, pp]);
    }
    if mm == pp && mp == pm {
        // +1 where both are the same.
        return Some((Op::Binary(Binary::Mul), vec![(first, false), (second, false)], [mp, pp]));
    }
    // One of four is another number than the other three: both signs, negated or not, are +1 there.
    let odd = (0..4).find(|&i| {
        let mut others = (0..4).filter(|&j| j != i).map(|j| values[j]);
        let other = others.next();
        others.all(|x| Some(x) == other)
    })?;
    let both = vec![(first, odd / 2 == 0), (second, odd % 2 == 0)];
    Some((Op::Binary(Binary::Min), both, [values[(odd + 1) % 4], values[odd]]))
}

/// One of two operands, by any condition.
fn choice(rewriter: &Rewriter<'_>, node: &Node, a: &Operand<'_>, b: &Operand<'_>) -> Option<Made> {
    let graph = &*rewriter.graph;
    let condition = node.inputs[0];
    if graph.shape(condition) != graph.shape(node.output) || graph.constant(condition).is_some() {
        return None;
    }
    let [low, high] = [a.levels, b.levels]
        .map(|[x, y]| [x.min(y), x.max(y)])
        .into_iter()
        .reduce(|x, y| [x[0].min(y[0]), x[1].max(y[1])])?;
    let bits = |o: &Operand<'_>| {
        let two = o.levels.iter().all(|&x| x == low || x == high);
        let bits = match o.code {
            Some(code) => (Bits::Plane(code.planes[0]), o.levels[0] > o.levels[1]),
            None => (Bits::Number(if o.levels[0] == high { 1.0 } else { -1.0 }), false),
        };
        two.then_some(bits)
    };
    Some((Op::Where, vec![(Bits::Condition(condition), false), bits(a)?, bits(b)?], [low, high]))
}
