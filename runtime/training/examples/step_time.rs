//! How long one step of training takes (forwards, backwards, Adam), and how much memory; `tests/pytorch/step_time.py` does
//! the same with PyTorch, and `tests/benchmarks/training.py` sets them beside each other.
//!
//!     RAYON_NUM_THREADS=2 cargo run --release -p xnorc-training --example step_time -- fashion 10
//!
//! One line of JSON: milliseconds of each step, [all, forward, backward, Adam], and the most memory in MiB.

use std::time::Instant;

use burn::optim::GradientsParams;
use burn::tensor::{Device, Distribution, Int, Tensor};
use xnorc_training::config::{
    Activation, Architecture, BlockConfig, GateConfig, NetworkConfig, OptimiserConfig, OptimiserKind, StemConfig,
};
use xnorc_training::loss::cross_entropy;
use xnorc_training::nn::{Form, Network, Task};
use xnorc_training::optim::optimiser;
use xnorc_training::problem::{Problems, Result};

/// A network and its batch.
struct Row {
    name: &'static str,
    channels: usize,
    side: usize,
    batch: usize,
    widths: &'static [usize],
    /// Kernel, stride, pool.
    stem: (usize, usize, bool),
}

/// The same as in `step_time.py`.
const ROWS: [Row; 3] = [
    Row { name: "fashion", channels: 1, side: 28, batch: 128, widths: &[32, 64], stem: (3, 2, false) },
    Row { name: "cifar", channels: 3, side: 32, batch: 64, widths: &[32, 64], stem: (3, 1, false) },
    Row { name: "imagenet", channels: 3, side: 224, batch: 8, widths: &[64, 128, 256, 512], stem: (7, 2, true) },
];

fn main() -> Result {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "fashion".to_owned());
    let steps = arguments.next().map_or(Ok(10), |n| n.parse());
    let steps: usize = steps.map_err(|e| Problems::one("the number of steps", e))?;
    let row = ROWS.iter().find(|row| row.name == name);
    let row = row.ok_or_else(|| Problems::one(format_args!("`{name}`"), "is none of fashion, cifar, imagenet"))?;
    let times: Vec<[f64; 4]> = time(row, steps)?;
    println!("{{\"times\": {times:?}, \"peak\": {:.1}}}", peak().unwrap_or(f64::NAN));
    Ok(())
}

/// Milliseconds of each step; the first one, which warms up, is not among them.
fn time(row: &Row, steps: usize) -> Result<Vec<[f64; 4]>> {
    let device = Device::flex().autodiff();
    let (kernel, stride, pool) = row.stem;
    let config = NetworkConfig {
        architecture: Architecture::Binary,
        depths: vec![2; row.widths.len()],
        widths: row.widths.to_vec(),
        stem: StemConfig { kernel, stride, pool, activation: Activation::Prelu },
        block: Some(BlockConfig { gate: Some(GateConfig::default()), ..BlockConfig::default() }),
        head_norm: false,
    };
    let task = Task { channels: row.channels, size: [row.side; 2], classes: 10 };
    let mut network = Network::new(&config, task, Form::default(), 1, &device);
    let mut adam = optimiser(&OptimiserConfig {
        kind: OptimiserKind::Adam,
        rate: 1e-3,
        weight_decay: 0.0,
        spare: Vec::new(),
        momentum: None,
        betas: None,
        epsilon: None,
    })?;
    let shape = [row.batch, row.channels, row.side, row.side];
    let pictures = Tensor::<4>::random(shape, Distribution::Normal(0.0, 1.0), &device);
    let targets = (Tensor::<1, Int>::arange(0..row.batch as i64, &device) % 10).one_hot::<2>(10).float();
    let mut times = Vec::new();
    for _ in 0..=steps {
        let start = Instant::now();
        let now = || start.elapsed().as_secs_f64() * 1e3;
        let logits = network.forward(pictures.clone());
        let forward = now();
        let loss = cross_entropy(logits, targets.clone());
        let grads = GradientsParams::from_grads(loss.backward(), &network);
        let backward = now();
        network = adam.step(1e-3, network, grads);
        let all = now();
        times.push([all, forward, backward - forward, all - backward]);
    }
    times.remove(0);
    Ok(times)
}

/// The most memory this process had at any time, in MiB, where the system says it.
fn peak() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}
