//! One ONNX node under conversion: what it is made of in the file.

use std::collections::HashMap;

use super::builder::Builder;
use super::external::ExternalFiles;
use super::order::node_name;
use super::proto::{AttributeProto, AttributeType, NodeProto};
use super::scope::Surroundings;
use super::{numbers, tensors};
use crate::diagnostics::Outcome;
use crate::ir::text::graph::name_of;
use crate::ir::{DType, Graph, Op, Origin, Tensor, ValueId};
use crate::ops::element::DataType;
use crate::ops::node::{Node, bad};

/// One ONNX node under conversion.
pub(crate) struct Conversion<'a> {
    builder: &'a mut Builder,
    files: &'a mut ExternalFiles,
    node: &'a NodeProto<'a>,
    /// Version of the node's domain; `None` when the file does not say.
    opset: Option<i64>,
    surroundings: &'a Surroundings<'a>,
    uses: &'a HashMap<&'a str, usize>,
    operands: Vec<Option<ValueId>>,
    /// Values from this index on were made for this node.
    first_own: usize,
}

impl<'a> Conversion<'a> {
    /// `first_own`: the first value that is made for this node.
    pub(super) fn new(
        builder: &'a mut Builder,
        files: &'a mut ExternalFiles,
        node: &'a NodeProto<'a>,
        surroundings: &'a Surroundings<'a>,
        uses: &'a HashMap<&'a str, usize>,
        operands: Vec<Option<ValueId>>,
        first_own: usize,
    ) -> Self {
        let opset = surroundings.opsets.get(super::domain(node.domain)).copied();
        Self { builder, files, node, opset, surroundings, uses, operands, first_own }
    }

    /// Where a problem of this node is.
    pub(crate) fn place(&self) -> String {
        let opset = self.opset.map_or_else(String::new, |version| format!(", opset {version}"));
        let domain = if self.node.domain.is_empty() { String::new() } else { format!("{}.", self.node.domain) };
        self.surroundings.place(node_name(self.node), &format!("{domain}{}{opset}", self.node.op_type))
    }

    /// The operator's type.
    pub(crate) fn op_type(&self) -> &'a str {
        self.node.op_type
    }

    /// The operator's domain.
    pub(crate) fn domain(&self) -> &'a str {
        self.node.domain
    }

    fn attribute(&self, name: &str, kind: AttributeType) -> Outcome<Option<&'a AttributeProto<'a>>> {
        self.surroundings.attribute(self.node, name, kind)
    }

    fn base(&self) -> &'a str {
        self.node.output.iter().copied().find(|name| !name.is_empty()).unwrap_or("")
    }

    /// Gives the results the names of the file. A result that is an older value under another name keeps its own, as do those of
    /// nodes in bodies within, whose names are not the file's alone. `given`: the type of elements of those that have not said
    /// theirs.
    pub(crate) fn finish(&mut self, results: &[Option<ValueId>], given: Option<DataType>) {
        for (&name, id) in self.node.output.iter().zip(results) {
            let Some(id) = *id else { continue };
            if id.0 as usize >= self.first_own
                && let Some(kind) = given.filter(|&kind| holds(self.builder.graph.value(id).dtype, kind))
            {
                self.builder.kinds.entry(id).or_insert(kind);
            }
            let value = &mut self.builder.graph.values[id.0 as usize];
            if (id.0 as usize) < self.first_own || name.is_empty() || value.origin.is_some() {
                continue;
            }
            if !self.surroundings.path.is_empty() {
                continue;
            }
            value.name = name.to_owned();
            if value.constant.is_none() {
                value.origin = Some(Origin::new(name.to_owned(), value.shape.clone()));
            }
        }
    }
}

/// Whether elements of a type of the file may be held as these.
fn holds(held: DType, kind: DataType) -> bool {
    match held {
        DType::F32 => kind != DataType::Bool,
        DType::I64 => kind.integer().is_some(),
        _ => false,
    }
}

impl Node for Conversion<'_> {
    fn element(&self, id: ValueId) -> DataType {
        self.builder.kind(id)
    }

    fn set_element(&mut self, id: ValueId, kind: DataType) {
        self.builder.kinds.insert(id, kind);
    }

    fn graph(&self) -> &Graph {
        &self.builder.graph
    }

    fn operands(&self) -> &[Option<ValueId>] {
        &self.operands
    }

    fn opset(&self) -> i64 {
        self.opset.unwrap_or(i64::MAX)
    }

    fn output_count(&self) -> usize {
        self.node.output.len()
    }

    fn output_used(&self, i: usize) -> bool {
        self.node.output.get(i).is_some_and(|&name| !name.is_empty() && self.uses.contains_key(name))
    }

    fn output_named(&self, i: usize) -> bool {
        self.node.output.get(i).is_some_and(|name| !name.is_empty())
    }

    fn int(&self, name: &str) -> Outcome<Option<i64>> {
        Ok(self.attribute(name, AttributeType::Int)?.map(|a| a.i))
    }

    fn ints(&self, name: &str) -> Outcome<Option<Vec<i64>>> {
        let attribute = self.attribute(name, AttributeType::Ints)?;
        attribute.map(|a| a.ints.ints(|x| x as i64)).transpose().map_err(bad)
    }

    fn optional_float(&self, name: &str) -> Outcome<Option<f32>> {
        let value = self.attribute(name, AttributeType::Float)?.map(|a| a.f);
        match value {
            Some(x) if x.is_nan() => Err(bad(format!("attribute {name:?} is not a number"))),
            _ => Ok(value),
        }
    }

    fn floats(&self, name: &str) -> Outcome<Option<Vec<f32>>> {
        let attribute = self.attribute(name, AttributeType::Floats)?;
        let floats = attribute.map(|a| a.floats.fixed(f32::from_le_bytes)).transpose().map_err(bad)?;
        match floats.iter().flatten().position(|x| x.is_nan()) {
            Some(i) => Err(bad(format!("element {i} of attribute {name:?} is not a number"))),
            None => Ok(floats),
        }
    }

    fn text(&self, name: &str) -> Outcome<Option<String>> {
        Ok(self.attribute(name, AttributeType::String)?.map(|a| String::from_utf8_lossy(a.s).into_owned()))
    }

    fn texts(&self, name: &str) -> Outcome<Option<Vec<String>>> {
        let attribute = self.attribute(name, AttributeType::Strings)?;
        Ok(attribute.map(|a| a.strings.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect()))
    }

    fn tensor(&mut self, name: &str) -> Outcome<Option<(Tensor, DataType)>> {
        let attribute = self.attribute(name, AttributeType::Tensor)?;
        let Some(proto) = attribute.and_then(|a| a.t.as_ref()) else { return Ok(None) };
        let tensor = tensors::read(proto, self.files);
        self.builder.external = self.files.size();
        let tensor = tensor?;
        numbers::check(&tensor)?;
        Ok(DataType::of(proto.data_type).map(|kind| (tensor, kind)))
    }

    fn spend(&mut self, elements: Option<usize>) -> Outcome<()> {
        self.builder.spend(elements)
    }

    fn add_constant(&mut self, tensor: Tensor) -> ValueId {
        let base = format!("{}.constant", self.base());
        self.builder.constant(&base, tensor)
    }

    fn apply_to(&mut self, op: Op, inputs: &[ValueId], target: Option<&[usize]>) -> Outcome<ValueId> {
        let base = format!("{}.{}", self.base(), name_of(&op));
        let name = format!("{}{}", self.surroundings.path, node_name(self.node));
        self.builder.apply((&name, self.node.op_type, &base), op, inputs, target)
    }
}
