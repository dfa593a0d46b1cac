//! The order in which nodes can be evaluated, and which of them matter.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::body::{Body, reads};
use super::proto::NodeProto;
use super::scope::Surroundings;

use crate::diagnostics::{Code, Diagnostic, Diagnostics};

/// A node's name, or its first output's where it has none.
pub(super) fn node_name<'a>(node: &NodeProto<'a>) -> &'a str {
    if node.name.is_empty() { node.output.iter().copied().find(|o| !o.is_empty()).unwrap_or("") } else { node.name }
}

/// Indices of the nodes that the outputs depend on, in topological order, as near to the file's own as possible.
/// Uses of undefined values (`outer`: those of the graphs around), values produced twice and cycles are reported.
pub(super) fn order(
    body: &Body<'_>,
    outer: impl Fn(&str) -> bool,
    surroundings: &Surroundings<'_>,
    diagnostics: &mut Diagnostics,
) -> Vec<usize> {
    let problem = |place: String, message: String| Diagnostic::error(Code::Cycle, place, message);
    let place = |node: &NodeProto<'_>| surroundings.place(node_name(node), node.op_type);
    let given: HashSet<&str> = body.given();
    let mut producers: HashMap<&str, usize> = HashMap::new();
    for (i, node) in body.nodes.iter().enumerate() {
        for &output in node.output.iter().filter(|o| !o.is_empty()) {
            if given.contains(output) || producers.insert(output, i).is_some() {
                diagnostics.push(problem(place(node), format!("the value {output:?} is produced twice")));
            }
        }
    }
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); body.nodes.len()];
    let mut waiting: Vec<usize> = vec![0; body.nodes.len()];
    for (i, node) in body.nodes.iter().enumerate() {
        for input in reads(node).into_iter().filter(|name| !name.is_empty()) {
            match producers.get(input) {
                Some(&producer) => {
                    users[producer].push(i);
                    waiting[i] += 1;
                }
                None if given.contains(input) || outer(input) => {}
                None => {
                    diagnostics.push(problem(place(node), format!("it uses {input:?}, which nothing produces")));
                }
            }
        }
    }
    for &output in &body.outputs {
        if !producers.contains_key(output) && !given.contains(output) && !outer(output) {
            let name = format!("{}{output}", surroundings.path);
            diagnostics.push(problem(format!("output {name:?}"), "nothing produces it".to_owned()));
        }
    }
    // The lowest index that is ready comes next: a sorted file stays as it is.
    let mut ready: BinaryHeap<Reverse<usize>> = (0..waiting.len()).filter(|&i| waiting[i] == 0).map(Reverse).collect();
    let mut sorted = Vec::with_capacity(body.nodes.len());
    while let Some(Reverse(i)) = ready.pop() {
        sorted.push(i);
        for &user in &users[i] {
            waiting[user] -= 1;
            if waiting[user] == 0 {
                ready.push(Reverse(user));
            }
        }
    }
    if sorted.len() < body.nodes.len() {
        let names = cycle(body, &producers, &waiting);
        diagnostics.push(
            problem(
                format!("node {:?}", format!("{}{}", surroundings.path, names[0])),
                format!("the graph is cyclic: {}", names.join(" -> ")),
            )
            .help("an ONNX graph must not depend on its own results"),
        );
    }
    let mut live = vec![false; body.nodes.len()];
    let mut stack: Vec<usize> = body.outputs.iter().filter_map(|o| producers.get(o).copied()).collect();
    while let Some(i) = stack.pop() {
        if !std::mem::replace(&mut live[i], true) {
            stack.extend(reads(&body.nodes[i]).into_iter().filter_map(|name| producers.get(name).copied()));
        }
    }
    sorted.retain(|&i| live[i]);
    sorted
}

/// The names along one cycle; at least one node still waits for another.
fn cycle<'a>(body: &Body<'a>, producers: &HashMap<&str, usize>, waiting: &[usize]) -> Vec<&'a str> {
    let before = |i: usize| {
        let inputs = reads(&body.nodes[i]).into_iter();
        inputs.filter_map(|name| producers.get(name).copied()).find(|&p| waiting[p] > 0)
    };
    let mut path = Vec::new();
    let mut places: HashMap<usize, usize> = HashMap::new();
    let mut at = waiting.iter().position(|&n| n > 0);
    while let Some(i) = at {
        if let Some(start) = places.insert(i, path.len()) {
            path.drain(..start);
            break;
        }
        path.push(i);
        at = before(i);
    }
    path.reverse();
    path.extend(path.first().copied());
    path.into_iter().map(|i| node_name(&body.nodes[i])).collect()
}
