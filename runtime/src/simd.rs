//! The vector trait: 16 lanes, one per channel of a tile.

use crate::level::Level;
use crate::place::Plain;
use crate::weights::Le;

/// Closes [`Simd`]: a token is a proof, and only this crate may give proofs.
pub(crate) mod sealed {
    /// Nothing outside the crate can name it.
    pub trait Sealed {}
}

/// Words whose differing bits counters take before [`Simd::widen`]: levels without a population count of 64 bits count in
/// bytes, of which each takes at most eight bits of a word, and 31 * 8 < 256.
pub const ROOM: usize = 31;

/// Part `part` of a row of `words` words, as a plane; what lies behind the row is zeros.
///
/// # Safety
/// The row is there.
#[inline(always)]
pub(crate) unsafe fn part_of_row<S: Simd>(s: S, row: *const Le<u32>, words: usize, part: usize) -> S::Plane {
    let (from, size) = (row.cast::<S::Plane>().wrapping_add(part), size_of::<S::Plane>());
    let mut plane = s.no_plane();
    if part < 4 * words / size {
        // SAFETY: a whole plane of the row is left from there on, aligned to its words.
        plane = unsafe {
            if align_of::<S::Plane>() <= align_of::<Le<u32>>() { from.read() } else { from.read_unaligned() }
        };
    } else if part == 4 * words / size {
        // SAFETY: what is left from there on, less than a plane has.
        unsafe { core::ptr::copy_nonoverlapping(from.cast::<u8>(), (&raw mut plane).cast(), 4 * words % size) }
    }
    plane
}

/// 16 lanes of one instruction set. A value of the type is the proof that the processor has it.
///
/// All operations give the same bits on every level, but for the payload and sign of a NaN.
pub trait Simd: Copy + sealed::Sealed {
    /// The level it belongs to.
    const LEVEL: Level;
    /// How many tiles of sums the registers hold. With 1, drivers work on one pixel at a time.
    const TILES: usize;
    /// Whether [`Self::pick`] is an instruction.
    const PICKS: bool = false;
    /// Whether [`fma`](Simd::fma) is an instruction, or takes no longer than a product and a sum, as in integers where floats are
    /// software; elsewhere it is emulated in f64.
    const FUSED: bool = true;
    /// 16 floats.
    type F: Copy;
    /// 16 counters of differing bits, modulo 2^32.
    type Acc: Copy;

    /// The same value in each lane.
    fn splat(self, x: f32) -> Self::F;
    /// Value i in lanes `4 * i..4 * i + 4`.
    #[inline(always)]
    fn splat_quads(self, [a, b, c, d]: [f32; 4]) -> Self::F {
        self.from_array([a, a, a, a, b, b, b, b, c, c, c, c, d, d, d, d])
    }
    /// 16 floats from memory.
    fn load(self, x: &[f32; 16]) -> Self::F;
    /// Of 16 floats from memory that of number `which[i] + behind`, which is below 16, in lane i.
    #[inline(always)]
    fn pick(self, x: &[f32; 16], which: &[u32; 16], behind: u32) -> Self::F {
        self.from_array(which.map(|which| x[(which + behind) as usize % 16]))
    }
    /// 16 floats to memory.
    fn store(self, y: &mut [f32; 16], v: Self::F);
    /// As many of the floats as there is room for.
    #[inline(always)]
    fn store_some(self, y: &mut [f32], v: Self::F) {
        for (y, v) in y.iter_mut().zip(self.to_array(v)) {
            *y = v;
        }
    }
    /// 16 weights.
    fn load_le(self, x: &[Le<f32>; 16]) -> Self::F;
    /// a + b
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    /// a - b
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    /// a * b
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// a / b
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// a < b ? a : b (so b where one of them is NaN, and b of two zeros)
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// a > b ? a : b (so b where one of them is NaN, and b of two zeros)
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// a * b + c with one rounding
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// sum + x\[0\] * w\[0\] + x\[step\] * w\[1\] + ..., in this order and with one rounding each, while there are both: as where
    /// the sum stays in registers, for cores that have these for one sum only.
    #[inline(always)]
    fn fma_run(self, sum: Self::F, x: &[f32], step: usize, w: &[[Le<f32>; 16]]) -> Self::F {
        let mut sum = sum;
        let mut at = 0_usize;
        for w in w {
            let Some(x) = x.get(at) else { break };
            sum = self.fma(self.splat(*x), self.load_le(w), sum);
            at = at.saturating_add(step);
        }
        sum
    }
    /// Any function, lane by lane.
    #[inline(always)]
    fn map(self, v: Self::F, f: impl Fn(f32) -> f32) -> Self::F {
        let mut lanes = self.to_array(v);
        for lane in &mut lanes {
            *lane = f(*lane);
        }
        self.from_array(lanes)
    }
    /// The same of a function that is long: where lanes are written out, it stands once for all of them.
    #[inline(always)]
    fn map_long(self, v: Self::F, f: impl Fn(f32) -> f32) -> Self::F {
        self.map(v, f)
    }
    /// Bit per lane: a >= b (false for NaN)
    fn ge(self, a: Self::F, b: Self::F) -> u16;
    /// Bit per lane: a <= b (false for NaN)
    fn le(self, a: Self::F, b: Self::F) -> u16;
    /// Bit per lane: a < b (false for NaN)
    fn lt(self, a: Self::F, b: Self::F) -> u16;
    /// Bit per lane: low <= a and a <= high (false for NaN)
    #[inline(always)]
    fn within(self, a: Self::F, low: Self::F, high: Self::F) -> u16 {
        self.ge(a, low) & self.le(a, high)
    }
    /// Lane of a where its bit of the mask is 1, of b where it is 0
    fn select(self, mask: u16, a: Self::F, b: Self::F) -> Self::F;
    /// x < 0 ? a : b, per lane; the same as `select(lt(x, 0), a, b)`, but without a mask in a general register.
    #[inline(always)]
    fn select_negative(self, x: Self::F, a: Self::F, b: Self::F) -> Self::F {
        self.select(self.lt(x, self.splat(0.0)), a, b)
    }
    /// Asks for memory that will be read soon; nothing is seen of it but time.
    #[inline(always)]
    fn prefetch<T>(self, x: &[T; 16]) {
        let _ = x;
    }
    /// No bit differs.
    fn acc_zero(self) -> Self::Acc;
    /// Counter of each lane += popcount(x ^ w\[lane\]). There is room for [`ROOM`] words; then [`widen`](Simd::widen) makes
    /// room again.
    fn xor_popcnt(self, acc: Self::Acc, x: u64, w: &[Le<u64>; 16]) -> Self::Acc;
    /// The same counters with room for [`ROOM`] more words.
    #[inline(always)]
    fn widen(self, acc: Self::Acc) -> Self::Acc {
        acc
    }
    /// The same slice, whose length the compiler cannot see where a loop over it had better stay one: unrolled, there would not be
    /// registers enough for it.
    #[inline(always)]
    fn rolled<T>(self, x: &[T]) -> &[T] {
        x
    }
    /// k - 2 * counter: the dot product of k signs (exact as long as both are integers up to 2^24).
    fn dot(self, acc: Self::Acc, k: Self::F) -> Self::F;
    /// Bit per lane: k - 2 * counter >= low, the sign of the dot product of k signs. For cores where floats are dear, which say it in
    /// integers.
    #[inline(always)]
    fn dot_ge(self, acc: Self::Acc, k: i32, low: &[Le<i16>; 16]) -> u16 {
        let mut bounds = [0.0; 16];
        for (bound, low) in bounds.iter_mut().zip(low) {
            *bound = f32::from(low.get());
        }
        self.ge(self.dot(acc, self.splat(k as f32)), self.load(&bounds))
    }
    /// A bit for each of so many output channels: a number, or a vector, of all of whose bits any pattern is a value.
    type Plane: Plain;
    /// Bits of a plane: so many output channels are counted at a time ([`crate::SetBits`]).
    const PLANE: usize = 8 * size_of::<Self::Plane>();
    /// Channels `PLANE * part..` of a row of weights, and nothing where there are no more.
    #[inline(always)]
    fn plane<const W: usize>(self, row: &[Le<u32>; W], part: usize) -> Self::Plane {
        // SAFETY: all words of the row are there.
        unsafe { part_of_row(self, row.as_ptr(), W, part) }
    }
    /// A plane in memory.
    ///
    /// # Safety
    /// Its bytes must be there, anywhere.
    #[inline(always)]
    unsafe fn plane_at(self, from: *const u8) -> Self::Plane {
        // SAFETY: the caller's promise; every bit pattern is a plane.
        unsafe { from.cast::<Self::Plane>().read_unaligned() }
    }
    /// No bit.
    #[inline(always)]
    fn no_plane(self) -> Self::Plane {
        // SAFETY: zeros are a pattern, too.
        unsafe { core::mem::zeroed() }
    }
    /// Every bit.
    #[inline(always)]
    fn full_plane(self) -> Self::Plane {
        let ones = [u8::MAX; 64];
        const { assert!(size_of::<Self::Plane>() <= 64, "a plane of ones") };
        // SAFETY: a plane is no longer than that, and ones are a pattern, too.
        unsafe { (&raw const ones).cast::<Self::Plane>().read_unaligned() }
    }
    /// Bits of both.
    fn and(self, a: Self::Plane, b: Self::Plane) -> Self::Plane;
    /// Bits of one of them.
    fn xor(self, a: Self::Plane, b: Self::Plane) -> Self::Plane;
    /// Bits of either, of which none is in both.
    #[inline(always)]
    fn or(self, a: Self::Plane, b: Self::Plane) -> Self::Plane {
        self.xor(a, b)
    }
    /// Carry and sum of two bits, per channel.
    #[inline(always)]
    fn half_adder(self, a: Self::Plane, b: Self::Plane) -> (Self::Plane, Self::Plane) {
        (self.and(a, b), self.xor(a, b))
    }
    /// Carry and sum of three bits, per channel.
    #[inline(always)]
    fn full_adder(self, a: Self::Plane, b: Self::Plane, c: Self::Plane) -> (Self::Plane, Self::Plane) {
        let (both, differ) = self.half_adder(a, b);
        let (third, sum) = self.half_adder(differ, c);
        (self.or(both, third), sum)
    }
    /// Gives the numbers whose bits are in the planes, of 16 channels at a time: which of the plane's, and the numbers.
    fn spread<const N: usize>(self, planes: &[Self::Plane; N], put: impl FnMut(usize, [u16; 16]));
    /// Bit p of number c is bit c of word p: 64 channels of 32 pixels.
    #[inline(always)]
    fn turned(self, words: &[u64; 32]) -> [u32; 64] {
        let mut bits = [0; 64];
        for (c, bits) in bits.iter_mut().enumerate() {
            for (p, word) in words.iter().enumerate() {
                *bits |= ((*word >> c & 1) as u32) << p;
            }
        }
        bits
    }
    /// Gives, for each bit of a plane, the 16 numbers that have it in their planes: which bit, and the numbers. (As
    /// [`spread`](Simd::spread) where it is pixels that are side by side in a plane, and channels in memory.)
    #[inline(always)]
    fn columns<const N: usize>(self, sums: &[[[Self::Plane; N]; 4]; 4], mut put: impl FnMut(usize, [u16; 16])) {
        for bit in 0..Self::PLANE {
            let mut numbers = [0; 16];
            for (number, planes) in numbers.iter_mut().zip(sums.as_flattened()) {
                for (k, plane) in planes.iter().enumerate() {
                    // SAFETY: byte `bit / 8` of a plane, which has PLANE bits.
                    let byte = unsafe { *(&raw const *plane).cast::<u8>().add(bit / 8) };
                    *number |= u16::from(byte >> (bit % 8) & 1) << k;
                }
            }
            put(bit, numbers);
        }
    }
    /// start - 2 * ones + 4 * count: the dot products of signs from their counts.
    #[inline(always)]
    fn dot_counts(self, counts: &[u16; 16], start: &[Le<i16>; 16], ones: usize) -> Self::F {
        let mut dots = [0.0; 16];
        for ((dot, count), start) in dots.iter_mut().zip(counts).zip(start) {
            *dot = (i32::from(start.get()) - 2 * ones as i32 + 4 * i32::from(*count)) as f32;
        }
        self.load(&dots)
    }
    /// The lanes.
    #[inline(always)]
    fn to_array(self, v: Self::F) -> [f32; 16] {
        let mut lanes = [0.0; 16];
        self.store(&mut lanes, v);
        lanes
    }
    /// From the lanes.
    #[allow(clippy::wrong_self_convention)] // the token has to come along
    #[inline(always)]
    fn from_array(self, lanes: [f32; 16]) -> Self::F {
        self.load(&lanes)
    }
}

/// Code that wants to be compiled once per level.
pub trait Kernel {
    /// What it returns.
    type Output;
    /// The code. Mark it, and all it calls, `#[inline(always)]`: only what is inlined is compiled for the level.
    fn run<S: Simd>(self, s: S) -> Self::Output;
}
