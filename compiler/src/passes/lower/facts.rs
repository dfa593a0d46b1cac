//! What lowering wants to know about the graph: who uses what, and which values exist as bits or sums only.

use std::collections::HashSet;

use crate::ir::network::image;
use crate::ir::{Binary, Graph, Layout, Node, Op, Reduction, ValueId, Zero};

/// The shape of a node's first operand flattened by a Reshape, so that the fully connected layer behind it is a
/// convolution with a kernel as large as the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flatten {
    /// `[n, h, w, c]`, before the Reshape (and before the Transpose, if there is one).
    pub(super) source: ValueId,
    /// Whether the flat order is `c, h, w` instead of `h, w, c`.
    pub(super) channels_first: bool,
}

/// Use lists and the like.
pub(super) struct Facts<'g> {
    pub(super) graph: &'g Graph,
    users: Vec<Vec<usize>>,
    producers: Vec<Option<usize>>,
    outputs: HashSet<ValueId>,
    live: Vec<bool>,
}

impl<'g> Facts<'g> {
    pub(super) fn new(graph: &'g Graph) -> Self {
        let mut producers = vec![None; graph.values.len()];
        for (i, node) in graph.nodes.iter().enumerate() {
            producers[node.output.0 as usize] = Some(i);
        }
        let mut needed: HashSet<ValueId> = graph.outputs.iter().copied().collect();
        let mut live = vec![false; graph.nodes.len()];
        for (i, node) in graph.nodes.iter().enumerate().rev() {
            if needed.contains(&node.output) {
                live[i] = true;
                needed.extend(&node.inputs);
            }
        }
        let mut users = vec![Vec::new(); graph.values.len()];
        for (i, node) in graph.nodes.iter().enumerate().filter(|&(i, _)| live[i]) {
            for input in &node.inputs {
                let list: &mut Vec<usize> = &mut users[input.0 as usize];
                if list.last() != Some(&i) {
                    list.push(i);
                }
            }
        }
        Self { graph, users, producers, outputs: graph.outputs.iter().copied().collect(), live }
    }

    pub(super) fn node(&self, i: usize) -> &'g Node {
        &self.graph.nodes[i]
    }

    /// Nodes that somebody needs, in order.
    pub(super) fn live(&self) -> impl Iterator<Item = usize> + use<> {
        let live: Vec<usize> = (0..self.live.len()).filter(|&i| self.live[i]).collect();
        live.into_iter()
    }

    /// Live nodes that use a value, in order, each once.
    pub(super) fn users(&self, v: ValueId) -> &[usize] {
        &self.users[v.0 as usize]
    }

    pub(super) fn producer(&self, v: ValueId) -> Option<usize> {
        self.producers[v.0 as usize]
    }

    pub(super) fn is_output(&self, v: ValueId) -> bool {
        self.outputs.contains(&v)
    }

    pub(super) fn view(&self, v: ValueId) -> [usize; 4] {
        image(self.graph.shape(v))
    }

    pub(super) fn is_constant(&self, v: ValueId) -> bool {
        self.graph.constant(v).is_some()
    }

    /// The only user, of a value that is not a graph output.
    pub(super) fn only_user(&self, v: ValueId) -> Option<usize> {
        match self.users(v) {
            [user] if !self.is_output(v) => Some(*user),
            _ => None,
        }
    }

    /// True when the node changes the shape in name only: images, pixels and channels stay what they are.
    pub(super) fn is_same_view(&self, i: usize) -> bool {
        let node = self.node(i);
        let moves = match &node.op {
            Op::Reshape => false,
            // Moving axes of extent 1 moves no data.
            Op::Transpose(perm) => {
                let shape = self.graph.shape(node.inputs[0]);
                let kept: Vec<usize> = perm.iter().copied().filter(|&axis| shape[axis] != 1).collect();
                !kept.is_sorted()
            }
            _ => return false,
        };
        !moves && self.view(node.inputs[0]) == self.view(node.output)
    }

    /// True for the mean over all pixels of each image, under either spelling.
    pub(super) fn is_global_mean(&self, i: usize) -> bool {
        let node = self.node(i);
        let shape = self.graph.shape(node.inputs[0]);
        if shape.len() != 4 {
            return false;
        }
        match &node.op {
            Op::Reduce { kind: Reduction::Mean, axes, .. } => axes[..] == [1, 2],
            Op::AveragePool { window, layout: Layout::ChannelsLast, .. } => {
                window.kernel == [shape[1], shape[2]]
                    && window.pads == [0; 4]
                    && self.graph.shape(node.output)[1..3] == [1, 1]
            }
            _ => false,
        }
    }

    /// True for an affine map along the last axis.
    pub(super) fn is_pixelwise_affine(&self, i: usize) -> bool {
        let node = self.node(i);
        matches!(node.op, Op::Affine { axis, .. } if axis + 1 == self.graph.shape(node.output).len())
    }

    /// True for an affine map nobody needs the values of: it ends in thresholds and in folded means.
    pub(super) fn is_folded_affine(&self, i: usize) -> bool {
        let out = self.node(i).output;
        self.is_pixelwise_affine(i)
            && !self.is_output(out)
            && self.users(out).iter().all(|&u| matches!(self.node(u).op, Op::Sign(_)) || self.is_global_mean(u))
    }

    /// True when every user of this value of ±1 takes it as bits.
    pub(super) fn is_bits_only(&self, v: ValueId) -> bool {
        !self.is_output(v) && self.users(v).iter().all(|&u| self.takes_bits(u))
    }

    /// True when a node can work on the bits of its operand of ±1.
    pub(super) fn takes_bits(&self, u: usize) -> bool {
        let node = self.node(u);
        match &node.op {
            Op::BinaryConv { .. } | Op::BinaryMatMul { .. } => true,
            Op::MaxPool { .. } => self.is_bits_only(node.output),
            Op::Concat { .. } => self.joins_channels(u) && self.is_bits_only(node.output),
            Op::Binary(Binary::Mul) => self.multiplies_signs(u),
            Op::Reshape | Op::Transpose(_) if self.is_same_view(u) => self.is_bits_only(node.output),
            Op::Reshape => self.all_users(node.output, |u| self.flattens_bits(u)),
            Op::Transpose(_) => self.all_users(node.output, |r| {
                matches!(self.node(r).op, Op::Reshape) && self.all_users(self.node(r).output, |u| self.flattens_bits(u))
            }),
            _ => false,
        }
    }

    /// True for images whose channels are joined.
    pub(super) fn joins_channels(&self, i: usize) -> bool {
        let node = self.node(i);
        matches!(node.op, Op::Concat { axis: 3 }) && self.graph.shape(node.output).len() == 4
    }

    /// True for a product of signs that is bits only: layers read it in one group, or another product.
    pub(super) fn multiplies_signs(&self, i: usize) -> bool {
        let node = self.node(i);
        let reads = |u: usize| match &self.node(u).op {
            Op::BinaryConv { groups, .. } => *groups == 1,
            Op::BinaryMatMul { .. } => true,
            _ => self.multiplies_signs(u),
        };
        node.op == Op::Binary(Binary::Mul) && self.is_of_signs(node.output) && self.all_users(node.output, reads)
    }

    /// True for a sign that is -1 or +1, pools and products of such.
    fn is_of_signs(&self, v: ValueId) -> bool {
        let Some(node) = self.producer(v).map(|p| self.node(p)) else { return false };
        let all = || node.inputs.iter().all(|&v| self.is_of_signs(v));
        match node.op {
            Op::Sign(zero) => zero != Zero::Zero,
            Op::MaxPool { .. } => all(),
            Op::Binary(Binary::Mul) => {
                all() && node.inputs.iter().all(|&v| self.graph.shape(v) == self.graph.shape(node.output))
            }
            _ => false,
        }
    }

    /// The factors of a product of signs, of which those that only it reads are taken apart.
    pub(super) fn factors(&self, i: usize) -> Vec<ValueId> {
        let of = |&v: &ValueId| match self.producer(v).filter(|&p| self.is_part_of_product(p)) {
            Some(p) => self.factors(p),
            None => vec![v],
        };
        self.node(i).inputs.iter().flat_map(of).collect()
    }

    /// True for a product of signs that is only a factor of another one.
    pub(super) fn is_part_of_product(&self, i: usize) -> bool {
        let users = self.users(self.node(i).output);
        self.multiplies_signs(i) && users.len() == 1 && self.multiplies_signs(users[0])
    }

    fn all_users(&self, v: ValueId, test: impl Fn(usize) -> bool) -> bool {
        !self.is_output(v) && self.users(v).iter().all(|&u| test(u))
    }

    /// True for a binary fully connected layer that reads the bits of an image.
    fn flattens_bits(&self, i: usize) -> bool {
        matches!(self.node(i).op, Op::BinaryMatMul { .. }) && self.flatten(i).is_some()
    }

    /// The image a fully connected layer flattens, if it does.
    pub(super) fn flatten(&self, i: usize) -> Option<Flatten> {
        let node = self.node(i);
        if !matches!(node.op, Op::BinaryMatMul { .. } | Op::MatMul) {
            return None;
        }
        let flat = node.inputs[0];
        let reshape = self.node(self.producer(flat)?);
        let (mut source, mut channels_first) = (*reshape.inputs.first()?, false);
        if !matches!(reshape.op, Op::Reshape) || self.graph.shape(flat).len() != 2 {
            return None;
        }
        if let Some(p) = self.producer(source)
            && matches!(&self.node(p).op, Op::Transpose(perm) if perm[..] == [0, 3, 1, 2])
        {
            channels_first = true;
            source = self.node(p).inputs[0];
        }
        let &[n, h, w, c] = self.graph.shape(source) else { return None };
        (self.graph.shape(flat) == [n, h * w * c]).then_some(Flatten { source, channels_first })
    }
}
