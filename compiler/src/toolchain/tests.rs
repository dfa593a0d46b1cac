//! A network of two blocks, built by rustc and driven from outside.

use std::sync::Arc;

use super::*;
use crate::ir::DType;
use crate::ir::network::*;
use crate::plan::{self, Place};
use crate::{Output, emit};

/// x `[1, 1, 1, 3]` -> signs -> binary linear to 2, doubled.
fn network() -> Network {
    let mut network = Network { name: "tiny".into(), ..Network::default() };
    let mut tensor = |name: &str, shape: &[usize], storage| {
        network.add_tensor(NetTensor { name: name.into(), shape: shape.to_vec(), storage, origin: None })
    };
    let input = tensor("x", &[1, 1, 1, 3], Storage::Dense(DType::F32));
    let bits = tensor("b", &[1, 1, 1, 3], Storage::Bits(BitLayout { groups: 1, frame: [0; 4], frame_ones: false }));
    let output = tensor("y", &[1, 1, 1, 2], Storage::Dense(DType::F32));
    let block = |name: &str, core, steps| Block { name: name.into(), core, steps, parts: Vec::new(), reason: None };
    let from_one = Interval { low: 1.0, high: f32::INFINITY };
    let geometry = Geometry {
        n: 1,
        input: [1, 1, 3],
        output: [1, 1, 2],
        kernel: [1, 1],
        strides: [1, 1],
        dilations: [1, 1],
        pads: [0, 0],
        groups: 1,
    };
    let signs = vec![true, true, false, false, false, false];
    let weights = Arc::new(BinaryWeights { signs, zeros: 0, deviation: 0.0 });
    network.blocks = vec![
        block("sign", Core::Map { input }, vec![Step::Sign { bits, intervals: Arc::new(vec![from_one; 3]) }]),
        block(
            "linear",
            Core::BinaryConv { input: bits, geometry, weights, padding: BitPadding::Zero },
            vec![Step::Scale(Arc::new(vec![2.0; 2])), Step::Store(output)],
        ),
    ];
    network.inputs = vec![input];
    network.outputs = vec![output];
    network
}

#[test]
fn a_program_is_built_and_driven() {
    let network = network();
    let plan = plan::run(&network);
    let options = emit::Options {
        name: "tiny".into(),
        model_hash: "00".into(),
        probe: true,
        runtime: "crate::runtime".into(),
        share_from: 0,
    };
    let emitted = emit::run(&network, &plan, &options);
    let output = Output { network, plan, emitted, files: Vec::new(), warnings: Diagnostics::default() };
    let folder = tempfile::tempdir().unwrap();
    let built = build(&output, "tiny", folder.path()).unwrap();
    let mut program = Program::start(&built).unwrap();

    assert_eq!(program.level(Some("portable")).unwrap(), "portable");
    let best = program.level(None).unwrap();

    program.write_f32(Space::Input(0), 0, &[1.5, 0.5, -3.0]).unwrap();
    assert_eq!(program.read_f32(Space::Input(0), 1, 2).unwrap(), [0.5, -3.0]);
    program.infer().unwrap();
    // Signs + - -, so 1 - 1 + 1 and -1 + 1 + 1.
    assert_eq!(program.read_f32(Space::Output(0), 0, 2).unwrap(), [2.0, 2.0]);

    // One row: nothing to divide, but on three threads all the same.
    program.threads(3, Some(0)).unwrap();
    program.infer().unwrap();
    assert_eq!(program.read_f32(Space::Output(0), 0, 2).unwrap(), [2.0, 2.0]);

    let Place::Bits(offset, 1) = output.plan.place(TensorId(1)) else { panic!("{:?}", output.plan) };
    program.block(0).unwrap();
    assert_eq!(program.read_bits(offset, 1).unwrap(), [0b001]);
    program.write_bits(offset, &[0b011]).unwrap();
    program.block(1).unwrap();
    assert_eq!(program.read_f32(Space::Output(0), 0, 2).unwrap(), [6.0, -2.0]);

    assert_eq!(program.level(None).unwrap(), best);
    let timing = program.time(1, 5).unwrap();
    assert!(timing.min() <= timing.median());

    // What the program cannot do ends it, and that is a message.
    let error = program.block(7).unwrap_err().to_string();
    assert!(error.starts_with("X017: the built program ended"), "{error}");
}
