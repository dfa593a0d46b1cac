//! The innermost loops of convolutions.
//!
//! A tile is a few places by a few dozen channels, as many sums as there are registers: each value of the input is
//! multiplied with vectors of weights of neighbouring output channels. The sums are always over taps (or places) in
//! order, one fused multiply-add after the other, so that no width of vectors changes a bit.

use pulp::{Simd, WithSimd};

use super::planes::{NOWHERE, Walk};
use super::with_simd;

/// How a tile is made on this machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tile {
    /// Values in a vector.
    pub(super) lanes: usize,
    /// Places in a tile.
    pub(super) places: usize,
}

impl Tile {
    /// Of the widest instructions.
    pub(super) fn new() -> Self {
        struct Ask;
        impl WithSimd for Ask {
            type Output = Tile;

            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) -> Tile {
                Tile { lanes: S::F32_LANES, places: if S::REGISTER_COUNT >= 32 { WIDE } else { NARROW } }
            }
        }
        with_simd(Ask)
    }

    /// Channels in a block, of so many all in all: one vector or two.
    pub(super) fn block(&self, channels: usize) -> usize {
        if channels <= self.lanes { self.lanes } else { 2 * self.lanes }
    }
}

/// Places with 32 registers: 28 sums, two vectors of weights, a value.
const WIDE: usize = 14;
/// Places with 16 registers.
const NARROW: usize = 6;

/// `out[channel][map[step]] = Σ weights[tap][channel] · line[taps[tap] + step]`.
pub(super) struct Sweep<'a> {
    pub(super) line: &'a [f32],
    pub(super) walk: &'a Walk,
    /// Blocks of [taps][block], see [`Tile::block`].
    pub(super) weights: &'a [f32],
    /// Channels of `out`.
    pub(super) channels: usize,
    /// [channels][plane].
    pub(super) out: &'a mut [f32],
}

impl Sweep<'_> {
    pub(super) fn run(self) {
        with_simd(self);
    }

    #[inline(always)]
    fn tiles<S: Simd, const P: usize, const V: usize>(self, simd: S) {
        let Walk { taps, map, .. } = self.walk;
        let block = V * S::F32_LANES;
        let plane = self.out.len() / self.channels.max(1);
        let mut tile = vec![0.0; P * block];
        if taps.is_empty() {
            // Places that no tap meets.
            for out in self.out.chunks_exact_mut(plane.max(1)) {
                map.iter().filter(|&&to| to != NOWHERE).for_each(|&to| out[to as usize] = 0.0);
            }
            return;
        }
        for (weights, out) in
            self.weights.chunks_exact(taps.len() * block).zip(self.out.chunks_mut((block * plane).max(1)))
        {
            let weights = pulp::as_arrays::<V, _>(S::as_simd_f32s(weights).0).0;
            for (number, map) in map.chunks(P).enumerate() {
                let line = &self.line[number * P..];
                let mut sums = [[simd.splat_f32s(0.0); V]; P];
                for (&at, weights) in taps.iter().zip(weights) {
                    let Some(values) = line[at..].first_chunk::<P>() else { continue };
                    for (sums, value) in sums.iter_mut().zip(values) {
                        let value = simd.splat_f32s(*value);
                        for (sum, weight) in sums.iter_mut().zip(weights) {
                            *sum = simd.mul_add_e_f32s(value, *weight, *sum);
                        }
                    }
                }
                for (to, sums) in pulp::as_arrays_mut::<V, _>(S::as_mut_simd_f32s(&mut tile).0).0.iter_mut().zip(sums) {
                    *to = sums;
                }
                for (channel, out) in out.chunks_exact_mut(plane).enumerate() {
                    for (sums, &to) in tile.chunks_exact(block).zip(map) {
                        // Nowhere is beyond every plane.
                        if let Some(to) = out.get_mut(to as usize) {
                            *to = sums[channel];
                        }
                    }
                }
            }
        }
    }
}

impl WithSimd for Sweep<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match (S::REGISTER_COUNT >= 32, self.channels <= S::F32_LANES) {
            (true, true) => self.tiles::<S, WIDE, 1>(simd),
            (true, false) => self.tiles::<S, WIDE, 2>(simd),
            (false, true) => self.tiles::<S, NARROW, 1>(simd),
            (false, false) => self.tiles::<S, NARROW, 2>(simd),
        }
    }
}

/// `sums[tap][channel] += Σ grads[step][channel] · line[taps[tap] + step]`, for one block of channels.
pub(super) struct Gather<'a> {
    pub(super) line: &'a [f32],
    pub(super) walk: &'a Walk,
    /// Vectors in a block.
    pub(super) vectors: usize,
    /// [steps][block], zeros where the walk is nowhere.
    pub(super) grads: &'a [f32],
    /// [taps][block].
    pub(super) sums: &'a mut [f32],
}

impl Gather<'_> {
    pub(super) fn run(self) {
        with_simd(self);
    }

    #[inline(always)]
    fn tiles<S: Simd, const P: usize, const V: usize>(self, simd: S) {
        let grads = pulp::as_arrays::<V, _>(S::as_simd_f32s(self.grads).0).0;
        let sums = pulp::as_arrays_mut::<V, _>(S::as_mut_simd_f32s(self.sums).0).0;
        for (taps, all) in self.walk.taps.chunks(P).zip(sums.chunks_mut(P)) {
            // A last tile that is not full does some taps twice and forgets them.
            let lines: [&[f32]; P] = std::array::from_fn(|p| {
                let tap = taps[p.min(taps.len() - 1)];
                &self.line[tap..tap + grads.len()]
            });
            let mut sums = [[simd.splat_f32s(0.0); V]; P];
            for (step, grads) in grads.iter().enumerate() {
                for (sums, line) in sums.iter_mut().zip(&lines) {
                    let value = simd.splat_f32s(line[step]);
                    for (sum, grad) in sums.iter_mut().zip(grads) {
                        *sum = simd.mul_add_e_f32s(value, *grad, *sum);
                    }
                }
            }
            for (all, sums) in all.iter_mut().zip(sums) {
                for (all, sum) in all.iter_mut().zip(sums) {
                    *all = simd.add_f32s(*all, sum);
                }
            }
        }
    }
}

impl WithSimd for Gather<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match (S::REGISTER_COUNT >= 32, self.vectors == 1) {
            (true, true) => self.tiles::<S, 12, 1>(simd),
            (true, false) => self.tiles::<S, 12, 2>(simd),
            (false, true) => self.tiles::<S, 5, 1>(simd),
            (false, false) => self.tiles::<S, 5, 2>(simd),
        }
    }
}
