//! PReLU with one slope per channel, and PyTorch's derivative at 0: the slope.
//!
//! What a binary convolution gives is a whole number, and often 0, so the rule there matters: burn's own PReLU has 1.

use burn::Tensor;
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps as _;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, Shape, TensorMetadata, backend_extension, get_device_settings};

use super::flex::{give, in_place, tensor};
use crate::cpu::prelu::{self as cpu, Planes};

/// x where x > 0, slope · x elsewhere: x [n, c, h, w], slope `[c]`.
pub fn prelu(x: Tensor<4>, slope: Tensor<1>) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::channel_prelu(x.into_dispatch(), slope.into_dispatch()))
}

/// As `prelu(x * factor, slope)` for a factor of [n, c, 1, 1] or [1, c, 1, 1].
pub fn scaled_prelu(x: Tensor<4>, factor: Tensor<4>, slope: Tensor<1>) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::scaled_prelu(x.into_dispatch(), factor.into_dispatch(), slope.into_dispatch()))
}

/// The operations behind [`prelu`] and [`scaled_prelu`], for each backend.
#[backend_extension(Flex, Cube: cfg(any(feature = "cuda", feature = "wgpu")), Autodiff)]
pub trait PreluOps: Backend {
    /// x [n, c, h, w], slope `[c]`.
    fn channel_prelu(x: FloatTensor<Self>, slope: FloatTensor<Self>) -> FloatTensor<Self> {
        composed::<Self>(x, slope)
    }

    /// The gradients of x and of the slope.
    fn channel_prelu_backward(
        x: FloatTensor<Self>,
        slope: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        composed_backward::<Self>(x, slope, grad)
    }

    /// x [n, c, h, w], factor [n or 1, c, 1, 1], slope `[c]`.
    fn scaled_prelu(x: FloatTensor<Self>, factor: FloatTensor<Self>, slope: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::channel_prelu(Self::float_mul(x, factor), slope)
    }

    /// The gradients of x, of the factor and of the slope.
    fn scaled_prelu_backward(
        x: FloatTensor<Self>,
        factor: FloatTensor<Self>,
        slope: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        composed_scaled_backward::<Self>(x, factor, slope, grad)
    }
}

fn composed_scaled_backward<B: PreluOps>(
    x: FloatTensor<B>,
    factor: FloatTensor<B>,
    slope: FloatTensor<B>,
    grad: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let z = B::float_mul(x.clone(), factor.clone());
    let (of_z, of_slope) = B::channel_prelu_backward(z, slope, grad);
    let axes: &[usize] = if factor.shape()[0] == x.shape()[0] { &[2, 3] } else { &[0, 2, 3] };
    let of_factor = axes.iter().fold(B::float_mul(of_z.clone(), x), |sum, &axis| B::float_sum_dim(sum, axis));
    (B::float_mul(of_z, factor), of_factor, of_slope)
}

/// Of operations that every backend has.
fn composed<B: Backend>(x: FloatTensor<B>, slope: FloatTensor<B>) -> FloatTensor<B> {
    let (positive, channels) = (positive::<B>(&x), slope.shape()[0]);
    let scaled = B::float_mul(x.clone(), B::float_reshape(slope, Shape::new([1, channels, 1, 1])));
    B::float_mask_where(scaled, positive, x)
}

fn composed_backward<B: Backend>(
    x: FloatTensor<B>,
    slope: FloatTensor<B>,
    grad: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let (positive, channels) = (positive::<B>(&x), slope.shape()[0]);
    let scaled = B::float_mul(grad.clone(), B::float_reshape(slope, Shape::new([1, channels, 1, 1])));
    let of_x = B::float_mask_where(scaled, positive.clone(), grad.clone());
    let each = B::float_mask_fill(B::float_mul(grad, x), positive, 0f32.into());
    let of_slope = [0, 2, 3].into_iter().fold(each, |sum, axis| B::float_sum_dim(sum, axis));
    (of_x, B::float_reshape(of_slope, Shape::new([channels])))
}

fn positive<B: Backend>(x: &FloatTensor<B>) -> burn::backend::tensor::BoolTensor<B> {
    B::float_greater_elem(x.clone(), 0f32.into(), get_device_settings::<B>(&x.device()).bool_dtype)
}

/// On the CPU, one parallel pass over memory each way, back in the place of the gradient.
impl PreluOps for Flex {
    fn channel_prelu(x: FloatTensor<Self>, slope: FloatTensor<Self>) -> FloatTensor<Self> {
        let (x, slope) = (x.to_contiguous(), slope.to_contiguous());
        let (Some(values), Some(slopes)) = (x.as_slice::<f32>(), slope.as_slice::<f32>()) else {
            return composed::<Self>(x, slope);
        };
        let planes = Planes { len: plane(&x), factors: &[1.0], slopes };
        tensor(cpu::forward(planes, values), x.shape())
    }

    fn channel_prelu_backward(
        x: FloatTensor<Self>,
        slope: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (x, slope) = (x.to_contiguous(), slope.to_contiguous());
        let (Some(values), Some(slopes)) = (x.as_slice::<f32>(), slope.as_slice::<f32>()) else {
            return composed_backward::<Self>(x, slope, grad);
        };
        let planes = Planes { len: plane(&x), factors: &[1.0], slopes };
        let (of_x, (_, of_slope)) = in_place(grad, |grad| cpu::backward(planes, values, grad));
        let of_slope = tensor(of_slope, slope.shape());
        give(x);
        (of_x, of_slope)
    }

    fn scaled_prelu(x: FloatTensor<Self>, factor: FloatTensor<Self>, slope: FloatTensor<Self>) -> FloatTensor<Self> {
        let [x, factor, slope] = [x, factor, slope].map(|t| t.to_contiguous());
        let [Some(values), Some(factors), Some(slopes)] = [&x, &factor, &slope].map(|t| t.as_slice::<f32>()) else {
            return Self::channel_prelu(Self::float_mul(x, factor), slope);
        };
        let planes = Planes { len: plane(&x), factors, slopes };
        tensor(cpu::forward(planes, values), x.shape())
    }

    fn scaled_prelu_backward(
        x: FloatTensor<Self>,
        factor: FloatTensor<Self>,
        slope: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let [x, factor, slope] = [x, factor, slope].map(|t| t.to_contiguous());
        let [Some(values), Some(factors), Some(slopes)] = [&x, &factor, &slope].map(|t| t.as_slice::<f32>()) else {
            return composed_scaled_backward::<Self>(x, factor, slope, grad);
        };
        let planes = Planes { len: plane(&x), factors, slopes };
        let (of_x, (of_factor, of_slope)) = in_place(grad, |grad| cpu::backward(planes, values, grad));
        give(x);
        (of_x, tensor(of_factor, factor.shape()), tensor(of_slope, slope.shape()))
    }
}

/// Values of one channel of one picture.
fn plane(x: &FlexTensor) -> usize {
    let shape = x.shape();
    (shape[2] * shape[3]).max(1)
}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
impl PreluOps for burn::backend::Cube {}

impl<B: PreluOps, C: CheckpointStrategy> PreluOps for Autodiff<B, C> {
    fn channel_prelu(x: FloatTensor<Self>, slope: FloatTensor<Self>) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Prelu;

        impl<B: PreluOps> Backward<B, 2> for Prelu {
            type State = (B::FloatTensorPrimitive, B::FloatTensorPrimitive);

            fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
                let [of_x, of_slope] = ops.parents;
                let (x, slope) = ops.state;
                let grad = grads.consume::<B>(&ops.node);
                let (x, slope) = B::channel_prelu_backward(x, slope, grad);
                for (node, grad) in [(of_x, x), (of_slope, slope)] {
                    if let Some(node) = node {
                        grads.register::<B>(node.id, grad);
                    }
                }
            }
        }

        match Prelu.prepare::<C>([x.node(), slope.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let value = B::channel_prelu(x.primitive().clone(), slope.primitive().clone());
                prep.finish((x.into_primitive(), slope.into_primitive()), value)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::channel_prelu(x.into_primitive(), slope.into_primitive())),
        }
    }

    fn scaled_prelu(x: FloatTensor<Self>, factor: FloatTensor<Self>, slope: FloatTensor<Self>) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct ScaledPrelu;

        impl<B: PreluOps> Backward<B, 3> for ScaledPrelu {
            type State = [B::FloatTensorPrimitive; 3];

            fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
                let [x, factor, slope] = ops.state;
                let grad = grads.consume::<B>(&ops.node);
                let (x, factor, slope) = B::scaled_prelu_backward(x, factor, slope, grad);
                for (node, grad) in ops.parents.into_iter().zip([x, factor, slope]) {
                    if let Some(node) = node {
                        grads.register::<B>(node.id, grad);
                    }
                }
            }
        }

        let prepared = ScaledPrelu.prepare::<C>([x.node(), factor.node(), slope.node()]).compute_bound().stateful();
        let state = [x, factor, slope].map(|t| t.into_primitive());
        let [x, factor, slope] = state.clone();
        let y = B::scaled_prelu(x, factor, slope);
        match prepared {
            OpsKind::Tracked(prep) => prep.finish(state, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}
