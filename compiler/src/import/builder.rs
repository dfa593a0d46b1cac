//! The graph under construction: infers each result, evaluates what is constant, keeps names unique and sizes bounded.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::numbers;
use super::proto::GraphProto;
use crate::diagnostics::Outcome;
use crate::diagnostics::{Code, Diagnostic};
use crate::ir::{DType, Graph, Node, Op, Tensor, ValueId, size};
use crate::ops;
use crate::ops::element::DataType;
use crate::unique::UniqueNames;

/// Elements that constants may be evaluated to, beside what the file's own size allows: enough for the full-size
/// biases and padding patterns that exporters write, little enough for a small broken file to do no harm.
const FREE_ELEMENTS: usize = 1 << 24;
/// Elements per byte of the file that constants may be evaluated to, over all steps of their evaluation.
const ELEMENTS_PER_BYTE: usize = 64;
/// The largest value that is computed at run time, in elements.
const LARGEST_VALUE: usize = 1 << 31;

/// A graph under construction.
pub(super) struct Builder {
    pub(super) graph: Graph,
    names: UniqueNames,
    /// Elements that constants were evaluated to so far.
    spent: usize,
    /// Bytes of the file.
    bytes: usize,
    /// Bytes of the files beside it, as far as they were read.
    pub(super) external: usize,
    /// Values that nodes of the graph use.
    held: HashSet<ValueId>,
    /// The element type that the file gives a value, where that says more than its own.
    pub(super) kinds: HashMap<ValueId, DataType>,
}

impl Builder {
    /// An empty graph for a file of so many bytes.
    pub(super) fn new(proto: &GraphProto<'_>, bytes: usize) -> Self {
        let inputs = proto.input.iter().map(|i| i.name);
        let initializers = proto.initializer.iter().map(|t| t.name);
        let all = inputs.chain(initializers).chain(proto.node.iter().flat_map(|n| n.output.iter().copied()));
        let names = all.map(str::to_owned).collect();
        Self {
            graph: Graph { name: proto.name.to_owned(), ..Graph::default() },
            names,
            spent: 0,
            bytes,
            external: 0,
            held: HashSet::new(),
            kinds: HashMap::new(),
        }
    }

    /// A name that no value has, starting with `base`.
    pub(super) fn fresh_name(&mut self, base: &str) -> String {
        self.names.take(base, '.')
    }

    /// Adds a constant of the file under its own name, or under a like one where it stands in a body within.
    pub(super) fn constant_of_file(&mut self, name: &str, tensor: Tensor, inner: bool) -> ValueId {
        if inner { self.constant(name, tensor) } else { self.graph.add_constant(name, tensor) }
    }

    /// The element type of a value in the file.
    pub(super) fn kind(&self, id: ValueId) -> DataType {
        let own = match self.graph.value(id).dtype {
            DType::F32 => DataType::Float,
            DType::I64 => DataType::Int64,
            DType::Bool => DataType::Bool,
            DType::U8 => DataType::Uint8,
            DType::I8 => DataType::Int8,
            DType::U16 => DataType::Uint16,
            DType::I16 => DataType::Int16,
            DType::U32 => DataType::Uint32,
            DType::I32 => DataType::Int32,
        };
        self.kinds.get(&id).copied().unwrap_or(own)
    }

    /// Adds a constant.
    pub(super) fn constant(&mut self, base: &str, tensor: Tensor) -> ValueId {
        let name = self.fresh_name(base);
        self.graph.add_constant(name, tensor)
    }

    /// Refuses a constant of that many elements, or that much work, when the file does not warrant it.
    pub(super) fn spend(&mut self, elements: Option<usize>) -> Outcome<()> {
        let bytes = self.bytes.saturating_add(self.external);
        let budget = FREE_ELEMENTS.saturating_add(bytes.saturating_mul(ELEMENTS_PER_BYTE));
        let spent = elements.and_then(|n| self.spent.checked_add(n)).filter(|&n| n <= budget).ok_or_else(|| {
            let size = elements.map_or_else(|| "more than 2^64".to_owned(), |n| n.to_string());
            Diagnostic::error(
                Code::TooLarge,
                None,
                format!("a constant of {size} elements is computed, far more than a file of this size warrants"),
            )
        })?;
        self.spent = spent;
        Ok(())
    }

    /// Integers of the caller's as floats that hold them.
    pub(super) fn held(&mut self, id: ValueId, name: &str) -> Outcome<ValueId> {
        let held = self.apply((name, "Cast", &format!("{name}.held")), Op::Cast(DType::F32), &[id], None)?;
        self.graph.values[held.0 as usize].origin = self.graph.value(id).origin.clone();
        Ok(held)
    }

    /// Forgets the elements of a constant that nothing will read again: a chain of weights under evaluation is never in
    /// memory as a whole.
    pub(super) fn release(&mut self, id: ValueId) {
        if !self.held.contains(&id) {
            self.graph.values[id.0 as usize].constant = None;
        }
    }

    /// Applies an operator: at once when every operand is a constant, as a node otherwise.
    pub(super) fn apply(
        &mut self,
        (name, part, base): (&str, &str, &str),
        op: Op,
        inputs: &[ValueId],
        target: Option<&[usize]>,
    ) -> Outcome<ValueId> {
        let operands: Vec<_> = inputs.iter().map(|&id| self.graph.value(id)).collect();
        let (shape, dtype) = ops::infer(&op, &operands, target)?;
        let constants: Option<Vec<Arc<Tensor>>> = operands.iter().map(|v| v.constant.clone()).collect();
        if let Some(constants) = constants {
            let operands: Vec<&Tensor> = constants.iter().map(|c| &**c).collect();
            self.spend(ops::work(&op, &operands, &shape))?;
            numbers::check_folded(&op, &operands)?;
            let result = ops::apply(&op, &operands, &shape)
                .map_err(|message| Diagnostic::error(Code::BadAttribute, None, message))?;
            return Ok(self.constant(base, result));
        }
        match size(&shape) {
            Some(0) => {
                return Err(Diagnostic::error(Code::Unsupported, None, format!("the result, {shape:?}, is empty")));
            }
            Some(1..LARGEST_VALUE) => {}
            _ => {
                return Err(Diagnostic::error(Code::TooLarge, None, format!("the result, {shape:?}, is too large")));
            }
        }
        let value_name = self.fresh_name(base);
        let output = self.graph.add_value(value_name, shape, dtype);
        self.held.extend(inputs);
        let parts = vec![part.into()];
        self.graph.nodes.push(Node { name: name.to_owned(), op, inputs: inputs.to_vec(), output, parts, reason: None });
        Ok(output)
    }
}
