//! 16 lanes in plain Rust.

use super::fused;
// Every x86-64 has vectors of 128 bits; what else runs this code counts in words.
#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
use super::plane as wide;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
use super::x86_64::sse2 as wide;
use crate::level::Level;
use crate::simd::{Simd, sealed::Sealed};
use crate::weights::Le;

/// Plain Rust, for which the compiler may use whatever the surrounding function is compiled for: the level
/// [`Level::Popcnt`] is this very code in a function with POPCNT.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar<const POPCNT: bool>;

/// The level every processor has.
pub(crate) type Portable = Scalar<false>;

/// One value of each lane by another. (`core::array::map` is not always inlined, and what is not inlined is not compiled for the
/// level; and an index would be compared with 16 wherever the compiler optimises for size.)
#[inline(always)]
fn map<A: Copy, T: Copy + Default>(a: &[A; 16], f: impl Fn(A) -> T) -> [T; 16] {
    let mut lanes = [T::default(); 16];
    for (lane, a) in lanes.iter_mut().zip(a) {
        *lane = f(*a);
    }
    lanes
}

/// The same of two.
#[inline(always)]
fn map2<A: Copy, B: Copy, T: Copy + Default>(a: &[A; 16], b: &[B; 16], f: impl Fn(A, B) -> T) -> [T; 16] {
    let mut lanes = [T::default(); 16];
    for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
        *lane = f(*a, *b);
    }
    lanes
}

/// Operations on each lane.
macro_rules! lanewise {
    ($name:ident $operator:tt) => {
        #[inline(always)]
        fn $name(self, a: Self::F, b: Self::F) -> Self::F {
            map2(&a, &b, |a, b| a $operator b)
        }
    };
}

/// Comparisons of each lane.
macro_rules! compared {
    ($name:ident $operator:tt) => {
        #[inline(always)]
        fn $name(self, a: Self::F, b: Self::F) -> u16 {
            a.iter().zip(&b).enumerate().fold(0, |mask, (i, (a, b))| mask | u16::from(a $operator b) << i)
        }
    };
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
        map(x, Le::<f32>::get)
    }
    lanewise!(add+);
    lanewise!(sub -);
    lanewise!(mul *);
    lanewise!(div /);
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        map2(&a, &b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        map2(&a, &b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        fused::lanes(a, b, c)
    }
    #[cfg(xnorc_fma = "vfma")]
    #[inline(always)]
    fn fma_run(self, sum: Self::F, x: &[f32], step: usize, w: &[[Le<f32>; 16]]) -> Self::F {
        fused::run(sum, x, step, w)
    }
    compared!(ge >=);
    compared!(le <=);
    compared!(lt <);
    #[inline(always)]
    fn select(self, mask: u16, a: Self::F, b: Self::F) -> Self::F {
        let mut lanes = b;
        for ((i, lane), a) in lanes.iter_mut().enumerate().zip(&a) {
            *lane = if mask >> i & 1 == 1 { *a } else { *lane };
        }
        lanes
    }
    #[inline(always)]
    fn select_negative(self, x: Self::F, a: Self::F, b: Self::F) -> Self::F {
        let mut lanes = b;
        for ((lane, x), a) in lanes.iter_mut().zip(&x).zip(&a) {
            *lane = if *x < 0.0 { *a } else { *lane };
        }
        lanes
    }
    #[inline(always)]
    fn acc_zero(self) -> Self::Acc {
        [0; 16]
    }
    #[inline(always)]
    fn xor_popcnt(self, acc: Self::Acc, x: u64, w: &[Le<u64>; 16]) -> Self::Acc {
        map2(&acc, w, |acc, w: Le<u64>| acc.wrapping_add((x ^ w.get()).count_ones()))
    }
    #[inline(always)]
    fn dot(self, acc: Self::Acc, k: Self::F) -> Self::F {
        map2(&k, &acc, |k, acc| k - acc.wrapping_mul(2) as i32 as f32)
    }
    type Plane = wide::Plane;
    #[inline(always)]
    fn and(self, a: Self::Plane, b: Self::Plane) -> Self::Plane {
        wide::and(a, b)
    }
    #[inline(always)]
    fn xor(self, a: Self::Plane, b: Self::Plane) -> Self::Plane {
        wide::xor(a, b)
    }
    #[inline(always)]
    fn spread<const N: usize>(self, planes: &[Self::Plane; N], put: impl FnMut(usize, [u16; 16])) {
        wide::spread(planes, put);
    }
}
