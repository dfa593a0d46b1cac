//! For each rule something broken that it catches, and nothing where nothing is broken.

use std::sync::Arc;

use crate::check;
use crate::ir::network::{
    Activation, BinaryWeights, BitLayout, BitPadding, Block, Body, Dense, Gate, Geometry, Interval, Move, NetTensor,
    Network, Piece, Pool, PoolKind, Pooled, Products, Source, Step, Storage, TensorId, Tiled, Whole,
};
use crate::ir::{DType, Graph, Op, Origin, Tensor, Unary, ValueId, Zero};
use crate::passes::testing::{Build, window};
use crate::passes::{PASSES, promises};

/// What is said, and what breaks the level so that it is.
type Broken<T> = (&'static str, fn(&mut T));

/// x -> Conv -> Relu -> y, of the file's "y".
fn graph() -> Graph {
    let mut b = Build::default();
    let x = b.input(&[1, 2, 4, 4]);
    let w = b.constant(&[3, 2, 3, 3], &[0.5; 54]);
    let y = b.conv(x, w, 1);
    let y = b.unary(Unary::Relu, y);
    let mut graph = b.finish(&[y]);
    let origin = Origin { permutation: Some(vec![0, 1, 2, 3]), ..Origin::new("y", [1, 3, 4, 4]) };
    graph.values[y.0 as usize].origin = Some(origin);
    graph.values[x.0 as usize].name = "x".into();
    graph
}

#[test]
fn every_rule_of_a_graph_catches_what_breaks_it() {
    check::graph(&graph(), "now", &[]).unwrap();
    let broken: &[Broken<Graph>] = &[
        ("there is no value number 99", |g| g.nodes[1].inputs[0] = ValueId(99)),
        ("X900 at input \"x\": internal error now: it is there twice", |g| g.inputs.push(g.inputs[0])),
        ("input \"x\": internal error now: it is a constant", |g| {
            g.values[0].constant = Some(Arc::new(Tensor::f32([1, 2, 4, 4], vec![0.0; 32])));
        }),
        ("is computed after it, or nowhere", |g| g.nodes.swap(0, 1)),
        ("is computed twice", |g| {
            let again = g.nodes[1].clone();
            g.nodes.push(again);
        }),
        ("two values are called \"x\"", |g| g.values[2].name = "x".into()),
        ("nothing computes it", |g| g.nodes.truncate(1)),
        ("a constant", |g| g.values[3].constant = Some(Arc::new(Tensor::f32([1, 3, 4, 4], vec![0.0; 48])))),
        ("holds 54 of F32", |g| g.values[1].shape = vec![54]),
        ("node \"Relu1\" (Relu)", |g| g.values[3].shape = vec![48]),
        ("is I64 [1, 3, 4, 4], where F32", |g| g.values[3].dtype = DType::I64),
        ("cannot be \"y\" [1, 3, 4, 4] of the file, permuted by", |g| {
            g.values[3].origin.as_mut().unwrap().permutation = Some(vec![0, 2, 3, 1]);
        }),
        ("cannot be \"y\"", |g| g.values[3].origin.as_mut().unwrap().permutation = Some(vec![0, 0, 2, 3])),
    ];
    for (expected, break_it) in broken {
        let mut graph = graph();
        break_it(&mut graph);
        let found = check::graph(&graph, "now", &[]).expect_err(expected).to_string();
        assert!(found.contains(expected), "{expected}: {found}");
    }
}

#[test]
fn every_promise_is_held_to() {
    let mut b = Build::default();
    let x = b.input(&[1, 2, 4, 4]);
    let w = b.constant(&[2, 2, 3, 3], &[0.5; 36]);
    let y = b.conv(x, w, 1);
    let slope = b.scalar(0.5);
    let y = b.like(Op::PRelu, &[y, slope]);
    let maps = || Op::Affine { axis: 1, maps: Arc::new(vec![crate::exact::Affine::linear(2.0, 1.0); 2]) };
    let y = b.like(maps(), &[y]);
    let y = b.like(maps(), &[y]);
    let y = b.like(Op::Reshape, &[y]);
    let y = b.node(Op::Reduce { kind: crate::ir::Reduction::Sum, axes: vec![1], keepdims: false }, &[y], &[1, 4, 4]);
    let graph = b.finish(&[y]);
    for (expected, promise) in [
        ("(Conv): internal error now: its channels are not last", promises::channels_are_last as check::Promise),
        ("(Conv): internal error now: it does not say why", promises::real_layers_say_why),
        ("(PRelu): internal error now: its slope has rank 0", promises::slopes_have_the_rank_of_their_argument),
        ("(Affine): internal error now: it could be one with", promises::affine_neighbours_are_one),
        ("(Reshape): internal error now: it changes nothing", promises::nodes_do_something),
        ("(Reduce): internal error now: it drops the axes", promises::reductions_keep_their_axes),
    ] {
        let found = check::graph(&graph, "now", &[promise]).expect_err(expected).to_string();
        assert!(found.contains(expected), "{expected}: {found}");
    }
    let mut padded = graph.clone();
    let ones = crate::ir::Window { pad_value: 1.0, ..window([3, 3], 1) };
    padded.nodes[0].op = Op::Conv { window: ones, groups: 1, layout: crate::ir::Layout::ChannelsFirst };
    let found = check::graph(&padded, "now", &[promises::real_layers_say_why]).unwrap_err().to_string();
    assert!(found.contains("padded with 1"), "{found}");
}

/// What a pass breaks ends there, with its name.
#[test]
fn a_broken_graph_goes_no_further() {
    let mut graph = graph();
    graph.values[3].shape = vec![7];
    let found = crate::passes::run(&mut graph, |name, _| panic!("{name} ran")).unwrap_err().to_string();
    assert!(found.contains("internal error at import") && found.contains("please report"), "{found}");
    assert_eq!(PASSES.iter().map(|(_, _, promises)| promises.len()).sum::<usize>(), 6, "a test for each promise");
}

fn geometry(input: [usize; 3], output: [usize; 3], kernel: usize, stride: usize, pad: usize) -> Geometry {
    let (strides, dilations, pads) = ([stride; 2], [1, 1], [pad; 2]);
    Geometry { n: 1, input, output, kernel: [kernel; 2], strides, dilations, pads, groups: 1 }
}

const INPUT: TensorId = TensorId(0);
const BITS: TensorId = TensorId(1);
const SUMS: TensorId = TensorId(2);
const FACTORS: TensorId = TensorId(3);
const POOLED: TensorId = TensorId(4);
const SMALL: TensorId = TensorId(5);
const FLAT: TensorId = TensorId(6);
const COPY: TensorId = TensorId(7);
const OUTPUT: TensorId = TensorId(8);
const JOINED: TensorId = TensorId(9);

/// Every kind of block: signs and sums of an image, a gate, a binary convolution with a pool, a max-pool of bits, a reshape, a
/// copy, a softmax, a join of bits.
fn network() -> Network {
    let mut network = Network::default();
    let dense = |shape: &[usize]| (shape.to_vec(), Storage::Dense(DType::F32));
    let bits = |shape: &[usize], frame| {
        (shape.to_vec(), Storage::Bits(BitLayout { groups: 1, frame: [frame; 4], frame_ones: false }))
    };
    for (i, (shape, storage)) in [
        dense(&[1, 4, 4, 2]),
        bits(&[1, 4, 4, 2], 1),
        dense(&[1, 1, 1, 2]),
        dense(&[1, 1, 1, 3]),
        dense(&[1, 2, 2, 3]),
        bits(&[1, 2, 2, 2], 0),
        dense(&[1, 12]),
        dense(&[1, 12]),
        dense(&[1, 12]),
        bits(&[1, 2, 2, 4], 1),
    ]
    .into_iter()
    .enumerate()
    {
        network.add_tensor(NetTensor { name: format!("t{i}"), shape, storage, origin: None });
    }
    (network.inputs, network.outputs) = (vec![INPUT], vec![OUTPUT]);
    let numbers = |n: usize| Arc::new(vec![0.5; n]);
    let intervals = Arc::new(vec![Interval { low: 0.0, high: f32::INFINITY }; 2]);
    let layer = |inputs, outputs| Dense { inputs, outputs, weights: numbers(inputs * outputs), bias: numbers(outputs) };
    let (first, second) = (layer(2, 1), layer(1, 3));
    let weights = Arc::new(BinaryWeights { signs: vec![true; 3 * 9 * 2], zeros: 0, deviation: 0.0 });
    let conv = geometry([4, 4, 2], [4, 4, 3], 3, 1, 1);
    let pool =
        Pool { kind: PoolKind::Max, geometry: Geometry { groups: 3, ..geometry([4, 4, 3], [2, 2, 3], 2, 2, 0) } };
    let or = Geometry { groups: 2, ..geometry([4, 4, 2], [2, 2, 2], 2, 2, 0) };
    let piece = Piece {
        input: FLAT,
        input_offset: 11,
        input_strides: vec![-1],
        output_offset: 0,
        output_strides: vec![1],
        extents: vec![12],
    };
    let steps = vec![
        Step::Scale(numbers(3)),
        Step::Gate(FACTORS),
        Step::Activation(Activation::PRelu(numbers(3))),
        Step::Activation(Activation::Unary(Unary::Clip(0.0, 6.0))),
    ];
    network.blocks = vec![
        Block::new(
            "pack",
            Tiled::new(Source::Map { input: INPUT }, vec![Step::Sign { bits: BITS, intervals }, Step::Sum(SUMS)]),
        ),
        Block::new(
            "gate",
            Gate { sums: SUMS, first, hidden: Unary::Relu, second, squash: Unary::Sigmoid, output: FACTORS },
        ),
        Block::new(
            "conv",
            Tiled {
                source: Source::BinaryConv { input: BITS, geometry: conv, weights, padding: BitPadding::Zero },
                steps,
                pooled: Some(Pooled { pool, steps: vec![Step::Store(POOLED)] }),
            },
        ),
        Block::new("or", Move::BitMaxPool { input: BITS, output: SMALL, geometry: or }),
        Block::new("view", Move::Reshape { input: POOLED, output: FLAT }),
        Block::new("flip", Move::Copy { fill: None, pieces: vec![piece], output: COPY }),
        Block::new("softmax", Whole { op: Op::Softmax { axis: 1, log: false }, inputs: vec![COPY], output: OUTPUT }),
        Block::new("join", Move::BitJoin { inputs: vec![SMALL, SMALL], output: JOINED }),
    ];
    network
}

fn tiled(network: &mut Network, block: usize) -> &mut Tiled {
    let Body::Tiled(tiled) = &mut network.blocks[block].body else { panic!("block {block} has no tiles") };
    tiled
}

fn source(network: &mut Network, source: Source) {
    tiled(network, 2).source = source;
}

fn conv(network: &mut Network) -> (&mut Geometry, &mut Arc<BinaryWeights>, &mut BitPadding) {
    match &mut tiled(network, 2).source {
        Source::BinaryConv { geometry, weights, padding, .. } => (geometry, weights, padding),
        _ => panic!("no binary convolution"),
    }
}

fn gate(network: &mut Network) -> &mut Gate {
    let Body::Gate(gate) = &mut network.blocks[1].body else { panic!("no gate") };
    gate
}

fn real(network: &mut Network, weights: usize, products: Products, planar: bool) {
    let geometry = geometry([4, 4, 2], [4, 4, 3], 3, 1, 1);
    source(
        network,
        Source::RealConv { input: INPUT, planar, geometry, weights: Arc::new(vec![0.5; weights]), products },
    );
}

fn piece(network: &mut Network) -> (&mut Option<f32>, &mut Piece) {
    let Body::Move(Move::Copy { fill, pieces, .. }) = &mut network.blocks[5].body else { panic!("no copy") };
    (fill, &mut pieces[0])
}

#[test]
fn every_rule_of_a_network_catches_what_breaks_it() {
    check::network(&network(), "now").unwrap();
    let mut real_conv = network();
    real(&mut real_conv, 54, Products::F32, false);
    check::network(&real_conv, "now").unwrap();
    let broken: &[Broken<Network>] = &[
        ("there is no tensor %99", |n| tiled(n, 0).source = Source::Map { input: TensorId(99) }),
        ("tensor \"t0\": internal error now: there is another", |n| n.tensors[1].name = "t0".into()),
        ("bits of shape [1, 4, 8] in 1 groups", |n| n.tensors[1].shape = vec![1, 4, 8]),
        ("input \"t0\": internal error now: it is bits, or there twice", |n| n.inputs.push(INPUT)),
        ("\"conv\": internal error now: it reads \"t3\", which no block before it writes", |n| n.blocks.swap(1, 2)),
        ("block \"pack\": internal error now: it writes nothing", |n| tiled(n, 0).steps.clear()),
        ("\"t2\" is written before already", |n| tiled(n, 0).steps.push(Step::Sum(SUMS))),
        ("output \"t0\": internal error now: no block writes it", |n| n.outputs = vec![INPUT]),
        ("output \"t5\": internal error now: it is bits", |n| n.outputs = vec![SMALL]),
        ("while it runs", |n| real(n, 54, Products::Bf16 { narrow: SUMS }, false)),
        // Sources.
        ("its input \"t0\" is not bits", |n| {
            let Source::BinaryConv { input, .. } = &mut tiled(n, 2).source else { panic!() };
            *input = INPUT;
        }),
        ("a frame too narrow", |n| {
            let Storage::Bits(layout) = &mut n.tensors[1].storage else { panic!() };
            layout.frame = [1, 1, 0, 1];
        }),
        ("a frame of 0 for a padding of Plus", |n| *conv(n).2 = BitPadding::Plus),
        ("bits in 2 groups", |n| {
            let Storage::Bits(layout) = &mut n.tensors[1].storage else { panic!() };
            layout.groups = 2;
        }),
        ("where the geometry is", |n| conv(n).0.input = [4, 5, 2]),
        ("is none", |n| conv(n).0.strides = [0, 1]),
        ("is none", |n| conv(n).0.groups = 2),
        ("weights for", |n| *conv(n).1 = Arc::new(BinaryWeights { signs: vec![], zeros: 0, deviation: 0.0 })),
        ("its input \"t1\" is \"t1\" bits[1x4x4x2]", |n| source(n, Source::Map { input: BITS })),
        ("53 weights for", |n| real(n, 53, Products::F32, false)),
        ("the planes of a tensor of shape [1, 4, 4, 2]", |n| real(n, 54, Products::F32, true)),
        ("its workspace \"t6\"", |n| real(n, 54, Products::Bf16 { narrow: FLAT }, false)),
        ("the planes of a tensor of shape [1, 12]", |n| source(n, Source::Planes { input: FLAT })),
        ("a pool behind a source that does not give", |n| {
            let geometry = Geometry { groups: 2, ..geometry([4, 4, 2], [4, 4, 2], 1, 1, 0) };
            source(n, Source::MaxPool { input: INPUT, geometry });
        }),
        ("mixes channels", |n| tiled(n, 2).pooled.as_mut().unwrap().pool.geometry.groups = 1),
        ("a pool from", |n| tiled(n, 2).pooled.as_mut().unwrap().pool.geometry.input = [2, 2, 3]),
        // Steps.
        ("2 numbers of a step, where 3 are needed", |n| tiled(n, 2).steps[0] = Step::Scale(Arc::new(vec![1.0; 2]))),
        ("NaN among the numbers of a step", |n| tiled(n, 2).steps[0] = Step::Shift(Arc::new(vec![f32::NAN; 3]))),
        ("Clip of NaN", |n| {
            tiled(n, 2).steps[3] = Step::Activation(Activation::Unary(Unary::Clip(f32::NAN, 1.0)));
        }),
        ("the gate \"t2\"", |n| tiled(n, 2).steps[1] = Step::Gate(SUMS)),
        ("the operand \"t0\"", |n| tiled(n, 2).steps[1] = Step::Add(INPUT)),
        ("the result \"t4\"", |n| n.tensors[4].shape = vec![1, 2, 2, 4]),
        ("the sums \"t2\"", |n| n.tensors[2].shape = vec![1, 1, 1, 3]),
        ("1 thresholds for 2 channels", |n| {
            let intervals = Arc::new(vec![Interval { low: 0.0, high: 1.0 }]);
            tiled(n, 0).steps[0] = Step::Sign { bits: BITS, intervals };
        }),
        ("the signs \"t1\" of [1, 4, 4, 2]", |n| n.tensors[1].shape = vec![1, 2, 8, 2]),
        ("numbers of [4, 1, 2] for pixels of [4, 4, 3]", |n| {
            let extents = [4, 1, 2];
            let values = Arc::new(vec![1.0; 8]);
            tiled(n, 2).steps[0] = Step::ScalePixels(crate::ir::network::PerPixel { extents, values });
        }),
        // Gates.
        ("its sums \"t2\"", |n| gate(n).first.inputs = 3),
        ("its result \"t3\"", |n| gate(n).second.outputs = 2),
        ("layers dense", |n| gate(n).second.inputs = 2),
        ("numbers of a layer", |n| gate(n).second.weights = Arc::new(vec![])),
        ("numbers of a bias", |n| gate(n).first.bias = Arc::new(vec![])),
        ("Not of floats", |n| gate(n).squash = Unary::Not),
        ("Elu of NaN", |n| gate(n).hidden = Unary::Elu(f32::NAN)),
        // Moves.
        ("NaN among the numbers of a fill", |n| *piece(n).0 = Some(f32::NAN)),
        ("a copy reads from -1 to 10 of 12", |n| piece(n).1.input_offset = 10),
        ("a copy writes up to 12 of 12", |n| piece(n).1.output_offset = 1),
        ("a copy of", |n| piece(n).1.output_strides = vec![]),
        ("11 elements are copied into 12", |n| piece(n).1.extents = vec![11]),
        ("under the shape of", |n| n.tensors[6].shape = vec![11]),
        ("its result is \"t5\" f32", |n| n.tensors[5].storage = Storage::Dense(DType::F32)),
        ("4 channels are joined to 5", |n| n.tensors[9].shape = vec![1, 2, 2, 5]),
        ("\"t5\" bits[1x2x2x2] among the parts of", |n| n.tensors[9].shape = vec![1, 2, 3, 4]),
        ("among the parts of", |n| n.blocks[7].body = Move::BitJoin { inputs: vec![FLAT], output: JOINED }.into()),
        ("\"t9\" bits[1x2x2x4] frame 1,1,1,1 of 0 among the factors of", |n| {
            n.blocks[7].body = Move::BitProduct { inputs: vec![SMALL, JOINED], output: SMALL }.into();
        }),
        ("1 factors", |n| n.blocks[7].body = Move::BitProduct { inputs: vec![SMALL], output: JOINED }.into()),
        // Whole operators.
        ("Sign has no form on whole tensors", |n| {
            n.blocks[6].body = Whole { op: Op::Sign(Zero::Plus), inputs: vec![COPY], output: OUTPUT }.into();
        }),
        ("axis 2 of a value of shape [1, 12]", |n| {
            n.blocks[6].body =
                Whole { op: Op::Softmax { axis: 2, log: false }, inputs: vec![COPY], output: OUTPUT }.into();
        }),
        ("where F32 [1, 12] follows from its operands", |n| n.tensors[8].shape = vec![12]),
        ("where F32 [1, 12] follows from its operands", |n| n.tensors[8].storage = Storage::Dense(DType::I64)),
    ];
    for (expected, break_it) in broken {
        let mut network = network();
        break_it(&mut network);
        let found = check::network(&network, "now").expect_err(expected).to_string();
        assert!(found.contains(expected) && found.contains("please report"), "{expected}: {found}");
    }
}
