//! What rows of a block need besides its loops.

use crate::dispatch::dispatch;
use crate::lanes::LANES;
use crate::parts::Count;
use crate::simd::{Kernel, Simd};
use crate::tensor::{Tensor, TensorMut};

/// Asks for part number `row` of `rows` equal parts of the weights that come next: their way from memory takes longer
/// than a block of short rows, but not longer than the one before it.
#[inline(always)]
pub(crate) fn prefetch_part<S: Simd, T>(s: S, next: &[[T; 16]], row: usize, rows: usize) {
    let part = next.len().ceil_over(rows.max(1));
    for x in next.iter().skip(row * part).take(part) {
        s.prefetch(x);
    }
}

/// Sums over all pixels of an image from those of its rows, which are added up from zero in order.
pub fn add_row_sums<const C: usize>(rows: &[[[f32; C]; 1]], total: &mut [[[f32; C]; 1]; 1]) {
    dispatch(AddRows { count: rows.len(), rows: Tensor::new(rows), total: TensorMut::new(total) });
}

struct AddRows<'a, const C: usize> {
    count: usize,
    rows: Tensor<'a, 1, C>,
    total: TensorMut<'a, 1, C>,
}

impl<const C: usize> Kernel for AddRows<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        // Four blocks at a time: one sum alone would wait for itself. Behind the last block there are zeros.
        for group in 0..C.div_ceil(4 * LANES) {
            let mut sums = [s.splat(0.0); 4];
            for row in 0..self.count {
                for (i, sum) in sums.iter_mut().enumerate() {
                    *sum = s.add(*sum, self.rows.line(row, 4 * group + i).load(s, 0));
                }
            }
            for (i, sum) in sums.into_iter().enumerate() {
                self.total.line(0, 4 * group + i).store(s, 0, sum);
            }
        }
    }
}
