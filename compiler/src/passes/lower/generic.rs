//! Blocks of one operator: what moves elements, and what works on whole tensors.

use super::Builder;
use super::parts;
use crate::ir::network::{Block, Body, Move, Piece, TensorId, Whole};
use crate::ir::{Binary, DType, Op, Tensor, ValueId, broadcast_strides, strides};
use crate::ops;

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

/// Runs of one step and length whose first indices have one step between them, too, as an enlarged picture reads its rows.
struct Run {
    first: usize,
    /// Runs, and from one's first index to the next's.
    count: usize,
    apart: isize,
    /// Indices of one, and from one to the next.
    len: usize,
    step: isize,
}

fn runs_of_runs(indices: &[usize]) -> Vec<Run> {
    let mut all: Vec<Run> = Vec::new();
    for (first, step, len) in runs(indices) {
        if let Some(last) = all.last_mut().filter(|last| (last.len, last.step) == (len, step)) {
            let gap = first as isize - (last.first as isize + last.apart * (last.count as isize - 1));
            if last.count == 1 || gap == last.apart {
                (last.apart, last.count) = (gap, last.count + 1);
                continue;
            }
        }
        all.push(Run { first, count: 1, apart: 0, len, step });
    }
    all
}

impl Builder<'_> {
    /// A block that is no more than one operator.
    pub(super) fn generic(&mut self, i: usize) {
        let node = self.facts.node(i);
        let shape = self.graph.shape(node.output).to_vec();
        let x = node.inputs[0];
        match &node.op {
            Op::Reshape => self.reshape(i),
            Op::Cast(_) if self.is_conversion(i) => self.reshape(i),
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
            Op::Affine { axis, maps } => {
                let mut along = vec![1; shape.len()];
                along[*axis] = maps.len();
                let scale = Tensor::f32(along.clone(), maps.iter().map(|m| m.scale() as f32).collect());
                let shift = Tensor::f32(along, maps.iter().map(|m| m.shift() as f32).collect());
                let scaled = self.temporary(i, "scaled");
                let (x, output) = (self.dense(x), self.dense(node.output));
                let scale = self.constant_tensor(&format!("{}.scale", node.name), &scale);
                let shift = self.constant_tensor(&format!("{}.shift", node.name), &shift);
                self.binary_whole(i, Binary::Mul, [x, scale], scaled);
                self.binary_whole(i, Binary::Add, [scaled, shift], output);
            }
            Op::MatMul => self.matmul(i),
            op if ops::of(op).whole().is_some() => self.whole(i),
            Op::Cast(_) => self.refuse(i, "this conversion is only supported on values known at compile time"),
            Op::ScatterNd => self.refuse(i, "only supported on values known at compile time"),
            // The others always have a form of their own.
            _ => self.refuse(i, "not supported on these operands"),
        }
    }

    /// A block that stands for a node alone.
    fn single(&mut self, i: usize, body: impl Into<Body>) {
        let node = self.facts.node(i);
        let (parts, reason) = (parts::of(node), node.reason.clone());
        self.add_draft(Block { name: node.name.clone(), body: body.into(), parts, reason }, &[i]);
    }

    /// The node itself, on whole tensors.
    fn whole(&mut self, i: usize) {
        let node = self.facts.node(i);
        let inputs = node.inputs.iter().map(|&v| self.dense(v)).collect();
        let output = self.dense(node.output);
        self.single(i, Whole { op: node.op.clone(), inputs, output });
    }

    fn binary_whole(&mut self, i: usize, function: Binary, inputs: [TensorId; 2], output: TensorId) {
        self.single(i, Whole { op: Op::Binary(function), inputs: inputs.to_vec(), output });
    }

    fn copy(&mut self, i: usize, fill: Option<f32>, pieces: Vec<Piece>) {
        let output = self.dense(self.facts.node(i).output);
        self.single(i, Move::Copy { fill, pieces, output });
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
        let [from, to] = [input, output].map(|id| self.network.tensor(id).integer());
        // Integers that are not 64 bits wide are seen by nothing else.
        if from == to && from.is_none_or(|dtype| dtype == DType::I64) {
            self.single(i, Move::Reshape { input, output });
        } else {
            self.single(i, Move::Convert { input, output });
        }
    }

    /// Whether a cast is one between the caller's integers, or an index, and floats that hold them.
    pub(super) fn is_conversion(&self, i: usize) -> bool {
        let node = self.facts.node(i);
        [node.inputs[0], node.output].iter().any(|&v| self.graph.value(v).dtype.is_integer())
    }

    fn gather(&mut self, i: usize, axis: usize) {
        let node = self.facts.node(i);
        if let Some(table) = self.graph.constant(node.inputs[0]).filter(|_| !self.facts.is_constant(node.inputs[1])) {
            let shape = &table.shape;
            let (outer, inner): (usize, usize) = (shape[..axis].iter().product(), shape[axis + 1..].iter().product());
            let (extents, table) = ([outer, shape[axis], inner], std::sync::Arc::new(table.to_f32()));
            let (rows, output) = (self.dense(node.inputs[1]), self.dense(node.output));
            return self.single(i, Move::Lookup { rows, table, extents, output });
        }
        let Some(indices) = self.graph.constant(node.inputs[1]).and_then(|t| t.as_i64().map(<[i64]>::to_vec)) else {
            return self.whole(i);
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
        for Run { first, count, apart, len, step } in runs_of_runs(&indices) {
            let line = inner as isize;
            pieces.push(Piece {
                input,
                input_offset: first * inner,
                input_strides: vec![extent as isize * line, apart * line, step * line, 1],
                output_offset: written * inner,
                output_strides: vec![indices.len() * inner, len * inner, inner, 1],
                extents: vec![outer, count, len, inner],
            });
            written += count * len;
        }
        self.copy(i, None, pieces);
    }

    fn temporary(&mut self, i: usize, what: &str) -> TensorId {
        let node = self.facts.node(i);
        let shape = self.graph.shape(node.output).to_vec();
        let storage = crate::ir::network::Storage::Dense(crate::ir::DType::F32);
        self.new_tensor(&format!("{}.{what}", node.name), shape, storage, None)
    }

    fn matmul(&mut self, i: usize) {
        let node = self.facts.node(i);
        let (a, b) = (node.inputs[0], node.inputs[1]);
        let shape = self.graph.shape(node.output);
        let (a_shape, b_shape) = (self.graph.shape(a), self.graph.shape(b));
        let ([a_batch @ .., _, _], [b_batch @ .., _, _]) = (a_shape, b_shape) else {
            return self.refuse(i, "one operand is a vector");
        };
        let batch: usize = shape[..shape.len() - 2].iter().product();
        let fits = |own: &[usize]| [1, batch].contains(&own.iter().product());
        if !fits(a_batch) || !fits(b_batch) {
            return self.refuse(i, "one operand's batch is broadcast in part");
        }
        self.whole(i);
    }
}
