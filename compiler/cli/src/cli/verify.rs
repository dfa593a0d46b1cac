//! `xnorc verify`.

use crate::arrays::Stack;
use crate::verify::{Generator, Sample, Subject};
use xnorc::Tensor;

use super::args::Engine;
use super::progress::Progress;
use super::{Failure, Result, args, arrays, file_problem, program, report, say, say_json};

pub(super) fn run(args: &args::Verify) -> Result {
    let model = &args.model;
    let output = program::load(model)?;
    report(&output.warnings);
    let network = &output.network;
    let samples = samples(args, network)?;
    let bytes = std::fs::read(&model.path).map_err(|e| file_problem(&model.path, "cannot be read", e))?;
    let graph = xnorc::load_graph(&model.path, &model.config())?;
    let folder = model.path.parent().unwrap_or(std::path::Path::new("."));
    let mut started = program::start(model, &output, &args.machine, args.engine)?;
    if args.engine == Engine::Program
        && program::level(&args.machine)?.is_none()
        && let Some(level) = crate::verify::level(&output)
    {
        started.level = started.program.level(Some(level))?;
    }
    let subject = Subject { model: &bytes, folder, graph: &graph, output: &output };
    let mut progress = Progress::new("samples", samples.len());
    let mut verification = crate::verify::verify_telling(&subject, &mut started.program, &samples, &mut |done| {
        progress.done(done);
    })?;
    drop(progress);
    verification.seed = args.inputs.is_empty().then_some(args.seed);
    verification.level = started.level;
    if args.json {
        say_json(&verification)?;
    } else {
        say(&verification.to_string());
    }
    if verification.ok { Ok(()) } else { Err(Failure::Wrong) }
}

fn samples(args: &args::Verify, network: &xnorc::ir::network::Network) -> Result<Vec<Sample>> {
    if args.inputs.is_empty() {
        let mut generator = Generator::new(args.seed);
        return Ok((0..args.samples).map(|_| Sample::of(network, &mut generator)).collect());
    }
    let inputs = arrays::read(&args.inputs, network, &network.inputs, "--input")?;
    let expected = arrays::read(&args.expected, network, &network.outputs, "--expect")?;
    let count = |stacks: &[Stack]| stacks.iter().map(Stack::count).sum::<usize>();
    if !expected.is_empty() && count(&expected) != count(&inputs) {
        let (inputs, expected) = (count(&inputs), count(&expected));
        return Err(Failure::Usage(format!("--input gives {inputs} samples, but --expect gives {expected}")));
    }
    let each = |stacks: &[Stack]| -> Vec<Vec<Tensor>> {
        stacks.iter().flat_map(|stack| (0..stack.samples()).map(|index| stack.sample(index))).collect()
    };
    let (inputs, mut expected) = (each(&inputs), each(&expected));
    if !expected.is_empty() && expected.len() != inputs.len() {
        let message = "--input and --expect divide their pictures into different samples: give each as one stack";
        return Err(Failure::Usage(message.to_owned()));
    }
    expected.resize(inputs.len(), Vec::new());
    Ok(inputs.into_iter().zip(expected).map(|(inputs, expected)| Sample { inputs, expected }).collect())
}
