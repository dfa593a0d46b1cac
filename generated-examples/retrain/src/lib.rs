//! The whole path: trainer → ONNX → compiled crate → pictures.
//!
//! [`train`] runs a procedure to its end and writes the network of its last step, with pictures to try it on; [`compare`]
//! compiles that file and lets the compiled crate and the trainer answer for the same pictures.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use xnorc::diagnostics::Diagnostics;
use xnorc::ir::Tensor;
use xnorc_cli::toolchain::{self, Program, Space};
use xnorc_cli::verify::{self, Sample, Subject, Verification};
use xnorc_training::config::Config;
use xnorc_training::data::{Dataset, Order, Part, Plan};
use xnorc_training::export::{Options, onnx};
use xnorc_training::problem::{Problems, Result};
use xnorc_training::train::{self as trainer, Outcome, Progress};

/// The network of the last step, in the folder of the example.
pub const MODEL: &str = "fashion.onnx";
/// Bytes of the pictures kept beside it, row by row, 0 = black.
pub const PICTURES: &str = "pictures.bin";
/// A byte per picture.
pub const LABELS: &str = "labels.bin";
/// What the trainer's own network says of each of them: little-endian f32.
pub const LOGITS: &str = "logits.bin";

/// Test pictures, and what the trainer's network says of them.
#[derive(Clone, Debug)]
pub struct Trained {
    /// Bytes, `pixels` each.
    pub pictures: Vec<u8>,
    /// Bytes of a picture.
    pub pixels: usize,
    /// `[pictures]`.
    pub labels: Vec<u8>,
    /// [pictures, classes].
    pub logits: Vec<f32>,
    /// How many classes.
    pub classes: usize,
}

/// Runs what is not yet trained of a procedure, and writes the network after the very last epoch, not the best one on the
/// validation pictures; with it the first `kept` test pictures. `None` after an interruption: the same call goes on.
///
/// # Errors
/// What the trainer says, files that cannot be written, and pictures that are not of one byte per pixel.
pub fn train(
    config: &Config,
    folder: &Path,
    kept: usize,
    stop: &AtomicBool,
    progress: &mut dyn Progress,
) -> Result<Option<Trained>> {
    if trainer::run(config, stop, progress)? == Outcome::Interrupted {
        return Ok(None);
    }
    let device = trainer::device("cpu")?;
    let step = config.steps.last().map(|step| step.name.clone()).unwrap_or_default();
    let network = trainer::trained(config, &step, false, &device)?;
    let data = Dataset::load(&config.data)?;
    let task = data.task(&config.data);
    if task.channels != 1 {
        return Err(Problems::one("data", "the example's pictures have one channel"));
    }
    let (pictures, labels) = bytes(&data.test)?;
    let plan = Plan::new(&config.data, task.size, task.classes, 100, Order::Sequential);
    let logits = trainer::logits(&network, &Arc::new(data.test), plan, task, &device)?;
    let options = Options {
        batch: Some(1),
        normalise: Some((config.data.mean.clone(), config.data.std.clone())),
        ..Options::default()
    };
    let (pixels, classes) = (task.size[0] * task.size[1], task.classes);
    let kept = kept.min(labels.len());
    let kept_logits: Vec<u8> = logits[..kept * classes].iter().flat_map(|v| v.to_le_bytes()).collect();
    let files: [(&str, &[u8]); 4] = [
        (MODEL, &onnx(&network, task, &options)),
        (PICTURES, &pictures[..kept * pixels]),
        (LABELS, &labels[..kept]),
        (LOGITS, &kept_logits),
    ];
    for (name, bytes) in files {
        trainer::write_file(&folder.join(name), bytes)?;
    }
    Ok(Some(Trained { pictures, pixels, labels, logits, classes }))
}

impl Trained {
    /// What [`train`] left in the folder of the example.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub fn kept(folder: &Path) -> Result<Self> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(|e| Problems::file(&path, format_args!("cannot be read: {e}")))
        };
        let (pictures, labels, logits) = (read(PICTURES)?, read(LABELS)?, read(LOGITS)?);
        let each = |bytes: usize| bytes / labels.len().max(1);
        Ok(Self {
            pixels: each(pictures.len()),
            classes: each(logits.len()) / 4,
            logits: logits.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            pictures,
            labels,
        })
    }

    /// One picture as the network takes it: byte / 255.
    pub fn input(&self, index: usize) -> Vec<f32> {
        let bytes = &self.pictures[index * self.pixels..(index + 1) * self.pixels];
        bytes.iter().map(|&byte| f32::from(byte) / 255.0).collect()
    }
}

fn bytes(part: &Part) -> Result<(Vec<u8>, Vec<u8>)> {
    let mut pictures = Vec::new();
    for index in 0..part.len() {
        pictures.extend(part.picture(index)?.bytes);
    }
    Ok((pictures, part.labels.iter().map(|&label| label as u8).collect()))
}

/// The compiled crate beside the trainer's network.
#[derive(Clone, Copy, Debug, Default)]
pub struct Comparison {
    /// How many pictures.
    pub pictures: usize,
    /// For how many the compiled crate's answer is the label.
    pub right: usize,
    /// For how many the trainer's is.
    pub trainer_right: usize,
    /// For how many both answers are the same.
    pub same: usize,
    /// For how many no logit differs by more than [`verify::TOLERANCE`] of the largest. For the others a value before a
    /// sign was so near zero that rounding decided.
    pub close: usize,
    /// The largest difference of a logit.
    pub largest_difference: f32,
}

/// Compiles the network in `folder` and classifies all pictures with the program. The first `verified` of them are also
/// run through `xnorc verify`'s independent engine, block by block, with the trainer's logits as what is expected.
///
/// # Errors
/// What the compiler says of the file, or a program that cannot be built or run.
pub fn compare(folder: &Path, trained: &Trained, verified: usize) -> Result<(Comparison, Verification)> {
    compare_as(folder, trained, verified, xnorc::Config::new())
}

/// As [`compare`], compiled with other options: looser arithmetic, for instance.
///
/// # Errors
/// As [`compare`].
pub fn compare_as(
    folder: &Path,
    trained: &Trained,
    verified: usize,
    config: xnorc::Config,
) -> Result<(Comparison, Verification)> {
    compared(folder, trained, verified, config)
        .map_err(|problems| Problems::one(folder.join(MODEL).display(), problems))
}

fn compared(
    folder: &Path,
    trained: &Trained,
    verified: usize,
    mut config: xnorc::Config,
) -> std::result::Result<(Comparison, Verification), Diagnostics> {
    let path = folder.join(MODEL);
    config.standalone(true).probe(true).strict(true);
    let output = xnorc::load(&path, &config)?;
    let workshop = tempfile::tempdir().map_err(io)?;
    let built = toolchain::build(&output, "fashion", workshop.path())?;
    let mut program = Program::start(&built)?;

    let mut result = Comparison::default();
    let mut samples = Vec::new();
    for (index, (expected, &label)) in trained.logits.chunks_exact(trained.classes).zip(&trained.labels).enumerate() {
        let input = trained.input(index);
        program.write_f32(Space::Input(0), 0, &input)?;
        program.infer()?;
        let logits = program.read_f32(Space::Output(0), 0, trained.classes)?;
        let largest = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let difference = logits.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        result.pictures += 1;
        result.right += usize::from(argmax(&logits) == usize::from(label));
        result.trainer_right += usize::from(argmax(expected) == usize::from(label));
        result.same += usize::from(argmax(&logits) == argmax(expected));
        result.close += usize::from(f64::from(difference) <= verify::TOLERANCE * f64::from(largest));
        result.largest_difference = result.largest_difference.max(difference);
        if index < verified {
            let network = &output.network;
            let shape = |ids: &[xnorc::ir::network::TensorId]| network.tensor(ids[0]).shape.clone();
            samples.push(Sample {
                inputs: vec![Tensor::f32(shape(&network.inputs), input)],
                expected: vec![Tensor::f32(shape(&network.outputs), expected.to_vec())],
            });
        }
    }
    let (model, graph) = (std::fs::read(&path).map_err(io)?, xnorc::load_graph(&path, &config)?);
    let subject = Subject { model: &model, folder, graph: &graph, output: &output };
    Ok((result, verify::verify(&subject, &mut program, &samples)?))
}

fn io(e: std::io::Error) -> Diagnostics {
    use xnorc::diagnostics::{Code, Diagnostic};
    Diagnostic::error(Code::Io, None, e.to_string()).into()
}

/// The first of equal ones.
fn argmax(logits: &[f32]) -> usize {
    (1..logits.len()).fold(0, |best, i| if logits[i] > logits[best] { i } else { best })
}
