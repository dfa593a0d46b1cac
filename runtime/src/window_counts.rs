//! Counting down the lanes where memory is all alike: the sums of one pixel stay in registers over its whole window, and one
//! function counts for all geometries.

use crate::parts::Count;
use crate::set_bits::{Rows, SetBits, add_eights};
use crate::simd::Simd;
use crate::weights::Le;

/// A tap of a window: the rows of weights of its pixel's set bits, W words of 32 output channels each.
#[derive(Clone, Copy, Debug)]
pub struct Tap<'a, const W: usize> {
    /// Numbers of rows, all of which `weights` has.
    eights: &'a [[u16; 8]],
    weights: &'a [[Le<u32>; W]],
}

impl<const W: usize> Tap<'_, W> {
    /// Of no set bit.
    pub const NONE: Self = Self { eights: &[], weights: &[] };
}

impl<const C: usize, const M: usize> SetBits<C, M> {
    /// These of a pixel, and the weights of the tap that lies over it.
    #[inline(always)]
    pub fn tap<'a, const W: usize, const R: usize>(&'a self, weights: &'a Rows<W, R>) -> Tap<'a, W> {
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
