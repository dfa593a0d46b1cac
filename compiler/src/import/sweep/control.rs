//! Control flow, as far as it is known when the model is compiled: the branch of an `If` that is taken, the turns of a `Loop` or
//! `Scan` one after the other.
//!
//! An `If` whose condition is known only at run time is a choice between the results of both branches, which are both
//! computed: no operator has an effect other than its result.

use super::{Binding, Sweep};
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::import::body::Body;
use crate::import::node::Conversion;
use crate::import::order::node_name;
use crate::import::proto::{AttributeType, GraphProto, NodeProto};
use crate::import::scope::Surroundings;
use crate::ir::{DType, Data, Op, Tensor, ValueId};
use crate::ops::Results;
use crate::ops::node::{Node as _, NodeContext, bad, problem};

/// The operators that hold graphs.
const CONTROL: [&str; 3] = ["If", "Loop", "Scan"];
/// Turns of a loop that are written out.
const MOST_TURNS: usize = 1024;

/// Whether it is an operator of this file.
pub(in crate::import) fn is_known(op: &str) -> bool {
    CONTROL.contains(&op)
}

/// Whether a node is one of them.
pub(super) fn is_control(node: &NodeProto<'_>) -> bool {
    crate::import::domain(node.domain).is_empty() && is_known(node.op_type)
}

/// The results of such a node.
pub(super) fn convert<'a>(
    sweep: &mut Sweep<'a, '_>,
    node: &'a NodeProto<'a>,
    surroundings: &Surroundings<'a>,
    operands: Vec<Option<ValueId>>,
    poisoned: bool,
) -> Outcome<Results> {
    if poisoned {
        return Ok(vec![None; node.output.len()]);
    }
    let first_own = sweep.builder.graph.values.len();
    let mut at = At { sweep, node, surroundings, operands, first_own };
    match node.op_type {
        "If" => at.branch(),
        "Loop" => at.turns(),
        _ => at.scan(),
    }
}

/// A node with graphs under conversion.
struct At<'s, 'a, 'd> {
    sweep: &'s mut Sweep<'a, 'd>,
    node: &'a NodeProto<'a>,
    surroundings: &'s Surroundings<'a>,
    operands: Vec<Option<ValueId>>,
    first_own: usize,
}

fn unknown(what: &str) -> Diagnostic {
    problem(Code::NotConstant, format!("its {what} must be known at compile time"))
        .help("export with fixed shapes and constant folding, or trace the model with the value that it has")
}

impl<'a> At<'_, 'a, '_> {
    fn with<T>(&mut self, work: impl FnOnce(&mut Conversion<'_>) -> T) -> T {
        self.sweep.with(self.node, self.surroundings, self.operands.clone(), self.first_own, work)
    }

    fn operand(&self, i: usize) -> Option<ValueId> {
        self.operands.get(i).copied().flatten()
    }

    fn graph(&self, name: &str) -> Outcome<&'a GraphProto<'a>> {
        let attribute = self.surroundings.attribute(self.node, name, AttributeType::Graph)?;
        attribute.and_then(|a| a.g.as_deref()).ok_or_else(|| bad(format!("it has no graph {name:?}")))
    }

    fn within(&mut self, graph: &'a GraphProto<'a>, part: &str, bindings: &[Binding<'a>]) -> Outcome<Results> {
        let inner = self.surroundings.inside(&format!("{}/{part}", node_name(self.node)));
        self.sweep.within(&Body::of_graph(graph), &inner, bindings, false, true)
    }

    /// One boolean, when it is known.
    fn flag(&self, id: ValueId) -> Outcome<Option<bool>> {
        let value = self.sweep.builder.graph.value(id);
        if value.dtype != DType::Bool || value.shape.iter().product::<usize>() != 1 {
            let message = format!(
                "its condition {:?} is {:?} of shape {:?}, not one boolean",
                value.name, value.dtype, value.shape
            );
            return Err(bad(message));
        }
        Ok(value.constant.as_ref().and_then(|constant| match &constant.data {
            Data::Bool(flags) => flags.first().copied(),
            _ => None,
        }))
    }

    fn branch(&mut self) -> Outcome<Results> {
        let condition = self.operand(0).ok_or_else(|| bad("operand 0 is missing"))?;
        let known = self.flag(condition)?;
        let (then, otherwise) = (self.graph("then_branch")?, self.graph("else_branch")?);
        match known {
            Some(true) => self.within(then, "then", &[]),
            Some(false) => self.within(otherwise, "else", &[]),
            None => {
                let a = self.within(then, "then", &[])?;
                let b = self.within(otherwise, "else", &[])?;
                if a.len() != b.len() {
                    return Err(bad(format!("its branches have {} and {} results", a.len(), b.len())));
                }
                let condition = self.with(|cx| (cx as &mut NodeContext<'_>).reshape(condition, &[]))?;
                a.into_iter().zip(b).map(|pair| self.chosen(condition, pair)).collect()
            }
        }
    }

    /// The result of the branch that is taken at run time.
    fn chosen(&mut self, condition: ValueId, (a, b): (Option<ValueId>, Option<ValueId>)) -> Outcome<Option<ValueId>> {
        let (Some(a), Some(b)) = (a, b) else { return Ok(None) };
        let alike = self.with(|cx| (cx as &mut NodeContext<'_>).alike(&[condition, a, b]))?;
        let &[_, a, b] = &alike[..] else { return Ok(None) };
        let [then, otherwise] = [a, b].map(|id| self.sweep.builder.graph.value(id));
        if (then.dtype, &then.shape) != (otherwise.dtype, &otherwise.shape) {
            let message = format!(
                "its condition is known only at run time, and its branches give {:?} of shape {:?} and {:?} of shape {:?}",
                then.dtype, then.shape, otherwise.dtype, otherwise.shape
            );
            return Err(problem(Code::Unsupported, message).help(
                "let both branches give results of one shape, or export the model for one value of the condition",
            ));
        }
        if a == b {
            return Ok(Some(a));
        }
        self.with(|cx| {
            let cx = cx as &mut NodeContext<'_>;
            let result = cx.apply(Op::Where, &[condition, a, b])?;
            let kind = cx.element(a);
            cx.set_element(result, kind);
            Ok(Some(result))
        })
    }

    /// An operand that must be known, as one integer.
    fn integer(&mut self, i: usize, what: &str) -> Outcome<Option<i64>> {
        let Some(id) = self.operand(i) else { return Ok(None) };
        let constant = self.sweep.builder.graph.constant(id).cloned().ok_or_else(|| unknown(what))?;
        match constant.as_i64() {
            Some(&[n]) => Ok(Some(n)),
            _ => Err(bad(format!("its {what} must be one integer"))),
        }
    }

    fn constant(&mut self, data: Data) -> ValueId {
        self.with(|cx| cx.add_constant(Tensor { shape: Vec::new(), data }))
    }

    /// The turns of a loop, as long as its condition holds, each on the results of the one before.
    fn turns(&mut self) -> Outcome<Results> {
        let body = self.graph("body")?;
        let count = self.integer(0, "number of turns")?;
        let mut holds = match self.operand(1) {
            Some(condition) => self.flag(condition)?.ok_or_else(|| unknown("condition"))?,
            None => true,
        };
        let mut carried: Vec<Option<ValueId>> = self.operands.get(2..).unwrap_or_default().to_vec();
        if body.input.len() != carried.len() + 2 || body.output.len() <= carried.len() {
            return Err(bad(format!(
                "it carries {} values, and its body has {} operands and {} results",
                carried.len(),
                body.input.len(),
                body.output.len()
            )));
        }
        let mut stacks = vec![Vec::new(); body.output.len() - 1 - carried.len()];
        let mut turn = 0;
        while holds && count.is_none_or(|count| (turn as i64) < count) {
            self.bounded(turn + 1)?;
            let (number, condition) =
                (self.constant(Data::I64(vec![turn as i64])), self.constant(Data::Bool(vec![true])));
            let operands = [Some(number), Some(condition)].into_iter().chain(carried.iter().copied());
            let bindings: Vec<Binding<'a>> = body.input.iter().map(|input| input.name).zip(operands).collect();
            let mut results = self.within(body, &turn.to_string(), &bindings)?;
            if results.iter().any(Option::is_none) {
                return Ok(vec![None; self.node.output.len()]);
            }
            let scanned = results.split_off(1 + carried.len());
            let condition = results.remove(0).ok_or_else(|| unknown("condition"))?;
            holds = self.flag(condition)?.ok_or_else(|| unknown("condition, as its body gives it,"))?;
            carried = results;
            stacks.iter_mut().zip(scanned).for_each(|(stack, value)| stack.extend(value));
            turn += 1;
        }
        for stack in stacks {
            carried.push(self.stacked(&stack, 0, carried.len())?);
        }
        Ok(carried)
    }

    fn bounded(&self, turns: usize) -> Outcome<()> {
        if turns <= MOST_TURNS {
            return Ok(());
        }
        Err(problem(
            Code::TooLarge,
            format!("its turns are written out one by one, and it takes more than {MOST_TURNS}"),
        )
        .help("write that part of the model without a loop, or leave it out of the export and compute it outside"))
    }

    /// Values side by side along a new axis, as that result; nothing where there are none and nothing uses them.
    fn stacked(&mut self, stack: &[ValueId], axis: i64, result: usize) -> Outcome<Option<ValueId>> {
        let Some(&first) = stack.first() else {
            return if self.with(|cx| cx.output_used(result)) {
                Err(problem(Code::Unsupported, format!("it takes no turn, so that its result {result} is empty")))
            } else {
                Ok(None)
            };
        };
        self.with(|cx| {
            let cx = cx as &mut NodeContext<'_>;
            let mut shape = cx.shape(first);
            let axis = cx.axis(axis, shape.len() + 1)?;
            shape.insert(axis, 1);
            let rows = stack.iter().map(|&value| cx.reshape(value, &shape)).collect::<Outcome<Vec<_>>>()?;
            if rows.len() == 1 { Ok(Some(rows[0])) } else { cx.apply(Op::Concat { axis }, &rows).map(Some) }
        })
    }

    /// A turn for each element along an axis of some operands.
    fn scan(&mut self) -> Outcome<Results> {
        let opset = self.with(|cx| cx.opset());
        if opset < 9 {
            return Err(problem(Code::UnknownOperator, format!("the operator Scan of opset {opset} is not supported"))
                .help("convert the model to opset 9 or newer with onnx.version_converter"));
        }
        let body = self.graph("body")?;
        let scanned = self.with(|cx| cx.int("num_scan_inputs"))?.and_then(|n| usize::try_from(n).ok());
        let scanned = scanned
            .filter(|&n| (1..=self.operands.len()).contains(&n))
            .ok_or_else(|| bad("num_scan_inputs does not fit its operands"))?;
        let states = self.operands.len() - scanned;
        if body.input.len() != self.operands.len() || body.output.len() < states {
            return Err(bad(format!("its body has {} operands and {} results", body.input.len(), body.output.len())));
        }
        let results = body.output.len() - states;
        let [axes, directions] = ["scan_input_axes", "scan_input_directions"].map(|name| self.list(name, scanned));
        let [out_axes, out_directions] =
            ["scan_output_axes", "scan_output_directions"].map(|name| self.list(name, results));
        let (axes, directions, out_axes, out_directions) = (axes?, directions?, out_axes?, out_directions?);
        let mut carried: Vec<Option<ValueId>> = self.operands[..states].to_vec();
        let inputs: Vec<ValueId> = self.operands[states..].iter().copied().flatten().collect();
        if inputs.len() != scanned {
            return Err(bad("an operand that it scans is missing"));
        }
        let mut length = None;
        let mut places = Vec::new();
        for (&input, &axis) in inputs.iter().zip(&axes) {
            let (axis, extent) = self.with(|cx| {
                let cx = cx as &mut NodeContext<'_>;
                let shape = cx.shape(input);
                cx.axis(axis, shape.len()).map(|axis| (axis, shape[axis]))
            })?;
            places.push(axis);
            if *length.get_or_insert(extent) != extent {
                return Err(bad("the operands that it scans differ in length"));
            }
        }
        let length = length.unwrap_or(0);
        self.bounded(length)?;
        let mut stacks = vec![Vec::new(); results];
        for turn in 0..length {
            let mut operands = carried.clone();
            for ((&input, &axis), &direction) in inputs.iter().zip(&places).zip(&directions) {
                let at = if direction == 0 { turn } else { length - 1 - turn };
                operands.push(Some(self.with(|cx| element(cx, input, axis, at))?));
            }
            let bindings: Vec<Binding<'a>> = body.input.iter().map(|input| input.name).zip(operands).collect();
            let mut results = self.within(body, &turn.to_string(), &bindings)?;
            if results.iter().any(Option::is_none) {
                return Ok(vec![None; self.node.output.len()]);
            }
            let scanned = results.split_off(states);
            carried = results;
            stacks.iter_mut().zip(scanned).for_each(|(stack, value)| stack.extend(value));
        }
        for ((mut stack, axis), direction) in stacks.into_iter().zip(out_axes).zip(out_directions) {
            if direction != 0 {
                stack.reverse();
            }
            carried.push(self.stacked(&stack, axis, carried.len())?);
        }
        Ok(carried)
    }

    /// A list of integers with one for each of several values, or zeros.
    fn list(&mut self, name: &str, count: usize) -> Outcome<Vec<i64>> {
        match self.with(|cx| cx.ints(name))? {
            Some(list) if list.len() == count => Ok(list),
            Some(list) => Err(bad(format!("{name} has {} elements for {count} values", list.len()))),
            None => Ok(vec![0; count]),
        }
    }
}

/// What stands at one place of an axis, without the axis.
fn element(cx: &mut NodeContext<'_>, x: ValueId, axis: usize, at: usize) -> Outcome<ValueId> {
    let mut shape = cx.shape(x);
    let mut starts = vec![0; shape.len()];
    starts[axis] = at;
    let part = if shape[axis] == 1 {
        x
    } else {
        shape[axis] = 1;
        cx.apply_to(Op::Slice { starts, steps: vec![1; shape.len()] }, &[x], Some(&shape))?
    };
    shape.remove(axis);
    cx.reshape(part, &shape)
}
