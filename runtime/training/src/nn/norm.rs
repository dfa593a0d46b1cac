//! Batch normalisation in training as one operation, for burn's module.

use burn::Tensor;
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::ops::ModuleOps as _;
use burn::backend::tensor::FloatTensor;
use burn::backend::{AutodiffBackend as _, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::nn::BatchNorm;

use super::flex::{give, in_place, tensor};
use crate::cpu::norm::{Channel, backward, forward, forward_fixed};
use crate::cpu::shared_norm::{shared_backward, shared_forward};
use crate::together::Together;

/// As `norm.forward(x)`: x [n, c, h, w].
pub(super) fn normalised(norm: &BatchNorm, x: Tensor<4>) -> Tensor<4> {
    let device = x.device();
    let (x, gamma, beta) = (x.into_dispatch(), norm.gamma.val().into_dispatch(), norm.beta.val().into_dispatch());
    if !(device.is_autodiff() && norm.training.is_enabled()) {
        let [mean, variance] =
            [&norm.running_mean, &norm.running_var].map(|s| s.value().to_device(&device).into_dispatch());
        return Tensor::from_dispatch(Dispatch::fixed_norm(x, gamma, beta, mean, variance, norm.epsilon));
    }
    let (y, mean, variance) = Dispatch::trained_norm(x, gamma, beta, norm.epsilon);
    for (running, new) in [(&norm.running_mean, mean), (&norm.running_var, variance)] {
        let old = running.value_sync().to_device(&device) * (1.0 - norm.momentum);
        running.update((old + Tensor::<1>::from_dispatch(new).detach() * norm.momentum).detach());
    }
    Tensor::from_dispatch(y)
}

/// The operations behind `normalised`, for each backend.
#[backend_extension(Flex, Cube: cfg(any(feature = "cuda", feature = "wgpu")), Autodiff)]
pub trait NormOps: Backend {
    /// x [n, c, h, w] by given statistics; γ, β, mean, variance `[c]`.
    fn fixed_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        Self::batch_norm(x, gamma, beta, mean, variance, epsilon)
    }

    /// x [n, c, h, w] by its own mean and (biased) variance, which are given back too; γ, β `[c]`. On the CPU they are
    /// those of the whole batch, of all processes that train together.
    fn trained_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let result = Self::batch_norm_train(x, gamma, beta, epsilon);
        (result.output, result.mean, result.variance)
    }

    /// The gradients of x, γ and β; those of γ and β by this process's pictures, as every parameter's.
    fn trained_norm_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let result = Self::batch_norm_train_backward(x, gamma, mean, variance, epsilon, grad);
        (result.x_grad, result.gamma_grad, result.beta_grad)
    }
}

/// Values of one channel of one picture.
fn plane(x: &FlexTensor) -> usize {
    x.shape()[2] * x.shape()[3]
}

fn channels(gamma: &[f32], mean: &[f32], variance: &[f32]) -> Vec<Channel> {
    let statistics = mean.iter().zip(variance);
    gamma.iter().zip(statistics).map(|(&gamma, (&mean, &variance))| Channel { gamma, mean, variance }).collect()
}

fn vector(values: Vec<f32>) -> FlexTensor {
    let len = values.len();
    tensor(values, [len])
}

impl NormOps for Flex {
    fn fixed_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        let [x, gamma, beta, mean, variance] = [x, gamma, beta, mean, variance].map(|t| t.to_contiguous());
        let [Some(values), Some(gammas), Some(betas), Some(means), Some(variances)] =
            [&x, &gamma, &beta, &mean, &variance].map(|t| t.as_slice::<f32>().filter(|t| !t.is_empty()))
        else {
            return Self::batch_norm(x, gamma, beta, mean, variance, epsilon);
        };
        let channels = channels(gammas, means, variances);
        let y = forward_fixed(values, plane(&x), &channels, betas, epsilon as f32);
        tensor(y, x.shape())
    }

    fn trained_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let [x, gamma, beta] = [x, gamma, beta].map(|t| t.to_contiguous());
        let [Some(values), Some(gammas), Some(betas)] =
            [&x, &gamma, &beta].map(|t| t.as_slice::<f32>().filter(|t| !t.is_empty()))
        else {
            let result = Self::batch_norm_train(x, gamma, beta, epsilon);
            return (result.output, result.mean, result.variance);
        };
        let (plane, epsilon, together) = (plane(&x), epsilon as f32, Together::current());
        let (y, mean, variance) = match together.alone() {
            true => forward(values, plane, gammas, betas, epsilon),
            false => shared_forward(values, plane, gammas, betas, epsilon, |sums| together.sum_f64(sums)),
        };
        (tensor(y, x.shape()), vector(mean), vector(variance))
    }

    fn trained_norm_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let [x, gamma, mean, variance] = [x, gamma, mean, variance].map(|t| t.to_contiguous());
        let [Some(values), Some(gammas), Some(means), Some(variances)] =
            [&x, &gamma, &mean, &variance].map(|t| t.as_slice::<f32>().filter(|t| !t.is_empty()))
        else {
            let result = Self::batch_norm_train_backward(x, gamma, mean, variance, epsilon, grad);
            return (result.x_grad, result.gamma_grad, result.beta_grad);
        };
        let channels = channels(gammas, means, variances);
        let (plane, epsilon, together) = (plane(&x), epsilon as f32, Together::current());
        let (of_x, (of_gamma, of_beta)) = in_place(grad, |grad| match together.alone() {
            true => backward(values, plane, &channels, epsilon, grad),
            false => shared_backward(values, plane, &channels, epsilon, grad, |sums| together.sum_f64(sums)),
        });
        give(x);
        (of_x, vector(of_gamma), vector(of_beta))
    }
}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
impl NormOps for burn::backend::Cube {}

impl<B: NormOps, C: CheckpointStrategy> NormOps for Autodiff<B, C> {
    fn trained_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        /// x, γ, mean, variance, ε.
        type Seen<B> = ([FloatTensor<B>; 4], f64);

        #[derive(Debug)]
        struct Norm;

        impl<B: NormOps> Backward<B, 3> for Norm {
            type State = Seen<B>;

            fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
                let ([x, gamma, mean, variance], epsilon) = ops.state;
                let grad = grads.consume::<B>(&ops.node);
                let (x, gamma, beta) = B::trained_norm_backward(x, gamma, mean, variance, grad, epsilon);
                for (node, grad) in ops.parents.into_iter().zip([x, gamma, beta]) {
                    if let Some(node) = node {
                        grads.register::<B>(node.id, grad);
                    }
                }
            }
        }

        let prepared = Norm.prepare::<C>([x.node(), gamma.node(), beta.node()]).compute_bound().stateful();
        let [x, gamma, beta] = [x, gamma, beta].map(|t| t.into_primitive());
        let (y, mean, variance) = B::trained_norm(x.clone(), gamma.clone(), beta, epsilon);
        let y = match prepared {
            OpsKind::Tracked(prep) => prep.finish(([x, gamma, mean.clone(), variance.clone()], epsilon), y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        };
        (y, Self::from_inner(mean), Self::from_inner(variance))
    }
}
