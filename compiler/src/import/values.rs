//! The values of the file by name, and how often each is still to be used.
//!
//! A constant of the file is read when the first node asks for it, and forgotten behind the last one: of the weights that
//! are computed from others only those of the layer at hand are in memory.

use std::collections::HashMap;

use super::builder::Builder;
use super::external::ExternalFiles;
use super::proto::{GraphProto, NodeProto, TensorProto};
use super::{at, numbers, tensors};
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::ir::ValueId;

/// The values of the file.
pub(super) struct Values<'a> {
    /// Those that are there; `None` for one that is poisoned by a problem, which is reported already.
    pub(super) known: HashMap<&'a str, Option<ValueId>>,
    /// Constants that are not read yet; those given sparsely cannot be.
    unread: HashMap<&'a str, (&'a TensorProto<'a>, bool)>,
    /// Uses of each name by nodes and outputs, over the whole file.
    uses: &'a HashMap<&'a str, usize>,
    /// Uses that are left of each value, under all its names.
    left: HashMap<ValueId, usize>,
}

impl<'a> Values<'a> {
    pub(super) fn new(graph: &'a GraphProto<'a>, uses: &'a HashMap<&'a str, usize>) -> Self {
        let sparse = graph.sparse_initializer.iter().filter_map(|t| t.values.as_ref());
        let constants = graph.initializer.iter().map(|t| (t, false)).chain(sparse.map(|t| (t, true)));
        let unread = constants.map(|(t, is_sparse)| (t.name, (t, is_sparse))).collect();
        Self { known: HashMap::new(), unread, uses, left: HashMap::new() }
    }

    /// The value of a name; `None` where a problem stands in its way.
    pub(super) fn resolve(
        &mut self,
        name: &'a str,
        builder: &mut Builder,
        files: &mut ExternalFiles,
        diagnostics: &mut Diagnostics,
    ) -> Option<ValueId> {
        if let Some((tensor, is_sparse)) = self.unread.remove(name) {
            let read = if is_sparse {
                Err(Diagnostic::error(Code::BadInitializer, None, "sparse constants are not supported"))
            } else {
                tensors::read(tensor, files).and_then(|tensor| numbers::check(&tensor).map(|()| tensor))
            };
            let value = match read {
                Ok(constant) => Some(builder.graph.add_constant(name, constant)),
                Err(problem) => {
                    diagnostics.push(at(format!("initializer {name:?}"))(problem));
                    None
                }
            };
            self.define(name, value);
        }
        self.known.get(name).copied().flatten()
    }

    /// The operands of a node, absent ones `None`; nothing when one is poisoned.
    pub(super) fn operands(
        &mut self,
        node: &NodeProto<'a>,
        builder: &mut Builder,
        files: &mut ExternalFiles,
        diagnostics: &mut Diagnostics,
    ) -> Option<Vec<Option<ValueId>>> {
        // All of them, before one that is poisoned counts: each may have a problem of its own.
        let all: Vec<Option<Option<ValueId>>> = (node.input.iter())
            .map(|&name| match name {
                "" => Some(None),
                name => self.resolve(name, builder, files, diagnostics).map(Some),
            })
            .collect();
        all.into_iter().collect()
    }

    /// Counts the uses of the inputs, the only values that are known so far. Another name may be given to one later (by an
    /// Identity), and then both are counted together.
    pub(super) fn count_inputs(&mut self) {
        for (name, value) in &self.known {
            if let Some(value) = value {
                *self.left.entry(*value).or_default() += self.uses.get(name).copied().unwrap_or(0);
            }
        }
    }

    /// Gives a value its name.
    pub(super) fn define(&mut self, name: &'a str, value: Option<ValueId>) {
        self.known.insert(name, value);
        if let Some(value) = value {
            *self.left.entry(value).or_default() += self.uses.get(name).copied().unwrap_or(0);
        }
    }

    /// After a node: forgets the constants that were for it alone, among its operands and among those made for it, which
    /// are all from `first_own` on.
    pub(super) fn release(&mut self, node: &NodeProto<'a>, first_own: usize, builder: &mut Builder) {
        for value in node.input.iter().filter_map(|name| self.known.get(name).copied().flatten()) {
            if let Some(left) = self.left.get_mut(&value) {
                *left -= 1;
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
