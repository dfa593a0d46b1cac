//! The sign with a straight-through estimator: +1 where x ≥ 0 (0 and -0 too), -1 elsewhere; backwards, a surrogate of
//! its derivative, which is 0 almost everywhere.
//!
//! One operation of the autodiff graph for every device: forwards a comparison, backwards a product with the
//! surrogate at x.

use burn::Tensor;
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, TensorMetadata, backend_extension, get_device_settings};

use crate::config::Surrogate;

/// The sign of each element, ±1, of the same shape; its gradient is `surrogate`'s.
pub fn sign<const D: usize>(x: Tensor<D>, surrogate: Surrogate) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::sign_ste(x.into_dispatch(), surrogate))
}

/// The operation behind [`sign`], for each backend.
#[backend_extension(Flex, Cube: cfg(any(feature = "cuda", feature = "vulkan")), Autodiff)]
pub trait SignOps: Backend {
    /// ±1 by x ≥ 0.
    fn sign_ste(x: FloatTensor<Self>, surrogate: Surrogate) -> FloatTensor<Self> {
        let _ = surrogate;
        let bools = get_device_settings::<Self>(&x.device()).bool_dtype;
        let positive = Self::float_greater_equal_elem(x.clone(), 0f32.into(), bools);
        let minus = Self::float_full(x.shape(), (-1f32).into(), &x.device(), x.dtype().into());
        Self::float_mask_fill(minus, positive, 1f32.into())
    }

    /// `grad` times the surrogate at `x`.
    fn sign_ste_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>, surrogate: Surrogate) -> FloatTensor<Self> {
        let bools = get_device_settings::<Self>(&x.device()).bool_dtype;
        let size = Self::float_abs(x);
        match surrogate {
            Surrogate::Identity => grad,
            Surrogate::Clip => {
                let outside = Self::float_greater_elem(size, 1f32.into(), bools);
                Self::float_mask_fill(grad, outside, 0f32.into())
            }
            Surrogate::Polynomial => {
                let slope = Self::float_add_scalar(Self::float_mul_scalar(size, (-2f32).into()), 2f32.into());
                Self::float_mul(grad, Self::float_clamp_min(slope, 0f32.into()))
            }
        }
    }
}

impl SignOps for Flex {}

#[cfg(any(feature = "cuda", feature = "vulkan"))]
impl SignOps for burn::backend::Cube {}

impl<B: SignOps, C: CheckpointStrategy> SignOps for Autodiff<B, C> {
    fn sign_ste(x: FloatTensor<Self>, surrogate: Surrogate) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Sign;

        impl<B: SignOps> Backward<B, 1> for Sign {
            type State = (B::FloatTensorPrimitive, Surrogate);

            fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
                let (x, surrogate) = ops.state;
                unary::<B, _>(ops.parents, ops.node, grads, |grad| B::sign_ste_backward(x, grad, surrogate));
            }
        }

        match Sign.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let value = B::sign_ste(x.primitive().clone(), surrogate);
                prep.finish((x.into_primitive(), surrogate), value)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::sign_ste(x.into_primitive(), surrogate)),
        }
    }
}
