//! Tensors of the CPU's backend as slices.

use burn::backend::flex::FlexTensor;

/// `x` changed by `change`, in the same memory where nobody else holds it; and what `change` gives.
///
/// For gradients: they are `f32` where what they belong to is.
pub(super) fn in_place<R>(x: FlexTensor, change: impl FnOnce(&mut [f32]) -> R) -> (FlexTensor, R) {
    let len = x.layout().num_elements() * size_of::<f32>();
    let whole = x.is_contiguous() && x.layout().start_offset() == 0 && x.bytes().len() == len;
    let mut x = if whole { x } else { x.to_contiguous() };
    let result = change(x.storage_mut::<f32>());
    (x, result)
}
