//! Optimisers and schedules: burn's Adam, AdamW and SGD with PyTorch's meaning of every number, weight decay that can spare
//! kinds of parameters, and the learning rate as a function of the place in the step.

mod schedule;
#[cfg(test)]
mod tests;

pub use schedule::rate;

use burn::module::ParamGroup;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, AdamWConfig, ModuleOptimizer, SgdConfig};

use crate::config::{OptimiserConfig, OptimiserKind, Spare};
use crate::problem::{Problems, Result};

/// The optimiser of a step, without its learning rate.
///
/// # Errors
/// None for a configuration that was checked.
pub fn optimiser(config: &OptimiserConfig) -> Result<ModuleOptimizer> {
    let decay = (config.weight_decay > 0.0).then(|| WeightDecayConfig::new(config.weight_decay));
    let spared = ParamGroup::from_any_regexes(config.spare.iter().map(|&kind| pattern(kind)).collect())
        .map_err(|e| Problems::one("optimiser.spare", format_args!("{e:?}")))?;
    let spares = decay.is_some() && !config.spare.is_empty();
    Ok(match config.kind {
        OptimiserKind::Adam => {
            let [first, second] = config.betas.unwrap_or([0.9, 0.999]);
            let plain =
                AdamConfig::new().with_beta_1(first).with_beta_2(second).with_epsilon(config.epsilon.unwrap_or(1e-8));
            let all = ModuleOptimizer::from(plain.clone().with_weight_decay(decay).build());
            if spares { all.with_group(spared, plain.build(), None) } else { all }
        }
        OptimiserKind::AdamW => {
            let [first, second] = config.betas.unwrap_or([0.9, 0.999]);
            let plain = AdamWConfig::new()
                .with_beta_1(first)
                .with_beta_2(second)
                .with_epsilon(config.epsilon.unwrap_or(1e-8))
                .with_weight_decay(0.0);
            let all = ModuleOptimizer::from(plain.clone().with_weight_decay(config.weight_decay).build());
            if spares { all.with_group(spared, plain.build(), None) } else { all }
        }
        OptimiserKind::Sgd => {
            // PyTorch's default: the new gradient enters whole.
            let momentum = config.momentum.filter(|&m| m > 0.0);
            let momentum = momentum.map(|m| MomentumConfig::new().with_momentum(m).with_dampening(0.0));
            let plain = SgdConfig::new().with_momentum(momentum);
            let all = ModuleOptimizer::from(plain.clone().with_weight_decay(decay).build());
            if spares { all.with_group(spared, plain.build(), None) } else { all }
        }
    })
}

/// The paths of a network's parameters of one kind.
fn pattern(kind: Spare) -> &'static str {
    match kind {
        Spare::Norm => r"\.(gamma|beta)$",
        Spare::Bias => r"\.bias$",
        Spare::Prelu => r"\.slope$",
        Spare::Scale => r"\.alpha(_rows|_columns)?$",
        Spare::Gate => r"\.gate\.(down|up)\.weight$",
        Spare::Latent => r"\.latent$",
    }
}
