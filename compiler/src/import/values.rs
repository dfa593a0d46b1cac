//! The values of the file by name, and how often each is still to be used.
//!
//! A constant of the file is read when the first node asks for it, and forgotten behind the last one: of the weights that
//! are computed from others only those of the layer at hand are in memory.

use std::collections::{HashMap, HashSet};

use super::body::{Body, reads};
use super::builder::Builder;
use super::external::ExternalFiles;
use super::proto::{NodeProto, TensorProto};
use super::{at, numbers, tensors};
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::ir::ValueId;
use crate::ops::element::DataType;

/// The names of one body.
pub(super) struct Scope<'a> {
    /// Those that are there; `None` for one that is poisoned by a problem, which is reported already.
    pub(super) known: HashMap<&'a str, Option<ValueId>>,
    /// Operands of a function that a call leaves out.
    absent: HashSet<&'a str>,
    /// Constants that are not read yet; those given sparsely cannot be.
    unread: HashMap<&'a str, (&'a TensorProto<'a>, bool)>,
    /// Uses of each name by nodes and as a result, over the whole body.
    pub(super) uses: HashMap<&'a str, usize>,
    /// The names of the bodies around it are known in it: it is a graph of a node there.
    open: bool,
}

impl<'a> Scope<'a> {
    pub(super) fn new(body: &Body<'a>, uses: HashMap<&'a str, usize>, open: bool) -> Self {
        let sparse = body.sparse.iter().filter_map(|t| t.values.as_ref());
        let constants = body.initializers.iter().map(|t| (t, false)).chain(sparse.map(|t| (t, true)));
        let unread = constants.map(|(t, is_sparse)| (t.name, (t, is_sparse))).collect();
        Self { known: HashMap::new(), absent: HashSet::new(), unread, uses, open }
    }

    fn has(&self, name: &str) -> bool {
        self.known.contains_key(name) || self.unread.contains_key(name) || self.absent.contains(name)
    }

    fn uses(&self, name: &str) -> usize {
        self.uses.get(name).copied().unwrap_or(0)
    }
}

/// The values of the file: of its graph and, innermost last, of the bodies that are being swept in it.
pub(super) struct Values<'a> {
    scopes: Vec<Scope<'a>>,
    /// Uses that are left of each value, under all its names.
    left: HashMap<ValueId, usize>,
}

impl<'a> Values<'a> {
    pub(super) fn new(scope: Scope<'a>) -> Self {
        Self { scopes: vec![scope], left: HashMap::new() }
    }

    /// The names of the innermost body.
    pub(super) fn scope(&mut self) -> &mut Scope<'a> {
        self.scopes.last_mut().expect("that of the file's graph stays")
    }

    /// Begins a body.
    pub(super) fn enter(&mut self, scope: Scope<'a>) {
        self.scopes.push(scope);
    }

    /// Ends it. Its results are counted no more by it; who swept it counts them under his own names.
    pub(super) fn leave(&mut self, results: &[Option<ValueId>]) {
        self.scopes.pop();
        for value in results.iter().flatten() {
            if let Some(left) = self.left.get_mut(value) {
                *left = left.saturating_sub(1);
            }
        }
    }

    /// The innermost body that has a name, among those that can be seen.
    fn holder(&self, name: &str) -> Option<usize> {
        for (i, scope) in self.scopes.iter().enumerate().rev() {
            if scope.has(name) {
                return Some(i);
            }
            if !scope.open {
                break;
            }
        }
        None
    }

    /// Whether a graph of a node of the innermost body may use a name.
    pub(super) fn sees(&self, name: &str) -> bool {
        self.holder(name).is_some()
    }

    /// An operand of a function that the call leaves out.
    pub(super) fn leave_out(&mut self, name: &'a str) {
        self.scope().absent.insert(name);
    }

    /// The value of a name; `None` where a problem stands in its way.
    pub(super) fn resolve(
        &mut self,
        name: &'a str,
        builder: &mut Builder,
        files: &mut ExternalFiles,
        diagnostics: &mut Diagnostics,
    ) -> Option<ValueId> {
        let holder = self.holder(name)?;
        if let Some((tensor, is_sparse)) = self.scopes[holder].unread.remove(name) {
            let read = if is_sparse {
                Err(Diagnostic::error(Code::BadInitializer, None, "sparse constants are not supported"))
            } else {
                tensors::read(tensor, files).and_then(|tensor| numbers::check(&tensor).map(|()| tensor))
            };
            let value = match read {
                Ok(constant) => {
                    let id = builder.constant_of_file(name, constant, holder > 0);
                    builder.kinds.extend(DataType::of(tensor.data_type).map(|kind| (id, kind)));
                    Some(id)
                }
                Err(problem) => {
                    diagnostics.push(at(format!("initializer {name:?}"))(problem));
                    None
                }
            };
            self.define_in(holder, name, value);
        }
        let value = self.scopes[holder].known.get(name).copied().flatten();
        // A value from around becomes one of the body's own, with the uses that it has there.
        if holder + 1 < self.scopes.len() && !self.scopes[holder].absent.contains(name) {
            self.define(name, value);
        }
        value
    }

    /// The operands of a node, absent ones `None`; nothing when one is poisoned.
    pub(super) fn operands(
        &mut self,
        node: &'a NodeProto<'a>,
        builder: &mut Builder,
        files: &mut ExternalFiles,
        diagnostics: &mut Diagnostics,
    ) -> Option<Vec<Option<ValueId>>> {
        // All of them, before one that is poisoned counts: each may have a problem of its own.
        let all: Vec<Option<Option<ValueId>>> = (reads(node).into_iter())
            .map(|name| match name {
                "" => Some(None),
                name if self.is_absent(name) => Some(None),
                name => self.resolve(name, builder, files, diagnostics).map(Some),
            })
            .collect();
        all.into_iter().take(node.input.len()).collect()
    }

    fn is_absent(&self, name: &str) -> bool {
        self.holder(name).is_some_and(|i| self.scopes[i].absent.contains(name))
    }

    /// Counts the uses of the inputs, the only values that are known so far. Another name may be given to one later (by an
    /// Identity), and then both are counted together.
    pub(super) fn count_inputs(&mut self) {
        for scope in &self.scopes {
            for (name, value) in &scope.known {
                if let Some(value) = value {
                    *self.left.entry(*value).or_default() += scope.uses(name);
                }
            }
        }
    }

    /// Gives a value its name in the innermost body.
    pub(super) fn define(&mut self, name: &'a str, value: Option<ValueId>) {
        self.define_in(self.scopes.len() - 1, name, value);
    }

    fn define_in(&mut self, scope: usize, name: &'a str, value: Option<ValueId>) {
        let scope = &mut self.scopes[scope];
        scope.known.insert(name, value);
        if let Some(value) = value {
            *self.left.entry(value).or_default() += scope.uses(name);
        }
    }

    /// After a node: forgets the constants that were for it alone, among its operands and among those made for it, which
    /// are all from `first_own` on.
    pub(super) fn release(&mut self, node: &'a NodeProto<'a>, first_own: usize, builder: &mut Builder) {
        let known = &self.scopes.last().expect("that of the file's graph stays").known;
        for value in reads(node).into_iter().filter_map(|name| known.get(name).copied().flatten()) {
            if let Some(left) = self.left.get_mut(&value) {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    builder.release(value);
                }
            }
        }
        for own in first_own..builder.graph.values.len() {
            let own = ValueId(own as u32);
            if self.left.get(&own).is_none_or(|&left| left == 0) {
                builder.release(own);
            }
        }
    }
}
