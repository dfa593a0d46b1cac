//! The network of CIFAR-10 that stands among the examples, which has no recorded pictures: what an independent engine says of drawn
//! ones, and how it is compiled.

use std::path::Path;

use xnorc::ir::Tensor;
use xnorc::report::Report;
use xnorc_cli::verify::Sample;
use xnorc_tests::Running;
use xnorc_tests::random::Random;

const SIDE: usize = 32;

/// Smooth colours, as photographs have them, and some noise.
fn picture(random: &mut Random) -> Tensor {
    let mut values = Vec::with_capacity(3 * SIDE * SIDE);
    for _ in 0..3 {
        let [level, across, down, noise] = std::array::from_fn(|_| random.real());
        for at in 0..SIDE * SIDE {
            let [x, y] = [at % SIDE, at / SIDE].map(|at| at as f32 / SIDE as f32 - 0.5);
            values.push((0.5 + 0.3 * level + across * x + down * y + 0.2 * noise * random.real()).clamp(0.0, 1.0));
        }
    }
    Tensor::f32([1, 3, SIDE, SIDE], values)
}

#[test]
fn the_network_of_photographs_answers_as_an_independent_engine_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../generated-examples/photographs/cifar10.onnx");
    let mut running = Running::start(&path).unwrap_or_else(|problems| panic!("{problems}"));
    let mut random = Random::new(16);
    let samples: Vec<Sample> =
        (0..16).map(|_| Sample { inputs: vec![picture(&mut random)], expected: Vec::new() }).collect();
    let verification = running.verify(&samples).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(verification.ok, "{}", verification.failures.join("\n"));
    // The paper's ResNet-18: four stages of two blocks of two.
    let totals = Report::new(&running.output).totals;
    assert_eq!([totals.binary_operators, totals.fused_blocks], [16, 16]);
}
