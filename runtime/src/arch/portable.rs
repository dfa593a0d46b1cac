//! 16 lanes in plain Rust.

use super::fused;
use crate::dispatch::Level;
use crate::simd::{Simd, sealed::Sealed};
use crate::weights::Le;

/// Plain Rust, for which the compiler may use whatever the surrounding function is compiled for: the level
/// [`Level::Popcnt`] is this very code in a function with POPCNT.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar<const POPCNT: bool>;

/// The level every processor has.
pub(crate) type Portable = Scalar<false>;

/// `core::array::from_fn` is not always inlined, and what is not inlined is not compiled for the level.
#[inline(always)]
fn lanes<T: Copy + Default>(f: impl Fn(usize) -> T) -> [T; 16] {
    let mut lanes = [T::default(); 16];
    for (i, lane) in lanes.iter_mut().enumerate() {
        *lane = f(i);
    }
    lanes
}

#[inline(always)]
fn mask(a: [f32; 16], b: [f32; 16], f: impl Fn(&f32, &f32) -> bool) -> u16 {
    let mut mask = 0;
    for (i, (a, b)) in a.iter().zip(&b).enumerate() {
        mask |= u16::from(f(a, b)) << i;
    }
    mask
}

impl<const POPCNT: bool> Sealed for Scalar<POPCNT> {}

impl<const POPCNT: bool> Simd for Scalar<POPCNT> {
    const LEVEL: Level = if POPCNT { Level::Popcnt } else { Level::Portable };
    const TILES: usize = 1;
    type F = [f32; 16];
    type Acc = [u32; 16];

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [x; 16]
    }
    #[inline(always)]
    fn load(self, x: &[f32; 16]) -> Self::F {
        *x
    }
    #[inline(always)]
    fn store(self, y: &mut [f32; 16], v: Self::F) {
        *y = v;
    }
    #[inline(always)]
    fn load_le(self, x: &[Le<f32>; 16]) -> Self::F {
        lanes(|i| x[i].get())
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| a[i] / b[i])
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        fused::lanes(a, b, c)
    }
    #[inline(always)]
    fn ge(self, a: Self::F, b: Self::F) -> u16 {
        mask(a, b, f32::ge)
    }
    #[inline(always)]
    fn le(self, a: Self::F, b: Self::F) -> u16 {
        mask(a, b, f32::le)
    }
    #[inline(always)]
    fn lt(self, a: Self::F, b: Self::F) -> u16 {
        mask(a, b, f32::lt)
    }
    #[inline(always)]
    fn select(self, mask: u16, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| if mask >> i & 1 == 1 { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn select_negative(self, x: Self::F, a: Self::F, b: Self::F) -> Self::F {
        lanes(|i| if x[i] < 0.0 { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn acc_zero(self) -> Self::Acc {
        [0; 16]
    }
    #[inline(always)]
    fn xor_popcnt(self, acc: Self::Acc, x: u64, w: &[Le<u64>; 16]) -> Self::Acc {
        lanes(|i| acc[i].wrapping_add((x ^ w[i].get()).count_ones()))
    }
    #[inline(always)]
    fn dot(self, acc: Self::Acc, k: Self::F) -> Self::F {
        lanes(|i| k[i] - acc[i].wrapping_mul(2) as i32 as f32)
    }
}
