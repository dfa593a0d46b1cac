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
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Backend, Dispatch, Flex, Shape, TensorData, TensorMetadata, backend_extension, get_device_settings,
};
use rayon::prelude::*;

/// x where x > 0, slope · x elsewhere: x [n, c, h, w], slope [c].
pub fn prelu(x: Tensor<4>, slope: Tensor<1>) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::channel_prelu(x.into_dispatch(), slope.into_dispatch()))
}

/// The operation behind [`prelu`], for each backend.
#[backend_extension(Flex, Cube: cfg(any(feature = "cuda", feature = "vulkan")), Autodiff)]
pub trait PreluOps: Backend {
    /// x [n, c, h, w], slope [c].
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

/// On the CPU, one pass over memory each way, a picture's channels in parallel.
impl PreluOps for Flex {
    fn channel_prelu(x: FloatTensor<Self>, slope: FloatTensor<Self>) -> FloatTensor<Self> {
        let (x, slope) = (x.to_contiguous(), slope.to_contiguous());
        let (Some(values), Some(slopes)) = (x.as_slice::<f32>(), slope.as_slice::<f32>()) else {
            return composed::<Self>(x, slope);
        };
        let mut out = vec![0.0; values.len()];
        let plane = plane(&x);
        out.par_chunks_mut(plane).zip(values.par_chunks(plane)).enumerate().for_each(|(i, (out, values))| {
            let slope = slopes[i % slopes.len()];
            out.iter_mut().zip(values).for_each(|(y, &x)| *y = if x > 0.0 { x } else { slope * x });
        });
        FlexTensor::from_data(TensorData::new(out, x.shape()))
    }

    fn channel_prelu_backward(
        x: FloatTensor<Self>,
        slope: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (x, slope, grad) = (x.to_contiguous(), slope.to_contiguous(), grad.to_contiguous());
        let (Some(values), Some(slopes), Some(grads)) =
            (x.as_slice::<f32>(), slope.as_slice::<f32>(), grad.as_slice::<f32>())
        else {
            return composed_backward::<Self>(x, slope, grad);
        };
        let mut of_x = vec![0.0; values.len()];
        let plane = plane(&x);
        // One sum per plane, added up in order: the same for any number of threads.
        let sums: Vec<f32> = of_x
            .par_chunks_mut(plane)
            .zip(values.par_chunks(plane).zip(grads.par_chunks(plane)))
            .enumerate()
            .map(|(i, (out, (values, grads)))| {
                let slope = slopes[i % slopes.len()];
                let mut sum = 0.0;
                for (out, (&x, &g)) in out.iter_mut().zip(values.iter().zip(grads)) {
                    *out = if x > 0.0 { g } else { slope * g };
                    sum += g * x.min(0.0);
                }
                sum
            })
            .collect();
        let mut of_slope = vec![0.0; slopes.len()];
        for sums in sums.chunks(slopes.len()) {
            of_slope.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
        }
        let channels = slope.shape();
        (
            FlexTensor::from_data(TensorData::new(of_x, x.shape())),
            FlexTensor::from_data(TensorData::new(of_slope, channels)),
        )
    }
}

/// Values of one channel of one picture.
fn plane(x: &FlexTensor) -> usize {
    let shape = x.shape();
    (shape[2] * shape[3]).max(1)
}

#[cfg(any(feature = "cuda", feature = "vulkan"))]
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
}
