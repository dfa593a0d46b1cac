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
        if self.format == DataFormat::Folders {
            problems.check(
                self.size.is_some(),
                at("size"),
                "pictures in folders have any size: say what to scale to, as 224",
            );
        }
        if let (Some(size), Some(resize)) = (self.size, self.resize) {
            problems.check(resize >= size, at("resize"), "not smaller than `size`, which is cut out of it");
        }
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
