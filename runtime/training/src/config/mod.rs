//! One readable TOML file per procedure: data, networks, and the steps that train them one after the other.
//!
//! Every table and key is a field of a type of this module, with its default where it has one; where the paper is
//! silent the field's words say so. A key nobody knows is an error, and all mistakes of a file are told at once
//! ([`parse`]).

mod ablation;
mod data;
mod network;
mod parse;
mod step;
mod tensorboard;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use ablation::{AblationConfig, Row, SecondTeacher};
pub use data::{Augmentation, DataConfig, DataFormat, Jitter, ShardsConfig, Validation, ValidationFrom};
pub use network::{
    Activation, Architecture, BlockConfig, Downsample, GateConfig, GateHidden, NetworkConfig, Order, Padding, Scale,
    Skip, StemConfig, Surrogate,
};
pub use parse::parse;
use parse::parse_partly;
pub use step::{
    AttentionForm, AttentionLoss, AttentionNorm, EarlyStopping, Inputs, LogitLoss, Losses, OptimiserConfig,
    OptimiserKind, Points, ScheduleConfig, ScheduleKind, Spare, StepConfig, Weights,
};
pub use tensorboard::TensorBoard;

use crate::problem::{Problems, Result};

/// A whole procedure.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Where results go: a folder, relative to the configuration file.
    pub output: PathBuf,
    /// Everything random comes from it.
    #[serde(default = "one")]
    pub seed: u64,
    /// What to train on: `cpu`, or `cuda`, `cuda:1`, `vulkan`, `wgpu` where the program is built with that feature.
    #[serde(default = "cpu")]
    pub device: String,
    /// Whether TensorBoard's event files are written, and where.
    #[serde(default, skip_serializing_if = "TensorBoard::is_off")]
    pub tensorboard: TensorBoard,
    /// The pictures.
    pub data: DataConfig,
    /// The networks by name.
    pub networks: BTreeMap<String, NetworkConfig>,
    /// What is trained, in this order.
    pub steps: Vec<StepConfig>,
    /// Which parts of the procedure are left out in turn by `xnorc-training ablation`; nothing else looks at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ablation: Option<AblationConfig>,
}

/// Problems that are in a file.
fn within(path: &Path, mut problems: Problems) -> Problems {
    problems.0.iter_mut().for_each(|p| p.place = format!("{}: {}", path.display(), p.place));
    problems
}

fn one() -> u64 {
    1
}

fn cpu() -> String {
    "cpu".to_owned()
}

impl Config {
    /// Reads and checks a file; relative paths in it are taken from its folder.
    ///
    /// # Errors
    /// Everything wrong with it.
    pub fn load(path: &Path) -> Result<Self> {
        Self::read(path)?.checked_at(path)
    }

    /// As [`Self::checked`], of what was read from a file.
    ///
    /// # Errors
    /// Everything that makes no sense, with the name of the file.
    pub fn checked_at(self, path: &Path) -> Result<Self> {
        self.checked().map_err(|problems| within(path, problems))
    }

    /// Reads a file, and takes every value as it is; relative paths in it are taken from its folder.
    ///
    /// # Errors
    /// What is no configuration.
    pub fn read(path: &Path) -> Result<Self> {
        match Self::read_partly(path) {
            (Some(config), problems) => problems.or(config),
            (None, problems) => Err(problems),
        }
    }

    /// As [`Self::read`], beside the mistakes what is left without them, if that is a configuration.
    pub fn read_partly(path: &Path) -> (Option<Self>, Problems) {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) => return (None, Problems::file(path, format_args!("cannot be read: {e}"))),
        };
        let (config, problems) = parse_partly::<Self>(&text);
        (config.map(|config| config.relative_to(path)), within(path, problems))
    }

    /// With the paths of the file at `path`, which are relative to its folder.
    fn relative_to(self, path: &Path) -> Self {
        let mut config = self;
        let folder = path.parent().unwrap_or(Path::new(""));
        config.output = folder.join(&config.output);
        config.data.folder = folder.join(&config.data.folder);
        config.tensorboard = config.tensorboard.map(|events| folder.join(events));
        for initial in config.steps.iter_mut().filter_map(|step| step.initial.as_mut()) {
            *initial = folder.join(&*initial);
        }
        config
    }

    /// `self`, if every value makes sense.
    ///
    /// # Errors
    /// Everything that does not.
    pub fn checked(self) -> Result<Self> {
        let mut problems = Problems::default();
        self.data.check("data", &mut problems);
        problems.check(!self.networks.is_empty(), "networks", "there is none: add a table [networks.NAME]");
        for (name, network) in &self.networks {
            network.check(&format!("networks.{name}"), &mut problems);
        }
        if let Some(ablation) = &self.ablation {
            ablation.check("ablation", &mut problems);
        }
        problems.check(!self.steps.is_empty(), "steps", "there is none: add a table [[steps]]");
        for (i, step) in self.steps.iter().enumerate() {
            step.check(&format!("steps[{i}]"), &self.networks, &self.steps[..i], &mut problems);
            let crop = step.augmentation.crop_from;
            problems.check(
                crop == 0 || self.data.size.is_none_or(|size| crop >= size),
                format_args!("steps[{i}].augmentation.crop-from"),
                "not smaller than the data's `size`, which is cut out of it",
            );
        }
        problems.or(self)
    }
}
