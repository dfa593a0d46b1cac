//! How two matrices of signs are multiplied that are both computed at run time: rows of the left one are packed once, rows of the
//! right one 16 at a time, one in each lane.

use crate::ir::network::{Network, TensorId, Whole};

/// Words of packed rows that stay at hand: 16 KiB, half of a small first-level cache.
const AT_HAND: usize = 2048;

/// The extents of a product of signs.
pub(crate) struct Packed {
    pub(crate) batches: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) depth: usize,
    /// 64-bit words of a row.
    pub(crate) words: usize,
    /// Matrices of each operand.
    pub(crate) own: [usize; 2],
    /// Rows of the left matrix that are packed together; for each such part, the right one is packed anew.
    pub(crate) together: usize,
}

impl Packed {
    pub(crate) fn of(network: &Network, whole: &Whole) -> Self {
        let shape = |id: TensorId| &network.tensor(id).shape[..];
        let [rows, depth] = shape(whole.inputs[0]).last_chunk().copied().unwrap_or([1, 1]);
        let [columns, _] = shape(whole.inputs[1]).last_chunk().copied().unwrap_or([1, 1]);
        let batch = |id: TensorId, matrix: usize| shape(id).iter().product::<usize>() / matrix.max(1);
        let words = depth.div_ceil(64);
        let parts = (rows * words).div_ceil(AT_HAND).max(1);
        Self {
            batches: batch(whole.output, rows * columns),
            rows,
            columns,
            depth,
            words,
            own: [batch(whole.inputs[0], rows * depth), batch(whole.inputs[1], columns * depth)],
            together: rows.div_ceil(parts),
        }
    }
}
