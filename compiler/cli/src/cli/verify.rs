//! `xnorc verify`.

use xnorc_cli::verify::{Generator, Sample, Subject};

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
    let subject = Subject { model: &bytes, folder, graph: &graph, output: &output };
    let mut verification = xnorc_cli::verify::verify(&subject, &mut started.program, &samples)?;
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
        let shapes: Vec<_> = network.inputs.iter().map(|&id| network.tensor(id).shape.clone()).collect();
        let mut generator = Generator::new(args.seed);
        return Ok((0..args.samples).map(|_| Sample::random(&shapes, &mut generator)).collect());
    }
    let (inputs, outputs) = (network.inputs.len(), network.outputs.len());
    if inputs == 0 || !args.inputs.len().is_multiple_of(inputs) {
        let given = args.inputs.len();
        return Err(Failure::Usage(format!("the model has {inputs} inputs, but --input is given {given} times")));
    }
    let count = args.inputs.len() / inputs;
    if !args.expected.is_empty() && args.expected.len() != count * outputs {
        let given = args.expected.len();
        return Err(Failure::Usage(format!(
            "{count} samples of {outputs} outputs need --expect {} times, not {given}",
            count * outputs
        )));
    }
    let inputs = arrays::read_sets(&args.inputs, network, &network.inputs)?;
    let mut expected = arrays::read_sets(&args.expected, network, &network.outputs)?;
    expected.resize(inputs.len(), Vec::new());
    Ok(inputs.into_iter().zip(expected).map(|(inputs, expected)| Sample { inputs, expected }).collect())
}
