//! The passes: what is left, and that it computes what it did.

use crate::folder;
use xnorc::diagnostics::Code;
use xnorc::import::{Options, load};
use xnorc::interpret;
use xnorc::ir::{Binary, Graph, Layout, Op, Tensor, Unary};
use xnorc::npy;
use xnorc::passes::PASSES;

/// Runs the passes over a model. After those that `compare` names, its first case gives what it gave before, but for
/// rounding.
fn normalised(name: &str, compare: &[&str]) -> Graph {
    let folder = folder(name);
    let bytes = std::fs::read(folder.join("model.onnx")).unwrap();
    let options = Options { folder: Some(folder.clone()), ..Options::default() };
    let mut graph = load(&bytes, &options).unwrap_or_else(|problems| panic!("{problems}")).graph;
    let input = npy::read(&std::fs::read(folder.join("case0_in_0.npy")).unwrap()).unwrap();
    let run = |graph: &Graph| -> (String, Tensor) {
        let values = interpret::graph(graph, std::slice::from_ref(&input)).unwrap();
        (graph.value(graph.outputs[0]).name.clone(), values[&graph.outputs[0]].clone())
    };
    let (output, expected) = run(&graph);
    for (pass, apply, _) in PASSES {
        let start = std::time::Instant::now();
        apply(&mut graph);
        println!("{name}: {pass} in {:?}, {} nodes left", start.elapsed(), graph.nodes.len());
        if !compare.is_empty() && !compare.contains(pass) {
            continue;
        }
        let (found_name, found) = run(&graph);
        assert_eq!((found_name.as_str(), &found.shape), (output.as_str(), &expected.shape), "{pass}");
        let (found, expected) = (found.to_f32(), expected.to_f32());
        let scale = expected.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
        let error = std::iter::zip(&found, &expected).fold(0.0_f32, |m, (x, y)| m.max((x - y).abs()));
        assert!(error <= 1e-4 * scale, "{pass}: {error} of {scale}");
    }
    println!("{graph}");
    for note in &graph.notes {
        println!("note: {note}");
    }
    graph
}

fn count(graph: &Graph, test: impl Fn(&Op) -> bool) -> usize {
    graph.nodes.iter().filter(|node| test(&node.op)).count()
}

/// What holds of every normalised graph.
fn check(graph: &Graph) {
    for node in &graph.nodes {
        let last = graph.shape(node.output).len().wrapping_sub(1);
        let fine = match &node.op {
            Op::Conv { layout, .. } | Op::MaxPool { layout, .. } | Op::AveragePool { layout, .. } => {
                *layout == Layout::ChannelsLast
            }
            Op::Affine { axis, .. } => *axis == last,
            Op::Where | Op::Cast(_) | Op::Unary(Unary::Neg) => false,
            Op::Binary(f) => !matches!(f, Binary::Equal | Binary::Greater | Binary::Less | Binary::Sub | Binary::Div),
            _ => true,
        };
        assert!(fine, "{} is left: {:?}", node.name, node.op.name());
        let real = matches!(node.op, Op::Conv { .. } | Op::MatMul);
        assert_eq!(real, node.reason.is_some(), "{} {:?}", node.name, node.reason);
    }
}

fn binary_convs(graph: &Graph) -> usize {
    count(graph, |op| matches!(op, Op::BinaryConv { .. }))
}

fn transposes(graph: &Graph) -> usize {
    count(graph, |op| matches!(op, Op::Transpose(_)))
}

#[test]
#[cfg_attr(not(xnorc_models), ignore = "set XNORC_LONG=1, and XNORC_MODELS to the folder of large models")]
fn real_to_binary_resnet18() {
    let graph = normalised("r2b18_224_ts17", &["channels_last", "cleanup"]);
    check(&graph);
    assert_eq!(binary_convs(&graph), 16);
    // The image arrives channels first.
    assert_eq!(transposes(&graph), 1);
    assert!(matches!(graph.nodes[0].op, Op::Transpose(_)));
    assert_eq!(count(&graph, |op| matches!(op, Op::Sign(_))), 16);
    // Stem, three shortcuts; two layers per gate and the classifier.
    assert_eq!(count(&graph, |op| matches!(op, Op::Conv { .. })), 4);
    assert_eq!(count(&graph, |op| *op == Op::MatMul), 33);
}

#[test]
#[cfg_attr(not(xnorc_models), ignore = "set XNORC_LONG=1, and XNORC_MODELS to the folder of large models")]
fn irnet20() {
    let graph = normalised("irnet20_dyn", &[]);
    check(&graph);
    assert_eq!(binary_convs(&graph), 18);
    assert_eq!(transposes(&graph), 1);
    // Two option-A shortcuts.
    assert_eq!(count(&graph, |op| matches!(op, Op::Pad { .. })), 2);
}

#[test]
#[cfg_attr(not(xnorc_models), ignore = "set XNORC_LONG=1, and XNORC_MODELS to the folder of large models")]
fn larq_real_to_binary() {
    let graph =
        normalised("larq_r2b_64_op17", &["recognise_sign", "recognise_activations", "channels_last", "cleanup"]);
    check(&graph);
    assert_eq!(binary_convs(&graph), 16);
    assert_eq!(transposes(&graph), 0);
    assert_eq!(count(&graph, |op| *op == Op::PRelu), 17);
    assert_eq!(count(&graph, |op| matches!(op, Op::Sign(_))), 16);
    assert!(graph.notes.iter().all(|n| !n.starts_with("sign(0)")), "its signs of zero are +1");
}

#[test]
#[cfg_attr(not(xnorc_models), ignore = "set XNORC_LONG=1, and XNORC_MODELS to the folder of large models")]
fn trained_cnv() {
    let graph = normalised("trained_cnv_cifar10_ts17", &[]);
    check(&graph);
    // The first convolution has binary weights on a real picture.
    assert_eq!((binary_convs(&graph), count(&graph, |op| matches!(op, Op::Conv { .. }))), (5, 1));
    assert_eq!(count(&graph, |op| matches!(op, Op::BinaryMatMul { .. })), 3);
    assert_eq!(transposes(&graph), 1);
    assert_eq!(graph.warnings.0.iter().filter(|w| w.code == Code::RealInput).count(), 1);
}

#[test]
#[cfg_attr(not(xnorc_models), ignore = "set XNORC_LONG=1, and XNORC_MODELS to the folder of large models")]
fn brevitas_tfc() {
    let graph = normalised("brev_tfc_1w1a_qonnx", &[]);
    check(&graph);
    assert_eq!(count(&graph, |op| matches!(op, Op::BinaryMatMul { .. })), 4);
    assert_eq!(transposes(&graph), 0);
}
