//! Element-wise operators as steps of the block before them.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Builder, Draft, Item, parts};
use crate::ir::network::{Activation, Geometry, PerPixel, Pool, Step, image};
use crate::ir::{Binary, DType, Op, Part, Tensor, Unary, ValueId};

/// Nodes a block takes in at most: each step is code of one function, which rustc and reader have to hold at once.
const LONGEST: usize = 200;

/// A step before its operand has a place.
enum Planned {
    Step(Step),
    Pool(Pool),
    /// v += w, pixel by pixel.
    Add(ValueId),
    /// v *= w, pixel by pixel.
    Mul(ValueId),
    /// v *= w, a vector per image.
    Gate(ValueId),
}

/// How a node continues a tile.
pub(super) struct Continuation {
    node: usize,
    steps: Vec<Planned>,
    parts: Vec<Part>,
}

impl Continuation {
    fn new(node: usize, steps: Vec<Planned>, part: impl Into<Part>) -> Self {
        Self { node, steps, parts: vec![part.into()] }
    }

    /// v *= w, pixel by pixel, and then by a vector per image.
    pub(super) fn product(node: usize, w: ValueId, gate: ValueId) -> Self {
        let steps = vec![Planned::Mul(w), Planned::Gate(gate)];
        Self { node, steps, parts: vec![Part::Multiply, Part::Gate] }
    }

    fn operands(&self) -> impl Iterator<Item = ValueId> {
        self.steps.iter().filter_map(|step| match *step {
            Planned::Add(w) | Planned::Mul(w) | Planned::Gate(w) => Some(w),
            Planned::Step(_) | Planned::Pool(_) => None,
        })
    }
}

fn activation(function: Unary) -> Planned {
    Planned::Step(Step::Activation(Activation::Unary(function)))
}

impl Builder<'_> {
    /// Marks where the draft holds `v`, and takes in what follows it, as far as that goes.
    pub(super) fn grow(&mut self, draft: usize, v: ValueId) {
        let mut v = v;
        loop {
            self.drafts[draft].items.push(Item::Value(v));
            if self.drafts[draft].nodes.len() >= LONGEST {
                return;
            }
            let found = self.continuations(v).into_iter().find(|next| self.is_ready(draft, next));
            let Some(next) = found.or_else(|| self.pooled_rows(draft, v)) else { return };
            v = self.graph.nodes[next.node].output;
            self.take_in(draft, next);
        }
    }

    /// Starts with `v`, which is in the tile, and applies one node.
    pub(super) fn take_in(&mut self, draft: usize, next: Continuation) {
        let shape = self.graph.shape(self.graph.nodes[next.node].output).to_vec();
        for step in next.steps {
            let step = match step {
                Planned::Step(step) => step,
                Planned::Pool(pool) => {
                    self.drafts[draft].items.push(Item::Pool(pool));
                    continue;
                }
                Planned::Add(w) => match self.per_pixel(w, &shape) {
                    Some(p) => Step::ShiftPixels(p),
                    None => Step::Add(self.operand(w, &shape)),
                },
                Planned::Mul(w) => match self.per_pixel(w, &shape) {
                    Some(p) => Step::ScalePixels(p),
                    None => Step::Mul(self.operand(w, &shape)),
                },
                Planned::Gate(w) => Step::Gate(self.dense(w)),
            };
            self.drafts[draft].items.push(Item::Step(step));
        }
        self.owner[next.node] = Some(draft);
        self.drafts[draft].nodes.push(next.node);
        let parts = &mut self.drafts[draft].block.parts;
        for part in next.parts {
            // A Gemm is a product and a bias.
            if parts.last() != Some(&part) || part != Part::Gemm {
                parts.push(part);
            }
        }
    }

    /// A pool takes the rows as they come, where no other step could be next.
    fn pooled_rows(&self, draft: usize, v: ValueId) -> Option<Continuation> {
        let Draft { block, items, .. } = &self.drafts[draft];
        let source = block.source().filter(|source| source.gives_rows())?;
        let extents = source.extents(&self.network);
        if items.iter().any(|item| matches!(item, Item::Pool(_))) {
            return None;
        }
        let waiting = self.facts.users(v).iter().filter(|&&u| self.owner[u].is_none());
        let (node, pool) = waiting.filter_map(|&u| Some((u, self.real_pool(u)?))).find(|(_, pool)| {
            let Geometry { n, input: [h, w, c], .. } = pool.geometry;
            [n, h, w, c] == extents
        })?;
        let parts = parts::of(self.facts.node(node));
        Some(Continuation { node, steps: vec![Planned::Pool(pool)], parts })
    }

    /// A constant that is the same for every image, for values of that shape.
    fn per_pixel(&self, w: ValueId, shape: &[usize]) -> Option<PerPixel> {
        let tensor = self.graph.constant(w)?;
        let mut own = vec![1; shape.len().checked_sub(tensor.shape.len())?];
        own.extend(&tensor.shape);
        if (2..=4).contains(&shape.len()) && own[0] == 1 {
            // The axes of both are the same ones.
            let [_, height, width, channels] = image(&own);
            return Some(PerPixel { extents: [height, width, channels], values: Arc::new(tensor.to_f32()) });
        }
        let all = expand(tensor, shape);
        let [_, height, width, channels] = image(shape);
        let (first, others) = all.split_at_checked(height * width * channels)?;
        let same = |image: &[f32]| image.iter().map(|v| v.to_bits()).eq(first.iter().map(|v| v.to_bits()));
        let values = Arc::new(first.to_vec());
        others.chunks(first.len()).all(same).then_some(PerPixel { extents: [height, width, channels], values })
    }

    fn operand(&mut self, w: ValueId, shape: &[usize]) -> crate::ir::network::TensorId {
        match self.graph.constant(w) {
            // Steps do not broadcast over pixels.
            Some(tensor) if tensor.shape != shape => {
                let full = Tensor::f32(shape, expand(tensor, shape));
                let name = format!("{}.full", self.graph.value(w).name);
                self.constant_tensor(&name, &full)
            }
            _ => self.dense(w),
        }
    }

    /// All ways to go on from `v`, in the order of the nodes.
    fn continuations(&self, v: ValueId) -> Vec<Continuation> {
        let mut nodes = Vec::new();
        for &u in self.facts.users(v) {
            // Signs are decided on the value before an affine map, exactly.
            if self.facts.is_pixelwise_affine(u) {
                let users = self.facts.users(self.graph.nodes[u].output).iter();
                nodes.extend(users.filter(|&&s| matches!(self.graph.nodes[s].op, Op::Sign(_))));
            }
            nodes.push(u);
        }
        nodes.retain(|&u| self.owner[u].is_none() && !self.vanishes(u));
        nodes.into_iter().filter_map(|u| self.continuation(u, v)).collect()
    }

    /// How a node applies to a tile that holds `v`; `None` when it is no step.
    pub(super) fn continuation(&self, u: usize, v: ValueId) -> Option<Continuation> {
        let node = self.facts.node(u);
        let name = &parts::operator(&node.op)[..];
        if matches!(node.op, Op::Sign(_)) {
            return (self.decided_on(u) == v).then(|| {
                let step = Step::Activation(Activation::Sign(self.thresholds(u)));
                Continuation::new(u, vec![Planned::Step(step)], name)
            });
        }
        if self.facts.view(node.output) != self.facts.view(v) {
            return None;
        }
        match &node.op {
            Op::Affine { maps, .. } if self.facts.is_pixelwise_affine(u) => {
                let scale: Vec<f32> = maps.iter().map(|map| map.scale() as f32).collect();
                let shift: Vec<f32> = maps.iter().map(|map| map.shift() as f32).collect();
                let (scaled, shifted) = (scale.iter().any(|&s| s != 1.0), shift.iter().any(|&s| s != 0.0));
                let mut steps = Vec::new();
                if scaled {
                    steps.push(Planned::Step(Step::Scale(Arc::new(scale))));
                }
                if shifted {
                    steps.push(Planned::Step(Step::Shift(Arc::new(shift))));
                }
                Some(Continuation { node: u, steps, parts: parts::affine(node, scaled, shifted) })
            }
            Op::Unary(function) => Some(Continuation::new(u, vec![activation(*function)], name)),
            Op::PRelu if node.inputs[0] == v => {
                let slope = self.per_channel(node.inputs[1], v)?;
                let step = Step::Activation(Activation::PRelu(Arc::new(slope)));
                Some(Continuation::new(u, vec![Planned::Step(step)], name))
            }
            // Booleans are 0 and 1 already.
            Op::Cast(DType::F32) if !self.is_conversion(u) => {
                Some(Continuation { node: u, steps: vec![], parts: vec![] })
            }
            Op::Reshape | Op::Transpose(_) if self.facts.is_same_view(u) => {
                Some(Continuation { node: u, steps: vec![], parts: vec![] })
            }
            Op::Binary(function) => self.binary_step(u, *function, v),
            _ => None,
        }
    }

    fn binary_step(&self, u: usize, function: Binary, v: ValueId) -> Option<Continuation> {
        let node = self.facts.node(u);
        let &[a, b] = &node.inputs[..] else { return None };
        if a == b {
            return None;
        }
        let other = if a == v { b } else { a };
        let first = a == v;
        let name = function.name();
        let negate = || activation(Unary::Neg);
        if self.facts.is_constant(other)
            && let Some(c) = self.per_channel(other, v)
        {
            let uniform = c.iter().all(|&x| x == c[0]).then(|| c[0]);
            let negated: Vec<f32> = c.iter().map(|x| -x).collect();
            let shift = |c: Vec<f32>| Planned::Step(Step::Shift(Arc::new(c)));
            let steps = match function {
                Binary::Add => vec![shift(c)],
                Binary::Mul => vec![Planned::Step(Step::Scale(Arc::new(c)))],
                Binary::Sub if first => vec![shift(negated)],
                Binary::Sub => vec![negate(), shift(c)],
                Binary::Min => vec![activation(Unary::Clip(f32::NEG_INFINITY, uniform?))],
                Binary::Max => vec![activation(Unary::Clip(uniform?, f32::INFINITY))],
                _ => return None,
            };
            return Some(Continuation::new(u, steps, name));
        }
        let same = self.facts.view(other) == self.facts.view(v);
        // A constant may be anything that broadcasts: it is written out in full.
        if same || self.facts.is_constant(other) {
            let part = match node.parts.first() {
                // The sum of two planes of bits is no operator of the file.
                Some(Part::Planes) => Part::Planes,
                _ if self.facts.is_constant(other) => Part::from(name),
                _ => Part::Skip,
            };
            return match function {
                Binary::Add => Some(Continuation::new(u, vec![Planned::Add(other)], part)),
                Binary::Mul => Some(Continuation::new(u, vec![Planned::Mul(other)], name)),
                // a - b is -(-a + b), and -b + a, to the bit.
                Binary::Sub if first => Some(Continuation::new(u, vec![negate(), Planned::Add(other), negate()], name)),
                Binary::Sub => Some(Continuation::new(u, vec![negate(), Planned::Add(other)], name)),
                _ => None,
            };
        }
        let [n, _, _, c] = self.facts.view(v);
        let per_image = self.graph.shape(other) == [n, 1, 1, c] && self.graph.shape(v).len() == 4;
        (function == Binary::Mul && per_image).then(|| Continuation::new(u, vec![Planned::Gate(other)], Part::Gate))
    }

    /// A constant that has one value per channel of `v`, or one for all.
    pub(super) fn per_channel(&self, constant: ValueId, v: ValueId) -> Option<Vec<f32>> {
        let tensor = self.graph.constant(constant)?;
        let channels = self.facts.view(v)[3];
        let data = tensor.to_f32();
        let last = tensor.shape.last().copied().unwrap_or(1);
        match data.len() {
            1 => Some(vec![data[0]; channels]),
            n if n == channels && last == channels => Some(data),
            _ => None,
        }
    }

    /// Whether what a node needs besides the tile can be there in time.
    fn is_ready(&mut self, draft: usize, next: &Continuation) -> bool {
        for w in next.operands() {
            if self.depends_on(w, draft) {
                let name = &self.graph.value(w).name;
                let why = if matches!(next.steps[..], [Planned::Gate(_)]) {
                    format!("the gate \"{name}\" is computed from all of the values it multiplies")
                } else {
                    format!("\"{name}\" is not ready: it depends on the same block")
                };
                self.refused.entry(next.node).or_insert(why);
                return false;
            }
        }
        true
    }

    /// Whether a value can only be computed after a draft: from it, or from a draft that waits for it.
    fn depends_on(&self, v: ValueId, draft: usize) -> bool {
        let mut stack: Vec<usize> = self.facts.producer(v).into_iter().collect();
        let (mut seen, mut seen_drafts) = (HashSet::new(), HashSet::new());
        while let Some(i) = stack.pop() {
            if self.owner[i] == Some(draft) {
                return true;
            }
            let single = [i];
            let nodes: &[usize] = match self.owner[i] {
                Some(d) if seen_drafts.insert(d) => &self.drafts[d].nodes,
                Some(_) => continue,
                None if seen.insert(i) => &single,
                None => continue,
            };
            for &node in nodes {
                let inputs = self.graph.nodes[node].inputs.iter();
                stack.extend(inputs.filter_map(|&input| self.facts.producer(input)));
            }
        }
        false
    }
}

/// A constant under NumPy's broadcasting.
pub(super) fn expand(tensor: &Tensor, shape: &[usize]) -> Vec<f32> {
    let data = tensor.to_f32();
    let strides = crate::ir::broadcast_strides(&tensor.shape, shape).expect("broadcast before");
    let total: usize = shape.iter().product();
    (0..total)
        .map(|mut index| {
            let mut at = 0;
            for axis in (0..shape.len()).rev() {
                at += index % shape[axis] * strides[axis];
                index /= shape[axis];
            }
            data[at]
        })
        .collect()
}
