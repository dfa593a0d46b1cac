//! Zeros in front of signs, in emitted code: `fixtures/zeros.xir` is eight of the random networks that
//! `compiler/src/passes/tests/zeros.rs` makes, in one graph, with every zero exact.

use xnorc::ir::{Graph, Tensor};
use xnorc::{Config, interpret, passes};
use xnorc_cli::toolchain::{self, Program, Space};
use xnorc_tests::fixtures;

#[test]
fn emitted_code_keeps_zeros() {
    let text = std::fs::read_to_string(fixtures().join("zeros.xir")).unwrap();
    let graph: Graph = text.parse().unwrap();
    // Halves from -2 to 2.
    let input = Tensor::f32([1, 4, 4, 4], (0..64).map(|i| (i * i * 5 % 9) as f32 / 2.0 - 2.0).collect());
    let values = interpret::graph(&graph, std::slice::from_ref(&input)).unwrap();
    let mut after = Graph { exact_zeros: true, ..graph.clone() };
    let network = passes::run(&mut after, |_, _| {}).unwrap_or_else(|e| panic!("{e}"));
    let mut config = Config::new();
    config.standalone(true).probe(true);
    let output = xnorc::of_network(network, String::new(), "zeros", &config).unwrap_or_else(|e| panic!("{e}"));
    let folder = tempfile::tempdir().unwrap();
    let built = toolchain::build(&output, "zeros", folder.path()).unwrap_or_else(|e| panic!("{e}"));
    let mut program = Program::start(&built).unwrap_or_else(|e| panic!("{e}"));
    for level in [None, Some("portable")] {
        program.level(level).unwrap();
        program.write_f32(Space::Input(0), 0, &input.to_f32()).unwrap();
        program.infer().unwrap();
        for (i, v) in graph.outputs.iter().enumerate() {
            let wanted = values[v].to_f32();
            let found = program.read_f32(Space::Output(i), 0, wanted.len()).unwrap();
            // All numbers are exact.
            assert_eq!(found, wanted, "{} {level:?}", graph.value(*v).name);
        }
    }
}
