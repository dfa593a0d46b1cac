//! A trained network in fixed point against itself in f32.

use super::*;
use crate::ir::network::{self, Activation, NetTensor, Network, PerPixel, Storage, Tiled};
use crate::ir::{Tensor, Unary};
use crate::{Config, driver, interpret};

const FASHION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../generated-examples/fashion");

fn read(name: &str) -> Vec<u8> {
    std::fs::read(format!("{FASHION}/{name}")).unwrap()
}

fn picture(bytes: &[u8]) -> Vec<Tensor> {
    vec![Tensor::f32([1, 1, 28, 28], bytes.iter().map(|&b| f32::from(b) / 255.0).collect())]
}

fn answer(logits: &[f32]) -> usize {
    (0..logits.len()).fold(0, |best, i| if logits[i] > logits[best] { i } else { best })
}

/// What has no form is told block by block.
#[test]
fn refusals() {
    let g = Geometry {
        n: 1,
        input: [2, 2, 4],
        output: [1, 1, 4],
        kernel: [2, 2],
        strides: [2, 2],
        dilations: [1, 1],
        pads: [0, 0],
        groups: 4,
    };
    let mut network = Network::default();
    let add = |network: &mut Network, name: &str, shape: [usize; 4]| {
        let (shape, storage) = (shape.to_vec(), Storage::Dense(crate::ir::DType::F32));
        network.add_tensor(NetTensor { name: name.into(), shape, storage, origin: None })
    };
    let x = add(&mut network, "x", [1, 2, 2, 4]);
    network.inputs = vec![x];
    for name in ["first", "second"] {
        let out = add(&mut network, name, [1, 1, 1, 4]);
        let source = network::Source::MaxPool { input: x, geometry: g };
        network.blocks.push(network::Block::new(name, Tiled::new(source, vec![network::Step::Store(out)])));
        network.outputs.push(out);
    }
    let example = vec![Tensor::f32([1, 2, 2, 4], vec![1.0; 16])];
    let said = |name| format!("X014 at block \"{name}\": it has no form in fixed point: it is a max-pool");
    let refused = |examples: &[Vec<Tensor>]| -> Vec<String> {
        let problems = choose::run(&network, examples).unwrap_err();
        problems.0.iter().map(|problem| problem.to_string().split(" (").next().unwrap_or_default().to_owned()).collect()
    };
    let all = refused(&[example]);
    assert!(
        all.len() == 2 && all.iter().zip([said("first"), said("second")]).all(|(a, b)| a.starts_with(&b)),
        "{all:?}"
    );
    // Examples that are missing hide none of the others.
    let all = refused(&[]);
    assert!(
        all.len() == 3 && all[0].starts_with("X019: fixed point learns") && all[1].starts_with(&said("first")),
        "{all:?}"
    );
}

/// Steps are called what users call them.
#[test]
fn steps_without_a_form() {
    let extents = [1, 1, 1];
    let values = std::sync::Arc::new(vec![2.0]);
    for (step, said) in [
        (network::Step::Mul(network::TensorId(0)), "it has a product of two tensors"),
        (
            network::Step::ScalePixels(PerPixel { extents, values: values.clone() }),
            "it has factors that differ by pixel",
        ),
        (network::Step::ShiftPixels(PerPixel { extents, values }), "it has summands that differ by pixel"),
        (network::Step::Activation(Activation::Unary(Unary::Quantize(0.5))), "it has a Quantize"),
    ] {
        let mut network = Network::default();
        for name in ["x", "y"] {
            let (shape, storage) = (vec![1, 1, 1, 4], Storage::Dense(crate::ir::DType::F32));
            network.add_tensor(NetTensor { name: name.into(), shape, storage, origin: None });
        }
        let [x, y] = [0, 1].map(network::TensorId);
        let steps = vec![step, network::Step::Store(y)];
        network.blocks.push(network::Block::new("map", Tiled::new(network::Source::Map { input: x }, steps)));
        (network.inputs, network.outputs) = (vec![x], vec![y]);
        let problems = choose::run(&network, &[vec![Tensor::f32([1, 1, 1, 4], vec![1.0; 4])]]).unwrap_err();
        let all: Vec<String> = problems.0.iter().map(ToString::to_string).collect();
        assert!(all.len() == 1 && all[0].contains(&format!("no form in fixed point: {said};")), "{all:?}");
    }
}

#[test]
fn fashion() {
    let network = driver::generate(&read("fashion.onnx"), None, "fashion", &Config::new()).unwrap().network;
    let (pictures, labels) = (read("pictures.bin"), read("labels.bin"));
    let pictures: Vec<_> = pictures.chunks(784).map(picture).collect();
    let fixed = choose::run(&network, &pictures[..16]).unwrap_or_else(|problems| panic!("{problems}"));
    let count = 12;
    let (mut right, mut as_floats, mut same, mut worst) = (0, 0, 0, 0.0_f32);
    let (mut flipped, mut signs) = (0, 0);
    for (input, &label) in pictures.iter().zip(&labels).rev().take(count) {
        let floats = interpret::network::run(&network, input).unwrap();
        let (values, given) = run::run(&network, &fixed, input).unwrap();
        let (wanted, got) = (floats[&network.outputs[0]].to_f32(), &given[&network.outputs[0]]);
        right += usize::from(answer(got) == usize::from(label));
        as_floats += usize::from(answer(&wanted) == usize::from(label));
        same += usize::from(answer(got) == answer(&wanted));
        worst = wanted.iter().zip(got).fold(worst, |m, (a, b)| m.max((a - b).abs()));
        for (id, integers) in &values {
            if matches!(network.tensor(*id).storage, Storage::Bits(_)) {
                signs += integers.len();
                flipped += floats[id].to_f32().iter().zip(integers).filter(|(a, b)| **a != **b as f32).count();
            }
        }
    }
    println!(
        "{count} pictures: {right} right, {as_floats} in f32, {same} same, worst {worst}, {flipped} of {signs} signs"
    );
    assert!(same * 100 >= count * 95, "{same} of {count}");
}
