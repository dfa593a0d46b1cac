//! Gradients of all processes as one message.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};

use super::Together;

/// The sum of all processes' gradients of `module`: one long sum in the order of its parameters, for each message costs
/// time, however short it is.
pub(crate) fn summed<M: Module>(together: Together, module: &M, grads: GradientsParams) -> GradientsParams {
    if together.alone() {
        return grads;
    }
    let mut all = Taken { grads, values: Vec::new() };
    module.visit(&mut all);
    together.sum(&mut all.values);
    let mut sums = Given { grads: all.grads, values: &all.values };
    module.visit(&mut sums);
    sums.grads
}

/// Reads them.
struct Taken {
    grads: GradientsParams,
    values: Vec<f32>,
}

impl ModuleVisitor for Taken {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.get::<D>(param.id) {
            let grad: Vec<f32> = grad.into_data().convert::<f32>().try_into_vec().unwrap_or_default();
            self.values.extend(grad);
        }
    }
}

/// Writes their sums in their place.
struct Given<'a> {
    grads: GradientsParams,
    values: &'a [f32],
}

impl ModuleVisitor for Given<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(old) = self.grads.get::<D>(param.id)
            && let Some((values, rest)) = self.values.split_at_checked(old.shape().num_elements())
        {
            self.values = rest;
            let data = TensorData::new(values.to_vec(), old.shape());
            self.grads.register::<D>(param.id, Tensor::from_data(data, &old.device()));
        }
    }
}
