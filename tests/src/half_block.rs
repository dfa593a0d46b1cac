//! Blocks without a file: what the assembly of kernels is looked at in.

use std::sync::Arc;

use xnorc::ir::DType;
use xnorc::ir::network::{
    Activation, BinaryWeights, BitLayout, BitPadding, Block, Geometry, Interval, NetTensor, Network, Products, Source,
    Step, Storage, Tiled,
};
use xnorc::{Config, Output};

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
    compiled(network)
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
    compiled(network)
}

fn compiled(network: Network) -> Output {
    let mut config = Config::new();
    config.standalone(true).share_from(0);
    xnorc::of_network(network, String::new(), "network", &config).unwrap_or_else(|problems| panic!("{problems}"))
}
