//! SIMD128: a tile is four vectors. Differing bits are counted in bytes, and these are added up after up to 31 words.
//!
//! There is no fused multiply-add, so it is emulated, which makes real-valued layers many times slower than the processor
//! could. Relaxed SIMD has one, and a module compiled with that feature uses it: it rounds once where the processor has
//! the instruction, as all but the oldest do, and is left free to round twice elsewhere.

use core::arch::wasm32::*;

#[cfg(not(target_feature = "relaxed-simd"))]
use crate::arch::fused;
use crate::arch::turned::{self, Bytes, masks};
use crate::level::Level;
use crate::place::Plain;
use crate::simd::{Simd, sealed::Sealed};
use crate::weights::Le;

/// Proof that the instructions exist: this module is only compiled for targets that have them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Simd128(());

impl Simd128 {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Simd128(())
    }
}

/// Applies a function to each of the four vectors.
macro_rules! each {
    ($i:ident => $body:expr) => {{
        let f = |$i: usize| $body;
        [f(0), f(1), f(2), f(3)]
    }};
}

/// 16 counters. The number of words is a constant where the taps of a kernel are unrolled, so that the decisions that
/// hang on it are made by the compiler.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counters {
    /// Two lanes per vector, a counter for each of the eight bytes of their words.
    bytes: [v128; 8],
    /// What was counted before, four lanes per vector.
    sums: [v128; 4],
}

/// Sums of neighbouring 32-bit lanes, first of a, then of b.
#[inline(always)]
fn pairs(a: v128, b: v128) -> v128 {
    i32x4_add(i32x4_shuffle::<0, 2, 4, 6>(a, b), i32x4_shuffle::<1, 3, 5, 7>(a, b))
}

impl Counters {
    /// The sums, with what the bytes have counted.
    #[inline(always)]
    fn sums(&self) -> [v128; 4] {
        // Two numbers per lane, then one.
        let halves = |i: usize| i32x4_extadd_pairwise_u16x8(i16x8_extadd_pairwise_u8x16(self.bytes[i]));
        each!(i => i32x4_add(self.sums[i], pairs(halves(2 * i), halves(2 * i + 1))))
    }

    /// Counts a word, for which there must be room.
    #[inline(always)]
    fn count(&mut self, x: u64, w: &[Le<u64>; 16]) {
        let w = w.as_ptr().cast::<v128>();
        let x = u64x2_splat(x);
        for (i, bytes) in self.bytes.iter_mut().enumerate() {
            // SAFETY: `w` is 16 words, which is eight vectors.
            let w = unsafe { v128_load(w.add(i)) };
            // Saturating, which it never does: a plain addition would let the compiler turn those of many words into a
            // tree, with more numbers at a time than there are registers.
            *bytes = u8x16_add_sat(*bytes, i8x16_popcnt(v128_xor(x, w)));
        }
    }
}

/// Bit per lane of four vectors of all ones or zeros.
#[inline(always)]
fn mask(m: [v128; 4]) -> u16 {
    i8x16_bitmask(i8x16_narrow_i16x8(i16x8_narrow_i32x4(m[0], m[1]), i16x8_narrow_i32x4(m[2], m[3])))
}

/// All ones where the lane's bit of the mask is 1.
#[inline(always)]
fn spread(mask: u16) -> [v128; 4] {
    let mask = i32x4_splat(i32::from(mask));
    each!(i => {
        let bits = i32x4_shl(i32x4(1, 2, 4, 8), 4 * i as u32);
        i32x4_eq(v128_and(mask, bits), bits)
    })
}

/// a * b + c of four lanes, rounded twice, and where that is in doubt ([`fused`]).
#[cfg(not(target_feature = "relaxed-simd"))]
#[inline(always)]
fn fma(a: v128, b: v128, c: v128) -> (v128, v128) {
    let sum = |a, b, c| {
        f64x2_add(f64x2_mul(f64x2_promote_low_f32x4(a), f64x2_promote_low_f32x4(b)), f64x2_promote_low_f32x4(c))
    };
    let high = |x| i64x2_shuffle::<1, 1>(x, x);
    let (low, high) = (sum(a, b, c), sum(high(a), high(b), high(c)));
    let rounded = i64x2_shuffle::<0, 2>(f32x4_demote_f64x2_zero(low), f32x4_demote_f64x2_zero(high));
    let last = v128_and(i32x4_shuffle::<0, 2, 4, 6>(low, high), i32x4_splat(0x1fff_ffff));
    let magnitude = v128_and(rounded, i32x4_splat(0x7fff_ffff));
    let tiny = u32x4_lt(i32x4_sub(magnitude, i32x4_splat(1)), i32x4_splat(0x0080_0000));
    (rounded, v128_or(i32x4_eq(last, i32x4_splat(0x1000_0000)), tiny))
}

/// a < b ? a : b.
#[inline(always)]
fn less(a: v128, b: v128) -> v128 {
    if cfg!(target_feature = "relaxed-simd") {
        // The compiler would take pmin for the relaxed minimum, which leaves open what becomes of zeros and of no number.
        v128_bitselect(a, b, f32x4_lt(a, b))
    } else {
        f32x4_pmin(b, a)
    }
}

/// b < a ? a : b, as [`less`].
#[inline(always)]
fn more(a: v128, b: v128) -> v128 {
    if cfg!(target_feature = "relaxed-simd") { v128_bitselect(a, b, f32x4_gt(a, b)) } else { f32x4_pmax(b, a) }
}

// SAFETY: bits.
unsafe impl Plain for v128 {}

impl Sealed for Simd128 {}

impl Simd for Simd128 {
    const LEVEL: Level = Level::Simd128;
    const TILES: usize = 2;
    const FUSED: bool = cfg!(target_feature = "relaxed-simd");
    type F = [v128; 4];
    type Acc = Counters;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [f32x4_splat(x); 4]
    }
    #[inline(always)]
    fn splat_quads(self, x: [f32; 4]) -> Self::F {
        each!(i => f32x4_splat(x[i]))
    }
    #[inline(always)]
    fn load(self, x: &[f32; 16]) -> Self::F {
        let x = x.as_ptr().cast::<v128>();
        // SAFETY: `x` is 16 floats, which is four vectors.
        unsafe { each!(i => v128_load(x.add(i))) }
    }
    #[inline(always)]
    fn store(self, y: &mut [f32; 16], v: Self::F) {
        let y = y.as_mut_ptr().cast::<v128>();
        for (i, v) in v.into_iter().enumerate() {
            // SAFETY: `y` is 16 floats, which is four vectors.
            unsafe { v128_store(y.add(i), v) }
        }
    }
    #[inline(always)]
    fn load_le(self, x: &[Le<f32>; 16]) -> Self::F {
        let x = x.as_ptr().cast::<v128>();
        // SAFETY: `x` is 16 floats, which is four vectors; WebAssembly is little-endian.
        unsafe { each!(i => v128_load(x.add(i))) }
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        each!(i => f32x4_add(a[i], b[i]))
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        each!(i => f32x4_sub(a[i], b[i]))
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        each!(i => f32x4_mul(a[i], b[i]))
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        each!(i => f32x4_div(a[i], b[i]))
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        each!(i => less(a[i], b[i]))
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        each!(i => more(a[i], b[i]))
    }
    #[cfg(target_feature = "relaxed-simd")]
    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        each!(i => f32x4_relaxed_madd(a[i], b[i], c[i]))
    }
    #[cfg(not(target_feature = "relaxed-simd"))]
    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        let sums = each!(i => fma(a[i], b[i], c[i]));
        let doubt = v128_or(v128_or(sums[0].1, sums[1].1), v128_or(sums[2].1, sums[3].1));
        if v128_any_true(doubt) {
            return self.load(&fused::exact(self.to_array(a), self.to_array(b), self.to_array(c)));
        }
        each!(i => sums[i].0)
    }
    #[inline(always)]
    fn ge(self, a: Self::F, b: Self::F) -> u16 {
        mask(each!(i => f32x4_ge(a[i], b[i])))
    }
    #[inline(always)]
    fn le(self, a: Self::F, b: Self::F) -> u16 {
        mask(each!(i => f32x4_le(a[i], b[i])))
    }
    #[inline(always)]
    fn lt(self, a: Self::F, b: Self::F) -> u16 {
        mask(each!(i => f32x4_lt(a[i], b[i])))
    }
    #[inline(always)]
    fn select(self, mask: u16, a: Self::F, b: Self::F) -> Self::F {
        let mask = spread(mask);
        each!(i => v128_bitselect(a[i], b[i], mask[i]))
    }
    #[inline(always)]
    fn select_negative(self, x: Self::F, a: Self::F, b: Self::F) -> Self::F {
        each!(i => v128_bitselect(a[i], b[i], f32x4_lt(x[i], f32x4_splat(0.0))))
    }
    #[inline(always)]
    fn acc_zero(self) -> Self::Acc {
        Counters { bytes: [i64x2_splat(0); 8], sums: [i64x2_splat(0); 4] }
    }
    #[inline(always)]
    fn xor_popcnt(self, mut acc: Self::Acc, x: u64, w: &[Le<u64>; 16]) -> Self::Acc {
        acc.count(x, w);
        acc
    }
    #[inline(always)]
    fn widen(self, acc: Self::Acc) -> Self::Acc {
        Counters { bytes: [i64x2_splat(0); 8], sums: acc.sums() }
    }
    #[inline(always)]
    fn dot(self, acc: Self::Acc, k: Self::F) -> Self::F {
        let sums = acc.sums();
        each!(i => f32x4_sub(k[i], f32x4_convert_i32x4(i32x4_shl(sums[i], 1))))
    }
    type Plane = v128;
    #[inline(always)]
    fn and(self, a: Self::Plane, b: Self::Plane) -> Self::Plane {
        v128_and(a, b)
    }
    #[inline(always)]
    fn xor(self, a: Self::Plane, b: Self::Plane) -> Self::Plane {
        v128_xor(a, b)
    }
    #[inline(always)]
    fn full_adder(self, a: Self::Plane, b: Self::Plane, c: Self::Plane) -> (Self::Plane, Self::Plane) {
        // Where they differ, it is the third that decides. One instruction on Arm, and no more than others on x86-64.
        let differ = v128_xor(a, b);
        (v128_bitselect(c, a, differ), v128_xor(differ, c))
    }
    #[inline(always)]
    fn spread<const N: usize>(self, planes: &[Self::Plane; N], mut put: impl FnMut(usize, [u16; 16])) {
        let bits = u64x2_splat(0x8040_2010_0804_0201);
        // The highest plane first: the sum so far twice, and one where the bit is set (-1 in a mask).
        let sum = |planes: &[v128], half: u8| {
            let bytes = i8x16_add(i64x2(0, 0x0101_0101_0101_0101), u8x16_splat(2 * half));
            planes.iter().rev().fold(i64x2_splat(0), |sum, plane| {
                let set = i8x16_eq(v128_and(i8x16_swizzle(*plane, bytes), bits), bits);
                i8x16_sub(i8x16_add(sum, sum), set)
            })
        };
        let (low, high) = planes.split_at(if N < 8 { N } else { 8 });
        for half in 0..8 {
            let (low, high) = (sum(low, half), sum(high, half));
            let mut counts = [0; 16];
            let to = counts.as_mut_ptr().cast::<v128>();
            // SAFETY: 16 counts are two vectors.
            unsafe {
                v128_store(to, i8x16_shuffle::<0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23>(low, high));
                v128_store(
                    to.add(1),
                    i8x16_shuffle::<8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31>(low, high),
                );
            }
            put(usize::from(half), counts);
        }
    }
    #[inline(always)]
    fn turned(self, words: &[u64; 32]) -> [u32; 64] {
        // SAFETY: this module is only compiled for targets that have the instructions.
        unsafe { turned::turned::<v128>(words) }
    }
    #[inline(always)]
    fn columns<const N: usize>(self, sums: &[[[Self::Plane; N]; 4]; 4], put: impl FnMut(usize, [u16; 16])) {
        // SAFETY: as above.
        unsafe { turned::columns(sums, put) }
    }
    #[inline(always)]
    fn dot_counts(self, counts: &[u16; 16], start: &[Le<i16>; 16], ones: usize) -> Self::F {
        let (counts, start) = (counts.as_ptr().cast::<u64>(), start.as_ptr().cast::<u64>());
        let ones = i32x4_splat(2 * ones as i32);
        each!(i => {
            // SAFETY: 16 numbers of 16 bits are four times 64 bits.
            let (count, start) = unsafe { (v128_load64_zero(counts.add(i)), v128_load64_zero(start.add(i))) };
            let count = i32x4_shl(u32x4_extend_low_u16x8(count), 2);
            f32x4_convert_i32x4(i32x4_sub(i32x4_add(i32x4_extend_low_i16x8(start), count), ones))
        })
    }
}

impl Bytes for v128 {
    const PARTS: usize = 1;
    #[inline(always)]
    unsafe fn none() -> Self {
        i64x2_splat(0)
    }
    #[inline(always)]
    unsafe fn pairs(words: &[u64; 32], first: usize, i: usize) -> Self {
        // SAFETY: by the caller's promise the two words are there.
        unsafe { v128_load(words.as_ptr().add(first + 2 * i).cast()) }
    }
    #[inline(always)]
    unsafe fn low(self, other: Self) -> Self {
        i8x16_shuffle::<0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23>(self, other)
    }
    #[inline(always)]
    unsafe fn high(self, other: Self) -> Self {
        i8x16_shuffle::<8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31>(self, other)
    }
    #[inline(always)]
    unsafe fn masks(self) -> [u32; 8] {
        masks!(self, i8x16_bitmask, i8x16_add)
    }
    #[inline(always)]
    unsafe fn swapped<const SHIFT: i32>(x: Self, y: Self, mask: u8) -> (Self, Self) {
        let differ = v128_and(v128_xor(u16x8_shr(x, SHIFT as u32), y), u8x16_splat(mask));
        (v128_xor(x, u16x8_shl(differ, SHIFT as u32)), v128_xor(y, differ))
    }
    #[inline(always)]
    unsafe fn numbers(first: Self, second: Self) -> [[u16; 16]; 2] {
        let mut numbers = [[0; 16]; 2];
        let to = numbers.as_mut_ptr().cast::<Self>();
        // SAFETY: 16 numbers are two vectors.
        unsafe {
            v128_store(to, first);
            v128_store(to.add(1), second);
        }
        numbers
    }
}
