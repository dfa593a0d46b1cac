//! Product of two matrices that are both known only at run time.

use super::window::fits;
use crate::dispatch::dispatch;
use crate::parts::Count;
use crate::simd::{Kernel, Simd};
use crate::team::cut_mut;

/// `y[b] = a[b] * b[b]`, `[batch][m][k]` times `[batch][k][n]`, in the level in use; a batch stride of 0 repeats an
/// operand. Each sum starts from zero and takes, with fused multiply-add, k in order. Writes nothing when a slice is too
/// short.
pub fn matmul(a: &[f32], b: &[f32], y: &mut [f32], extents: [usize; 4], batch_strides: [usize; 2]) {
    dispatch(MatMul { a, b, y, extents, batch_strides });
}

struct MatMul<'a> {
    a: &'a [f32],
    b: &'a [f32],
    y: &'a mut [f32],
    extents: [usize; 4],
    batch_strides: [usize; 2],
}

impl Kernel for MatMul<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        matmul_with(s, self.a, self.b, self.y, self.extents, self.batch_strides);
    }
}

/// [`matmul`] inside a kernel.
#[inline(always)]
pub fn matmul_with<S: Simd>(
    s: S,
    a: &[f32],
    b: &[f32],
    y: &mut [f32],
    [batch, m, k, n]: [usize; 4],
    [stride_a, stride_b]: [usize; 2],
) {
    let enough = |len: usize, stride: usize, size: usize| {
        batch.saturating_sub(1).checked_mul(stride).and_then(|s| s.checked_add(size)).is_some_and(|end| end <= len)
    };
    if !fits(&[batch, m, n]) || !fits(&[m, k]) || !fits(&[k, n]) {
        return;
    }
    if batch == 0 || !enough(a.len(), stride_a, m * k) || !enough(b.len(), stride_b, k * n) || y.len() < batch * m * n {
        return;
    }
    for i in 0..batch {
        let (a, b) = (a.get(i * stride_a..).unwrap_or_default(), b.get(i * stride_b..).unwrap_or_default());
        for row in 0..m {
            let y = y.get_mut((i * m + row) * n..).and_then(|y| y.get_mut(..n)).unwrap_or_default();
            for tile in 0..n.ceil_over(16) {
                let (_, y) = cut_mut(y, tile * 16);
                let (y, _) = cut_mut(y, 16);
                let mut acc = s.splat(0.0);
                for j in 0..k {
                    let from = b.get(j * n + tile * 16..).unwrap_or_default();
                    let from = from.get(..y.len()).unwrap_or(from);
                    let v = match from.first_chunk() {
                        Some(v) => s.load(v),
                        None => {
                            let mut lanes = [0.0; 16];
                            for (lane, &x) in lanes.iter_mut().zip(from) {
                                *lane = x;
                            }
                            s.load(&lanes)
                        }
                    };
                    acc = s.fma(s.splat(a.get(row * k + j).copied().unwrap_or_default()), v, acc);
                }
                for (y, v) in y.iter_mut().zip(s.to_array(acc)) {
                    *y = v;
                }
            }
        }
    }
}
