//! How long one step of training takes (forwards, backwards, Adam): to be set beside `tests/pytorch/step_time.py`, which
//! does the same with PyTorch.
//!
//!     RAYON_NUM_THREADS=2 cargo run --release -p xnorc-training --example step_time -- 10

use std::time::Instant;

use burn::optim::GradientsParams;
use burn::tensor::{Device, Distribution, Int, Tensor};
use xnorc_training::config::{
    Architecture, BlockConfig, GateConfig, NetworkConfig, OptimiserConfig, OptimiserKind, StemConfig,
};
use xnorc_training::loss::cross_entropy;
use xnorc_training::nn::{Form, Network, Task};
use xnorc_training::optim::optimiser;

fn main() {
    let repeats: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(10);
    let block = BlockConfig { gate: Some(GateConfig::default()), ..BlockConfig::default() };
    let rows = [
        ("28x28, batch 128, widths 32 64, stem 3x3/2", 1, 28, 128, vec![32, 64], 2),
        ("32x32, batch 64, widths 32 64, stem 3x3/1", 3, 32, 64, vec![32, 64], 1),
    ];
    for (name, channels, side, batch, widths, stride) in rows {
        let device = Device::flex().autodiff();
        let config = NetworkConfig {
            architecture: Architecture::Binary,
            depths: vec![2; widths.len()],
            widths,
            stem: StemConfig { kernel: 3, stride, ..StemConfig::default() },
            block: Some(block),
            head_norm: false,
        };
        let task = Task { channels, size: [side; 2], classes: 10 };
        let mut network = Network::new(&config, task, Form::default(), 1, &device);
        let adam = OptimiserConfig {
            kind: OptimiserKind::Adam,
            rate: 1e-3,
            weight_decay: 0.0,
            spare: Vec::new(),
            momentum: None,
            betas: None,
            epsilon: None,
        };
        let mut adam = match optimiser(&adam) {
            Ok(adam) => adam,
            Err(problems) => return println!("{problems}"),
        };
        let pictures = Tensor::<4>::random([batch, channels, side, side], Distribution::Normal(0.0, 1.0), &device);
        let labels = Tensor::<1, Int>::arange(0..batch as i64, &device) % 10;
        let targets = labels.one_hot::<2>(10).float();
        let mut times = Vec::new();
        for _ in 0..=repeats {
            let start = Instant::now();
            let logits = network.forward(pictures.clone());
            let forward = start.elapsed();
            let loss = cross_entropy(logits, targets.clone());
            let grads = GradientsParams::from_grads(loss.backward(), &network);
            let backward = start.elapsed();
            network = adam.step(1e-3, network, grads);
            times.push([start.elapsed(), forward, backward - forward, start.elapsed() - backward]);
        }
        // The first one warms up.
        times.remove(0);
        times.sort();
        let ms = |t: std::time::Duration| t.as_secs_f64() * 1e3;
        let [all, forward, backward, step] = times[0].map(ms);
        let median = ms(times[times.len() / 2][0]);
        println!(
            "{name}: {all:.0} ms (forward {forward:.0}, backward {backward:.0}, Adam {step:.1}), median {median:.0} ms"
        );
    }
}
