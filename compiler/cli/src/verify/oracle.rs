//! The engine that says what is right.
//!
//! tract runs the *original* file: not optimised, so that every value of the file exists, and with its own reading of
//! the protobuf, so that a mistake of our import shows. Files with operators tract does not know (Brevitas' quantisers)
//! fall back to the interpreter on the graph as imported; that checks everything behind the import, and the report says
//! which it was. Either computes in f32 what the file has in 16-bit floats ([`half`]).

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::model::TypedRunnableModel;
use tract_onnx::tract_hir::infer::Factoid;
use tract_onnx::tract_hir::internal::bail;

use super::{half, nan, zeros};
use xnorc::interpret;
use xnorc::ir::{self, DType, Graph};

/// What the oracle computed for one sample.
#[derive(Debug, Default)]
pub(super) struct Reference {
    /// One per output of the file.
    pub(super) outputs: Vec<ir::Tensor>,
    /// By ONNX name, as far as the engine has them.
    pub(super) values: HashMap<String, ir::Tensor>,
}

/// The engine.
pub(super) struct Oracle<'a> {
    engine: Engine,
    graph: Cow<'a, Graph>,
    wanted: Vec<String>,
    /// Distance of 1 to the next number in the precision the file asks for, if that is not f32.
    pub(super) coarser: Option<f64>,
}

enum Engine {
    Tract(Box<Tract>),
    /// Why it is not tract.
    Interpreter(String),
}

struct Tract {
    plan: Arc<TypedRunnableModel>,
    /// For each of its inputs: ours, and the element type.
    inputs: Vec<(usize, DatumType)>,
    outputs: usize,
    /// Names of the outputs behind those.
    values: Vec<String>,
}

impl<'a> Oracle<'a> {
    /// Prepares the engine for the values in `wanted`. The `Sign`s in `plus` take 0 for +1.
    pub(super) fn new(
        model: &[u8],
        folder: &Path,
        graph: &'a Graph,
        wanted: &BTreeSet<String>,
        plus: &BTreeSet<String>,
    ) -> Self {
        let mut coarser = None;
        let engine = match Tract::new(model, folder, graph, wanted, plus, &mut coarser) {
            Ok(tract) => Engine::Tract(Box::new(tract)),
            Err(e) => Engine::Interpreter(first_line(&e)),
        };
        let mut graph = Cow::Borrowed(graph);
        if !plus.is_empty() {
            zeros::take_for_plus_in_graph(graph.to_mut(), plus);
        }
        Self { engine, graph, wanted: wanted.iter().cloned().collect(), coarser }
    }

    /// Its name for the report.
    pub(super) fn name(&self) -> &'static str {
        match self.engine {
            Engine::Tract(_) => "tract",
            Engine::Interpreter(_) => "interpreter",
        }
    }

    /// Why the interpreter had to step in.
    pub(super) fn why_not_tract(&self) -> Option<&str> {
        match &self.engine {
            Engine::Tract(_) => None,
            Engine::Interpreter(reason) => Some(reason),
        }
    }

    /// Runs the model. When tract gives up on the way, the interpreter takes over for good.
    pub(super) fn run(&mut self, inputs: &[ir::Tensor]) -> Result<Reference, String> {
        if let Engine::Tract(tract) = &self.engine {
            match tract.run(inputs) {
                Ok(mut reference) => {
                    nan::settle(&self.graph, inputs, &mut reference)?;
                    return Ok(reference);
                }
                Err(e) => self.engine = Engine::Interpreter(first_line(&e)),
            }
        }
        let values = interpret::graph(&self.graph, inputs)?;
        let value = |id| values.get(&id).or_else(|| self.graph.constant(id).map(AsRef::as_ref)).cloned();
        let names = zeros::by_name(&self.graph);
        let outputs = self.graph.outputs.iter().map(|&id| value(id).ok_or("an output was not computed".to_owned()));
        let named =
            self.wanted.iter().filter_map(|name| Some((name.clone(), value(names.get(name.as_str()).copied()?)?)));
        Ok(Reference { outputs: outputs.collect::<Result<_, _>>()?, values: named.collect() })
    }
}

impl Tract {
    fn new(
        model: &[u8],
        folder: &Path,
        graph: &Graph,
        wanted: &BTreeSet<String>,
        plus: &BTreeSet<String>,
        coarser: &mut Option<f64>,
    ) -> TractResult<Self> {
        let framework = tract_onnx::onnx()
            .with_ignore_output_shapes(true)
            .with_ignore_output_types(true)
            .with_ignore_value_info(true);
        let mut proto = framework.proto_model_for_read(&mut Cursor::new(model))?;
        *coarser = half::widen(&mut proto, folder);
        zeros::take_for_plus(&mut proto, plus);
        let parsed = framework.parse(&proto, folder.to_str())?;
        if let Some(name) = parsed.unresolved_inputs.first() {
            bail!("nothing gives the value {name}");
        }
        let mut model = parsed.model;
        let mut inputs = Vec::new();
        for (i, outlet) in model.inputs.clone().into_iter().enumerate() {
            let name = model.nodes[outlet.node].name.clone();
            let Some(ours) = graph.inputs.iter().position(|&id| graph.value(id).name == name) else {
                bail!("the input {name} does not exist in the imported graph");
            };
            let element = model.input_fact(i)?.datum_type.concretize().unwrap_or(f32::datum_type());
            model.set_input_fact(i, InferenceFact::dt_shape(element, graph.shape(graph.inputs[ours])))?;
            inputs.push((ours, element));
        }
        let mut outlets = model.outputs.clone();
        let outputs = outlets.len();
        let mut values = Vec::new();
        for name in wanted {
            if let Some(&outlet) = parsed.outlets_by_name.get(name) {
                outlets.push(outlet);
                values.push(name.clone());
            }
        }
        model.select_output_outlets(&outlets)?;
        let plan = model.into_typed()?.into_runnable()?;
        Ok(Self { plan, inputs, outputs, values })
    }

    fn run(&self, inputs: &[ir::Tensor]) -> TractResult<Reference> {
        let mut given = TVec::new();
        for &(ours, element) in &self.inputs {
            let Some(tensor) = inputs.get(ours) else { bail!("input {ours} is missing") };
            let tensor = match &tensor.data {
                ir::Data::F32(v) => Tensor::from_shape(&tensor.shape, v)?,
                ir::Data::I64(v) => Tensor::from_shape(&tensor.shape, v)?,
                ir::Data::Bool(v) => Tensor::from_shape(&tensor.shape, v)?,
            };
            given.push(tensor.cast_to_dt(element)?.into_owned().into_tvalue());
        }
        let mut results = self.plan.run(given)?.into_iter();
        let outputs = results.by_ref().take(self.outputs).map(|t| convert(&t)).collect::<TractResult<_>>()?;
        // Shapes and lists of strings that the exporter computes are nobody's reference.
        let values = self.values.iter().cloned().zip(results).filter_map(|(name, t)| Some((name, convert(&t).ok()?)));
        Ok(Reference { outputs, values: values.collect() })
    }
}

fn convert(tensor: &Tensor) -> TractResult<ir::Tensor> {
    let shape = tensor.shape().to_vec();
    if tensor.datum_type().is_float() || tensor.datum_type() == bool::datum_type() {
        let floats = tensor.cast_to::<f32>()?;
        return Ok(ir::Tensor::f32(shape, floats.to_plain_array_view::<f32>()?.iter().copied().collect()));
    }
    let integers = tensor.cast_to::<i64>()?;
    let tensor = ir::Tensor::i64(shape, integers.to_plain_array_view::<i64>()?.iter().copied().collect());
    debug_assert_eq!(tensor.dtype(), DType::I64);
    Ok(tensor)
}

/// tract's errors are chains of contexts; the innermost says what it was.
fn first_line(error: &TractError) -> String {
    let text = error.root_cause().to_string();
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(200).collect()
}
