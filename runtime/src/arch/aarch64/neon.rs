//! NEON: a tile is four vectors. Differing bits are counted in bytes, and these are added up after up to 31 words.

use core::arch::aarch64::*;
use core::arch::asm;

use super::neon_planes;
use crate::arch::turned;
use crate::level::Level;
use crate::parts::Count;
use crate::simd::{Simd, sealed::Sealed};
use crate::weights::Le;

/// Proof that the instructions exist: this module is only compiled for targets that have them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Neon(());

impl Neon {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Neon(())
    }
}

/// 16 counters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counters {
    /// Two lanes per vector, a counter for each of the eight bytes of their words.
    bytes: [uint8x16_t; 8],
    /// What was counted before, four lanes per vector.
    sums: [uint32x4_t; 4],
}

/// Adds the differing bits of two vectors of weights to the bytes of one pixel. The weights stay, for the next pixel.
///
/// In assembly, because the compiler would turn the additions of many words into trees, and compute many of their numbers
/// before the first addition: there are too few registers for that.
///
/// # Safety
/// NEON must exist.
#[inline(always)]
unsafe fn count(bytes: &mut [uint8x16_t; 2], x: uint8x16_t, w: [uint8x16_t; 2]) {
    let [low, high] = bytes;
    // SAFETY: the caller's promise; nothing changes but the operands named.
    unsafe {
        asm!(
            "eor {t0:v}.16b, {w0:v}.16b, {x:v}.16b",
            "eor {t1:v}.16b, {w1:v}.16b, {x:v}.16b",
            "cnt {t0:v}.16b, {t0:v}.16b",
            "cnt {t1:v}.16b, {t1:v}.16b",
            "add {low:v}.16b, {low:v}.16b, {t0:v}.16b",
            "add {high:v}.16b, {high:v}.16b, {t1:v}.16b",
            w0 = in(vreg) w[0], w1 = in(vreg) w[1], x = in(vreg) x, t0 = out(vreg) _, t1 = out(vreg) _,
            low = inout(vreg) *low, high = inout(vreg) *high,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
}

/// Whether memory may be strict about alignment, so that the compiler loads byte by byte what is only aligned to the numbers in a
/// vector. LD1 and ST1 ask for no more than that; where memory is not strict, the compiler's own loads have better addresses.
const STRICT: bool = cfg!(target_os = "none");

/// # Safety
/// NEON must exist, and two words be there.
#[inline(always)]
pub(super) unsafe fn load_words(from: *const u64) -> uint8x16_t {
    if !STRICT {
        // SAFETY: the caller's promise.
        return unsafe { vld1q_u8(from.cast()) };
    }
    let vector;
    // SAFETY: the caller's promise; nothing changes but the operand named.
    unsafe {
        asm!("ld1 {{ {:v}.2d }}, [{}]", out(vreg) vector, in(reg) from, options(pure, readonly, nostack, preserves_flags));
    }
    vector
}

/// # Safety
/// NEON must exist, and four numbers be there.
#[inline(always)]
unsafe fn load_floats(from: *const f32) -> float32x4_t {
    if !STRICT {
        // SAFETY: the caller's promise.
        return unsafe { vld1q_f32(from) };
    }
    let vector;
    // SAFETY: the caller's promise; nothing changes but the operand named.
    unsafe {
        asm!("ld1 {{ {:v}.4s }}, [{}]", out(vreg) vector, in(reg) from, options(pure, readonly, nostack, preserves_flags));
    }
    vector
}

/// # Safety
/// NEON must exist, and four numbers that are the caller's alone be there.
#[inline(always)]
unsafe fn store_floats(to: *mut f32, vector: float32x4_t) {
    if !STRICT {
        // SAFETY: the caller's promise.
        return unsafe { vst1q_f32(to, vector) };
    }
    // SAFETY: the caller's promise.
    unsafe {
        asm!("st1 {{ {:v}.4s }}, [{}]", in(vreg) vector, in(reg) to, options(nostack, preserves_flags));
    }
}

impl Counters {
    /// The sums, with what the bytes have counted.
    #[inline(always)]
    fn sums(&self) -> [uint32x4_t; 4] {
        // SAFETY: the module is only compiled where the instructions exist.
        unsafe {
            let b = &self.bytes;
            // Four, then two, then one number per lane, at most 31 * 64.
            let quarters = |i: usize| vpaddq_u16(vpaddlq_u8(b[2 * i]), vpaddlq_u8(b[2 * i + 1]));
            let low = vpaddq_u16(quarters(0), quarters(1));
            let high = vpaddq_u16(quarters(2), quarters(3));
            [
                vaddw_u16(self.sums[0], vget_low_u16(low)),
                vaddw_high_u16(self.sums[1], low),
                vaddw_u16(self.sums[2], vget_low_u16(high)),
                vaddw_high_u16(self.sums[3], high),
            ]
        }
    }
}

/// Applies a function to each of the four vectors.
macro_rules! each {
    ($i:ident => $body:expr) => {{
        let f = |$i: usize| $body;
        [f(0), f(1), f(2), f(3)]
    }};
}

/// Bit per lane of four vectors of all ones or zeros.
///
/// # Safety
/// NEON must exist.
#[inline(always)]
unsafe fn mask(m: [uint32x4_t; 4]) -> u16 {
    const BITS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
    // SAFETY: the caller's promise; the table is one vector.
    unsafe {
        let halves = |a, b| vuzp1q_u16(vreinterpretq_u16_u32(a), vreinterpretq_u16_u32(b));
        let low = vreinterpretq_u8_u16(halves(m[0], m[1]));
        let high = vreinterpretq_u8_u16(halves(m[2], m[3]));
        let bits = vandq_u8(vuzp1q_u8(low, high), vld1q_u8(BITS.as_ptr()));
        // Each half's eight bits are different ones: their sum is their union.
        let pairs = vpaddq_u8(bits, bits);
        let fours = vpaddq_u8(pairs, pairs);
        vgetq_lane_u16::<0>(vreinterpretq_u16_u8(vpaddq_u8(fours, fours)))
    }
}

/// All ones where the lane's bit of the mask is 1.
///
/// # Safety
/// NEON must exist.
#[inline(always)]
unsafe fn spread(mask: u16) -> [uint32x4_t; 4] {
    const BITS: [u32; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768];
    // SAFETY: the caller's promise; the table is four vectors.
    unsafe {
        let mask = vdupq_n_u32(u32::from(mask));
        each!(i => vtstq_u32(mask, vld1q_u32(BITS.as_ptr().add(4 * i))))
    }
}

impl Sealed for Neon {}

impl Simd for Neon {
    const LEVEL: Level = Level::Neon;
    const TILES: usize = 6;
    type F = [float32x4_t; 4];
    type Acc = Counters;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        // SAFETY: the token proves the instructions.
        unsafe { [vdupq_n_f32(x); 4] }
    }
    #[inline(always)]
    fn splat_quads(self, x: [f32; 4]) -> Self::F {
        // SAFETY: the token proves the instructions.
        unsafe { each!(i => vdupq_n_f32(x[i])) }
    }
    #[inline(always)]
    fn load(self, x: &[f32; 16]) -> Self::F {
        // SAFETY: the token proves the instructions; `x` is 16 floats, which is four vectors.
        unsafe { each!(i => load_floats(x.as_ptr().add(4 * i))) }
    }
    #[inline(always)]
    fn store(self, y: &mut [f32; 16], v: Self::F) {
        let y = y.as_mut_ptr();
        for (i, v) in v.into_iter().enumerate() {
            // SAFETY: the token proves the instructions; `y` is 16 floats, which is four vectors.
            unsafe { store_floats(y.add(4 * i), v) }
        }
    }
    #[inline(always)]
    fn load_le(self, x: &[Le<f32>; 16]) -> Self::F {
        let x = x.as_ptr().cast::<f32>();
        // SAFETY: the token proves the instructions; `x` is 16 floats, in this processor's own byte order.
        unsafe { each!(i => load_floats(x.add(4 * i))) }
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: the token proves the instructions.
        unsafe { each!(i => vaddq_f32(a[i], b[i])) }
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: the token proves the instructions.
        unsafe { each!(i => vsubq_f32(a[i], b[i])) }
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: the token proves the instructions.
        unsafe { each!(i => vmulq_f32(a[i], b[i])) }
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: the token proves the instructions.
        unsafe { each!(i => vdivq_f32(a[i], b[i])) }
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        // Not FMIN, which gives NaN where either is, and tells zeros apart.
        // SAFETY: the token proves the instructions.
        unsafe { each!(i => vbslq_f32(vcltq_f32(a[i], b[i]), a[i], b[i])) }
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: the token proves the instructions.
        unsafe { each!(i => vbslq_f32(vcgtq_f32(a[i], b[i]), a[i], b[i])) }
    }
    #[inline(always)]
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        // SAFETY: the token proves the instructions.
        unsafe { each!(i => vfmaq_f32(c[i], a[i], b[i])) }
    }
    #[inline(always)]
    fn ge(self, a: Self::F, b: Self::F) -> u16 {
        // SAFETY: the token proves the instructions.
        unsafe { mask(each!(i => vcgeq_f32(a[i], b[i]))) }
    }
    #[inline(always)]
    fn le(self, a: Self::F, b: Self::F) -> u16 {
        // SAFETY: the token proves the instructions.
        unsafe { mask(each!(i => vcleq_f32(a[i], b[i]))) }
    }
    #[inline(always)]
    fn lt(self, a: Self::F, b: Self::F) -> u16 {
        // SAFETY: the token proves the instructions.
        unsafe { mask(each!(i => vcltq_f32(a[i], b[i]))) }
    }
    #[inline(always)]
    fn select(self, mask: u16, a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: the token proves the instructions.
        unsafe {
            let mask = spread(mask);
            each!(i => vbslq_f32(mask[i], a[i], b[i]))
        }
    }
    #[inline(always)]
    fn select_negative(self, x: Self::F, a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: the token proves the instructions.
        unsafe { each!(i => vbslq_f32(vcltzq_f32(x[i]), a[i], b[i])) }
    }
    #[inline(always)]
    fn prefetch<T>(self, x: &[T; 16]) {
        for line in 0..size_of_val(x).ceil_over(64) {
            let line = x.as_ptr().cast::<u8>().wrapping_add(64 * line);
            // SAFETY: a hint, which may be given for any address.
            unsafe {
                asm!("prfm pldl1keep, [{}]", in(reg) line, options(readonly, nostack, preserves_flags));
            }
        }
    }
    #[inline(always)]
    fn acc_zero(self) -> Self::Acc {
        // SAFETY: the token proves the instructions.
        unsafe { Counters { bytes: [vdupq_n_u8(0); 8], sums: [vdupq_n_u32(0); 4] } }
    }
    #[inline(always)]
    fn xor_popcnt(self, mut acc: Self::Acc, x: u64, w: &[Le<u64>; 16]) -> Self::Acc {
        let w = w.as_ptr().cast::<u64>();
        // SAFETY: the token proves the instructions; `w` is 16 words, which is eight vectors.
        unsafe {
            let x = vreinterpretq_u8_u64(vdupq_n_u64(x));
            for (i, bytes) in acc.bytes.as_chunks_mut().0.iter_mut().enumerate() {
                count(bytes, x, [load_words(w.add(4 * i)), load_words(w.add(4 * i + 2))]);
            }
        }
        acc
    }
    #[inline(always)]
    fn widen(self, acc: Self::Acc) -> Self::Acc {
        // SAFETY: the token proves the instructions.
        unsafe { Counters { bytes: [vdupq_n_u8(0); 8], sums: acc.sums() } }
    }
    #[inline(always)]
    fn rolled<T>(self, x: &[T]) -> &[T] {
        let hidden = core::hint::black_box(x);
        // SAFETY: it is the same slice. Indices that come of it are known to be no larger than they were.
        unsafe { core::hint::assert_unchecked(hidden.len() <= x.len()) };
        hidden
    }
    #[inline(always)]
    fn dot(self, acc: Self::Acc, k: Self::F) -> Self::F {
        let sums = acc.sums();
        // SAFETY: the token proves the instructions.
        unsafe { each!(i => vfmsq_n_f32(k[i], vcvtq_f32_u32(sums[i]), 2.0)) }
    }
    type Plane = uint8x16_t;
    #[inline(always)]
    fn and(self, a: Self::Plane, b: Self::Plane) -> Self::Plane {
        // SAFETY: the token proves the instructions.
        unsafe { vandq_u8(a, b) }
    }
    #[inline(always)]
    fn xor(self, a: Self::Plane, b: Self::Plane) -> Self::Plane {
        // SAFETY: the token proves the instructions.
        unsafe { veorq_u8(a, b) }
    }
    #[inline(always)]
    fn full_adder(self, a: Self::Plane, b: Self::Plane, c: Self::Plane) -> (Self::Plane, Self::Plane) {
        // SAFETY: the token proves the instructions; nothing changes but the operand named.
        unsafe {
            let differ = veorq_u8(a, b);
            let sum = veorq_u8(differ, c);
            // In assembly, as the compiler knows that the same is three logical operations.
            let mut carry = differ;
            asm!("bsl {:v}.16b, {:v}.16b, {:v}.16b", inlateout(vreg) carry, in(vreg) c, in(vreg) a, options(pure, nomem, nostack, preserves_flags));
            (carry, sum)
        }
    }
    #[inline(always)]
    unsafe fn plane_at(self, from: *const u8) -> Self::Plane {
        if !STRICT {
            // SAFETY: the caller's promise.
            return unsafe { vld1q_u8(from) };
        }
        let vector;
        // SAFETY: the caller's promise; nothing changes but the operand named.
        unsafe {
            asm!("ld1 {{ {:v}.16b }}, [{}]", out(vreg) vector, in(reg) from, options(pure, readonly, nostack, preserves_flags));
        }
        vector
    }
    #[inline(always)]
    fn spread<const N: usize>(self, planes: &[Self::Plane; N], put: impl FnMut(usize, [u16; 16])) {
        // SAFETY: the token proves the instructions.
        unsafe { neon_planes::spread(planes, put) }
    }
    #[inline(always)]
    fn turned(self, words: &[u64; 32]) -> [u32; 64] {
        // SAFETY: the token proves the instructions.
        unsafe { turned::turned::<uint8x16_t>(words) }
    }
    #[inline(always)]
    fn columns<const N: usize>(self, sums: &[[[Self::Plane; N]; 4]; 4], put: impl FnMut(usize, [u16; 16])) {
        // SAFETY: the token proves the instructions.
        unsafe { turned::columns(sums, put) }
    }
    #[inline(always)]
    fn dot_counts(self, counts: &[u16; 16], start: &[Le<i16>; 16], ones: usize) -> Self::F {
        let (counts, start) = (counts.as_ptr().cast::<u64>(), start.as_ptr().cast::<u64>());
        // SAFETY: the token proves the instructions; 16 numbers of 16 bits are two vectors.
        unsafe {
            let ones = vdupq_n_s16((2 * ones) as i16);
            // A dot product has 16 bits, so what is beyond them on the way to it does not matter.
            let half = |i: usize| {
                let count = vshlq_n_s16::<2>(vreinterpretq_s16_u8(load_words(counts.add(2 * i))));
                vsubq_s16(vaddq_s16(vreinterpretq_s16_u8(load_words(start.add(2 * i))), count), ones)
            };
            let (low, high) = (half(0), half(1));
            [
                vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))),
                vcvtq_f32_s32(vmovl_high_s16(low)),
                vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))),
                vcvtq_f32_s32(vmovl_high_s16(high)),
            ]
        }
    }
}
