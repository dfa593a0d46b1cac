//! The interpreter in the place of a program: the same memory, read, written and run in the same way, without rustc.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::{Space, problem};
use crate::packing::Packing;
use xnorc::Output;
use xnorc::diagnostics::Diagnostics;
use xnorc::fixed::{self, Fixed};
use xnorc::interpret::network as interpret;
use xnorc::ir::network::{Network, TensorId};
use xnorc::ir::{Data, Tensor};
use xnorc::plan::{Place, Plan};

/// A network and the memory that its program would have.
#[derive(Debug)]
pub(super) struct Interpreter {
    network: Network,
    plan: Plan,
    fixed: Option<Fixed>,
    inputs: Vec<Vec<f32>>,
    outputs: Vec<Data>,
    real: Vec<f32>,
    bits: Vec<u64>,
}

impl Interpreter {
    pub(super) fn new(output: &Output) -> Self {
        let (network, plan) = (output.network.clone(), output.plan.clone());
        let len = |id: &TensorId| network.tensor(*id).storage_len();
        let outputs = network.outputs.iter().map(|id| match network.tensor(*id).integer() {
            Some(_) => Data::I64(vec![0; len(id)]),
            None => Data::F32(vec![0.0; len(id)]),
        });
        Self {
            inputs: network.inputs.iter().map(|id| vec![0.0; len(id)]).collect(),
            outputs: outputs.collect(),
            real: vec![0.0; plan.real_len],
            bits: vec![0; plan.bits_len],
            network,
            plan,
            fixed: output.fixed.clone(),
        }
    }

    /// A part of the memory that holds floats.
    pub(super) fn floats(&mut self, space: Space, offset: usize, count: usize) -> Result<&mut [f32], Diagnostics> {
        let all = match space {
            Space::Input(i) => self.inputs.get_mut(i).map(Vec::as_mut_slice),
            Space::Output(i) => match self.outputs.get_mut(i) {
                Some(Data::F32(values)) => Some(values.as_mut_slice()),
                _ => None,
            },
            Space::Real => Some(&mut self.real[..]),
            Space::Bits => None,
        };
        all.and_then(|all| all.get_mut(offset..offset + count)).ok_or_else(|| outside(space))
    }

    /// A part of the memory that holds sign bits.
    pub(super) fn words(&mut self, offset: usize, count: usize) -> Result<&mut [u64], Diagnostics> {
        self.bits.get_mut(offset..offset + count).ok_or_else(|| outside(Space::Bits))
    }

    /// An output that holds integers.
    pub(super) fn integers(&self, output: usize) -> Result<&[i64], Diagnostics> {
        match self.outputs.get(output) {
            Some(Data::I64(values)) => Ok(values),
            _ => Err(outside(Space::Output(output))),
        }
    }

    /// Runs one block on what is in memory: floats, which a network in fixed point has none of.
    pub(super) fn block(&mut self, index: usize) -> Result<(), Diagnostics> {
        if self.fixed.is_some() {
            return Err(problem("a block in fixed point is not interpreted alone".to_owned()));
        }
        let block = self.network.blocks.get(index).ok_or_else(|| problem(format!("there is no block {index}")))?;
        let mut values: HashMap<TensorId, Tensor> = block.reads().into_iter().map(|id| (id, self.read(id))).collect();
        interpret::block(&self.network, block, &mut values).map_err(problem)?;
        for id in block.writes() {
            if let Some(tensor) = values.remove(&id) {
                self.write(id, tensor.data);
            }
        }
        Ok(())
    }

    /// Runs them all. What is in the scratch memory stays as it was.
    pub(super) fn infer(&mut self) -> Result<Duration, Diagnostics> {
        let inputs: Vec<Tensor> = (self.network.inputs.iter().zip(&self.inputs))
            .map(|(&id, values)| Tensor::f32(self.network.tensor(id).shape.clone(), values.clone()))
            .collect();
        let start = Instant::now();
        let outputs = match &self.fixed {
            Some(fixed) => fixed::run::outputs(&self.network, fixed, &inputs),
            None => interpret::outputs(&self.network, &inputs),
        };
        let outputs = outputs.map_err(problem)?;
        let time = start.elapsed();
        self.outputs = outputs.into_iter().map(|tensor| tensor.data).collect();
        Ok(time)
    }

    fn read(&self, id: TensorId) -> Tensor {
        let tensor = self.network.tensor(id);
        let len = tensor.storage_len();
        let data = match (self.plan.place(id), Packing::of(tensor)) {
            (Place::Bits(offset, _), Some(packing)) => {
                let plus = packing.unpack(&self.bits[offset..offset + len]).0;
                Data::F32(plus.into_iter().map(|plus| if plus { 1.0 } else { -1.0 }).collect())
            }
            (Place::Input(i), _) => Data::F32(self.inputs[i].clone()),
            (Place::Output(i), _) => self.outputs[i].clone(),
            (Place::Real(offset, _) | Place::Bits(offset, _), _) => Data::F32(self.real[offset..offset + len].to_vec()),
        };
        Tensor { shape: tensor.shape.clone(), data }
    }

    fn write(&mut self, id: TensorId, data: Data) {
        let tensor = self.network.tensor(id);
        match (self.plan.place(id), Packing::of(tensor), data) {
            (Place::Bits(offset, _), Some(packing), data) => {
                let values = Tensor { shape: tensor.shape.clone(), data }.to_f32();
                let words = packing.pack(&values.iter().map(|&v| v > 0.0).collect::<Vec<_>>());
                self.bits[offset..offset + words.len()].copy_from_slice(&words);
            }
            (Place::Output(i), _, data) => self.outputs[i] = data,
            (Place::Real(offset, _), _, Data::F32(values)) => {
                self.real[offset..offset + values.len()].copy_from_slice(&values);
            }
            // Nothing else is planned there.
            _ => {}
        }
    }
}

fn outside(space: Space) -> Diagnostics {
    problem(format!("the interpreted program has no such memory: {space:?}"))
}
