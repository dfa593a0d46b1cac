//! Real-valued layers in bf16 and 8-bit integers, end to end: the emitted program computes what the definition says, the
//! same bits on every level, near what the file says.

use xnorc::interpret;
use xnorc::ir::network::{Body, Source, Tiled};
use xnorc::{Arithmetic, Config, MultiplyAdds};
use xnorc_cli::verify::Sample;
use xnorc_tests::{Running, fixtures, long, recorded};

/// What a fixture becomes with an arithmetic: its errors against the file, relative to the largest output.
fn check(name: &str, arithmetic: Arithmetic) -> f64 {
    let path = fixtures().join(format!("{name}.onnx"));
    let sample = recorded(&path);
    let mut config = Config::new();
    config.real_layers(arithmetic).calibrate(sample.inputs.clone());
    let mut running = Running::start_as(&path, config).unwrap_or_else(|e| panic!("{name}: {e}"));
    let network = &running.output.network;
    let looser = network.blocks.iter().filter(|b| b.arithmetic() == Some(arithmetic)).count();
    assert!(looser > 0, "{name}: nothing is {}", arithmetic.name());

    // The interpreter's outputs: the same to the bit but for sigmoids, whose last bit may decide another sign.
    let values = interpret::network::run(network, &sample.inputs).unwrap();
    let defined: Vec<f32> = network.outputs.iter().flat_map(|id| values[id].to_f32()).collect();
    let scale = defined.iter().fold(0.0_f32, |m, x| m.max(x.abs()));

    let portable = running.bits(&sample, Some("portable")).unwrap();
    for level in ["popcnt", "avx2", "avx512bw", "avx512"] {
        assert_eq!(running.bits(&sample, Some(level)).unwrap(), portable, "{name}, {arithmetic:?}: {level}");
    }
    let verification = running.verify(&[Sample { expected: vec![], ..sample }]).unwrap();
    assert!(verification.ok, "{name}, {arithmetic:?}: {:?}", verification.failures);
    let judged = verification.blocks.iter().filter(|b| b.arithmetic == Some(arithmetic.name()));
    assert!(judged.clone().all(|b| b.as_defined == Some(true)));
    assert_eq!(judged.count(), looser);
    verification.max_abs_error / f64::from(scale)
}

#[test]
fn a_network_of_each_exporter() {
    let all = ["real_geometry_ts17", "r2b_ts17", "larq_quicknet_op17", "stem_bn_pool_relu_ts17", "r2b_dyn"];
    for name in &all[..if long() { all.len() } else { 2 }] {
        for arithmetic in [Arithmetic::Bf16, Arithmetic::Int8] {
            let error = check(name, arithmetic);
            assert!(error > 0.0, "{name}, {arithmetic:?}: no different from f32");
            // Only real-valued layers: nothing flips, and the error is that of a few layers.
            if *name == "real_geometry_ts17" {
                assert!(error < if arithmetic == Arithmetic::Bf16 { 0.02 } else { 0.05 }, "{arithmetic:?}: {error}");
            }
        }
    }
}

/// Loose multiply-add: other bits where there is no instruction for it, within rounding, as `verify` says; the same where there is.
#[test]
fn two_roundings_where_there_is_no_instruction() {
    let path = fixtures().join("real_geometry_ts17.onnx");
    let sample = recorded(&path);
    let mut once = Running::start(&path).unwrap();
    let mut loose = Running::start_as(&path, Config::new().multiply_add(MultiplyAdds::Loose).clone()).unwrap();
    assert!(loose.output.report().notes.iter().any(|note| note.contains("loose by choice")));
    let exact = once.bits(&sample, None).unwrap();
    for level in ["portable", "popcnt", "avx2", "avx512bw", "avx512"] {
        let bits = loose.bits(&sample, Some(level)).unwrap();
        let found = loose.program.level(Some(level)).unwrap();
        let rounds_once = !["portable", "popcnt"].contains(&&*found);
        assert_eq!(bits == exact, rounds_once, "{level}");
    }
    loose.program.level(Some("portable")).unwrap();
    let mut verification = loose.verify(&[sample]).unwrap();
    assert!(verification.ok, "{:?}", verification.failures);
    verification.level = "portable".to_owned();
    assert!(
        verification.to_string().contains("multiply-add      loose by choice: f32 is rounded twice"),
        "{verification}"
    );
    verification.level = "avx2".to_owned();
    assert!(verification.to_string().contains("these instructions round once"), "{verification}");
}

/// A program that does not compute what its definition says is found: here the definition has other weights.
#[test]
fn verify_finds_another_arithmetic() {
    let path = fixtures().join("r2b_ts17.onnx");
    let sample = Sample { expected: vec![], ..recorded(&path) };
    let mut config = Config::new();
    config.real_layers(Arithmetic::Bf16);
    let mut running = Running::start_as(&path, config).unwrap();
    let looser = |b: &&mut xnorc::ir::network::Block| b.arithmetic() == Some(Arithmetic::Bf16);
    let block = running.output.network.blocks.iter_mut().find(looser).unwrap();
    let name = block.name.clone();
    let Body::Tiled(Tiled { source: Source::RealConv { weights, .. }, .. }) = &mut block.body else { unreachable!() };
    // One step of bf16, of one weight.
    let mut changed = weights.to_vec();
    changed[0] *= 1.0 + 1.0 / 64.0;
    *weights = std::sync::Arc::new(changed);
    let verification = running.verify(&[sample]).unwrap();
    assert!(!verification.ok);
    assert_eq!(
        verification.failures,
        [format!("block \"{name}\": it does not compute what its arithmetic is defined to be")]
    );
}
