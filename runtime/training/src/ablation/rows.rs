//! The configuration of each run: what a row leaves out of the whole method.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::{
    AblationConfig, Architecture, Config, Downsample, Inputs, Losses, Row, SecondTeacher, StepConfig, Weights,
};
use crate::problem::{Problems, Result};

/// A row of the table, trained once.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Which parts of the method it has.
    pub row: Row,
    /// Its shortcuts.
    pub downsample: Downsample,
    /// Everything random in it.
    pub seed: u64,
    /// The procedure that trains it.
    pub config: Config,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} downsample, seed {}", self.row.title(), shortcut(self.downsample), self.seed)
    }
}

/// As it is called in names of folders and in tables.
pub(super) fn shortcut(downsample: Downsample) -> &'static str {
    match downsample {
        Downsample::Real => "real",
        Downsample::Binary => "binary",
    }
}

/// The steps of the whole method, told apart by what they train.
pub(super) struct Steps<'a> {
    /// Step 0: a real network without a teacher.
    pub(super) teacher: &'a StepConfig,
    /// Step 1: tanh for the sign.
    pub(super) tanh: &'a StepConfig,
    /// Step 2, the first stage: binary activations, real weights.
    pub(super) first: &'a StepConfig,
    /// Step 3, the second stage: binary weights too.
    pub(super) second: &'a StepConfig,
}

impl<'a> Steps<'a> {
    pub(super) fn of(config: &'a Config) -> Result<Self> {
        let mut problems = Problems::default();
        let is = |step: &StepConfig, architecture| {
            config.networks.get(&step.network).is_some_and(|network| network.architecture == architecture)
        };
        let binary = |inputs, weights| {
            move |step: &StepConfig| is(step, Architecture::Binary) && (step.inputs, step.weights) == (inputs, weights)
        };
        let mut find = |what: &str, fits: &dyn Fn(&StepConfig) -> bool| {
            let mut found = config.steps.iter().filter(|step| fits(step));
            let (first, more) = (found.next(), found.next());
            problems.check(
                first.is_some() && more.is_none(),
                "steps",
                format_args!("the ablation needs the whole method, with one step that trains {what}"),
            );
            first
        };
        let teacher = find("a `resnet`", &|step| is(step, Architecture::Resnet));
        let tanh = find("with `inputs = \"tanh\", weights = \"real\"`", &binary(Inputs::Tanh, Weights::Real));
        let first = find("with `inputs = \"sign\", weights = \"real\"`", &binary(Inputs::Sign, Weights::Real));
        let second = find("with `inputs = \"sign\", weights = \"sign\"`", &binary(Inputs::Sign, Weights::Sign));
        let (Some(teacher), Some(tanh), Some(first), Some(second)) = (teacher, tanh, first, second) else {
            return Err(problems);
        };
        let place = |step: &StepConfig, key: &str| format!("step `{}`: {key}", step.name);
        for step in [tanh, first, second] {
            let network = config.networks.get(&step.network);
            let gate = network.is_some_and(|network| network.block().gate.is_some());
            let what = "the ablation needs the whole method: give its network `block = { gate = { reduction = 8 } }`";
            problems.check(gate, place(step, "network"), what);
        }
        let what = "the ablation needs both to leave them out: give it `logits = {}` and `attention = {}`";
        problems.check(first.losses.logits.is_some(), place(first, "losses"), what);
        problems.check(first.losses.attention.is_some(), place(first, "losses"), what);
        for (step, teacher) in [(tanh, teacher), (first, tanh), (second, first)] {
            problems.check(
                step.teacher.as_ref() == Some(&teacher.name),
                place(step, "teacher"),
                format_args!("is step `{}` in the whole method", teacher.name),
            );
        }
        let what = format_args!("is step `{}` in the whole method", first.name);
        problems.check(second.start_from.as_ref() == Some(&first.name), place(second, "start-from"), what);
        problems.or(Self { teacher, tanh, first, second })
    }
}

/// The procedure of every row, shortcut and seed, one seed after the other.
///
/// # Errors
/// A configuration that is not the whole method's: a real teacher, a tanh step, binary activations, binary weights,
/// with gates, logit and attention matching.
pub fn runs(config: &Config) -> Result<Vec<Run>> {
    let steps = Steps::of(config)?;
    let ablation = config.ablation.clone().unwrap_or_default();
    let mut runs = Vec::new();
    for &seed in &ablation.seeds {
        for &downsample in &ablation.downsample {
            for &row in &ablation.rows {
                let config = derive(config, &steps, &ablation, (row, downsample, seed)).checked()?;
                runs.push(Run { row, downsample, seed, config });
            }
        }
    }
    Ok(runs)
}

/// The folder of a seed within that of the ablation.
pub(super) fn of_seed(output: &Path, seed: u64) -> PathBuf {
    output.join(format!("seed-{seed}"))
}

fn derive(
    whole: &Config,
    steps: &Steps<'_>,
    ablation: &AblationConfig,
    (row, downsample, seed): (Row, Downsample, u64),
) -> Config {
    let mut config = Config { seed, ablation: None, ..whole.clone() };
    let folder = format!("{}-{}-downsample", row.key(), shortcut(downsample));
    config.output = of_seed(&whole.output, seed).join(&folder);
    config.tensorboard = config.tensorboard.map(|events| of_seed(&events, seed).join(folder));
    config.steps = if row.progressive() {
        [steps.teacher, steps.tanh, steps.first, steps.second].map(StepConfig::clone).to_vec()
    } else {
        two_stages(steps, ablation, row)
    };
    // The same role has the same seed in every row: the same pictures in the same order.
    for step in &mut config.steps {
        let role = whole.steps.iter().position(|other| other.name == step.name).unwrap_or(0);
        step.seed = Some(seed.wrapping_mul(1000).wrapping_add(role as u64) & i64::MAX as u64);
        if step.name == steps.teacher.name {
            step.folder = Some(Path::new("..").join(&step.name));
        }
    }
    config.networks.retain(|name, _| config.steps.iter().any(|step| step.network == *name));
    for network in config.networks.values_mut().filter(|network| network.architecture == Architecture::Binary) {
        let mut block = network.block();
        block.downsample = downsample;
        block.gate = block.gate.filter(|_| row.gates());
        network.block = Some(block);
    }
    config
}

/// The stages of a row without the tanh step, and, where it has a teacher, the teacher.
fn two_stages(steps: &Steps<'_>, ablation: &AblationConfig, row: Row) -> Vec<StepConfig> {
    let matches = matches!(row, Row::Attention | Row::AttentionLogits);
    let losses = |step: &StepConfig| Losses {
        // What nothing else teaches learns from the labels.
        labels: if matches { step.losses.labels } else { 1.0 },
        attention: step.losses.attention.clone().or(steps.first.losses.attention.clone()).filter(|_| matches),
        logits: step.losses.logits.or(steps.first.losses.logits).filter(|_| row == Row::AttentionLogits),
    };
    let real = matches.then(|| steps.teacher.name.clone());
    let mut first = steps.first.clone();
    (first.teacher, first.start_from, first.losses) = (real.clone(), None, losses(steps.first));
    let mut second = steps.second.clone();
    second.losses = losses(steps.second);
    second.teacher = match ablation.second_teacher {
        SecondTeacher::Real => real,
        SecondTeacher::FirstStage => matches.then(|| first.name.clone()),
    };
    second.start_from = Some(first.name.clone());
    let teacher = matches.then(|| steps.teacher.clone());
    teacher.into_iter().chain([first, second]).collect()
}
