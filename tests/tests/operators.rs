//! Every operator there is, each on special values, in every way it can be computed: the interpreter of each level, emitted code
//! on every instruction set, and what onnxruntime answered when `fixtures/operators/table.py` was run.
//!
//! The table is one model with an output per line; an operator of `xnorc::ops` without a line fails.

use std::path::PathBuf;

use xnorc::ir::{Binary, Op, Reduction, Tensor};
use xnorc::ops::{binary, onnx_operators, unary};
use xnorc_cli::verify::Sample;
use xnorc_tests::{Running, fixtures, read_npy};

fn table() -> PathBuf {
    fixtures().join("operators/table.onnx")
}

fn inputs() -> Vec<Tensor> {
    (0..7).map(|i| read_npy(&fixtures().join(format!("operators/table.in{i}.npy")))).collect()
}

/// What is recorded, output by output.
fn recorded(names: &[String], shapes: &[Vec<usize>]) -> Vec<(String, Vec<f32>)> {
    let all = read_npy(&fixtures().join("operators/table.out.npy")).to_f32();
    let mut rest = &all[..];
    let mut outputs = Vec::new();
    for (name, shape) in names.iter().zip(shapes) {
        let (own, others) = rest.split_at(shape.iter().product());
        outputs.push((name.clone(), own.to_vec()));
        rest = others;
    }
    assert!(rest.is_empty(), "{} numbers are recorded for nothing", rest.len());
    outputs
}

/// Operators that the table's opset does not have, or has no longer: ONNX's own cases try them, and `compiler/src/import/tests` or
/// the fixture `attention_node`.
const GONE: [&str; 7] = ["Attention", "RMSNormalization", "RotaryEmbedding", "Scatter", "SwiGLU", "Swish", "Upsample"];

/// The row that an output tries.
fn row(output: &str) -> &str {
    output.split('_').next().unwrap_or(output)
}

/// Whether every way of computing it gives the same bits: what is no function of a float's own, nor a sum in an order of its own.
fn is_exact(output: &str) -> bool {
    let function = unary::FUNCTIONS.iter().find(|function| function.name == row(output));
    let folded = ["Sum", "Mean", "Prod", "L1", "L2", "SumSquare"].contains(&row(output)) && output.contains('_');
    let others = [
        "Pow",
        "Selu",
        "Softsign",
        "Mish",
        "Gelu",
        "Softmax",
        "LogSoftmax",
        "MatMul",
        "Gemm",
        "Conv",
        "ConvTranspose",
        "AveragePool",
        "GlobalAveragePool",
        "BatchNormalization",
        "LayerNormalization",
        "LRN",
        "InstanceNormalization",
        "GroupNormalization",
        "MeanVarianceNormalization",
        "LpNormalization",
        "LpPool",
        "GlobalLpPool",
        "CumSum",
        "ReduceLogSum",
        "ReduceLogSumExp",
        "Einsum",
        "Celu",
        "RNN",
        "GRU",
        "LSTM",
        "Where",
        "Mean",
    ];
    function.map_or(!folded && !others.contains(&row(output)), |function| function.exact)
}

/// Nothing is wrong where both are NaN, or where they are near enough: relatively, and where numbers are so small that other
/// engines take them for zero.
fn differs(wanted: f32, got: f32, relative: f32) -> bool {
    let near = (wanted - got).abs() <= relative * wanted.abs().max(1e-2);
    !(wanted == got || wanted.is_nan() && got.is_nan() || near)
}

/// The first difference of two results.
fn difference(wanted: &[f32], got: &[f32], relative: f32) -> Option<String> {
    let at = wanted.iter().zip(got).position(|(&wanted, &got)| differs(wanted, got, relative))?;
    Some(format!("element {at} of {} is {:e}, not {:e}", wanted.len(), got[at], wanted[at]))
}

#[test]
fn every_operator_has_a_line() {
    let bytes = std::fs::read(table()).unwrap();
    // In the file, an operator's name is field 4 of its node: a tag, the length, the letters.
    let named = |name: &str| {
        let wanted = [&[0x22, name.len() as u8][..], name.as_bytes()].concat();
        bytes.windows(wanted.len()).any(|window| window == wanted)
    };
    let missing = onnx_operators().into_iter().map(|(name, _)| name);
    let missing: Vec<&str> = missing.filter(|name| !GONE.contains(name) && !named(name)).collect();
    assert!(missing.is_empty(), "no line in fixtures/operators/table.py tries {missing:?}");

    // And every row of the element-wise functions and reductions, whatever they are called in the file.
    let graph = xnorc::load_graph(&table(), &xnorc::Config::new()).unwrap();
    let tried = |test: &dyn Fn(&Op) -> bool| graph.nodes.iter().any(|node| test(&node.op));
    for function in unary::FUNCTIONS {
        let line = tried(&|op| matches!(op, Op::Unary(f) if f.name() == function.name));
        assert!(line, "no line in fixtures/operators/table.py tries {}", function.name);
    }
    for (&function, row) in Binary::ALL.iter().zip(binary::FUNCTIONS) {
        assert!(tried(&|op| *op == Op::Binary(function)), "no line tries {}", row.name);
    }
    for &kind in Reduction::ALL {
        assert!(tried(&|op| matches!(op, Op::Reduce { kind: k, .. } if *k == kind)), "no line tries {kind:?}");
    }
}

#[test]
fn every_way_gives_the_same() {
    let mut running = Running::start(&table()).unwrap_or_else(|e| panic!("{e}"));
    let graph = &running.graph;
    let names: Vec<String> = graph.outputs.iter().map(|&id| graph.value(id).name.clone()).collect();
    let shapes: Vec<Vec<usize>> = graph.outputs.iter().map(|&id| graph.shape(id).to_vec()).collect();
    let recorded = recorded(&names, &shapes);
    let inputs = inputs();
    let imported = xnorc::interpret::graph(graph, &inputs).unwrap();
    let imported: Vec<Vec<f32>> = graph.outputs.iter().map(|id| imported[id].to_f32()).collect();
    let network = &running.output.network;
    let blocks = xnorc::interpret::network::run(network, &inputs).unwrap();
    let blocks: Vec<Vec<f32>> = network.outputs.iter().map(|id| blocks[id].to_f32()).collect();
    let integers: Vec<bool> = network.outputs.iter().map(|id| blocks_hold_integers(network, *id)).collect();

    let sample = Sample { inputs, expected: Vec::new() };
    let mut wrong = Vec::new();
    let mut judge = |i: usize, way: &str, wanted: &[f32], got: &[f32], relative: f32| {
        if let Some(difference) = difference(wanted, got, relative) {
            wrong.push(format!("{}, {way}: {difference}", names[i]));
        }
    };
    let mut portable: Option<Vec<Vec<u64>>> = None;
    for level in [Some("portable"), Some("popcnt"), Some("avx2"), Some("avx512bw"), None] {
        // A level the machine lacks is answered with the best below it.
        let bits = running.bits(&sample, level).unwrap_or_else(|e| panic!("{e}"));
        for (i, bits) in bits.iter().enumerate() {
            let number = |&b: &u64| if integers[i] { b as i64 as f32 } else { f32::from_bits(b as u32) };
            let emitted: Vec<f32> = bits.iter().map(number).collect();
            let bound = if is_exact(&names[i]) { 0.0 } else { 1e-6 };
            judge(i, &format!("emitted code ({level:?}) and blocks"), &blocks[i], &emitted, bound);
            if let Some(portable) = &portable {
                let first: Vec<f32> = portable[i].iter().map(number).collect();
                judge(i, &format!("{level:?} and portable"), &first, &emitted, 0.0);
            }
        }
        portable.get_or_insert(bits);
    }
    for (i, (_, recorded)) in recorded.iter().enumerate() {
        judge(i, "graph and onnxruntime", recorded, &imported[i], 5e-6);
        judge(i, "blocks and graph", &imported[i], &blocks[i], 5e-6);
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

fn blocks_hold_integers(network: &xnorc::ir::network::Network, id: xnorc::ir::network::TensorId) -> bool {
    network.tensor(id).integer().is_some()
}
