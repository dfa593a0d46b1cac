//! A Flatten of an image in front of fully connected layers.
//!
//! The file's features come channel by channel, those in memory pixel by pixel. Rather than moving them, everything up to
//! the layer's weights is computed in the order of memory: constants per feature and rows of weights are permuted.

use std::collections::HashMap;
use std::sync::Arc;

use crate::ir::{Data, Node, Op, Shape, Tensor, ValueId};
use crate::passes::merge_affine::uniform;
use crate::passes::rewrite::{NewNode, Rewriter, gather, inverse, permuted, transpose};

/// The values whose features are known in the order of memory too.
#[derive(Default)]
pub(super) struct Features {
    flattened: HashMap<ValueId, Flattened>,
}

/// A value `[n, features]` in two orders.
#[derive(Clone)]
struct Flattened {
    /// The same features in the order of memory.
    inner: ValueId,
    /// Position, in the file's order, of each feature in memory's.
    order: Arc<Vec<usize>>,
    /// How to come back: the image in memory, and its transposition to the file's.
    image: Shape,
    perm: Vec<usize>,
}

impl Features {
    /// Notes a Reshape of `transpose(source, perm)` to `[n, features]`.
    pub(super) fn flatten(&mut self, rewriter: &mut Rewriter<'_>, node: &Node, source: ValueId, perm: &[usize]) {
        let image = rewriter.graph.shape(source).to_vec();
        let shape = rewriter.graph.shape(node.output).to_vec();
        let flat = shape.len() == 2 && perm[0] == 0 && image[0] == shape[0];
        if !flat {
            return;
        }
        let positions = Tensor::i64(permuted(&image, perm)[1..].to_vec(), (0..shape[1] as i64).collect());
        let within: Vec<usize> = inverse(perm)[1..].iter().map(|&p| p - 1).collect();
        let Data::I64(order) = transpose(&positions, &within).data else { return };
        let order = Arc::new(order.into_iter().map(|i| i as usize).collect());
        let inner = rewriter.reshape(source, &shape);
        self.flattened.insert(node.output, Flattened { inner, order, image, perm: perm.to_vec() });
    }

    /// Computes a per-feature operator in the order of memory; `false` where there is nothing to do.
    ///
    /// Its result in the file's order is a movement that is dead when all users take it in memory's.
    pub(super) fn sink(&mut self, rewriter: &mut Rewriter<'_>, node: &Node) -> bool {
        let Some(view) = node.inputs.iter().find_map(|v| self.flattened.get(v)).cloned() else { return false };
        let shape = rewriter.graph.shape(node.output).to_vec();
        if shape != rewriter.graph.shape(view.inner) {
            return false;
        }
        let op = match &node.op {
            op @ (Op::Sign(_) | Op::Unary(_) | Op::Cast(_) | Op::PRelu | Op::Binary(_)) => op.clone(),
            Op::Affine { axis: 1, maps } if uniform(maps).is_some() => node.op.clone(),
            Op::Affine { axis: 1, maps } => {
                let maps = view.order.iter().map(|&i| maps[i].clone()).collect();
                Op::Affine { axis: 1, maps: Arc::new(maps) }
            }
            _ => return false,
        };
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for &v in &node.inputs {
            let permuted = match self.flattened.get(&v) {
                Some(other) if other.order == view.order => Some(other.inner),
                Some(_) => None,
                None => permuted_constant(rewriter, v, &view.order),
            };
            let Some(v) = permuted else { return false };
            inputs.push(v);
        }
        let inner = rewriter.derive(node.output, "features", &shape, None);
        let (name, parts) = (node.name.clone(), node.parts.clone());
        rewriter.change(Node { name, op, inputs, output: inner, parts, reason: node.reason.clone() });
        let view = Flattened { inner, ..view };
        move_back(rewriter, node, &view);
        self.flattened.insert(node.output, view);
        true
    }

    /// A MatMul by constant weights takes its features in memory's order, its rows permuted.
    pub(super) fn matmul(&self, rewriter: &mut Rewriter<'_>, mut node: Node) -> Node {
        let Some(view) = self.flattened.get(&node.inputs[0]) else { return node };
        let Some(weights) = rewriter.graph.constant(node.inputs[1]).cloned() else { return node };
        if weights.shape.len() != 2 {
            return node;
        }
        let columns = weights.shape[1];
        let order: Vec<usize> = view.order.iter().flat_map(|&row| row * columns..(row + 1) * columns).collect();
        let name = rewriter.graph.value(node.inputs[1]).name.clone();
        let tensor = Tensor { shape: weights.shape.clone(), data: gather(&weights.data, &order) };
        node.inputs = vec![view.inner, rewriter.constant(&name, tensor)];
        node
    }
}

/// A constant that broadcasts to `[n, features]`, in memory's order.
fn permuted_constant(rewriter: &mut Rewriter<'_>, v: ValueId, order: &[usize]) -> Option<ValueId> {
    let tensor = rewriter.graph.constant(v)?.clone();
    match tensor.shape.last() {
        None | Some(1) => Some(v),
        Some(&n) if n == order.len() => {
            let rows = tensor.len() / n;
            let order: Vec<usize> = (0..rows).flat_map(|row| order.iter().map(move |&i| row * n + i)).collect();
            let name = rewriter.graph.value(v).name.clone();
            Some(rewriter.constant(&name, Tensor { shape: tensor.shape.clone(), data: gather(&tensor.data, &order) }))
        }
        _ => None,
    }
}

/// The node's own result: the features moved back to the file's order.
fn move_back(rewriter: &mut Rewriter<'_>, node: &Node, view: &Flattened) {
    let like = node.output;
    let mut emit = |op, inputs, suffix, shape: &[usize]| {
        rewriter.emit(NewNode { op, inputs, like, suffix, shape, origin: None, parts: Vec::new() })
    };
    let image = emit(Op::Reshape, vec![view.inner], "image", &view.image);
    let moved = emit(Op::Transpose(view.perm.clone()), vec![image], "moved", &permuted(&view.image, &view.perm));
    let name = format!("{}.moved", node.name);
    rewriter.change(Node { name, op: Op::Reshape, inputs: vec![moved], output: like, parts: Vec::new(), reason: None });
}
