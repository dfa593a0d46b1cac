//! Operators without a block kind of their own: copies, broadcasts, reductions, products of two live tensors.

use super::Builder;
use super::parts;
use crate::ir::network::{Activation, Block, Core, Piece, Step, TensorId};
use crate::ir::{Binary, Op, Tensor, Unary, ValueId, broadcast_strides, strides};

fn signed(strides: &[usize]) -> Vec<isize> {
    strides.iter().map(|&s| s as isize).collect()
}

/// A copy of a whole tensor to the same place.
pub(super) fn whole(shape: &[usize], input: TensorId) -> Piece {
    placed(shape, input, shape, &vec![0; shape.len()])
}

/// A copy of a whole tensor into a larger one, from a corner on.
pub(super) fn placed(shape: &[usize], input: TensorId, result: &[usize], corner: &[usize]) -> Piece {
    let output_strides = strides(result);
    Piece {
        input,
        input_offset: 0,
        input_strides: signed(&strides(shape)),
        output_offset: corner.iter().zip(&output_strides).map(|(at, stride)| at * stride).sum(),
        output_strides,
        extents: shape.to_vec(),
    }
}

/// A run of indices with one step between them: first index, step, length.
fn runs(indices: &[usize]) -> Vec<(usize, isize, usize)> {
    let mut runs: Vec<(usize, isize, usize)> = Vec::new();
    for &index in indices {
        if let Some((first, step, len)) = runs.last_mut() {
            let last = *first as isize + *step * (*len as isize - 1);
            let gap = index as isize - last;
            if *len == 1 || gap == *step {
                (*step, *len) = (gap, *len + 1);
                continue;
            }
        }
        runs.push((index, 0, 1));
    }
    runs
}

impl Builder<'_> {
    /// A block that is no more than one operator.
    pub(super) fn generic(&mut self, i: usize) {
        let node = self.facts.node(i);
        let shape = self.graph.shape(node.output).to_vec();
        let x = node.inputs[0];
        match &node.op {
            Op::Reshape => self.reshape(i),
            Op::Transpose(_) | Op::Slice { .. } | Op::Expand => {
                let Some((offset, strides)) = self.strided_view(i) else { return };
                self.strided(i, offset, strides, shape);
            }
            Op::Pad { before, value, .. } => {
                let piece = self.piece(x, &shape, before);
                self.copy(i, Some(*value), vec![piece]);
            }
            Op::Concat { axis } => {
                let mut corner = vec![0; shape.len()];
                let mut pieces = Vec::new();
                for &part in &node.inputs {
                    pieces.push(self.piece(part, &shape, &corner));
                    corner[*axis] += self.graph.shape(part)[*axis];
                }
                self.copy(i, None, pieces);
            }
            Op::Gather { axis } => self.gather(i, *axis),
            Op::Binary(function) => {
                let (a, b) = (node.inputs[0], node.inputs[1]);
                let output = self.dense(node.output);
                let (a, b) = (self.broadcast_operand(a, &shape), self.broadcast_operand(b, &shape));
                self.single(i, Core::Broadcast { function: *function, a, b, output });
            }
            Op::Where => self.choose(i),
            Op::Affine { axis, maps } => {
                let mut along = vec![1; shape.len()];
                along[*axis] = maps.len();
                let scale = Tensor::f32(along.clone(), maps.iter().map(|m| m.scale() as f32).collect());
                let shift = Tensor::f32(along, maps.iter().map(|m| m.shift() as f32).collect());
                let scaled = self.temporary(i, "scaled");
                let (x, output) = (self.broadcast_operand(x, &shape), self.dense(node.output));
                let along = broadcast_strides(&scale.shape, &shape).expect("one per channel");
                let scale = self.constant_tensor(&format!("{}.scale", node.name), &scale);
                let shift = self.constant_tensor(&format!("{}.shift", node.name), &shift);
                let own = strides(&shape);
                let function = Binary::Mul;
                self.single(i, Core::Broadcast { function, a: x, b: (scale, along.clone()), output: scaled });
                self.single(i, Core::Broadcast { function: Binary::Add, a: (scaled, own), b: (shift, along), output });
            }
            Op::Reduce { kind, axes, .. } => {
                let (input, output) = (self.dense(x), self.dense(node.output));
                self.single(i, Core::Reduce { kind: *kind, input, axes: axes.clone(), output });
            }
            Op::Softmax { axis, log } => {
                let (input, output) = (self.dense(x), self.dense(node.output));
                self.single(i, Core::Softmax { input, axis: *axis, log: *log, output });
            }
            Op::ArgMax { axis, last, .. } => {
                let (input, output) = (self.dense(x), self.dense(node.output));
                self.single(i, Core::ArgMax { input, axis: *axis, last: *last, output });
            }
            Op::MatMul => self.matmul(i),
            Op::PRelu => self.refuse(i, "the slope is neither one number nor one per channel"),
            Op::Cast(_) => self.refuse(i, "this conversion is only supported on values known at compile time"),
            Op::ScatterNd => self.refuse(i, "only supported on values known at compile time"),
            // The others always have a form of their own.
            _ => self.refuse(i, "not supported on these operands"),
        }
    }

    /// A block without steps.
    fn single(&mut self, i: usize, core: Core) {
        let node = self.facts.node(i);
        let parts = parts::of(node);
        let reason = node.reason.clone();
        self.add_draft(Block { name: node.name.clone(), core, steps: vec![], parts, reason }, &[i]);
    }

    fn copy(&mut self, i: usize, fill: Option<f32>, pieces: Vec<Piece>) {
        let output = self.dense(self.facts.node(i).output);
        self.single(i, Core::Copy { fill, pieces, output });
    }

    /// How a node that only rearranges its operand reads it: first element, strides over the axes of the result.
    fn strided_view(&self, i: usize) -> Option<(usize, Vec<isize>)> {
        let node = self.facts.node(i);
        let shape = self.graph.shape(*node.inputs.first()?);
        let own = strides(shape);
        match &node.op {
            Op::Transpose(perm) => Some((0, perm.iter().map(|&axis| own[axis] as isize).collect())),
            Op::Slice { starts, steps } => {
                let offset = starts.iter().zip(&own).map(|(start, stride)| start * stride).sum();
                Some((offset, steps.iter().zip(&own).map(|(step, &stride)| step * stride as isize).collect()))
            }
            Op::Expand => Some((0, signed(&broadcast_strides(shape, self.graph.shape(node.output))?))),
            _ => None,
        }
    }

    /// A whole value, from a corner of the result on. What was only rearranged before is read from its source.
    fn piece(&mut self, v: ValueId, result: &[usize], corner: &[usize]) -> Piece {
        let shape = self.graph.shape(v).to_vec();
        let rearranged = self.facts.producer(v).and_then(|p| Some((p, self.strided_view(p)?)));
        match rearranged {
            Some((p, (input_offset, input_strides))) => {
                let input = self.dense(self.facts.node(p).inputs[0]);
                Piece { input_offset, input_strides, ..placed(&shape, input, result, corner) }
            }
            None => placed(&shape, self.dense(v), result, corner),
        }
    }

    /// A copy whose output is filled in order.
    fn strided(&mut self, i: usize, input_offset: usize, input_strides: Vec<isize>, extents: Vec<usize>) {
        let input = self.dense(self.facts.node(i).inputs[0]);
        let output_strides = strides(&extents);
        let piece = Piece { input, input_offset, input_strides, output_offset: 0, output_strides, extents };
        self.copy(i, None, vec![piece]);
    }

    fn reshape(&mut self, i: usize) {
        let node = self.facts.node(i);
        let (x, y) = (node.inputs[0], node.output);
        let (input, output) = (self.dense(x), self.dense(y));
        self.single(i, Core::Reshape { input, output });
    }

    fn gather(&mut self, i: usize, axis: usize) {
        let node = self.facts.node(i);
        let Some(indices) = self.graph.constant(node.inputs[1]).and_then(|t| t.as_i64().map(<[i64]>::to_vec)) else {
            return self.refuse(i, "the indices are computed at run time");
        };
        let shape = self.graph.shape(node.inputs[0]).to_vec();
        let extent = shape[axis];
        let indices: Option<Vec<usize>> = indices
            .iter()
            .map(|&k| usize::try_from(if k < 0 { k + extent as i64 } else { k }).ok().filter(|&k| k < extent))
            .collect();
        let Some(indices) = indices else { return self.refuse(i, "an index is out of range") };
        let input = self.dense(node.inputs[0]);
        let (outer, inner): (usize, usize) = (shape[..axis].iter().product(), shape[axis + 1..].iter().product());
        let mut written = 0;
        let mut pieces = Vec::new();
        for (first, step, len) in runs(&indices) {
            pieces.push(Piece {
                input,
                input_offset: first * inner,
                input_strides: vec![(extent * inner) as isize, step * inner as isize, 1],
                output_offset: written * inner,
                output_strides: vec![indices.len() * inner, inner, 1],
                extents: vec![outer, len, inner],
            });
            written += len;
        }
        self.copy(i, None, pieces);
    }

    fn broadcast_operand(&mut self, v: ValueId, result: &[usize]) -> (TensorId, Vec<usize>) {
        let strides = broadcast_strides(self.graph.shape(v), result).expect("checked at import");
        (self.dense(v), strides)
    }

    fn temporary(&mut self, i: usize, what: &str) -> TensorId {
        let node = self.facts.node(i);
        let shape = self.graph.shape(node.output).to_vec();
        let storage = crate::ir::network::Storage::Dense(crate::ir::DType::F32);
        self.new_tensor(&format!("{}.{what}", node.name), shape, storage, None)
    }

    /// `c ? a : b` is `c * a + (1 - c) * b`, exactly, as long as all are finite.
    fn choose(&mut self, i: usize) {
        let node = self.facts.node(i);
        let (c, a, b) = (node.inputs[0], node.inputs[1], node.inputs[2]);
        let finite = |v: ValueId| self.graph.constant(v).is_none_or(|t| t.to_f32().iter().all(|x| x.is_finite()));
        if !finite(a) || !finite(b) {
            return self.refuse(i, "one of the choices is infinite or NaN");
        }
        let shape = self.graph.shape(node.output).to_vec();
        let own = strides(&shape);
        let condition = self.broadcast_operand(c, &shape);
        let (a, b) = (self.broadcast_operand(a, &shape), self.broadcast_operand(b, &shape));
        let negated_shape = self.graph.shape(c).to_vec();
        let storage = crate::ir::network::Storage::Dense(crate::ir::DType::F32);
        let negated = self.new_tensor(&format!("{}.not", node.name), negated_shape, storage, None);
        let (yes, no) = (self.temporary(i, "then"), self.temporary(i, "else"));
        let output = self.dense(node.output);
        let strides = condition.1.clone();
        let not = Block {
            name: format!("{}.not", node.name),
            core: Core::Map { input: condition.0 },
            steps: vec![],
            parts: vec!["Not".into()],
            reason: None,
        };
        let draft = self.add_draft(not, &[]);
        self.drafts[draft].items.extend([
            super::Item::Step(Step::Activation(Activation::Unary(Unary::Not))),
            super::Item::Step(Step::Store(negated)),
        ]);
        let function = Binary::Mul;
        self.single(i, Core::Broadcast { function, a: condition, b: a, output: yes });
        self.single(i, Core::Broadcast { function, a: (negated, strides), b, output: no });
        self.single(i, Core::Broadcast { function: Binary::Add, a: (yes, own.clone()), b: (no, own), output });
    }

    fn matmul(&mut self, i: usize) {
        let node = self.facts.node(i);
        let (a, b) = (node.inputs[0], node.inputs[1]);
        let shape = self.graph.shape(node.output);
        let (a_shape, b_shape) = (self.graph.shape(a), self.graph.shape(b));
        let (&[ref a_batch @ .., m, k], &[ref b_batch @ .., _, n]) = (a_shape, b_shape) else {
            return self.refuse(i, "one operand is a vector");
        };
        let batch_shape = &shape[..shape.len() - 2];
        let batch: usize = batch_shape.iter().product();
        let stride = |own: &[usize], matrix: usize| match own.iter().product::<usize>() {
            count if count == batch => Some(matrix),
            1 => Some(0),
            _ => None,
        };
        let (Some(stride_a), Some(stride_b)) = (stride(a_batch, m * k), stride(b_batch, k * n)) else {
            return self.refuse(i, "one operand's batch is broadcast in part");
        };
        let (a, b, output) = (self.dense(a), self.dense(b), self.dense(node.output));
        self.single(i, Core::MatMul { a, b, extents: [batch, m, k, n], batch_strides: [stride_a, stride_b], output });
    }
}
