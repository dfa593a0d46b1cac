//! What every pass shares: one walk over the graph in topological order, in which each node is kept, changed or
//! replaced by a value that equals its result.
//!
//! A rule looks *up*, at producers that are already in their final form, so that a single walk carries a rewrite from
//! the inputs to the outputs and a pass over `n` nodes takes `O(n)` steps. What a rewrite leaves without a user is
//! swept afterwards.

use std::collections::HashMap;
use std::sync::Arc;

use crate::ir::{Data, Graph, Node, Op, Origin, Part, Tensor, Value, ValueId};
use crate::unique::UniqueNames;

/// A graph in the middle of a walk: its nodes are those already emitted.
pub(crate) struct Rewriter<'g> {
    /// The graph; `graph.nodes` holds what was emitted so far.
    pub(crate) graph: &'g mut Graph,
    producers: HashMap<ValueId, usize>,
    substitution: HashMap<ValueId, ValueId>,
    /// Collected when the first fresh name is wanted.
    names: Option<UniqueNames>,
    /// How many nodes (and graph outputs) used each value before the walk, those of values it replaced included.
    uses: HashMap<ValueId, usize>,
    changed: bool,
}

/// Walks over the graph once, calling `rule` on each node; says whether anything changed.
///
/// The rule must [`Rewriter::keep`] or [`Rewriter::replace`] the node it is given (or drop it on purpose).
pub(crate) fn walk(graph: &mut Graph, mut rule: impl FnMut(&mut Rewriter<'_>, Node)) -> bool {
    let nodes = std::mem::take(&mut graph.nodes);
    let mut uses: HashMap<ValueId, usize> = HashMap::new();
    for id in nodes.iter().flat_map(|n| &n.inputs).chain(&graph.outputs) {
        *uses.entry(*id).or_default() += 1;
    }
    let mut rewriter =
        Rewriter { graph, producers: HashMap::new(), substitution: HashMap::new(), names: None, uses, changed: false };
    for mut node in nodes {
        for input in &mut node.inputs {
            *input = rewriter.resolve(*input);
        }
        crate::internal::at(format!("node {:?}", node.name));
        rule(&mut rewriter, node);
    }
    let changed = rewriter.changed;
    graph.sweep();
    changed
}

/// Repeats [`walk`] until nothing changes. Rules look up at final producers, so two or three walks are usual; the bound
/// only guards against two rules that undo each other.
pub(crate) fn walk_to_fixpoint(graph: &mut Graph, mut rule: impl FnMut(&mut Rewriter<'_>, Node)) {
    for _ in 0..16 {
        if !walk(graph, &mut rule) {
            return;
        }
    }
}

impl Rewriter<'_> {
    fn resolve(&self, mut id: ValueId) -> ValueId {
        while let Some(&next) = self.substitution.get(&id) {
            id = next;
        }
        id
    }

    /// Emits a node.
    pub(crate) fn keep(&mut self, node: Node) {
        self.producers.insert(node.output, self.graph.nodes.len());
        self.graph.nodes.push(node);
    }

    /// Emits a node that a rule has changed.
    pub(crate) fn change(&mut self, node: Node) {
        self.changed = true;
        self.keep(node);
    }

    /// Makes every later use of the node's result a use of `value`, which must equal it, shape included.
    ///
    /// The result of a graph keeps its public name and origin: `value` takes them over. Where it cannot (it is an input,
    /// a constant or another result), the node stays as it is.
    pub(crate) fn replace(&mut self, node: Node, value: ValueId) {
        let output = node.output;
        if self.graph.outputs.contains(&output) {
            let taken = self.graph.inputs.contains(&value)
                || self.graph.outputs.contains(&value)
                || self.graph.constant(value).is_some();
            if taken {
                self.keep(node);
                return;
            }
            let (old, new) = (output.0 as usize, value.0 as usize);
            let name = std::mem::take(&mut self.graph.values[old].name);
            self.graph.values[old].name = std::mem::replace(&mut self.graph.values[new].name, name);
            if self.graph.values[old].origin.is_some() {
                self.graph.values[new].origin = self.graph.values[old].origin.clone();
            }
            for id in &mut self.graph.outputs {
                if *id == output {
                    *id = value;
                }
            }
        } else if self.graph.value(value).origin.is_none() {
            self.graph.values[value.0 as usize].origin = self.graph.value(output).origin.clone();
        }
        self.changed = true;
        let own = node.inputs.iter().filter(|&&input| input == value).count();
        let inherited = self.uses.get(&output).copied().unwrap_or(0);
        let uses = self.uses.entry(value).or_default();
        *uses = (*uses + inherited).saturating_sub(own);
        self.substitution.insert(output, value);
    }

    /// The emitted node that produces a value; `None` for inputs and constants.
    pub(crate) fn producer(&self, id: ValueId) -> Option<&Node> {
        self.producers.get(&id).map(|&i| &self.graph.nodes[i])
    }

    /// Position of a value's producer among the emitted nodes.
    pub(crate) fn position(&self, id: ValueId) -> Option<usize> {
        self.producers.get(&id).copied()
    }

    /// True when one node, or the caller, and nobody else uses the value.
    pub(crate) fn used_once(&self, id: ValueId) -> bool {
        self.uses.get(&id).copied().unwrap_or(0) <= 1
    }

    /// Takes out the producer of a value that the caller's node alone uses, and whose operand it will use instead:
    /// neighbours that merge one after the other hand on what they have gathered instead of copying it. `None` where
    /// others need the producer too.
    pub(crate) fn take_over(&mut self, result: ValueId) -> Option<Node> {
        let &position = self.producers.get(&result)?;
        if !self.used_once(result) {
            for input in &self.graph.nodes[position].inputs {
                *self.uses.entry(*input).or_default() += 1;
            }
            return None;
        }
        self.producers.remove(&result);
        let node = &mut self.graph.nodes[position];
        // An empty node stays at its position until the sweep, for positions are known.
        let empty = Node {
            name: String::new(),
            op: Op::Reshape,
            inputs: Vec::new(),
            output: node.output,
            parts: Vec::new(),
            reason: None,
        };
        Some(std::mem::replace(node, empty))
    }

    /// Adds a value named after another one, like it but for shape and origin.
    pub(crate) fn derive(&mut self, like: ValueId, suffix: &str, shape: &[usize], origin: Option<Origin>) -> ValueId {
        let Value { name, dtype, .. } = self.graph.value(like).clone();
        let name = self.fresh_name(&format!("{name}.{suffix}"));
        let id = self.graph.add_value(name, shape, dtype);
        self.graph.values[id.0 as usize].origin = origin;
        id
    }

    /// Adds a constant under a unique name.
    pub(crate) fn constant(&mut self, name: &str, tensor: Tensor) -> ValueId {
        let name = self.fresh_name(name);
        self.graph.add_constant(name, tensor)
    }

    fn fresh_name(&mut self, base: &str) -> String {
        let values = &self.graph.values;
        let names = self.names.get_or_insert_with(|| values.iter().map(|v| v.name.clone()).collect());
        names.take(base, '.')
    }

    /// Emits a node with a fresh result, and gives that result.
    pub(crate) fn emit(&mut self, node: NewNode<'_>) -> ValueId {
        let output = self.derive(node.like, node.suffix, node.shape, node.origin);
        self.changed = true;
        self.keep(Node {
            name: self.graph.value(output).name.clone(),
            op: node.op,
            inputs: node.inputs,
            output,
            parts: node.parts,
            reason: None,
        });
        output
    }

    /// The same elements under another shape; constants and chains of reshapes are resolved at once.
    pub(crate) fn reshape(&mut self, mut x: ValueId, shape: &[usize]) -> ValueId {
        if self.graph.shape(x) == shape {
            return x;
        }
        if let Some(tensor) = self.graph.constant(x).cloned() {
            let name = self.graph.value(x).name.clone();
            return self.constant(&name, Tensor { shape: shape.to_vec(), data: tensor.data.clone() });
        }
        let like = x;
        while let Some(Node { op: Op::Reshape, inputs, .. }) = self.producer(x) {
            x = inputs[0];
            if self.graph.shape(x) == shape {
                return x;
            }
        }
        let origin = self.graph.value(like).origin.clone().filter(|o| o.permutation.is_none());
        self.emit(NewNode {
            op: Op::Reshape,
            inputs: vec![x],
            like,
            suffix: "reshaped",
            shape,
            origin,
            parts: Vec::new(),
        })
    }

    /// The constant behind a value, as floats.
    pub(crate) fn floats(&self, id: ValueId) -> Option<(&[usize], &[f32])> {
        let tensor = self.graph.constant(id)?;
        Some((&tensor.shape, tensor.as_f32()?))
    }

    /// The one float that every element of a constant is (integer and boolean constants are converted).
    pub(crate) fn uniform(&self, id: ValueId) -> Option<f32> {
        let tensor = self.graph.constant(id)?;
        match &tensor.data {
            Data::F32(v) => same(v),
            Data::I64(v) => same(v).map(|x| x as f32),
            Data::Bool(v) => same(v).map(|x| f32::from(u8::from(x))),
        }
    }

    /// Least and greatest element of a float constant without NaN.
    pub(crate) fn bounds(&self, id: ValueId) -> Option<(f32, f32)> {
        let (_, v) = self.floats(id)?;
        let first = *v.first()?;
        v.iter().try_fold((first, first), |(low, high), &x| (!x.is_nan()).then(|| (low.min(x), high.max(x))))
    }
}

/// A node to be emitted with a fresh result; see [`Rewriter::emit`].
pub(crate) struct NewNode<'a> {
    pub(crate) op: Op,
    pub(crate) inputs: Vec<ValueId>,
    /// The value whose name and element type the result takes.
    pub(crate) like: ValueId,
    pub(crate) suffix: &'a str,
    pub(crate) shape: &'a [usize],
    pub(crate) origin: Option<Origin>,
    pub(crate) parts: Vec<Part>,
}

fn same<T: Copy + PartialEq>(v: &[T]) -> Option<T> {
    let &first = v.first()?;
    v.iter().all(|&x| x == first).then_some(first)
}

/// The elements of a tensor, axes permuted: axis `i` of the result is axis `perm[i]` of `x`.
pub(crate) fn transpose(x: &Tensor, perm: &[usize]) -> Tensor {
    let shape = permuted(&x.shape, perm);
    let source = permuted(&crate::ir::strides(&x.shape), perm);
    let mut order = Vec::with_capacity(x.len());
    let mut index = vec![0; shape.len()];
    let mut at = 0;
    for _ in 0..x.len() {
        order.push(at);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at += source[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= source[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    Tensor { shape, data: gather(&x.data, &order) }
}

/// The elements at the given positions.
pub(crate) fn gather(data: &Data, order: &[usize]) -> Data {
    match data {
        Data::F32(v) => Data::F32(order.iter().map(|&i| v[i]).collect()),
        Data::I64(v) => Data::I64(order.iter().map(|&i| v[i]).collect()),
        Data::Bool(v) => Data::Bool(order.iter().map(|&i| v[i]).collect()),
    }
}

/// `list[perm[0]], list[perm[1]], ...`
pub(crate) fn permuted(list: &[usize], perm: &[usize]) -> Vec<usize> {
    perm.iter().map(|&p| list[p]).collect()
}

/// The permutation that undoes another.
pub(crate) fn inverse(perm: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; perm.len()];
    for (i, &p) in perm.iter().enumerate() {
        inverse[p] = i;
    }
    inverse
}

/// `second` after `first`: the permutation of `transpose(transpose(x, first), second)`.
pub(crate) fn compose(first: &[usize], second: &[usize]) -> Vec<usize> {
    permuted(first, second)
}

/// True when nothing moves.
pub(crate) fn is_identity(perm: &[usize]) -> bool {
    perm.iter().enumerate().all(|(i, &p)| i == p)
}

/// True when a transposition of a tensor of this shape moves extent-1 axes only: a reshape would do the same.
pub(crate) fn moves_nothing(shape: &[usize], perm: &[usize]) -> bool {
    perm.iter().filter(|&&p| shape[p] != 1).is_sorted()
}

/// The tensor with every axis along which it is constant reduced to extent 1.
pub(crate) fn squeeze(tensor: &Tensor) -> Tensor {
    let mut tensor = tensor.clone();
    for axis in 0..tensor.shape.len() {
        if tensor.shape[axis] > 1
            && let Some(smaller) = squeeze_axis(&tensor, axis)
        {
            tensor = smaller;
        }
    }
    tensor
}

fn squeeze_axis(tensor: &Tensor, axis: usize) -> Option<Tensor> {
    let inner: usize = tensor.shape[axis + 1..].iter().product();
    let block = inner * tensor.shape[axis];
    let starts = || (0..tensor.len()).step_by(block.max(1));
    let constant = |equal: &dyn Fn(usize, usize) -> bool| {
        starts().all(|start| (start + inner..start + block).all(|i| equal(i, start + (i - start) % inner)))
    };
    let is_constant = match &tensor.data {
        // Bits, so that -0 and NaN keep their own.
        Data::F32(v) => constant(&|i, j| v[i].to_bits() == v[j].to_bits()),
        Data::I64(v) => constant(&|i, j| v[i] == v[j]),
        Data::Bool(v) => constant(&|i, j| v[i] == v[j]),
    };
    if !is_constant {
        return None;
    }
    let order: Vec<usize> = starts().flat_map(|start| start..start + inner).collect();
    let mut shape = tensor.shape.clone();
    shape[axis] = 1;
    Some(Tensor { shape, data: gather(&tensor.data, &order) })
}

/// A shared list of one affine map, repeated.
pub(crate) fn repeat(map: &crate::exact::Affine, n: usize) -> Arc<Vec<crate::exact::Affine>> {
    Arc::new(vec![map.clone(); n])
}

/// The parts of one node, then those of another.
pub(crate) fn join_parts(first: &[Part], second: &[Part]) -> Vec<Part> {
    first.iter().chain(second).cloned().collect()
}
