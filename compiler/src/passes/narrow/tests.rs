//! Choices, ranges, integers.

use super::*;

fn geometry(inputs: usize, outputs: usize, groups: usize) -> Geometry {
    Geometry {
        n: 1,
        input: [2, 2, inputs],
        output: [2, 2, outputs],
        kernel: [1, 1],
        strides: [1, 1],
        dilations: [1, 1],
        pads: [0, 0],
        groups,
    }
}

/// A convolution on the network's input, which stores what it computes.
fn add(network: &mut Network, name: &str, g: Geometry, steps: Vec<Step>) {
    let len = g.output[2] * fan_in(&g);
    let weights = (0..len).map(|i| (i as f32 - 2.5) / 8.0).collect();
    let shape = vec![1, 2, 2, g.output[2]];
    let out = NetTensor { name: name.into(), shape, storage: Storage::Dense(DType::F32), origin: None };
    let out = network.add_tensor(out);
    let source = Source::RealConv {
        input: network.inputs[0],
        geometry: g,
        weights: Arc::new(weights),
        products: Products::F32,
        planar: false,
    };
    let steps = steps.into_iter().chain([Step::Store(out)]).collect();
    network.blocks.push(Block { parts: vec!["Conv".into()], ..Block::new(name, Tiled::new(source, steps)) });
    network.outputs.push(out);
}

fn network() -> Network {
    let mut network = Network::default();
    let x = NetTensor { name: "x".into(), shape: vec![1, 2, 2, 4], storage: Storage::Dense(DType::F32), origin: None };
    network.inputs = vec![network.add_tensor(x)];
    add(&mut network, "plain", geometry(4, 3, 1), vec![]);
    add(&mut network, "scaled", geometry(4, 2, 1), vec![Step::Scale(Arc::new(vec![2.0, -3.0]))]);
    add(&mut network, "grouped", geometry(4, 4, 2), vec![]);
    network
}

fn example() -> Tensor {
    Tensor::f32([1, 2, 2, 4], (0..16).map(|i| (i as f32 - 5.0) / 3.0).collect())
}

fn products(network: &Network) -> Vec<Arithmetic> {
    network.blocks.iter().filter_map(Block::arithmetic).collect()
}

#[test]
fn nothing_is_narrow_by_default() {
    let mut network = network();
    let before = network.to_string();
    run(&mut network, &Config::new()).unwrap();
    assert_eq!(network.to_string(), before);
}

#[test]
fn all_that_can_be_or_those_named() {
    use Arithmetic::{Bf16, F32, Int8};
    let mut all = network();
    run(&mut all, Config::new().real_layers(Bf16)).unwrap();
    assert_eq!(products(&all), [Bf16, Bf16, F32]);
    assert_eq!(all.notes, ["\"grouped\" stays f32, not bf16: it has groups"]);
    let mut named = network();
    let mut config = Config::new();
    config.real_layers(Bf16).real_layer("plain", F32).real_layer("scaled", Int8).calibrate(vec![example()]);
    run(&mut named, &config).unwrap();
    assert_eq!(products(&named), [F32, Int8, F32]);
}

#[test]
fn a_name_must_be_that_of_a_layer() {
    let whole = |config: &Config| run(&mut network(), config).unwrap_err().to_string();
    for config in [
        Config::new().real_layer("conv", Arithmetic::Fixed),
        Config::new().real_layers(Arithmetic::Fixed).real_layer("conv", Arithmetic::Int8),
    ] {
        assert!(
            whole(config).contains("X018 at block \"conv\": fixed point is of the whole network"),
            "{}",
            whole(config)
        );
    }
    let refuse = |name: &str| run(&mut network(), Config::new().real_layer(name, Arithmetic::Bf16)).unwrap_err();
    let unknown = refuse("stem").to_string();
    assert!(unknown.contains("no block \"stem\"") && unknown.contains("\"plain\", \"scaled\""), "{unknown}");
    assert!(!unknown.contains("grouped"), "{unknown}");
    let grouped = refuse("grouped").to_string();
    assert!(grouped.starts_with("X018 at block \"grouped\"") && grouped.contains("it has groups"), "{grouped}");
}

#[test]
fn examples_are_needed_and_must_fit() {
    let refuse = |examples: Vec<Tensor>| {
        let mut config = Config::new();
        config.real_layers(Arithmetic::Int8);
        if !examples.is_empty() {
            config.calibrate(examples);
        }
        run(&mut network(), &config).unwrap_err().to_string()
    };
    assert!(refuse(vec![]).contains("--calibrate x.npy"));
    let wrong = refuse(vec![Tensor::f32([1, 2, 2, 3], vec![0.0; 12])]);
    assert!(wrong.starts_with("X019") && wrong.contains("[1, 2, 2, 3]") && wrong.contains("[1, 2, 2, 4]"), "{wrong}");
    assert!(refuse(vec![Tensor::f32([1, 2, 2, 4], vec![f32::NAN; 16])]).contains("a value of NaN"));
}

#[test]
fn a_stack_is_as_good_as_its_parts() {
    let (a, b) = (example(), Tensor::f32([1, 2, 2, 4], vec![9.0; 16]));
    let stack = Tensor::f32([2, 2, 2, 4], [a.to_f32(), b.to_f32()].concat());
    let narrow = |examples: Vec<Tensor>| {
        let mut network = network();
        run(&mut network, Config::new().real_layers(Arithmetic::Int8).calibrate(examples)).unwrap();
        network.to_string()
    };
    assert_eq!(narrow(vec![a.clone(), b]), narrow(vec![stack]));
    assert_ne!(narrow(vec![a]), narrow(vec![Tensor::f32([2, 2, 4], vec![9.0; 16])]));
}

#[test]
fn integers_stand_for_the_weights() {
    let weights = [0.5, -1.0, 0.25, 0.0, 0.0, 0.0];
    let (q, scales) = quantize(&weights, 2, (-1.0, 4.1));
    assert_eq!(q.weights, [64, -127, 32, 0, 0, 0]);
    assert_eq!(q.zero_point, 50);
    assert!((f64::from(q.inverse_scale) * 5.1 / 255.0 - 1.0).abs() < 1e-6);
    assert!((scales[0] - 5.1 / 255.0 / 127.0).abs() < 1e-9, "{scales:?}");
    // A layer that never saw anything but zero.
    let (q, _) = quantize(&weights, 2, (0.0, 0.0));
    assert_eq!((q.zero_point, q.inverse_scale), (0, 1.0));
}

/// Values of two networks, tensor by tensor, on the example.
fn outputs(network: &Network) -> Vec<Vec<f32>> {
    let values = interpret::network::run(network, &[example()]).unwrap();
    network.outputs.iter().map(|id| values[id].to_f32()).collect()
}

#[test]
fn results_stay_near() {
    let exact = outputs(&network());
    for (arithmetic, bound) in [(Arithmetic::Bf16, 1.0 / 128.0), (Arithmetic::Int8, 1.0 / 64.0)] {
        let mut narrow = network();
        run(&mut narrow, Config::new().real_layers(arithmetic).calibrate(vec![example()])).unwrap();
        let mut differs = false;
        for (exact, narrow) in exact.iter().zip(outputs(&narrow)) {
            let scale = exact.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
            for (e, n) in exact.iter().zip(narrow) {
                assert!((e - n).abs() <= bound * scale, "{arithmetic:?}: {e} {n}");
                differs |= *e != n;
            }
        }
        assert!(differs, "{arithmetic:?} is no different");
    }
}

#[test]
fn the_workspace_lives_for_its_block_alone() {
    let mut network = network();
    run(&mut network, Config::new().real_layers(Arithmetic::Bf16)).unwrap();
    let spaces: Vec<_> = network.blocks.iter().filter_map(Block::workspace).collect();
    assert_eq!(spaces.len(), 2);
    let plan = crate::plan::run(&network, &crate::schedule::Schedule::of(&network, 1, None));
    assert_eq!(plan.place(spaces[0]), plan.place(spaces[1]), "two blocks one after the other share it");
}

#[test]
fn sums_that_might_overflow_stay() {
    let input = crate::ir::network::TensorId(0);
    let source = Source::RealConv {
        input,
        geometry: geometry(MOST_INT8_PRODUCTS + 1, 1, 1),
        weights: Arc::new(vec![]),
        products: Products::F32,
        planar: false,
    };
    let large = Block::new("large", source);
    assert!(obstacle(&large, Arithmetic::Int8).is_some_and(|why| why.contains("32 bits")));
    assert_eq!(obstacle(&large, Arithmetic::Bf16), None);
    let pool = Block::new("map", Source::Map { input });
    assert!(obstacle(&pool, Arithmetic::Bf16).is_some());
}
