//! ONNX protobuf -> [`Graph`]: what the file says, in few operators, every shape known.
//!
//! One sweep over the nodes in topological order: each node's operands are resolved, its parameters read, its operators
//! converted, the shape of its result inferred; and where every operand is a constant, it is evaluated at once. So
//! shapes that are computed in the graph (`Shape -> Gather -> Concat -> Reshape`) are known when they are needed, and
//! only nodes that depend on an input are left. A node that cannot be converted is reported and its results poisoned,
//! so that the sweep goes on and finds the other problems of the file, but none that only follow from this one.

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
mod tensors;
mod values;
mod wire;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::internal;
use crate::ir::Graph;
use crate::printable::{printable, printable_text};
use builder::Builder;
use external::ExternalFiles;
use node::Conversion;
use proto::{GraphProto, Message as _, ModelProto};
use values::Values;

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

    let mut files = ExternalFiles::new(options.folder.clone(), options.given.clone());
    let mut builder = Builder::new(graph, bytes.len());
    let order = order::order(graph, &mut diagnostics);
    let uses = uses(graph, &order);
    let mut values = Values::new(graph, &uses);
    inputs::declare(graph, options, &mut builder, &mut values.known, &mut diagnostics);
    values.count_inputs();
    for index in order {
        let node = &graph.node[index];
        let first_own = builder.graph.values.len();
        let operands = values.operands(node, &mut builder, &mut files, &mut diagnostics);
        builder.external = files.size();
        // A node without its operands cannot be converted, but it is asked whether it could be: the operators that are
        // not supported are all told at once.
        let poisoned = operands.is_none();
        let operands = operands.unwrap_or_default();
        let mut context = Conversion::new(&mut builder, &mut files, node, &opsets, &uses, operands);
        let place = context.place();
        internal::at(&place);
        let results = operators::convert(&mut context).map_err(at(place)).unwrap_or_else(|problem| {
            if !poisoned || problem.code.is_about_the_operator() {
                diagnostics.push(problem);
            }
            Vec::new()
        });
        for (i, &output) in node.output.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            let result = if poisoned { None } else { results.get(i).copied().flatten() };
            values.define(output, result);
        }
        values.release(node, first_own, &mut builder);
    }
    for output in &graph.output {
        values.resolve(output.name, &mut builder, &mut files, &mut diagnostics);
    }

    outputs::declare(graph, &mut builder, &values.known);
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
    let model = ModelProto::read(bytes)
        .map_err(|why| not_onnx(format!("it is not an ONNX model, or a truncated one: {why}")))?;
    // Protobuf takes almost any bytes for a message of unknown fields.
    if model.ir_version <= 0 {
        return Err(not_onnx("it is not an ONNX model: no version of the format is given"));
    }
    Ok(model)
}

/// The version of each domain's operators.
fn opsets(model: &ModelProto<'_>, diagnostics: &mut Diagnostics) -> Result<HashMap<String, i64>, Diagnostic> {
    let mut opsets = HashMap::new();
    for import in &model.opset_import {
        let domain = if import.domain == "ai.onnx" { "" } else { import.domain };
        opsets.insert(domain.to_owned(), import.version);
    }
    let Some(&version) = opsets.get("") else {
        return Err(not_onnx("no version of the standard operators is given, so their meaning is unknown"));
    };
    if version < OLDEST_OPSET {
        diagnostics.push(
            Diagnostic::error(Code::UnknownOperator, None, format!("the model uses opset {version}"))
                .help(format!("convert it to opset {OLDEST_OPSET} or newer with onnx.version_converter")),
        );
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

/// How often each value is used by live nodes and outputs.
fn uses<'a>(graph: &GraphProto<'a>, live: &[usize]) -> HashMap<&'a str, usize> {
    let mut uses = HashMap::new();
    let inputs = live.iter().flat_map(|&i| graph.node[i].input.iter().copied());
    for name in inputs.chain(graph.output.iter().map(|o| o.name)) {
        *uses.entry(name).or_insert(0) += 1;
    }
    uses
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
