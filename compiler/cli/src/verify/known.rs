//! What the oracle knows of the tensors of a compiled network: values of the file, in the order in which the network has them, and
//! what follows from these.

use std::collections::HashMap;

use super::oracle::Reference;
use super::samples::Sample;
use xnorc::ir::network::{Block, Body, Move, NetTensor, Network, Step, Storage, TensorId};
use xnorc::ir::{Origin, Tensor};

/// Reference values of a tensor of the network, in its logical order.
pub(super) struct Known {
    pub(super) values: Vec<f32>,
    /// Of sign bits: what readers are given. A sign of zero is what the block that takes it makes of it.
    pub(super) plus: Vec<bool>,
}

impl Known {
    fn new(values: Vec<f32>) -> Self {
        Self { values, plus: Vec::new() }
    }
}

/// What the oracle knows of the tensors of a network.
pub(super) fn all(network: &Network, reference: &Reference, sample: &Sample) -> HashMap<TensorId, Known> {
    let mut known = HashMap::new();
    for (i, tensor) in network.tensors.iter().enumerate() {
        if let Some(values) = reference_of(tensor, reference) {
            known.insert(TensorId(i as u32), values);
        }
    }
    for (&id, value) in network.inputs.iter().zip(&sample.inputs) {
        known.insert(id, Known::new(value.to_f32()));
    }
    for (&id, value) in network.outputs.iter().zip(&reference.outputs) {
        if value.len() == network.tensor(id).shape.iter().product::<usize>() {
            known.entry(id).or_insert_with(|| Known::new(value.to_f32()));
        }
    }
    // Bits are joined before they are read: a part is some channels of what the oracle knows.
    for block in network.blocks.iter().rev() {
        let Body::Move(Move::BitJoin { inputs, output }) = &block.body else { continue };
        for (&input, known_part) in inputs.iter().zip(parts(network, inputs, known.get(output))) {
            known.entry(input).or_insert(known_part);
        }
    }
    for block in &network.blocks {
        if let Body::Move(Move::BitProduct { inputs, output }) = &block.body
            && let Some(product) = product(inputs, &known)
        {
            known.entry(*output).or_insert(product);
        }
        for (sums, of) in sums(block) {
            if let Some(values) = known.get(&of).map(|k| pixel_sums(network.tensor(of), &k.values)) {
                known.entry(sums).or_insert(Known::new(values));
            }
        }
    }
    known
}

/// Reference values of a tensor, if the oracle has them.
pub(super) fn reference_of(tensor: &NetTensor, reference: &Reference) -> Option<Known> {
    let origin = tensor.origin.as_ref()?;
    let len: usize = tensor.shape.iter().product();
    let mut values = permuted(reference.values.get(&origin.name)?, origin).filter(|v| v.len() == len)?;
    values.iter_mut().for_each(|v| *v = origin.element(*v));
    let plus = match tensor.storage {
        Storage::Dense(_) => Vec::new(),
        Storage::Bits(_) => values.iter().map(|&v| v >= 0.0).collect(),
    };
    Some(Known { values, plus })
}

/// The product of signs that are all known.
fn product(inputs: &[TensorId], known: &HashMap<TensorId, Known>) -> Option<Known> {
    let factors: Vec<&Known> = inputs.iter().map(|input| known.get(input)).collect::<Option<_>>()?;
    let mut values = vec![1.0; factors.first()?.plus.len()];
    for factor in &factors {
        // A zero, or what is no number, is what the block that takes the sign makes of it: then nothing is known here.
        if factor.values.iter().any(|v| *v == 0.0 || v.is_nan()) {
            return None;
        }
        let signs = factor.plus.iter().map(|&plus| if plus { 1.0 } else { -1.0 });
        std::iter::zip(&mut values, signs).for_each(|(v, sign): (&mut f32, f32)| *v *= sign);
    }
    let plus = values.iter().map(|&v| v > 0.0).collect();
    Some(Known { values, plus })
}

/// The channels of each of the tensors that are joined to a known one.
fn parts(network: &Network, inputs: &[TensorId], joined: Option<&Known>) -> Vec<Known> {
    let Some(joined) = joined else { return Vec::new() };
    let channels: Vec<usize> = inputs.iter().map(|&id| network.tensor(id).shape[3]).collect();
    let all = channels.iter().sum::<usize>().max(1);
    let mut at = 0;
    let part = |count: usize| {
        let range = at..at + count;
        at += count;
        let values = joined.values.chunks(all).flat_map(|pixel| pixel[range.clone()].iter().copied()).collect();
        let plus = joined.plus.chunks(all).flat_map(|pixel| pixel[range.clone()].iter().copied()).collect();
        Known { values, plus }
    };
    channels.into_iter().map(part).collect()
}

/// The elements in the order of a tensor with that origin.
fn permuted(tensor: &Tensor, origin: &Origin) -> Option<Vec<f32>> {
    let values = tensor.to_f32();
    let Some(permutation) = &origin.permutation else { return Some(values) };
    if tensor.len() != origin.shape.iter().product::<usize>() || permutation.len() != origin.shape.len() {
        return None;
    }
    let mut strides = vec![1; origin.shape.len()];
    for axis in (1..strides.len()).rev() {
        strides[axis - 1] = strides[axis] * origin.shape[axis];
    }
    let mut order = vec![0];
    for &axis in permutation {
        let (extent, stride) = (*origin.shape.get(axis)?, strides[axis]);
        order = order.iter().flat_map(|base| (0..extent).map(move |i| base + i * stride)).collect();
    }
    order.into_iter().map(|i| values.get(i).copied()).collect()
}

/// The tensors a block sums into, each with the tensor that stores the very values it sums.
fn sums(block: &Block) -> Vec<(TensorId, TensorId)> {
    let Some(tiled) = block.tiled() else { return Vec::new() };
    // A pool between them changes the values.
    let behind = tiled.pooled.as_ref().map_or(&[][..], |pooled| &pooled.steps);
    [&tiled.steps[..], behind].into_iter().flat_map(sums_among).collect()
}

fn sums_among(steps: &[Step]) -> Vec<(TensorId, TensorId)> {
    let mut pairs = Vec::new();
    let (mut stored, mut summed) = (None, Vec::new());
    for step in steps {
        match step {
            Step::Store(id) => stored = Some(*id),
            Step::Sum(id) => summed.push(*id),
            Step::Sign { .. } => {}
            // The value changes here.
            _ => {
                pairs.extend(
                    stored.into_iter().flat_map(|of| summed.drain(..).map(move |s| (s, of)).collect::<Vec<_>>()),
                );
                summed.clear();
                stored = None;
            }
        }
    }
    pairs.extend(stored.into_iter().flat_map(|of| summed.drain(..).map(move |s| (s, of)).collect::<Vec<_>>()));
    pairs
}

/// Sums over the pixels of each image: `[n, ..., c]` to `[n, c]`.
fn pixel_sums(tensor: &NetTensor, values: &[f32]) -> Vec<f32> {
    let images = tensor.shape.first().copied().unwrap_or(1);
    let channels = tensor.shape.last().copied().unwrap_or(1);
    let mut sums = vec![0.0_f64; images * channels];
    if sums.is_empty() {
        return Vec::new();
    }
    let per_image = values.len() / images;
    for (i, &value) in values.iter().enumerate() {
        sums[i / per_image * channels + i % channels] += f64::from(value);
    }
    sums.into_iter().map(|s| s as f32).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use xnorc::ir::network::{Geometry, Pool, PoolKind, Pooled, Source, Tiled};

    const GEOMETRY: Geometry = Geometry {
        n: 1,
        input: [2, 2, 1],
        output: [1, 1, 1],
        kernel: [2, 2],
        strides: [2, 2],
        dilations: [1, 1],
        pads: [0, 0],
        groups: 1,
    };

    #[test]
    fn permuted_is_a_transpose() {
        let tensor = Tensor::f32([1, 2, 2, 3], (0..12).map(|i| i as f32).collect());
        let origin = |permutation| Origin { permutation, ..Origin::new("x", [1, 2, 2, 3]) };
        let nhwc = permuted(&tensor, &origin(Some(vec![0, 2, 3, 1]))).unwrap();
        assert_eq!(nhwc, [0.0, 6.0, 1.0, 7.0, 2.0, 8.0, 3.0, 9.0, 4.0, 10.0, 5.0, 11.0]);
        assert_eq!(permuted(&tensor, &origin(None)).unwrap(), tensor.to_f32());
        assert_eq!(permuted(&tensor, &origin(Some(vec![0, 1]))), None);
    }

    #[test]
    fn sums_are_paired_with_the_tensor_of_the_same_values() {
        let p = || Arc::new(vec![1.0]);
        let t = TensorId;
        let steps = vec![
            Step::Sum(t(1)),
            Step::Scale(p()),
            Step::Sum(t(2)),
            Step::Store(t(3)),
            Step::Shift(p()),
            Step::Store(t(4)),
            Step::Sum(t(5)),
        ];
        let block = Block::new("", Tiled::new(Source::Map { input: t(0) }, steps));
        assert_eq!(sums(&block), [(t(2), t(3)), (t(5), t(4))]);
        // Not the one behind a pool.
        let pool = Pool { kind: PoolKind::Max, geometry: GEOMETRY };
        let pooled = Some(Pooled { pool, steps: vec![Step::Store(t(2))] });
        let source = Source::Map { input: t(0) };
        assert_eq!(sums(&Block::new("", Tiled { source, steps: vec![Step::Sum(t(1))], pooled })), []);
        let tensor = NetTensor {
            name: "x".into(),
            shape: vec![2, 1, 2, 2],
            storage: Storage::Dense(xnorc::ir::DType::F32),
            origin: None,
        };
        assert_eq!(pixel_sums(&tensor, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]), [4.0, 6.0, 12.0, 14.0]);
    }
}
