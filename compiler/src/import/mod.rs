//! ONNX protobuf -> [`Graph`]: what the file says, in few operators, every shape known.
//!
//! One sweep over the nodes in topological order: each node's operands are resolved, its parameters read, its operators
//! converted, the shape of its result inferred; and where every operand is a constant, it is evaluated at once. So
//! shapes that are computed in the graph (`Shape -> Gather -> Concat -> Reshape`) are known when they are needed, and
//! only nodes that depend on an input are left. A node that cannot be converted is reported and its results poisoned,
//! so that the sweep goes on and finds the other problems of the file, but none that only follow from this one.
//!
//! A call of a function of the file's own is a sweep over its body in the place of the node, with names of its own; so are the
//! branches of `If` and the turns of `Loop` and `Scan`, which also see the names around them. Behind import there are none of these.

mod body;
mod builder;
mod external;
mod foreign;
mod inputs;
mod node;
mod numbers;
mod operators;
mod order;
mod outputs;
mod proto;
mod scope;
mod sweep;
mod tensors;
mod values;
mod wire;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::ir::Graph;
use crate::printable::{printable, printable_text};
use body::Body;
use builder::Builder;
use external::ExternalFiles;
use proto::{Message as _, ModelProto};
use scope::{Functions, Surroundings};
use sweep::Sweep;
use values::{Scope, Values};

/// The oldest opset whose broadcasting is NumPy's.
const OLDEST_OPSET: i64 = 7;
/// The newest opset that was tested: ONNX's own node tests of each operator's newest version pass (SUPPORT.md).
const NEWEST_OPSET: i64 = 28;

/// How symbolic dimensions are bound, and where external data lies.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Symbolic dimensions by name (`batch` = 1); a dimension without a name is called `INPUT[AXIS]`.
    /// Unbound ones: axis 0 of an input defaults to 1 with a note.
    pub dims: Vec<(String, usize)>,
    /// The model's own folder: external data is read from there and nowhere else.
    pub folder: Option<PathBuf>,
    /// External data that is given as bytes, by the file's own name.
    pub given: Vec<(String, Arc<[u8]>)>,
}

/// What import gives.
#[derive(Debug)]
pub struct Imported {
    /// Level 1 of the IR.
    pub graph: Graph,
    /// Files read beside the model itself.
    pub files: Vec<PathBuf>,
    /// Warnings.
    pub warnings: Diagnostics,
}

/// Adds the place to the problem of a step.
fn at(place: String) -> impl FnOnce(Diagnostic) -> Diagnostic {
    |diagnostic| Diagnostic { place: Some(place), ..diagnostic }
}

/// Reads a model.
///
/// # Errors
/// All problems of the file.
pub fn load(bytes: &[u8], options: &Options) -> Result<Imported, Diagnostics> {
    let model = decode(bytes)?;
    let graph = model.graph.as_ref().ok_or_else(|| not_onnx("it holds no graph"))?;
    let mut diagnostics = Diagnostics::default();
    let opsets = opsets(&model, &mut diagnostics)?;

    let files = ExternalFiles::new(options.folder.clone(), options.given.clone());
    let builder = Builder::new(graph, bytes.len());
    let surroundings = Surroundings::of_file(opsets);
    let body = Body::of_graph(graph);
    let order = order::order(&body, |_| false, &surroundings, &mut diagnostics);
    let values = Values::new(Scope::new(&body, body.uses(&order), false));
    let functions = Functions::new(&model.functions);
    let mut sweep = Sweep::new(builder, files, &mut diagnostics, values, functions);
    inputs::declare(graph, options, &mut sweep.builder, &mut sweep.values.scope().known, sweep.diagnostics);
    sweep.values.count_inputs();
    sweep.nodes(&body, &order, &surroundings);
    sweep.results(&body);
    let Sweep { mut builder, files, mut values, .. } = sweep;

    outputs::declare(graph, &mut builder, &values.scope().known);
    diagnostics.merge_repeated();
    if diagnostics.has_errors() {
        return Err(diagnostics);
    }
    let mut graph = builder.graph;
    graph.sweep();
    outputs::compact(&mut graph);
    numbers::check_graph(&graph, &mut diagnostics);
    if diagnostics.has_errors() {
        return Err(diagnostics);
    }
    make_printable(&mut graph);
    Ok(Imported { graph, files: files.read, warnings: diagnostics })
}

fn not_onnx(message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(Code::NotOnnx, None, message).help("give a file written by an ONNX exporter")
}

fn decode(bytes: &[u8]) -> Result<ModelProto<'_>, Diagnostic> {
    if bytes.is_empty() {
        return Err(not_onnx("the file is empty"));
    }
    if let Some(problem) = foreign::recognise(bytes) {
        return Err(problem);
    }
    let model = ModelProto::read(bytes, 0)
        .map_err(|why| not_onnx(format!("it is not an ONNX model, or a truncated one: {why}")))?;
    // Protobuf takes almost any bytes for a message of unknown fields.
    if model.ir_version <= 0 {
        return Err(not_onnx("it is not an ONNX model: no version of the format is given"));
    }
    Ok(model)
}

/// A domain; that of the standard operators has two names.
fn domain(name: &str) -> &str {
    if name == "ai.onnx" { "" } else { name }
}

/// Refuses operators whose broadcasting is another.
fn old(opsets: &HashMap<String, i64>) -> Option<Diagnostic> {
    let version = opsets.get("").filter(|&&version| version < OLDEST_OPSET)?;
    let problem = Diagnostic::error(Code::UnknownOperator, None, format!("the model uses opset {version}"));
    Some(problem.help(format!("convert it to opset {OLDEST_OPSET} or newer with onnx.version_converter")))
}

/// The version of each domain's operators.
fn opsets(model: &ModelProto<'_>, diagnostics: &mut Diagnostics) -> Result<HashMap<String, i64>, Diagnostic> {
    let mut opsets = HashMap::new();
    for import in &model.opset_import {
        opsets.insert(domain(import.domain).to_owned(), import.version);
    }
    let Some(&version) = opsets.get("") else {
        return Err(not_onnx("no version of the standard operators is given, so their meaning is unknown"));
    };
    if let Some(problem) = old(&opsets) {
        diagnostics.push(problem);
    } else if version > NEWEST_OPSET {
        diagnostics.push(
            Diagnostic::warning(
                Code::Opset,
                None,
                format!("the model uses opset {version}; the newest that was tested is {NEWEST_OPSET}"),
            )
            .help("export with an older opset if the results look wrong"),
        );
    }
    Ok(opsets)
}

/// Makes every name of a graph printable. Behind this nothing that prints a name has to think of it. (The origin of a
/// value keeps the file's own spelling: by it other engines know the value.)
fn make_printable(graph: &mut Graph) {
    graph.name = printable(&graph.name);
    graph.values.iter_mut().for_each(|value| value.name = printable(&value.name));
    graph.nodes.iter_mut().for_each(|node| node.name = printable(&node.name));
    graph.notes.iter_mut().for_each(|note| *note = printable_text(note));
}

#[cfg(test)]
mod tests;
