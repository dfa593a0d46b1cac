//! What a trained network says of anybody's pictures.

use std::fmt::Write as _;
use std::path::PathBuf;

use burn::tensor::Device;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use serde::Serialize;

use super::evaluate::{quoted, tensor};
use crate::config::DataConfig;
use crate::data::{centred, read};
use crate::nn::{Network, Task};
use crate::problem::Problems;

/// Pictures that go through the network at once.
const BATCH: usize = 32;

/// What the network says of one file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// The file.
    pub file: PathBuf,
    /// The most likely classes, the likeliest first; of equal ones the first.
    pub classes: Vec<Share>,
}

/// A class, and how likely it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Share {
    /// Its name.
    pub class: String,
    /// Softmax of the logits, from 0 to 1.
    pub probability: f32,
}

/// Runs `network`, which is on `device`, over picture files of any size, prepared as those of an evaluation: scaled, the
/// centre cut out, grey where the network sees one channel. Of each, the `top` likeliest of `classes`, in the order of
/// `files`; beside them the files that are no pictures.
pub fn predict(
    network: &Network,
    files: &[PathBuf],
    (config, classes): (&DataConfig, &[String]),
    top: usize,
    task: Task,
    device: &Device,
) -> (Vec<Prediction>, Problems) {
    let (mut all, mut problems) = (Vec::new(), Problems::default());
    for files in files.chunks(BATCH) {
        let pictures: Vec<_> = files.par_iter().map(|file| read(file, task.channels)).collect();
        let (mut values, mut known) = (Vec::new(), Vec::new());
        for (file, picture) in files.iter().zip(pictures) {
            match picture {
                Ok(picture) => {
                    centred(picture, config.resize, task.size).normalised(&config.mean, &config.std, &mut values);
                    known.push(file);
                }
                Err(mut more) => problems.0.append(&mut more.0),
            }
        }
        if known.is_empty() {
            continue;
        }
        let logits = network.forward(tensor(values, known.len(), task, device));
        let logits: Vec<f32> = logits.into_data().convert::<f32>().try_into_vec().unwrap_or_default();
        for (file, logits) in known.into_iter().zip(logits.chunks(task.classes)) {
            all.push(Prediction { file: file.clone(), classes: likeliest(logits, classes, top) });
        }
    }
    (all, problems)
}

fn likeliest(logits: &[f32], classes: &[String], top: usize) -> Vec<Share> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&v| f64::from(v - largest).exp()).sum();
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
    let share = |class: usize| Share {
        class: classes.get(class).cloned().unwrap_or_else(|| class.to_string()),
        probability: (f64::from(logits[class] - largest).exp() / sum) as f32,
    };
    order.into_iter().take(top).map(share).collect()
}

impl Prediction {
    /// A line for people.
    pub fn text(&self) -> String {
        let mut text = format!("{}:", self.file.display());
        for (i, share) in self.classes.iter().enumerate() {
            let _ =
                write!(text, "{} {} {:.1} %", if i == 0 { "" } else { "," }, share.class, 100.0 * share.probability);
        }
        text + "\n"
    }

    /// For spreadsheets: a header, and a line per file.
    pub fn csv(all: &[Self]) -> String {
        let columns = all.iter().map(|one| one.classes.len()).max().unwrap_or(0);
        let mut text = "file".to_owned();
        for i in 1..=columns {
            let _ = write!(text, ",class {i},probability {i}");
        }
        text.push('\n');
        for one in all {
            text += &quoted(&one.file.to_string_lossy());
            for share in &one.classes {
                let _ = write!(text, ",{},{}", quoted(&share.class), share.probability);
            }
            text.push('\n');
        }
        text
    }
}
