//! `xnorc compile`.

use crate::verify::{Generator, Sample};
use xnorc::Output;
use xnorc::diagnostics::{Code, Diagnostic};
use xnorc::emit::check_name;
use xnorc::emit::krate::{self, Faces, Recording, Runtime};
use xnorc::report::Report;
use xnorc::report::demand::Demand;

use super::progress::Waiting;
use super::{Failure, Result, args, arrays, crate_folder, report, say};

pub(super) fn run(args: &args::Compile) -> Result {
    let mut config = arrays::config(&args.model)?;
    config.standalone(args.runtime == Runtime::Inside);
    let faces = Faces { c: args.c, web: args.web };
    config.target.clone_from(&args.target);
    if args.web && !args.c && args.target.is_none() {
        config.target = Some("wasm32-unknown-unknown".to_owned());
    }
    let name = config.name_for(&args.model.path);
    check_faces(args, faces, &name)?;
    let waiting = Waiting::new("compiling the model");
    let output = xnorc::load(&args.model.path, &config)?;
    let demand = Demand::of(&output.network);
    let recording = if demand.is_modest() { Some(record(&output)?) } else { None };
    let files = match faces == Faces::default() {
        false => krate::faced_files(&output, &name, faces, recording.as_ref()),
        true => krate::files(&output, &name, &args.runtime, recording.as_ref()),
    };
    drop(waiting);
    crate_folder::write(&args.out, &files, args.force)?;
    report(&output.warnings);
    say(&summary(args, &name, &output));
    if recording.is_none() {
        say(&format!("no test with an example: {}", demand.excess()));
    }
    Ok(())
}

/// What speaks against a library for C or for the web.
fn check_faces(args: &args::Compile, faces: Faces, name: &str) -> Result {
    let option = match (faces.c, faces.web) {
        (false, false) => return Ok(()),
        (true, _) => "--c",
        (false, true) => "--web",
    };
    if args.runtime != Runtime::Inside {
        let message = format!("{option} puts the runtime inside the library: it cannot be used with --runtime");
        return Err(Failure::Usage(message));
    }
    if let Some(target) = args.target.as_ref().filter(|target| faces.web && !target.starts_with("wasm")) {
        let message = format!(
            "--web is built for WebAssembly, whose vectors a crate for {target} leaves out: give no --target, which with --c beside \
             it is everywhere"
        );
        return Err(Failure::Usage(message));
    }
    let problem = |what: String| Failure::Usage(format!("the name \"{name}\" {what}: choose another with --name"));
    check_name(name).map_err(problem)
}

/// An example for the crate's test: what the interpreter makes of a random picture. It has its own arithmetic, so the
/// test says something about the emitted code.
fn record(output: &Output) -> Result<Recording> {
    let network = &output.network;
    let inputs = Sample::of(network, &mut Generator::new(0)).inputs;
    let problem = |e: String| Diagnostic::error(Code::Unsupported, None, format!("no example can be recorded: {e}"));
    let outputs = output.interpreted(&inputs).map_err(problem)?;
    Ok(Recording { inputs, outputs })
}

fn summary(args: &args::Compile, name: &str, output: &Output) -> String {
    let report = Report::new(output);
    let t = report.totals;
    let mut runtime = String::new();
    if args.runtime == Runtime::Inside {
        runtime += ", with the runtime inside";
    }
    if args.c {
        runtime += &format!(", and for C include/{name}.h");
    }
    if args.web {
        runtime += &format!(", and for the web web/{name}.js");
    }
    format!(
        "{}: crate `{name}`{runtime}\n{} blocks, {} binary operators ({} fused), {:.1} M binary MACs, {:.1} M real MACs, \
         {} kB of weights, {} kB of scratch memory",
        args.out.display(),
        report.blocks.len(),
        t.binary_operators,
        t.fused_blocks,
        t.binary_macs as f64 / 1e6,
        t.real_macs as f64 / 1e6,
        t.weight_bytes.div_ceil(1000),
        t.scratch_bytes.div_ceil(1000),
    )
}
