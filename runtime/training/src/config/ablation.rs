//! The ablation of the paper (table 3): which parts of a procedure are left out in turn, and how often.

use serde::{Deserialize, Serialize};

use super::Downsample;
use crate::problem::Problems;

/// What `xnorc-training ablation` makes of a procedure of four steps (real teacher, tanh, sign, binary weights).
///
/// ```toml
/// [ablation]
/// seeds = [1, 2, 3]
/// ```
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct AblationConfig {
    /// Every row is trained once with each.
    pub seeds: Vec<u64>,
    /// The rows of the table.
    pub rows: Vec<Row>,
    /// The shortcut of the blocks that halve the picture; the rows marked ** in the paper have real ones.
    pub downsample: Vec<Downsample>,
    /// Who teaches the second stage of the rows without the progressive steps.
    pub second_teacher: SecondTeacher,
}

impl Default for AblationConfig {
    fn default() -> Self {
        Self {
            seeds: vec![1, 2, 3],
            rows: Row::ALL.to_vec(),
            downsample: vec![Downsample::Binary, Downsample::Real],
            second_teacher: SecondTeacher::Real,
        }
    }
}

/// A row of table 3: which parts of the method it has.
///
/// Every row has two stages: binary activations with real weights, then binary weights too, starting from the first.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Row {
    /// The architecture of section 4.1 without gates, taught by the labels only.
    Baseline,
    /// The real network's attention maps are matched too, in both stages.
    Attention,
    /// And its logits.
    AttentionLogits,
    /// The strong baseline with gates.
    Gates,
    /// Without gates, but with all the steps and teachers of section 4.2.
    Progressive,
    /// Gates and all steps: Real-to-Binary.
    All,
}

impl Row {
    /// In the order of the paper.
    pub const ALL: [Self; 6] =
        [Self::Baseline, Self::Attention, Self::AttentionLogits, Self::Gates, Self::Progressive, Self::All];

    /// As it is called in configurations, on the command line and in the names of folders.
    pub fn key(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Attention => "attention",
            Self::AttentionLogits => "attention-logits",
            Self::Gates => "gates",
            Self::Progressive => "progressive",
            Self::All => "all",
        }
    }

    /// As it is called in tables.
    pub fn title(self) -> &'static str {
        match self {
            Self::Baseline => "strong baseline",
            Self::Attention => "+ attention",
            Self::AttentionLogits => "+ attention, logits",
            Self::Gates => "+ gates",
            Self::Progressive => "+ progressive",
            Self::All => "Real-to-Binary",
        }
    }

    /// Whether its half-blocks have gates.
    pub fn gates(self) -> bool {
        matches!(self, Self::Gates | Self::All)
    }

    /// Whether it has the steps and teachers of section 4.2.
    pub fn progressive(self) -> bool {
        matches!(self, Self::Progressive | Self::All)
    }
}

/// The teacher of the second stage of rows that match the real network without the progressive steps. The paper does
/// not say.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum SecondTeacher {
    /// The real network, as in the first stage.
    Real,
    /// The first stage's network.
    FirstStage,
}

impl AblationConfig {
    /// Every row, shortcut and seed of either.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        fn join<T: PartialEq + Clone>(list: &mut Vec<T>, more: &[T]) {
            for item in more {
                if !list.contains(item) {
                    list.push(item.clone());
                }
            }
        }
        join(&mut self.seeds, &other.seeds);
        join(&mut self.rows, &other.rows);
        join(&mut self.downsample, &other.downsample);
        self
    }

    /// Checks the values; the steps themselves are looked at when the ablation is asked for.
    pub(super) fn check(&self, place: &str, problems: &mut Problems) {
        let mut list = |key: &str, len: usize, once: bool| {
            problems.check(len > 0, format_args!("{place}.{key}"), "one at least");
            problems.check(once, format_args!("{place}.{key}"), "each once");
        };
        fn once<T: PartialEq>(items: &[T]) -> bool {
            items.iter().enumerate().all(|(i, item)| !items[..i].contains(item))
        }
        list("seeds", self.seeds.len(), once(&self.seeds));
        list("rows", self.rows.len(), once(&self.rows));
        list("downsample", self.downsample.len(), once(&self.downsample));
    }
}
