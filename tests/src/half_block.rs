//! Blocks without a file: what the assembly of kernels is looked at in.

use std::sync::Arc;

use xnorc::ir::DType;
use xnorc::ir::network::{
    Activation, BinaryWeights, BitLayout, BitPadding, Block, Geometry, Interval, NetTensor, Network, Products, Source,
    Step, Storage, Tiled,
};
use xnorc::{Config, Output};

use crate::random::Random;

/// A half-block: signs of x -> 3x3 binary convolution -> scale, PReLU, + x.
pub fn half_block(channels: usize, size: usize) -> Output {
    let mut network = Network { name: "block".into(), ..Network::default() };
    let shape = vec![1, size, size, channels];
    let mut tensor = |name: &str, storage| {
        network.add_tensor(NetTensor { name: name.into(), shape: shape.clone(), storage, origin: None })
    };
    let input = tensor("x", Storage::Dense(DType::F32));
    let bits = tensor("signs", Storage::Bits(BitLayout { groups: 1, frame: [1; 4], frame_ones: false }));
    let output = tensor("y", Storage::Dense(DType::F32));
    let geometry = Geometry {
        n: 1,
        input: [size, size, channels],
        output: [size, size, channels],
        kernel: [3, 3],
        strides: [1, 1],
        dilations: [1, 1],
        pads: [1, 1],
        groups: 1,
    };
    let signs = (0..channels * 9 * channels).map(|i| i * i % 7 < 3).collect();
    let weights = Arc::new(BinaryWeights { signs, zeros: 0, deviation: 0.0 });
    let ramp = |from: f32| Arc::new((0..channels).map(|i| from + i as f32 / 64.0).collect::<Vec<_>>());
    let intervals = Arc::new(vec![Interval { low: 0.0, high: f32::INFINITY }; channels]);
    let block = |name: &str, source, steps| Block::new(name, Tiled::new(source, steps));
    network.blocks = vec![
        block("sign", Source::Map { input }, vec![Step::Sign { bits, intervals }]),
        block(
            "conv",
            Source::BinaryConv { input: bits, geometry, weights, padding: BitPadding::Zero },
            vec![
                Step::Scale(ramp(0.5)),
                Step::Activation(Activation::PRelu(ramp(-0.5))),
                Step::Add(input),
                Step::Store(output),
            ],
        ),
    ];
    network.inputs = vec![input];
    network.outputs = vec![output];
    compiled(network, "network", Config::new())
}

/// What the blocks of [`chain`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 3x3 binary convolution -> signs against a threshold per channel: nothing real but the last output.
    Integer,
    /// Half-blocks: signs of x -> 3x3 binary convolution -> scale, PReLU, + x.
    Half,
}

/// The signs of x, and so many blocks of as many channels, of `size` times `size` pixels. As a crate of that name, for a target.
pub fn chain(kind: Kind, blocks: usize, [size, channels]: [usize; 2], name: &str, target: &str) -> Output {
    let mut network = Network { name: "chain".into(), ..Network::default() };
    let mut tensor = |name: String, storage| {
        let shape = vec![1, size, size, channels];
        network.add_tensor(NetTensor { name, shape, storage, origin: None })
    };
    let layout = BitLayout { groups: 1, frame: [1; 4], frame_ones: false };
    let bits: Vec<_> = (0..blocks).map(|i| tensor(format!("signs{i}"), Storage::Bits(layout.clone()))).collect();
    // Of integer blocks only the last has an output.
    let real: Vec<_> = (0..=blocks).map(|i| tensor(format!("x{i}"), Storage::Dense(DType::F32))).collect();
    let geometry = Geometry {
        n: 1,
        input: [size, size, channels],
        output: [size, size, channels],
        kernel: [3, 3],
        strides: [1, 1],
        dilations: [1, 1],
        pads: [1, 1],
        groups: 1,
    };
    let mut random = Random::new(7);
    let zero = Interval { low: 0.0, high: f32::INFINITY };
    let sign = |i: usize, intervals| Step::Sign { bits: bits[i], intervals: Arc::new(intervals) };
    let source = Source::Map { input: real[0] };
    network.blocks = vec![Block::new("sign", Tiled::new(source, vec![sign(0, vec![zero; channels])]))];
    for i in 0..blocks {
        let signs = (0..channels * 9 * channels).map(|_| random.below(2) == 1).collect();
        let weights = Arc::new(BinaryWeights { signs, zeros: 0, deviation: 0.0 });
        let source = Source::BinaryConv { input: bits[i], geometry, weights, padding: BitPadding::Zero };
        let mut ramp = |scale: f32| Arc::new((0..channels).map(|_| scale * random.real()).collect::<Vec<f32>>());
        let mut steps = match kind {
            Kind::Integer => Vec::new(),
            Kind::Half => {
                let slope = Step::Activation(Activation::PRelu(ramp(0.25)));
                vec![Step::Scale(ramp(0.05)), slope, Step::Add(real[i]), Step::Store(real[i + 1])]
            }
        };
        if i + 1 < blocks {
            let low = (0..channels).map(|_| random.below(41) as f32 - 20.0);
            let intervals = match kind {
                // Every fourth is the other way round.
                Kind::Integer => low
                    .enumerate()
                    .map(|(c, at)| match c % 4 {
                        3 => Interval { low: f32::NEG_INFINITY, high: at },
                        _ => Interval { low: at, high: f32::INFINITY },
                    })
                    .collect(),
                // The sums' median, as BatchNorm would have it: half of the signs are +1.
                Kind::Half => vec![Interval { low: 0.2 * (i + 1) as f32, high: f32::INFINITY }; channels],
            };
            steps.push(sign(i + 1, intervals));
        } else if kind == Kind::Integer {
            steps.push(Step::Store(real[blocks]));
        }
        network.blocks.push(Block::new(format!("conv{i}"), Tiled::new(source, steps)));
    }
    network.inputs = vec![real[0]];
    network.outputs = vec![real[blocks]];
    let mut config = Config::new();
    config.target(target);
    compiled(network, name, config)
}

/// x shifted, then a real-valued convolution and a shift.
pub fn real_block(geometry: Geometry) -> Output {
    let mut network = Network { name: "block".into(), ..Network::default() };
    let mut tensor = |name: &str, [h, w, c]: [usize; 3]| {
        let (shape, storage) = (vec![1, h, w, c], Storage::Dense(DType::F32));
        network.add_tensor(NetTensor { name: name.into(), shape, storage, origin: None })
    };
    let [input, shifted] = ["x", "shifted"].map(|name| tensor(name, geometry.input));
    let output = tensor("y", geometry.output);
    let [kh, kw] = geometry.kernel;
    let ramp = |len: usize| Arc::new((0..len).map(|i| i as f32 / 64.0).collect::<Vec<_>>());
    let weights = ramp(geometry.output[2] * kh * kw * geometry.input[2]);
    let block = |name: &str, source, steps| Block::new(name, Tiled::new(source, steps));
    network.blocks = vec![
        block("shift", Source::Map { input }, vec![Step::Shift(ramp(geometry.input[2])), Step::Store(shifted)]),
        block(
            "conv",
            Source::RealConv { input: shifted, planar: false, geometry, weights, products: Products::F32 },
            vec![Step::Shift(ramp(geometry.output[2])), Step::Store(output)],
        ),
    ];
    network.inputs = vec![input];
    network.outputs = vec![output];
    compiled(network, "network", Config::new())
}

fn compiled(network: Network, name: &str, mut config: Config) -> Output {
    config.standalone(true);
    // For a target as its user gets it.
    if config.target.is_none() {
        config.share_from(0);
    }
    xnorc::of_network(network, String::new(), name, &config).unwrap_or_else(|problems| panic!("{problems}"))
}
