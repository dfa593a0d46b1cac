//! Walking over tensors with strides: broadcasting, transposing and slicing are all the same walk.

use crate::ir;

fn signed(strides: &[usize]) -> Vec<isize> {
    strides.iter().map(|&stride| stride as isize).collect()
}

/// [`ir::strides`], for walks that may go backwards.
pub(super) fn strides(shape: &[usize]) -> Vec<isize> {
    signed(&ir::strides(shape))
}

/// [`ir::broadcast_strides`], for the same walks.
pub(super) fn broadcast_strides(shape: &[usize], target: &[usize]) -> Option<Vec<isize>> {
    ir::broadcast_strides(shape, target).map(|strides| signed(&strides))
}

/// A walk over `N` operands in step, in rows as long as their strides allow.
pub(super) struct Rows<const N: usize> {
    /// Extents and strides around a row, outermost first.
    outer: Vec<(usize, [isize; N])>,
    /// Elements of a row.
    pub(super) len: usize,
    /// Strides within a row.
    pub(super) steps: [isize; N],
}

impl<const N: usize> Rows<N> {
    /// Neighbouring axes that every operand walks evenly become one.
    pub(super) fn new(shape: &[usize], strides: [&[isize]; N]) -> Self {
        let mut axes: Vec<(usize, [isize; N])> = Vec::with_capacity(shape.len());
        for (axis, &extent) in shape.iter().enumerate() {
            if extent == 1 {
                continue;
            }
            let steps: [isize; N] = std::array::from_fn(|k| strides[k][axis]);
            match axes.last_mut() {
                Some((outer, before)) if (0..N).all(|k| before[k] == steps[k].wrapping_mul(extent as isize)) => {
                    *outer *= extent;
                    *before = steps;
                }
                _ => axes.push((extent, steps)),
            }
        }
        let (len, steps) = axes.pop().unwrap_or((1, [1; N]));
        Self { outer: axes, len, steps }
    }

    /// Calls `row` with the offset of the first element of each row, in row-major order.
    pub(super) fn for_each(&self, start: [isize; N], mut row: impl FnMut([isize; N])) {
        if self.len == 0 || self.outer.iter().any(|&(extent, _)| extent == 0) {
            return;
        }
        let mut index = vec![0; self.outer.len()];
        let mut offset = start;
        loop {
            row(offset);
            let mut axis = self.outer.len();
            loop {
                if axis == 0 {
                    return;
                }
                axis -= 1;
                let (extent, steps) = self.outer[axis];
                index[axis] += 1;
                if index[axis] < extent {
                    for k in 0..N {
                        offset[k] += steps[k];
                    }
                    break;
                }
                index[axis] = 0;
                for k in 0..N {
                    offset[k] -= steps[k] * (extent as isize - 1);
                }
            }
        }
    }
}

/// The elements at `start + sum(index[i] * strides[i])` for every index of `shape`, in row-major order. Every such
/// position must lie inside `data`.
pub(super) fn gather<T: Copy>(data: &[T], start: isize, shape: &[usize], strides: &[isize]) -> Vec<T> {
    let rows = Rows::new(shape, [strides]);
    let mut result = Vec::with_capacity(shape.iter().product());
    rows.for_each([start], |[at]| match rows.steps {
        [1] => result.extend_from_slice(&data[at as usize..][..rows.len]),
        [step] => result.extend((0..rows.len as isize).map(|i| data[(at + i * step) as usize])),
    });
    result
}
