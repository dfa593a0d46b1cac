//! Right and wrong expected outputs, and right and wrong programs, are told apart on networks of real size.

use std::path::Path;

use prost::Message as _;
use tract_onnx::pb::ModelProto;
use xnorc::ir::{Graph, Tensor};
use xnorc::report::Glance;
use xnorc_cli::verify::{Generator, Sample, Verification};
use xnorc_runtime::Level;
use xnorc_tests::{Running, fixtures, models, read_npy, recorded};

use crate::{changed, compared, model};

/// What another engine makes of a picture. Ours of the graph adds up in double precision, and so rounds otherwise than
/// either; the picture's last bits stand for what else it may do.
fn other_engine(graph: &Graph, picture: &Tensor, generator: &mut Generator) -> Tensor {
    let noisy = |&x: &f32| x * (1.0 + 3e-7 * generator.normal());
    let picture = Tensor::f32(picture.shape.clone(), picture.to_f32().iter().map(noisy).collect());
    let values = xnorc::interpret::graph(graph, &[picture]).unwrap();
    values[&graph.outputs[0]].clone()
}

/// Expected outputs that are wrong, by name: made of the right ones of a picture and of another.
fn wrong_ones(right: &Tensor, other: &Tensor, normalised: &Tensor) -> Vec<(&'static str, Tensor)> {
    let values = right.to_f32();
    let mean = values.iter().sum::<f32>() / values.len() as f32;
    let spread = (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / values.len() as f32).sqrt();
    let mut generator = Generator::new(5);
    let like = |values: Vec<f32>| Tensor::f32(right.shape.clone(), values);
    let shifted = values.iter().cycle().skip(1).take(values.len()).copied().collect();
    let noise = values.iter().map(|v| v + 0.01 * spread * generator.normal()).collect();
    let largest = values.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i);
    let one = values.iter().enumerate().map(|(i, &v)| if i == largest { 1.05 * v } else { v }).collect();
    let nan = values.iter().enumerate().map(|(i, &v)| if i == 0 { f32::NAN } else { v }).collect();
    vec![
        ("a million everywhere", like(vec![1e6; values.len()])),
        ("the channels are shifted", like(shifted)),
        ("another picture", other.clone()),
        ("another normalisation", normalised.clone()),
        ("noise of a hundredth of the spread", like(noise)),
        ("one output is 5 % larger", like(one)),
        ("a NaN", like(nan)),
    ]
}

fn verdict(running: &mut Running, picture: &Tensor, expected: Tensor) -> Verification {
    running.verify(&[Sample { inputs: vec![picture.clone()], expected: vec![expected] }]).unwrap()
}

fn all_are_found(running: &mut Running, picture: &Tensor, wrong: Vec<(&'static str, Tensor)>) {
    for (what, expected) in wrong {
        let found = verdict(running, picture, expected);
        assert!(!found.ok, "{what}: {found}");
        // The program is right, and that is said, too.
        assert!(found.blocks.iter().all(|b| b.ok), "{what}: {found}");
        let [failure] = &found.failures[..] else { panic!("{what}: {found}") };
        assert!(failure.contains("are not what the engine computes: off by up to "), "{what}: {failure}");
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!((&json["ok"], &json["expected"]["wrong"]), (&false.into(), &1.into()), "{what}");
        assert_eq!(json["failures"][0], **failure, "{what}");
    }
}

#[test]
fn expectations_and_programs_are_judged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("residual.onnx");
    std::fs::write(&path, model::residual(6)).unwrap();
    let mut running = Running::start(&path).unwrap();
    let graph = running.graph.clone();
    let mut generator = Generator::new(1);
    let pictures: Vec<Tensor> =
        (0..4).map(|_| Sample::random(&[vec![1, 3, 32, 32]], &mut generator).inputs.remove(0)).collect();
    let right: Vec<Tensor> = pictures.iter().map(|p| other_engine(&graph, p, &mut generator)).collect();

    // Right ones, whichever way the other engine has decided what is in question.
    for (picture, right) in pictures.iter().zip(&right) {
        let found = verdict(&mut running, picture, right.clone());
        assert!(found.ok, "{found}");
    }
    // On these pictures it decides otherwise.
    for seed in [3, 30] {
        let mut generator = Generator::new(seed);
        let picture = Sample::random(&[vec![1, 3, 32, 32]], &mut generator).inputs.remove(0);
        let right = other_engine(&graph, &picture, &mut generator);
        let found = verdict(&mut running, &picture, right);
        assert!(found.ok, "{found}");
        let expected = found.expected.unwrap();
        assert_eq!((expected.explained_by_signs, expected.explained_by_chance), (1, 0), "{seed}");
        assert!(expected.max_engine_error > 1e-3 && expected.turned_signs > 0, "{expected:?}");
    }

    let normalised = pictures[0].to_f32().iter().map(|x| (x - 0.1) / 1.1).collect();
    let normalised = Tensor::f32(pictures[0].shape.clone(), normalised);
    let normalised = other_engine(&graph, &normalised, &mut generator);
    all_are_found(&mut running, &pictures[0], wrong_ones(&right[0], &right[1], &normalised));

    // Programs that differ from the file in one thing.
    let file = running.model.clone();
    let sample = Sample { inputs: vec![pictures[0].clone()], expected: Vec::new() };
    let mut found = |model: &[u8]| compared(&mut running, model, sample.clone());
    let same = found(&file);
    assert!(same.ok, "{same}");
    let mut judge = |what: &str, file: Vec<u8>, block: &str| {
        let found = found(&file);
        let wrong: Vec<&str> = found.blocks.iter().filter(|b| !b.ok).map(|b| b.name.as_str()).collect();
        assert_eq!(wrong, [block], "{what}: {found}");
    };
    judge("a weight's bit", changed(&file, "2.weight", |w| w[0] = -w[0]), "2.conv.node");
    judge("a threshold", changed(&file, "3.beta", |b| b[5] += 0.01), "2.conv.node");
    let rows = 9 * model::CHANNELS;
    judge(
        "channels changed places",
        changed(&file, "1.weight", |w| {
            let (first, second) = w.split_at_mut(rows);
            first.swap_with_slice(&mut second[..rows]);
        }),
        "1.conv.node",
    );
}

/// The same of a network that was not trained, whose sums cancel: what is in question are whole layers.
#[test]
fn untrained_networks_are_judged() {
    let folder = tempfile::tempdir().unwrap();
    let start = |name: &str, noise: f32| {
        let path = folder.path().join(name);
        std::fs::write(&path, model::untrained(3, noise)).unwrap();
        Running::start(&path).unwrap()
    };
    // As engines that add up in another order: each sum is off by some last bits.
    let (mut running, rounding) = (start("untrained.onnx", 0.0), start("rounded.onnx", 1e-7));
    let engine = |picture: &Tensor| {
        let values = xnorc::interpret::graph(&rounding.graph, std::slice::from_ref(picture)).unwrap();
        values[&rounding.graph.outputs[0]].clone()
    };
    let pictures: Vec<Tensor> =
        (0..3).map(|seed| Sample::random(&[vec![1, 3, 32, 32]], &mut Generator::new(seed)).inputs.remove(0)).collect();
    let right: Vec<Tensor> = pictures.iter().map(engine).collect();
    for (picture, right) in pictures.iter().zip(&right) {
        let found = verdict(&mut running, picture, right.clone());
        assert!(found.ok, "{found}");
        let expected = found.expected.unwrap();
        assert!(expected.max_engine_error > 1e-3, "{expected:?}");
    }
    let normalised = pictures[0].to_f32().iter().map(|x| (x - 0.1) / 1.1).collect();
    let normalised = engine(&Tensor::f32(pictures[0].shape.clone(), normalised));
    // What lies within what such sums can do cannot be told from it.
    let beyond = ["a million everywhere", "the channels are shifted", "another picture", "a NaN"];
    let mut wrong = wrong_ones(&right[0], &right[1], &normalised);
    wrong.retain(|(what, _)| beyond.contains(what));
    all_are_found(&mut running, &pictures[0], wrong);
}

/// The same of a network in 8 bits: what is in question there are roundings to whole numbers.
#[test]
fn quantised_networks_are_judged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("quantised.onnx");
    std::fs::write(&path, model::quantised(2)).unwrap();
    let mut running = Running::start(&path).unwrap();
    let graph = running.graph.clone();
    let engine = |picture: &Tensor| {
        let values = xnorc::interpret::graph(&graph, std::slice::from_ref(picture)).unwrap();
        values[&graph.outputs[0]].clone()
    };
    let pictures: Vec<Tensor> =
        (0..2).map(|seed| Sample::random(&[vec![1, 3, 32, 32]], &mut Generator::new(seed)).inputs.remove(0)).collect();
    let right: Vec<Tensor> = pictures.iter().map(engine).collect();
    let mut explained = 0;
    for (picture, right) in pictures.iter().zip(&right) {
        let found = verdict(&mut running, picture, right.clone());
        assert!(found.ok, "{found}");
        // Every convolution multiplies the file's integers, and nothing is looser by it.
        let integers = found.blocks.iter().filter(|b| b.arithmetic == Some("int8 of the file"));
        assert_eq!(integers.count(), 4, "{found}");
        explained += found.rounded_otherwise;
    }
    assert!(explained > 0);
    // Nor is it said that they could be made so.
    let glance = Glance::new(&running.output, Level::Avx512, 1).to_string();
    assert!(glance.contains("8-bit integers of the file") && !glance.contains("--real"), "{glance}");
    let normalised = pictures[0].to_f32().iter().map(|x| (x - 0.1) / 1.1).collect();
    let normalised = engine(&Tensor::f32(pictures[0].shape.clone(), normalised));
    let wrong = wrong_ones(&right[0], &right[1], &normalised).into_iter().skip(1).step_by(2).collect();
    all_are_found(&mut running, &pictures[0], wrong);
    // A weight that is another integer is found in its layer.
    let file = ModelProto::decode(&running.model[..]).unwrap();
    let other = {
        let mut file = file;
        let tensors = &mut file.graph.as_mut().unwrap().initializer;
        let weight = tensors.iter_mut().find(|t| t.name == "0.weight.q").unwrap();
        weight.raw_data[7] ^= 0x20;
        file.encode_to_vec()
    };
    let found = compared(&mut running, &other, Sample { inputs: vec![pictures[0].clone()], expected: Vec::new() });
    let wrong: Vec<&str> = found.blocks.iter().filter(|b| !b.ok).map(|b| b.name.as_str()).collect();
    assert_eq!(wrong, ["0.conv.node"], "{found}");
}

/// Minus infinity in a mask puts nothing behind it in question.
#[test]
fn behind_infinite_masks_outputs_are_judged() {
    let path = fixtures().join("attention_node.onnx");
    let mut running = Running::start(&path).unwrap();
    let sample = recorded(&path);
    assert!(running.output.emitted.source.contains("in row-major order. Booleans: 0 or 1."));
    let found = running.verify(std::slice::from_ref(&sample)).unwrap();
    assert!(found.ok, "{found}");
    // Expected where every key is seen that is not behind its row.
    let mask = &sample.inputs[1];
    let all = Tensor::f32(mask.shape.clone(), vec![1.0; mask.len()]);
    let values = xnorc::interpret::graph(&running.graph, &[sample.inputs[0].clone(), all]).unwrap();
    let expected = vec![values[&running.graph.outputs[0]].clone()];
    let found = running.verify(&[Sample { expected, ..sample }]).unwrap();
    assert!(!found.ok && found.blocks.iter().all(|b| b.ok), "{found}");
}

/// The same on the large models that are not part of the project.
#[test]
#[cfg_attr(not(xnorc_models), ignore = "long: set XNORC_LONG=1, and XNORC_MODELS to the folder of large models")]
fn expectations_of_large_models_are_judged() {
    let folder = models();
    for name in ["r2b18_224_ts17", "irnet20_dyn"] {
        let path = folder.join(name).join("model.onnx");
        let mut running = Running::start(&path).unwrap();
        let array =
            |case: usize, what: &str| read_npy(Path::new(&path.with_file_name(format!("case{case}_{what}_0.npy"))));
        let right: Vec<Tensor> = (0..3).map(|case| array(case, "out")).collect();
        for (case, right) in right.iter().enumerate() {
            let found = verdict(&mut running, &array(case, "in"), right.clone());
            assert!(found.ok, "{name} {case}: {found}");
        }
        let picture = array(1, "in");
        let normalised = picture.to_f32().iter().map(|x| (x - 0.1) / 1.1).collect();
        let normalised = Tensor::f32(picture.shape.clone(), normalised);
        let normalised = other_engine(&running.graph.clone(), &normalised, &mut Generator::new(1));
        all_are_found(&mut running, &picture, wrong_ones(&right[1], &right[2], &normalised));
    }
}
