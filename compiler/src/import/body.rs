//! What is swept: the graph of the file, a graph in an attribute of a node, or the body of a function.

use std::collections::{HashMap, HashSet};

use super::proto::{FunctionProto, GraphProto, NodeProto, SparseTensorProto, TensorProto};

/// Nodes with names of their own.
pub(super) struct Body<'a> {
    pub(super) nodes: &'a [NodeProto<'a>],
    pub(super) inputs: Vec<&'a str>,
    pub(super) outputs: Vec<&'a str>,
    pub(super) initializers: &'a [TensorProto<'a>],
    pub(super) sparse: &'a [SparseTensorProto<'a>],
}

impl<'a> Body<'a> {
    pub(super) fn of_graph(graph: &'a GraphProto<'a>) -> Self {
        Self {
            nodes: &graph.node,
            inputs: graph.input.iter().map(|input| input.name).collect(),
            outputs: graph.output.iter().map(|output| output.name).collect(),
            initializers: &graph.initializer,
            sparse: &graph.sparse_initializer,
        }
    }

    pub(super) fn of_function(function: &'a FunctionProto<'a>) -> Self {
        let (inputs, outputs) = (function.input.clone(), function.output.clone());
        Self { nodes: &function.node, inputs, outputs, initializers: &[], sparse: &[] }
    }

    /// The names that are there before any node is.
    pub(super) fn given(&self) -> HashSet<&'a str> {
        let sparse = self.sparse.iter().filter_map(|t| t.values.as_ref());
        let constants = self.initializers.iter().chain(sparse).map(|t| t.name);
        self.inputs.iter().copied().chain(constants).collect()
    }

    /// How often each value is used by live nodes and as a result.
    pub(super) fn uses(&self, live: &[usize]) -> HashMap<&'a str, usize> {
        let mut uses = HashMap::new();
        let nodes = self.nodes;
        let read = live.iter().flat_map(|&i| reads(&nodes[i]));
        for name in read.chain(self.outputs.iter().copied()) {
            *uses.entry(name).or_insert(0) += 1;
        }
        uses
    }

    /// The names that it takes from around it, each once.
    fn captured(&self) -> Vec<&'a str> {
        let mut own = self.given();
        own.extend(self.nodes.iter().flat_map(|node| node.output.iter().copied()));
        let read = self.nodes.iter().flat_map(reads).chain(self.outputs.iter().copied());
        let mut captured: Vec<&str> = read.filter(|name| !name.is_empty() && !own.contains(name)).collect();
        captured.sort_unstable();
        captured.dedup();
        captured
    }
}

/// The values that a node needs: its operands, those that are absent as "", and what its graphs take from around them.
pub(super) fn reads<'a>(node: &'a NodeProto<'a>) -> Vec<&'a str> {
    let graphs = node.attribute.iter().filter_map(|attribute| attribute.g.as_deref());
    node.input.iter().copied().chain(graphs.flat_map(|graph| Body::of_graph(graph).captured())).collect()
}
