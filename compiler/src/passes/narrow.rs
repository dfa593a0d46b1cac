//! Real-valued layers in bf16 or 8-bit integers, where the user chooses so.
//!
//! A layer can be narrow when it is a convolution or fully connected layer without groups that adds up more than one
//! product. Depthwise convolutions and gates stay as they are; so does, in 8-bit integers, a layer whose sums could leave
//! 32 bits. What stays although it was meant is told in the report.
//!
//! **8-bit integers** (Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
//! Inference, 2018): a scale per output channel for the weights, `max |w| / 127`; a scale and a zero point for the whole
//! input, from the smallest and largest value that it takes on the example inputs in f32, 0 included. Nothing of an
//! example is cut off; values beyond all examples are. Both scales go into the block's first step, together with a scale
//! that was there.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::Config;
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::interpret;
use crate::ir::network::{
    Arithmetic, Block, Body, Geometry, MOST_INT8_PRODUCTS, NetTensor, Network, Products, Quantized, Source, Step,
    Storage, Tiled,
};
use crate::ir::{DType, Tensor};

/// Changes the arithmetic of the layers that the configuration says.
///
/// # Errors
/// [`Code::NoSuchLayer`]: a layer named that is not there or cannot be narrow. [`Code::Calibration`]: 8-bit integers
/// without example inputs, or examples that do not fit.
pub fn run(network: &mut Network, config: &Config) -> Result<(), Diagnostics> {
    let chosen = choose(network, config)?;
    let ranges = if chosen.values().any(|&a| a == Arithmetic::Int8) {
        ranges(network, &chosen, &config.calibration)?
    } else {
        BTreeMap::new()
    };
    for (index, arithmetic) in chosen {
        let name = unused_name(network, &format!("{}.{}", network.blocks[index].name, arithmetic.name()));
        let Some(geometry) = real_conv(&network.blocks[index]).copied() else { continue };
        let shape = vec![geometry.narrow_words(arithmetic.size())];
        let narrow = network.add_tensor(NetTensor { name, shape, storage: Storage::Dense(DType::F32), origin: None });
        let Body::Tiled(Tiled { source: Source::RealConv { weights, products, .. }, steps, .. }) =
            &mut network.blocks[index].body
        else {
            continue;
        };
        *products = match arithmetic {
            Arithmetic::F32 | Arithmetic::Fixed => continue,
            Arithmetic::Bf16 => Products::Bf16 { narrow },
            Arithmetic::Int8 => {
                let (quantized, scales) = quantize(weights, geometry.output[2], ranges[&index]);
                Step::scale_first(steps, &scales);
                Products::Int8 { narrow, quantized: Arc::new(quantized) }
            }
        };
    }
    Ok(())
}

fn real_conv(block: &Block) -> Option<&Geometry> {
    match block.source() {
        Some(Source::RealConv { geometry, .. }) => Some(geometry),
        _ => None,
    }
}

/// The blocks that become narrow.
fn choose(network: &mut Network, config: &Config) -> Result<BTreeMap<usize, Arithmetic>, Diagnostics> {
    let mut problems = Diagnostics::default();
    let mut chosen = BTreeMap::new();
    let mut notes = Vec::new();
    let whole = config.real_layers == Arithmetic::Fixed;
    for (name, _) in config.real_layers_by_name.iter().filter(|(_, a)| whole || *a == Arithmetic::Fixed) {
        let message = "fixed point is of the whole network: no single layer can be in it, or be left out";
        problems.push(
            Diagnostic::error(Code::NoSuchLayer, format!("block \"{name}\""), message)
                .help("choose `--real fixed` alone (`Config::real_layers`), or bf16 or int8 for single layers"),
        );
    }
    if whole || problems.has_errors() {
        return if problems.has_errors() { Err(problems) } else { Ok(chosen) };
    }
    for (index, block) in network.blocks.iter().enumerate() {
        let named = config.real_layers_by_name.iter().rev().find(|(name, _)| *name == block.name);
        let arithmetic = named.map_or(config.real_layers, |(_, arithmetic)| *arithmetic);
        if arithmetic == Arithmetic::F32 {
            continue;
        }
        match (obstacle(block, arithmetic), named) {
            (None, _) => {
                chosen.insert(index, arithmetic);
            }
            (Some(why), Some(_)) => {
                problems.push(Diagnostic::error(
                    Code::NoSuchLayer,
                    format!("block \"{}\"", block.name),
                    format!("it cannot be computed in {}: {why}", arithmetic.name()),
                ));
            }
            (Some(why), None) if real_conv(block).is_some_and(|g| fan_in(g) > 1) => {
                notes.push(format!("\"{}\" stays f32, not {}: {why}", block.name, arithmetic.name()));
            }
            (Some(_), None) => {}
        }
    }
    for (name, _) in &config.real_layers_by_name {
        if !network.blocks.iter().any(|b| b.name == *name) {
            let candidates: Vec<String> = network
                .blocks
                .iter()
                .filter(|b| obstacle(b, Arithmetic::Bf16).is_none())
                .map(|b| format!("\"{}\"", b.name))
                .collect();
            let help = if candidates.is_empty() {
                "the model has no real-valued layer that could be narrow".to_owned()
            } else {
                format!("the layers are {}", candidates.join(", "))
            };
            problems.push(
                Diagnostic::error(Code::NoSuchLayer, None, format!("the model has no block \"{name}\"")).help(help),
            );
        }
    }
    if problems.has_errors() {
        return Err(problems);
    }
    network.notes.extend(notes);
    Ok(chosen)
}

fn fan_in(g: &Geometry) -> usize {
    g.kernel[0] * g.kernel[1] * g.input[2] / g.groups
}

/// Why a block cannot be narrow.
fn obstacle(block: &Block, arithmetic: Arithmetic) -> Option<String> {
    let Some(g) = real_conv(block) else {
        return Some("it is no real-valued convolution or fully connected layer".to_owned());
    };
    if block.is_of_file() {
        return Some("it multiplies the file's own 8-bit integers".to_owned());
    }
    if g.groups > 1 {
        return Some("it has groups".to_owned());
    }
    match fan_in(g) {
        0 | 1 => Some("its sums are single products".to_owned()),
        n if arithmetic == Arithmetic::Int8 && n > MOST_INT8_PRODUCTS => {
            Some(format!("sums of {n} products do not surely fit into 32 bits"))
        }
        _ => None,
    }
}

/// A range of activations.
type Range = (f32, f32);

/// What the inputs of the blocks that become int8 take on over the example inputs.
fn ranges(
    network: &Network,
    chosen: &BTreeMap<usize, Arithmetic>,
    calibration: &[Vec<Tensor>],
) -> Result<BTreeMap<usize, Range>, Diagnostics> {
    let problem = |message: String| Diagnostic::error(Code::Calibration, None, message);
    if calibration.is_empty() {
        let help = "give some: `--calibrate x.npy` (several, or a stack of them), or `Config::calibrate`";
        return Err(problem(
            "8-bit layers learn the range of their inputs from examples, and there are none".to_owned(),
        )
        .help(help)
        .into());
    }
    let mut ranges: BTreeMap<usize, Range> =
        chosen.iter().filter(|(_, a)| **a == Arithmetic::Int8).map(|(&index, _)| (index, (0.0, 0.0))).collect();
    let count = network.inputs.len().max(1);
    for given in calibration.iter().flat_map(|given| given.chunks(count)) {
        for inputs in samples(network, given).map_err(problem)? {
            let values = interpret::network::run(network, &inputs)
                .map_err(|e| problem(format!("an example input cannot be run: {e}")))?;
            for (index, (low, high)) in &mut ranges {
                let Some(source) = network.blocks[*index].source() else { continue };
                for x in values.get(&source.input()).map(Tensor::to_f32).unwrap_or_default() {
                    if !x.is_finite() {
                        let name = &network.blocks[*index].name;
                        return Err(problem(format!("an example input gives block \"{name}\" a value of {x}")).into());
                    }
                    (*low, *high) = (low.min(x), high.max(x));
                }
            }
        }
    }
    Ok(ranges)
}

/// Example inputs one by one: each tensor given is an input of the model, or a stack of them along the first axis.
///
/// # Errors
/// A number of inputs, or a shape, that is not the model's.
pub(crate) fn samples(network: &Network, given: &[Tensor]) -> Result<Vec<Vec<Tensor>>, String> {
    if given.len() != network.inputs.len() {
        return Err(format!("an example has {} inputs, the model {}", given.len(), network.inputs.len()));
    }
    let mut stacks = Vec::new();
    for (tensor, &id) in given.iter().zip(&network.inputs) {
        let wanted = network.tensor(id);
        let solid = |shape: &[usize]| shape.iter().copied().filter(|&e| e != 1).collect::<Vec<_>>();
        let len: usize = wanted.shape.iter().product();
        let stacked = || {
            tensor.shape.len() == wanted.shape.len()
                && tensor.shape.get(1..) == wanted.shape.get(1..)
                && len > 0
                && !tensor.is_empty()
                && tensor.len().is_multiple_of(len)
        };
        if solid(&tensor.shape) != solid(&wanted.shape) && !stacked() {
            return Err(format!(
                "an example of shape {:?} for input \"{}\", which has {:?}",
                tensor.shape, wanted.name, wanted.shape
            ));
        }
        let values = tensor.to_f32();
        stacks.push(values.chunks(len.max(1)).map(|c| Tensor::f32(wanted.shape.clone(), c.to_vec())).collect());
    }
    let stacks: Vec<Vec<Tensor>> = stacks;
    let count = stacks.first().map_or(0, Vec::len);
    if stacks.iter().any(|s| s.len() != count) {
        return Err("the inputs of an example are stacks of different heights".to_owned());
    }
    let mut stacks: Vec<_> = stacks.into_iter().map(Vec::into_iter).collect();
    Ok((0..count).map(|_| stacks.iter_mut().filter_map(Iterator::next).collect()).collect())
}

/// The integers of a layer, and what their sums are to be multiplied with, per output channel.
fn quantize(weights: &[f32], outputs: usize, (low, high): Range) -> (Quantized, Vec<f64>) {
    let (low, high) = (f64::from(low), f64::from(high));
    let step = if high > low { (high - low) / 255.0 } else { 1.0 };
    let zero_point = (-low / step).round().clamp(0.0, 255.0) as u8;
    // Beyond the largest f32 only for ranges below 1e-36, which are as good as zero.
    let inverse_scale = ((1.0 / step) as f32).min(f32::MAX);
    let mut integers = Vec::with_capacity(weights.len());
    let mut scales = Vec::with_capacity(outputs);
    for row in weights.chunks(weights.len() / outputs.max(1)) {
        let largest = row.iter().fold(0.0_f64, |m, &w| m.max(f64::from(w.abs())));
        let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
        let nearest = |&w: &f32| (f64::from(w) / scale).round_ties_even().clamp(-127.0, 127.0) as i8;
        integers.extend(row.iter().map(nearest));
        scales.push(scale / f64::from(inverse_scale));
    }
    (Quantized { inverse_scale, zero_point, weights: integers, of_file: false }, scales)
}

fn unused_name(network: &Network, name: &str) -> String {
    let taken = |name: &str| network.tensors.iter().any(|t| t.name == name);
    let mut unique = name.to_owned();
    let mut k = 1;
    while taken(&unique) {
        k += 1;
        unique = format!("{name}.{k}");
    }
    unique
}

#[cfg(test)]
mod tests;
