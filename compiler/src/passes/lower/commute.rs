//! `Sign(MaxPool(x))` is `MaxPool(Sign(x))`, because a sign never falls as its argument rises; and the maximum of bits
//! is their OR. So `conv -> BatchNormalization -> MaxPool -> Sign` stays bits from end to end.

use std::cmp::Ordering;

use super::facts::Facts;
use crate::ir::{DType, Graph, Op};

/// Moves each sign (with a nowhere falling affine map before it, if there is one) in front of the max-pool it follows,
/// where nothing else needs the pooled values or those before.
pub(super) fn sign_before_pool(graph: &Graph) -> Graph {
    let mut result = graph.clone();
    let facts = Facts::new(graph);
    for pool in facts.live() {
        let node = facts.node(pool);
        let before = node.inputs[0];
        if !matches!(node.op, Op::MaxPool { .. })
            || facts.only_user(before) != Some(pool)
            || facts.producer(before).is_none()
        {
            continue;
        }
        let Some(mut sign) = facts.only_user(node.output) else { continue };
        let mut affine = None;
        if let (Op::Affine { maps, .. }, true) = (&facts.node(sign).op, facts.is_pixelwise_affine(sign)) {
            let Some(next) = facts.only_user(facts.node(sign).output) else { continue };
            if maps.iter().any(|map| map.slope() == Ordering::Less) {
                continue;
            }
            affine = Some(sign);
            sign = next;
        }
        if !matches!(facts.node(sign).op, Op::Sign(_)) || !facts.is_bits_only(facts.node(sign).output) {
            continue;
        }
        // The nodes change places; the last one keeps the value everybody knows.
        let chain: Vec<usize> = [pool].into_iter().chain(affine).chain([sign]).collect();
        let shape = graph.shape(before).to_vec();
        let mut value = before;
        let moved: Vec<_> = chain[1..].iter().chain([&pool]).map(|&i| facts.node(i).clone()).collect();
        for (&place, mut moved) in chain.iter().zip(moved) {
            moved.inputs[0] = value;
            moved.output = if place == sign {
                facts.node(sign).output
            } else {
                let name = format!("{}.unpooled", graph.value(moved.output).name);
                result.add_value(name, shape.clone(), DType::F32)
            };
            value = moved.output;
            result.nodes[place] = moved;
        }
    }
    result
}
