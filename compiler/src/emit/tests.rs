//! The emitted text of one block of each kind.

use std::sync::Arc;

use crate::block::*;
use crate::emit::{self, Emitted};
use crate::ir::{DType, Unary};
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

    fn block(&mut self, name: &str, core: Core, steps: Vec<Step>) {
        self.0.blocks.push(Block { name: name.into(), core, steps, parts: vec!["Part".into()], reason: None });
    }

    fn emit(self) -> Emitted {
        let plan = plan::run(&self.0);
        let options = emit::Options {
            name: "sample".into(),
            model_hash: "00".into(),
            probe: false,
            runtime: "::xnorc_runtime".into(),
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
        Core::RealConv { input: x, geometry: geometry([8, 8, 3], [8, 8, 64], 3, 1, 1), weights: ramp(27 * 64) },
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
        b.block(
            &format!("{name}/gate"),
            Core::Gate {
                sums,
                first: layer(64, 8),
                hidden: Activation::Unary(Unary::Relu),
                second: layer(8, 64),
                squash: Activation::Unary(Unary::Sigmoid),
            },
            vec![Step::Store(gate)],
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
            Core::BinaryConv {
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
        Core::AveragePool { input: y2, geometry: geometry([8, 8, 64], [4, 4, 64], 2, 2, 0), count_include_pad: None },
        vec![Step::Store(pooled), Step::Sum(mean)],
    );
    b.block(
        "fc",
        Core::RealConv { input: mean, geometry: geometry([1, 1, 64], [1, 1, 10], 1, 1, 0), weights: ramp(640) },
        vec![Step::Shift(ramp(10)), Step::Store(logits)],
    );
    let emitted = b.emit();
    insta::assert_snapshot!(emitted.source);
    insta::assert_snapshot!(emitted.summary);
}
