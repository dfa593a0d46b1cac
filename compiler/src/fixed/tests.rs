//! A trained network in fixed point against itself in f32.

use super::*;
use crate::ir::Tensor;
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

#[test]
fn fashion() {
    let network = driver::generate(&read("fashion.onnx"), None, "fashion", &Config::new()).unwrap().network;
    let (pictures, labels) = (read("pictures.bin"), read("labels.bin"));
    let pictures: Vec<_> = pictures.chunks(784).map(picture).collect();
    let fixed = choose::run(&network, &pictures[..16]).unwrap_or_else(|e| panic!("{}", e.join("\n")));
    let count = std::env::var("XNORC_PICTURES").ok().and_then(|n| n.parse().ok()).unwrap_or(24);
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
            if matches!(network.tensor(*id).storage, crate::ir::network::Storage::Bits(_)) {
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

/// Source of the network, the recorded pictures' outputs.
#[test]
fn emitted() {
    let network = driver::generate(&read("fashion.onnx"), None, "fashion", &Config::new()).unwrap().network;
    let pictures: Vec<_> = read("pictures.bin").chunks(784).take(16).map(picture).collect();
    let fixed = choose::run(&network, &pictures).unwrap();
    let source = emit::run(&network, &fixed).unwrap();
    let folder = std::env::var("XNORC_EMIT").unwrap();
    std::fs::write(format!("{folder}/fixed.rs"), source).unwrap();
    let logits: Vec<u8> = pictures[..4]
        .iter()
        .flat_map(|p| run::run(&network, &fixed, p).unwrap().1[&network.outputs[0]].clone())
        .flat_map(f32::to_le_bytes)
        .collect();
    std::fs::write(format!("{folder}/logits.bin"), logits).unwrap();
}
