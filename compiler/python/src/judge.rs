//! `verify` and `evaluate`: what the commands of these names do, their results as text and as JSON.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use xnorc::diagnostics::{Code, Diagnostic, Diagnostics};
use xnorc::{Config, Output, Tensor};
use xnorc_cli::arrays::{self, Stack};
use xnorc_cli::evaluate::{Evaluation, Layout, Pictures, Preparation, Scores};
use xnorc_cli::toolchain::{self, Cache, Obtained, Program};
use xnorc_cli::verify::{Generator, Sample, Subject};

use super::options::Options;
use super::{apart, json};

/// A program, and its files as long as it runs.
fn start(
    output: &Output,
    path: &Path,
    config: &Config,
    by: (bool, bool),
) -> Result<(Program, Option<Obtained>), Diagnostics> {
    let (interpreter, keep) = by;
    if interpreter {
        return Ok((Program::interpreted(output), None));
    }
    let cache = Cache::of_user().filter(|_| keep);
    let obtained = toolchain::obtain(output, &config.name_for(path), cache.as_ref())?;
    Ok((Program::start(&obtained.built)?, Some(obtained)))
}

fn mismatch(message: String) -> Diagnostics {
    Diagnostic::error(Code::ShapeMismatch, None, message).into()
}

/// What verify is to be done on: files of inputs and of expected outputs, or so many random samples of a seed.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct On {
    inputs: Option<PathBuf>,
    expected: Option<PathBuf>,
    samples: usize,
    seed: u64,
}

impl On {
    fn samples(&self, output: &Output) -> Result<Vec<Sample>, Diagnostics> {
        let network = &output.network;
        let Some(inputs) = &self.inputs else {
            let mut generator = Generator::new(self.seed);
            return Ok((0..self.samples).map(|_| Sample::of(network, &mut generator)).collect());
        };
        let each = |stack: &Stack| -> Vec<Vec<Tensor>> { (0..stack.samples()).map(|i| stack.sample(i)).collect() };
        let inputs = each(&Stack::read(&[inputs], network, &network.inputs)?);
        let mut expected = match &self.expected {
            Some(path) => each(&Stack::read(&[path], network, &network.outputs)?),
            None => vec![Vec::new(); inputs.len()],
        };
        if expected.len() != inputs.len() {
            return Err(mismatch(format!("{} samples, but {} expected outputs", inputs.len(), expected.len())));
        }
        Ok(inputs.into_iter().zip(expected.drain(..)).map(|(inputs, expected)| Sample { inputs, expected }).collect())
    }
}

/// Text and JSON.
#[pyfunction]
pub(crate) fn verify(
    py: Python<'_>,
    path: PathBuf,
    options: Options,
    on: On,
    interpreter: bool,
    keep: bool,
) -> PyResult<(String, String)> {
    apart(py, || {
        let config = options.config()?;
        let output = xnorc::load(&path, &config)?;
        let samples = on.samples(&output)?;
        let refused = |e| Diagnostic::error(Code::Io, arrays_place(&path), format!("cannot be read: {e}"));
        let model = std::fs::read(&path).map_err(refused)?;
        let graph = xnorc::load_graph(&path, &config)?;
        let (mut program, _files) = start(&output, &path, &config, (interpreter, keep))?;
        let level = program.level(xnorc_cli::verify::level(&output))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let subject = Subject { model: &model, folder, graph: &graph, output: &output };
        let mut verification = xnorc_cli::verify::verify(&subject, &mut program, &samples)?;
        verification.seed = on.inputs.is_none().then_some(on.seed);
        verification.level = level;
        Ok((verification.to_string(), json(&verification)?))
    })
}

fn arrays_place(path: &Path) -> String {
    format!("file \"{}\"", path.display())
}

/// Pictures, what they go through first, and what is right.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Given {
    images: PathBuf,
    labels: Option<PathBuf>,
    scale: Option<f32>,
    mean: Vec<f32>,
    std: Vec<f32>,
    layout: Option<String>,
    limit: Option<usize>,
    save: Option<PathBuf>,
    threads: usize,
}

/// Text and JSON.
#[pyfunction]
pub(crate) fn evaluate(
    py: Python<'_>,
    path: PathBuf,
    options: Options,
    given: Given,
    interpreter: bool,
    keep: bool,
) -> PyResult<(String, String)> {
    apart(py, || {
        let config = options.config()?;
        let output = xnorc::load(&path, &config)?;
        let network = &output.network;
        let layout = match given.layout.as_deref() {
            None => None,
            Some("nchw") => Some(Layout::Nchw),
            Some("nhwc") => Some(Layout::Nhwc),
            Some(other) => return Err(mismatch(format!("layout is {other:?}, but must be nchw or nhwc"))),
        };
        let preparation = Preparation {
            scale: xnorc_cli::evaluate::scale(network, given.scale),
            mean: given.mean.clone(),
            std: given.std.clone(),
            layout,
        };
        let pictures = Pictures::open(&given.images, xnorc_cli::evaluate::input_shape(network)?, &preparation)?;
        let count = given.limit.map_or(pictures.count(), |limit| pictures.count().min(limit));
        let labels = match (&given.labels, pictures.labels()) {
            (Some(_), Some(_)) => return Err(mismatch("labels contradict folders that say the class".to_owned())),
            (Some(path), None) => Some(xnorc_cli::evaluate::read_labels(path, &pictures)?),
            (None, labels) => labels,
        };
        let labels = labels.map(|labels| labels[..count].to_vec());
        let (mut program, _files) = start(&output, &path, &config, (interpreter, keep))?;
        let level = program.level(None)?;
        program.threads(given.threads, None)?;
        let answers = xnorc_cli::evaluate::answers(network, &mut program, &pictures, count, &mut |_| {})?;
        let scores = Scores::new(&answers.outputs)?;
        if let Some(most) = labels.iter().flatten().max()
            && scores.has_scores()
            && *most >= scores.classes()
        {
            return Err(mismatch(format!("a label is {most}, but the model has {} classes", scores.classes())));
        }
        if let Some(path) = &given.save {
            arrays::write(path, &answers.outputs)?;
        }
        let mut evaluation = Evaluation::new(&scores, &answers.timing, labels.as_deref(), pictures.classes(), &[]);
        (evaluation.level, evaluation.threads) = (level, given.threads);
        Ok((evaluation.to_string(), json(&evaluation)?))
    })
}
