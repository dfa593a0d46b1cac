use burn::module::Module as _;
use burn::tensor::{Tensor, TensorData};

use super::*;
use crate::config::*;
use crate::testing::{device, train, values, wave};

fn small(block: BlockConfig) -> NetworkConfig {
    NetworkConfig {
        architecture: Architecture::Binary,
        widths: vec![8, 16],
        depths: vec![1, 1],
        stem: StemConfig::default(),
        block: Some(block),
        head_norm: false,
    }
}

const TASK: Task = Task { channels: 3, size: [9, 9], classes: 5 };

#[test]
fn the_sign_of_zero_is_one() {
    let smallest = f32::MIN_POSITIVE;
    let x = Tensor::<1>::from_floats([0.0, -0.0, smallest, -smallest, 3.0, -3.0, f32::INFINITY], &train());
    assert_eq!(values(sign(x, Surrogate::Clip)), [1.0, 1.0, 1.0, -1.0, 1.0, -1.0, 1.0]);
}

/// As for the compiled network. Graphics cards may take what is smaller than the smallest normal number for zero.
#[test]
fn subnormal_numbers_have_signs_on_the_cpu() {
    let x = Tensor::<1>::from_floats([1e-45, -1e-45], &crate::train::device("cpu").unwrap());
    assert_eq!(values(sign(x, Surrogate::Clip)), [1.0, -1.0]);
}

#[test]
fn surrogates_are_those_of_the_literature() {
    let at = [-2.0, -1.0, -0.75, -0.25, 0.0, 0.5, 1.0, 1.5];
    let by = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
    let expected = |surrogate: Surrogate| -> Vec<f32> {
        let slope = |x: f32| match surrogate {
            Surrogate::Clip => f32::from(x.abs() <= 1.0),
            Surrogate::Polynomial => (2.0 - 2.0 * x.abs()).max(0.0),
            Surrogate::Identity => 1.0,
        };
        at.iter().zip(by).map(|(&x, w)| slope(x) * w).collect()
    };
    for surrogate in [Surrogate::Clip, Surrogate::Polynomial, Surrogate::Identity] {
        let x = Tensor::<1>::from_floats(at, &train()).require_grad();
        let loss = (sign(x.clone(), surrogate) * Tensor::from_floats(by, &train())).sum();
        assert_eq!(values(x.grad(&loss.backward()).unwrap()), expected(surrogate), "{surrogate:?}");
    }
}

/// PyTorch's rule at 0, which is where binary convolutions often are, on the CPU's own path and on the general one.
#[test]
fn the_slope_rules_at_zero() {
    let x = || Tensor::<4>::from_floats([[[[2.0, 0.0]], [[-1.0, -3.0]]], [[[-0.5, 1.0]], [[0.0, 4.0]]]], &train());
    let slopes = || Tensor::<1>::from_floats([0.25, 0.5], &train()).require_grad();
    let by = Tensor::<4>::from_floats([[[[1.0, 2.0]], [[3.0, 4.0]]], [[[5.0, 6.0]], [[7.0, 8.0]]]], &train());
    let (a, s) = (x().require_grad(), slopes());
    let y = prelu(a.clone(), s.clone());
    assert_eq!(values(y.clone()), [2.0, 0.0, -0.5, -1.5, -0.125, 1.0, 0.0, 4.0]);
    let grads = (y * by).sum().backward();
    assert_eq!(values(a.grad(&grads).unwrap()), [1.0, 0.5, 1.5, 2.0, 1.25, 6.0, 3.5, 8.0]);
    assert_eq!(values(s.grad(&grads).unwrap()), [-2.5, -15.0]);
}

/// The Larq form of Real-to-Binary ResNet-18: PReLU in the stem, gates without biases of C_in / 8 hidden units instead
/// of a learned scale. Its published count has the running statistics in it.
#[test]
fn the_published_parameter_count() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/table1.toml");
    let mut config = Config::load(&path).unwrap_or_else(|problems| panic!("{problems}")).networks["larq"].clone();
    let block = config.block();
    let gate = GateConfig { hidden: GateHidden::Input, ..GateConfig::default() };
    assert_eq!(block, BlockConfig { gate: Some(gate), scale: Scale::None, ..BlockConfig::default() });
    let task = Task { channels: 3, size: [224, 224], classes: 1000 };
    let count = |config: &NetworkConfig| Network::new(config, task, Form::default(), 1, &device()).parameters();
    assert_eq!(count(&config), 11_995_624);
    // With a scale per channel, which the paper keeps, and with biases in the gates.
    config.block = Some(BlockConfig { scale: Scale::Channel, ..block });
    assert_eq!(count(&config), 11_995_624 + 4 * (64 + 128 + 256 + 512));
    config.block = Some(BlockConfig { gate: Some(GateConfig { bias: true, ..gate }), ..block });
    assert_eq!(count(&config), 11_999_888);
}

/// torchvision's ResNet-18 and ResNet-34 have 11 689 512 and 21 797 672 parameters; running statistics are extra.
#[test]
fn the_real_network_is_a_resnet() {
    let mut config = NetworkConfig {
        architecture: Architecture::Resnet,
        widths: vec![64, 128, 256, 512],
        depths: vec![2, 2, 2, 2],
        stem: StemConfig { kernel: 7, stride: 2, pool: true, activation: Activation::Relu },
        block: None,
        head_norm: false,
    };
    let task = Task { channels: 3, size: [224, 224], classes: 1000 };
    let running = |depths: &[usize]| {
        // A mean and a variance per channel: stem, two per block, one per down-sampling.
        let blocks: usize = depths.iter().zip(&config.widths).map(|(d, w)| 2 * d * w).sum();
        2 * (64 + blocks + 128 + 256 + 512)
    };
    let expected = [11_689_512 + running(&[2, 2, 2, 2]), 21_797_672 + running(&[3, 4, 6, 3])];
    for (depths, expected) in [[2, 2, 2, 2], [3, 4, 6, 3]].into_iter().zip(expected) {
        config.depths = depths.to_vec();
        let network = Network::new(&config, task, Form::default(), 1, &device());
        assert_eq!(network.parameters(), expected);
    }
}

/// Every part switched, both ways: shapes fit, every parameter of the network gets a gradient, and evaluation works.
#[test]
fn every_part_can_be_switched() {
    let plain = BlockConfig::default();
    let gate = GateConfig::default();
    let blocks = [
        plain,
        BlockConfig { gate: Some(gate), ..plain },
        BlockConfig { gate: Some(GateConfig { bias: true, hidden: GateHidden::Input, reduction: 2 }), ..plain },
        BlockConfig { order: Order::NormLast, activation: Activation::None, scale: Scale::None, ..plain },
        BlockConfig { order: Order::NormLast, gate: Some(gate), ..plain },
        BlockConfig { skip: Skip::Single, activation: Activation::Relu, scale: Scale::Mean, ..plain },
        BlockConfig { scale: Scale::Factorised, downsample: Downsample::Binary, ..plain },
        BlockConfig { padding: Padding::One, activation_gradient: Surrogate::Polynomial, ..plain },
        BlockConfig { skip: Skip::Single, downsample: Downsample::Binary, padding: Padding::One, ..plain },
    ];
    for block in blocks {
        for (inputs, weights) in
            [(Inputs::Tanh, Weights::Real), (Inputs::Sign, Weights::Real), (Inputs::Sign, Weights::Sign)]
        {
            let config = NetworkConfig { head_norm: block.gate.is_some(), ..small(block) };
            let network = Network::new(&config, TASK, Form { inputs, weights }, 7, &train());
            let x = wave([2, 3, 9, 9], 0.5, &train());
            let output = network.run(x.clone(), Some(Points::Blocks));
            assert_eq!(output.logits.dims(), [2, 5]);
            assert_eq!(output.points.iter().map(|p| p.dims()).collect::<Vec<_>>(), [[2, 8, 9, 9], [2, 16, 5, 5]]);
            let weighed = output.logits * wave([2, 5], 1.5, &train());
            let grads = burn::optim::GradientsParams::from_grads(weighed.sum().backward(), &network);
            assert_eq!(grads.len(), trainable(&network), "{block:?} {inputs:?} {weights:?}");
            let logits = values(network.valid().forward(x.inner()));
            assert!(logits.iter().all(|v| v.is_finite()), "{block:?}");
        }
    }
}

fn trainable(network: &Network) -> usize {
    struct Count(usize);
    impl burn::module::ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
            self.0 += usize::from(param.val().is_require_grad());
        }
    }
    let mut count = Count(0);
    network.visit(&mut count);
    count.0
}

/// A half-block whose forms are smooth (tanh, real weights): the gradient of every parameter, and of the input, against
/// central differences.
#[test]
fn gradients_of_the_half_block_match_finite_differences() {
    let device = train();
    let gate = Some(GateConfig { bias: true, reduction: 2, ..GateConfig::default() });
    for order in [Order::NormFirst, Order::NormLast] {
        for (scale, downsample) in [(Scale::Factorised, Downsample::Real), (Scale::Channel, Downsample::Binary)] {
            let block = BlockConfig { gate, order, scale, downsample, ..BlockConfig::default() };
            let geometry = Geometry { channels: [4, 6], kernel: 3, stride: 2, output: [3, 3] };
            let form = Form { inputs: Inputs::Tanh, weights: Weights::Real };
            let half = HalfBlock::new(&block, geometry, form, true, &mut Init::new(3, &device));
            let x = wave([3, 4, 6, 6], 0.3, &device).require_grad();
            let weigh = wave([3, 6, 3, 3], 0.9, &device);
            let loss = |half: &HalfBlock, x: Tensor<4>| (half.forward(x) * weigh.clone()).sum();
            let grads = loss(&half, x.clone()).backward();
            let mut check = Check { grads: &grads, half: &half, x: &x, loss: &loss, checked: 0 };
            let inputs = values(x.grad(&grads).unwrap());
            for i in [0, 17, 200, 431] {
                let at = |step: f32| {
                    let mut data = values(x.clone());
                    data[i] += step;
                    let x = Tensor::from_data(TensorData::new(data, [3, 4, 6, 6]), &device);
                    f64::from(values(loss(&half, x))[0])
                };
                close(inputs[i], &at, "input");
            }
            half.visit(&mut check);
            assert!(check.checked >= 10, "{} parameters", check.checked);
        }
    }
}

struct Check<'a, L> {
    grads: &'a burn::tensor::Gradients,
    half: &'a HalfBlock,
    x: &'a Tensor<4>,
    loss: &'a L,
    checked: usize,
}

impl<L: Fn(&HalfBlock, Tensor<4>) -> Tensor<1>> burn::module::ModuleVisitor for Check<'_, L> {
    fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
        let value = param.val();
        if !value.is_require_grad() {
            return;
        }
        let grad = values(value.grad(self.grads).unwrap());
        for i in [0, grad.len() / 2] {
            let at = |step: f32| {
                let changed = self.half.clone().map(&mut Nudge { id: param.id, index: i, step });
                f64::from(values((self.loss)(&changed, self.x.clone()))[0])
            };
            close(grad[i], &at, &format!("{:?} of shape {:?}", param.id, value.dims()));
        }
        self.checked += 1;
    }
}

/// Adds `step` to one value of one parameter.
struct Nudge {
    id: burn::module::ParamId,
    index: usize,
    step: f32,
}

impl burn::module::ModuleMapper for Nudge {
    fn map_float<const D: usize>(&mut self, param: burn::module::Param<Tensor<D>>) -> burn::module::Param<Tensor<D>> {
        if param.id != self.id {
            return param;
        }
        let (index, step) = (self.index, self.step);
        param.map(|value| {
            let (shape, device) = (value.dims(), value.device());
            let mut data = values(value);
            data[index] += step;
            Tensor::from_data(TensorData::new(data, shape), &device)
        })
    }
}

/// The gradient is the slope of `loss` at 0, as far as differences of 32-bit losses show.
fn close(gradient: f32, loss: &dyn Fn(f32) -> f64, what: &str) {
    let step = 4e-3f32;
    let slope = (loss(step) - loss(-step)) / f64::from(2.0 * step);
    assert!((slope - f64::from(gradient)).abs() < 4e-3 * slope.abs().max(1.0), "{what}: {gradient}, slope {slope}");
}

#[test]
fn binary_weights_are_signs_and_latent_ones_can_be_clipped() {
    let device = train();
    let geometry = Geometry { channels: [2, 3], kernel: 3, stride: 1, output: [4, 4] };
    let make = |scale, weights| {
        BinaryConv::new(geometry, scale, Padding::Zero, weights, Surrogate::Clip, &mut Init::new(5, &device))
    };
    let latent = values(make(Scale::None, Weights::Real).weight());
    let signs = values(make(Scale::Channel, Weights::Sign).weight());
    let signed: Vec<f32> = latent.iter().map(|&w| if w >= 0.0 { 1.0 } else { -1.0 }).collect();
    assert_eq!(signs, signed);
    // XNOR-Net's scale is the mean size of the channel's latent weights.
    let scaled = values(make(Scale::Mean, Weights::Sign).weight());
    for (channel, weights) in latent.chunks(18).enumerate() {
        let mean = weights.iter().map(|w| w.abs()).sum::<f32>() / 18.0;
        for i in 0..18 {
            assert!((scaled[18 * channel + i] - mean * signed[18 * channel + i]).abs() < 1e-6);
        }
    }
    let mut conv = make(Scale::None, Weights::Sign);
    conv.latent = conv.latent.map(|w| Tensor::from_inner(w.inner() * 10.0).require_grad());
    let before = values(conv.latent.val());
    let conv = conv.clipped();
    assert!(conv.latent.val().is_require_grad());
    assert_eq!(values(conv.latent.val()), before.iter().map(|w| w.clamp(-1.0, 1.0)).collect::<Vec<_>>());
}

/// The scale that makes signs the nearest to real weights: with it, where α was 1, the network is XNOR-Net's.
#[test]
fn a_learned_scale_takes_over_the_size_of_the_weights() {
    let device = train();
    let make = |scale, downsample| {
        let config = small(BlockConfig { scale, downsample, ..BlockConfig::default() });
        Network::new(&config, TASK, Form::default(), 4, &device)
    };
    let logits = |network: Network| values(network.valid().forward(wave([2, 3, 9, 9], 0.5, &device.clone().inner())));
    let theirs = logits(make(Scale::Mean, Downsample::Real));
    let before = make(Scale::Channel, Downsample::Real);
    let after = before.clone().with_scales_from_weights();
    assert_eq!(trainable(&after), trainable(&before));
    assert_ne!(logits(before), theirs);
    let ours = logits(after);
    assert!(ours.iter().zip(&theirs).all(|(a, b)| (a - b).abs() < 1e-5), "{ours:?} {theirs:?}");
    // Binary shortcuts too.
    let network = make(Scale::Channel, Downsample::Binary).with_scales_from_weights();
    let Block::Binary(block) = &network.stages[1].blocks[0] else { unreachable!() };
    let conv = block.first.shortcut.as_ref().and_then(|shortcut| shortcut.binary.as_ref()).unwrap();
    assert_eq!(values(conv.alpha.as_ref().unwrap().val()), values(mean_size(conv.latent.val())));
}

#[test]
fn padding_with_ones_is_seen_at_the_border() {
    let device = device();
    let geometry = Geometry { channels: [1, 1], kernel: 3, stride: 1, output: [3, 3] };
    let with = |padding| {
        let mut conv =
            BinaryConv::new(geometry, Scale::None, padding, Weights::Real, Surrogate::Clip, &mut Init::new(1, &device));
        conv.latent = Init::new(1, &device).constant([1, 1, 3, 3], 1.0);
        values(conv.forward(-Tensor::<4>::ones([1, 1, 3, 3], &device)))
    };
    assert_eq!(with(Padding::Zero), [-4.0, -6.0, -4.0, -6.0, -9.0, -6.0, -4.0, -6.0, -4.0]);
    assert_eq!(with(Padding::One), [1.0, -3.0, 1.0, -3.0, -9.0, -3.0, 1.0, -3.0, 1.0]);
}

#[test]
fn the_same_seed_gives_the_same_network() {
    let logits = |seed| {
        let network = Network::new(&small(BlockConfig::default()), TASK, Form::default(), seed, &device());
        values(network.forward(wave([1, 3, 9, 9], 0.5, &device())))
    };
    assert_eq!(logits(1), logits(1));
    assert_ne!(logits(1), logits(2));
}
