//! Tensors of the CPU's backend as slices, and their memory.

use burn::backend::flex::FlexTensor;
use burn::backend::{Shape, TensorData};

use crate::cpu::{buffers, element};

/// A tensor of these values.
pub(super) fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// `x` changed by `change`, in the same memory where nobody else holds it; and what `change` gives.
///
/// For gradients: they are `f32` where what they belong to is.
pub(super) fn in_place<R>(x: FlexTensor, change: impl FnOnce(&mut [f32]) -> R) -> (FlexTensor, R) {
    if alone(&x) {
        let mut x = x;
        let result = change(x.storage_mut::<f32>());
        return (x, result);
    }
    let x = x.to_contiguous();
    let mut values = buffers::take(x.layout().num_elements());
    if let Some(from) = x.as_slice::<f32>() {
        element::copy(&mut values, from);
    }
    let result = change(&mut values);
    (tensor(values, x.layout().shape().clone()), result)
}

/// The memory of `x`, as long as it is, with anything in it: its own if nobody else holds it.
pub(super) fn memory(x: FlexTensor) -> Vec<f32> {
    if alone(&x) { x.into_data().try_into_vec().unwrap_or_default() } else { buffers::take(x.layout().num_elements()) }
}

/// This operation is the last that has seen `x`, if nobody else holds it.
pub(super) fn give(x: FlexTensor) {
    if alone(&x) {
        buffers::give(x.into_data().try_into_vec().unwrap_or_default());
    }
}

/// Whether `x` has its memory for itself, from the beginning to the end.
fn alone(x: &FlexTensor) -> bool {
    let len = x.layout().num_elements() * size_of::<f32>();
    x.is_unique() && x.is_contiguous() && x.layout().start_offset() == 0 && x.bytes().len() == len
}
