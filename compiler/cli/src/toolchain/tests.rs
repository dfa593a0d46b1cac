//! A network of two blocks, built by rustc and driven from outside.

use std::sync::Arc;

use super::*;
use xnorc::ir::network::*;
use xnorc::ir::{DType, Tensor};
use xnorc::plan::Place;
use xnorc::{Config, Output, interpret};

/// x `[1, 1, 1, 3]` -> signs -> binary linear to 2, doubled.
fn network() -> Network {
    let mut network = Network { name: "tiny".into(), ..Network::default() };
    let mut tensor = |name: &str, shape: &[usize], storage| {
        network.add_tensor(NetTensor { name: name.into(), shape: shape.to_vec(), storage, origin: None })
    };
    let input = tensor("x", &[1, 1, 1, 3], Storage::Dense(DType::F32));
    let bits = tensor("b", &[1, 1, 1, 3], Storage::Bits(BitLayout { groups: 1, frame: [0; 4], frame_ones: false }));
    let output = tensor("y", &[1, 1, 1, 2], Storage::Dense(DType::F32));
    let block = |name: &str, source, steps| Block::new(name, Tiled::new(source, steps));
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
        block("sign", Source::Map { input }, vec![Step::Sign { bits, intervals: Arc::new(vec![from_one; 3]) }]),
        block(
            "linear",
            Source::BinaryConv { input: bits, geometry, weights, padding: BitPadding::Zero },
            vec![Step::Scale(Arc::new(vec![2.0; 2])), Step::Store(output)],
        ),
    ];
    network.inputs = vec![input];
    network.outputs = vec![output];
    network
}

fn compiled(network: Network) -> Output {
    let mut config = Config::new();
    config.standalone(true).probe(true).share_from(0);
    xnorc::of_network(network, "00".into(), "tiny", &config).unwrap()
}

/// Multiples of 1/4 in [-2, 2], shifted.
fn random(n: usize, seed: u32, shift: f32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % 17
    };
    (0..n).map(|_| next() as f32 / 4.0 - 2.0 + shift).collect()
}

/// What the program and the interpreter in its place both do.
fn drive(program: &mut Program, output: &Output) {
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

    let timing = program.time(1, 5).unwrap();
    assert!(timing.min() <= timing.median());
}

#[test]
fn a_program_is_built_and_driven() {
    let output = compiled(network());
    let folder = tempfile::tempdir().unwrap();
    let built = build(&output, "tiny", folder.path()).unwrap();
    let mut program = Program::start(&built).unwrap();
    let best = program.level(None).unwrap();
    assert_eq!(program.level(Some("portable")).unwrap(), "portable");
    drive(&mut program, &output);
    assert_eq!(program.level(None).unwrap(), best);
    // What the program cannot do ends it, and that is a message.
    let error = program.block(7).unwrap_err().to_string();
    assert!(error.starts_with("X017: the built program ended"), "{error}");
}

#[test]
fn a_library_is_built_beside_the_program_and_kept() {
    let output = compiled(network());
    let home = tempfile::tempdir().unwrap();
    let cache = Cache::new(home.path(), Cache::MOST);
    let obtained = obtain_library(&output, "tiny", Some(&cache)).unwrap();
    assert!(!obtained.kept);
    let bytes = std::fs::read(&obtained.built.program).unwrap();
    let name = xnorc::emit::c_function(&output, "tiny").name;
    assert!(bytes.windows(name.len()).any(|part| part == name.as_bytes()), "{name}");
    assert!(obtain_library(&output, "tiny", Some(&cache)).unwrap().kept);
    // The same network, and another thing.
    assert!(!obtain(&output, "tiny", Some(&cache)).unwrap().kept);
}

#[test]
fn the_interpreter_is_driven_like_a_program() {
    let output = compiled(network());
    let mut program = Program::interpreted(&output);
    assert_eq!(program.level(Some("portable")).unwrap(), "interpreter");
    drive(&mut program, &output);
    // What it cannot do is a message, and it goes on.
    let refused = [program.block(7), program.peaks().map(drop), program.write_f32(Space::Input(0), 1, &[0.0; 3])];
    assert!(refused.iter().all(|r| r.as_ref().is_err_and(|e| e.to_string().starts_with("X017"))), "{refused:?}");
    program.infer().unwrap();
}

/// One block that does everything a block can do twice, in front of its pool and behind it: two paddings of its signs, a
/// skip, a gate, a sum, a result.
fn twice(images: usize) -> Network {
    let mut network = Network { name: "twice".into(), ..Network::default() };
    let (large, small) = ([images, 8, 6, 32], [images, 4, 3, 32]);
    let mut dense = |name: &str, shape: &[usize]| {
        let storage = Storage::Dense(DType::F32);
        network.add_tensor(NetTensor { name: name.into(), shape: shape.to_vec(), storage, origin: None })
    };
    let x = dense("x", &[images, 8, 6, 5]);
    let skips = [dense("skip", &large), dense("small_skip", &small)];
    let gates = [dense("gate", &[images, 1, 1, 32]), dense("small_gate", &[images, 1, 1, 32])];
    network.inputs = [&[x][..], &skips, &gates].concat();
    let mut dense = |name: &str, shape: &[usize]| {
        let storage = Storage::Dense(DType::F32);
        network.add_tensor(NetTensor { name: name.into(), shape: shape.to_vec(), storage, origin: None })
    };
    let results = [dense("y", &large), dense("small_y", &small)];
    let sums = [dense("sums", &[images, 1, 1, 32]), dense("small_sums", &[images, 1, 1, 32])];
    network.outputs = [results, sums].concat();
    let ramp = |n: usize| std::sync::Arc::new(random(n, 3, 0.125));
    let geometry = |input, output, kernel, stride, pad| Geometry {
        n: images,
        input,
        output,
        kernel: [kernel; 2],
        strides: [stride; 2],
        dilations: [1; 2],
        pads: [pad; 2],
        groups: 1,
    };
    let mut steps = [Vec::new(), Vec::new()];
    for side in 0..2 {
        steps[side].extend([
            Step::Add(skips[side]),
            Step::Gate(gates[side]),
            Step::Shift(ramp(32)),
            Step::Store(results[side]),
            Step::Sum(sums[side]),
        ]);
        for frame in [0, 1] {
            let storage = Storage::Bits(BitLayout { groups: 1, frame: [frame; 4], frame_ones: false });
            let (name, shape) = (format!("signs{side}{frame}"), [large, small][side].to_vec());
            let bits = network.add_tensor(NetTensor { name, shape, storage, origin: None });
            let intervals = Arc::new(vec![Interval { low: 0.0, high: f32::INFINITY }; 32]);
            steps[side].push(Step::Sign { bits, intervals });
        }
    }
    let [before, behind] = steps;
    let pool = Pool {
        kind: PoolKind::Average { count_include_pad: None },
        geometry: Geometry { groups: 32, ..geometry([8, 6, 32], [4, 3, 32], 2, 2, 0) },
    };
    let source = Source::RealConv {
        input: x,
        planar: false,
        geometry: geometry([8, 6, 5], [8, 6, 32], 3, 1, 1),
        weights: ramp(9 * 5 * 32),
        products: Products::F32,
    };
    let pooled = Some(Pooled { pool, steps: behind });
    network.blocks = vec![Block::new("conv", Tiled { source, steps: before, pooled })];
    // Somebody must want the signs: each is made numbers again.
    let is_bits = |t: &TensorId| matches!(network.tensor(*t).storage, Storage::Bits(_));
    let all: Vec<TensorId> = network.blocks[0].writes().into_iter().filter(is_bits).collect();
    for bits in all {
        let tensor = network.tensor(bits).clone();
        let Storage::Bits(layout) = &tensor.storage else { unreachable!() };
        let [n, h, w, c] = tensor.shape[..] else { unreachable!() };
        let pad = layout.frame[0];
        let geometry = Geometry { n, ..geometry([h, w, c], [h, w, 16], 1 + 2 * pad, 1, pad) };
        let signs =
            random(geometry.kernel[0] * geometry.kernel[1] * c * 16, 11, 0.125).iter().map(|w| *w > 0.0).collect();
        let weights = Arc::new(BinaryWeights { signs, zeros: 0, deviation: 0.0 });
        let storage = Storage::Dense(DType::F32);
        let (name, shape) = (format!("{}.counted", tensor.name), vec![n, h, w, 16]);
        let counted = network.add_tensor(NetTensor { name: name.clone(), shape, storage, origin: None });
        let source = Source::BinaryConv { input: bits, geometry, weights, padding: BitPadding::Zero };
        network.blocks.push(Block::new(name, Tiled::new(source, vec![Step::Store(counted)])));
        network.outputs.push(counted);
    }
    network
}

/// Both sides of a pool have fields of the same names; divided among threads, none is taken for the other.
#[test]
fn a_block_may_do_everything_twice() {
    let images = 2;
    let output = compiled(twice(images));
    let network = &output.network;
    let inputs: Vec<Tensor> = (network.inputs.iter().zip(1..))
        .map(|(&id, seed)| {
            let shape = network.tensor(id).shape.clone();
            Tensor::f32(shape.clone(), random(shape.iter().product(), seed, 0.125))
        })
        .collect();
    let expected = interpret::network::run(network, &inputs).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(&build(&output, "tiny", folder.path()).unwrap()).unwrap();
    for (i, input) in inputs.iter().enumerate() {
        program.write_f32(Space::Input(i), 0, &input.to_f32()).unwrap();
    }
    for (level, threads) in [(None, 1), (None, 2), (None, 3), (None, 4), (Some("portable"), 3)] {
        program.level(level).unwrap();
        program.threads(threads, Some(0)).unwrap();
        program.write_f32(Space::Real, 0, &vec![f32::NAN; output.plan.real_len]).unwrap();
        program.write_bits(0, &vec![u64::MAX; output.plan.bits_len]).unwrap();
        program.infer().unwrap();
        for (i, id) in network.outputs.iter().enumerate() {
            let wanted = expected[id].to_f32();
            let found = program.read_f32(Space::Output(i), 0, wanted.len()).unwrap();
            // Small multiples of powers of two: every sum is exact.
            assert_eq!(found, wanted, "{} of {images}, {threads} threads, {level:?}", network.tensor(*id).name);
        }
    }
    // The interpreter's memory, block by block.
    let mut program = Program::interpreted(&output);
    for (i, input) in inputs.iter().enumerate() {
        program.write_f32(Space::Input(i), 0, &input.to_f32()).unwrap();
    }
    (0..network.blocks.len()).for_each(|index| program.block(index).unwrap());
    for (i, id) in network.outputs.iter().enumerate() {
        let wanted = expected[id].to_f32();
        assert_eq!(program.read_f32(Space::Output(i), 0, wanted.len()).unwrap(), wanted);
    }
}
