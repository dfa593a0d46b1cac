//! The blocks, one after the other, as literally as [`crate::ir::network`] describes them.
//!
//! Integer dot products are exact; scales, shifts and skips are separate f32 operations; real-valued sums run in the
//! order the blocks promise, with fused multiply-add. Functions like the sigmoid are those of [`super::apply`], rounded
//! once from f64: there the emitted code may differ by a few ULP.

mod moves;
mod narrow;
mod sources;
mod walk;
mod whole;

use std::collections::HashMap;

use crate::ir::network::{
    Activation, Block, Body, Gate, Network, PerPixel, Pool, PoolKind, Pooled, Source, Step, Storage, TensorId, Tiled,
};
use crate::ir::{DType, Data, Op, Tensor, Unary};

/// Runs a network (level 3), giving every tensor computed on the way; sign bits as -1.0 and +1.0 under the logical shape.
///
/// # Errors
/// The first block that cannot be run, with the reason.
pub fn run(network: &Network, inputs: &[Tensor]) -> Result<HashMap<TensorId, Tensor>, String> {
    let mut values = given(network, inputs)?;
    for it in &network.blocks {
        block(network, it, &mut values)?;
    }
    Ok(values)
}

/// The inputs, if they are those of the network.
fn given(network: &Network, inputs: &[Tensor]) -> Result<HashMap<TensorId, Tensor>, String> {
    if inputs.len() != network.inputs.len() {
        return Err(format!("{} inputs given, {} wanted", inputs.len(), network.inputs.len()));
    }
    let mut values = HashMap::new();
    for (&id, given) in network.inputs.iter().zip(inputs) {
        let wanted = network.tensor(id);
        if given.shape != wanted.shape {
            return Err(format!("input {:?} is {:?}, not {:?}", wanted.name, given.shape, wanted.shape));
        }
        values.insert(id, given.converted(wanted.integer().unwrap_or(DType::F32)));
    }
    Ok(values)
}

/// Runs a network, and gives its outputs: what no later block needs is not kept.
///
/// # Errors
/// The first block that cannot be run, with the reason.
pub fn outputs(network: &Network, inputs: &[Tensor]) -> Result<Vec<Tensor>, String> {
    let mut values = given(network, inputs)?;
    let last = last_uses(network);
    for (position, it) in network.blocks.iter().enumerate() {
        block(network, it, &mut values)?;
        values.retain(|id, _| last[id.0 as usize] > position);
    }
    let not_there = |id: &TensorId| format!("{:?} was not computed", network.tensor(*id).name);
    network.outputs.iter().map(|id| values.get(id).cloned().ok_or_else(|| not_there(id))).collect()
}

/// By tensor: the last block that touches it; outputs are needed for ever.
pub(crate) fn last_uses(network: &Network) -> Vec<usize> {
    let mut last = vec![0; network.tensors.len()];
    for (position, block) in network.blocks.iter().enumerate() {
        for id in [block.reads(), block.writes()].concat() {
            last[id.0 as usize] = position;
        }
    }
    for id in &network.outputs {
        last[id.0 as usize] = usize::MAX;
    }
    last
}

/// Runs one block on values that are all there, and adds what it writes.
///
/// # Errors
/// When it cannot be run, with the reason.
pub fn block(network: &Network, block: &Block, values: &mut HashMap<TensorId, Tensor>) -> Result<(), String> {
    Runner { network, values }.block(block).map_err(|e| format!("block {:?}: {e}", block.name))
}

/// What a source gives, on values that are all there.
///
/// # Errors
/// When it cannot be run, with the reason.
pub fn source(network: &Network, source: &Source, values: &mut HashMap<TensorId, Tensor>) -> Result<Tile, String> {
    Runner { network, values }.source(source)
}

/// Runs one step on a tile. (A scale right in front of a gate is rounded on its own here, as [`block`] does not.)
///
/// # Errors
/// When it cannot be run, with the reason.
pub fn step(
    network: &Network,
    step: &Step,
    tile: &mut Tile,
    values: &mut HashMap<TensorId, Tensor>,
) -> Result<(), String> {
    Runner { network, values }.step(step, tile)
}

/// Runs a pool on a tile.
///
/// # Errors
/// When it cannot be run, with the reason.
pub fn pool(Pool { kind, geometry }: &Pool, tile: &Tile) -> Result<Tile, String> {
    match kind {
        PoolKind::Max => sources::max_pool(geometry, &tile.values),
        PoolKind::Average { count_include_pad } => sources::average_pool(geometry, &tile.values, *count_include_pad),
    }
}

/// What a source hands to the steps: `[image][row][column][channel]`.
#[derive(Clone, Debug)]
pub struct Tile {
    /// Images, rows, columns, channels.
    pub extents: [usize; 4],
    /// In this order.
    pub values: Vec<f32>,
}

struct Runner<'a> {
    network: &'a Network,
    values: &'a mut HashMap<TensorId, Tensor>,
}

impl Runner<'_> {
    fn get(&self, id: TensorId) -> Result<&Tensor, String> {
        self.values.get(&id).ok_or_else(|| format!("{:?} is not computed yet", self.network.tensor(id).name))
    }

    fn floats(&self, id: TensorId) -> Result<&[f32], String> {
        let name = || format!("{:?} does not hold floats", self.network.tensor(id).name);
        self.get(id)?.as_f32().ok_or_else(name)
    }

    /// Writes a whole tensor, checking that it is the one declared.
    fn put(&mut self, id: TensorId, data: Data) -> Result<(), String> {
        let declared = self.network.tensor(id);
        let (len, integers) = match &data {
            Data::F32(v) => (v.len(), false),
            Data::I64(v) => (v.len(), true),
            Data::Bool(v) => (v.len(), false),
        };
        if len != declared.shape.iter().product::<usize>() {
            return Err(format!("{:?} has shape {:?}, and gets {len} elements", declared.name, declared.shape));
        }
        if integers != declared.integer().is_some() {
            return Err(format!("{:?} is {:?}, and gets something else", declared.name, declared.storage));
        }
        self.values.insert(id, Tensor { shape: declared.shape.clone(), data });
        Ok(())
    }

    fn block(&mut self, block: &Block) -> Result<(), String> {
        match &block.body {
            Body::Tiled(tiled) => self.tiled(tiled),
            Body::Gate(gate) => self.whole_gate(gate),
            Body::Move(moved) => self.moved(moved),
            Body::Whole(whole) => self.whole(whole),
        }
    }

    fn tiled(&mut self, Tiled { source, steps, pooled }: &Tiled) -> Result<(), String> {
        let mut tile = self.source(source)?;
        self.steps(steps, &mut tile)?;
        if let Some(Pooled { pool: it, steps }) = pooled {
            tile = pool(it, &tile)?;
            self.steps(steps, &mut tile)?;
        }
        Ok(())
    }

    fn whole_gate(&mut self, gate: &Gate) -> Result<(), String> {
        let Gate { sums, first, hidden, second, squash, output } = gate;
        let mut values = Vec::new();
        for image in self.floats(*sums)?.chunks(first.inputs.max(1)) {
            let mut between = sources::dense(first, image)?;
            activate(&Activation::Unary(*hidden), &mut between, first.outputs)?;
            let mut gate = sources::dense(second, &between)?;
            activate(&Activation::Unary(*squash), &mut gate, second.outputs)?;
            values.extend(gate);
        }
        self.put(*output, Data::F32(values))
    }

    fn steps(&mut self, steps: &[Step], tile: &mut Tile) -> Result<(), String> {
        for (i, step) in steps.iter().enumerate() {
            let before = i.checked_sub(1).and_then(|i| steps.get(i));
            match (before, step, steps.get(i + 1)) {
                // The gate takes it along.
                (_, Step::Scale(_), Some(Step::Gate(_))) => {}
                (Some(Step::Scale(p)), Step::Gate(t), _) => self.gate(*t, Some(&p[..]), tile)?,
                (_, Step::Gate(t), _) => self.gate(*t, None, tile)?,
                _ => self.step(step, tile)?,
            }
        }
        Ok(())
    }

    /// Times a gate, or times the product of a scale and a gate.
    fn gate(&self, gate: TensorId, scale: Option<&[f32]>, tile: &mut Tile) -> Result<(), String> {
        let [images, rows, columns, channels] = tile.extents;
        let gate = self.floats(gate)?;
        if gate.len() != images * channels || scale.is_some_and(|p| p.len() != channels) {
            return Err(format!("a gate of {} values for {images} images of {channels}", gate.len()));
        }
        for (i, v) in tile.values.iter_mut().enumerate() {
            let (image, c) = (i / (rows * columns * channels), i % channels);
            let gate = gate[image * channels + c];
            *v *= scale.map_or(gate, |p| p[c] * gate);
        }
        Ok(())
    }

    fn step(&mut self, step: &Step, tile: &mut Tile) -> Result<(), String> {
        let [images, rows, columns, channels] = tile.extents;
        let per_channel = |p: &[f32]| {
            let length = p.len();
            if length == channels { Ok(()) } else { Err(format!("{length} parameters for {channels} channels")) }
        };
        match step {
            Step::Scale(p) => {
                per_channel(p)?;
                tile.values.chunks_mut(channels).for_each(|px| px.iter_mut().zip(&**p).for_each(|(v, p)| *v *= p));
            }
            Step::Shift(p) => {
                per_channel(p)?;
                tile.values.chunks_mut(channels).for_each(|px| px.iter_mut().zip(&**p).for_each(|(v, p)| *v += p));
            }
            Step::ScalePixels(p) => per_pixel(p, tile, |v, p| v * p)?,
            Step::ShiftPixels(p) => per_pixel(p, tile, |v, p| v + p)?,
            Step::Gate(t) => self.gate(*t, None, tile)?,
            Step::Activation(activation) => activate(activation, &mut tile.values, channels)?,
            Step::Add(t) => zip(&mut tile.values, self.floats(*t)?, |v, w| v + w)?,
            Step::Mul(t) => zip(&mut tile.values, self.floats(*t)?, |v, w| v * w)?,
            Step::Store(t) => self.put(*t, Data::F32(tile.values.clone()))?,
            Step::Sum(t) => {
                let mut sums = vec![0.0_f32; images * channels];
                for (r, row) in tile.values.chunks(columns * channels).enumerate() {
                    let mut partial = vec![0.0_f32; channels];
                    for pixel in row.chunks(channels) {
                        partial.iter_mut().zip(pixel).for_each(|(s, v)| *s += v);
                    }
                    let image = r / rows;
                    sums[image * channels..][..channels].iter_mut().zip(&partial).for_each(|(s, v)| *s += v);
                }
                self.put(*t, Data::F32(sums))?;
            }
            Step::Sign { bits, intervals } => {
                if intervals.len() != channels {
                    return Err(format!("{} intervals for {channels} channels", intervals.len()));
                }
                let Storage::Bits(layout) = &self.network.tensor(*bits).storage else {
                    return Err(format!("{:?} is not bits", self.network.tensor(*bits).name));
                };
                let shape = &self.network.tensor(*bits).shape;
                // A frame needs to know where an image's rows end.
                if layout.frame != [0; 4] && shape[..] != tile.extents {
                    return Err(format!("bits of {shape:?} from a tile of {:?}", tile.extents));
                }
                let signs = tile.values.iter().enumerate().map(|(i, &v)| sign(intervals[i % channels].contains(v)));
                let signs = signs.collect();
                self.put(*bits, Data::F32(signs))?;
            }
        }
        Ok(())
    }
}

fn per_pixel(p: &PerPixel, tile: &mut Tile, f: impl Fn(f32, f32) -> f32) -> Result<(), String> {
    let [_, rows, columns, channels] = tile.extents;
    let fits = p.extents.iter().zip([rows, columns, channels]).all(|(&own, all)| own == 1 || own == all);
    if !fits || p.values.len() != p.extents.iter().product::<usize>() {
        return Err(format!("parameters of {:?} for {:?}", p.extents, tile.extents));
    }
    let [_, width, depth] = p.extents;
    for (i, v) in tile.values.iter_mut().enumerate() {
        let index = [i / (columns * channels) % rows, i / channels % columns, i % channels];
        let [y, x, c] = [0, 1, 2].map(|axis| if p.extents[axis] == 1 { 0 } else { index[axis] });
        *v = f(*v, p.values[(y * width + x) * depth + c]);
    }
    Ok(())
}

fn sign(plus: bool) -> f32 {
    if plus { 1.0 } else { -1.0 }
}

fn zip(values: &mut [f32], others: &[f32], f: impl Fn(f32, f32) -> f32) -> Result<(), String> {
    if values.len() != others.len() {
        return Err(format!("{} values meet {}", values.len(), others.len()));
    }
    values.iter_mut().zip(others).for_each(|(v, &w)| *v = f(*v, w));
    Ok(())
}

/// Applies an activation to values of so many channels.
///
/// # Errors
/// When it cannot be applied, with the reason.
pub fn activate(activation: &Activation, values: &mut [f32], channels: usize) -> Result<(), String> {
    match activation {
        Activation::PRelu(slopes) => {
            if slopes.len() != channels {
                return Err(format!("{} slopes for {channels} channels", slopes.len()));
            }
            for (i, v) in values.iter_mut().enumerate() {
                *v = if *v < 0.0 { slopes[i % channels] * *v } else { *v };
            }
        }
        Activation::Unary(Unary::Not) => values.iter_mut().for_each(|v| *v = f32::from(u8::from(*v == 0.0))),
        Activation::Unary(function) => {
            let tensor = Tensor::f32([values.len()], values.to_vec());
            let result = super::apply(&Op::Unary(*function), &[&tensor], &tensor.shape)?;
            values.copy_from_slice(&result.to_f32());
        }
        Activation::Sign(intervals) => {
            if intervals.len() != channels {
                return Err(format!("{} intervals for {channels} channels", intervals.len()));
            }
            for (i, v) in values.iter_mut().enumerate() {
                *v = sign(intervals[i % channels].contains(*v));
            }
        }
    }
    Ok(())
}
