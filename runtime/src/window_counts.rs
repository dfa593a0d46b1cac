//! Counting down the lanes where memory is all alike: the sums of one pixel stay in registers over its whole window, and one
//! function counts for all geometries.

use crate::parts::Count;
use crate::set_bits::{Rows, SetBits, add_eights};
use crate::simd::Simd;
use crate::weights::Le;

/// A tap of a window: the rows of weights of its pixel's set bits, W words of 32 output channels each.
#[derive(Clone, Copy, Debug)]
pub struct Tap<'a, const W: usize> {
    /// Where rows begin, all of which `weights` has.
    eights: &'a [[u16; 8]],
    weights: &'a [[Le<u32>; W]],
}

impl<const W: usize> Tap<'_, W> {
    /// Of no set bit.
    pub const NONE: Self = Self { eights: &[], weights: &[] };
}

impl<const C: usize, const M: usize, const W: usize> SetBits<C, M, W> {
    /// These of a pixel, and the weights of the tap that lies over it.
    #[inline(always)]
    pub fn tap<'a, const R: usize>(&'a self, weights: &'a Rows<W, R>) -> Tap<'a, W> {
        const { assert!(C < R, "a row of zeros behind those of the channels") };
        Tap { eights: self.eights(), weights: &weights.0 }
    }
}

/// Counts the set bits under a pixel's window that meet a weight of +1, in sums of N bits: `[block of channels][channel]`.
// Once for all layers whose sums and outputs are as wide.
#[inline(never)]
pub fn window_counts<S: Simd, const N: usize, const W: usize>(s: S, taps: &[Tap<'_, W>], counts: &mut [[u16; 16]]) {
    const { assert!(N > 4 && N <= 16, "planes for the sums of 16") };
    for part in 0..(32 * W).ceil_over(S::PLANE) {
        let mut sums = [s.no_plane(); N];
        for tap in taps {
            // SAFETY: a tap's weights have all the rows that its pixel's set bits name.
            sums = unsafe { add_eights(s, sums, tap.eights, tap.weights, part) };
        }
        s.spread(&sums, |block, of| {
            if let Some(counts) = counts.get_mut(S::PLANE / 16 * part + block) {
                *counts = of;
            }
        });
    }
}

/// The signs of a pixel's dot products less their thresholds, 16 channels at a time, without their counts: in planes of N bits.
///
/// With a dot product of `start + 4 count - 2 ones`, where `start` has the threshold in it, its sign is +1 if `start / 2 + 2 count` is
/// at least `ones`, rounded down or not. So the sums begin with `start / 2`: the first of M planes is its lowest bit, to which nothing is
/// added, and the others are those of the sums. Whatever even number makes all of it positive is in `least`, too, which is compared.
// Once for all layers whose sums and outputs are as wide.
#[inline(never)]
pub fn window_signs<S: Simd, const N: usize, const M: usize, const W: usize>(
    s: S,
    taps: &[Tap<'_, W>],
    start: &[[Le<u32>; W]; M],
    least: usize,
    signs: &mut [u16],
) {
    const { assert!(N > 4 && N <= 16 && M == N + 1, "planes for the sums of 16, and one below") };
    for part in 0..(32 * W).ceil_over(S::PLANE) {
        let mut sums = [s.no_plane(); N];
        // Written out, so that they stay in registers.
        macro_rules! each {
            ($($plane:literal)*) => {
                $(if let (Some(sum), Some(row)) = (sums.get_mut($plane), start.get($plane + 1)) {
                    *sum = s.plane(row, part);
                })*
            };
        }
        each!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        for tap in taps {
            // SAFETY: a tap's weights have all the rows that its pixel's set bits name.
            sums = unsafe { add_eights(s, sums, tap.eights, tap.weights, part) };
        }
        // From the lowest bit on: where the two differ, this one decides, and those below it where they are the same.
        let mut plus = s.full_plane();
        macro_rules! compared {
            ($plane:expr, $bit:expr) => {
                let both = s.and(plus, $plane);
                plus = if least >> $bit & 1 == 1 { both } else { s.xor(s.xor(plus, $plane), both) };
            };
        }
        compared!(s.plane(&start[0], part), 0);
        macro_rules! all {
            ($($plane:literal)*) => {
                $(if let Some(sum) = sums.get($plane) {
                    compared!(*sum, ($plane + 1));
                })*
            };
        }
        all!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        for i in 0..S::PLANE / 16 {
            if let Some(signs) = signs.get_mut(S::PLANE / 16 * part + i) {
                // SAFETY: two bytes of a plane.
                *signs = u16::from_le_bytes(unsafe { (&raw const plus).cast::<[u8; 2]>().add(i).read() });
            }
        }
    }
}
