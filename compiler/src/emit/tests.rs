//! The emitted text of one block of each kind.

use std::sync::Arc;

use crate::emit::{self, Emitted};
use crate::ir::network::*;
use crate::ir::{Binary, DType, Op, Reduction, Unary};
use crate::plan;

/// A network under construction; parameters are simple numbers, so that the text does not change by chance.
struct Builder(Network);

impl Builder {
    fn new() -> Self {
        Self(Network { name: "sample".into(), ..Network::default() })
    }

    fn dense(&mut self, name: &str, shape: &[usize]) -> TensorId {
        let storage = Storage::Dense(DType::F32);
        self.0.add_tensor(NetTensor { name: name.into(), shape: shape.to_vec(), storage, origin: None })
    }

    fn bits(&mut self, name: &str, shape: [usize; 4], frame: [usize; 4]) -> TensorId {
        let storage = Storage::Bits(BitLayout { groups: 1, frame, frame_ones: false });
        self.0.add_tensor(NetTensor { name: name.into(), shape: shape.to_vec(), storage, origin: None })
    }

    fn block(&mut self, name: &str, source: Source, steps: Vec<Step>) {
        self.other(name, Tiled::new(source, steps));
    }

    fn other(&mut self, name: &str, body: impl Into<Body>) {
        self.0.blocks.push(Block { parts: vec!["Part".into()], ..Block::new(name, body) });
    }

    fn emit(self) -> Emitted {
        let plan = plan::run(&self.0);
        let options = emit::Options {
            name: "sample".into(),
            model_hash: "00".into(),
            probe: false,
            runtime: "::xnorc_runtime".into(),
            share_from: 1,
        };
        emit::run(&self.0, &plan, &options)
    }
}

fn geometry(input: [usize; 3], output: [usize; 3], kernel: usize, stride: usize, pad: usize) -> Geometry {
    Geometry {
        n: 1,
        input,
        output,
        kernel: [kernel; 2],
        strides: [stride; 2],
        dilations: [1, 1],
        pads: [pad; 2],
        groups: 1,
    }
}

fn ramp(n: usize) -> Arc<Vec<f32>> {
    Arc::new((0..n).map(|i| i as f32 + 0.5).collect())
}

fn signs(n: usize) -> Arc<BinaryWeights> {
    Arc::new(BinaryWeights { signs: (0..n).map(|i| i % 3 == 0).collect(), zeros: 0, deviation: 0.0 })
}

fn rising(n: usize) -> Arc<Vec<Interval>> {
    Arc::new((0..n).map(|i| Interval { low: i as f32 - 4.0, high: f32::INFINITY }).collect())
}

/// A stem, a gate, two half-blocks of the same geometry, a pool and a head.
#[test]
fn real_to_binary() {
    let mut b = Builder::new();
    let x = b.dense("x", &[1, 8, 8, 3]);
    b.0.inputs = vec![x];
    let stem = b.dense("stem", &[1, 8, 8, 64]);
    let (bits1, bits2) = (b.bits("s1", [1, 8, 8, 64], [1; 4]), b.bits("s2", [1, 8, 8, 64], [1; 4]));
    let (sums1, sums2) = (b.dense("sums1", &[1, 1, 1, 64]), b.dense("sums2", &[1, 1, 1, 64]));
    let (gate1, gate2) = (b.dense("gate1", &[1, 1, 1, 64]), b.dense("gate2", &[1, 1, 1, 64]));
    let (y1, y2, pooled) =
        (b.dense("y1", &[1, 8, 8, 64]), b.dense("y2", &[1, 8, 8, 64]), b.dense("pool", &[1, 4, 4, 64]));
    let (mean, logits) = (b.dense("mean", &[1, 1, 1, 64]), b.dense("logits", &[1, 10]));
    b.0.outputs = vec![logits];
    b.block(
        "stem/Conv",
        Source::RealConv {
            input: x,
            planar: false,
            geometry: geometry([8, 8, 3], [8, 8, 64], 3, 1, 1),
            weights: ramp(27 * 64),
            products: Products::F32,
        },
        vec![
            Step::Shift(ramp(64)),
            Step::Activation(Activation::PRelu(ramp(64))),
            Step::Store(stem),
            Step::Sign { bits: bits1, intervals: rising(64) },
            Step::Sum(sums1),
        ],
    );
    for (name, bits, sums, gate, input, output, next) in
        [("block1", bits1, sums1, gate1, stem, y1, Some((bits2, sums2))), ("block2", bits2, sums2, gate2, y1, y2, None)]
    {
        let layer = |inputs, outputs| Dense { inputs, outputs, weights: ramp(64 * 8), bias: ramp(outputs) };
        let (first, second) = (layer(64, 8), layer(8, 64));
        b.other(
            &format!("{name}/gate"),
            Gate { sums, first, hidden: Unary::Relu, second, squash: Unary::Sigmoid, output: gate },
        );
        let mut steps = vec![
            Step::Scale(ramp(64)),
            Step::Gate(gate),
            Step::Activation(Activation::PRelu(ramp(64))),
            Step::Add(input),
            Step::Store(output),
        ];
        if let Some((bits, sums)) = next {
            steps.extend([Step::Sign { bits, intervals: rising(64) }, Step::Sum(sums)]);
        }
        b.block(
            &format!("{name}/Conv"),
            Source::BinaryConv {
                input: bits,
                geometry: geometry([8, 8, 64], [8, 8, 64], 3, 1, 1),
                weights: signs(64 * 9 * 64),
                padding: BitPadding::Zero,
            },
            steps,
        );
    }
    b.block(
        "pool",
        Source::AveragePool { input: y2, geometry: geometry([8, 8, 64], [4, 4, 64], 2, 2, 0), count_include_pad: None },
        vec![Step::Store(pooled), Step::Sum(mean)],
    );
    b.block(
        "fc",
        Source::RealConv {
            input: mean,
            planar: false,
            geometry: geometry([1, 1, 64], [1, 1, 10], 1, 1, 0),
            weights: ramp(640),
            products: Products::F32,
        },
        vec![Step::Shift(ramp(10)), Step::Store(logits)],
    );
    let emitted = b.emit();
    insta::assert_snapshot!(emitted.source);
    insta::assert_snapshot!(emitted.summary);
}

/// Bits only between binary layers, pooled as bits; layers that rearrange and reduce; several inputs and outputs.
#[test]
fn every_other_core() {
    let mut b = Builder::new();
    let (x, z, row) = (b.dense("x", &[1, 4, 4, 32]), b.dense("z", &[2, 3]), b.dense("row", &[3]));
    b.0.inputs = vec![x, z, row];
    let (bits, next) = (b.bits("s", [1, 4, 4, 32], [0; 4]), b.bits("t", [1, 4, 4, 31], [0; 4]));
    let pooled = b.bits("u", [1, 2, 2, 31], [0; 4]);
    let (wide, deep, moved) =
        (b.dense("wide", &[1, 4, 4, 32]), b.dense("deep", &[1, 2, 2, 5]), b.dense("moved", &[3, 3]));
    let (sum, product, mean) = (b.dense("sum", &[3, 3]), b.dense("product", &[2, 3]), b.dense("mean", &[2]));
    let (flat, chances) = (b.dense("flat", &[20]), b.dense("chances", &[20]));
    let storage = Storage::Dense(DType::I64);
    let best = b.0.add_tensor(NetTensor { name: "best".into(), shape: vec![1], storage, origin: None });
    b.0.outputs = vec![chances, best, mean, wide];
    b.block("pack", Source::Map { input: x }, vec![Step::Sign { bits, intervals: rising(32) }]);
    let falling = (0..31).map(|i| Interval { low: f32::NEG_INFINITY, high: i as f32 }).collect();
    b.block(
        "binary",
        Source::BinaryConv {
            input: bits,
            geometry: geometry([4, 4, 32], [4, 4, 31], 1, 1, 0),
            weights: signs(32 * 31),
            padding: BitPadding::Zero,
        },
        vec![Step::Sign { bits: next, intervals: Arc::new(falling) }],
    );
    let pool = geometry([4, 4, 31], [2, 2, 31], 2, 2, 0);
    b.other("pool", Move::BitMaxPool { input: next, output: pooled, geometry: pool });
    b.block(
        "last",
        Source::BinaryConv {
            input: pooled,
            geometry: geometry([2, 2, 31], [2, 2, 5], 1, 1, 0),
            weights: signs(31 * 5),
            padding: BitPadding::Zero,
        },
        vec![Step::Activation(Activation::Unary(Unary::Sigmoid)), Step::Store(deep)],
    );
    let each = Geometry { groups: 32, ..geometry([4, 4, 32], [4, 4, 32], 3, 1, 1) };
    b.block(
        "depthwise",
        Source::RealConv { input: x, planar: false, geometry: each, weights: ramp(9 * 32), products: Products::F32 },
        vec![Step::Activation(Activation::Unary(Unary::Clip(0.0, 6.0))), Step::Mul(x), Step::Store(wide)],
    );
    b.other("view", Move::Reshape { input: deep, output: flat });
    let whole = |b: &mut Builder, name, op, inputs: &[TensorId], output| {
        b.other(name, Whole { op, inputs: inputs.to_vec(), output })
    };
    whole(&mut b, "softmax", Op::Softmax { axis: 0, log: false }, &[flat], chances);
    whole(&mut b, "argmax", Op::ArgMax { axis: 0, last: false, keepdims: true }, &[flat], best);
    let piece = Piece {
        input: z,
        input_offset: 5,
        input_strides: vec![-3, -1],
        output_offset: 3,
        output_strides: vec![3, 1],
        extents: vec![2, 3],
    };
    b.other("flip", Move::Copy { fill: Some(-1.0), pieces: vec![piece], output: moved });
    whole(&mut b, "add", Op::Binary(Binary::Add), &[moved, row], sum);
    whole(&mut b, "attend", Op::MatMul, &[z, sum], product);
    let op = Op::Reduce { kind: Reduction::Mean, axes: vec![1], keepdims: false };
    whole(&mut b, "mean", op, &[product], mean);
    insta::assert_snapshot!(b.emit().source);
}

/// Dynamo calls its outputs `output`; a function of that name could not be called where a parameter is called so.
#[test]
fn no_function_is_hidden_by_a_parameter() {
    let mut b = Builder::new();
    let x = b.dense("x", &[1, 4, 4, 8]);
    let y = b.dense("y", &[1, 4, 4, 8]);
    b.0.inputs = vec![x];
    b.0.outputs = vec![y];
    b.block("output", Source::Map { input: x }, vec![Step::Store(y)]);
    let source = b.emit().source;
    assert!(source.contains("output_2(input, output);") && source.contains("fn output_2("), "{source}");
}

/// A stem whose pool slides over its rows: a band of it has windows of its own.
#[test]
fn a_pool_inside_a_block() {
    let mut b = Builder::new();
    let x = b.dense("x", &[1, 8, 8, 3]);
    b.0.inputs = vec![x];
    let (y, sums, bits) = (b.dense("y", &[1, 4, 4, 32]), b.dense("sums", &[1, 32]), b.bits("s", [1, 4, 4, 32], [1; 4]));
    b.0.outputs = vec![y, sums];
    b.block(
        "stem/Conv",
        Source::RealConv {
            input: x,
            geometry: geometry([8, 8, 3], [8, 8, 32], 3, 1, 1),
            weights: ramp(27 * 32),
            products: Products::F32,
            planar: false,
        },
        vec![Step::Shift(ramp(32))],
    );
    let pool = Pool { kind: PoolKind::Max, geometry: geometry([8, 8, 32], [4, 4, 32], 3, 2, 1) };
    let steps = vec![Step::Store(y), Step::Sign { bits, intervals: rising(32) }, Step::Sum(sums)];
    let Some(Block { body: Body::Tiled(tiled), .. }) = b.0.blocks.last_mut() else { unreachable!("just made") };
    tiled.pooled = Some(Pooled { pool, steps });
    insta::assert_snapshot!(b.emit().source);
}

/// A layer in bf16 and one in 8-bit integers: the input is rounded first, then the kernel reads it.
#[test]
fn narrow_layers() {
    let mut b = Builder::new();
    let x = b.dense("x", &[1, 8, 8, 3]);
    let y = b.dense("y", &[1, 4, 4, 32]);
    let z = b.dense("z", &[1, 1, 1, 10]);
    let (g, linear) = (geometry([8, 8, 3], [4, 4, 32], 3, 2, 1), geometry([1, 1, 512], [1, 1, 10], 1, 1, 0));
    let first = b.dense("first", &[g.narrow_words(2)]);
    let second = b.dense("second", &[linear.narrow_words(1)]);
    let products = Products::Bf16 { narrow: first };
    b.block(
        "stem",
        Source::RealConv { input: x, geometry: g, weights: ramp(27 * 32), products, planar: false },
        vec![Step::Activation(Activation::Unary(Unary::Relu)), Step::Store(y)],
    );
    let quantized = Quantized { inverse_scale: 12.5, zero_point: 3, weights: vec![1; 5120] };
    let products = Products::Int8 { narrow: second, quantized: Arc::new(quantized) };
    b.block(
        "fc",
        Source::RealConv { input: y, geometry: linear, weights: ramp(5120), products, planar: false },
        vec![Step::Scale(ramp(10)), Step::Store(z)],
    );
    b.0.inputs.push(x);
    b.0.outputs.push(z);
    let emitted = b.emit();
    // Two bytes a weight, in pairs; one byte a weight and what the sums start from. Ten outputs take sixteen places.
    assert_eq!(emitted.weight_bytes, 3 * 5 * 4 * 32 + (512 + 4) * 16 + 4 * 16);
    insta::assert_snapshot!(emitted.source);
}
