//! Lowered networks compute what their graphs do, and have the blocks they should.

mod blocks;
mod forms;
mod random;

use std::sync::Arc;

use super::run;
use crate::exact::Affine;
use crate::interpret;
use crate::ir::Part;
use crate::ir::network::{BinaryWeights, Block, Body, Move, Network, PoolKind, Pooled, Source, Step, Storage};
use crate::ir::{Binary, DType, Graph, Layout, Node, Op, Reduction, Tensor, Unary, ValueId, Window, Zero};

/// A graph under construction, with random parameters.
struct Maker {
    graph: Graph,
    state: u64,
}

fn window(kernel: usize, stride: usize, pad: usize) -> Window {
    Window { kernel: [kernel; 2], strides: [stride; 2], dilations: [1, 1], pads: [pad; 4], pad_value: 0.0 }
}

impl Maker {
    fn new() -> Self {
        Self { graph: Graph { name: "test".into(), ..Graph::default() }, state: 7 }
    }

    /// Uniform in [-1, 1).
    fn random(&mut self) -> f32 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 40) as f32 / 8_388_608.0 - 1.0
    }

    fn randoms(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.random()).collect()
    }

    fn input(&mut self, shape: &[usize]) -> ValueId {
        let id = self.graph.add_value(format!("in{}", self.graph.inputs.len()), shape, DType::F32);
        self.graph.inputs.push(id);
        id
    }

    fn constant(&mut self, shape: &[usize]) -> ValueId {
        let data = self.randoms(shape.iter().product());
        let name = format!("c{}", self.graph.values.len());
        self.graph.add_constant(name, Tensor::f32(shape, data))
    }

    fn typed(&mut self, op: Op, inputs: &[ValueId], shape: &[usize], dtype: DType) -> ValueId {
        let name = format!("n{}", self.graph.nodes.len());
        let output = self.graph.add_value(format!("v{}", self.graph.values.len()), shape, dtype);
        let inputs = inputs.to_vec();
        self.graph.nodes.push(Node { name, op, inputs, output, parts: vec![], reason: None });
        output
    }

    fn node(&mut self, op: Op, inputs: &[ValueId], shape: &[usize]) -> ValueId {
        self.typed(op, inputs, shape, DType::F32)
    }

    fn shape(&self, x: ValueId) -> Vec<usize> {
        self.graph.shape(x).to_vec()
    }

    /// An operator that keeps the shape.
    fn same(&mut self, op: Op, inputs: &[ValueId]) -> ValueId {
        let shape = self.shape(inputs[0]);
        self.node(op, inputs, &shape)
    }

    /// A BatchNormalization that makes nothing larger: rounding errors then stay what they are.
    fn norm(&mut self, x: ValueId) -> ValueId {
        let channels = *self.graph.shape(x).last().unwrap();
        let maps = (0..channels)
            .map(|c| {
                let gamma = if c % 7 == 3 { 0.0 } else { self.random() };
                let (beta, mean, variance) = (self.random(), self.random(), self.random().abs() + 1.0);
                Affine::batch_norm(gamma, beta, mean, variance, 1e-5).unwrap()
            })
            .collect();
        let axis = self.graph.shape(x).len() - 1;
        let y = self.same(Op::Affine { axis, maps: Arc::new(maps) }, &[x]);
        self.graph.nodes.last_mut().unwrap().parts = vec!["BatchNormalization".into()];
        y
    }

    fn scale(&mut self, x: ValueId) -> ValueId {
        let channels = *self.graph.shape(x).last().unwrap();
        let maps = (0..channels).map(|_| Affine::linear(self.random().abs() + 0.01, 0.0)).collect();
        let axis = self.graph.shape(x).len() - 1;
        let y = self.same(Op::Affine { axis, maps: Arc::new(maps) }, &[x]);
        self.graph.nodes.last_mut().unwrap().parts = vec!["scale".into()];
        y
    }

    fn sign(&mut self, x: ValueId) -> ValueId {
        self.same(Op::Sign(Zero::Plus), &[x])
    }

    fn unary(&mut self, x: ValueId, function: Unary) -> ValueId {
        self.same(Op::Unary(function), &[x])
    }

    fn prelu(&mut self, x: ValueId) -> ValueId {
        let channels = *self.graph.shape(x).last().unwrap();
        let slope = self.constant(&[channels]);
        self.same(Op::PRelu, &[x, slope])
    }

    fn binary(&mut self, function: Binary, a: ValueId, b: ValueId) -> ValueId {
        self.same(Op::Binary(function), &[a, b])
    }

    fn conv_shape(&self, x: ValueId, w: &Window, outputs: usize) -> Vec<usize> {
        let s = self.shape(x);
        let out = |axis: usize| {
            let reach = (w.kernel[axis] - 1) * w.dilations[axis] + 1;
            (s[1 + axis] + w.pads[axis] + w.pads[axis + 2] - reach) / w.strides[axis] + 1
        };
        vec![s[0], out(0), out(1), outputs]
    }

    fn signs(&mut self, len: usize) -> Arc<BinaryWeights> {
        let signs = (0..len).map(|_| self.random() > 0.0).collect();
        Arc::new(BinaryWeights { signs, zeros: 0, deviation: 0.0 })
    }

    fn binary_conv(&mut self, x: ValueId, outputs: usize, window: Window, groups: usize) -> ValueId {
        let shape = self.conv_shape(x, &window, outputs);
        let channels = self.shape(x)[3];
        let weights = self.signs(outputs * window.kernel[0] * window.kernel[1] * channels / groups);
        self.node(Op::BinaryConv { window, groups, weights }, &[x], &shape)
    }

    fn binary_matmul(&mut self, x: ValueId, outputs: usize) -> ValueId {
        let mut shape = self.shape(x);
        let k = shape.pop().unwrap();
        shape.push(outputs);
        let weights = self.signs(outputs * k);
        self.node(Op::BinaryMatMul { weights }, &[x], &shape)
    }

    fn conv(&mut self, x: ValueId, outputs: usize, window: Window, groups: usize) -> ValueId {
        let shape = self.conv_shape(x, &window, outputs);
        let channels = self.shape(x)[3];
        let weights = self.constant(&[outputs, channels / groups, window.kernel[0], window.kernel[1]]);
        self.node(Op::Conv { window, groups, layout: Layout::ChannelsLast }, &[x, weights], &shape)
    }

    fn matmul(&mut self, x: ValueId, outputs: usize) -> ValueId {
        let mut shape = self.shape(x);
        let k = shape.pop().unwrap();
        shape.push(outputs);
        let weights = self.constant(&[k, outputs]);
        self.node(Op::MatMul, &[x, weights], &shape)
    }

    fn bias(&mut self, x: ValueId) -> ValueId {
        let channels = *self.graph.shape(x).last().unwrap();
        let maps = (0..channels).map(|_| Affine::linear(1.0, self.random())).collect();
        let axis = self.graph.shape(x).len() - 1;
        self.same(Op::Affine { axis, maps: Arc::new(maps) }, &[x])
    }

    fn max_pool(&mut self, x: ValueId, window: Window) -> ValueId {
        let shape = self.conv_shape(x, &window, self.shape(x)[3]);
        self.node(Op::MaxPool { window, layout: Layout::ChannelsLast }, &[x], &shape)
    }

    fn average_pool(&mut self, x: ValueId, window: Window) -> ValueId {
        let shape = self.conv_shape(x, &window, self.shape(x)[3]);
        let (count_include_pad, ceil_extra) = (true, [0, 0]);
        self.node(Op::AveragePool { window, count_include_pad, ceil_extra, layout: Layout::ChannelsLast }, &[x], &shape)
    }

    fn mean(&mut self, x: ValueId) -> ValueId {
        let s = self.shape(x);
        self.node(Op::Reduce { kind: Reduction::Mean, axes: vec![1, 2], keepdims: true }, &[x], &[s[0], 1, 1, s[3]])
    }

    fn reshape(&mut self, x: ValueId, shape: &[usize]) -> ValueId {
        self.node(Op::Reshape, &[x], shape)
    }

    fn output(&mut self, x: ValueId) -> &mut Self {
        self.graph.outputs.push(x);
        self
    }

    /// Lowers the graph, and compares what both levels compute on random inputs.
    fn check(&mut self) -> Network {
        let network = run(&self.graph).unwrap_or_else(|e| panic!("{e}"));
        for _ in 0..3 {
            let shapes: Vec<Vec<usize>> = self.graph.inputs.iter().map(|&i| self.shape(i)).collect();
            let inputs: Vec<Tensor> =
                shapes.into_iter().map(|s| Tensor::f32(s.clone(), self.randoms(s.iter().product()))).collect();
            let wanted = interpret::graph(&self.graph, &inputs).unwrap();
            let got = interpret::network::run(&network, &inputs).unwrap_or_else(|e| panic!("{e}\n{network}"));
            assert_eq!(network.outputs.len(), self.graph.outputs.len());
            for (&g, &n) in self.graph.outputs.iter().zip(&network.outputs) {
                compare(&wanted[&g], &got[&n], &network);
            }
        }
        network
    }
}

fn compare(wanted: &Tensor, got: &Tensor, network: &Network) {
    assert_eq!(wanted.shape, got.shape, "{network}");
    if let (Some(wanted), Some(got)) = (wanted.as_i64(), got.as_i64()) {
        assert_eq!(wanted, got);
        return;
    }
    let (wanted, got) = (wanted.to_f32(), got.to_f32());
    let size = wanted.iter().fold(1.0_f32, |m, v| m.max(v.abs()));
    for (i, (w, g)) in wanted.iter().zip(&got).enumerate() {
        assert!((w - g).abs() <= 2e-5 * size, "element {i}: {w} {g}\n{network}");
    }
}

fn binary_blocks(network: &Network) -> Vec<&Block> {
    network.blocks.iter().filter(|b| b.is_binary()).collect()
}

fn has(block: &Block, test: impl Fn(&Step) -> bool) -> bool {
    block.steps().any(test)
}

/// Names of the sources and steps, for comparisons.
fn words(network: &Network) -> Vec<String> {
    let source = |source: &Source| match source {
        Source::BinaryConv { .. } => "binary",
        Source::RealConv { .. } => "conv",
        Source::MaxPool { .. } => "max",
        Source::AveragePool { .. } => "average",
        Source::Map { .. } => "map",
        Source::Planes { .. } => "planes",
    };
    let step = |step: &Step| match step {
        Step::Scale(_) => "scale",
        Step::Shift(_) => "shift",
        Step::ScalePixels(_) => "scales",
        Step::ShiftPixels(_) => "shifts",
        Step::Gate(_) => "gate",
        Step::Activation(_) => "act",
        Step::Add(_) => "add",
        Step::Mul(_) => "mul",
        Step::Store(_) => "store",
        Step::Sum(_) => "sum",
        Step::Sign { .. } => "sign",
    };
    let line = |b: &Block| {
        let tiled = match &b.body {
            Body::Tiled(tiled) => tiled,
            Body::Gate(_) => return "gate".to_owned(),
            Body::Move(Move::BitMaxPool { .. }) => return "or".to_owned(),
            Body::Move(Move::BitJoin { .. }) => return "join".to_owned(),
            Body::Move(Move::BitProduct { .. }) => return "product".to_owned(),
            Body::Move(Move::Copy { .. }) => return "copy".to_owned(),
            Body::Move(Move::Reshape { .. }) => return "reshape".to_owned(),
            Body::Move(Move::Lookup { .. }) => return "lookup".to_owned(),
            Body::Move(Move::Convert { .. }) => return "convert".to_owned(),
            Body::Whole(whole) if matches!(whole.op, Op::Binary(_)) => return "broadcast".to_owned(),
            Body::Whole(whole) => return whole.op.name().to_lowercase(),
        };
        let mut words = vec![source(&tiled.source)];
        words.extend(tiled.steps.iter().map(step));
        if let Some(Pooled { pool, steps }) = &tiled.pooled {
            words.push(if pool.kind == PoolKind::Max { "max" } else { "average" });
            words.extend(steps.iter().map(step));
        }
        words.join(" ")
    };
    network.blocks.iter().map(line).collect()
}

/// The words of some parts.
fn said(parts: &[Part]) -> Vec<&str> {
    parts.iter().map(Part::word).collect()
}

fn frames(network: &Network) -> Vec<[usize; 4]> {
    let frame = |s: &Storage| match s {
        Storage::Bits(layout) => Some(layout.frame),
        Storage::Dense(_) => None,
    };
    network.tensors.iter().filter_map(|t| frame(&t.storage)).collect()
}
