//! `verify` finds what is wrong, and where: one program, compared with files that differ from its own in one parameter.

use prost::Message as _;
use tract_onnx::pb::ModelProto;
use xnorc_cli::verify::{self, Sample, Subject, Verification};
use xnorc_tests::{Running, fixtures, recorded};

mod expectations;
mod model;

/// The file with an initializer changed.
fn changed(model: &[u8], initializer: &str, change: impl FnOnce(&mut [f32])) -> Vec<u8> {
    let mut proto = ModelProto::decode(model).unwrap();
    let tensors = &mut proto.graph.as_mut().unwrap().initializer;
    let tensor = tensors.iter_mut().find(|t| t.name == initializer).unwrap_or_else(|| panic!("no {initializer}"));
    let mut values: Vec<f32> = tensor.raw_data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    change(&mut values);
    tensor.raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    proto.encode_to_vec()
}

/// The program of one file, compared with another.
fn compared(running: &mut Running, model: &[u8], sample: Sample) -> Verification {
    let subject = Subject { model, folder: &running.folder, graph: &running.graph, output: &running.output };
    verify::verify(&subject, &mut running.program, &[sample]).unwrap()
}

fn compare(running: &mut Running, model: &[u8]) -> Verification {
    let mut sample = recorded(&fixtures().join("r2b_ts17.onnx"));
    // They are those of the file as it was.
    sample.expected.clear();
    compared(running, model, sample)
}

/// Names of the blocks that are wrong.
fn wrong(verification: &Verification) -> Vec<&str> {
    assert_eq!(verification.oracle, "tract");
    verification.blocks.iter().filter(|b| !b.ok).map(|b| b.name.as_str()).collect()
}

#[test]
fn a_changed_parameter_is_found_in_its_block() {
    let mut running = Running::start(&fixtures().join("r2b_ts17.onnx")).unwrap();
    let model = running.model.clone();

    let same = compare(&mut running, &model);
    assert!(same.ok && wrong(&same).is_empty(), "{:?}", same.failures);
    assert_eq!((same.sign_flips, same.end_to_end_flips), (0, 0));
    assert!(same.blocks.iter().all(|b| b.compared || !b.compared_through.is_empty()), "{same}");

    // A binary weight's sign: the integer sums of one output channel.
    let other = changed(&model, "blocks.0.conv.weight", |w| w[0] = -w[0]);
    let found = compare(&mut running, &other);
    assert!(!found.ok);
    assert_eq!(wrong(&found), ["/blocks/blocks.0/conv/Conv"]);

    // The shift of a BatchNormalization in front of a sign: thresholds, which the block before applies, and its gate.
    let other = changed(&model, "blocks.0.bn.bias", |b| b[0] += 0.2);
    let found = compare(&mut running, &other);
    assert!(!found.ok && found.wrong_signs > 0, "{found}");
    assert!(wrong(&found).contains(&"/stem/stem.0/Conv"), "{found}");

    // A gate's first layer.
    let other = changed(&model, "blocks.1.gate.net.0.weight", |w| w[..4].iter_mut().for_each(|w| *w += 1.0));
    assert_eq!(wrong(&compare(&mut running, &other)), ["/blocks/blocks.1/gate/net/net.0/Gemm"]);

    // The slopes of a PReLU, by a hundredth.
    let other = changed(&model, "onnx::PRelu_126", |s| s.iter_mut().for_each(|s| *s *= 1.01));
    assert!(!compare(&mut running, &other).ok);

    // The last bias: nothing is behind it.
    let other = changed(&model, "head.linear.bias", |b| b[0] += 0.01);
    let found = compare(&mut running, &other);
    assert_eq!(wrong(&found), ["/head/linear/Gemm"]);
    assert!((found.max_abs_error - 0.01).abs() < 1e-4, "{found}");
}
