//! A step of the procedure: what is trained, from what, against which losses, how.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Architecture, Augmentation, NetworkConfig};
use crate::problem::Problems;

/// One step: a network trained for some epochs.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StepConfig {
    /// Its name, by which later steps refer to it; also the name of its folder.
    pub name: String,
    /// The network, one of `networks`.
    pub network: String,
    /// What stands before a binary convolution.
    #[serde(default)]
    pub inputs: Inputs,
    /// The weights of binary convolutions.
    #[serde(default)]
    pub weights: Weights,
    /// An earlier step whose best network teaches this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<String>,
    /// An earlier step whose last network this one starts from; from seeded random weights where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_from: Option<String>,
    /// A file of weights this one starts from (safetensors, or ONNX as this program exports it; relative to the configuration
    /// file), by the names that torchvision's ResNet has or by this program's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<PathBuf>,
    /// Everything random of this step comes from it; from the procedure's seed and the place of the step where it is
    /// left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Where its results are kept, relative to `output`; a folder of its name there where it is left out. Procedures
    /// that have a step in common, such as a teacher, share it this way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// How often every picture is seen. 0 takes the weights of `initial` as they are: a teacher that is trained already.
    pub epochs: usize,
    /// Pictures in a batch; where several processes train together, in the batch of all of them.
    pub batch: usize,
    /// Batches whose gradients are added up for one step of the optimiser, each weighed by its share.
    #[serde(default = "one")]
    pub accumulate: usize,
    /// What is minimised: the sum of the losses, each times its weight.
    #[serde(default)]
    pub losses: Losses,
    /// How.
    pub optimiser: OptimiserConfig,
    /// How its learning rate goes.
    #[serde(default)]
    pub schedule: ScheduleConfig,
    /// When it ends before its last epoch; never where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    /// How training pictures are changed at random.
    #[serde(default)]
    pub augmentation: Augmentation,
}

/// Ends a step that gets no better: when the accuracy on the validation pictures has not risen above the best so far for
/// `patience` epochs. Those of the schedule's warm-up do not count.
///
/// The learning rate is that of the whole step, cut off where it ends: a cosine does not come to its end then, and with
/// `kind = "step"` a patience shorter than the way to the next fall may end the step before it. As ever, teachers are
/// the best network and `start-from` takes the last.
///
/// ```toml
/// early-stopping = { patience = 10 }
/// ```
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EarlyStopping {
    /// So many epochs.
    pub patience: usize,
}

fn one() -> usize {
    1
}

/// What stands before a binary convolution.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Inputs {
    /// tanh: step 1 of the progressive procedure.
    Tanh,
    /// The sign.
    #[default]
    Sign,
}

/// The weights of binary convolutions.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Weights {
    /// As they are: steps 1 and 2, and stage 1 of the strong baseline.
    Real,
    /// Their signs: the last step.
    #[default]
    Sign,
}

/// The losses, each with its weight.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Losses {
    /// Weight of the cross-entropy with the labels. 0 leaves it out: the paper says step 3 has "only" logit matching,
    /// every implementation keeps the labels.
    pub labels: f32,
    /// Matching the teacher's logits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logits: Option<LogitLoss>,
    /// Matching the teacher's attention maps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention: Option<AttentionLoss>,
}

impl Default for Losses {
    fn default() -> Self {
        Self { labels: 1.0, logits: None, attention: None }
    }
}

/// Hinton's: T² · KL(softmax(teacher / T) ‖ softmax(student / T)), mean over the batch.
///
/// The paper gives neither weight nor temperature; its authors' later code has T = 1 and, on ImageNet, weight 1.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LogitLoss {
    /// Its weight.
    pub weight: f32,
    /// T.
    pub temperature: f32,
}

impl Default for LogitLoss {
    fn default() -> Self {
        Self { weight: 1.0, temperature: 1.0 }
    }
}

/// Attention maps: squared activations summed over channels, normalised per picture, compared (equation 2).
///
/// The paper gives neither the weight nor the number of points; the default is its authors' later code.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct AttentionLoss {
    /// Its weight.
    pub weight: f32,
    /// How two maps are compared.
    pub form: AttentionForm,
    /// What a map is divided by.
    pub norm: AttentionNorm,
    /// Where maps are taken.
    pub points: Points,
    /// A weight for each point, in order; all 1 where there are none. The authors' later code leaves the first of four
    /// stages out: `[0, 1, 1, 1]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub point_weights: Option<Vec<f32>>,
}

impl Default for AttentionLoss {
    fn default() -> Self {
        Self {
            weight: 1000.0,
            form: AttentionForm::SquaredMean,
            norm: AttentionNorm::L2,
            points: Points::Stages,
            point_weights: None,
        }
    }
}

/// The distance of two normalised maps.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum AttentionForm {
    /// Equation 2 to the letter: the L2 norm of the difference, summed over points, mean over the batch.
    Norm,
    /// The mean over pixels (and the batch) of the squared difference, summed over points.
    SquaredMean,
}

/// What a map is divided by, per picture.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum AttentionNorm {
    /// Its L2 norm (equation 2).
    L2,
    /// Its largest value (Larq).
    Max,
}

/// Where attention maps are taken.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Points {
    /// At the end of each stage: four in a ResNet-18.
    Stages,
    /// At the end of each block of two convolutions: eight in a ResNet-18.
    Blocks,
}

/// The optimiser.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OptimiserConfig {
    /// Which one.
    pub kind: OptimiserKind,
    /// The learning rate, at its highest.
    pub rate: f64,
    /// λ: λ·w is added to the gradient of w (PyTorch's `weight_decay` of Adam and SGD); of AdamW, w shrinks by the factor
    /// 1 - rate·λ in each step. The paper has 1e-5 with Adam and does not say which of both; its authors' later code has
    /// AdamW with 1e-2, which at their rate of 1e-3 is 1e-5 a step.
    #[serde(default)]
    pub weight_decay: f32,
    /// What weight decay spares. The paper does not say; the authors' later code spares nothing.
    #[serde(default)]
    pub spare: Vec<Spare>,
    /// SGD: how much of the last step is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
    /// Adam: β₁ and β₂; 0.9 and 0.999 where they are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub betas: Option<[f32; 2]>,
    /// Adam: ε; 1e-8 where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<f32>,
}

/// The optimisers.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum OptimiserKind {
    /// Kingma and Ba (2015).
    Adam,
    /// With weight decay apart from the gradient (Loshchilov and Hutter 2019).
    #[serde(rename = "adamw")]
    AdamW,
    /// Stochastic gradient descent with momentum.
    Sgd,
}

/// Kinds of parameters.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Spare {
    /// γ and β of BNs.
    Norm,
    /// Biases of convolutions and fully connected layers.
    Bias,
    /// Slopes of PReLUs.
    Prelu,
    /// α.
    Scale,
    /// W1 and W2 of gates.
    Gate,
    /// Latent weights of binary convolutions.
    Latent,
}

/// The learning rate over the epochs; it is set before each step of the optimiser.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// Its form.
    pub kind: ScheduleKind,
    /// `step`: the epochs at whose beginning the rate falls.
    pub at: Vec<usize>,
    /// `step`: what it is multiplied by then. The paper does not say; 0.1 everywhere but in Larq's steps (0.3).
    pub factor: f64,
    /// Epochs over which the rate rises in a straight line from 0, at the beginning.
    pub warm_up: usize,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self { kind: ScheduleKind::Constant, at: Vec::new(), factor: 0.1, warm_up: 0 }
    }
}

/// The forms of a schedule.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Always the same.
    Constant,
    /// In steps.
    Step,
    /// Half a cosine, from the highest to 0, after the warm-up.
    Cosine,
}

impl StepConfig {
    /// Its folder relative to the procedure's results.
    pub fn folder(&self) -> &Path {
        self.folder.as_deref().unwrap_or(Path::new(&self.name))
    }

    /// Checks the values; `before` are the steps that come earlier.
    pub(super) fn check(
        &self,
        place: &str,
        networks: &BTreeMap<String, NetworkConfig>,
        before: &[Self],
        problems: &mut Problems,
    ) {
        let at = |key: &str| format!("{place}.{key}");
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        problems.check(
            !self.name.is_empty() && self.name.chars().all(plain),
            at("name"),
            "it becomes the name of a folder: letters, digits, `-` and `_`",
        );
        problems.check(before.iter().all(|step| step.name != self.name), at("name"), "taken by an earlier step");
        problems.check(
            before.iter().all(|step| step.name == self.name || step.folder() != self.folder()),
            at("folder"),
            "taken by an earlier step",
        );
        problems.check(
            self.folder.is_none() || self.seed.is_some(),
            at("seed"),
            "a step with a `folder` is shared by procedures: give it a seed of its own",
        );
        let network = networks.get(&self.network);
        if network.is_none() {
            let known = networks.keys().map(String::as_str).collect::<Vec<_>>().join("`, `");
            problems.add(at("network"), format_args!("there is no network `{}`, but `{known}`", self.network));
        }
        problems.check(
            self.epochs >= 1 || self.initial.is_some(),
            at("epochs"),
            "1 or more, but for weights from a file",
        );
        problems.check(
            self.initial.is_none() || self.start_from.is_none(),
            at("initial"),
            "and `start-from` exclude each other: keep one",
        );
        problems.check(self.batch >= 1, at("batch"), "1 or more");
        problems.check(self.accumulate >= 1, at("accumulate"), "1 or more");
        let earlier = |key: &str, name: &Option<String>, problems: &mut Problems| {
            let name = name.as_ref()?;
            let found = before.iter().find(|step| step.name == *name);
            problems.check(found.is_some(), at(key), format_args!("there is no earlier step `{name}`"));
            problems.check(
                self.folder.is_none() || found.is_none_or(|step| step.folder.is_some()),
                at(key),
                format_args!("a step with a `folder` is shared by procedures: give step `{name}` one too"),
            );
            found
        };
        let teacher = earlier("teacher", &self.teacher, problems);
        if let Some(start) = earlier("start-from", &self.start_from, problems) {
            problems.check(
                start.network == self.network,
                at("start-from"),
                format_args!("step `{}` trains another network, `{}`", start.name, start.network),
            );
        }
        self.losses.check(&at("losses"), self.teacher.is_some(), problems);
        if let (Some(AttentionLoss { points, point_weights, .. }), Some(student), Some(teacher)) =
            (&self.losses.attention, network, teacher.and_then(|step| networks.get(&step.network)))
        {
            let count = |n: &NetworkConfig| match points {
                Points::Stages => n.depths.len(),
                Points::Blocks => n.depths.iter().sum(),
            };
            let (mine, its) = (count(student), count(teacher));
            problems.check(
                mine == its,
                at("losses.attention.points"),
                format_args!("the student has {mine} of them, the teacher {its}: take `stages`, or equal depths"),
            );
            if let Some(weights) = point_weights {
                problems.check(
                    weights.len() == mine,
                    at("losses.attention.point-weights"),
                    format_args!("{} weights for {mine} points: give one of each", weights.len()),
                );
            }
        }
        self.optimiser.check(&at("optimiser"), problems);
        self.schedule.check(&at("schedule"), self.epochs, problems);
        problems.check(
            self.early_stopping.is_none_or(|early| early.patience >= 1),
            at("early-stopping.patience"),
            "1 or more epochs; 10 is usual",
        );
        self.augmentation.check(&at("augmentation"), problems);
        if network.is_some_and(|n| n.architecture == Architecture::Resnet) {
            problems.check(
                self.inputs == Inputs::default() && self.weights == Weights::default(),
                at("inputs"),
                "a `resnet` has no binary convolutions: remove `inputs` and `weights`",
            );
        }
    }
}

impl Losses {
    fn check(&self, place: &str, taught: bool, problems: &mut Problems) {
        let at = |key: &str| format!("{place}.{key}");
        let fine = |v: f32| v.is_finite() && v >= 0.0;
        problems.check(fine(self.labels), at("labels"), "a weight: 0 or more");
        if let Some(logits) = &self.logits {
            problems.check(fine(logits.weight), at("logits.weight"), "a weight: 0 or more");
            problems.check(
                logits.temperature.is_finite() && logits.temperature > 0.0,
                at("logits.temperature"),
                "above 0",
            );
        }
        if let Some(attention) = &self.attention {
            problems.check(fine(attention.weight), at("attention.weight"), "a weight: 0 or more");
            if let Some(weights) = &attention.point_weights {
                problems.check(weights.iter().all(|&w| fine(w)), at("attention.point-weights"), "weights: 0 or more");
            }
        }
        let matches = self.logits.is_some() || self.attention.is_some();
        problems.check(taught || !matches, place, "matching needs a teacher: name a step in `teacher`");
        problems.check(matches || self.labels > 0.0, at("labels"), "nothing is left to learn from: give it a weight");
    }
}

impl OptimiserConfig {
    fn check(&self, place: &str, problems: &mut Problems) {
        let at = |key: &str| format!("{place}.{key}");
        problems.check(self.rate.is_finite() && self.rate > 0.0, at("rate"), "above 0: 1e-3 is Adam's usual");
        problems.check(
            self.weight_decay.is_finite() && self.weight_decay >= 0.0,
            at("weight-decay"),
            "0 or more; the paper has 1e-5 and 0",
        );
        let adam = self.kind != OptimiserKind::Sgd;
        problems.check(!adam || self.momentum.is_none(), at("momentum"), "SGD's; Adam has `betas`");
        problems.check(adam || self.betas.is_none(), at("betas"), "Adam's; SGD has `momentum`");
        problems.check(adam || self.epsilon.is_none(), at("epsilon"), "Adam's; remove it");
        problems.check(
            self.momentum.is_none_or(|m| (0.0..1.0).contains(&m)),
            at("momentum"),
            "from 0 to below 1; 0.9 is usual",
        );
        problems.check(
            self.betas.is_none_or(|b| b.iter().all(|v| (0.0..1.0).contains(v))),
            at("betas"),
            "both from 0 to below 1; 0.9 and 0.999 are usual",
        );
        problems.check(self.epsilon.is_none_or(|e| e.is_finite() && e > 0.0), at("epsilon"), "above 0; 1e-8 is usual");
    }
}

impl ScheduleConfig {
    fn check(&self, place: &str, epochs: usize, problems: &mut Problems) {
        let at = |key: &str| format!("{place}.{key}");
        let step = self.kind == ScheduleKind::Step;
        problems.check(step != self.at.is_empty(), at("at"), "the epochs of `kind = \"step\"`: [40, 60, 70]");
        problems.check(self.at.is_sorted_by(|a, b| a < b), at("at"), "in rising order, each once");
        problems.check(
            self.at.iter().all(|&e| e < epochs),
            at("at"),
            format_args!("before the end, which is after {epochs} epochs"),
        );
        problems.check(self.factor > 0.0 && self.factor <= 1.0, at("factor"), "above 0, 1 at most: 0.1 is usual");
        problems.check(self.warm_up < epochs.max(1), at("warm-up"), "shorter than the step itself");
    }
}
