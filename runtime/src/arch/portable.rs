//! 16 lanes in plain Rust.

use super::fused;
// Every x86-64 has vectors of 128 bits; what else runs this code counts in words.
#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
use super::plane as wide;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
use super::x86_64::sse2 as wide;
use crate::lanes::each;
use crate::level::Level;
use crate::simd::{Simd, sealed::Sealed};
use crate::weights::Le;

/// Plain Rust, for which the compiler may use whatever the surrounding function is compiled for: the level
/// [`Level::Popcnt`] is this very code in a function with POPCNT.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar<const POPCNT: bool>;

/// The level every processor has.
pub(crate) type Portable = Scalar<false>;

/// Operations on each lane.
macro_rules! lanewise {
    ($name:ident $operator:tt) => {
        #[inline(always)]
        fn $name(self, a: Self::F, b: Self::F) -> Self::F {
            each!(I => a[I] $operator b[I])
        }
    };
}

/// Comparisons of each lane.
macro_rules! compared {
    ($name:ident $operator:tt) => {
        #[inline(always)]
        fn $name(self, a: Self::F, b: Self::F) -> u16 {
            mask(each!(I => u16::from(a[I] $operator b[I]) << I))
        }
    };
}

/// All of them.
#[inline(always)]
fn mask(bits: [u16; 16]) -> u16 {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bits;
    a | b | c | d | e | f | g | h | i | j | k | l | m | n | o | p
}

impl<const POPCNT: bool> Sealed for Scalar<POPCNT> {}

impl<const POPCNT: bool> Simd for Scalar<POPCNT> {
    const LEVEL: Level = if POPCNT { Level::Popcnt } else { Level::Portable };
    const TILES: usize = 1;
    const FUSED: bool = cfg!(any(xnorc_fma = "vfma", xnorc_fma = "fmadd", xnorc_fma = "integers"));
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
        let mut lanes = [0.0; 16];
        for (lane, x) in lanes.iter_mut().zip(x) {
            *lane = x.get();
        }
        lanes
    }
    lanewise!(add+);
    lanewise!(sub -);
    lanewise!(mul *);
    lanewise!(div /);
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        each!(I => if a[I] < b[I] { a[I] } else { b[I] })
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        each!(I => if a[I] > b[I] { a[I] } else { b[I] })
    }
    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        fused::lanes(a, b, c)
    }
    #[cfg(any(xnorc_fma = "vfma", xnorc_fma = "fmadd"))]
    #[inline(always)]
    fn fma_run(self, sum: Self::F, x: &[f32], step: usize, w: &[[Le<f32>; 16]]) -> Self::F {
        fused::run(sum, x, step, w)
    }
    compared!(ge >=);
    compared!(le <=);
    compared!(lt <);
    #[inline(always)]
    fn select(self, mask: u16, a: Self::F, b: Self::F) -> Self::F {
        each!(I => if mask >> I & 1 == 1 { a[I] } else { b[I] })
    }
    #[inline(always)]
    fn select_negative(self, x: Self::F, a: Self::F, b: Self::F) -> Self::F {
        each!(I => if x[I] < 0.0 { a[I] } else { b[I] })
    }
    #[inline(always)]
    fn acc_zero(self) -> Self::Acc {
        [0; 16]
    }
    #[inline(always)]
    fn xor_popcnt(self, acc: Self::Acc, x: u64, w: &[Le<u64>; 16]) -> Self::Acc {
        each!(I => acc[I].wrapping_add((x ^ w[I].get()).count_ones()))
    }
    #[inline(always)]
    fn dot(self, acc: Self::Acc, k: Self::F) -> Self::F {
        each!(I => k[I] - acc[I].wrapping_mul(2) as i32 as f32)
    }
    #[inline(always)]
    fn dot_ge(self, acc: Self::Acc, k: i32, low: &[Le<i16>; 16]) -> u16 {
        mask(each!(I => u16::from(k.wrapping_sub(acc[I].wrapping_mul(2) as i32) >= i32::from(low[I].get())) << I))
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
    fn or(self, a: Self::Plane, b: Self::Plane) -> Self::Plane {
        wide::or(a, b)
    }
    #[inline(always)]
    fn dot_counts(self, counts: &[u16; 16], start: &[Le<i16>; 16], ones: usize) -> Self::F {
        each!(I => (i32::from(start[I].get()) - 2 * ones as i32 + 4 * i32::from(counts[I])) as f32)
    }
    // The same with the sum first, where this keeps more planes in registers: 4 % fewer instructions here, 8 to 14 % more on Arm.
    #[cfg(any(target_arch = "riscv32", target_arch = "riscv64"))]
    #[inline(always)]
    fn full_adder(self, a: Self::Plane, b: Self::Plane, c: Self::Plane) -> (Self::Plane, Self::Plane) {
        let (both, differ) = self.half_adder(c, a);
        let (third, sum) = self.half_adder(differ, b);
        (self.or(both, third), sum)
    }
    #[inline(always)]
    fn spread<const N: usize>(self, planes: &[Self::Plane; N], put: impl FnMut(usize, [u16; 16])) {
        wide::spread(planes, put);
    }
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    #[inline(always)]
    fn turned(self, words: &[u64; 32]) -> [u32; 64] {
        wide::turned(words)
    }
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    #[inline(always)]
    fn columns<const N: usize>(self, sums: &[[[Self::Plane; N]; 4]; 4], put: impl FnMut(usize, [u16; 16])) {
        wide::columns(sums, put);
    }
}
