//! The global average pool as one operation: on the CPU one parallel pass, and no picture of ones on the way back.

use burn::Tensor;
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, Shape, TensorMetadata, backend_extension};

use super::flex::tensor;
use crate::cpu::mean::of_planes;

/// [n, c, h, w] to [n, c].
pub(crate) fn global_mean(x: Tensor<4>) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::plane_mean(x.into_dispatch()))
}

/// The operation behind `global_mean`, for each backend.
#[backend_extension(Flex, Cube: cfg(any(feature = "cuda", feature = "wgpu")), Autodiff)]
pub trait MeanOps: Backend {
    /// The mean of each plane: [n, c, h, w] to [n, c].
    fn plane_mean(x: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::<Self>(x)
    }
}

/// Of operations that every backend has.
fn composed<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let [n, c, h, w] = x.shape().dims();
    let means = B::float_mean_dim(B::float_reshape(x, Shape::new([n, c, h * w])), 2);
    B::float_reshape(means, Shape::new([n, c]))
}

impl MeanOps for Flex {
    fn plane_mean(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let x = x.to_contiguous();
        let [n, c, h, w] = x.shape().dims();
        match x.as_slice::<f32>() {
            Some(values) if h * w > 0 => tensor(of_planes(values, h * w), [n, c]),
            _ => composed::<Self>(x),
        }
    }
}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
impl MeanOps for burn::backend::Cube {}

impl<B: MeanOps, C: CheckpointStrategy> MeanOps for Autodiff<B, C> {
    fn plane_mean(x: FloatTensor<Self>) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Mean;

        impl<B: MeanOps> Backward<B, 1> for Mean {
            type State = [usize; 4];

            fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
                let [n, c, h, w] = ops.state;
                unary::<B, _>(ops.parents, ops.node, grads, |grad| {
                    let share = B::float_div_scalar(grad, ((h * w) as f32).into());
                    B::float_expand(B::float_reshape(share, Shape::new([n, c, 1, 1])), Shape::new([n, c, h, w]))
                });
            }
        }

        let shape = x.primitive().shape().dims();
        match Mean.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(shape, B::plane_mean(x.into_primitive())),
            OpsKind::UnTracked(prep) => prep.finish(B::plane_mean(x.into_primitive())),
        }
    }
}
