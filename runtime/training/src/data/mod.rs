//! Pictures: reading the forms of data sets people have, changing pictures at random, and batches of them made in
//! parallel while the network computes.
//!
//! Everything random about a picture comes from (seed, epoch, number of the picture), and about a batch from (seed,
//! epoch, number of the batch): it is the same for any number of threads, and after an interruption.

mod augment;
mod cifar;
mod decode;
mod folders;
mod idx;
mod loader;
mod raster;
mod seeds;
mod shards;
mod share;
mod split;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_shards;

use std::path::PathBuf;

pub use augment::{centred, changed};
pub use decode::read;
pub use folders::pictures;
pub use loader::{Batch, Batches, Order, Plan};
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
pub use raster::Raster;
pub use share::Share;

use crate::config::{DataConfig, DataFormat, ValidationFrom};
use crate::nn::Task;
use crate::problem::{Problems, Result};

/// Labelled pictures, in parts that have none in common.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// What is learned from.
    pub train: Part,
    /// What best epochs are chosen on, where that is not the test part.
    pub validation: Option<Part>,
    /// What the figures that are told are of.
    pub test: Part,
    /// The classes, in the order of their labels.
    pub classes: Vec<String>,
}

/// Labelled pictures, in memory or in files.
#[derive(Clone, Debug)]
pub struct Part {
    source: Source,
    /// One per picture, below the number of classes.
    pub labels: Vec<u32>,
}

#[derive(Clone, Debug)]
enum Source {
    /// Bytes of pictures of one size, rows × columns × channels each.
    Memory { bytes: Vec<u8>, channels: usize, size: [usize; 2] },
    /// A file for each picture, of any size; they become RGB.
    Files(Vec<PathBuf>),
    /// Many in a file; as before.
    Shards(shards::Shards),
}

impl Dataset {
    /// Reads what the configuration says; of folders, the names of files only, of shards what is where in them.
    ///
    /// # Errors
    /// Every file that is missing or is not what it should be.
    pub fn load(config: &DataConfig) -> Result<Self> {
        let mut data = match config.format {
            DataFormat::Idx => idx::load(&config.folder),
            DataFormat::Cifar10 => cifar::load_10(&config.folder),
            DataFormat::Cifar100 => cifar::load_100(&config.folder),
            DataFormat::Folders => folders::load(&config.folder, config.validation.folder.as_deref()),
            DataFormat::Shards => match &config.shards {
                Some(shards) => shards::load(&config.folder, shards),
                None => Err(Problems::one("data.shards", "which tar files have the pictures is not said")),
            },
        }?;
        for (part, wanted) in [(&mut data.train, config.train_pictures), (&mut data.test, config.test_pictures)] {
            if let Some(wanted) = wanted {
                part.thin(wanted);
            }
        }
        if config.validation.from == ValidationFrom::Training {
            let (held, kept) = split::stratified(&data.train.labels, &config.validation);
            data.validation = Some(data.train.chosen(&held));
            data.train = data.train.chosen(&kept);
        }
        let mut problems = Problems::default();
        for (part, name) in [(&data.train, "training"), (data.watched(), "validation"), (&data.test, "test")] {
            problems.check(!part.is_empty(), config.folder.display(), format_args!("there are no {name} pictures"));
        }
        problems.or(data)
    }

    /// The part that best epochs are chosen on.
    pub fn watched(&self) -> &Part {
        self.validation.as_ref().unwrap_or(&self.test)
    }

    /// What a network for these pictures takes and gives.
    pub fn task(&self, config: &DataConfig) -> Task {
        let (channels, own) = match &self.train.source {
            Source::Memory { channels, size, .. } => (*channels, *size),
            Source::Files(_) | Source::Shards(_) => (3, [224; 2]),
        };
        Task { channels, size: config.size.map_or(own, |side| [side; 2]), classes: self.classes.len() }
    }
}

impl Part {
    /// How many pictures.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// One picture as it is.
    ///
    /// # Errors
    /// A file that is no picture, or cannot be read.
    pub fn picture(&self, index: usize) -> Result<Raster> {
        match &self.source {
            Source::Memory { bytes, channels, size } => {
                let len = channels * size[0] * size[1];
                Ok(Raster { channels: *channels, size: *size, bytes: bytes[index * len..(index + 1) * len].to_vec() })
            }
            Source::Files(paths) => read(&paths[index], 3),
            Source::Shards(shards) => shards.picture(index),
        }
    }

    /// The numbers of all pictures in a random order.
    fn shuffled(&self, random: &mut ChaCha8Rng) -> Vec<usize> {
        if let Source::Shards(shards) = &self.source {
            return shards.order(random);
        }
        let mut numbers: Vec<usize> = (0..self.len()).collect();
        numbers.shuffle(random);
        numbers
    }

    /// Keeps `wanted` pictures at equal distances, the first one among them.
    fn thin(&mut self, wanted: usize) {
        let all = self.len();
        if wanted >= all {
            return;
        }
        *self = self.chosen(&(0..wanted).map(|i| i * all / wanted).collect::<Vec<_>>());
    }

    /// The pictures with these numbers.
    fn chosen(&self, numbers: &[usize]) -> Self {
        let source = match &self.source {
            Source::Memory { bytes, channels, size } => {
                let len = channels * size[0] * size[1];
                let bytes = numbers.iter().flat_map(|i| &bytes[i * len..(i + 1) * len]).copied().collect();
                Source::Memory { bytes, channels: *channels, size: *size }
            }
            Source::Files(paths) => Source::Files(numbers.iter().map(|&i| paths[i].clone()).collect()),
            Source::Shards(shards) => Source::Shards(shards.chosen(numbers)),
        };
        Self { source, labels: numbers.iter().map(|&i| self.labels[i]).collect() }
    }
}
