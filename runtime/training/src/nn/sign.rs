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

use super::flex::{give, in_place, tensor};
use crate::config::Surrogate;
use crate::cpu::element;

/// The sign of each element, ±1, of the same shape; its gradient is `surrogate`'s.
pub fn sign<const D: usize>(x: Tensor<D>, surrogate: Surrogate) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::sign_ste(x.into_dispatch(), surrogate))
}

/// The operation behind [`sign`], for each backend.
#[backend_extension(Flex, Cube: cfg(any(feature = "cuda", feature = "wgpu")), Autodiff)]
pub trait SignOps: Backend {
    /// ±1 by x ≥ 0.
    fn sign_ste(x: FloatTensor<Self>, surrogate: Surrogate) -> FloatTensor<Self> {
        let _ = surrogate;
        composed_sign::<Self>(x)
    }

    /// `grad` times the surrogate at `x`.
    fn sign_ste_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>, surrogate: Surrogate) -> FloatTensor<Self> {
        composed_backward::<Self>(x, grad, surrogate)
    }
}

/// Of operations that every backend has.
fn composed_sign<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let bools = get_device_settings::<B>(&x.device()).bool_dtype;
    let positive = B::float_greater_equal_elem(x.clone(), 0f32.into(), bools);
    let minus = B::float_full(x.shape(), (-1f32).into(), &x.device(), x.dtype().into());
    B::float_mask_fill(minus, positive, 1f32.into())
}

fn composed_backward<B: Backend>(x: FloatTensor<B>, grad: FloatTensor<B>, surrogate: Surrogate) -> FloatTensor<B> {
    let bools = get_device_settings::<B>(&x.device()).bool_dtype;
    match surrogate {
        Surrogate::Identity => grad,
        Surrogate::Clip => {
            let outside = B::float_greater_elem(B::float_abs(x), 1f32.into(), bools);
            B::float_mask_fill(grad, outside, 0f32.into())
        }
        Surrogate::Polynomial => {
            let slope = B::float_add_scalar(B::float_mul_scalar(B::float_abs(x), (-2f32).into()), 2f32.into());
            B::float_mul(grad, B::float_clamp_min(slope, 0f32.into()))
        }
    }
}

/// On the CPU, one parallel pass over memory each way, back in the place of the gradient.
impl SignOps for Flex {
    fn sign_ste(x: FloatTensor<Self>, _: Surrogate) -> FloatTensor<Self> {
        let x = x.to_contiguous();
        let Some(values) = x.as_slice::<f32>() else { return composed_sign::<Self>(x) };
        let signs = element::map(values, |x| if x >= 0.0 { 1.0 } else { -1.0 });
        tensor(signs, x.shape())
    }

    fn sign_ste_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>, surrogate: Surrogate) -> FloatTensor<Self> {
        let x = x.to_contiguous();
        let Some(at) = x.as_slice::<f32>() else { return composed_backward::<Self>(x, grad, surrogate) };
        let grad = match surrogate {
            Surrogate::Identity => grad,
            Surrogate::Clip => {
                in_place(grad, |by| element::update(by, at, |g, x| if x.abs() <= 1.0 { g } else { 0.0 })).0
            }
            Surrogate::Polynomial => {
                in_place(grad, |by| element::update(by, at, |g, x| (2.0 - 2.0 * x.abs()).max(0.0) * g)).0
            }
        };
        give(x);
        grad
    }
}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
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
