//! Which values take two values only (or three), and which signs stand behind them.

mod joint;
mod weighted;

pub(crate) use weighted::{MOST_STEPS, planes_of_steps};

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::exact::Affine;
use crate::ir::{Binary, DType, Node, Op, Tensor, Unary, ValueId, Zero};
use crate::passes::facts::Facts;
use crate::passes::merge_affine::uniform;
use crate::passes::recognise_sign::{MOST_PLANES, evaluate, without_sign_keeping};
use crate::passes::rewrite::{NewNode, Rewriter, repeat};

/// A sign whose zero one bit takes for +1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ZeroSign {
    /// Name of its node.
    pub(super) name: String,
    /// Why zeros are likely, if they are; see [`crate::passes::facts`].
    pub(super) likely: Option<&'static str>,
}

/// A value `map(mean of the planes)`.
#[derive(Clone, Debug)]
pub(super) struct Code {
    /// Bit planes, of the same shape as the value; every element is -1 or +1. Where two planes differ, their mean is 0.
    pub(super) planes: Vec<ValueId>,
    /// Fewer planes that say the same, where there are: see [`weighted`].
    weighted: Vec<ValueId>,
    /// Where a plane is +1, those before it are.
    nested: bool,
    /// Never flat.
    pub(super) map: Affine,
    /// The Sign nodes behind it that leave 0 at 0, which their plane does not.
    pub(super) zero_signs: Vec<ZeroSign>,
    /// The planes are not made of the value's own numbers: where one of those signs is 0, they are another function of it.
    apart: bool,
    /// The planes are signs of different values: a maximum of sums is no sum of maxima.
    summed: bool,
}

impl Code {
    fn of(sign: ValueId) -> Self {
        let (planes, weighted, zero_signs) = (vec![sign], Vec::new(), Vec::new());
        Self { planes, weighted, nested: true, map: Affine::identity(), zero_signs, apart: false, summed: false }
    }

    /// One plane, which is the value itself.
    fn is_plain(&self) -> bool {
        self.planes.len() == 1 && self.map.is_identity() && !self.apart
    }

    /// What the planes are where the value is `x`: -1 or +1 each, or 0 all of them.
    fn inverse(&self, x: f32) -> Option<Vec<f32>> {
        let shifted = self.map.then(&Affine::linear(1.0, -x))?;
        let n = self.planes.len();
        if let Some(s) = [-1.0, 0.0, 1.0].into_iter().find(|&s| shifted.sign_at(s).is_eq()) {
            return Some(vec![s; n]);
        }
        let of_sum = shifted.of_sum(n)?;
        let plus = (1..n).find(|&plus| of_sum.sign_at(2.0 * plus as f32 - n as f32).is_eq())?;
        Some((0..n).map(|plane| if plane < plus { 1.0 } else { -1.0 }).collect())
    }
}

/// The codes of a graph's values.
#[derive(Default)]
pub(super) struct Codes(HashMap<ValueId, Code>);

impl Codes {
    pub(super) fn get(&self, v: ValueId) -> Option<&Code> {
        self.0.get(&v)
    }

    /// Emits a node; where its result has a code, notes it.
    ///
    /// What merely moves coded elements is done to the signs, and the code applied behind: bits are cheaper to move.
    pub(super) fn rule(&mut self, rewriter: &mut Rewriter<'_>, facts: &Facts, node: Node) {
        let output = node.output;
        match &node.op {
            Op::Affine { .. } | Op::Unary(Unary::Neg) => {}
            _ => {
                if let Some(joint) = self.of_codes(rewriter, &node) {
                    return self.joint(rewriter, node, joint);
                }
            }
        }
        match &node.op {
            Op::Sign(Zero::Zero) => self.three_valued(rewriter, facts, node),
            Op::Sign(_) => {
                self.0.insert(output, Code::of(output));
                rewriter.keep(node);
            }
            Op::Affine { .. } | Op::Unary(Unary::Neg) => {
                let map = match &node.op {
                    Op::Affine { maps, .. } => uniform(maps).cloned(),
                    _ => Some(Affine::linear(-1.0, 0.0)),
                };
                if let (Some(map), Some(code)) = (map, self.0.get(&node.inputs[0]))
                    && map.slope().is_ne()
                    && let Some(map) = code.map.then(&map)
                {
                    self.0.insert(output, Code { map, ..code.clone() });
                }
                rewriter.keep(node);
            }
            Op::Where | Op::Cast(DType::F32) => self.chosen(rewriter, node),
            Op::Binary(Binary::Add) => {
                if let Some(sum) = self.sum(rewriter, &node) {
                    self.0.insert(output, sum);
                }
                rewriter.keep(node);
            }
            _ => {
                self.weigh_operands(rewriter, &node);
                match self.moved(rewriter, &node) {
                    Some(moved) => self.moved_signs(rewriter, node, moved),
                    None => rewriter.keep(node),
                }
            }
        }
    }

    /// A sum of two codes of equal steps: their planes side by side.
    fn sum(&self, rewriter: &Rewriter<'_>, node: &Node) -> Option<Code> {
        let [a, b] = [self.0.get(&node.inputs[0])?, self.0.get(&node.inputs[1])?];
        let ends = |code: &Code| Some([code.map.exactly_at(-1.0)?, code.map.exactly_at(1.0)?]);
        let ([a_low, a_high], [b_low, b_high]) = (ends(a)?, ends(b)?);
        let order = weighted::order(rewriter, node, a, b);
        let [first, last] = if order == Some(false) { [b, a] } else { [a, b] };
        let planes = [first.planes.clone(), last.planes.clone()].concat();
        let most = if order.is_some() { weighted::MOST_STEPS } else { MOST_PLANES };
        let alike = (a_high - a_low) * b.planes.len() as f64 == (b_high - b_low) * a.planes.len() as f64;
        let shape = |v: ValueId| rewriter.graph.shape(v);
        if planes.iter().any(|&plane| shape(plane) != shape(node.output)) || !alike || planes.len() > most {
            return None;
        }
        let sum = |x: f64, y: f64| evaluate(Binary::Add, x, y);
        let map = Affine::levels(sum(a_low, b_low)?, sum(a_high, b_high)?);
        let zero_signs = a.zero_signs.iter().chain(b.zero_signs.iter().filter(|s| !a.zero_signs.contains(s))).cloned();
        let fits = map.slope().is_ne();
        // Steps of one value: where that is greatest, all of them are.
        let roots: Vec<_> = planes.iter().map(|&plane| stepped(rewriter, plane)).collect();
        let summed = roots[0].is_none() || roots.iter().any(|root| *root != roots[0]);
        let (zero_signs, apart, nested) = (zero_signs.collect(), a.apart || b.apart, order.is_some());
        fits.then(|| Code { planes, weighted: Vec::new(), nested, map, zero_signs, apart, summed })
    }

    /// ONNX's own Sign: the cheapest form that is exact, or at least what one bit can hold.
    fn three_valued(&mut self, rewriter: &mut Rewriter<'_>, facts: &Facts, node: Node) {
        let (x, output) = (node.inputs[0], node.output);
        let fact = facts.of(rewriter.graph, x);
        if fact.never_zero() || jumps(rewriter, x) {
            self.0.insert(output, Code::of(output));
            return rewriter.change(Node { op: Op::Sign(Zero::Plus), ..node });
        }
        // Nothing on one side of zero: a code {0, 1}, or {-1, 0}.
        let one_sided = match (fact.low >= 0.0, fact.high <= 0.0) {
            (true, _) => Some((Zero::Minus, Affine::linear(0.5, 0.5))),
            (_, true) => Some((Zero::Plus, Affine::linear(0.5, -0.5))),
            _ => None,
        };
        let shape = rewriter.graph.shape(output).to_vec();
        let emit = |rewriter: &mut Rewriter<'_>, zero: Zero, suffix: &str| {
            let mut inner = x;
            while let Some(before) = without_sign_keeping(rewriter, inner, zero) {
                inner = before;
            }
            let (op, inputs, parts) = (Op::Sign(zero), vec![inner], node.parts.clone());
            rewriter.emit(NewNode { op, inputs, like: output, suffix, shape: &shape, origin: None, parts })
        };
        if let Some((zero, map)) = one_sided
            && let Some(axis) = shape.len().checked_sub(1)
        {
            let sign = emit(rewriter, zero, "sign");
            let maps = repeat(&map, shape[axis]);
            self.0.insert(output, Code { map, ..Code::of(sign) });
            let op = Op::Affine { axis, maps };
            return rewriter.change(Node { op, inputs: vec![sign], parts: Vec::new(), ..node });
        }
        let code = if rewriter.graph.exact_zeros {
            // sign(x) is the mean of a sign that is +1 at zero and one that is -1 there.
            let planes = vec![emit(rewriter, Zero::Plus, "plus"), emit(rewriter, Zero::Minus, "minus")];
            Code { planes, nested: false, ..Code::of(output) }
        } else {
            let zero_signs = vec![ZeroSign { name: node.name.clone(), likely: fact.why() }];
            Code { zero_signs, ..Code::of(output) }
        };
        self.0.insert(output, code);
        rewriter.keep(node);
    }

    /// One of two numbers, by a condition that is no comparison with a threshold: numbers of -1 and +1 are packed as they are.
    fn chosen(&mut self, rewriter: &mut Rewriter<'_>, node: Node) {
        let condition = node.inputs[0];
        let same_shape = rewriter.graph.shape(condition) == rewriter.graph.shape(node.output);
        let is_truth = rewriter.graph.value(condition).dtype == DType::Bool && same_shape;
        let levels = match node.op {
            Op::Where => rewriter.uniform(node.inputs[2]).zip(rewriter.uniform(node.inputs[1])),
            _ => Some((0.0, 1.0)),
        };
        let fits = |&(no, yes): &(f32, f32)| is_truth && no != yes && no.is_finite() && yes.is_finite();
        let Some((no, yes)) = levels.filter(fits) else { return rewriter.keep(node) };
        let output = node.output;
        if (no, yes) == (-1.0, 1.0) || (no, yes) == (1.0, -1.0) {
            self.0.insert(output, Code::of(output));
            return rewriter.keep(node);
        }
        let shape = rewriter.graph.shape(output).to_vec();
        let [plus, minus] =
            [("plus", 1.0), ("minus", -1.0)].map(|(n, x)| rewriter.constant(n, Tensor::f32([], vec![x])));
        let (op, inputs, parts) = (Op::Where, vec![condition, plus, minus], node.parts.clone());
        rewriter.keep(node);
        let sign =
            rewriter.emit(NewNode { op, inputs, like: output, suffix: "sign", shape: &shape, origin: None, parts });
        let map = Affine::levels(f64::from(no), f64::from(yes));
        self.0.insert(output, Code { map, ..Code::of(sign) });
    }

    /// An operator that only moves elements: what it does to each plane, and the code of its operands.
    fn moved(&self, rewriter: &Rewriter<'_>, node: &Node) -> Option<Moved> {
        let code = node.inputs.iter().find_map(|v| self.0.get(v))?;
        let alike = |op: &Op, code: &Code| {
            let each = |planes: &[ValueId]| planes.iter().map(|&plane| (op.clone(), vec![plane])).collect();
            // The largest of some numbers does not have the largest of each of their bits.
            let weighted = if matches!(op, Op::MaxPool { .. }) { Vec::new() } else { each(&code.weighted) };
            Moved { planes: each(&code.planes), weighted, code: code.clone() }
        };
        match &node.op {
            // The maximum of a falling code is the minimum of the signs.
            Op::MaxPool { .. } if code.map.slope().is_lt() || code.summed => None,
            Op::MaxPool { .. } | Op::Reshape | Op::Transpose(_) | Op::Slice { .. } | Op::Expand => {
                Some(alike(&node.op, code))
            }
            Op::Gather { .. } => {
                let mut moved = alike(&node.op, self.0.get(&node.inputs[0])?);
                moved.planes.iter_mut().chain(&mut moved.weighted).for_each(|(_, inputs)| inputs.push(node.inputs[1]));
                Some(moved)
            }
            Op::Pad { before, after, value } => {
                let values = code.inverse(*value)?;
                let pad = |value: f32| Op::Pad { before: before.clone(), after: after.clone(), value };
                if values.iter().all(|&value| value != 0.0) {
                    let each = |planes: &[ValueId], values: Vec<f32>| {
                        std::iter::zip(planes, values).map(|(&plane, value)| (pad(value), vec![plane])).collect()
                    };
                    let weighted = code.weighted_inverse(*value).map_or(Vec::new(), |v| each(&code.weighted, v));
                    return Some(Moved { planes: each(&code.planes, values), weighted, code: code.clone() });
                }
                if code.planes.len() > 2 {
                    return None;
                }
                // 0 is no sign: it is +1 in one plane and -1 in another.
                let (first, last) = (*code.planes.first()?, *code.planes.last()?);
                let code = Code { nested: code.nested && first != last, ..code.clone() };
                Some(Moved {
                    planes: vec![(pad(1.0), vec![first]), (pad(-1.0), vec![last])],
                    weighted: Vec::new(),
                    code,
                })
            }
            Op::Concat { .. } => self.joined(rewriter, node, code),
            _ => None,
        }
    }

    fn joined(&self, rewriter: &Rewriter<'_>, node: &Node, code: &Code) -> Option<Moved> {
        let count = node.inputs.iter().filter_map(|v| Some(self.0.get(v)?.planes.len())).max()?;
        let mut planes = vec![(node.op.clone(), Vec::new()); count];
        let mut weighted = vec![(node.op.clone(), Vec::new()); code.weighted.len()];
        let mut all = Code { zero_signs: Vec::new(), ..code.clone() };
        for v in &node.inputs {
            match self.0.get(v) {
                Some(part) if part.map == code.map && [1, count].contains(&part.planes.len()) => {
                    for (i, (_, inputs)) in planes.iter_mut().enumerate() {
                        inputs.push(part.planes[i.min(part.planes.len() - 1)]);
                    }
                    if part.weighted.len() != weighted.len() || part.planes.len() != count {
                        weighted.clear();
                    }
                    std::iter::zip(&mut weighted, &part.weighted).for_each(|((_, inputs), &plane)| inputs.push(plane));
                    all.apart |= part.apart;
                    all.summed |= part.summed;
                    all.nested &= part.nested;
                    for sign in &part.zero_signs {
                        if !all.zero_signs.contains(sign) {
                            all.zero_signs.push(sign.clone());
                        }
                    }
                }
                None if code.map.is_identity() && rewriter.floats(*v)?.1.iter().all(|x| x.abs() == 1.0) => {
                    weighted.clear();
                    planes.iter_mut().for_each(|(_, inputs)| inputs.push(*v));
                }
                _ => return None,
            }
        }
        Some(Moved { planes, weighted, code: all })
    }

    fn moved_signs(&mut self, rewriter: &mut Rewriter<'_>, node: Node, moved: Moved) {
        let output = node.output;
        let Moved { mut planes, weighted, code } = moved;
        if planes.len() == 1 && code.is_plain() {
            let (op, inputs) = planes.remove(0);
            self.0.insert(output, Code { planes: vec![output], ..code });
            let same = op == node.op && inputs == node.inputs;
            return if same { rewriter.keep(node) } else { rewriter.change(Node { op, inputs, ..node }) };
        }
        let shape = rewriter.graph.shape(output).to_vec();
        let Some(axis) = shape.len().checked_sub(1) else { return rewriter.keep(node) };
        let mut emit = |planes: Vec<(Op, Vec<ValueId>)>| -> Vec<ValueId> {
            let (parts, suffix) = (&node.parts, "sign");
            let one = |(op, inputs)| NewNode {
                op,
                inputs,
                like: output,
                suffix,
                shape: &shape,
                origin: None,
                parts: parts.clone(),
            };
            planes.into_iter().map(|plane| rewriter.emit(one(plane))).collect()
        };
        let (signs, weighted) = (emit(planes), emit(weighted));
        match signs[..] {
            [sign] if !code.apart => {
                let op = Op::Affine { axis, maps: repeat(&code.map, shape[axis]) };
                rewriter.change(Node { op, inputs: vec![sign], parts: Vec::new(), ..node });
            }
            // Whoever wants the numbers moves the numbers.
            _ => rewriter.keep(node),
        }
        self.0.insert(output, Code { planes: signs, weighted, ..code });
    }
}

/// What an operator does to the planes of its operand.
struct Moved {
    /// An operator and its operands for each plane of the result.
    planes: Vec<(Op, Vec<ValueId>)>,
    /// The same for those with weights.
    weighted: Vec<(Op, Vec<ValueId>)>,
    /// Of the operands.
    code: Code,
}

/// What a sign is a step of, and the slopes of the maps between, one per channel or one for all.
fn stepped(rewriter: &Rewriter<'_>, sign: ValueId) -> Option<(ValueId, Vec<Ordering>)> {
    let Node { op: Op::Sign(_), inputs, .. } = rewriter.producer(sign)? else { return None };
    Some(match rewriter.producer(inputs[0]) {
        Some(Node { op: Op::Affine { maps, .. }, inputs, .. }) => {
            let slopes: Vec<Ordering> = maps.iter().map(Affine::slope).collect();
            let same = slopes.iter().all(|slope| *slope == slopes[0]);
            (inputs[0], if same { slopes[..1].to_vec() } else { slopes })
        }
        _ => (inputs[0], vec![Ordering::Greater]),
    })
}

/// Whether a value is computed by maps none of which any f32 sends to zero exactly: they jump over it.
fn jumps(rewriter: &Rewriter<'_>, v: ValueId) -> bool {
    let Some(Node { op: Op::Affine { maps, .. }, .. }) = rewriter.producer(v) else { return false };
    // Where the sign changes, zero is the first value of +1, or nowhere.
    let jumps = |map: &Affine| {
        let plus = map.interval(Zero::Plus);
        let first = match map.slope() {
            Ordering::Less => plus.high,
            Ordering::Equal => 0.0,
            Ordering::Greater => plus.low,
        };
        !first.is_finite() || map.sign_at(first).is_ne()
    };
    match uniform(maps) {
        Some(map) => jumps(map),
        None => maps.iter().all(jumps),
    }
}
