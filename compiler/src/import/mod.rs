//! ONNX protobuf -> [`Graph`]: what the file says, in few operators, every shape known.
//!
//! One sweep over the nodes in topological order: each node's operands are resolved, its parameters read, its operators
//! converted, the shape of its result inferred; and where every operand is a constant, it is evaluated at once. So
//! shapes that are computed in the graph (`Shape -> Gather -> Concat -> Reshape`) are known when they are needed, and
//! only nodes that depend on an input are left. A node that cannot be converted is reported and its results poisoned,
//! so that the sweep goes on and finds the other problems of the file, but none that only follow from this one.

mod builder;
mod external;
mod inputs;
pub(crate) mod node;
mod operators;
mod order;
mod outputs;
pub(crate) mod tensors;

use std::collections::HashMap;
use std::path::PathBuf;

use prost::Message;
use tract_onnx::pb::{ModelProto, NodeProto};

use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::ir::{Graph, ValueId};
use crate::printable;
use builder::Builder;
use external::ExternalFiles;
use node::NodeContext;

/// The oldest opset whose broadcasting is NumPy's.
const OLDEST_OPSET: i64 = 7;
/// The newest opset that was tested.
const NEWEST_OPSET: i64 = 22;

/// How symbolic dimensions are bound, and where external data lies.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Symbolic dimensions by name (`batch` = 1); a dimension without a name is called `INPUT[AXIS]`.
    /// Unbound ones: axis 0 of an input defaults to 1 with a note.
    pub dims: Vec<(String, usize)>,
    /// The model's own folder: external data is read from there and nowhere else.
    pub folder: Option<PathBuf>,
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

/// What a step of import gives, or the problem that it met; the caller adds the place.
pub(crate) type Outcome<T> = Result<T, Diagnostic>;

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

    let mut files = ExternalFiles::new(options.folder.clone());
    let mut builder = Builder::new(graph, bytes.len());
    let order = order::order(graph, &mut diagnostics);
    let uses = uses(graph, &order);
    // `None`: poisoned by a problem that is reported already.
    let mut values: HashMap<&str, Option<ValueId>> = HashMap::new();
    inputs::declare(graph, options, &mut builder, &mut values, &mut diagnostics);
    for tensor in graph.initializer.iter().filter(|t| uses.contains_key(t.name.as_str())) {
        let place = || format!("initializer {:?}", tensor.name);
        let value = match tensors::read(tensor, &mut files) {
            Ok(constant) => Some(builder.graph.add_constant(&tensor.name, constant)),
            Err(problem) => {
                diagnostics.push(at(place())(problem));
                None
            }
        };
        values.insert(&tensor.name, value);
    }
    for tensor in graph.sparse_initializer.iter().filter_map(|t| t.values.as_ref()) {
        if uses.contains_key(tensor.name.as_str()) {
            let place = format!("initializer {:?}", tensor.name);
            diagnostics.push(Diagnostic::error(Code::BadInitializer, place, "sparse constants are not supported"));
            values.insert(&tensor.name, None);
        }
    }

    for index in order {
        let node = &graph.node[index];
        let converted = match operands(node, &values) {
            Some(operands) => {
                let mut context = NodeContext::new(&mut builder, &mut files, node, &opsets, &uses, operands);
                let place = context.place();
                operators::convert(&mut context).map_err(at(place))
            }
            None => Ok(vec![None; node.output.len()]),
        };
        let results = converted.unwrap_or_else(|problem| {
            diagnostics.push(problem);
            Vec::new()
        });
        for (i, output) in node.output.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            values.insert(output, results.get(i).copied().flatten());
        }
    }

    outputs::declare(graph, &mut builder, &values);
    if diagnostics.has_errors() {
        return Err(diagnostics);
    }
    let mut graph = builder.graph;
    graph.sweep();
    outputs::compact(&mut graph);
    printable::make_printable(&mut graph);
    Ok(Imported { graph, files: files.read, warnings: diagnostics })
}

fn not_onnx(message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(Code::NotOnnx, None, message).help("give a file written by an ONNX exporter")
}

fn decode(bytes: &[u8]) -> Result<ModelProto, Diagnostic> {
    if bytes.is_empty() {
        return Err(not_onnx("the file is empty"));
    }
    let model = ModelProto::decode(bytes).map_err(|error| {
        not_onnx(format!("it is not an ONNX model, or a truncated one: {}", error.to_string().replace('\n', " ")))
    })?;
    // Protobuf takes almost any bytes for a message of unknown fields.
    if model.ir_version <= 0 {
        return Err(not_onnx("it is not an ONNX model: no version of the format is given"));
    }
    Ok(model)
}

/// The version of each domain's operators.
fn opsets(model: &ModelProto, diagnostics: &mut Diagnostics) -> Result<HashMap<String, i64>, Diagnostic> {
    let mut opsets = HashMap::new();
    for import in &model.opset_import {
        let domain = if import.domain == "ai.onnx" { "" } else { &import.domain };
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
fn uses<'a>(graph: &'a tract_onnx::pb::GraphProto, live: &[usize]) -> HashMap<&'a str, usize> {
    let mut uses = HashMap::new();
    let inputs = live.iter().flat_map(|&i| &graph.node[i].input).map(String::as_str);
    for name in inputs.chain(graph.output.iter().map(|o| o.name.as_str())) {
        *uses.entry(name).or_insert(0) += 1;
    }
    uses
}

/// The operands of a node, absent ones `None`; nothing when one is poisoned.
fn operands(node: &NodeProto, values: &HashMap<&str, Option<ValueId>>) -> Option<Vec<Option<ValueId>>> {
    let resolve = |name: &String| {
        if name.is_empty() { Some(None) } else { values.get(name.as_str()).copied().flatten().map(Some) }
    };
    node.input.iter().map(resolve).collect()
}

#[cfg(test)]
mod tests;
