//! The pictures: where they are, and what happens to them before the network sees them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::problem::Problems;

/// A data set on disk.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DataConfig {
    /// The form of the files.
    pub format: DataFormat,
    /// Where they are: a folder, relative to the configuration file.
    pub folder: PathBuf,
    /// Mean of each channel, of values in [0, 1]; as many as there are channels.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel.
    pub std: Vec<f32>,
    /// Side of the square pictures the network sees. For files of one size it may be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// The shorter side a picture is scaled to before its centre is cut out for evaluation; 256 for 224 is usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize: Option<usize>,
    /// So many pictures of the training part only, taken from it at equal distances (folders come class by class): for
    /// trials and for machines without a GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_pictures: Option<usize>,
    /// The same of the test part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_pictures: Option<usize>,
    /// The tar files of `format = "shards"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<ShardsConfig>,
    /// The pictures that best epochs, and with them teachers, are chosen on.
    #[serde(default)]
    pub validation: Validation,
    /// Threads that read and augment pictures; 0 takes as many as there are processors.
    #[serde(default)]
    pub workers: usize,
}

/// The forms of data sets.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum DataFormat {
    /// The four files of the MNIST family, `train-images-idx3-ubyte` and so on, as they are or with `.gz`.
    Idx,
    /// `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`.
    Cifar10,
    /// `train.bin` and `test.bin`, with the fine labels.
    Cifar100,
    /// `train/CLASS/*.jpg` and `val/CLASS/*.jpg` (or `.jpeg`, `.png`), the classes in the order of their names.
    Folders,
    /// Tar files as WebDataset writes them: side by side in them `NAME.jpg` (or `.jpeg`, `.png`) and its label, a number from
    /// 0, in `NAME.cls`, or as `label` in `NAME.json`. What else there is of that name is passed over.
    Shards,
}

/// Which tar files have which pictures.
///
/// ```toml
/// shards = { train = "train-{000000..001281}.tar", test = "val-*.tar" }
/// ```
///
/// A training epoch takes the tar files in a random order, and of each its pictures by way of a buffer: the next one is
/// drawn from so many that come next. So what is read lies together, and pictures of one class should not.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ShardsConfig {
    /// What is learned from: names in `folder`, with `*` and `?` for what is there, `{a,b}` and `{000000..001281}` for
    /// what has to be.
    pub train: String,
    /// What figures are told of.
    pub test: String,
    /// What best epochs are chosen on, with `validation = { from = "shards" }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<String>,
    /// A file in `folder` with the names of the classes, a line each; they are called by their numbers where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<PathBuf>,
    /// Pictures in the buffer.
    #[serde(default = "thousand")]
    pub buffer: usize,
}

fn thousand() -> usize {
    1000
}

/// Where the validation pictures come from: the network is evaluated on them after every epoch, and the best of a step
/// is the best on them. Test pictures are looked at once, when a step is at its end.
///
/// ```toml
/// validation = { share = 0.1 }                       # of the training pictures: the default
/// validation = { from = "folder", folder = "dev" }   # pictures that are set aside already
/// validation = { from = "shards" }                   # the same: those of `shards.validation`
/// validation = { from = "test" }                     # the paper's way
/// ```
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Validation {
    /// Which pictures they are.
    pub from: ValidationFrom,
    /// `training`: the share of the pictures of every class that is held back, 0.1 where it is left out; one picture at
    /// least, of a class that has two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// `training`: which ones is drawn from it, 0 where it is left out. Not from the procedure's seed: what one run of
    /// several has learned from may be the teacher of another, so all have to hold the same pictures back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// `folder`: its name beside `train` and `val`, with a folder for each class as there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
}

/// The kinds of validation pictures.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ValidationFrom {
    /// A part of the training pictures, which nothing is learned from.
    #[default]
    Training,
    /// A folder of their own, of data in folders.
    Folder,
    /// Tar files of their own, of data in shards.
    Shards,
    /// The test pictures, as in the paper: what is told of the best epoch is then chosen by looking at them.
    Test,
}

/// How pictures of the training part are changed at random, in this order. All off by default.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Augmentation {
    /// Cut out at a random place after so many black pixels were added on each side (CIFAR: 4).
    pub pad_crop: usize,
    /// Scale the shorter side to so many pixels, and cut out at a random place (AlexNet on ImageNet: 256). 0 is off.
    pub crop_from: usize,
    /// Cut out a part of this share of the area at least, of a proportion between 3:4 and 4:3, and scale it to the
    /// size (ImageNet: 0.08). 0 is off.
    pub resized_crop: f32,
    /// Mirror every other picture.
    pub flip: bool,
    /// Turn by up to so many degrees either way (the paper on CIFAR-100: 15).
    pub rotation: f32,
    /// Change the colours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Jitter>,
    /// Mix pairs of pictures and their labels (mix-up, Zhang et al. 2018) by a share drawn from Beta(α, α). 0 is off.
    /// The paper does not give its α; the authors' later work has 0.2 on ImageNet, a reproduction 1 on CIFAR-100.
    pub mix_up: f32,
}

/// How strongly colours change: each factor is drawn from [1 - x, 1 + x]. The paper does not give the strengths.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Jitter {
    /// Of the brightness.
    pub brightness: f32,
    /// Of the contrast.
    pub contrast: f32,
    /// Of the saturation.
    pub saturation: f32,
}

impl Default for Jitter {
    fn default() -> Self {
        Self { brightness: 0.4, contrast: 0.4, saturation: 0.4 }
    }
}

impl DataConfig {
    /// Whether every value makes sense.
    pub fn checked(&self) -> bool {
        let mut problems = Problems::default();
        self.check("", &mut problems);
        problems.0.is_empty()
    }

    pub(super) fn check(&self, place: &str, problems: &mut Problems) {
        let at = |key: &str| format!("{place}.{key}");
        let channels = match self.format {
            DataFormat::Idx => 1,
            _ => 3,
        };
        for (key, list) in [("mean", &self.mean), ("std", &self.std)] {
            problems.check(
                list.len() == channels,
                at(key),
                format_args!("{} values for {channels} channels: give one of each", list.len()),
            );
            problems.check(list.iter().all(|v| v.is_finite()), at(key), "every value is a number");
        }
        problems.check(self.std.iter().all(|&v| v > 0.0), at("std"), "every value is above 0");
        problems.check(self.size != Some(0), at("size"), "1 or more");
        problems.check(self.train_pictures != Some(0), at("train-pictures"), "1 or more");
        problems.check(self.test_pictures != Some(0), at("test-pictures"), "1 or more");
        self.validation.check(&at("validation"), self.format, problems);
        if matches!(self.format, DataFormat::Folders | DataFormat::Shards) {
            problems.check(
                self.size.is_some(),
                at("size"),
                "pictures in folders and shards have any size: say what to scale to, as 224",
            );
        }
        let shards = self.format == DataFormat::Shards;
        problems.check(
            shards == self.shards.is_some(),
            at("shards"),
            "goes with `format = \"shards\"`: give both, or neither",
        );
        if let Some(shards) = &self.shards {
            problems.check(shards.buffer >= 1, at("shards.buffer"), "1 or more pictures; 1000 is usual");
            problems.check(
                shards.validation.is_some() == (self.validation.from == ValidationFrom::Shards),
                at("shards.validation"),
                "goes with `validation = { from = \"shards\" }`: give both, or neither",
            );
        }
        if let (Some(size), Some(resize)) = (self.size, self.resize) {
            problems.check(resize >= size, at("resize"), "not smaller than `size`, which is cut out of it");
        }
    }
}

impl Validation {
    /// The share of the training pictures that is held back.
    pub fn share(&self) -> f64 {
        self.share.unwrap_or(0.1)
    }

    fn check(&self, place: &str, format: DataFormat, problems: &mut Problems) {
        let at = |key: &str| format!("{place}.{key}");
        let of = |from| self.from == from;
        let (training, folder) = (of(ValidationFrom::Training), of(ValidationFrom::Folder));
        let share = self.share();
        problems.check(share > 0.0 && share < 1.0, at("share"), "above 0 and below 1: 0.1 is usual");
        problems.check(training || self.share.is_none(), at("share"), "that of `from = \"training\"`: remove it");
        problems.check(training || self.seed.is_none(), at("seed"), "that of `from = \"training\"`: remove it");
        problems.check(
            folder == self.folder.is_some(),
            at("folder"),
            "goes with `from = \"folder\"`: give both, or neither",
        );
        problems.check(
            !folder || format == DataFormat::Folders,
            at("from"),
            "only data of `format = \"folders\"` has a folder for it: take `training`",
        );
        problems.check(
            !of(ValidationFrom::Shards) || format == DataFormat::Shards,
            at("from"),
            "only data of `format = \"shards\"` has shards for it: take `training`",
        );
    }
}

impl Augmentation {
    pub(super) fn check(&self, place: &str, problems: &mut Problems) {
        let at = |key: &str| format!("{place}.{key}");
        problems.check(
            (0.0..=1.0).contains(&self.resized_crop),
            at("resized-crop"),
            "a share of the area, from 0 to 1",
        );
        problems.check((0.0..=180.0).contains(&self.rotation), at("rotation"), "degrees, from 0 to 180");
        problems.check((0.0..=1e3).contains(&self.mix_up), at("mix-up"), "0 (off) or more; 0.2 to 1 is usual");
        let crops = [self.resized_crop > 0.0, self.pad_crop > 0, self.crop_from > 0];
        problems.check(
            crops.iter().filter(|&&on| on).count() <= 1,
            place,
            "`pad-crop`, `crop-from` and `resized-crop` exclude each other: keep one",
        );
        if let Some(j) = self.jitter {
            for (key, value) in [("brightness", j.brightness), ("contrast", j.contrast), ("saturation", j.saturation)] {
                problems.check((0.0..=1.0).contains(&value), at(&format!("jitter.{key}")), "from 0 to 1");
            }
        }
    }
}
