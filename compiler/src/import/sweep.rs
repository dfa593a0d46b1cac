//! The sweep over the nodes of a body, and over the bodies that they stand for.

pub(super) mod control;

use super::at;
use super::body::Body;
use super::builder::Builder;
use super::external::ExternalFiles;
use super::node::Conversion;
use super::operators;
use super::order::{node_name, order};
use super::proto::{FunctionProto, NodeProto};
use super::scope::{Functions, Surroundings, unfit};
use super::values::{Scope, Values};
use crate::diagnostics::{Code, Diagnostics, Outcome};
use crate::internal;
use crate::ir::ValueId;
use crate::ops::Results;
use crate::ops::element::DataType;
use crate::ops::node::{Node as _, problem};

/// Nodes that functions and loops may be written out to: more than any network has, and no more than a small file can do harm with.
const MOST_NODES: usize = 1 << 16;

/// A name of a body's input, and what it is there; `None`: left out.
pub(super) type Binding<'a> = (&'a str, Option<ValueId>);

/// What a sweep works with.
pub(super) struct Sweep<'a, 'd> {
    pub(super) builder: Builder,
    pub(super) files: ExternalFiles,
    pub(super) diagnostics: &'d mut Diagnostics,
    pub(super) values: Values<'a>,
    functions: Functions<'a>,
    /// Nodes of bodies within the file's graph so far.
    written_out: usize,
}

impl<'a, 'd> Sweep<'a, 'd> {
    pub(super) fn new(
        builder: Builder,
        files: ExternalFiles,
        diagnostics: &'d mut Diagnostics,
        values: Values<'a>,
        functions: Functions<'a>,
    ) -> Self {
        Self { builder, files, diagnostics, values, functions, written_out: 0 }
    }

    /// The nodes of a body, in that order.
    pub(super) fn nodes(&mut self, body: &Body<'a>, order: &[usize], surroundings: &Surroundings<'a>) {
        for &index in order {
            self.node(&body.nodes[index], surroundings);
        }
    }

    /// The results of the innermost body.
    pub(super) fn results(&mut self, body: &Body<'a>) -> Results {
        let outputs = body.outputs.iter();
        outputs.map(|name| self.values.resolve(name, &mut self.builder, &mut self.files, self.diagnostics)).collect()
    }

    fn node(&mut self, node: &'a NodeProto<'a>, surroundings: &Surroundings<'a>) {
        let first_own = self.builder.graph.values.len();
        let operands = self.values.operands(node, &mut self.builder, &mut self.files, self.diagnostics);
        self.builder.external = self.files.size();
        // A node without its operands cannot be converted, but it is asked whether it could be: the operators that are
        // not supported are all told at once.
        let poisoned = operands.is_none();
        let operands = operands.unwrap_or_default();
        let place = self.with(node, surroundings, Vec::new(), first_own, |cx| cx.place());
        internal::at(&place);
        let given = self.given(node, &operands);
        let results = if let Some(function) = self.functions.called_by(node) {
            self.call(function, node, surroundings, operands, poisoned)
        } else if control::is_control(node) {
            control::convert(self, node, surroundings, operands, poisoned)
        } else {
            self.with(node, surroundings, operands, first_own, operators::convert)
        };
        let results = results.and_then(|results| self.enough(results, node, surroundings));
        let results = results.map_err(at(place)).unwrap_or_else(|problem| {
            if !poisoned || problem.code.is_about_the_operator() {
                self.diagnostics.push(problem);
            }
            Vec::new()
        });
        self.with(node, surroundings, Vec::new(), first_own, |cx| cx.finish(&results, given));
        for (i, &output) in node.output.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
            let result = if poisoned { None } else { results.get(i).copied().flatten() };
            self.values.define(output, result);
        }
        self.values.release(node, first_own, &mut self.builder);
    }

    /// The type of elements that a node gives where it does not say so itself: most of ONNX's operators give what they are given.
    /// What is made of other nodes has the types that those gave.
    fn given(&self, node: &NodeProto<'a>, operands: &[Option<ValueId>]) -> Option<DataType> {
        let is_own = super::domain(node.domain).is_empty()
            && !control::is_control(node)
            && self.functions.called_by(node).is_none();
        let mut kinds = operands.iter().flatten().map(|&id| self.builder.kind(id));
        kinds.find(|&kind| is_own && kind != DataType::Bool)
    }

    /// Refuses a node of which more results are used than there are.
    fn enough(
        &mut self,
        results: Results,
        node: &'a NodeProto<'a>,
        surroundings: &Surroundings<'a>,
    ) -> Outcome<Results> {
        let missing = self.with(node, surroundings, Vec::new(), 0, |cx| {
            (results.len()..cx.output_count()).find(|&i| cx.output_used(i))
        });
        missing.map_or(Ok(results), |i| {
            Err(problem(Code::Unsupported, format!("its result {i} is used, which has no compiled form")))
        })
    }

    /// A node under conversion.
    pub(super) fn with<T>(
        &mut self,
        node: &'a NodeProto<'a>,
        surroundings: &Surroundings<'a>,
        operands: Vec<Option<ValueId>>,
        first_own: usize,
        work: impl FnOnce(&mut Conversion<'_>) -> T,
    ) -> T {
        let uses = &self.values.scope().uses;
        work(&mut Conversion::new(&mut self.builder, &mut self.files, node, surroundings, uses, operands, first_own))
    }

    /// The results of a body in the place of a node. `open`: it sees the names around it. `None` where it cannot be written out.
    pub(super) fn within(
        &mut self,
        body: &Body<'a>,
        surroundings: &Surroundings<'a>,
        bindings: &[Binding<'a>],
        poisoned: bool,
        open: bool,
    ) -> Outcome<Results> {
        self.written_out = self.written_out.saturating_add(body.nodes.len());
        if self.written_out > MOST_NODES {
            let message = format!("written out, the functions and loops of the file are more than {MOST_NODES} nodes");
            return Err(problem(Code::TooLarge, message));
        }
        let order = order(body, |name| open && self.values.sees(name), surroundings, self.diagnostics);
        self.values.enter(Scope::new(body, body.uses(&order), open));
        for &(name, value) in bindings {
            match value {
                None if !poisoned => self.values.leave_out(name),
                value => self.values.define(name, value),
            }
        }
        self.nodes(body, &order, surroundings);
        let results = self.results(body);
        self.values.leave(&results);
        Ok(results)
    }

    /// A call of a function of the file's own.
    fn call(
        &mut self,
        function: &'a FunctionProto<'a>,
        node: &'a NodeProto<'a>,
        surroundings: &Surroundings<'a>,
        operands: Vec<Option<ValueId>>,
        poisoned: bool,
    ) -> Outcome<Results> {
        for (what, given, has) in
            [("operands", operands.len(), function.input.len()), ("results", node.output.len(), function.output.len())]
        {
            if given > has {
                return Err(unfit(function, what, given, has));
            }
        }
        let inner = surroundings.called(function, node, node_name(node))?;
        let operand = |i: usize| operands.get(i).copied().flatten();
        let bindings: Vec<Binding<'a>> =
            function.input.iter().enumerate().map(|(i, &name)| (name, operand(i))).collect();
        self.within(&Body::of_function(function), &inner, &bindings, poisoned, false)
    }
}
