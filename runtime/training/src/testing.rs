//! What tests of several modules need.

use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};

use crate::config::{Config, parse};

/// The device of the tests, by the name in `XNORC_TEST_DEVICE`: the CPU, unless it is set.
pub(crate) fn device() -> Device {
    crate::train::device(&std::env::var("XNORC_TEST_DEVICE").unwrap_or_else(|_| "cpu".into())).unwrap()
}

/// The same for tensors with gradients.
pub(crate) fn train() -> Device {
    device().autodiff()
}

/// A formula that both sides of a comparison evaluate: numbers in [-1, 1] without a pattern.
pub(crate) fn wave<const D: usize>(shape: [usize; D], seed: f64, device: &Device) -> Tensor<D> {
    let n = shape.iter().product::<usize>();
    let data = (0..n).map(|i| ((i as f64 * 12.9898 + seed).sin() * 43.758).sin() as f32).collect();
    Tensor::from_data(TensorData::new(data, shape), device)
}

pub(crate) fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_to_vec().unwrap()
}

/// The largest difference, relative to the largest value where that is above 1.
pub(crate) fn distance(ours: &[f32], theirs: &[f64]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let size = theirs.iter().fold(1.0, |m: f64, v| m.max(v.abs()));
    ours.iter().zip(theirs).map(|(a, b)| (f64::from(*a) - b).abs() / size).fold(0.0, f64::max)
}

pub(crate) fn floats(value: &serde_json::Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// What PyTorch said; written by `tests/pytorch/record.py`.
pub(crate) fn recorded(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

/// The name a parameter has in `tests/pytorch/reference.py`: the path without the kind of block.
fn name(path: &[String]) -> String {
    path.iter().filter(|part| !matches!(part.as_str(), "Binary" | "Real")).cloned().collect::<Vec<_>>().join(".")
}

/// Gives every trainable parameter the values of the formula in `tests/pytorch/reference.py`.
pub(crate) fn with_formula_weights<M: Module>(module: M) -> M {
    struct Set(Vec<String>);
    impl ModuleMapper for Set {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.pop();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let value = param.val();
            if !value.is_require_grad() {
                return param;
            }
            let name = name(&self.0);
            let (offset, size) = match name.rsplit('.').next().unwrap() {
                "gamma" | "alpha" => (1.0, 0.25),
                "beta" => (0.0, 0.25),
                "slope" => (0.25, 0.1),
                "bias" => (0.0, 0.1),
                _ => (0.0, 0.5),
            };
            let seed = name.bytes().map(f64::from).sum();
            let device = value.device().inner();
            let data = wave(value.dims(), seed, &device) * size + offset;
            param.map(|_| Tensor::from_inner(data).require_grad())
        }
    }
    module.map(&mut Set(Vec::new()))
}

/// Every trainable parameter by its name there.
pub(crate) fn parameters<M: Module>(module: &M) -> Vec<(String, Vec<f32>)> {
    struct Get(Vec<String>, Vec<(String, Vec<f32>)>);
    impl ModuleVisitor for Get {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.val().is_require_grad() {
                self.1.push((name(&self.0), values(param.val())));
            }
        }
    }
    let mut get = Get(Vec::new(), Vec::new());
    module.visit(&mut get);
    get.1
}

/// A file of safetensors with every number of a network, by its own names.
pub(crate) fn safetensors<M: Module>(module: &M) -> Vec<u8> {
    struct All(Vec<String>, serde_json::Map<String, serde_json::Value>, Vec<u8>);
    impl ModuleVisitor for All {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let start = self.2.len();
            self.2.extend(values(param.val()).into_iter().flat_map(f32::to_le_bytes));
            let offsets = [start, self.2.len()];
            let entry =
                serde_json::json!({ "dtype": "F32", "shape": param.val().dims().to_vec(), "data_offsets": offsets });
            self.1.insert(name(&self.0), entry);
        }
    }
    let mut all = All(Vec::new(), serde_json::Map::new(), Vec::new());
    module.visit(&mut all);
    let header = serde_json::to_vec(&all.1).unwrap();
    [&(header.len() as u64).to_le_bytes()[..], &header, &all.2].concat()
}

/// Every number of a network, running statistics too, in the order of its modules.
pub(crate) fn every_value<M: Module>(module: &M) -> Vec<f32> {
    struct All(Vec<f32>);
    impl ModuleVisitor for All {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.extend(values(param.val()));
        }
    }
    let mut all = All(Vec::new());
    module.visit(&mut all);
    all.0
}

/// Pictures of three classes that differ in where they are bright: 8x8 bytes, one after the other.
fn pixels(count: u32, seed: u32) -> Vec<u8> {
    let mut pixels = Vec::new();
    for n in 0..count {
        for p in 0..64u32 {
            let noise = ((n + seed).wrapping_mul(2_654_435_761).wrapping_add(p.wrapping_mul(40_503)) >> 13) % 120;
            let bright = p / 8 % 3 == n % 3;
            pixels.push((noise + if bright { 130 } else { 0 }) as u8);
        }
    }
    pixels
}

const PARTS: [(&str, u32, u32); 2] = [("train", 60, 0), ("t10k", 24, 7)];

/// Those pictures as IDX files.
pub(crate) fn write_data(folder: &Path) {
    let idx = |dims: &[u32], data: Vec<u8>| {
        let mut bytes = vec![0, 0, 8, dims.len() as u8];
        bytes.extend(dims.iter().flat_map(|d| d.to_be_bytes()));
        bytes.extend(data);
        bytes
    };
    for (name, count, seed) in PARTS {
        let pixels = idx(&[count, 8, 8], pixels(count, seed));
        std::fs::write(folder.join(format!("{name}-images-idx3-ubyte")), pixels).unwrap();
        let labels = (0..count).map(|n| (n % 3) as u8).collect();
        std::fs::write(folder.join(format!("{name}-labels-idx1-ubyte")), idx(&[count], labels)).unwrap();
    }
}

/// Those pictures as tar files of twenty, `train-0.tar`..., and of all for `t10k-0.tar`.
pub(crate) fn write_shards(folder: &Path) {
    for ((name, count, seed), each) in PARTS.into_iter().zip([20, 24]) {
        for (shard, pixels) in pixels(count, seed).chunks(64 * each).enumerate() {
            let mut file =
                tar::Builder::new(std::fs::File::create(folder.join(format!("{name}-{shard}.tar"))).unwrap());
            for (n, pixels) in pixels.chunks(64).enumerate() {
                let number = shard * each + n;
                let mut picture = std::io::Cursor::new(Vec::new());
                let image = image::GrayImage::from_raw(8, 8, pixels.to_vec()).unwrap();
                image.write_to(&mut picture, image::ImageFormat::Png).unwrap();
                let label = (number % 3).to_string();
                for (ending, bytes) in [("png", &picture.into_inner()[..]), ("cls", label.as_bytes())] {
                    let mut header = tar::Header::new_gnu();
                    header.set_size(bytes.len() as u64);
                    header.set_mode(0o644);
                    file.append_data(&mut header, format!("{number:04}.{ending}"), bytes).unwrap();
                }
            }
            file.finish().unwrap();
        }
    }
}

/// The whole progressive procedure on them, in small.
pub(crate) fn procedure(folder: &Path, output: &str) -> Config {
    let student = "epochs = 2\nbatch = 12\noptimiser = { kind = \"adam\", rate = 5e-3, weight-decay = 1e-5, spare = [\"norm\"] }\n\
                   schedule = { kind = \"cosine\", warm-up = 1 }\naugmentation = { pad-crop = 1, mix-up = 0.2 }";
    let text = format!(
        r#"
output = "{output}"

[data]
format = "idx"
folder = "."
mean = [0.4]
std = [0.25]

[networks.teacher]
architecture = "resnet"
widths = [8, 16]
depths = [1, 1]

[networks.student]
architecture = "binary"
widths = [8, 16]
depths = [1, 1]
block = {{ gate = {{ reduction = 2 }}, clip-latent-weights = true }}

[[steps]]
name = "teacher"
network = "teacher"
epochs = 2
batch = 12
accumulate = 2
optimiser = {{ kind = "sgd", rate = 0.1, momentum = 0.9 }}

[[steps]]
name = "tanh"
network = "student"
inputs = "tanh"
weights = "real"
teacher = "teacher"
losses = {{ logits = {{}}, attention = {{ weight = 10.0 }} }}
{student}

[[steps]]
name = "sign"
network = "student"
weights = "real"
teacher = "tanh"
start-from = "tanh"
losses = {{ logits = {{}}, attention = {{ weight = 10.0 }} }}
{student}

[[steps]]
name = "binary"
network = "student"
teacher = "sign"
start-from = "sign"
losses = {{ logits = {{ temperature = 2.0 }} }}
{student}
"#
    );
    let mut config = parse::<Config>(&text).and_then(Config::checked).unwrap_or_else(|problems| panic!("{problems}"));
    config.output = folder.join(&config.output);
    config.data.folder = folder.to_owned();
    config
}
