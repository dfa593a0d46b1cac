//! One ONNX node under conversion: its attributes and operands, read with checks.

use std::collections::HashMap;
use std::sync::Arc;

use super::builder::Builder;
use super::external::ExternalFiles;
use super::order::node_name;
use super::proto::{AttributeProto, AttributeType, NodeProto};
use super::{Outcome, numbers, tensors};
use crate::diagnostics::{Code, Diagnostic};
use crate::ir::text::graph::name_of;
use crate::ir::{Binary, DType, Op, Origin, Shape, Tensor, Unary, ValueId};

/// A problem of the node under conversion.
pub(crate) fn problem(code: Code, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(code, None, message)
}

/// A wrong attribute or parameter.
pub(crate) fn bad(message: impl Into<String>) -> Diagnostic {
    problem(Code::BadAttribute, message)
}

/// One ONNX node under conversion.
pub(crate) struct NodeContext<'a> {
    builder: &'a mut Builder,
    files: &'a mut ExternalFiles,
    node: &'a NodeProto<'a>,
    /// Version of the node's domain; `None` when the file does not say.
    opset: Option<i64>,
    uses: &'a HashMap<&'a str, usize>,
    operands: Vec<Option<ValueId>>,
    /// Values from this index on were made for this node.
    first_own: usize,
}

impl<'a> NodeContext<'a> {
    pub(super) fn new(
        builder: &'a mut Builder,
        files: &'a mut ExternalFiles,
        node: &'a NodeProto<'a>,
        opsets: &HashMap<String, i64>,
        uses: &'a HashMap<&'a str, usize>,
        operands: Vec<Option<ValueId>>,
    ) -> Self {
        let domain = if node.domain == "ai.onnx" { "" } else { node.domain };
        let opset = opsets.get(domain).copied();
        let first_own = builder.graph.values.len();
        Self { builder, files, node, opset, uses, operands, first_own }
    }

    /// Where a problem of this node is.
    pub(crate) fn place(&self) -> String {
        let opset = self.opset.map_or_else(String::new, |version| format!(", opset {version}"));
        let domain = if self.node.domain.is_empty() { String::new() } else { format!("{}.", self.node.domain) };
        format!("node {:?} ({domain}{}{opset})", node_name(self.node), self.node.op_type)
    }

    /// The operator's type.
    pub(crate) fn op_type(&self) -> &'a str {
        self.node.op_type
    }

    /// The operator's domain.
    pub(crate) fn domain(&self) -> &'a str {
        self.node.domain
    }

    /// The version of the operator's domain; a file that does not say is taken to be recent.
    pub(crate) fn opset(&self) -> i64 {
        self.opset.unwrap_or(i64::MAX)
    }

    /// Number of results the node declares.
    pub(crate) fn output_count(&self) -> usize {
        self.node.output.len()
    }

    /// Whether anything uses a result of the node.
    pub(crate) fn output_used(&self, i: usize) -> bool {
        self.node.output.get(i).is_some_and(|&name| !name.is_empty() && self.uses.contains_key(name))
    }

    /// Whether a result of the node has a name.
    pub(crate) fn output_named(&self, i: usize) -> bool {
        self.node.output.get(i).is_some_and(|name| !name.is_empty())
    }

    /// Number of operands, trailing absent ones included.
    pub(crate) fn operand_count(&self) -> usize {
        self.operands.len()
    }

    /// An operand that must be there.
    pub(crate) fn operand(&self, i: usize) -> Outcome<ValueId> {
        self.optional(i).ok_or_else(|| bad(format!("operand {i} is missing")))
    }

    /// An operand that may be absent.
    pub(crate) fn optional(&self, i: usize) -> Option<ValueId> {
        self.operands.get(i).copied().flatten()
    }

    /// The shape of a value.
    pub(crate) fn shape(&self, id: ValueId) -> Shape {
        self.builder.graph.shape(id).to_vec()
    }

    /// The element type of a value.
    pub(crate) fn dtype(&self, id: ValueId) -> DType {
        self.builder.graph.value(id).dtype
    }

    /// The elements of a value, when known.
    pub(crate) fn constant(&self, id: ValueId) -> Option<Arc<Tensor>> {
        self.builder.graph.constant(id).cloned()
    }

    /// An operand whose elements must be known at compile time.
    pub(crate) fn parameter(&self, i: usize, what: &str) -> Outcome<Option<Arc<Tensor>>> {
        let Some(id) = self.optional(i) else { return Ok(None) };
        self.constant(id).map(Some).ok_or_else(|| {
            problem(
                Code::NotConstant,
                format!("its {what} ({:?}) must be known at compile time", self.builder.graph.value(id).name),
            )
            .help("export with fixed shapes and constant folding")
        })
    }

    /// Integers that must be known at compile time, passed as an operand.
    pub(crate) fn int_parameter(&self, i: usize, what: &str) -> Outcome<Option<Vec<i64>>> {
        self.parameter(i, what)?
            .map(|tensor| match tensor.as_i64() {
                Some(ints) => Ok(ints.to_vec()),
                None => Err(bad(format!("its {what} must be integers"))),
            })
            .transpose()
    }

    /// A float that must be known at compile time, passed as an operand.
    pub(crate) fn float_parameter(&self, i: usize, what: &str) -> Outcome<Option<f32>> {
        self.parameter(i, what)?
            .map(|tensor| match tensor.to_f32()[..] {
                [x] => Ok(x),
                _ => Err(bad(format!("its {what} must be one number"))),
            })
            .transpose()
    }

    fn attribute(&self, name: &str, kind: AttributeType) -> Outcome<Option<&'a AttributeProto<'a>>> {
        let Some(attribute) = self.node.attribute.iter().find(|a| a.name == name) else { return Ok(None) };
        if !attribute.ref_attr_name.is_empty() {
            return Err(bad(format!("attribute {name:?} refers to a function's, outside of any function")));
        }
        // Type 0: files older than the field.
        if attribute.kind != kind as i32 && attribute.kind != 0 {
            return Err(bad(format!("attribute {name:?} is not of type {}", kind.name())));
        }
        Ok(Some(attribute))
    }

    /// An integer attribute.
    pub(crate) fn int(&self, name: &str) -> Outcome<Option<i64>> {
        Ok(self.attribute(name, AttributeType::Int)?.map(|a| a.i))
    }

    /// A flag.
    pub(crate) fn flag(&self, name: &str) -> Outcome<bool> {
        Ok(self.int(name)?.unwrap_or(0) != 0)
    }

    /// A list of integers.
    pub(crate) fn ints(&self, name: &str) -> Outcome<Option<Vec<i64>>> {
        let attribute = self.attribute(name, AttributeType::Ints)?;
        attribute.map(|a| a.ints.ints(|x| x as i64)).transpose().map_err(bad)
    }

    /// A float attribute.
    pub(crate) fn float(&self, name: &str, default: f32) -> Outcome<f32> {
        Ok(self.optional_float(name)?.unwrap_or(default))
    }

    /// A float attribute that may be absent.
    pub(crate) fn optional_float(&self, name: &str) -> Outcome<Option<f32>> {
        let value = self.attribute(name, AttributeType::Float)?.map(|a| a.f);
        match value {
            Some(x) if x.is_nan() => Err(bad(format!("attribute {name:?} is not a number"))),
            _ => Ok(value),
        }
    }

    /// A list of floats.
    pub(crate) fn floats(&self, name: &str) -> Outcome<Option<Vec<f32>>> {
        let attribute = self.attribute(name, AttributeType::Floats)?;
        let floats = attribute.map(|a| a.floats.fixed(f32::from_le_bytes)).transpose().map_err(bad)?;
        match floats.iter().flatten().position(|x| x.is_nan()) {
            Some(i) => Err(bad(format!("element {i} of attribute {name:?} is not a number"))),
            None => Ok(floats),
        }
    }

    /// A text attribute.
    pub(crate) fn text(&self, name: &str) -> Outcome<Option<String>> {
        Ok(self.attribute(name, AttributeType::String)?.map(|a| String::from_utf8_lossy(a.s).into_owned()))
    }

    /// A constant held in an attribute.
    pub(crate) fn tensor(&mut self, name: &str) -> Outcome<Option<Tensor>> {
        let attribute = self.attribute(name, AttributeType::Tensor)?;
        let tensor = attribute.and_then(|a| a.t.as_ref()).map(|t| tensors::read(t, self.files)).transpose();
        self.builder.external = self.files.size();
        if let Ok(Some(tensor)) = &tensor {
            numbers::check(tensor)?;
        }
        tensor
    }

    /// Counts the elements of a constant that is about to be made from parameters.
    pub(crate) fn spend(&mut self, elements: Option<usize>) -> Outcome<()> {
        self.builder.spend(elements)
    }

    /// Adds a constant.
    pub(crate) fn add_constant(&mut self, tensor: Tensor) -> ValueId {
        let base = format!("{}.constant", self.base());
        self.builder.constant(&base, tensor)
    }

    /// Adds a scalar constant.
    pub(crate) fn scalar(&mut self, x: f32) -> ValueId {
        self.add_constant(Tensor::f32([], vec![x]))
    }

    fn base(&self) -> &'a str {
        self.node.output.iter().copied().find(|name| !name.is_empty()).unwrap_or("")
    }

    /// Applies an operator.
    pub(crate) fn apply(&mut self, op: Op, inputs: &[ValueId]) -> Outcome<ValueId> {
        self.apply_to(op, inputs, None)
    }

    /// Applies an operator that takes the shape of its result from outside.
    pub(crate) fn apply_to(&mut self, op: Op, inputs: &[ValueId], target: Option<&[usize]>) -> Outcome<ValueId> {
        let base = format!("{}.{}", self.base(), name_of(&op));
        self.builder.apply((node_name(self.node), self.node.op_type, &base), op, inputs, target)
    }

    /// Applies a function of one argument.
    pub(crate) fn unary(&mut self, function: Unary, x: ValueId) -> Outcome<ValueId> {
        self.apply(Op::Unary(function), &[x])
    }

    /// Applies a function of two arguments.
    pub(crate) fn binary(&mut self, function: Binary, a: ValueId, b: ValueId) -> Outcome<ValueId> {
        self.apply(Op::Binary(function), &[a, b])
    }

    /// Gives a value another shape; itself when it has that shape.
    pub(crate) fn reshape(&mut self, x: ValueId, shape: &[usize]) -> Outcome<ValueId> {
        if self.builder.graph.shape(x) == shape { Ok(x) } else { self.apply_to(Op::Reshape, &[x], Some(shape)) }
    }

    /// Permutes the axes of a value; itself when they stay.
    pub(crate) fn transpose(&mut self, x: ValueId, perm: Vec<usize>) -> Outcome<ValueId> {
        if perm.iter().copied().eq(0..perm.len()) { Ok(x) } else { self.apply(Op::Transpose(perm), &[x]) }
    }

    /// An axis counted from the front; negative ones count from the back of `rank`.
    pub(crate) fn axis(&self, axis: i64, rank: usize) -> Outcome<usize> {
        let counted = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
        counted
            .and_then(|axis| usize::try_from(axis).ok())
            .filter(|&axis| axis < rank)
            .ok_or_else(|| bad(format!("axis {axis} of a value of {rank} dimensions")))
    }

    /// Several axes, sorted; each may stand once.
    pub(crate) fn axes(&self, axes: &[i64], rank: usize) -> Outcome<Vec<usize>> {
        let mut counted = axes.iter().map(|&axis| self.axis(axis, rank)).collect::<Outcome<Vec<_>>>()?;
        counted.sort_unstable();
        let len = counted.len();
        counted.dedup();
        if counted.len() == len { Ok(counted) } else { Err(bad(format!("an axis stands twice in {axes:?}"))) }
    }

    /// Gives the results the names of the file. A result that is an older value under another name keeps its own.
    pub(crate) fn finish(&mut self, results: &[Option<ValueId>]) {
        for (&name, id) in self.node.output.iter().zip(results) {
            let Some(id) = *id else { continue };
            let value = &mut self.builder.graph.values[id.0 as usize];
            if (id.0 as usize) < self.first_own || name.is_empty() || value.origin.is_some() {
                continue;
            }
            value.name = name.to_owned();
            if value.constant.is_none() {
                value.origin = Some(Origin { name: name.to_owned(), shape: value.shape.clone(), permutation: None });
            }
        }
    }
}
