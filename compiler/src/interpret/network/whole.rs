//! Operators on whole tensors, as [`crate::ops`] defines them: booleans are 0 and 1 here.

use super::Runner;
use crate::ir::network::Whole;
use crate::ir::{Data, Tensor};
use crate::ops;

impl Runner<'_> {
    pub(super) fn whole(&mut self, Whole { op, inputs, output }: &Whole) -> Result<(), String> {
        let operator = ops::of(op);
        let operator = operator.whole().ok_or("it has no form on whole tensors")?;
        let operands = inputs
            .iter()
            .enumerate()
            .map(|(i, &id)| {
                let tensor = self.get(id)?;
                // A reshape in place may have given it another shape.
                let shape = self.network.tensor(id).shape.clone();
                let data = match &tensor.data {
                    Data::F32(v) if operator.is_condition(i) => Data::Bool(v.iter().map(|&x| x != 0.0).collect()),
                    data => data.clone(),
                };
                Ok(Tensor { shape, data })
            })
            .collect::<Result<Vec<Tensor>, String>>()?;
        let operands: Vec<&Tensor> = operands.iter().collect();
        let result = operator.run(&operands, &self.network.tensor(*output).shape)?;
        let data = match result.data {
            Data::Bool(_) => Data::F32(result.to_f32()),
            Data::I64(_) if self.network.tensor(*output).integer().is_none() => Data::F32(result.to_f32()),
            data => data,
        };
        self.put(*output, data)
    }
}
