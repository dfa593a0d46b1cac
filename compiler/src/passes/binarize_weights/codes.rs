//! Which values take two values only, and which sign stands behind them.

use std::collections::HashMap;

use crate::exact::Affine;
use crate::ir::{Node, Op, Unary, ValueId, Zero};
use crate::passes::merge_affine::uniform;
use crate::passes::rewrite::{NewNode, Rewriter, repeat};

/// A value `scale * sign + shift`.
#[derive(Clone, Debug)]
pub(super) struct Code {
    /// Of the same shape; every element is -1 or +1.
    pub(super) sign: ValueId,
    /// Never 0.
    pub(super) scale: f64,
    pub(super) shift: f64,
    /// Names of the Sign nodes behind it that leave 0 at 0.
    pub(super) zero_signs: Vec<String>,
}

impl Code {
    fn is_plain(&self) -> bool {
        self.scale == 1.0 && self.shift == 0.0
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
    pub(super) fn rule(&mut self, rewriter: &mut Rewriter<'_>, node: Node) {
        let output = node.output;
        match &node.op {
            Op::Sign(zero) => {
                let zero_signs = if *zero == Zero::Zero { vec![node.name.clone()] } else { Vec::new() };
                self.0.insert(output, Code { sign: output, scale: 1.0, shift: 0.0, zero_signs });
                rewriter.keep(node);
            }
            Op::Affine { .. } | Op::Unary(Unary::Neg) => {
                let map = match &node.op {
                    Op::Affine { maps, .. } => uniform(maps).map(|m| (m.scale(), m.shift())),
                    _ => Some((-1.0, 0.0)),
                };
                if let (Some((scale, shift)), Some(code)) = (map, self.0.get(&node.inputs[0]))
                    && scale != 0.0
                {
                    let (sign, zero_signs) = (code.sign, code.zero_signs.clone());
                    let (scale, shift) = (scale * code.scale, scale * code.shift + shift);
                    self.0.insert(output, Code { sign, scale, shift, zero_signs });
                }
                rewriter.keep(node);
            }
            _ => match self.moved(rewriter, &node) {
                Some((op, inputs, code)) => self.moved_signs(rewriter, node, op, inputs, code),
                None => rewriter.keep(node),
            },
        }
    }

    /// An operator that only moves elements: what it does to the signs, and the code of its operands.
    fn moved(&self, rewriter: &Rewriter<'_>, node: &Node) -> Option<(Op, Vec<ValueId>, Code)> {
        let code = node.inputs.iter().find_map(|v| self.0.get(v))?;
        match &node.op {
            // The maximum of a falling code is the minimum of the signs.
            Op::MaxPool { .. } if code.scale < 0.0 => None,
            Op::MaxPool { .. } | Op::Reshape | Op::Transpose(_) | Op::Slice { .. } | Op::Expand => {
                Some((node.op.clone(), vec![code.sign], code.clone()))
            }
            Op::Gather { .. } => {
                let code = self.0.get(&node.inputs[0])?;
                Some((node.op.clone(), vec![code.sign, node.inputs[1]], code.clone()))
            }
            Op::Pad { before, after, value } => {
                let value = (f64::from(*value) - code.shift) / code.scale;
                let op = Op::Pad { before: before.clone(), after: after.clone(), value: value as f32 };
                ((value.abs() - 1.0).abs() == 0.0).then(|| (op, vec![code.sign], code.clone()))
            }
            Op::Concat { .. } => {
                let mut all = Code { zero_signs: Vec::new(), ..code.clone() };
                let mut signs = Vec::with_capacity(node.inputs.len());
                for v in &node.inputs {
                    match self.0.get(v) {
                        Some(c) if (c.scale, c.shift) == (code.scale, code.shift) => {
                            signs.push(c.sign);
                            all.zero_signs.extend(c.zero_signs.iter().cloned());
                        }
                        None if code.is_plain() && rewriter.floats(*v)?.1.iter().all(|x| x.abs() == 1.0) => {
                            signs.push(*v)
                        }
                        _ => return None,
                    }
                }
                Some((node.op.clone(), signs, all))
            }
            _ => None,
        }
    }

    fn moved_signs(&mut self, rewriter: &mut Rewriter<'_>, node: Node, op: Op, inputs: Vec<ValueId>, code: Code) {
        let output = node.output;
        if code.is_plain() {
            self.0.insert(output, Code { sign: output, ..code });
            let same = op == node.op && inputs == node.inputs;
            return if same { rewriter.keep(node) } else { rewriter.change(Node { op, inputs, ..node }) };
        }
        let shape = rewriter.graph.shape(output).to_vec();
        let Some(axis) = shape.len().checked_sub(1) else { return rewriter.keep(node) };
        let parts = node.parts.clone();
        let sign =
            rewriter.emit(NewNode { op, inputs, like: output, suffix: "sign", shape: &shape, origin: None, parts });
        let maps = repeat(&Affine::linear(code.scale as f32, code.shift as f32), shape[axis]);
        let op = Op::Affine { axis, maps };
        rewriter.change(Node { op, inputs: vec![sign], parts: Vec::new(), ..node });
        self.0.insert(output, Code { sign, ..code });
    }
}
