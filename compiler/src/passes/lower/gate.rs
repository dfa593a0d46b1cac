//! Gates: mean over the pixels, two small fully connected layers, a squashing function; recognised as a whole.
//!
//! What is affine before the first layer (the division by the number of pixels, a BatchNormalization) folds into its
//! weights, in f64: GAP(BN(x)) = BN(GAP(x)). So the gate needs nothing but the sums of x, which the block that computes
//! x collects.

use std::sync::Arc;

use super::Builder;
use crate::ir::network::{Block, Dense, Gate};
use crate::ir::{Binary, Op, Part, ValueId};

/// A fully connected layer in f64, while things are folded into it.
struct Layer {
    node: usize,
    inputs: usize,
    /// `[outputs][inputs]`
    weights: Vec<f64>,
    bias: Vec<f64>,
}

impl Layer {
    /// Takes in `scale * x + shift` before the layer.
    fn fold_before(&mut self, maps: &[(f64, f64)]) {
        for (row, bias) in self.weights.chunks_mut(self.inputs).zip(&mut self.bias) {
            for (weight, (scale, shift)) in row.iter_mut().zip(maps) {
                *bias += *weight * shift;
                *weight *= scale;
            }
        }
    }

    /// Takes in `scale * x + shift` behind the layer.
    fn fold_behind(&mut self, maps: &[(f64, f64)]) {
        for ((row, bias), (scale, shift)) in self.weights.chunks_mut(self.inputs).zip(&mut self.bias).zip(maps) {
            row.iter_mut().for_each(|weight| *weight *= scale);
            *bias = *bias * scale + shift;
        }
    }

    fn dense(&self) -> Dense {
        Dense {
            inputs: self.inputs,
            outputs: self.bias.len(),
            weights: Arc::new(self.weights.iter().map(|&w| w as f32).collect()),
            bias: Arc::new(self.bias.iter().map(|&b| b as f32).collect()),
        }
    }
}

impl Builder<'_> {
    /// Makes a block of every gate there is.
    pub(super) fn gates(&mut self) {
        for i in self.facts.live() {
            let node = self.facts.node(i);
            if node.op != Op::Binary(Binary::Mul) {
                continue;
            }
            for &operand in &node.inputs {
                let shape = self.graph.shape(operand);
                if matches!(shape, [_, 1, 1, _]) && shape != self.graph.shape(node.output) {
                    self.gate(operand);
                }
            }
        }
    }

    /// Recognises the gate behind one vector per image. Everything else goes the general way.
    fn gate(&mut self, vector: ValueId) -> Option<()> {
        let mut nodes = Vec::new();
        let mut v = self.skip_reshapes(vector, &mut nodes, true)?;
        let squash = self.behind(v, &mut nodes, v == vector)?;
        let squash_function = self.activation_of(squash)?;
        v = self.facts.node(squash).inputs[0];
        let second = self.layer(&mut v, &mut nodes)?;
        let hidden = self.behind(v, &mut nodes, false)?;
        let hidden_function = self.activation_of(hidden)?;
        v = self.facts.node(hidden).inputs[0];
        let mut first = self.layer(&mut v, &mut nodes)?;
        if let Some(maps) = self.affine_behind(&mut v, &mut nodes) {
            first.fold_before(&maps);
        }
        v = self.skip_reshapes(v, &mut nodes, false)?;
        let mean = self.behind(v, &mut nodes, false).filter(|&i| self.facts.is_global_mean(i))?;
        let (value, maps) = self.before_mean(self.facts.node(mean).inputs[0]);
        if let Some(maps) = maps {
            first.fold_before(&maps);
        }
        let [_, h, w, channels] = self.facts.view(value);
        if first.inputs != channels {
            return None;
        }
        first.fold_before(&vec![(1.0 / (h * w) as f64, 0.0); channels]);

        let mut parts = vec![Part::from("GlobalAveragePool")];
        for i in [first.node, hidden, second.node, squash] {
            parts.extend(super::parts::of(self.facts.node(i)));
        }
        let name = self.facts.node(first.node).name.clone();
        let body = Gate {
            sums: self.sums(value),
            first: first.dense(),
            hidden: hidden_function,
            second: second.dense(),
            squash: squash_function,
            output: self.dense(vector),
        }
        .into();
        self.add_draft(Block { name, body, parts, reason: None }, &nodes);
        Some(())
    }

    /// The producer of a value that nobody else uses (the gate's own vector may have several users).
    fn behind(&self, v: ValueId, nodes: &mut Vec<usize>, shared: bool) -> Option<usize> {
        let producer = self.facts.producer(v).filter(|&p| self.owner[p].is_none())?;
        if !shared {
            self.facts.only_user(v)?;
        }
        nodes.push(producer);
        Some(producer)
    }

    fn skip_reshapes(&self, v: ValueId, nodes: &mut Vec<usize>, mut shared: bool) -> Option<ValueId> {
        let mut v = v;
        while let Some(p) = self.facts.producer(v).filter(|&p| self.facts.is_same_view(p)) {
            self.behind(v, nodes, shared)?;
            shared = false;
            v = self.facts.node(p).inputs[0];
        }
        Some(v)
    }

    /// (scale, shift) per channel of an affine map, or of the addition of a constant, before `v`.
    fn affine_behind(&self, v: &mut ValueId, nodes: &mut Vec<usize>) -> Option<Vec<(f64, f64)>> {
        let p = self.facts.producer(*v)?;
        let node = self.facts.node(p);
        let (input, maps) = match &node.op {
            Op::Affine { maps, .. } if self.facts.is_pixelwise_affine(p) => {
                (node.inputs[0], maps.iter().map(|m| (m.scale(), m.shift())).collect())
            }
            Op::Binary(Binary::Add) => {
                let [a, b] = node.inputs[..] else { return None };
                let (input, constant) = if self.facts.is_constant(b) { (a, b) } else { (b, a) };
                let bias = self.per_channel(constant, *v).filter(|_| self.facts.view(input) == self.facts.view(*v))?;
                (input, bias.iter().map(|&b| (1.0, f64::from(b))).collect())
            }
            _ => return None,
        };
        self.behind(*v, nodes, false)?;
        *v = input;
        Some(maps)
    }

    /// A MatMul, or a 1x1 convolution of one pixel, with its bias.
    fn layer(&self, v: &mut ValueId, nodes: &mut Vec<usize>) -> Option<Layer> {
        *v = self.skip_reshapes(*v, nodes, false)?;
        let maps = self.affine_behind(v, nodes);
        *v = self.skip_reshapes(*v, nodes, false)?;
        let i = self.behind(*v, nodes, false)?;
        let node = self.facts.node(i);
        let weights = self.graph.constant(*node.inputs.get(1)?)?;
        let data: Vec<f64> = weights.to_f32().into_iter().map(f64::from).collect();
        let (inputs, outputs, weights) = match (&node.op, &weights.shape[..]) {
            (Op::MatMul, &[k, m]) => (k, m, (0..m * k).map(|at| data[at % k * m + at / k]).collect()),
            (Op::Conv { window, groups: 1, .. }, &[o, c, 1, 1]) if window.pads == [0; 4] => (c, o, data),
            _ => return None,
        };
        let [_, h, w, _] = self.facts.view(node.inputs[0]);
        if (h, w) != (1, 1) {
            return None;
        }
        let bias = match node.inputs.get(2) {
            Some(bias) => self.graph.constant(*bias)?.to_f32().into_iter().map(f64::from).collect(),
            None => vec![0.0; outputs],
        };
        let mut layer = Layer { node: i, inputs, weights, bias };
        if let Some(maps) = maps {
            layer.fold_behind(&maps);
        }
        *v = node.inputs[0];
        Some(layer)
    }
}
