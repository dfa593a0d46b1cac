//! What is written is what was trained: the compiler's interpreter and another engine give the trainer's logits, and
//! the compiler takes it whole. And the cost table of the paper, from networks written here.

use burn::module::Module as _;
use burn::tensor::Tensor;
use prost::Message as _;
use tract_onnx::prelude::{
    DatumExt as _, Framework as _, InferenceModelExt as _, IntoRunnable as _, IntoTValue as _, Tensor as Value, tvec,
};

use super::*;
use crate::config::*;
use crate::nn::{Form, Network, Task};
use crate::testing::{device, train, values, wave, with_formula_weights};

const TASK: Task = Task { channels: 3, size: [12, 12], classes: 5 };

fn config(block: BlockConfig) -> NetworkConfig {
    NetworkConfig {
        architecture: Architecture::Binary,
        widths: vec![8, 16],
        depths: vec![1, 1],
        stem: StemConfig { kernel: 3, stride: 1, pool: true, activation: Activation::Prelu },
        block: Some(block),
        head_norm: true,
    }
}

/// A network with formula weights whose BNs have seen some pictures, ready for use.
fn network(config: &NetworkConfig, form: Form) -> Network {
    let device = train();
    let network = with_formula_weights(Network::new(config, TASK, form, 1, &device));
    for seed in 0..3 {
        network.forward(wave([4, 3, 12, 12], f64::from(seed), &device));
    }
    network.valid()
}

/// Compiled without a warning.
fn compile(onnx: &[u8]) -> xnorc::Output {
    xnorc::generate(onnx, None, "net", xnorc::Config::new().strict(true))
        .unwrap_or_else(|problems| panic!("{problems}"))
}

/// Another program's messages have a place for everything in the file, and write it as we do.
#[test]
fn the_format_is_onnx() {
    let network = network(&config(BlockConfig::default()), Form::default());
    for batch in [None, Some(2)] {
        let file = onnx(&network, TASK, &Options { batch, ..Options::default() });
        let read = tract_onnx::pb::ModelProto::decode(&file[..]).unwrap();
        assert_eq!(read.encode_to_vec(), file);
        let graph = read.graph.unwrap();
        assert!(graph.node.len() > 10 && graph.initializer.len() > 10 && !graph.input.is_empty());
    }
}

fn pictures() -> Tensor<4> {
    wave([1, 3, 12, 12], 0.7, &device())
}

/// The logits of the compiler's plain executor of what it is about to emit.
fn interpreted(output: &xnorc::Output) -> Vec<f32> {
    let input = xnorc::ir::Tensor::f32([1, 3, 12, 12], values(pictures()));
    let tensors = xnorc::interpret::network::run(&output.network, &[input]).unwrap();
    tensors[&output.network.outputs[0]].to_f32().to_vec()
}

/// The logits of tract.
fn of_tract(onnx: &[u8]) -> Vec<f32> {
    let mut model = tract_onnx::onnx().model_for_read(&mut &onnx[..]).unwrap();
    model.set_input_fact(0, f32::fact([1, 3, 12, 12]).into()).unwrap();
    let plan = model.into_typed().unwrap().into_runnable().unwrap();
    let input = Value::from_shape(&[1, 3, 12, 12], &values(pictures())).unwrap();
    let output = plan.run(tvec!(input.into_tvalue())).unwrap();
    output[0].to_plain_array_view::<f32>().unwrap().iter().copied().collect()
}

fn close(ours: &[f32], theirs: &[f32], what: &str) {
    assert_eq!(ours.len(), theirs.len());
    let size = theirs.iter().fold(1.0f32, |m, v| m.max(v.abs()));
    let error = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(error < 2e-5 * size, "{what}: {error:e} of {size}");
}

#[test]
fn every_part_is_written_as_it_computes() {
    let plain = BlockConfig::default();
    let gate = Some(GateConfig::default());
    let blocks = [
        BlockConfig { gate, ..plain },
        BlockConfig { gate: Some(GateConfig { bias: true, ..GateConfig::default() }), ..plain },
        BlockConfig { order: Order::NormLast, activation: Activation::None, scale: Scale::None, ..plain },
        BlockConfig { skip: Skip::Single, activation: Activation::Relu, scale: Scale::Mean, ..plain },
        BlockConfig { scale: Scale::Factorised, downsample: Downsample::Binary, ..plain },
        BlockConfig { padding: Padding::One, gate, ..plain },
    ];
    for block in blocks {
        let network = network(&config(block), Form::default());
        let expected = values(network.forward(pictures()));
        for weights in [WeightForm::Signs, WeightForm::Scaled, WeightForm::Latent] {
            let what = format!("{block:?} {weights:?}");
            let options = Options { weights, ..Options::default() };
            let onnx = onnx(&network, TASK, &options);
            close(&of_tract(&onnx), &expected, &what);
            let output = compile(&onnx);
            close(&interpreted(&output), &expected, &what);
            // Every binary convolution is one, with its scale, activation and skip in it.
            let report = xnorc::report::Report::new(&output);
            let shortcut = usize::from(block.downsample == Downsample::Binary);
            assert_eq!(report.totals.binary_operators, 4 + shortcut, "{what}");
            assert_eq!(report.totals.fused_blocks, report.totals.binary_operators, "{what}");
        }
    }
}

#[test]
fn real_networks_and_steps_before_the_last_are_written_too() {
    let real = NetworkConfig { architecture: Architecture::Resnet, block: None, ..config(BlockConfig::default()) };
    let tanh = Form { inputs: Inputs::Tanh, weights: Weights::Real };
    let sign = Form { inputs: Inputs::Sign, weights: Weights::Real };
    for (config, form) in [(real, tanh), (config(BlockConfig::default()), tanh), (config(BlockConfig::default()), sign)]
    {
        let network = network(&config, form);
        let expected = values(network.forward(pictures()));
        let onnx = onnx(&network, TASK, &Options::default());
        close(&of_tract(&onnx), &expected, "another engine");
        let output = xnorc::generate(&onnx, None, "net", &xnorc::Config::default()).unwrap();
        // Signs in front of weights that are still real: the compiler says that it looks like a mistake.
        let half_binary =
            output.warnings.0.iter().filter(|w| w.code == xnorc::diagnostics::Code::LatentWeights).count();
        assert_eq!((half_binary > 0, output.warnings.0.len()), (form == sign, half_binary), "{}", output.warnings);
        close(&interpreted(&output), &expected, "interpreter");
    }
}

#[test]
fn mean_and_deviation_can_be_in_the_file() {
    let network = network(&config(BlockConfig::default()), Form::default());
    let mean = Tensor::<1>::from_floats([0.1, 0.2, 0.3], &device()).reshape([1, 3, 1, 1]);
    let std = Tensor::<1>::from_floats([0.5, 0.25, 2.0], &device()).reshape([1, 3, 1, 1]);
    let expected = values(network.forward((pictures() - mean) / std));
    let normalise = Some((vec![0.1, 0.2, 0.3], vec![0.5, 0.25, 2.0]));
    let options = Options { normalise, batch: Some(1), ..Options::default() };
    let onnx = onnx(&network, TASK, &options);
    close(&of_tract(&onnx), &expected, "another engine");
    close(&interpreted(&compile(&onnx)), &expected, "interpreter");
}

/// A sign of exactly zero: γ = β = 0 makes every input of it one.
#[test]
fn zero_is_positive_for_everybody() {
    let mut network = network(&config(BlockConfig::default()), Form::default());
    for block in network.stages.iter_mut().flat_map(|stage| &mut stage.blocks) {
        if let crate::nn::Block::Binary(block) = block {
            for half in [&mut block.first, &mut block.second] {
                half.norm.gamma = half.norm.gamma.clone().map(|gamma| gamma * 0.0);
                half.norm.beta = half.norm.beta.clone().map(|beta| beta * 0.0);
            }
        }
    }
    let expected = values(network.forward(pictures()));
    let exact = onnx(&network, TASK, &Options::default());
    close(&of_tract(&exact), &expected, "another engine");
    close(&interpreted(&compile(&exact)), &expected, "interpreter");
    // ONNX's own Sign says 0 there, and so does the compiler: a value that is never negative has a sign of 0 or 1.
    let plain = onnx(&network, TASK, &Options { sign: SignOperator::Sign, ..Options::default() });
    let output = xnorc::generate(&plain, None, "net", &xnorc::Config::default()).unwrap();
    close(&interpreted(&output), &of_tract(&plain), "interpreter");
}

/// Table 1: binary and real operations of ResNet-18 on ImageNet.
///
/// Binary operations are the paper's to the last of the four digits it gives. Its real operations contain 13 to 17
/// million element-wise ones that it does not list one by one; the compiler counts what its code does, which is 4 to
/// 6 million less (a BN before a sign, for instance, is one comparison), so those agree within 5 %. What the gates cost,
/// the paper's own claim, agrees: 294 400 multiply-accumulates and the sums over the pictures.
#[test]
fn the_cost_table_of_the_paper() {
    let task = Task { channels: 3, size: [224, 224], classes: 1000 };
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/table1.toml");
    let config = Config::load(&path).unwrap_or_else(|problems| panic!("{problems}"));
    let rows = [
        ("bnn", 1.695e9, 1.314e8),
        ("xnor-net", 1.695e9, 1.333e8),
        ("double-skip", 1.695e9, 1.351e8),
        ("bi-real", 1.676e9, 1.544e8),
        ("real-to-binary", 1.676e9, 1.564e8),
        ("resnet", 0.0, 1.826e9),
    ];
    let mut before: Option<xnorc::report::Totals> = None;
    for (name, binary_operations, operations) in rows {
        let network = Network::new(&config.networks[name], task, Form::default(), 1, &device());
        let output = compile(&onnx(&network, task, &Options { batch: Some(1), ..Options::default() }));
        let totals = xnorc::report::Report::new(&output).totals;
        println!("{name}: {} {} {}", totals.binary_macs, totals.real_macs, totals.flops);
        // The paper cuts the digits it does not give off.
        assert_eq!((totals.binary_macs as f64 / 1e6).floor(), binary_operations / 1e6, "{name}");
        let share = totals.flops as f64 / operations;
        assert!((0.95..=1.0).contains(&share), "{name}: {share}");
        if let Some(before) = before {
            assert!(totals.flops > before.flops, "{name}");
            if name == "real-to-binary" {
                assert_eq!(totals.real_macs - before.real_macs, 294_400);
            }
        }
        before = Some(totals);
    }
}
