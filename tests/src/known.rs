//! What every way to call a network has to answer: the pictures of the example, and what Rust makes of them.

use std::path::{Path, PathBuf};

use xnorc::ir::Tensor;
use xnorc_cli::verify::Sample;

use super::Running;

/// The folder of the example.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../generated-examples/fashion")
}

/// The network of the example.
pub fn fashion() -> PathBuf {
    folder().join("fashion.onnx")
}

/// The first ten pictures of the example.
pub fn pictures() -> Vec<Sample> {
    let bytes = std::fs::read(folder().join("pictures.bin")).expect("the example has pictures");
    let picture = |bytes: &[u8]| Tensor::f32([1, 1, 28, 28], bytes.iter().map(|&b| f32::from(b) / 255.0).collect());
    bytes
        .chunks_exact(28 * 28)
        .take(10)
        .map(|bytes| Sample { inputs: vec![picture(bytes)], expected: Vec::new() })
        .collect()
}

/// What Rust itself makes of samples, as bits.
pub fn expected(model: &Path, samples: &[Sample]) -> Vec<Vec<u64>> {
    let mut running = Running::start(model).expect("the model is compiled and started");
    samples.iter().map(|sample| running.bits(sample, None).expect("an answer").concat()).collect()
}
