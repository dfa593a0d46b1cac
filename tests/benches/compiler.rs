//! Times the compiler on long chains of Real-to-Binary half-blocks: `cargo bench -p xnorc-tests --bench compiler`
//!
//! Import, passes and code generation, each on its own. Before anything is timed, the lowered network is interpreted and
//! compared with the graph as imported.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use prost::Message as _;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, type_proto,
};
use xnorc::import::{self, Options};
use xnorc::ir::Tensor;
use xnorc::{Config, interpret, passes};

const CHANNELS: i64 = 128;
const SIDE: i64 = 8;

/// A model under construction, with a fixed sequence of constants.
struct Builder {
    graph: GraphProto,
    state: u64,
}

impl Builder {
    /// Roughly normal: the sum of four uniform numbers.
    fn random(&mut self) -> f32 {
        let mut sum = 0.0;
        for _ in 0..4 {
            self.state = self.state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            sum += (self.state >> 40) as f32 / (1 << 23) as f32 - 1.0;
        }
        sum * 0.87
    }

    fn constant(&mut self, name: String, dims: &[i64], value: impl Fn(f32) -> f32) -> String {
        let count = dims.iter().product::<i64>();
        let raw_data = (0..count).flat_map(|_| value(self.random()).to_le_bytes()).collect();
        let data_type = DataType::Float as i32;
        let dims = dims.to_vec();
        self.graph.initializer.push(TensorProto {
            name: name.clone(),
            data_type,
            dims,
            raw_data,
            ..Default::default()
        });
        name
    }

    fn node(&mut self, op: &str, inputs: &[&str], output: String, attribute: Vec<AttributeProto>) -> String {
        self.graph.node.push(NodeProto {
            op_type: op.to_owned(),
            name: output.clone(),
            input: inputs.iter().map(|&name| name.to_owned()).collect(),
            output: vec![output.clone()],
            attribute,
            ..Default::default()
        });
        output
    }

    /// BN, sign, 3x3 convolution with weights of one size, PReLU, skip.
    fn half_block(&mut self, x: &str, name: &str) -> String {
        let c = CHANNELS;
        let scale = self.constant(format!("{name}.scale"), &[c], |v| 1.0 + v / 4.0);
        let shift = self.constant(format!("{name}.shift"), &[c], |v| v / 4.0);
        let mean = self.constant(format!("{name}.mean"), &[c], |v| v / 4.0);
        let variance = self.constant(format!("{name}.variance"), &[c], |v| 1.0 + v.abs() / 2.0);
        let weight = self.constant(format!("{name}.weight"), &[c, c, 3, 3], |v| if v < 0.0 { -0.03 } else { 0.03 });
        let slope = self.constant(format!("{name}.slope"), &[c, 1, 1], |v| 0.25 + v / 16.0);
        let inputs = [x, &scale, &shift, &mean, &variance];
        let y = self.node("BatchNormalization", &inputs, format!("{name}.bn"), Vec::new());
        let y = self.node("Sign", &[&y], format!("{name}.sign"), Vec::new());
        let pads = AttributeProto {
            name: "pads".to_owned(),
            r#type: AttributeType::Ints as i32,
            ints: vec![1; 4],
            ..Default::default()
        };
        let y = self.node("Conv", &[&y, &weight], format!("{name}.conv"), vec![pads]);
        let y = self.node("PRelu", &[&y, &slope], format!("{name}.prelu"), Vec::new());
        self.node("Add", &[&y, x], name.to_owned(), Vec::new())
    }
}

fn value(name: &str) -> ValueInfoProto {
    let dim = |extent| Dimension { value: Some(dimension::Value::DimValue(extent)), ..Default::default() };
    let shape = TensorShapeProto { dim: [1, CHANNELS, SIDE, SIDE].map(dim).to_vec() };
    let tensor = type_proto::Tensor { elem_type: DataType::Float as i32, shape: Some(shape) };
    let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() };
    ValueInfoProto { name: name.to_owned(), r#type: Some(kind), ..Default::default() }
}

/// An ONNX file of so many half-blocks.
fn chain(half_blocks: usize) -> Vec<u8> {
    let mut builder = Builder { graph: GraphProto { name: "chain".to_owned(), ..Default::default() }, state: 1 };
    let mut x = "input".to_owned();
    for index in 0..half_blocks {
        x = builder.half_block(&x, &format!("block{index}"));
    }
    builder.graph.input.push(value("input"));
    builder.graph.output.push(value(&x));
    let opset_import = vec![OperatorSetIdProto { domain: String::new(), version: 17 }];
    ModelProto { ir_version: 8, opset_import, graph: Some(builder.graph), ..Default::default() }.encode_to_vec()
}

/// The network does what the file says, and every convolution has become a binary block.
fn check(model: &[u8], half_blocks: usize) {
    let mut graph = import::load(model, &Options::default()).unwrap_or_else(|e| panic!("{e}")).graph;
    let shape = [1, CHANNELS as usize, SIDE as usize, SIDE as usize];
    let input =
        Tensor::f32(shape, (0..shape.iter().product()).map(|i| ((i * 37 % 101) as f32 - 50.0) / 25.0).collect());
    let expected = interpret::graph(&graph, std::slice::from_ref(&input)).expect("the graph runs");
    let expected = expected[&graph.outputs[0]].to_f32();
    let network = passes::run(&mut graph, |_, _| {}).unwrap_or_else(|e| panic!("{e}"));
    let found = interpret::network::run(&network, &[input]).expect("the network runs");
    let found = found[&network.outputs[0]].to_f32();
    let largest = expected.iter().zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(largest < 1e-3, "outputs differ by {largest}");
    let binary = network.blocks.iter().filter(|block| block.to_string().contains("binary")).count();
    assert!(binary >= half_blocks, "{binary} of {half_blocks} are binary:\n{network}");
}

fn compiler(criterion: &mut Criterion) {
    for half_blocks in [16, 64] {
        let model = chain(half_blocks);
        check(&model, half_blocks);
        let imported = import::load(&model, &Options::default()).unwrap_or_else(|e| panic!("{e}")).graph;
        let mut group = criterion.benchmark_group("compiler");
        group.sample_size(10).throughput(Throughput::Elements(half_blocks as u64));
        let id = |step| BenchmarkId::new(step, half_blocks);
        group.bench_function(id("import"), |bencher| bencher.iter(|| import::load(&model, &Options::default())));
        group.bench_function(id("passes"), |bencher| {
            let fresh = || imported.clone();
            bencher.iter_batched(fresh, |mut graph| passes::run(&mut graph, |_, _| {}), BatchSize::PerIteration);
        });
        group.bench_function(id("all"), |bencher| {
            bencher.iter(|| xnorc::generate(&model, None, "chain", &Config::default()));
        });
        group.finish();
    }
}

criterion_group!(benches, compiler);
criterion_main!(benches);
