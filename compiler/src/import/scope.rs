//! Where a node stands: in the graph of the file, or in the body of a function that is inlined there.

use std::collections::HashMap;
use std::rc::Rc;

use super::proto::{AttributeProto, AttributeType, FunctionProto, NodeProto};
use crate::diagnostics::{Code, Diagnostic, Outcome};
use crate::ops::node::{bad, problem};

/// The attributes that a call gives to the nodes of a function; `None` for those that it leaves out.
type Given<'a> = HashMap<&'a str, Option<&'a AttributeProto<'a>>>;

/// Where a node stands.
#[derive(Clone)]
pub(super) struct Surroundings<'a> {
    /// Versions of the domains.
    pub(super) opsets: Rc<HashMap<String, i64>>,
    /// What stands in front of names in messages: function and call, or node and branch, each with a slash behind it.
    pub(super) path: String,
    /// Attributes of the call; `None` outside of functions.
    given: Option<Rc<Given<'a>>>,
    /// The functions that are being inlined.
    calls: Vec<&'a FunctionProto<'a>>,
}

impl<'a> Surroundings<'a> {
    /// Of the nodes of the file's own graph.
    pub(super) fn of_file(opsets: HashMap<String, i64>) -> Self {
        Self { opsets: Rc::new(opsets), path: String::new(), given: None, calls: Vec::new() }
    }

    /// Of the nodes of a graph that is an attribute of a node here.
    pub(super) fn inside(&self, part: &str) -> Self {
        Self { path: format!("{}{part}/", self.path), ..self.clone() }
    }

    /// Of the nodes of a function that a node here calls.
    ///
    /// # Errors
    /// A function that calls itself; an attribute without a value.
    pub(super) fn called(&self, function: &'a FunctionProto<'a>, node: &'a NodeProto<'a>, call: &str) -> Outcome<Self> {
        if self.calls.iter().any(|&outer| std::ptr::eq(outer, function)) {
            return Err(problem(Code::Cycle, format!("the function {:?} calls itself", function.name))
                .help("an ONNX function must not call itself, not through others either"));
        }
        let mut opsets = (*self.opsets).clone();
        for import in &function.opset_import {
            opsets.insert(super::domain(import.domain).to_owned(), import.version);
        }
        super::old(&opsets).map_or(Ok(()), Err)?;
        let mut given: Given<'a> = function.attribute_proto.iter().map(|a| (a.name, Some(a))).collect();
        let own = function.attribute.iter().copied();
        for name in own.chain(function.attribute_proto.iter().map(|a| a.name)) {
            match self.attribute_of(node, name)? {
                Some(attribute) => given.insert(name, Some(attribute)),
                None => given.insert(name, given.get(name).copied().flatten()),
            };
        }
        let mut calls = self.calls.clone();
        calls.push(function);
        let path = format!("{}{}/{call}/", self.path, function.name);
        Ok(Self { opsets: Rc::new(opsets), path, given: Some(Rc::new(given)), calls })
    }

    /// An attribute of a node, that of the call where it refers to one.
    fn attribute_of(&self, node: &'a NodeProto<'a>, name: &str) -> Outcome<Option<&'a AttributeProto<'a>>> {
        let Some(attribute) = node.attribute.iter().find(|a| a.name == name) else { return Ok(None) };
        if attribute.ref_attr_name.is_empty() {
            return Ok(Some(attribute));
        }
        let Some(given) = &self.given else {
            return Err(bad(format!("attribute {name:?} refers to a function's, outside of any function")));
        };
        given.get(attribute.ref_attr_name).copied().ok_or_else(|| {
            let wanted = attribute.ref_attr_name;
            bad(format!("attribute {name:?} refers to {wanted:?}, which the function does not have"))
        })
    }

    /// An attribute of a node, of the type that it must have.
    pub(super) fn attribute(
        &self,
        node: &'a NodeProto<'a>,
        name: &str,
        kind: AttributeType,
    ) -> Outcome<Option<&'a AttributeProto<'a>>> {
        match self.attribute_of(node, name)? {
            // Type 0: files older than the field.
            Some(attribute) if attribute.kind != kind as i32 && attribute.kind != 0 => {
                Err(bad(format!("attribute {name:?} is not of type {}", kind.name())))
            }
            attribute => Ok(attribute),
        }
    }

    /// Adds the path to the place of a problem that was found without it.
    pub(super) fn place(&self, name: &str, rest: &str) -> String {
        let name = format!("{}{name}", self.path);
        format!("node {name:?} ({rest})")
    }
}

/// The functions of the file, by domain, name and overload.
pub(super) struct Functions<'a>(HashMap<[&'a str; 3], &'a FunctionProto<'a>>);

impl<'a> Functions<'a> {
    pub(super) fn new(functions: &'a [FunctionProto<'a>]) -> Self {
        Self(functions.iter().map(|f| ([super::domain(f.domain), f.name, f.overload], f)).collect())
    }

    /// The one that a node calls. What an operator of that name means to the compiler itself goes first: it is the same, and
    /// recognised for what it is.
    pub(super) fn called_by(&self, node: &NodeProto<'a>) -> Option<&'a FunctionProto<'a>> {
        let domain = super::domain(node.domain);
        let function = self.0.get(&[domain, node.op_type, node.overload]).copied()?;
        (!super::operators::is_known(domain, node.op_type)).then_some(function)
    }
}

/// A call that does not fit the function.
pub(super) fn unfit(function: &FunctionProto<'_>, what: &str, given: usize, has: usize) -> Diagnostic {
    bad(format!("it has {given} {what}, and the function {:?} {has}", function.name))
        .help("the file is not valid: onnx.checker.check_model tells more")
}
