//! Four of the 16 lanes, for cores without vectors: what a block's parameters and values take of registers, these have.
//!
//! Sixteen lanes in plain Rust are sixteen of each operation, written out, most of whose operands lie in memory. Four are a quarter
//! of that code, in a loop of four rounds, and with a scale, a slope, a threshold and a sum for each they still stay in
//! registers.

use core::ops::Range;

use crate::lanes::LANES;
use crate::level::Level;
use crate::simd::{Simd, sealed::Sealed};
use crate::weights::Le;

/// Lanes of a quarter.
const FOUR: usize = LANES / 4;

/// Lanes `4 * number..` of 16: loads, stores and masks are of these, the other lanes of what it stores to stay.
#[derive(Clone, Copy, Debug)]
pub struct Quarter(usize);

/// All four of each block of channels, of any lanes: the block, and a quarter. (One loop, as two would be written out for a few blocks.)
#[inline(always)]
pub fn quarters<S: Simd>(_: S, blocks: Range<usize>) -> impl Iterator<Item = (usize, Quarter)> {
    (FOUR * blocks.start..FOUR * blocks.end).map(|i| (i / FOUR, Quarter(i % FOUR)))
}

impl Quarter {
    /// A bit for each of its lanes.
    #[inline(always)]
    pub fn lanes(self) -> u16 {
        0b1111 << (FOUR * self.0)
    }

    #[inline(always)]
    fn of<T>(self, x: &[T; LANES]) -> &[T; FOUR] {
        // SAFETY: only `quarters` makes one, and its number is less than four.
        unsafe { &*x.as_ptr().add(FOUR * self.0).cast() }
    }

    #[inline(always)]
    fn of_mut<T>(self, x: &mut [T; LANES]) -> &mut [T; FOUR] {
        // SAFETY: as above; borrowed for writing.
        unsafe { &mut *x.as_mut_ptr().add(FOUR * self.0).cast() }
    }

    #[inline(always)]
    fn mask(self, [a, b, c, d]: [bool; FOUR]) -> u16 {
        (u16::from(a) | u16::from(b) << 1 | u16::from(c) << 2 | u16::from(d) << 3) << (FOUR * self.0)
    }

    /// All lanes, of which the others are the first.
    #[inline(always)]
    fn all<T: Copy>(self, [a, b, c, d]: [T; FOUR]) -> [T; LANES] {
        let mut all = [a; LANES];
        *self.of_mut(&mut all) = [a, b, c, d];
        all
    }
}

/// A function, once for all lanes of all blocks.
#[inline(never)]
fn called(f: &impl Fn(f32) -> f32, x: f32) -> f32 {
    f(x)
}

/// An expression for each lane, written out.
macro_rules! four {
    ($i:ident => $body:expr) => {
        [
            {
                const $i: usize = 0;
                $body
            },
            {
                const $i: usize = 1;
                $body
            },
            {
                const $i: usize = 2;
                $body
            },
            {
                const $i: usize = 3;
                $body
            },
        ]
    };
}

/// Operations on each lane.
macro_rules! lanewise {
    ($name:ident $operator:tt) => {
        #[inline(always)]
        fn $name(self, a: Self::F, b: Self::F) -> Self::F {
            four!(I => a[I] $operator b[I])
        }
    };
}

/// Comparisons of each lane.
macro_rules! compared {
    ($name:ident $operator:tt) => {
        #[inline(always)]
        fn $name(self, a: Self::F, b: Self::F) -> u16 {
            self.mask(four!(I => a[I] $operator b[I]))
        }
    };
}

impl Sealed for Quarter {}

impl Simd for Quarter {
    const LEVEL: Level = Level::Portable;
    const TILES: usize = 1;
    type F = [f32; FOUR];
    type Acc = [u32; FOUR];

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [x; FOUR]
    }
    #[inline(always)]
    fn load(self, x: &[f32; 16]) -> Self::F {
        *self.of(x)
    }
    #[inline(always)]
    fn store(self, y: &mut [f32; 16], v: Self::F) {
        *self.of_mut(y) = v;
    }
    #[inline(always)]
    fn store_some(self, y: &mut [f32], v: Self::F) {
        for (y, v) in y.iter_mut().skip(FOUR * self.0).zip(v) {
            *y = v;
        }
    }
    #[inline(always)]
    fn load_le(self, x: &[Le<f32>; 16]) -> Self::F {
        let x = self.of(x);
        four!(I => x[I].get())
    }
    lanewise!(add+);
    lanewise!(sub -);
    lanewise!(mul *);
    lanewise!(div /);
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        four!(I => if a[I] < b[I] { a[I] } else { b[I] })
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        four!(I => if a[I] > b[I] { a[I] } else { b[I] })
    }
    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        let sums = crate::arch::fused_lanes(self.all(a), self.all(b), self.all(c));
        self.load(&sums)
    }
    #[inline(always)]
    fn map(self, v: Self::F, f: impl Fn(f32) -> f32) -> Self::F {
        let mut lanes = v;
        for lane in &mut lanes {
            *lane = f(*lane);
        }
        lanes
    }
    #[inline(always)]
    fn map_long(self, v: Self::F, f: impl Fn(f32) -> f32) -> Self::F {
        self.map(v, |x| called(&f, x))
    }
    compared!(ge >=);
    compared!(le <=);
    compared!(lt <);
    #[inline(always)]
    fn select(self, mask: u16, a: Self::F, b: Self::F) -> Self::F {
        let mask = mask >> (FOUR * self.0);
        four!(I => if mask >> I & 1 == 1 { a[I] } else { b[I] })
    }
    #[inline(always)]
    fn select_negative(self, x: Self::F, a: Self::F, b: Self::F) -> Self::F {
        four!(I => if x[I] < 0.0 { a[I] } else { b[I] })
    }
    #[inline(always)]
    fn acc_zero(self) -> Self::Acc {
        [0; FOUR]
    }
    #[inline(always)]
    fn xor_popcnt(self, acc: Self::Acc, x: u64, w: &[Le<u64>; 16]) -> Self::Acc {
        let w = self.of(w);
        four!(I => acc[I].wrapping_add((x ^ w[I].get()).count_ones()))
    }
    #[inline(always)]
    fn dot(self, acc: Self::Acc, k: Self::F) -> Self::F {
        four!(I => k[I] - acc[I].wrapping_mul(2) as i32 as f32)
    }
    type Plane = Le<usize>;
    #[inline(always)]
    fn and(self, a: Self::Plane, b: Self::Plane) -> Self::Plane {
        Le::<usize>::new(a.get() & b.get())
    }
    #[inline(always)]
    fn xor(self, a: Self::Plane, b: Self::Plane) -> Self::Plane {
        Le::<usize>::new(a.get() ^ b.get())
    }
    #[inline(always)]
    fn dot_counts(self, counts: &[u16; 16], start: &[Le<i16>; 16], ones: usize) -> Self::F {
        let (counts, start) = (self.of(counts), self.of(start));
        four!(I => (i32::from(start[I].get()) - 2 * ones as i32 + 4 * i32::from(counts[I])) as f32)
    }
    #[inline(always)]
    fn spread<const N: usize>(self, planes: &[Self::Plane; N], put: impl FnMut(usize, [u16; 16])) {
        crate::arch::spread(planes, put);
    }
    #[inline(always)]
    fn to_array(self, v: Self::F) -> [f32; 16] {
        self.all(v)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::{Kernel, Level, dispatch_at};

    /// What 16 lanes make of each operation, and four quarters of them.
    struct Both<'a>(&'a [[f32; 16]; 3], &'a [Le<f32>; 16]);

    fn of<S: Simd>(s: S, Both([a, b, c], w): &Both<'_>, out: &mut [[f32; 16]; 16], masks: &mut [u16; 4]) {
        let [a, b, c, w] = [s.load(a), s.load(b), s.load(c), s.load_le(w)];
        let of = [
            s.add(a, w),
            s.sub(a, b),
            s.mul(a, b),
            s.div(a, b),
            s.min(a, b),
            s.max(a, b),
            s.fma(a, b, c),
            s.map(a, f32::abs),
            s.select(0b0110_1001_1100_0101, a, b),
            s.select_negative(a, b, c),
            s.splat(3.0),
            s.from_array(s.to_array(a)),
            s.dot_counts(&core::array::from_fn(|i| 7 * i as u16), &[Le::<i16>::new(-20); 16], 11),
        ];
        for (out, v) in out.iter_mut().zip(of) {
            s.store(out, v);
        }
        for (i, mask) in [s.ge(a, b), s.le(a, b), s.lt(a, b), s.within(a, b, c)].into_iter().enumerate() {
            masks[i] |= mask;
        }
    }

    impl Kernel for Both<'_> {
        type Output = ();
        fn run<S: Simd>(self, s: S) {
            let (mut all, mut masks) = ([[0.0; 16]; 16], [0; 4]);
            of(s, &self, &mut all, &mut masks);
            let (mut parts, mut some) = ([[0.0; 16]; 16], [0; 4]);
            let mut lanes = 0;
            assert!(quarters(s, 2..5).map(|(block, _)| block).eq([2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4]));
            for (block, s) in quarters(s, 7..8) {
                assert_eq!(block, 7);
                assert_eq!(lanes & s.lanes(), 0);
                lanes |= s.lanes();
                of(s, &self, &mut parts, &mut some);
                let mut few = [1.0; 7];
                s.store_some(&mut few, s.load(&self.0[0]));
                for (i, few) in few.into_iter().enumerate() {
                    let wanted = if s.lanes() >> i & 1 == 1 { self.0[0][i] } else { 1.0 };
                    assert!(few.to_bits() == wanted.to_bits());
                }
            }
            assert_eq!((lanes, masks), (u16::MAX, some));
            for (all, parts) in all.as_flattened().iter().zip(parts.as_flattened()) {
                assert!(all.to_bits() == parts.to_bits() || all.is_nan() && parts.is_nan(), "{all} {parts}");
            }
        }
    }

    #[test]
    fn four_quarters_are_sixteen_lanes() {
        let odd = [0.0, -0.0, 1.0, -2.5, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1e-40, 3.1, -1.7, 9.0];
        let number = |i: usize| odd[i % odd.len()];
        for round in 0..11 {
            let numbers = core::array::from_fn(|k| core::array::from_fn(|i| number(i * (k + 1) + round * (k + 2) + k)));
            let weights = core::array::from_fn(|i| Le::<f32>::new(number(3 * i + round)));
            dispatch_at(Level::Portable, Both(&numbers, &weights));
        }
    }
}
