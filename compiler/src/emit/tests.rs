//! The emitted text: of one block of each kind, and of a whole network.

use crate::emit::{self, Emitted};
use crate::ir::network::testing::{Build, geometry, kinds, ramp, rising, signs};
use crate::ir::network::*;
use crate::ir::{DType, Op, Unary};
use crate::plan;
use crate::schedule::Schedule;

fn emit(network: &Network) -> Emitted {
    let schedule = Schedule::of(network, 1, None);
    let plan = plan::run(network, &schedule);
    let options = emit::Options {
        name: "sample".into(),
        model_hash: "00".into(),
        probe: false,
        multiply_add: Default::default(),
        runtime: "::xnorc_runtime".into(),
    };
    emit::run(network, &schedule, &plan, &options)
}

/// The function called `block`, and what it names: its kernel, and constants.
fn block_of(source: &str) -> String {
    // An item ends at an empty line, behind which nothing is indented.
    let mut items: Vec<String> = Vec::new();
    for piece in source.split("\n\n") {
        match items.last_mut() {
            Some(item) if piece.starts_with(' ') => *item += &format!("\n\n{piece}"),
            _ => items.push(piece.to_owned()),
        }
    }
    let head = |item: &String| -> String {
        let line = item.lines().find(|line| !line.starts_with("///") && !line.starts_with('#'));
        line.unwrap_or_default().to_owned()
    };
    let function = items.iter().find(|item| head(item).starts_with("fn block(")).expect("a block of that name");
    let names = items.iter().filter_map(|item| Some(head(item).strip_prefix("struct ")?.to_owned()));
    let names = names.filter_map(|rest| rest.split(['<', ' ']).next().map(str::to_owned));
    let kernel = names.into_iter().find(|name| function.contains(&format!("({name} {{")));
    let is_kernels = |head: &str| kernel.as_ref().is_some_and(|kernel| head.contains(kernel.as_str()));
    let kept = items.iter().filter(|item| {
        let head = head(item);
        head.starts_with("fn block(")
            || head.starts_with("const ") && !head.starts_with("const _:")
            || !head.starts_with("fn ") && is_kernels(&head)
    });
    kept.map(String::as_str).collect::<Vec<_>>().join("\n\n")
}

#[test]
fn each_kind_of_nest() {
    for (name, network) in kinds() {
        insta::assert_snapshot!(name, block_of(&emit(&network).source));
    }
}

/// A stem, a gate, two half-blocks of the same geometry, a pool and a head.
#[test]
fn real_to_binary() {
    let mut b = Build::new();
    let x = b.dense("x", &[1, 8, 8, 3]);
    b.0.inputs = vec![x];
    let stem = b.dense("stem", &[1, 8, 8, 64]);
    let (bits1, bits2) = (b.bits("s1", [1, 8, 8, 64], [1; 4]), b.bits("s2", [1, 8, 8, 64], [1; 4]));
    let (sums1, sums2) = (b.dense("sums1", &[1, 1, 1, 64]), b.dense("sums2", &[1, 1, 1, 64]));
    let (gate1, gate2) = (b.dense("gate1", &[1, 1, 1, 64]), b.dense("gate2", &[1, 1, 1, 64]));
    let (y1, y2, pooled) =
        (b.dense("y1", &[1, 8, 8, 64]), b.dense("y2", &[1, 8, 8, 64]), b.dense("pool", &[1, 4, 4, 64]));
    let (mean, logits) = (b.dense("mean", &[1, 1, 1, 64]), b.dense("logits", &[1, 10]));
    b.0.outputs = vec![logits];
    b.block(
        "stem/Conv",
        Source::RealConv {
            input: x,
            planar: false,
            geometry: geometry([8, 8, 3], [8, 8, 64], 3, 1, 1),
            weights: ramp(27 * 64),
            products: Products::F32,
        },
        vec![
            Step::Shift(ramp(64)),
            Step::Activation(Activation::PRelu(ramp(64))),
            Step::Store(stem),
            Step::Sign { bits: bits1, intervals: rising(64) },
            Step::Sum(sums1),
        ],
    );
    for (name, bits, sums, gate, input, output, next) in
        [("block1", bits1, sums1, gate1, stem, y1, Some((bits2, sums2))), ("block2", bits2, sums2, gate2, y1, y2, None)]
    {
        let layer = |inputs, outputs| Dense { inputs, outputs, weights: ramp(64 * 8), bias: ramp(outputs) };
        let (first, second) = (layer(64, 8), layer(8, 64));
        b.other(
            &format!("{name}/gate"),
            Gate { sums, first, hidden: Unary::Relu, second, squash: Unary::Sigmoid, output: gate },
        );
        let mut steps = vec![
            Step::Scale(ramp(64)),
            Step::Gate(gate),
            Step::Activation(Activation::PRelu(ramp(64))),
            Step::Add(input),
            Step::Store(output),
        ];
        if let Some((bits, sums)) = next {
            steps.extend([Step::Sign { bits, intervals: rising(64) }, Step::Sum(sums)]);
        }
        b.block(
            &format!("{name}/Conv"),
            Source::BinaryConv {
                input: bits,
                geometry: geometry([8, 8, 64], [8, 8, 64], 3, 1, 1),
                weights: signs(64 * 9 * 64),
                padding: BitPadding::Zero,
            },
            steps,
        );
    }
    b.block(
        "pool",
        Source::AveragePool { input: y2, geometry: geometry([8, 8, 64], [4, 4, 64], 2, 2, 0), count_include_pad: None },
        vec![Step::Store(pooled), Step::Sum(mean)],
    );
    b.block(
        "fc",
        Source::RealConv {
            input: mean,
            planar: false,
            geometry: geometry([1, 1, 64], [1, 1, 10], 1, 1, 0),
            weights: ramp(640),
            products: Products::F32,
        },
        vec![Step::Shift(ramp(10)), Step::Store(logits)],
    );
    let emitted = emit(&b.0);
    insta::assert_snapshot!(emitted.source);
    insta::assert_snapshot!(emitted.summary);
}

/// Dynamo calls its outputs `output`; a function of that name could not be called where a parameter is called so.
#[test]
fn no_function_is_hidden_by_a_parameter() {
    let mut b = Build::new();
    let (x, y) = (b.input("x", &[1, 4, 4, 8]), b.output("y", &[1, 4, 4, 8]));
    b.block("output", Source::Map { input: x }, vec![Step::Store(y)]);
    let source = emit(&b.0).source;
    assert!(source.contains("output_2(input, output);") && source.contains("fn output_2("), "{source}");
}

/// Several inputs and outputs are structs; an output of ArgMax holds integers.
#[test]
fn what_the_caller_sees() {
    let mut b = Build::new();
    let (x, _) = (b.input("x", &[1, 4]), b.input("other", &[2, 3]));
    let y = b.output("y", &[1, 4]);
    b.block("store", Source::Map { input: x }, vec![Step::Shift(ramp(4)), Step::Store(y)]);
    let best = b.tensor("best", &[1], Storage::Dense(DType::I64));
    b.0.outputs.push(best);
    let op = Op::ArgMax { axis: 1, last: false, keepdims: false };
    b.other("best", Whole { op, inputs: vec![x], output: best });
    let source = emit(&b.0).source;
    insta::assert_snapshot!(source.split("/// Runs the network once.").next().unwrap());
}

/// Two bytes a weight, in pairs; one byte a weight, what the sums start from and what those of signed activations lack. Ten outputs
/// take sixteen places.
#[test]
fn narrow_weights_are_smaller() {
    let of = |kind: &str| {
        let (_, network) = kinds().into_iter().find(|(name, _)| *name == kind).unwrap();
        emit(&network).weight_bytes
    };
    assert_eq!(of("bf16_conv"), 3 * 5 * 4 * 32);
    assert_eq!(of("int8_linear"), (64 + 4) * 16 + 2 * 4 * 16);
}
