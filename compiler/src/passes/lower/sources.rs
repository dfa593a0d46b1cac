//! Operators that start a block.

use std::sync::Arc;

use super::geometry::{pointwise, whole_image, windowed};
use super::thresholds::Piecewise;
use super::{Builder, Item, generic, parts};
use crate::ir::network::{
    BinaryWeights, BitPadding, Block, Body, Geometry, Interval, Move, Pool, PoolKind, Products, Source, Step, Storage,
    TensorId,
};
use crate::ir::{DType, Node, Op, Part, Unary, ValueId, Window};

/// Channels of an image that a convolution reads plane by plane: those of a picture, with transparency.
const PLANES: usize = 4;

impl Builder<'_> {
    /// Makes a node, which no block has taken in, a block of its own.
    pub(super) fn start_block(&mut self, i: usize) {
        let node = self.facts.node(i);
        match &node.op {
            Op::BinaryConv { .. } | Op::BinaryMatMul { .. } => self.binary(i),
            Op::Conv { window, groups, .. } => self.real_conv(i, window, *groups),
            Op::MatMul if self.graph.constant(node.inputs[1]).is_some_and(|w| w.shape.len() == 2) => {
                self.real_matmul(i)
            }
            _ if self.facts.is_global_mean(i) => self.global_mean(i),
            Op::MaxPool { window, .. } if self.is_bit_pool(i) => self.bit_pool(i, window),
            Op::Concat { .. } if self.is_bit_join(i) => self.bit_join(i),
            Op::Binary(_) if self.facts.multiplies_signs(i) => self.bit_product(i),
            Op::MaxPool { window, .. } => {
                let (input, geometry) = (self.dense(node.inputs[0]), self.pool_geometry(i, window));
                self.start(i, Source::MaxPool { input, geometry });
            }
            Op::AveragePool { .. } => {
                let input = self.dense(node.inputs[0]);
                if let Some(Pool { kind: PoolKind::Average { count_include_pad }, geometry }) = self.real_pool(i) {
                    self.start(i, Source::AveragePool { input, geometry, count_include_pad });
                }
            }
            _ => self.element_wise(i),
        }
    }

    /// A block around a source, and what follows it.
    fn start(&mut self, i: usize, source: Source) -> usize {
        let node = self.facts.node(i);
        let draft = self.open(i, source, parts::of(node));
        self.grow(draft, node.output);
        draft
    }

    pub(super) fn open(&mut self, i: usize, body: impl Into<Body>, parts: Vec<Part>) -> usize {
        let node = self.facts.node(i);
        self.add_draft(Block { name: node.name.clone(), body: body.into(), parts, reason: node.reason.clone() }, &[i])
    }

    fn binary(&mut self, i: usize) {
        let node = self.facts.node(i);
        let operand = self.binary_operand(i);
        let (input, output) = (self.graph.shape(operand), self.graph.shape(node.output));
        let outputs = self.facts.view(node.output)[3];
        let mut padding = BitPadding::Zero;
        let (geometry, weights) = match &node.op {
            Op::BinaryConv { window, groups, weights } => {
                padding = match window.pad_value {
                    v if v > 0.0 => BitPadding::Plus,
                    v if v < 0.0 => BitPadding::Minus,
                    _ => BitPadding::Zero,
                };
                (windowed(window, *groups, input, output), weights.clone())
            }
            Op::BinaryMatMul { weights } if operand != node.inputs[0] => {
                let geometry = whole_image(input, outputs);
                let channels_first = self.facts.flatten(i).is_some_and(|f| f.channels_first);
                (geometry, if channels_first { channels_last(weights, &geometry) } else { weights.clone() })
            }
            Op::BinaryMatMul { weights } => (pointwise(input, outputs), weights.clone()),
            _ => return,
        };
        let mut words = self.before_sign(operand);
        words.extend(parts::of(node));
        let source = Source::BinaryConv { input: self.bits_read[&(i, 0)], geometry, weights, padding };
        let draft = self.open(i, source, words);
        if !self.collapse(draft, node.output, &geometry) {
            self.grow(draft, node.output);
        }
    }

    /// The operators that make the bits a binary layer reads: they are its own, although computed in another's tile.
    fn before_sign(&self, operand: ValueId) -> Vec<Part> {
        let mut words = Vec::new();
        let mut source = self.bit_source(operand).and_then(|v| self.facts.producer(v));
        // Of several that are joined, or multiplied, the first stands for all.
        let moves = |p: &usize| self.is_bit_pool(*p) || self.is_bit_join(*p) || self.facts.multiplies_signs(*p);
        while let Some(pool) = source.filter(moves) {
            source = self.bit_source(self.facts.node(pool).inputs[0]).and_then(|v| self.facts.producer(v));
        }
        let Some(sign) = source.filter(|&s| matches!(self.facts.node(s).op, Op::Sign(_))) else { return words };
        if let Some(affine) = self.facts.producer(self.facts.node(sign).inputs[0])
            && self.facts.is_folded_affine(affine)
        {
            words.extend(parts::affine(self.facts.node(affine), true, true));
        }
        words.push("Sign".into());
        words
    }

    /// Where a binary layer ends in nothing but signs, its integers are compared as they are.
    fn collapse(&mut self, draft: usize, dot: ValueId, geometry: &Geometry) -> bool {
        let channels = geometry.output[2];
        let k = geometry.kernel[0] * geometry.kernel[1] * geometry.input[2] / geometry.groups;
        let Some(identity) = Piecewise::identity(k) else { return false };
        let mut functions = vec![identity; channels];
        let (mut v, mut nodes, mut words) = (dot, Vec::new(), Vec::new());
        loop {
            let users = self.facts.users(v);
            let is_sign = |&u: &usize| matches!(self.facts.node(u).op, Op::Sign(_));
            if !users.is_empty() && users.iter().all(is_sign) && !self.facts.is_output(v) {
                break;
            }
            let Some(u) = self.facts.only_user(v) else { return false };
            let node = self.facts.node(u);
            let applied: Option<Vec<Piecewise>> = match &node.op {
                Op::Affine { maps, .. } if self.facts.is_pixelwise_affine(u) => {
                    words.extend(parts::affine(node, true, true));
                    functions.iter().zip(maps.iter()).map(|(f, map)| f.affine(map)).collect()
                }
                Op::Unary(function) => {
                    words.push(function.name().into());
                    functions.iter().map(|f| f.unary(*function)).collect()
                }
                Op::PRelu if node.inputs[0] == v => {
                    words.push("PRelu".into());
                    self.per_channel(node.inputs[1], v)
                        .and_then(|slopes| functions.iter().zip(slopes).map(|(f, slope)| f.prelu(slope)).collect())
                }
                Op::Reshape | Op::Transpose(_) if self.facts.is_same_view(u) => Some(functions.clone()),
                _ => None,
            };
            let Some(applied) = applied.filter(|_| self.facts.view(node.output) == self.facts.view(dot)) else {
                return false;
            };
            functions = applied;
            nodes.push(u);
            v = node.output;
        }
        // All signs of this value, each with its rule for zero, and only if all are wanted as bits.
        let mut packs = Vec::new();
        for &sign in self.facts.users(v) {
            let node = self.facts.node(sign);
            let Op::Sign(zero) = node.op else { return false };
            let intervals: Option<Vec<Interval>> = functions.iter().map(|f| f.interval(zero)).collect();
            let Some(intervals) = intervals.filter(|_| self.facts.is_bits_only(node.output)) else { return false };
            packs.push((sign, Arc::new(intervals)));
        }
        for (sign, intervals) in packs {
            let compared = self.decided_on(sign);
            // The tensors were planned on the value before the sign; they are packed from the integers instead.
            let ids = self.sign_bits.remove(&sign).unwrap_or_default();
            if let Some(list) = self.packs.get_mut(&compared) {
                list.retain(|pack| !ids.contains(&pack.bits));
            }
            for bits in ids {
                let step = Step::Sign { bits, intervals: intervals.clone() };
                self.drafts[draft].items.push(Item::Step(step));
            }
        }
        for &node in &nodes {
            self.owner[node] = Some(draft);
        }
        self.drafts[draft].nodes.extend(nodes);
        // A BatchNormalization directly before the sign is named by the layer that reads the bits.
        let last = self.facts.producer(v);
        if last.is_some_and(|p| self.facts.is_folded_affine(p)) {
            let named = last.map_or(0, |p| parts::affine(self.facts.node(p), true, true).len());
            words.truncate(words.len() - named);
        }
        self.drafts[draft].block.parts.extend(words);
        true
    }

    fn real_conv(&mut self, i: usize, window: &Window, groups: usize) {
        let node = self.facts.node(i);
        let Some(weights) = self.graph.constant(node.inputs[1]) else {
            return self.refuse(i, "the weights are computed at run time");
        };
        let mut geometry = windowed(window, groups, self.graph.shape(node.inputs[0]), self.graph.shape(node.output));
        let [o, per_group, kh, kw] = weights.shape[..] else {
            return self.refuse(i, "the weights are not [O, I, kh, kw]");
        };
        // [O][I][kh][kw] to [O][kh][kw][I]
        let (data, taps) = (weights.to_f32(), kh * kw);
        let mut reordered = Vec::with_capacity(data.len());
        for filter in data.chunks(per_group * taps).take(o) {
            for tap in 0..taps {
                reordered.extend((0..per_group).map(|c| filter[c * taps + tap]));
            }
        }
        let few = self.facts.view(node.inputs[0])[3] <= PLANES;
        let planes = self.planes(node.inputs[0]).filter(|_| few && groups == 1 && window.pad_value == 0.0);
        let mut input = self.dense(planes.unwrap_or(node.inputs[0]));
        if window.pad_value != 0.0 && window.pads != [0; 4] {
            input = self.padded(node, input, window, &mut geometry);
        }
        let (planar, products) = (planes.is_some(), Products::F32);
        let source = Source::RealConv { input, planar, geometry, weights: Arc::new(reordered), products };
        let draft = self.open(i, source, parts::of(node));
        if let Some(bias) = node.inputs.get(2) {
            let Some(bias) = self.graph.constant(*bias) else {
                return self.refuse(i, "the bias is computed at run time");
            };
            self.drafts[draft].items.push(Item::Step(Step::Shift(Arc::new(bias.to_f32()))));
        }
        self.grow(draft, node.output);
    }

    /// The value, `[n, c, h, w]`, that a transposition makes channels last.
    fn planes(&self, v: ValueId) -> Option<ValueId> {
        let node = self.facts.node(self.facts.producer(v)?);
        matches!(&node.op, Op::Transpose(perm) if perm[..] == [0, 2, 3, 1]).then(|| node.inputs[0])
    }

    /// The source of steps alone on a value; from its planes, where nobody else needs them transposed.
    pub(super) fn map(&mut self, v: ValueId) -> Source {
        match self.planes(v).filter(|_| self.facts.users(v).len() == 1 && !self.facts.is_output(v)) {
            Some(planes) => Source::Planes { input: self.dense(planes) },
            None => Source::Map { input: self.dense(v) },
        }
    }

    /// Real-valued convolutions pad with zeros: any other padding is written out.
    fn padded(&mut self, node: &Node, input: TensorId, window: &Window, geometry: &mut Geometry) -> TensorId {
        let [h, w, c] = geometry.input;
        let [top, left, bottom, right] = window.pads;
        let (rows, columns) = (h + top + bottom, w + left + right);
        let shape = vec![geometry.n, rows, columns, c];
        let output = self.new_tensor(&format!("{}.padded", node.name), shape, Storage::Dense(DType::F32), None);
        let piece = generic::placed(&[geometry.n, h, w, c], input, &[geometry.n, rows, columns, c], &[0, top, left, 0]);
        let body = Move::Copy { fill: Some(window.pad_value), pieces: vec![piece], output }.into();
        let reason = Some(format!("real-valued, padded with {}", window.pad_value));
        self.add_draft(Block { name: format!("{}.pad", node.name), body, parts: vec![Part::Pad], reason }, &[]);
        *geometry = Geometry { input: [rows, columns, c], pads: [0, 0], ..*geometry };
        output
    }

    fn real_matmul(&mut self, i: usize) {
        let node = self.facts.node(i);
        let Some(weights) = self.graph.constant(node.inputs[1]) else { return };
        let [k, m] = weights.shape[..] else { return };
        let data = weights.to_f32();
        let transposed: Vec<f32> = (0..m * k).map(|at| data[at % k * m + at / k]).collect();
        let input = self.dense(node.inputs[0]);
        let geometry = pointwise(self.graph.shape(node.inputs[0]), m);
        let (planar, products) = (false, Products::F32);
        self.start(i, Source::RealConv { input, planar, geometry, weights: Arc::new(transposed), products });
    }

    /// What a node is as a pool of real values; `None` where it is none, or the mean over the whole image, which is a sum.
    pub(super) fn real_pool(&self, i: usize) -> Option<Pool> {
        match &self.facts.node(i).op {
            Op::MaxPool { window, .. } if !self.is_bit_pool(i) => {
                Some(Pool { kind: PoolKind::Max, geometry: self.pool_geometry(i, window) })
            }
            Op::AveragePool { window, count_include_pad, ceil_extra, .. } if !self.facts.is_global_mean(i) => {
                // What `ceil_mode` adds never counts.
                let counted = |side: usize| window.pads[2 + side].saturating_sub(ceil_extra[side]);
                let count_include_pad = count_include_pad.then(|| [counted(0), counted(1)]);
                let kind = PoolKind::Average { count_include_pad };
                Some(Pool { kind, geometry: self.pool_geometry(i, window) })
            }
            _ => None,
        }
    }

    fn pool_geometry(&self, i: usize, window: &Window) -> Geometry {
        let node = self.facts.node(i);
        let channels = self.facts.view(node.inputs[0])[3];
        windowed(window, channels, self.graph.shape(node.inputs[0]), self.graph.shape(node.output))
    }

    fn bit_pool(&mut self, i: usize, window: &Window) {
        let geometry = self.pool_geometry(i, window);
        let input = self.bits_read[&(i, 0)];
        for output in self.bits_moved.get(&i).cloned().unwrap_or_default() {
            self.open(i, Move::BitMaxPool { input, output, geometry }, vec!["MaxPool".into()]);
        }
    }

    fn bit_join(&mut self, i: usize) {
        let inputs: Vec<TensorId> = (0..self.facts.node(i).inputs.len()).map(|k| self.bits_read[&(i, k)]).collect();
        for output in self.bits_moved.get(&i).cloned().unwrap_or_default() {
            self.open(i, Move::BitJoin { inputs: inputs.clone(), output }, vec!["Concat".into()]);
        }
    }

    fn bit_product(&mut self, i: usize) {
        let inputs: Vec<TensorId> = (0..self.facts.factors(i).len()).map(|k| self.bits_read[&(i, k)]).collect();
        for output in self.bits_moved.get(&i).cloned().unwrap_or_default() {
            self.open(i, Move::BitProduct { inputs: inputs.clone(), output }, vec!["Mul".into()]);
        }
    }

    /// The mean over all pixels: sums are collected where the value is computed, the rest is one vector per image.
    fn global_mean(&mut self, i: usize) {
        let node = self.facts.node(i);
        let (value, maps) = self.before_mean(node.inputs[0]);
        let [_, h, w, c] = self.facts.view(value);
        let pixels = (h * w) as f64;
        let scale: Vec<f32> = (0..c).map(|c| (maps.as_ref().map_or(1.0, |m| m[c].0) / pixels) as f32).collect();
        let shift: Vec<f32> = (0..c).map(|c| maps.as_ref().map_or(0.0, |m| m[c].1) as f32).collect();
        let input = self.sums(value);
        let draft = self.open(i, Source::Map { input }, vec!["GlobalAveragePool".into()]);
        let items = &mut self.drafts[draft].items;
        items.push(Item::Step(Step::Scale(Arc::new(scale))));
        if shift.iter().any(|&s| s != 0.0) {
            items.push(Item::Step(Step::Shift(Arc::new(shift))));
        }
        self.grow(draft, node.output);
    }

    /// The value whose mean is taken, before an affine map: (scale, shift) per channel then follows the mean.
    pub(super) fn before_mean(&self, v: ValueId) -> (ValueId, Option<Vec<(f64, f64)>>) {
        if let Some(p) = self.facts.producer(v) {
            let node = self.facts.node(p);
            if let (Op::Affine { maps, .. }, true) = (&node.op, self.facts.is_pixelwise_affine(p)) {
                return (node.inputs[0], Some(maps.iter().map(|m| (m.scale(), m.shift())).collect()));
            }
        }
        (v, None)
    }

    /// Element-wise operators on a value that is in memory.
    fn element_wise(&mut self, i: usize) {
        if let Some(&late) = self.late.get(&i) {
            return self.late_product(i, late);
        }
        let node = self.facts.node(i);
        let mut operands = node.inputs.clone();
        if matches!(node.op, Op::Sign(_)) {
            operands = vec![self.decided_on(i)];
        }
        operands.retain(|&v| !self.facts.is_constant(v) || operands_all_constant(self, node));
        let found = operands.iter().find_map(|&v| Some((v, self.continuation(i, v)?)));
        let is_step = !matches!(node.op, Op::Reshape | Op::Transpose(_)) && !self.is_conversion(i);
        let Some((v, next)) = found.filter(|_| is_step) else { return self.generic(i) };
        let source = self.map(v);
        let shared = self.facts.users(v).len() > 1 || self.facts.is_output(v);
        let reason = self.refused.remove(&i).or_else(|| {
            let name = &self.graph.value(v).name;
            (shared && self.facts.producer(v).is_some()).then(|| format!("\"{name}\" has other users as well"))
        });
        let draft = self.open(i, source, vec![]);
        if self.drafts[draft].block.reason.is_none() {
            self.drafts[draft].block.reason = reason;
        }
        self.take_in(draft, next);
        self.grow(draft, node.output);
    }

    /// The activation of a gate's layer, from a node. (A PReLU, whose slopes differ, makes of the gate ordinary layers.)
    pub(super) fn activation_of(&self, i: usize) -> Option<Unary> {
        match self.facts.node(i).op {
            Op::Unary(function) if function.takes_floats() => Some(function),
            _ => None,
        }
    }
}

fn operands_all_constant(builder: &Builder<'_>, node: &Node) -> bool {
    node.inputs.iter().all(|&v| builder.facts.is_constant(v))
}

/// Weights of a layer behind a flattened `c, h, w` image, in the order `[O][h][w][c]`.
fn channels_last(weights: &BinaryWeights, geometry: &Geometry) -> Arc<BinaryWeights> {
    let (taps, c) = (geometry.kernel[0] * geometry.kernel[1], geometry.input[2]);
    let signs = weights
        .signs
        .chunks(taps * c)
        .flat_map(|row| (0..taps * c).map(move |at| row[at % c * taps + at / c]))
        .collect();
    Arc::new(BinaryWeights { signs, ..weights.clone() })
}
