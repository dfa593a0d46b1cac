//! One ONNX node under conversion, as operators see it: attributes and operands read with checks, operators applied.
//!
//! What a node is made of is the importer's ([`Node`]); what can be asked of it is the same for every importer.

use std::sync::Arc;

use super::element::DataType;
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::ir::{Binary, DType, Graph, Op, Shape, Tensor, Unary, ValueId};

/// A problem of the node under conversion.
pub(crate) fn problem(code: Code, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(code, None, message)
}

/// A wrong attribute or parameter.
pub(crate) fn bad(message: impl Into<String>) -> Diagnostic {
    problem(Code::BadAttribute, message)
}

/// What an importer says of a node, and does for it.
pub(crate) trait Node {
    /// The graph made so far.
    fn graph(&self) -> &Graph;

    /// The version of the operator's domain; a file that does not say is taken to be recent.
    fn opset(&self) -> i64;

    /// The operands, those that are absent included.
    fn operands(&self) -> &[Option<ValueId>];

    /// Number of results the node declares.
    fn output_count(&self) -> usize;

    /// Whether a result of the node has a name.
    fn output_named(&self, i: usize) -> bool;

    /// Whether anything uses a result of the node.
    fn output_used(&self, i: usize) -> bool;

    /// An integer attribute.
    fn int(&self, name: &str) -> Outcome<Option<i64>>;

    /// A list of integers.
    fn ints(&self, name: &str) -> Outcome<Option<Vec<i64>>>;

    /// A float attribute that may be absent.
    fn optional_float(&self, name: &str) -> Outcome<Option<f32>>;

    /// A list of floats.
    fn floats(&self, name: &str) -> Outcome<Option<Vec<f32>>>;

    /// A text attribute.
    fn text(&self, name: &str) -> Outcome<Option<String>>;

    /// A list of texts.
    fn texts(&self, name: &str) -> Outcome<Option<Vec<String>>>;

    /// A constant held in an attribute, and the type of its elements.
    fn tensor(&mut self, name: &str) -> Outcome<Option<(Tensor, DataType)>>;

    /// The type of a value's elements in the file.
    fn element(&self, id: ValueId) -> DataType;

    /// Says what that is of a value made for this node; one of which nothing is said has that of the first operand.
    fn set_element(&mut self, id: ValueId, kind: DataType);

    /// Counts the elements of a constant that is about to be made from parameters.
    fn spend(&mut self, elements: Option<usize>) -> Outcome<()>;

    /// Adds a constant.
    fn add_constant(&mut self, tensor: Tensor) -> ValueId;

    /// Applies an operator that takes the shape of its result from outside.
    fn apply_to(&mut self, op: Op, inputs: &[ValueId], target: Option<&[usize]>) -> Outcome<ValueId>;
}

/// A node under conversion.
pub(crate) type NodeContext<'a> = dyn Node + 'a;

impl<'a> NodeContext<'a> {
    /// Number of operands, trailing absent ones included.
    pub(crate) fn operand_count(&self) -> usize {
        self.operands().len()
    }

    /// An operand that must be there.
    pub(crate) fn operand(&self, i: usize) -> Outcome<ValueId> {
        self.optional(i).ok_or_else(|| bad(format!("operand {i} is missing")))
    }

    /// An operand that may be absent.
    pub(crate) fn optional(&self, i: usize) -> Option<ValueId> {
        self.operands().get(i).copied().flatten()
    }

    /// The shape of a value.
    pub(crate) fn shape(&self, id: ValueId) -> Shape {
        self.graph().shape(id).to_vec()
    }

    /// The element type of a value.
    pub(crate) fn dtype(&self, id: ValueId) -> DType {
        self.graph().value(id).dtype
    }

    /// The elements of a value, when known.
    pub(crate) fn constant(&self, id: ValueId) -> Option<Arc<Tensor>> {
        self.graph().constant(id).cloned()
    }

    /// An operand whose elements must be known at compile time.
    pub(crate) fn parameter(&self, i: usize, what: &str) -> Outcome<Option<Arc<Tensor>>> {
        let Some(id) = self.optional(i) else { return Ok(None) };
        self.constant(id).map(Some).ok_or_else(|| {
            let value = self.graph().value(id);
            let name = value.origin.as_ref().map_or(&value.name, |origin| &origin.name);
            problem(Code::NotConstant, format!("its {what} ({name:?}) must be known at compile time"))
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

    /// A flag.
    pub(crate) fn flag(&self, name: &str) -> Outcome<bool> {
        Ok(self.int(name)?.unwrap_or(0) != 0)
    }

    /// A float attribute.
    pub(crate) fn float(&self, name: &str, default: f32) -> Outcome<f32> {
        Ok(self.optional_float(name)?.unwrap_or(default))
    }

    /// Adds a scalar constant.
    pub(crate) fn scalar(&mut self, x: f32) -> ValueId {
        self.add_constant(Tensor::f32([], vec![x]))
    }

    /// Applies an operator.
    pub(crate) fn apply(&mut self, op: Op, inputs: &[ValueId]) -> Outcome<ValueId> {
        self.apply_to(op, inputs, None)
    }

    /// Applies a function of one argument.
    pub(crate) fn unary(&mut self, function: Unary, x: ValueId) -> Outcome<ValueId> {
        self.apply(Op::Unary(function), &[x])
    }

    /// Applies a function of two arguments.
    pub(crate) fn binary(&mut self, function: Binary, a: ValueId, b: ValueId) -> Outcome<ValueId> {
        self.apply(Op::Binary(function), &[a, b])
    }

    /// Whether a value is a float that holds an integer.
    pub(crate) fn holds_integers(&self, id: ValueId) -> bool {
        self.dtype(id) == DType::F32 && self.element(id).integer().is_some()
    }

    /// Operands of one type: where something is computed, and it is not of ordinary floats, the integers among the constants are
    /// floats that hold them, as those are that are computed.
    pub(crate) fn alike(&mut self, operands: &[ValueId]) -> Outcome<Vec<ValueId>> {
        let mut computed = operands.iter().filter(|&&id| self.graph().constant(id).is_none()).peekable();
        if computed.peek().is_none() || computed.any(|&id| self.dtype(id) == DType::F32 && !self.holds_integers(id)) {
            return Ok(operands.to_vec());
        }
        let held = |&id: &ValueId| match self.dtype(id) {
            DType::I64 => self.apply(Op::Cast(DType::F32), &[id]),
            _ => Ok(id),
        };
        operands.iter().map(held).collect()
    }

    /// Gives a value another shape; itself when it has that shape.
    pub(crate) fn reshape(&mut self, x: ValueId, shape: &[usize]) -> Outcome<ValueId> {
        if self.graph().shape(x) == shape { Ok(x) } else { self.apply_to(Op::Reshape, &[x], Some(shape)) }
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
}
