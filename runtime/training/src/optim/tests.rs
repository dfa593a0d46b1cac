use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor};

use super::*;
use crate::config::*;
use crate::loss::terms;
use crate::nn::{Form, Network, Output, Task};
use crate::testing::{distance, floats, parameters, recorded, train, values, wave, with_formula_weights};

fn network(form: Form, device: &Device) -> Network {
    let config = NetworkConfig {
        architecture: Architecture::Binary,
        widths: vec![4, 6],
        depths: vec![1, 1],
        stem: StemConfig::default(),
        block: Some(BlockConfig {
            gate: Some(GateConfig { reduction: 2, ..GateConfig::default() }),
            ..BlockConfig::default()
        }),
        head_norm: false,
    };
    let task = Task { channels: 3, size: [8, 8], classes: 5 };
    with_formula_weights(Network::new(&config, task, form, 1, device))
}

/// 20 steps of a small network with all three losses: every loss on the way and the weights at the end are PyTorch's,
/// for every optimiser and all three forms of the procedure.
#[test]
fn twenty_steps_are_pytorchs() {
    let device = train();
    let all = recorded(include_str!("../../tests/pytorch/trajectory.json"));
    let forms = [
        ("tanh, real", Inputs::Tanh, Weights::Real),
        ("sign, real", Inputs::Sign, Weights::Real),
        ("sign, sign", Inputs::Sign, Weights::Sign),
    ];
    for (form, inputs, weights) in forms {
        let kinds = [(OptimiserKind::Adam, "adam"), (OptimiserKind::AdamW, "adamw"), (OptimiserKind::Sgd, "sgd")];
        for (kind, name) in kinds {
            let theirs = &all[format!("{name}, {form}")];
            let sgd = kind == OptimiserKind::Sgd;
            let rate = if sgd { 1e-2 } else { 1e-3 };
            let weight_decay = if kind == OptimiserKind::AdamW { 1e-1 } else { 1e-2 };
            let config = OptimiserConfig { weight_decay, momentum: sgd.then_some(0.9), ..plain(kind, rate) };
            let losses = Losses {
                labels: 1.0,
                logits: Some(LogitLoss { weight: 0.5, temperature: 2.0 }),
                attention: Some(AttentionLoss { weight: 10.0, ..AttentionLoss::default() }),
            };
            let teacher = Output {
                logits: wave([8, 5], 0.7, &device),
                points: vec![wave([8, 4, 8, 8], 0.8, &device), wave([8, 6, 4, 4], 0.9, &device)],
            };
            let mut network = network(Form { inputs, weights }, &device);
            let mut steps = optimiser(&config).unwrap();
            for (step, loss) in floats(&theirs["losses"]).into_iter().enumerate() {
                let pictures = wave([8, 3, 8, 8], 1000.5 + step as f64, &device);
                let labels: [i32; 8] = std::array::from_fn(|i| ((3 * step + 7 * i) % 5) as i32);
                let targets = Tensor::<1, Int>::from_ints(labels, &device).one_hot::<2>(5).float();
                let output = network.run(pictures, Some(Points::Stages));
                let total = terms(&losses, &output, Some(&teacher), targets).total;
                let error = distance(&values(total.clone()), &[loss]);
                assert!(error < 2e-5, "{name}, {form}, step {step}: {error:e}");
                let grads = GradientsParams::from_grads(total.backward(), &network);
                network = steps.step(rate, network, grads);
            }
            let after = theirs["after"].as_object().unwrap();
            let ours = parameters(&network);
            assert_eq!(ours.len(), after.len());
            for (path, ours) in ours {
                let ours: Vec<f32> = ours.iter().copied().step_by((ours.len() / 12).max(1)).collect();
                let error = distance(&ours, &floats(&after[&path]));
                assert!(error < 1e-4, "{name}, {form}, {path}: {error:e}");
            }
        }
    }
}

fn plain(kind: OptimiserKind, rate: f64) -> OptimiserConfig {
    OptimiserConfig { kind, rate, weight_decay: 0.0, spare: Vec::new(), momentum: None, betas: None, epsilon: None }
}

/// With no gradient but that of weight decay, what is spared stays as it is.
#[test]
fn weight_decay_spares_what_it_is_told_to() {
    let device = train();
    let kinds = [Spare::Norm, Spare::Bias, Spare::Prelu, Spare::Scale, Spare::Gate, Spare::Latent];
    let ends: [&[&str]; 6] =
        [&["gamma", "beta"], &["bias"], &["slope"], &["alpha"], &["gate.down.weight", "gate.up.weight"], &["latent"]];
    let of = |kind, spare: Vec<Spare>| {
        let network = network(Form::default(), &device);
        let config = OptimiserConfig { weight_decay: 0.5, spare, ..plain(kind, 0.1) };
        let loss = network.forward(wave([2, 3, 8, 8], 0.0, &device)).sum() * 0.0;
        let grads = GradientsParams::from_grads(loss.backward(), &network);
        let before = parameters(&network);
        let after = parameters(&optimiser(&config).unwrap().step(0.1, network, grads));
        before.into_iter().zip(after).map(|((path, b), (_, a))| (path, a == b)).collect::<Vec<_>>()
    };
    for kind in [OptimiserKind::Sgd, OptimiserKind::Adam, OptimiserKind::AdamW] {
        assert!(of(kind, Vec::new()).iter().all(|(_, same)| !same), "{kind:?}");
        let spared = of(kind, vec![Spare::Norm]);
        assert!(spared.iter().all(|(path, same)| *same == path.contains("norm")), "{kind:?}: {spared:?}");
    }
    for (kind, ends) in kinds.into_iter().zip(ends) {
        let spared = of(OptimiserKind::Sgd, vec![kind]);
        assert!(spared.iter().any(|(_, same)| *same), "{kind:?}");
        for (path, same) in spared {
            assert_eq!(same, ends.iter().any(|end| path.ends_with(end)), "{kind:?}: {path}");
        }
    }
}

#[test]
fn schedules_have_the_usual_shapes() {
    let at = |config: &ScheduleConfig, epoch, update| rate(config, 1.0, (epoch, 10), (update, 4));
    let warm = |kind, at| ScheduleConfig { kind, at, warm_up: 2, ..ScheduleConfig::default() };
    let steps = warm(ScheduleKind::Step, vec![4, 8]);
    // The warm-up rises by an eighth with each of its 8 updates.
    assert_eq!([at(&steps, 0, 0), at(&steps, 1, 3), at(&steps, 2, 0), at(&steps, 3, 3)], [0.125, 1.0, 1.0, 1.0]);
    assert!((at(&steps, 4, 0) - 0.1).abs() < 1e-12 && (at(&steps, 8, 0) - 0.01).abs() < 1e-12);
    let cosine = warm(ScheduleKind::Cosine, Vec::new());
    assert_eq!([at(&cosine, 0, 3), at(&cosine, 2, 0)], [0.5, 1.0]);
    assert!((at(&cosine, 6, 0) - 0.5).abs() < 1e-12);
    assert!(at(&cosine, 9, 3) > 0.0 && at(&cosine, 9, 3) < 0.01);
    assert_eq!(at(&ScheduleConfig::default(), 9, 3), 1.0);
}
