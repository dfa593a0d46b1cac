//! The convolution of the networks here (square kernel, equal padding, no bias) as an operation of its own: burn's
//! everywhere but on the CPU, where forward and backward passes are those of [`cpu`](crate::cpu).

use burn::Tensor;
use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::ops::ModuleOps as _;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::ops::ConvOptions;

use super::flex::{give, memory, tensor};
use crate::cpu::convolution::{Geometry, backward_input, backward_weights, forward};

/// x [n, in, h, w] with weights [out, in, k, k]: [n, out, h', w'], in steps of `stride`, `pad` zeros on each side.
pub fn convolve(x: Tensor<4>, weight: Tensor<4>, stride: usize, pad: usize) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::plain_conv(x.into_dispatch(), weight.into_dispatch(), stride, pad))
}

/// The operation behind [`convolve`], for each backend.
#[backend_extension(Flex, Cube: cfg(any(feature = "cuda", feature = "wgpu")), Autodiff)]
pub trait ConvolveOps: Backend {
    /// As [`convolve`].
    fn plain_conv(x: FloatTensor<Self>, weight: FloatTensor<Self>, stride: usize, pad: usize) -> FloatTensor<Self> {
        Self::conv2d(x, weight, None, options(stride, pad))
    }

    /// The gradient of x.
    fn plain_conv_backward_input(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        stride: usize,
        pad: usize,
    ) -> FloatTensor<Self> {
        Self::conv2d_x_backward(x, weight, grad, options(stride, pad))
    }

    /// The gradient of the weights.
    fn plain_conv_backward_weights(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        stride: usize,
        pad: usize,
    ) -> FloatTensor<Self> {
        Self::conv2d_weight_backward(x, weight, grad, options(stride, pad))
    }
}

fn options(stride: usize, pad: usize) -> ConvOptions<2> {
    ConvOptions::new([stride, stride], [pad, pad], [1, 1], 1)
}

/// What the CPU's own passes have to know, if they fit.
fn geometry(x: &FlexTensor, weight: &FlexTensor, stride: usize, pad: usize) -> Option<Geometry> {
    let (x, w) = (x.shape(), weight.shape());
    let g = Geometry { channels: [w[1], w[0]], size: [x[2], x[3]], kernel: w[2], stride, pad };
    (w[2] == w[3] && x[1] == w[1] && g.fits() && x.num_elements() * w.num_elements() > 0).then_some(g)
}

impl ConvolveOps for Flex {
    fn plain_conv(x: FloatTensor<Self>, weight: FloatTensor<Self>, stride: usize, pad: usize) -> FloatTensor<Self> {
        let (x, weight) = (x.to_contiguous(), weight.to_contiguous());
        let (Some(g), Some(values), Some(weights)) =
            (geometry(&x, &weight, stride, pad), x.as_slice::<f32>(), weight.as_slice::<f32>())
        else {
            return Self::conv2d(x, weight, None, options(stride, pad));
        };
        let [rows, columns] = g.output();
        let out = forward(&g, values, weights);
        tensor(out, [x.shape()[0], g.channels[1], rows, columns])
    }

    fn plain_conv_backward_input(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        stride: usize,
        pad: usize,
    ) -> FloatTensor<Self> {
        let (weight, grad) = (weight.to_contiguous(), grad.to_contiguous());
        let (Some(g), Some(weights), Some(grads)) =
            (geometry(&x, &weight, stride, pad), weight.as_slice::<f32>(), grad.as_slice::<f32>())
        else {
            return Self::conv2d_x_backward(x, weight, grad, options(stride, pad));
        };
        let shape = x.shape();
        // Nothing else is made of x: its gradient takes its place.
        let mut out = memory(x);
        backward_input(&g, weights, grads, &mut out);
        give(grad);
        tensor(out, shape)
    }

    fn plain_conv_backward_weights(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        stride: usize,
        pad: usize,
    ) -> FloatTensor<Self> {
        let (x, grad) = (x.to_contiguous(), grad.to_contiguous());
        let (Some(g), Some(values), Some(grads)) =
            (geometry(&x, &weight, stride, pad), x.as_slice::<f32>(), grad.as_slice::<f32>())
        else {
            return Self::conv2d_weight_backward(x, weight, grad, options(stride, pad));
        };
        tensor(backward_weights(&g, values, grads), weight.shape())
    }
}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
impl ConvolveOps for burn::backend::Cube {}

impl<B: ConvolveOps, C: CheckpointStrategy> ConvolveOps for Autodiff<B, C> {
    fn plain_conv(x: FloatTensor<Self>, weight: FloatTensor<Self>, stride: usize, pad: usize) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Conv;

        impl<B: ConvolveOps> Backward<B, 2> for Conv {
            type State = (B::FloatTensorPrimitive, B::FloatTensorPrimitive, [usize; 2]);

            fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
                let [of_x, of_weight] = ops.parents;
                let (x, weight, [stride, pad]) = ops.state;
                let grad = grads.consume::<B>(&ops.node);
                if let Some(node) = of_weight {
                    let of_weight =
                        B::plain_conv_backward_weights(x.clone(), weight.clone(), grad.clone(), stride, pad);
                    grads.register::<B>(node.id, of_weight);
                }
                if let Some(node) = of_x {
                    grads.register::<B>(node.id, B::plain_conv_backward_input(x, weight, grad, stride, pad));
                }
            }
        }

        match Conv.prepare::<C>([x.node(), weight.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let value = B::plain_conv(x.primitive().clone(), weight.primitive().clone(), stride, pad);
                prep.finish((x.into_primitive(), weight.into_primitive(), [stride, pad]), value)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(B::plain_conv(x.into_primitive(), weight.into_primitive(), stride, pad))
            }
        }
    }
}
