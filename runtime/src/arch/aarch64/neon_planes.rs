//! Planes of bits in NEON's vectors, and how pixels and channels change places in them.

use core::arch::aarch64::*;

use super::neon::load_words;
use crate::arch::turned::Bytes;
use crate::place::Plain;

/// Gives the numbers whose bits are in the planes, 16 at a time.
///
/// # Safety
/// NEON must exist.
#[inline(always)]
pub(super) unsafe fn spread<const N: usize>(planes: &[uint8x16_t; N], mut put: impl FnMut(usize, [u16; 16])) {
    let mut bytes = [[0; 16]; 16];
    for (to, plane) in bytes.iter_mut().zip(planes) {
        // SAFETY: the caller's promise; 16 bytes are a vector.
        unsafe { vst1q_u8(to.as_mut_ptr(), *plane) }
    }
    for block in 0..8 {
        let mut numbers = [0; 16];
        for (half, to) in numbers.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let of_eight = bytes.map(|plane| plane[2 * block + half]);
            // SAFETY: as above; eight numbers are a vector.
            unsafe { vst1q_u8(to.as_mut_ptr().cast(), pairs_of_bits(vld1q_u8(of_eight.as_ptr()))) }
        }
        put(block, numbers);
    }
}

/// The bits j of the first eight bytes, and those of the others, are bytes 2 * j and 2 * j + 1.
///
/// # Safety
/// NEON must exist.
#[inline(always)]
unsafe fn pairs_of_bits(x: uint8x16_t) -> uint8x16_t {
    /// The bits of a mask and those so far to the left change places.
    macro_rules! swapped {
        ($x:ident, $shift:literal, $mask:literal) => {{
            let differ = vandq_u64(veorq_u64($x, vshrq_n_u64::<$shift>($x)), vdupq_n_u64($mask));
            veorq_u64($x, veorq_u64(differ, vshlq_n_u64::<$shift>(differ)))
        }};
    }
    // Squares of eight bits by eight, transposed: single bits, squares of two, and of four. (Warren, Hacker's Delight, 7-3.)
    // SAFETY: the caller's promise.
    unsafe {
        let x = vreinterpretq_u64_u8(x);
        let x = swapped!(x, 7, 0x00aa_00aa_00aa_00aa);
        let x = swapped!(x, 14, 0x0000_cccc_0000_cccc);
        let x = vreinterpretq_u8_u64(swapped!(x, 28, 0x0000_0000_f0f0_f0f0));
        vzip1q_u8(x, vextq_u8::<8>(x, x))
    }
}

// SAFETY: bits.
unsafe impl Plain for uint8x16_t {}

impl Bytes for uint8x16_t {
    const PARTS: usize = 1;
    #[inline(always)]
    unsafe fn none() -> Self {
        // SAFETY: the module is only compiled where the instructions exist.
        unsafe { vdupq_n_u8(0) }
    }
    #[inline(always)]
    unsafe fn pairs(words: &[u64; 32], first: usize, i: usize) -> Self {
        // SAFETY: as above; by the caller's promise the two words are there.
        unsafe { load_words(words.as_ptr().add(first + 2 * i)) }
    }
    #[inline(always)]
    unsafe fn low(self, other: Self) -> Self {
        // SAFETY: as above.
        unsafe { vzip1q_u8(self, other) }
    }
    #[inline(always)]
    unsafe fn high(self, other: Self) -> Self {
        // SAFETY: as above.
        unsafe { vzip2q_u8(self, other) }
    }
    #[inline(always)]
    unsafe fn masks(self) -> [u32; 8] {
        // SAFETY: as above.
        unsafe {
            let bits = pairs_of_bits(self);
            let (masks, mut wide) = (vreinterpretq_u16_u8(bits), [0; 8]);
            vst1q_u32(wide.as_mut_ptr(), vmovl_u16(vget_low_u16(masks)));
            vst1q_u32(wide.as_mut_ptr().add(4), vmovl_high_u16(masks));
            wide
        }
    }
    #[inline(always)]
    unsafe fn swapped<const SHIFT: i32>(x: Self, y: Self, mask: u8) -> (Self, Self) {
        // SAFETY: as above.
        unsafe {
            let mask = vdupq_n_u8(mask);
            (vbslq_u8(mask, x, vshlq_n_u8::<SHIFT>(y)), vbslq_u8(mask, vshrq_n_u8::<SHIFT>(x), y))
        }
    }
    #[inline(always)]
    unsafe fn numbers(first: Self, second: Self) -> [[u16; 16]; 2] {
        let mut numbers = [[0; 16]; 2];
        let to = numbers.as_mut_ptr().cast::<u8>();
        // SAFETY: as above; 16 numbers are two vectors.
        unsafe {
            vst1q_u8(to, first);
            vst1q_u8(to.add(16), second);
        }
        numbers
    }
}
