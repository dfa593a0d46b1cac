//! Strided copies and element-wise functions of two tensors.

use crate::parts::{parts_mut, steps};
/// Whether every index `offset + sum(i * stride)` over the extents, none of which is 0, is below `len`.
fn reaches(len: usize, offset: usize, extents: &[usize], strides: impl Iterator<Item = isize>) -> bool {
    let (Ok(mut low), Ok(len)) = (isize::try_from(offset), isize::try_from(len)) else { return false };
    let mut high = low;
    for (&extent, stride) in extents.iter().zip(strides) {
        let far = isize::try_from(extent - 1).ok().and_then(|last| last.checked_mul(stride));
        let end = if stride < 0 { &mut low } else { &mut high };
        match far.and_then(|far| end.checked_add(far)) {
            Some(to) => *end = to,
            None => return false,
        }
    }
    low >= 0 && high < len
}

/// Copies `x[x_offset + sum(i * x_strides)]` to `y[y_offset + sum(i * y_strides)]` for all indices i below the extents.
/// Copies nothing when the ranks differ or an index is out of range.
pub fn copy_strided(
    x: &[f32],
    x_offset: usize,
    x_strides: &[isize],
    y: &mut [f32],
    y_offset: usize,
    y_strides: &[usize],
    extents: &[usize],
) {
    let rank = extents.len();
    if x_strides.len() != rank
        || y_strides.len() != rank
        || extents.contains(&0)
        || y_strides.iter().any(|&s| isize::try_from(s).is_err())
        || !reaches(x.len(), x_offset, extents, x_strides.iter().copied())
        || !reaches(y.len(), y_offset, extents, y_strides.iter().map(|&s| s as isize))
    {
        return;
    }
    // SAFETY: every index was just checked, and that the ranks agree.
    unsafe { copy_axes(x, x_offset, x_strides, y, y_offset, y_strides, extents) }
}

/// # Safety
/// Every index over the extents must be inside both slices, and the three lists of one length.
unsafe fn copy_axes(
    x: &[f32],
    x_at: usize,
    x_strides: &[isize],
    y: &mut [f32],
    y_at: usize,
    y_strides: &[usize],
    extents: &[usize],
) {
    // SAFETY, for all arms: the caller's promise; each index is one over the caller's extents.
    match (extents, x_strides, y_strides) {
        // SAFETY: see above.
        (&[e], &[xs], &[ys]) => unsafe { copy_plane(x, x_at, [0, xs], y, y_at, [0, ys], [1, e]) },
        (&[e, f], &[xs, xt], &[ys, yt]) => {
            // SAFETY: see above.
            unsafe { copy_plane(x, x_at, [xs, xt], y, y_at, [ys, yt], [e, f]) }
        }
        ([e, extents @ ..], [xs, x_strides @ ..], [ys, y_strides @ ..]) => {
            for i in 0..*e {
                let x_at = x_at.wrapping_add_signed(i as isize * xs);
                // SAFETY: see above.
                unsafe { copy_axes(x, x_at, x_strides, y, y_at + i * ys, y_strides, extents) }
            }
        }
        // SAFETY: see above.
        _ => unsafe { copy_plane(x, x_at, [0, 0], y, y_at, [0, 0], [1, 1]) },
    }
}

/// The last two axes.
///
/// # Safety
/// Every index over the extents must be inside both slices.
unsafe fn copy_plane(
    x: &[f32],
    x_at: usize,
    mut x_strides: [isize; 2],
    y: &mut [f32],
    y_at: usize,
    mut y_strides: [usize; 2],
    mut extents: [usize; 2],
) {
    // The longer loop inside: channels first to channels last has few channels and many pixels. Not where the last
    // axis can be copied as a whole, nor where elements are written twice, as then their order counts.
    let contiguous = x_strides[1] == 1 && y_strides[1] == 1;
    if !contiguous && extents[1] < extents[0] && extents[1] <= 8 && y_strides[0] >= extents[1] * y_strides[1] {
        x_strides = [x_strides[1], x_strides[0]];
        y_strides = [y_strides[1], y_strides[0]];
        extents = [extents[1], extents[0]];
    }
    // Each side dense along one axis, and not the same one: in blocks, so that both sides move in runs.
    let axes = [(x_strides[0], y_strides[0], extents[0]), (x_strides[1], y_strides[1], extents[1])];
    for [(x_a, y_a, a), (x_b, y_b, b)] in [axes, [axes[1], axes[0]]] {
        if x_a == 1 && y_b == 1 && a >= 4 && b >= 4 && y_a >= b {
            // SAFETY: the caller's promise; the two axes only have other names.
            return unsafe { transpose(x, x_at, x_b, y, y_at, y_a, [a, b]) };
        }
    }
    for i in 0..extents[0] {
        let x_at = x_at.wrapping_add_signed(i as isize * x_strides[0]);
        let y_at = y_at + i * y_strides[0];
        if contiguous {
            // SAFETY: the first and the last index of both ranges are indices of the caller's; the slices are two.
            unsafe { core::ptr::copy_nonoverlapping(x.as_ptr().add(x_at), y.as_mut_ptr().add(y_at), extents[1]) };
            continue;
        }
        for j in 0..extents[1] {
            // SAFETY: the caller's promise.
            unsafe {
                let from = *x.get_unchecked(x_at.wrapping_add_signed(j as isize * x_strides[1]));
                *y.get_unchecked_mut(y_at + j * y_strides[1]) = from;
            }
        }
    }
}

/// `y[y_at + i * y_stride + j] = x[x_at + j * x_stride + i]` for all i, j below the extents, both at least 4.
///
/// # Safety
/// Every index must be inside both slices, and `y_stride` at least the second extent.
unsafe fn transpose(
    x: &[f32],
    x_at: usize,
    x_stride: isize,
    y: &mut [f32],
    y_at: usize,
    y_stride: usize,
    [rows, columns]: [usize; 2],
) {
    // Tiles of 16 by 16 use whole cache lines of both sides; the longer axis outside walks the dense side straight on.
    let tiles = |extent: usize| steps(extent, 16);
    if rows >= columns {
        for i in tiles(rows) {
            for j in tiles(columns) {
                // SAFETY: the caller's promise.
                unsafe { transpose_tile(x, x_at, x_stride, y, y_at, y_stride, [rows, columns], [i, j]) };
            }
        }
    } else {
        for j in tiles(columns) {
            for i in tiles(rows) {
                // SAFETY: the caller's promise.
                unsafe { transpose_tile(x, x_at, x_stride, y, y_at, y_stride, [rows, columns], [i, j]) };
            }
        }
    }
}

/// The 16 by 16 elements from `first` on, as many as there are.
///
/// # Safety
/// As [`transpose`]'s, and `first` must be below the extents.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn transpose_tile(
    x: &[f32],
    x_at: usize,
    x_stride: isize,
    y: &mut [f32],
    y_at: usize,
    y_stride: usize,
    [rows, columns]: [usize; 2],
    [row, column]: [usize; 2],
) {
    // Blocks of 4 by 4 stay in registers. The last block of an axis goes back over its neighbour, and writes the same
    // values again.
    for j in steps(columns.saturating_sub(column).min(16), 4) {
        let j = (column + j).min(columns.saturating_sub(4));
        for i in steps(rows.saturating_sub(row).min(16), 4) {
            let i = (row + i).min(rows.saturating_sub(4));
            // SAFETY: i + 3 and j + 3 are below the extents, so all these indices are the caller's.
            unsafe {
                let line = |l: usize| {
                    let from = x_at.wrapping_add_signed((j + l) as isize * x_stride) + i;
                    x.get_unchecked(from..from + 4)
                };
                let lines = [line(0), line(1), line(2), line(3)];
                for k in 0..4 {
                    let to = y_at + (i + k) * y_stride + j;
                    let value = |line: &[f32]| *line.get_unchecked(k);
                    let block = [value(lines[0]), value(lines[1]), value(lines[2]), value(lines[3])];
                    y.as_mut_ptr().add(to).cast::<[f32; 4]>().write_unaligned(block);
                }
            }
        }
    }
}

/// Sets every element.
#[inline]
pub fn fill(y: &mut [f32], value: f32) {
    y.fill(value);
}

/// `y[i] = f(a[sum(i * a_strides)], b[sum(i * b_strides)])` over all indices i below the extents, `y` dense; a stride of
/// 0 repeats an operand. Writes nothing when the ranks differ or an index is out of range.
pub fn broadcast(
    f: impl Fn(f32, f32) -> f32,
    a: &[f32],
    a_strides: &[usize],
    b: &[f32],
    b_strides: &[usize],
    y: &mut [f32],
    extents: &[usize],
) {
    let rank = extents.len();
    let long = |s: &&usize| isize::try_from(**s).is_err();
    if a_strides.len() != rank
        || b_strides.len() != rank
        || extents.contains(&0)
        || a_strides.iter().chain(b_strides).find(long).is_some()
        || !super::window::fits(extents)
        || y.len() < extents.iter().product()
        || !reaches(a.len(), 0, extents, a_strides.iter().map(|&s| s as isize))
        || !reaches(b.len(), 0, extents, b_strides.iter().map(|&s| s as isize))
    {
        return;
    }
    broadcast_axes(&f, a, a_strides, b, b_strides, y, extents);
}

/// One axis after the other; all indices are known to exist.
fn broadcast_axes(
    f: &impl Fn(f32, f32) -> f32,
    a: &[f32],
    a_strides: &[usize],
    b: &[f32],
    b_strides: &[usize],
    y: &mut [f32],
    extents: &[usize],
) {
    match (extents, a_strides, b_strides) {
        (&[e], &[1], &[1]) => {
            for ((y, &a), &b) in y.iter_mut().zip(a).zip(b).take(e) {
                *y = f(a, b);
            }
        }
        (&[e], &[s], &[t]) => {
            for (i, y) in y.iter_mut().take(e).enumerate() {
                if let (Some(&a), Some(&b)) = (a.get(i * s), b.get(i * t)) {
                    *y = f(a, b);
                }
            }
        }
        ([e, extents @ ..], [s, a_strides @ ..], [t, b_strides @ ..]) => {
            let inner = extents.iter().product();
            for (i, y) in parts_mut(y, inner).take(*e).enumerate() {
                let (a, b) = (a.get(i * s..).unwrap_or_default(), b.get(i * t..).unwrap_or_default());
                broadcast_axes(f, a, a_strides, b, b_strides, y, extents);
            }
        }
        _ => {
            if let (Some(y), Some(&a), Some(&b)) = (y.first_mut(), a.first(), b.first()) {
                *y = f(a, b);
            }
        }
    }
}

/// `y[i] = a[..]` where `condition[..]` is not 0, else `b[..]`, over all indices below the extents, with the strides of each as in
/// [`broadcast`]: nothing of the one that is not taken is seen. Writes nothing when the ranks differ or an index is out of range.
#[allow(clippy::too_many_arguments)] // three operands and their strides
pub fn choose(
    condition: &[f32],
    condition_strides: &[usize],
    a: &[f32],
    a_strides: &[usize],
    b: &[f32],
    b_strides: &[usize],
    y: &mut [f32],
    extents: &[usize],
) {
    let operands = [(condition, condition_strides), (a, a_strides), (b, b_strides)];
    let sound = |&(x, strides): &(&[f32], &[usize])| {
        strides.len() == extents.len()
            && strides.iter().all(|&s| isize::try_from(s).is_ok())
            && reaches(x.len(), 0, extents, strides.iter().map(|&s| s as isize))
    };
    if extents.contains(&0)
        || !super::window::fits(extents)
        || y.len() < extents.iter().product()
        || !operands.iter().all(sound)
    {
        return;
    }
    choose_axes(operands, y, extents);
}

/// One axis after the other; all indices are known to exist.
fn choose_axes(operands: [(&[f32], &[usize]); 3], y: &mut [f32], extents: &[usize]) {
    let [(c, cs), (a, as_), (b, bs)] = operands;
    match (extents, cs, as_, bs) {
        (&[e], &[r], &[s], &[t]) => {
            for (i, y) in y.iter_mut().take(e).enumerate() {
                if let (Some(&c), Some(&a), Some(&b)) = (c.get(i * r), a.get(i * s), b.get(i * t)) {
                    *y = if c != 0.0 { a } else { b };
                }
            }
        }
        ([e, extents @ ..], [r, cs @ ..], [s, as_ @ ..], [t, bs @ ..]) => {
            // Not 0, but the compiler does not know: it would keep a panic.
            let inner = extents.iter().product::<usize>().max(1);
            for (i, y) in y.chunks_exact_mut(inner).take(*e).enumerate() {
                let [c, a, b] = [(c, r), (a, s), (b, t)].map(|(x, step)| x.get(i * step..).unwrap_or_default());
                choose_axes([(c, cs), (a, as_), (b, bs)], y, extents);
            }
        }
        _ => {
            if let (Some(y), Some(&c), Some(&a), Some(&b)) = (y.first_mut(), c.first(), a.first(), b.first()) {
                *y = if c != 0.0 { a } else { b };
            }
        }
    }
}
