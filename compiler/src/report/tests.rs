use std::sync::Arc;

use super::*;
use crate::ir::Unary;
use crate::ir::network::{
    Activation, BinaryWeights, BitLayout, BitPadding, Block, Body, Dense, Gate, Geometry, Interval, Network, Products,
    Source, Step, Tiled,
};

/// Bits 4x4x70 -> binary 3x3/2 conv to 2x2x8 with scale, gate, PReLU, skip and sign; its gate; a real stem; a pool.
fn output() -> Output {
    let mut network = Network { name: "small".into(), notes: vec!["a note".into()], ..Network::default() };
    let mut dense = |name: &str, shape: &[usize]| {
        network.add_tensor(NetTensor {
            name: name.into(),
            shape: shape.to_vec(),
            storage: Storage::Dense(DType::F32),
            origin: None,
        })
    };
    let (input, sums, gate) = (dense("x", &[1, 3, 4, 4]), dense("sums", &[1, 1, 1, 70]), dense("g", &[1, 1, 1, 8]));
    let (skip, stored, out) = (dense("skip", &[1, 2, 2, 8]), dense("y", &[1, 2, 2, 8]), dense("z", &[1, 1, 1, 8]));
    let mut bits = |name: &str, shape: &[usize], frame| {
        network.add_tensor(NetTensor {
            name: name.into(),
            shape: shape.to_vec(),
            storage: Storage::Bits(BitLayout { groups: 1, frame, frame_ones: false }),
            origin: None,
        })
    };
    let (bits_in, bits_out) = (bits("b", &[1, 4, 4, 70], [1; 4]), bits("c", &[1, 2, 2, 8], [0; 4]));
    let channels = |n: usize| Arc::new(vec![0.5; n]);
    let layer = |inputs: usize, outputs: usize| Dense {
        inputs,
        outputs,
        weights: channels(inputs * outputs),
        bias: channels(outputs),
    };
    let geometry = |input: [usize; 3], output: [usize; 3], kernel: usize, stride: usize, groups| Geometry {
        n: 1,
        input,
        output,
        kernel: [kernel; 2],
        strides: [stride; 2],
        dilations: [1, 1],
        pads: [kernel / 2; 2],
        groups,
    };
    let intervals = |n| Arc::new(vec![Interval { low: 0.0, high: f32::INFINITY }; n]);
    let named = |name: &str, body: Body, parts: &[&str]| Block {
        parts: parts.iter().map(|&p| p.into()).collect(),
        ..Block::new(name, body)
    };
    let block = |name: &str, source, steps, parts: &[&str]| named(name, Tiled::new(source, steps).into(), parts);
    network.blocks = vec![
        block(
            "stem",
            Source::RealConv {
                input,
                planar: false,
                geometry: geometry([4, 4, 3], [4, 4, 70], 3, 1, 1),
                weights: channels(70 * 9 * 3),
                products: Products::F32,
            },
            vec![
                Step::Activation(Activation::Unary(Unary::Relu)),
                Step::Sum(sums),
                Step::Sign { bits: bits_in, intervals: intervals(70) },
            ],
            &["Conv"],
        ),
        named(
            "gate",
            Gate {
                sums,
                first: layer(70, 2),
                hidden: Unary::Relu,
                second: layer(2, 8),
                squash: Unary::Sigmoid,
                output: gate,
            }
            .into(),
            &["Gemm", "Relu", "Gemm", "Sigmoid"],
        ),
        block(
            "conv",
            Source::BinaryConv {
                input: bits_in,
                geometry: geometry([4, 4, 70], [2, 2, 8], 3, 2, 1),
                weights: Arc::new(BinaryWeights { signs: vec![true; 8 * 9 * 70], zeros: 0, deviation: 0.0 }),
                padding: BitPadding::Zero,
            },
            vec![
                Step::Scale(channels(8)),
                Step::Gate(gate),
                Step::Activation(Activation::PRelu(channels(8))),
                Step::Add(skip),
                Step::Store(stored),
                Step::Sign { bits: bits_out, intervals: intervals(8) },
            ],
            &["BatchNormalization", "Sign", "Conv", "scale", "gate", "PRelu", "skip"],
        ),
        block(
            "pool",
            Source::AveragePool {
                input: stored,
                geometry: geometry([2, 2, 8], [1, 1, 8], 2, 2, 8),
                count_include_pad: None,
            },
            vec![Step::Store(out)],
            &["AveragePool"],
        ),
    ];
    network.inputs = vec![input];
    network.outputs = vec![out];
    let plan = crate::plan::Plan { real_len: 10, bits_len: 3, ..Default::default() };
    let emitted = crate::emit::Emitted { weights: vec![0; 128], weight_bytes: 100, ..Default::default() };
    let schedule = crate::schedule::Schedule::of(&network, 2000, None);
    Output { network, schedule, plan, emitted, ..Output::default() }
}

#[test]
fn costs_are_counted_by_the_rules() {
    let report = Report::new(&output());
    let row = |name: &str| report.blocks.iter().find(|r| r.name == name).unwrap().clone();
    let conv = row("conv");
    assert_eq!((conv.binary_macs, conv.real_macs, conv.macs), (2 * 2 * 8 * 9 * 70, 0, 2 * 2 * 8 * 9 * 70));
    // 32 outputs: scale, gate, PReLU, skip; a threshold counts two.
    assert_eq!(conv.flops, 32 * (4 + 2));
    // 70 channels are two words; scale and slopes; thresholds.
    assert_eq!(conv.weight_bytes, 8 * 9 * 2 * 8 + 4 * 16 + 8 * 8);
    let stem = row("stem");
    assert_eq!(stem.real_macs, 4 * 4 * 70 * 27);
    assert_eq!(stem.flops, stem.real_macs + 4 * 4 * 70 * (1 + 1 + 2));
    assert_eq!(stem.weight_bytes, 4 * 70 * 27 + 8 * 70);
    let gate = row("gate");
    assert_eq!((gate.real_macs, gate.flops), (140 + 16, 140 + 16 + 2 + 8));
    assert_eq!(gate.weight_bytes, 4 * (140 + 2 + 16 + 8));
    assert_eq!(row("pool").flops, 8 * 4);

    let t = report.totals;
    assert_eq!((t.binary_operators, t.fused_blocks), (1, 1));
    assert_eq!((t.binary_macs, t.real_macs), (conv.binary_macs, stem.real_macs + gate.real_macs));
    assert_eq!(t.flops, report.blocks.iter().map(|r| r.flops).sum::<u64>());
    assert_eq!((t.weight_bytes, t.scratch_bytes), (100, 64));
}

/// The sixteen half-blocks of ResNet-18 at 224 x 224: Table 1's 1.676e9.
#[test]
fn resnet_18_has_the_papers_number_of_binary_operations() {
    let stage = |extent: usize, channels: usize, first: usize| -> u64 {
        let conv = |input: usize, stride: usize| Geometry {
            n: 1,
            input: [extent * stride, extent * stride, input],
            output: [extent, extent, channels],
            kernel: [3, 3],
            strides: [stride; 2],
            dilations: [1, 1],
            pads: [1, 1],
            groups: 1,
        };
        conv(first, if first == channels { 1 } else { 2 }).macs() + 3 * conv(channels, 1).macs()
    };
    let total = stage(56, 64, 64) + stage(28, 128, 64) + stage(14, 256, 128) + stage(7, 512, 256);
    assert_eq!(total, 1_676_279_808);
}

#[test]
fn rows_say_what_was_fused_and_why_not() {
    let report = Report::new(&output());
    let conv = &report.blocks[2];
    assert_eq!((conv.kind.as_str(), conv.geometry.as_str()), ("binary conv", "3x3/2 4x4x70 -> 2x2x8"));
    assert_eq!(conv.fused, ["BatchNormalization", "Sign", "Conv", "scale", "gate", "PRelu", "skip"]);
    assert_eq!(conv.reason, None);
    // What only the steps know is added.
    assert_eq!(report.blocks[0].fused, ["Conv", "Relu", "gate sums", "Sign"]);
    assert!(report.blocks.iter().filter(|r| !r.binary).all(|r| r.reason.is_some()));
}

#[test]
fn an_unfused_binary_block_has_a_reason() {
    let mut output = output();
    let Body::Tiled(conv) = &mut output.network.blocks[2].body else { unreachable!("a convolution") };
    conv.steps.retain(|s| matches!(s, Step::Store(_)));
    let report = Report::new(&output);
    assert_eq!((report.totals.binary_operators, report.totals.fused_blocks), (1, 0));
    assert!(report.blocks[2].reason.as_ref().unwrap().contains("nothing to fuse"));
}

/// A layer of several planes of bits is one layer, whatever its planes are fused with.
#[test]
fn planes_of_bits_are_no_layers() {
    let mut output = output();
    let before = Report::new(&output).totals;
    let mut plane = output.network.blocks[2].clone();
    plane.parts.push(Part::Plane);
    let Body::Tiled(conv) = &mut plane.body else { unreachable!("a convolution") };
    conv.steps.retain(|s| matches!(s, Step::Store(_)));
    output.network.blocks.insert(2, plane);
    let report = Report::new(&output);
    let layers = |t: &Totals| (t.layers, t.binary_operators, t.fused_blocks);
    assert_eq!(layers(&report.totals), layers(&before));
    assert_eq!(report.totals.binary_macs, 2 * before.binary_macs);
    assert!(report.blocks[2].reason.as_ref().is_some_and(|why| why.contains("one more plane")), "{report}");
    let text = Glance::new(&output, xnorc_runtime::Level::Avx2, 1000).to_string();
    assert!(text.contains(&format!("1 of {} layers", before.layers)), "{text}");
}

#[test]
fn text_of_the_report() {
    insta::assert_snapshot!(Report::new(&output()).to_string());
}

#[test]
fn text_of_the_glance() {
    let glance = Glance::new(&output(), xnorc_runtime::Level::Avx2, 123_456);
    insta::assert_snapshot!(glance.to_string());
}

/// Equal reasons are one line, wherever the blocks stand.
#[test]
fn what_stands_in_the_way_is_collapsed_and_sorted() {
    let mut output = output();
    let again = output.network.blocks[3].clone();
    output.network.blocks.insert(1, Block { name: "pool_2".into(), ..again });
    let text = Glance::new(&output, xnorc_runtime::Level::Portable, 1000).to_string();
    assert_eq!(text.matches("pools real values").count(), 1, "{text}");
    assert!(text.contains("pools real values (2)"), "{text}");
    let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
    assert!(place("binary weights, but an input") < place("gates, which"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 120) && text.lines().count() <= 40, "{text}");
    // A network that is binary through and through.
    output.network.blocks.retain(|b| b.is_binary());
    let text = Glance::new(&output, xnorc_runtime::Level::Avx2, 1000).to_string();
    assert!(text.contains("Nothing stands in the way") && text.contains("100.0 %"), "{text}");
}
