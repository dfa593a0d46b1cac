//! Small fully connected layers.

use crate::simd::Simd;
use crate::weights::Le;

/// The sums of a layer, for each block of 16 units: each starts from its bias and takes the inputs in order, with fused multiply-add.
/// `weights`: `[block of units][input][unit]`.
// Once for all layers, for cores that compute one sum at a time.
#[inline(never)]
pub fn dense_sums<S: Simd>(s: S, x: &[f32], weights: &[[Le<f32>; 16]], bias: &[[Le<f32>; 16]], sums: &mut [[f32; 16]]) {
    let mut rest = weights;
    for (sum, bias) in sums.iter_mut().zip(bias) {
        let (of_block, others) = rest.split_at_checked(x.len()).unwrap_or_default();
        s.store(sum, s.fma_run(s.load_le(bias), x, 1, of_block));
        rest = others;
    }
}
