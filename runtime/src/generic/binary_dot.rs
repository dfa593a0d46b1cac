//! The inner loops of a binary convolution: the counters of a tile, over all taps that count.

use core::ops::Range;

use super::binary_shape::BinaryShape;
use crate::simd::Simd;
use crate::weights::Le;

/// 16 words for each word of a window: one per output channel.
pub(super) type Rows<'a> = &'a [[Le<u64>; 16]];

/// Counts the differing bits of P neighbouring output pixels and 16 output channels.
///
/// `x` starts at the first pixel's first tap; `w` is `[kh * kw * words]`; `rows` are the rows of taps that count. Of the
/// first pixel the first `left` columns of taps are left out, of the last pixel the last `right` ones. Counts nothing
/// when an operand is too short.
#[inline(always)]
pub(super) fn tile<S: Simd, const P: usize>(
    s: S,
    shape: &BinaryShape,
    x: &[u64],
    w: Rows<'_>,
    rows: Range<usize>,
    [left, right]: [usize; 2],
) -> [S::Acc; P] {
    let mut acc = [s.acc_zero(); P];
    if x.len() < shape.span(P) || w.len() < shape.block_words() || rows.end > shape.kernel[0] {
        return acc;
    }
    let [_, kw] = shape.kernel;
    let (start, end) = (left.min(kw), kw - right.min(kw));
    for ky in rows {
        // SAFETY: the operands are as long as a window of P pixels and its weights; ky and the columns lie inside it.
        unsafe {
            columns::<S, P, true, false>(s, &mut acc, shape, x, w, ky, 0..start.min(end));
            columns::<S, P, false, false>(s, &mut acc, shape, x, w, ky, start..end);
            columns::<S, P, true, true>(s, &mut acc, shape, x, w, ky, end..start);
            columns::<S, P, false, true>(s, &mut acc, shape, x, w, ky, start.max(end)..kw);
        }
    }
    acc
}

/// [`tile`] of one pixel, whose columns of taps that count are known at run time.
#[inline(always)]
pub(super) fn pixel<S: Simd>(
    s: S,
    shape: &BinaryShape,
    x: &[u64],
    w: Rows<'_>,
    rows: Range<usize>,
    taps: Range<usize>,
) -> S::Acc {
    let mut acc = [s.acc_zero(); 1];
    let inside = rows.end <= shape.kernel[0] && taps.end <= shape.kernel[1];
    if inside && x.len() >= shape.span(1) && w.len() >= shape.block_words() {
        for ky in rows {
            // SAFETY: the operands are as long as a window of one pixel and its weights; ky and the columns lie inside.
            unsafe { columns::<S, 1, false, false>(s, &mut acc, shape, x, w, ky, taps.clone()) };
        }
    }
    acc[0]
}

/// Counts over neighbouring taps of one row, for all pixels of the tile, or for all but the first or the last.
///
/// # Safety
/// `x` must be [`BinaryShape::span`] of P long, `w` [`BinaryShape::block_words`]; the taps must be those of the kernel.
#[allow(clippy::too_many_arguments)] // the operands of one instruction, so to say
#[inline(always)]
unsafe fn columns<S: Simd, const P: usize, const NOT_FIRST: bool, const NOT_LAST: bool>(
    s: S,
    acc: &mut [S::Acc; P],
    shape: &BinaryShape,
    x: &[u64],
    w: Rows<'_>,
    ky: usize,
    taps: Range<usize>,
) {
    let (words, pixel) = (shape.words(), shape.pixel_words());
    // Taps side by side are one run of words, unless dilation or other groups' channels come between them.
    let adjacent = shape.dilations[1] == 1 && shape.groups == 1;
    let (runs, len) =
        if adjacent { (taps.start..taps.end.min(taps.start + 1), taps.len() * words) } else { (taps, words) };
    for kx in runs {
        let x_at = ky * shape.dilations[0] * shape.row_words() + kx * shape.dilations[1] * pixel;
        let w_at = (ky * shape.kernel[1] + kx) * words;
        let first = usize::from(NOT_FIRST);
        let Some(acc) = acc.get_mut(first..P - usize::from(NOT_LAST)) else { return };
        // SAFETY: ky, kx and the run lie inside the window, so these are some of its weights.
        let w = unsafe { w.get_unchecked(w_at..w_at + len) };
        // SAFETY: p < P - first and j < len: a word of the window `first + p` steps further right.
        s.xor_popcnt_run(acc, w, |p, j| unsafe { *x.get_unchecked(x_at + (first + p) * shape.step() + j) });
    }
}
